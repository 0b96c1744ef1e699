//! What must have come of the data, whatever happened on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::clinic::Clinic;
use crate::program::Installation;
use crate::receiver::Receiver;
use crate::waiting;

/// By device and measure, so that what is missing has a name.
const READINGS: &str =
    "SELECT device_id, measure, count(*) AS n, count(DISTINCT reading_id) AS ids, round(sum(value), 3) AS total,
    min(time) AS first, max(time) AS last FROM readings GROUP BY device_id, measure ORDER BY device_id, measure";
/// Without what depends on when something was computed.
const ALERTS: &str =
    "SELECT alert_id, patient_id, rule_id, rule_version, kind, priority, condition, onset_at, last_held_at,
    cleared_at, shadow FROM alerts ORDER BY alert_id";
/// Without the id, which depends on what was detected first (semantics 11).
const EPISODES: &str =
    "SELECT patient_id, rule_id, start_time, end_time, peak, rule_version, evidence_hash FROM episodes
    ORDER BY patient_id, rule_id, start_time";
const METRICS: &str = "SELECT patient_id, metric, time, window_start, window_end, value, value_code, unit, n, baseline,
    deviation, coverage, state, reason, quality FROM metrics ORDER BY patient_id, metric, time";
/// Without what depends on when we were there to watch (semantics 10).
const COVERAGE: &str = "SELECT patient_id, rule_id, start_time, end_time, state, cause FROM coverage
    WHERE cause NOT IN ('self', 'gateway', 'link') ORDER BY patient_id, rule_id, start_time";

/// Differences shown of one table.
const SHOWN_MAX: usize = 6;

/// What two installations that were sent the same must have in common, to the byte.
pub struct Outcome {
    tables: Vec<(&'static str, Vec<Value>)>,
    canonical: String,
}

impl Outcome {
    /// The tables of a stopped installation, that passes all its own checks and has stored so many readings, each once.
    fn of(installation: &Installation, readings: u64, tables: &[(&'static str, &str)]) -> Self {
        // First, because it applies what was durable and not yet in the tables when the server ended.
        let counted = installation.sql(READINGS);
        let books = &installation.status()["books"];
        assert_eq!(books["stored"], readings, "{books}");
        assert_eq!((books["conflict"].as_u64(), books["quarantined"].as_u64()), (Some(0), Some(0)), "{books}");
        assert_eq!(books["balanced"], true, "{books}");
        let sum = |figure: &str| counted.iter().filter_map(|row| row[figure].as_u64()).sum::<u64>();
        assert_eq!((sum("n"), sum("ids")), (readings, readings), "none lost, none twice");
        let others = tables.iter().map(|(name, query)| (*name, installation.sql(query)));
        let tables = [("readings", counted)].into_iter().chain(others).collect();
        Self { tables, canonical: installation.verified() }
    }

    pub fn table(&self, wanted: &str) -> &[Value] {
        self.tables.iter().find(|(name, _)| *name == wanted).map_or(&[], |(_, rows)| rows.as_slice())
    }

    /// The alerts that anybody hears of.
    fn spoken(&self) -> impl Iterator<Item = &Value> {
        self.table("alerts").iter().filter(|alert| alert["shadow"] == false)
    }

    /// Both are the same; otherwise it says where they are not.
    pub fn must_be(&self, expected: &Self) {
        let mut differences = Vec::new();
        for (name, rows) in &self.tables {
            let (ours, theirs) = (texts(rows), texts(expected.table(name)));
            let say = |what: &str, row: &String| format!("{name}: {what} {row}");
            differences.extend(theirs.difference(&ours).take(SHOWN_MAX).map(|row| say("missing", row)));
            differences.extend(ours.difference(&theirs).take(SHOWN_MAX).map(|row| say("too many", row)));
        }
        assert!(differences.is_empty(), "\n{}", differences.join("\n"));
        assert_eq!(self.canonical, expected.canonical, "the tables are equal, the canonical hash is not");
    }
}

fn texts(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(Value::to_string).collect()
}

/// What came of the clinic: every reading exactly once, and every alert with the id it always has.
pub fn of(installation: &Installation, clinic: &Clinic) -> Outcome {
    let tables = [("alerts", ALERTS), ("episodes", EPISODES), ("metrics", METRICS), ("coverage", COVERAGE)];
    let outcome = Outcome::of(installation, clinic.reading_count(), &tables);
    let by_rule = outcome.spoken().fold(BTreeMap::<&str, usize>::new(), |mut counts, alert| {
        *counts.entry(alert["rule_id"].as_str().unwrap_or_default()).or_default() += 1;
        counts
    });
    assert_eq!(by_rule.values().sum::<usize>(), clinic.alert_count(), "{by_rule:?}");
    outcome
}

/// What does not depend on the order in which `readings` came (semantics 10).
pub fn canonical(installation: &Installation, readings: u64) -> Outcome {
    Outcome::of(installation, readings, &[("episodes", EPISODES), ("metrics", METRICS), ("coverage", COVERAGE)])
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
    let alerts: BTreeSet<&str> = outcome.spoken().filter_map(|alert| alert["alert_id"].as_str()).collect();
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
