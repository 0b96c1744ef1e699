//! The service dies at each of its named points; what must hold afterwards is the same each time.

use painwatch_domain::Priority;

use crate::rig::{Rig, finding};

async fn dies_at(point: &str, raw_requests: usize) {
    let rig = Rig::new().await;
    let first = rig.start().await;
    let finding = finding(1, Priority::High);
    // The roster is committed; the finding is what it dies of.
    rig.tick(0).await;
    crate::rig::applied(&first, painwatch_domain::Offset(1)).await;
    fail::cfg(point, "1*panic(killed here)->off").unwrap();
    rig.finding(&finding).await;
    let end = first.task.await;
    assert!(!matches!(end, Ok(Ok(()))), "the service survived {point}");
    fail::remove(point);

    let second = rig.start().await;
    rig.until_event(&second, finding.alert_id, "page_delivered").await;
    second.stop().await;
    assert_eq!(rig.events(finding.alert_id).await, ["opened", "paged", "page_delivered"]);
    let received = rig.receiver.so_far();
    assert_eq!(received.len(), raw_requests, "{point}");
    assert!(received.iter().all(|it| it.id == received[0].id));
}

#[tokio::test]
async fn killed_before_the_commit_it_pages_once() {
    dies_at("alerts::before_commit", 1).await;
}

#[tokio::test]
async fn killed_after_the_commit_it_pages_once() {
    dies_at("alerts::after_commit", 1).await;
}

#[tokio::test]
async fn killed_before_sending_it_pages_once() {
    dies_at("alerts::before_send", 1).await;
}

#[tokio::test]
async fn killed_after_sending_it_repeats_the_page_under_the_same_id() {
    dies_at("alerts::after_send", 2).await;
}
