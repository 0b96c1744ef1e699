use painwatch_domain::{FindingKind, Priority, TenantId};
use painwatch_journal::memory::Fate;
use painwatch_journal::{Journal as _, Refusal};
use painwatch_store::Store as _;
use reqwest::Method;
use serde_json::json;

use crate::rig::{NOW_MS, Rig, finding, id};

async fn with_alert() -> (Rig, String) {
    let rig = Rig::new().await;
    rig.findings(&[finding("p1", "r", NOW_MS, Priority::High)]).await;
    let path = format!("/api/v1/alerts/{}", id("p1", "r", NOW_MS));
    (rig, path)
}

#[tokio::test]
async fn an_acknowledgement_is_journalled_applied_and_then_answered() {
    let (rig, path) = with_alert().await;
    let before = rig.journal.next_offset();
    let (status, alert) = rig.post(&format!("{path}/acknowledge"), json!({ "note": "calling" })).await;
    assert_eq!(status, 200);
    assert_eq!((&alert["state"], &alert["acknowledged_by"]), (&json!("acknowledged"), &json!("clinician")));
    assert_eq!(alert["changed"], true);
    assert_eq!(rig.journal.next_offset().0, before.0 + 1);
    let events = &rig.get(&path).await["events"];
    let last = events.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["event"], &last["actor"], &last["note"]),
        (&json!("acknowledged"), &json!("clinician"), &json!("calling"))
    );
}

#[tokio::test]
async fn a_second_acknowledgement_answers_200_and_who_was_first() {
    let (rig, path) = with_alert().await;
    rig.post(&format!("{path}/acknowledge"), json!({})).await;
    let (status, alert) = rig.post(&format!("{path}/acknowledge"), json!({})).await;
    assert_eq!((status, &alert["changed"]), (200, &json!(false)));
    assert_eq!(alert["acknowledged_by"], "clinician");
}

#[tokio::test]
async fn resolve_reopen_assign_and_disposition_do_what_they_say() {
    let (rig, path) = with_alert().await;
    let (_, alert) = rig.post(&format!("{path}/assign"), json!({ "assignee": "ben" })).await;
    assert_eq!(alert["assignee"], "ben");
    let (_, alert) = rig.post(&format!("{path}/resolve"), json!({ "disposition": "actionable" })).await;
    assert_eq!((&alert["state"], &alert["disposition"]), (&json!("resolved"), &json!("actionable")));
    let (_, alert) = rig.post(&format!("{path}/disposition"), json!({ "disposition": "false_sensor" })).await;
    assert_eq!(alert["disposition"], "false_sensor");
    let (_, alert) = rig.post(&format!("{path}/reopen"), json!({})).await;
    assert_eq!((&alert["state"], &alert["resolved_at"]), (&json!("open"), &json!(null)));
}

#[tokio::test]
async fn what_the_lifecycle_refuses_is_a_conflict_and_not_a_success() {
    let (rig, path) = with_alert().await;
    let mut gone = finding("p1", "r", NOW_MS, Priority::High);
    gone.kind = FindingKind::Retracted;
    rig.findings(&[gone]).await;
    for verb in ["acknowledge", "resolve", "reopen"] {
        let (status, problem) = rig.post(&format!("{path}/{verb}"), json!({})).await;
        assert_eq!(status, 409, "{verb}");
        assert_eq!(problem["detail"], format!("{verb} is not possible: the alert is retracted"));
    }
}

#[tokio::test]
async fn an_idempotency_key_makes_a_repeated_comment_one() {
    let (rig, path) = with_alert().await;
    for key in ["a", "a", "b"] {
        let request = rig.request(Method::POST, &format!("{path}/comment")).header("idempotency-key", key);
        assert_eq!(request.json(&json!({ "note": "seen" })).send().await.unwrap().status(), 200);
    }
    let events = rig.get(&path).await["events"].clone();
    let comments = events.as_array().unwrap().iter().filter(|event| event["event"] == "commented").count();
    assert_eq!(comments, 2);
}

#[tokio::test]
async fn a_command_that_makes_no_sense_is_refused_before_the_journal() {
    let (rig, path) = with_alert().await;
    let before = rig.journal.next_offset();
    let long = "x".repeat(2_001);
    for (path, body, expected) in [
        (format!("{path}/dance"), json!({}), 404),
        (format!("/api/v1/alerts/{}/resolve", "0".repeat(32)), json!({}), 404),
        ("/api/v1/alerts/nonsense/resolve".to_owned(), json!({}), 404),
        (format!("{path}/comment"), json!({ "note": " " }), 422),
        (format!("{path}/comment"), json!({ "note": long }), 422),
        (format!("{path}/assign"), json!({}), 422),
        (format!("{path}/disposition"), json!({ "disposition": "whatever" }), 422),
        (format!("{path}/resolve"), json!({ "colour": "red" }), 422),
    ] {
        let (status, problem) = rig.post(&path, body).await;
        assert_eq!((status, &problem["status"]), (expected, &json!(expected)), "{path}");
    }
    assert_eq!(rig.journal.next_offset(), before);
}

#[tokio::test]
async fn an_append_of_unknown_fate_is_made_again_and_counts_once() {
    let (rig, path) = with_alert().await;
    rig.journal.next_fates([Fate::LoseAck { written: 1 }]);
    let (status, _) = rig.post(&format!("{path}/comment"), json!({ "note": "seen" })).await;
    assert_eq!(status, 200);
    let events = rig.store.alert_events(TenantId::default(), id("p1", "r", NOW_MS)).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.event == "commented").count(), 1);
}

#[tokio::test]
async fn a_journal_that_refuses_is_a_503_and_changes_nothing() {
    let (rig, path) = with_alert().await;
    rig.journal.next_fates([Fate::Refuse(Refusal::Full)]);
    let (status, _) = rig.post(&format!("{path}/acknowledge"), json!({})).await;
    assert_eq!(status, 503);
    assert_eq!(rig.get(&path).await["state"], "open");
}
