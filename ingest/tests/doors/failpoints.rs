//! Faults of our own between durability and acknowledgement. Run with `--features failpoints`; each test is a process of
//! its own under nextest, because failpoints are global.

use painwatch_ingest::Tally;

use crate::support::raw::{PINGREQ, PINGRESP, Raw, Version, confirmed};
use crate::support::{House, batch_json, eventually};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";

async fn fault_at(failpoint: &str, written: usize) {
    let house = House::open().await;
    let mut neighbour = Raw::connect(&house, Version::V5, "gw-2").await;
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    fail::cfg(failpoint, "1*panic").unwrap();
    raw.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    assert!(raw.until_closed().await.is_empty(), "no acknowledgement");
    assert_eq!(house.batches().len(), written);
    eventually("the fault is counted", || house.handle.ledger.tally(Tally::ConnectionFaults) == 1).await;
    neighbour.send(&PINGREQ).await;
    assert_eq!(neighbour.receive().await.head, PINGRESP);
    let mut again = Raw::connect(&house, Version::V5, "gw-1").await;
    again.publish(TOPIC, 1, 1, batch_json(0).as_bytes()).await;
    assert_eq!(confirmed(&again.receive().await), (1, 0));
    assert_eq!(house.batches().len(), written + 1);
    fail::remove(failpoint);
}

#[tokio::test]
async fn a_fault_before_the_append_loses_nothing_that_was_acknowledged_and_no_neighbour() {
    fault_at("ingest::before_append", 0).await;
}

#[tokio::test]
async fn f2_a_fault_after_durability_and_before_the_acknowledgement_leaves_a_duplicate_for_intake() {
    fault_at("ingest::after_durable", 1).await;
}
