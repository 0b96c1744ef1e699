//! Trends, nights, counts, stages, beats and rhythms through the whole engine: from readings to rows and alerts.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, FindingKind, Measure, Roster, TenantId, Value};
use painwatch_store::{MetricRow, Store};

use crate::clinic::{self, PACKS};
use crate::history;
use crate::rig::{Journal, Rig, Sent, sample};

/// A Monday at midnight UTC: what is observed begins here.
const FIRST: i64 = 20_619;
/// From this day on the patient walks half as much and their heart beats faster at night.
const WORSE_FROM: i64 = 35;

const fn start(day: i64) -> i64 {
    (FIRST + day) * DAY_MS
}

fn roster() -> Roster {
    let mut roster = clinic::with_patient(Roster::default(), clinic::patient("ann", "UTC", &PACKS));
    for device in ["watch", "strap", "phone", "belt"] {
        roster = clinic::with_device(roster, device, 1);
        roster = clinic::paired(roster, device, "ann", 0, None);
    }
    roster.devices.get_mut(&clinic::device_id("belt")).unwrap().kind = "actigraph_hip".to_owned();
    roster
}

/// Small numbers that look random and are the same in every run.
fn noise(day: i64, salt: i64, spread: i64) -> f64 {
    let mixed = ((day * 31 + salt) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) as i64) >> 33;
    (mixed.rem_euclid(2 * spread + 1) - spread) as f64
}

/// What the watch, the strap and the phone tell of one day.
fn ordinary(day: i64) -> Vec<Sent> {
    let (midnight, worse) = (start(day), day >= WORSE_FROM);
    let steps = if worse { 3_500.0 } else { 7_000.0 } + 100.0 * noise(day, 1, 5);
    let rate = if worse { 66.0 } else { 60.0 } + noise(day, 2, 1);
    let pain = (3 + day * 2 % 3) as f64;
    // Every minute of the night, and often enough by day to show that it is worn.
    let minutes = (0..420).chain((420..1_320).step_by(20));
    let night = minutes.map(|minute| (midnight + minute * MINUTE_MS, rate + (minute % 2) as f64));
    vec![
        Sent::interval("watch", Measure::StepCount, midnight + 8 * HOUR_MS, midnight + 20 * HOUR_MS, steps),
        Sent::numbers("watch", Measure::HeartRate, night),
        Sent::numbers("watch", Measure::RestingHeartRate, [(midnight + 8 * HOUR_MS, rate)]),
        sleep(day),
        Sent::numbers("phone", Measure::PainNrs, [(midnight + 9 * HOUR_MS, pain), (midnight + 20 * HOUR_MS, pain)]),
        Sent::numbers("phone", Measure::BodyWeight, [(midnight + 7 * HOUR_MS, 80.0 + noise(day, 4, 2) / 10.0)]),
    ]
}

fn sleep(day: i64) -> Sent {
    let (from, to) = (start(day) - HOUR_MS, start(day) + 6 * HOUR_MS);
    Sent::interval("watch", Measure::TotalSleepTime, from, to, 400.0 + noise(day, 5, 20))
}

fn stages(device: &str, parts: &[(i64, i64, &str)]) -> Sent {
    let part = |(from, to, code): &(i64, i64, &str)| {
        let mut sample = sample(*from, Value::Code((*code).into()));
        sample.end = Some(*to);
        sample
    };
    Sent::new(device, Measure::SleepStage, parts.iter().map(part).collect())
}

fn journal(days: std::ops::Range<i64>, of_day: impl Fn(i64) -> Vec<Sent>) -> Journal {
    let mut journal = Journal::default();
    journal.roster(start(days.start) - HOUR_MS, &clinic::publish(roster()));
    for day in days {
        journal.batch(start(day + 1) + HOUR_MS, &of_day(day));
    }
    journal
}

