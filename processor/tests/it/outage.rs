//! Homes that were cut off, and what they bring when they are back.

use std::collections::BTreeMap;

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{FindingKind, Measure, Roster};

use crate::clinic::{self, PACKS};
use crate::rig::{Journal, Rig, Sent};

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const HOMES: usize = 1_000;
/// Cut off from then, for two hours.
const CUT: i64 = DAY + 2 * HOUR_MS;
const BACK: i64 = CUT + 2 * HOUR_MS;

fn roster() -> Roster {
    (0..HOMES).fold(Roster::default(), |roster, home| {
        let roster = clinic::with_patient(roster, clinic::patient(&format!("p{home}"), "UTC", &PACKS));
        clinic::paired(roster, &format!("w{home}"), &format!("p{home}"), 0, None)
    })
}

/// Ten minutes of an oximeter.
fn ten_minutes(home: usize, from: i64, value: f64) -> Sent {
    let times = (from..from + 10 * MINUTE_MS).step_by(30_000);
    Sent::numbers(&format!("w{home}"), Measure::OxygenSaturation, times.map(|at| (at, value)))
}

/// In which ten minutes the saturation of a home was low: of one in ten, all of them while it was cut off.
fn low(home: usize) -> Option<i64> {
    home.is_multiple_of(10).then(|| CUT + 10 * MINUTE_MS * (1 + (home / 10 % 6) as i64))
}

#[tokio::test]
async fn f12_a_thousand_homes_that_were_cut_off_for_two_hours_bring_every_alert_once_and_marked_late() {
    let mut journal = Journal::default();
    journal.roster(DAY, &clinic::publish(roster()));
    for home in 0..HOMES {
        journal.batch(CUT, &[ten_minutes(home, CUT - 10 * MINUTE_MS, 96.0)]);
    }
    // All of them come back within some seconds, each with what it kept, in order.
    for home in 0..HOMES {
        let kept = (CUT..BACK).step_by(10 * MINUTE_MS as usize);
        let kept: Vec<Sent> =
            kept.map(|from| ten_minutes(home, from, if low(home) == Some(from) { 84.0 } else { 96.0 })).collect();
        journal.batch(BACK + home as i64 * 10, &kept);
    }
    journal.tick(BACK + HOUR_MS);
    let mut rig = Rig::new().await;
    rig.apply_all(&journal).await;
    let mut opened = BTreeMap::new();
    for finding in rig.findings.iter().filter(|finding| finding.rule.as_str() == "spo2-critical") {
        assert!(finding.retrospective, "{finding:?}");
        if finding.kind == FindingKind::Opened {
            *opened.entry(finding.patient.clone().unwrap()).or_insert(0) += 1;
        }
    }
    let had_low = (0..HOMES).filter(|home| low(*home).is_some());
    let expected: BTreeMap<_, i32> = had_low.map(|home| (clinic::patient_id(&format!("p{home}")), 1)).collect();
    assert_eq!(opened, expected);
}
