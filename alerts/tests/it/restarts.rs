use painwatch_alerts::{Alerts, AlertsError};
use painwatch_domain::{AlertState, Priority};

use painwatch_journal::memory::Mood;

use crate::receiver::Answer;
use crate::rig::{Rig, applied, finding};

#[tokio::test]
async fn an_attempt_of_unknown_outcome_is_made_again_under_the_same_id() {
    let rig = Rig::new().await;
    rig.receiver.answer(&[Answer::AcceptAndHang]);
    let service = rig.start().await;
    let finding = finding(1, Priority::High);
    rig.finding(&finding).await;
    rig.receiver.wait(1).await;
    service.kill().await;

    let service = rig.start().await;
    let received = rig.receiver.wait(2).await;
    rig.until_event(&service, finding.alert_id, "page_delivered").await;
    service.stop().await;
    assert_eq!(received[0].id, received[1].id);
    assert_eq!(rig.events(finding.alert_id).await, ["opened", "paged", "page_delivered"]);
}

#[tokio::test]
async fn after_a_clean_stop_nothing_is_sent_again() {
    let rig = Rig::new().await;
    for n in 0..10 {
        let service = rig.start().await;
        let offset = rig.finding(&finding(n, Priority::High)).await;
        applied(&service, offset).await;
        service.stop().await;
    }
    let service = rig.start().await;
    let last = finding(9, Priority::High).alert_id;
    rig.until_event(&service, last, "page_delivered").await;
    service.stop().await;
    assert_eq!(rig.receiver.so_far().len(), 10);
    assert_eq!(rig.opened.lock().unwrap().len(), 10);
}

#[tokio::test]
async fn findings_and_commands_made_while_nobody_ran_are_taken_up() {
    let rig = Rig::new().await;
    let (seen, unseen) = (finding(1, Priority::High), finding(2, Priority::High));
    rig.finding(&seen).await;
    rig.person(seen.alert_id, "ada", "acknowledge").await;
    rig.person(seen.alert_id, "ben", "acknowledge").await;
    rig.finding(&unseen).await;
    let service = rig.start().await;
    rig.until_event(&service, seen.alert_id, "page_delivered").await;
    rig.until_event(&service, unseen.alert_id, "page_delivered").await;
    service.stop().await;
    let row = rig.alert(seen.alert_id).await;
    assert_eq!((row.state, row.acknowledged_by.as_deref()), (AlertState::Acknowledged, Some("ada")));
}

/// Kills at many instants: each alert exists once and is told under one id.
async fn killed_again_and_again(mut rig: Rig, kills: i64) {
    for n in 0..kills {
        let service = rig.start().await;
        rig.finding(&finding(n, Priority::High)).await;
        for _ in 0..(n % 13) * 3 {
            tokio::task::yield_now().await;
        }
        if service.task.is_finished() {
            panic!("{:?}", service.task.await);
        }
        service.kill().await;
        rig.reopen().await;
    }
    let service = rig.start().await;
    for n in 0..kills {
        rig.until_event(&service, finding(n, Priority::High).alert_id, "page_delivered").await;
    }
    service.stop().await;
    let received = rig.receiver.so_far();
    let keys: std::collections::BTreeSet<_> = received.iter().map(|it| &it.id).collect();
    assert_eq!(keys.len() as i64, kills);
    for n in 0..kills {
        let id = finding(n, Priority::High).alert_id;
        assert_eq!(rig.events(id).await, ["opened", "paged", "page_delivered"]);
    }
}

#[tokio::test]
async fn kills_at_any_moment_lose_no_alert_and_add_no_key() {
    let rig = Rig::new().await;
    rig.unkind().set_mood(Mood { lose_ack_per_mille: 200, ..Mood::default() });
    killed_again_and_again(rig, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_no_alert_and_add_no_key_on_the_engines_of_the_embedded_default() {
    killed_again_and_again(Rig::on_disk().await, 26).await;
}

#[tokio::test]
async fn an_older_owner_is_fenced_off_and_stops() {
    let rig = Rig::new().await;
    let old = rig.start().await;
    let offset = rig.finding(&finding(1, Priority::High)).await;
    applied(&old, offset).await;
    rig.until_event(&old, finding(1, Priority::High).alert_id, "page_delivered").await;
    let new = rig.start().await;
    rig.finding(&finding(2, Priority::High)).await;
    let ended = old.task.await.unwrap();
    assert!(matches!(ended, Err(AlertsError::Store(painwatch_store::StoreError::Fenced { .. }))), "{ended:?}");
    rig.until_event(&new, finding(2, Priority::High).alert_id, "page_delivered").await;
    new.stop().await;
    assert_eq!(rig.receiver.so_far().len(), 2);
}

#[tokio::test]
async fn a_journal_that_is_not_this_stores_is_refused() {
    let rig = Rig::new().await;
    let service = rig.start().await;
    let offset = rig.finding(&finding(1, Priority::High)).await;
    applied(&service, offset).await;
    service.stop().await;
    let mut other = Rig::new().await;
    other.store = rig.store.clone();
    let deps = other.deps().await;
    assert!(matches!(Alerts::recover(deps).await, Err(AlertsError::Ahead { .. })));
}