async fn applied(mut journal: Journal, until: i64) -> Rig {
    journal.tick(start(until) + 12 * HOUR_MS);
    let mut rig = Rig::new().await;
    rig.apply_all(&journal).await;
    rig
}

async fn rows(rig: &Rig, metric: &str) -> Vec<(i64, MetricRow)> {
    let all =
        rig.store.metrics(TenantId::default(), None, Some(metric.to_owned()), EventTime::MIN, EventTime::MAX).await;
    let day = |row: MetricRow| (row.window_start.0.div_euclid(DAY_MS) - FIRST, row);
    let mut rows: Vec<_> = all.unwrap().into_iter().map(day).collect();
    rows.sort_by_key(|(day, _)| *day);
    rows
}

async fn row(rig: &Rig, metric: &str, day: i64) -> Option<MetricRow> {
    rows(rig, metric).await.into_iter().find(|(found, _)| *found == day).map(|(_, row)| row)
}

async fn value(rig: &Rig, metric: &str, day: i64) -> Option<f64> {
    row(rig, metric, day).await.and_then(|row| row.value)
}

fn opened(rig: &Rig, rule: &str) -> bool {
    rig.findings.iter().any(|finding| finding.rule.as_str() == rule && finding.kind == FindingKind::Opened)
}

#[tokio::test]
async fn a_patient_who_gets_worse_is_seen_in_the_charts_and_rings_the_rules_of_change() {
    let rig = applied(journal(0..49, ordinary), 49).await;
    let lights: Vec<_> = rows(&rig, "heart_rate.night_signal").await;
    let of = |day: i64| lights.iter().find(|(found, _)| *found == day).and_then(|(_, row)| row.value);
    assert_eq!((lights[0].0, of(34), of(35), of(36)), (7, Some(0.0), Some(0.0), Some(2.0)));
    let cusum = rows(&rig, "step_count.cusum").await;
    let first = cusum.iter().find(|(_, row)| row.value.is_some_and(|value| value < -5.0)).unwrap();
    assert!((35..38).contains(&first.0), "{first:?}");
    assert_eq!(first.1.quality, "since=2026-07-18", "three low days in a row, the last of them far");
    assert!(value(&rig, "step_count.trend_28d", 48).await.unwrap() < -1_000.0);
    assert!(value(&rig, "pain_nrs.cusum", 41).await.unwrap().abs() < 5.0);
    for rule in ["night-heart-rate-yellow", "night-heart-rate-red", "steps-level-down", "steps-trend-down"] {
        assert!(opened(&rig, rule), "{rule}");
    }
    assert!(!opened(&rig, "pain-level-up") && !opened(&rig, "pain-trend-up"));
}

#[tokio::test]
async fn the_page_of_trends_is_told_on_sundays() {
    let rig = applied(journal(0..42, ordinary), 42).await;
    for metric in ["ewma", "page_hinkley", "slope_28d", "level_shift"] {
        let rows = rows(&rig, &format!("step_count.{metric}")).await;
        let days: Vec<i64> = rows.iter().map(|(day, _)| *day).collect();
        assert!(days.iter().all(|day| day % 7 == 6) && days.last() == Some(&41), "{metric} {days:?}");
    }
    let shift = row(&rig, "step_count.level_shift", 41).await.unwrap();
    assert!(shift.value.is_some_and(|value| value < -3_000.0) && shift.quality == "since=2026-07-20", "{shift:?}");
    let ewma = row(&rig, "step_count.ewma", 41).await.unwrap();
    assert_eq!(ewma.quality, "outside_limits");
    let tau = row(&rig, "pain_nrs.tau_sleep_day_before", 41).await.unwrap();
    assert!(tau.n == 28 && tau.value.is_some_and(|tau| tau.abs() < 1.0) && tau.deviation.is_some());
}

