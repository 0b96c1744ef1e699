//! What is kept of a patient is small, and what is not kept is found again.

#[path = "../benches/ward/mod.rs"]
mod ward;

use std::collections::BTreeMap;

use painwatch_domain::time::{DAY_MS, HOUR_MS};
use painwatch_domain::{Finding, FindingKind, Measure, Series};
use ward::life::{self, Streams};
use ward::{Ward, start_of};

/// A weight each morning, and one evening on which the scale was not in reach of its hub.
fn weights(days: i64) -> Vec<(i64, Series)> {
    let morning = |day: i64| start_of(day) + 7 * HOUR_MS;
    (0..days)
        .map(|day| life::spot("scale", 0, Measure::BodyWeight, morning(day), 80.0 + (day % 2) as f64 / 10.0))
        .collect()
}

/// The last word on each alert.
fn told(findings: &[Finding]) -> BTreeMap<(String, i64), &Finding> {
    let key = |finding: &Finding| (finding.rule.to_string(), finding.episode.start.0);
    findings.iter().map(|finding| (key(finding), finding)).collect()
}

#[test]
fn a_late_weight_shows_a_gain_on_days_whose_evidence_was_forgotten_and_they_show_it_as_if_it_had_come_in_time() {
    let late = weights(20).into_iter().map(|(at, series)| (at, at, series)).map(|(at, time, mut series)| {
        // The day before it was four kilograms less: what came after is a gain, and nobody knew for two weeks.
        if at / DAY_MS == start_of(5) / DAY_MS {
            series = life::spot("scale", 0, Measure::BodyWeight, time, 76.0).1;
            return (start_of(17), series);
        }
        (at, series)
    });
    let late: Vec<(i64, Series)> = late.collect();
    let mut in_time: Vec<(i64, Series)> =
        late.iter().map(|(at, series)| (series.samples[0].time.0.min(*at), series.clone())).collect();
    let mut late = late;
    let run = |sent: &mut Vec<(i64, Series)>| {
        sent.sort_by_key(|(at, _)| *at);
        let mut ward = Ward::new(life::roster(1), start_of(0));
        sent.iter().for_each(|(at, series)| ward.apply(*at, std::slice::from_ref(series)));
        ward.fire(start_of(23));
        ward.findings
    };
    let (late, in_time) = (run(&mut late), run(&mut in_time));
    let (late, in_time) = (told(&late), told(&in_time));
    let shows = |told: &BTreeMap<(String, i64), &Finding>| -> Vec<_> {
        let weight = told.iter().filter(|((rule, _), _)| rule.starts_with("weight") || rule.contains("gain"));
        weight.map(|(key, finding)| (key.clone(), finding.episode.end, finding.episode.evidence.clone())).collect()
    };
    assert!(!shows(&in_time).is_empty(), "{:?}", in_time.keys().collect::<Vec<_>>());
    assert_eq!(shows(&late), shows(&in_time));
    assert!(
        shows(&late)
            .iter()
            .all(|(.., evidence)| !evidence.is_empty() && evidence.iter().all(|id| id.0[..4] != [0xff; 4]))
    );
    assert!(late.values().all(|finding| finding.kind != FindingKind::Retracted));
}

#[test]
fn a_patient_with_28_day_baselines_takes_at_most_12_kib_and_one_with_every_stream_half_as_much_again() {
    for (streams, most) in [(Streams::Simulated, 12 * 1024), (Streams::All, 18 * 1024)] {
        let people = 2;
        let mut ward = Ward::new(life::roster(people), start_of(0));
        ward.live(people, 0..28, streams);
        assert!(ward.readings > 150_000 && ward.tasks > 2_000, "{} readings, {} tasks", ward.readings, ward.tasks);
        let snapshots = ward.clinic.take_snapshots();
        let bytes: usize = snapshots.iter().map(|snapshot| snapshot.bytes.len()).sum();
        let parts = ward.clinic.sizes(&life::patient_id(0)).unwrap();
        assert!(bytes / people <= most, "{streams:?}: {} bytes, the first by part: {parts:?}", bytes / people);
        assert_eq!(snapshots.len(), 3 * people);
    }
}
