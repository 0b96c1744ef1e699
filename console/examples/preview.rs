//! The console over made-up patients, for looking at the page: `cargo run -p painwatch-console --example preview`.

#[path = "../tests/it/rig.rs"]
mod rig;

use painwatch_domain::{AlertKind, FindingKind, Priority};
use painwatch_store::Rows;
use rig::{NOW_MS, Rig, finding, id, reading};
use serde_json::json;

const MINUTE_MS: i64 = 60_000;

#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let rig = Rig::on(&address).await;
    rig.roster(&["synthetic-01", "synthetic-02", "synthetic-03"]).await;
    saturation(&rig).await;
    others(&rig).await;
    println!("{}{}", rig.url, rig.console.one_time_path());
    for nth in 0i64.. {
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        rig.findings(&[finding("synthetic-03", "heart-rate-high", NOW_MS + nth * MINUTE_MS, Priority::Low)]).await;
    }
}

/// An evening of SpO2 that falls, with the samples that broke the rule as evidence.
async fn saturation(rig: &Rig) {
    let value = |n: i64| {
        let dip = if (200..215).contains(&n) { 11.0 } else { 0.0 };
        96.0 - dip - ((n * 7) % 5) as f64 / 2.0
    };
    let at = |n: i64| NOW_MS - (240 - n) * MINUTE_MS;
    // A gap where nobody measured.
    let measured = (0..240).filter(|n| !(80..110).contains(n));
    let rows: Vec<_> = measured.map(|n| reading("synthetic-01", "oxygen_saturation", "%", at(n), value(n))).collect();
    let mut low = finding("synthetic-01", "spo2-sustained-low", at(200), Priority::High);
    let proof = rows.iter().filter(|row| (at(200)..at(206)).contains(&row.time.0));
    low.episode.evidence = proof.map(|row| row.reading_id).collect();
    low.episode.last_held.0 = at(214);
    rig.rows(Rows { readings: rows, ..Rows::default() }).await;
    rig.findings(&[low]).await;
}

async fn others(rig: &Rig) {
    let mut weight = finding("synthetic-02", "weight-gain", NOW_MS - 600 * MINUTE_MS, Priority::Medium);
    weight.title = "Weight gain over three days".to_owned();
    weight.episode.why = "body_weight up 2.4 kg in 3 d, limit 2.0 kg".to_owned();
    weight.shadow = true;
    let mut seen = finding("synthetic-02", "pain-severe", NOW_MS - 90 * MINUTE_MS, Priority::Medium);
    seen.title = "Severe pain".to_owned();
    seen.episode.why = "pain_nrs 8 at least 7".to_owned();
    let mut cleared = finding("synthetic-01", "resp-rate-low", NOW_MS - 300 * MINUTE_MS, Priority::High);
    cleared.title = "Breathing slow".to_owned();
    cleared.episode.why = "respiratory_rate 7 /min < 8 /min for 2 min".to_owned();
    let mut link = finding("synthetic-03", "stream-silent", NOW_MS - 20 * MINUTE_MS, Priority::Low);
    link.title = "No data from watch".to_owned();
    link.episode.why = "heart_rate silent for 26 h".to_owned();
    link.alert_kind = AlertKind::Technical;
    rig.findings(&[weight, seen, cleared.clone(), link]).await;
    cleared.kind = FindingKind::Cleared;
    rig.findings(&[cleared]).await;
    let seen = id("synthetic-02", "pain-severe", NOW_MS - 90 * MINUTE_MS);
    rig.post(&format!("/api/v1/alerts/{seen}/acknowledge"), json!({ "note": "calling her" })).await;
}