#[tokio::test]
async fn semantics_10_trends_do_not_depend_on_the_order_in_which_the_days_arrive() {
    let days = 0..30;
    let in_order = journal(days.clone(), ordinary);
    let mut late = Journal::default();
    late.roster(start(0) - HOUR_MS, &clinic::publish(roster()));
    let mut order: Vec<i64> = days.collect();
    order.sort_by_key(|day| (day * 17) % 30);
    order.iter().for_each(|day| late.batch(start(30) + HOUR_MS, &ordinary(*day)));
    let (one, other) = (applied(in_order, 33).await, applied(late, 33).await);
    let (one, other) = (history::canonical(&one.store).await, history::canonical(&other.store).await);
    assert!(
        one.iter().any(|line| line.contains("step_count.trend_28d")) && one.iter().any(|l| l.contains("night_signal"))
    );
    let metrics = |lines: Vec<String>| lines.into_iter().filter(|line| line.starts_with("metric")).collect::<Vec<_>>();
    assert_eq!(history::difference(&metrics(one), &metrics(other)), None);
}

#[tokio::test]
async fn a_day_that_is_frozen_is_judged_and_makes_no_baseline() {
    let with = |event: bool| async move {
        let mut roster = roster();
        if event {
            let patient = clinic::patient_id("ann");
            let (start, end) = (EventTime(start(20)), Some(EventTime(start(25))));
            let kind = "flare".to_owned();
            roster.patient_events.push(painwatch_domain::roster::PatientEvent { patient, kind, start, end });
        }
        let mut journal = Journal::default();
        journal.roster(start(0) - HOUR_MS, &clinic::publish(roster));
        (0..27).for_each(|day| journal.batch(start(day + 1) + HOUR_MS, &ordinary(day)));
        applied(journal, 27).await
    };
    let (usual, flare) = (with(false).await, with(true).await);
    let n = |row: Option<MetricRow>| row.map(|row| row.n);
    assert_eq!(n(row(&usual, "step_count.robust_z", 26).await), Some(26));
    assert_eq!(n(row(&flare, "step_count.robust_z", 26).await), Some(21));
    assert_eq!(n(row(&flare, "step_count.robust_z", 22).await), Some(20), "judged against the days before the flare");
}

#[tokio::test]
async fn a_vendors_night_is_summarised_and_three_broken_ones_of_seven_ring() {
    let night = |day: i64| {
        let (bed, up) = (start(day) - HOUR_MS, start(day) + 7 * HOUR_MS);
        let broken = day >= 20 && day % 2 == 0;
        let awake = start(day) + HOUR_MS + MINUTE_MS * if broken { 150 } else { 20 + day % 3 };
        vec![stages(
            "watch",
            &[
                (bed, bed + 20 * MINUTE_MS, "awake"),
                (bed + 20 * MINUTE_MS, start(day) + HOUR_MS, "light"),
                (start(day) + HOUR_MS, awake, "awake"),
                (awake, up - HOUR_MS, "deep"),
                (up - HOUR_MS, up, "rem"),
            ],
        )]
    };
    let rig = applied(journal(0..28, night), 28).await;
    let summary = |metric: &'static str| value(&rig, metric, 3);
    assert_eq!(summary("sleep_stage.time_in_bed").await, Some(480.0));
    assert_eq!(summary("sleep_stage.sleep_onset_latency").await, Some(20.0));
    assert_eq!(summary("sleep_stage.wake_after_sleep_onset").await, Some(20.0));
    assert_eq!(summary("sleep_stage.sleep_efficiency").await, Some(100.0 * 440.0 / 480.0));
    assert_eq!(summary("sleep_stage.awakenings").await, Some(1.0));
    assert_eq!(row(&rig, "sleep_stage.total_sleep", 3).await.unwrap().quality, "vendor");
    assert_eq!(value(&rig, "sleep_stage.poor_nights_7d", 24).await, Some(3.0));
    assert!(opened(&rig, "sleep-broken"));
    assert!(value(&rig, "sleep_stage.regularity_index", 13).await.unwrap() > 90.0);
    assert_eq!(value(&rig, "activity_count.total_sleep", 3).await, None, "a vendor's night is never one of counts");
}

