//! What must have come of a ward's data, whatever happened on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::clinic::Clinic;
use crate::program::Installation;
use crate::receiver::Receiver;
use crate::waiting;

/// What two installations that were sent the same must have in common, to the byte.
#[derive(PartialEq, Debug)]
pub struct Outcome {
    readings: Vec<Value>,
    /// Without what depends on when something was computed.
    alerts: Vec<Value>,
    episodes: Vec<Value>,
    canonical: String,
}

/// By device and measure, so that what is missing has a name.
const READINGS: &str =
    "SELECT device_id, measure, count(*) AS n, count(DISTINCT reading_id) AS ids, sum(value) AS total,
    min(time) AS first, max(time) AS last FROM readings GROUP BY device_id, measure ORDER BY device_id, measure";
const ALERTS: &str =
    "SELECT alert_id, patient_id, rule_id, rule_version, kind, priority, condition, onset_at, last_held_at,
    cleared_at, shadow FROM alerts ORDER BY alert_id";
const EPISODES: &str = "SELECT patient_id, rule_id, start_time, end_time, peak, evidence_hash, alert_id FROM episodes
    ORDER BY patient_id, rule_id, start_time";

/// The outcome on a stopped installation; every reading of the clinic is there exactly once, and so is every alert.
pub fn of(installation: &Installation, clinic: &Clinic) -> Outcome {
    // First, because it applies what was durable and not yet in the tables when the server ended.
    let readings = installation.sql(READINGS);
    let books = &installation.status()["books"];
    assert_eq!(books["stored"], clinic.reading_count(), "{books}");
    assert_eq!((books["conflict"].as_u64(), books["quarantined"].as_u64()), (Some(0), Some(0)), "{books}");
    assert_eq!(books["balanced"], true, "{books}");
    let sum = |figure: &str| readings.iter().filter_map(|row| row[figure].as_u64()).sum::<u64>();
    assert_eq!((sum("n"), sum("ids")), (clinic.reading_count(), clinic.reading_count()), "none lost, none twice");
    let alerts = installation.sql(ALERTS);
    let by_rule = alerts.iter().fold(BTreeMap::<&str, usize>::new(), |mut counts, alert| {
        *counts.entry(alert["rule_id"].as_str().unwrap_or_default()).or_default() += 1;
        counts
    });
    assert_eq!(alerts.len(), clinic.alert_count(), "{by_rule:?}");
    Outcome { readings, alerts, episodes: installation.sql(EPISODES), canonical: installation.verified() }
}

/// What does not depend on the order in which readings came (semantics 10): ids of alerts do, by semantics 11.
pub fn history(installation: &Installation, clinic: &Clinic) -> (Vec<Value>, Vec<Value>, String) {
    let readings = installation.sql(READINGS);
    let books = &installation.status()["books"];
    assert_eq!(books["stored"], clinic.reading_count(), "{books}");
    let mut episodes = installation.sql(EPISODES);
    assert_eq!(episodes.len(), clinic.alert_count());
    episodes.iter_mut().filter_map(Value::as_object_mut).for_each(|row| drop(row.remove("alert_id")));
    (readings, episodes, installation.verified())
}

/// Readings that were sent again and found to be known.
pub fn duplicates(installation: &Installation) -> u64 {
    installation.status()["books"]["duplicate"].as_u64().expect("a figure")
}

/// Waits until every alert has been told, on a running server.
pub fn wait_until_told(receiver: &Receiver, clinic: &Clinic) {
    let all_told = waiting::until(Duration::from_secs(60), || paged(receiver).len() >= clinic.alert_count());
    assert!(all_told, "{} of {} alerts were told", paged(receiver).len(), clinic.alert_count());
}

/// One page an alert, as a receiver that honours our key sees it.
pub fn one_page_an_alert(receiver: &Receiver, outcome: &Outcome) {
    let pages = receiver.pages();
    assert!(!pages.contains_key(""), "every page has a webhook-id");
    for (id, repeats) in &pages {
        assert!(repeats.iter().all(|page| page["data"]["alert_id"] == repeats[0]["data"]["alert_id"]), "{id}");
    }
    let alerts: BTreeSet<&str> = outcome.alerts.iter().filter_map(|alert| alert["alert_id"].as_str()).collect();
    let told = paged(receiver);
    assert_eq!(told.keys().map(String::as_str).collect::<BTreeSet<_>>(), alerts);
    assert!(told.values().all(|ids| ids.len() == 1), "an alert was told under two ids");
}

/// The webhook ids that spoke of each alert.
fn paged(receiver: &Receiver) -> BTreeMap<String, BTreeSet<String>> {
    let mut told = BTreeMap::<String, BTreeSet<String>>::new();
    for (id, pages) in receiver.pages() {
        let alert = pages[0]["data"]["alert_id"].as_str().unwrap_or_default();
        told.entry(alert.to_owned()).or_default().insert(id);
    }
    told
}
