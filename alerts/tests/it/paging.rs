use painwatch_domain::{AlertState, Condition, Priority};

use painwatch_journal::memory::Fate;

use crate::receiver::Answer;
use crate::rig::{Rig, applied, finding};

#[tokio::test]
async fn a_finding_becomes_a_row_a_story_and_one_signed_page() {
    let rig = Rig::new().await;
    let service = rig.start().await;
    let finding = finding(1, Priority::High);
    rig.finding(&finding).await;
    let received = rig.receiver.wait(1).await;
    rig.until_event(&service, finding.alert_id, "page_delivered").await;

    let row = rig.alert(finding.alert_id).await;
    assert_eq!((row.state, row.condition, row.priority), (AlertState::Open, Condition::Active, Priority::High));
    assert_eq!(row.care_team.as_deref(), Some("acute-pain"));
    assert_eq!(rig.events(finding.alert_id).await, ["opened", "paged", "page_delivered"]);
    let notifications = rig.notifications(finding.alert_id).await;
    assert_eq!(notifications.len(), 1);
    assert_eq!((notifications[0].outcome.as_str(), notifications[0].attempt), ("delivered", 1));
    assert_eq!(received[0].id, notifications[0].notification_id.to_string());
    assert_eq!(*rig.opened.lock().unwrap(), [(finding.alert_id, Some(painwatch_domain::Offset(77)))]);
    service.stop().await;
}

#[tokio::test]
async fn a_page_says_that_there_is_something_to_see_and_nothing_about_the_patient() {
    let rig = Rig::new().await;
    let service = rig.start().await;
    let finding = finding(1, Priority::High);
    rig.finding(&finding).await;
    let body = &rig.receiver.wait(1).await[0].body;
    assert_eq!(body["data"]["priority"], "high");
    assert_eq!(body["data"]["care_team"], "acute-pain");
    assert_eq!(body["data"]["url"], format!("https://painwatch.example/alerts/{}", finding.alert_id));
    let text = body.to_string();
    for secret in ["jane-doe", "85", "oxy", "spo2", "Oxygen", "Call"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    service.stop().await;
}

#[tokio::test]
async fn without_faults_nothing_is_ever_sent_twice() {
    let rig = Rig::new().await;
    let service = rig.start().await;
    let mut last = None;
    for n in 0..60 {
        let finding = finding(n, Priority::Medium);
        rig.finding(&finding).await;
        rig.finding(&finding).await;
        last = Some(finding.alert_id);
    }
    let received = rig.receiver.wait(60).await;
    rig.until_event(&service, last.unwrap(), "page_delivered").await;
    let offset = rig.tick(3_600_000).await;
    applied(&service, offset).await;
    service.stop().await;
    let ids: std::collections::BTreeSet<_> = received.iter().map(|it| &it.id).collect();
    assert_eq!((ids.len(), rig.receiver.so_far().len()), (60, 60));
    assert_eq!(rig.opened.lock().unwrap().len(), 60);
}

#[tokio::test]
async fn what_fails_is_tried_again_under_the_same_id_when_journal_time_has_passed() {
    let rig = Rig::new().await;
    rig.receiver.answer(&[Answer::Status(500), Answer::AcceptAndHang, Answer::Redirect]);
    let service = rig.start().await;
    let finding = finding(1, Priority::High);
    rig.finding(&finding).await;
    for (attempt, wait) in [(1, 5_000), (2, 10_000), (3, 15_000)] {
        rig.receiver.wait(attempt).await;
        failed(&rig, &service, &finding, attempt).await;
        rig.tick(wait).await;
    }
    let received = rig.receiver.wait(4).await;
    rig.until_event(&service, finding.alert_id, "page_delivered").await;
    assert_eq!(received.iter().map(|it| it.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(received.iter().all(|it| it.id == received[0].id && it.path == "/hook"));
    let rows = rig.notifications(finding.alert_id).await;
    let told: Vec<_> = rows.iter().map(|row| (row.attempt, row.outcome.as_str(), row.detail.as_str())).collect();
    let expected =
        [(1, "failed", "HTTP 500"), (2, "failed", "timeout"), (3, "failed", "HTTP 307"), (4, "delivered", "HTTP 204")];
    assert_eq!(told, expected);
    service.stop().await;
}

async fn failed(rig: &Rig, service: &crate::rig::Service, finding: &painwatch_domain::Finding, attempt: usize) {
    let mut applied = service.handle.applied.clone();
    loop {
        let rows = rig.notifications(finding.alert_id).await;
        if rows.iter().any(|row| row.attempt as usize == attempt && row.outcome == "failed") {
            return;
        }
        applied.changed().await.expect("a running service");
    }
}

#[tokio::test]
async fn an_address_that_is_neither_https_nor_on_this_machine_is_given_up_at_once_and_aloud() {
    let rig = Rig::new().await;
    rig.nurse_at("http://192.0.2.1/hook").await;
    let service = rig.start().await;
    let finding = finding(1, Priority::High);
    rig.finding(&finding).await;
    rig.until_event(&service, finding.alert_id, "page_abandoned").await;
    assert!(rig.receiver.so_far().is_empty());
    service.stop().await;
}

#[tokio::test]
async fn shadow_is_shown_and_never_sent() {
    let rig = Rig::new().await;
    let service = rig.start().await;
    let mut shadow = finding(1, Priority::High);
    shadow.shadow = true;
    let offset = rig.finding(&shadow).await;
    applied(&service, offset).await;
    service.stop().await;
    assert!(rig.alert(shadow.alert_id).await.shadow);
    assert!(rig.receiver.so_far().is_empty());
}

#[tokio::test]
async fn a_lost_answer_of_the_journal_repeats_the_record_and_changes_nothing() {
    let rig = Rig::new().await;
    let service = rig.start().await;
    let finding = finding(1, Priority::High);
    rig.finding(&finding).await;
    rig.unkind().next_fates([Fate::LoseAck { written: 1 }, Fate::LoseAck { written: 0 }]);
    rig.until_event(&service, finding.alert_id, "page_delivered").await;
    let offset = rig.tick(60_000).await;
    applied(&service, offset).await;
    service.stop().await;
    assert_eq!(rig.receiver.so_far().len(), 1);
    assert_eq!(rig.events(finding.alert_id).await, ["opened", "paged", "page_delivered"]);
}