#[tokio::test]
async fn counts_at_the_hip_tell_wear_sedentary_time_and_the_night_in_bed() {
    let day_of = |day: i64| {
        let count = |minute: i64| match minute {
            0..420 => 0.0,
            420..1200 => {
                if minute % 10 < 7 {
                    50.0
                } else {
                    2_000.0
                }
            }
            _ => 600.0,
        };
        let minutes = (0..1440).map(|minute| {
            let mut sample = sample(start(day) + minute * MINUTE_MS, Value::Number(count(minute) as i64));
            sample.end = Some(sample.time.0 + MINUTE_MS);
            sample
        });
        let belt = Sent::new("belt", Measure::ActivityCount, minutes.collect());
        vec![belt, stages("phone", &[(start(day) - HOUR_MS, start(day) + 8 * HOUR_MS, "in_bed")])]
    };
    let rig = applied(journal(0..14, day_of), 14).await;
    let of = |method: &str| format!("activity_count.{method}");
    assert_eq!(value(&rig, &of("wear_minutes"), 3).await, Some(1020.0), "seven hours of zeros were not worn");
    assert_eq!(value(&rig, &of("non_wear_troiano"), 3).await, Some(420.0));
    assert_eq!(value(&rig, &of("sedentary_minutes"), 3).await, Some(546.0));
    assert_eq!(value(&rig, &of("moderate_to_vigorous_minutes"), 3).await, Some(234.0));
    assert_eq!(value(&rig, &of("mean_sedentary_bout"), 3).await, Some(7.0));
    assert_eq!(value(&rig, &of("total_sleep"), 3).await, Some(428.0), "who lies still in bed sleeps");
    assert!(value(&rig, &of("interdaily_stability"), 13).await.is_some_and(|is| (is - 1.0).abs() < 1e-9));
    assert!(value(&rig, &of("relative_amplitude"), 13).await.is_some());
    assert!(value(&rig, &of("cosinor_acrophase"), 13).await.is_some_and(|hour| (12.0..18.0).contains(&hour)));
    assert_eq!(value(&rig, &of("interdaily_stability"), 12).await, None, "once a week");
}

#[tokio::test]
async fn beats_of_a_night_become_variability_and_say_that_they_are_a_pulse() {
    let night = |day: i64| {
        let beats = (0..2_200).map(|beat| (start(day) + beat * 820, if beat % 2 == 0 { 800.0 } else { 840.0 }));
        vec![Sent::numbers("strap", Measure::RrInterval, beats)]
    };
    let rig = applied(journal(0..3, night), 3).await;
    let found = row(&rig, "rr_interval.night_rmssd", 2).await.unwrap();
    assert_eq!((found.value, found.n, found.quality.as_str()), (Some(40.0), 6, "pulse_rate_variability"));
    assert_eq!(value(&rig, "rr_interval.night_artefact_pct", 2).await, Some(0.0));
}

#[tokio::test]
async fn the_state_of_a_patient_with_baselines_is_bounded() {
    let mut rig = applied(journal(0..100, ordinary), 100).await;
    let blobs = rig.engine.checkpoint();
    let bytes = |part: &str| {
        let blob = blobs.iter().find(|blob| blob.key == format!("main/ann/{part}"));
        blob.and_then(|blob| blob.bytes.as_ref()).unwrap().len()
    };
    println!("state of one patient: now {} bytes, past {} bytes", bytes("now"), bytes("past"));
    let rows = rig.store.metrics(TenantId::default(), None, None, EventTime::MIN, EventTime::MAX).await.unwrap();
    println!("{} metric rows in 100 days", rows.len());
    assert!(bytes("now") + bytes("past") < STATE_MAX);
}

/// 77 days are kept of each patient: the horizon of 35 and the 42 that a value of its first day looks back on.
const STATE_MAX: usize = 256 * 1024;
