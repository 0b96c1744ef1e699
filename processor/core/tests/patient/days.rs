//! Days whose readings come from several sources, reach over midnight, or change the meaning of the next ones (semantics 9;
//! clinical catalogue A5, C3 to C7, E1, F1, F4).

use std::sync::Arc;

use crate::ward::{Ward, number, ordered, person, reading, wears};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, FindingKind, Measure, Meta, Roster, Value};
use painwatch_processor_core::intake::EffectiveReading;
use painwatch_processor_core::patient::MetricOut;

/// 2026-06-15T00:00Z, a Monday.
const DAY: i64 = 20_619 * DAY_MS;
const OPENED: [FindingKind; 1] = [FindingKind::Opened];

fn clinic() -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &["opioid-safety", "pain"]);
    roster.patients.insert(ann.id.clone(), ann);
    for device in ["belt", "cuff", "phone", "watch"] {
        wears(&mut roster, "ann", device, &[]);
    }
    roster
}

fn ward_of(readings: impl IntoIterator<Item = EffectiveReading>, until: i64) -> Ward {
    let mut ward = Ward::new(clinic(), None, DAY);
    readings.into_iter().for_each(|one| {
        let at = one.end.unwrap_or(one.time.0).max(DAY) + MINUTE_MS;
        ward.send(one, at);
    });
    ward.tick(until);
    ward
}

fn row<'a>(ward: &'a Ward, metric: &str, day: i64) -> Option<&'a MetricOut> {
    ward.metrics.get(&(metric.to_owned(), day))
}

/// Hours from the midnight at which the first day begins.
fn at(hours: f64) -> i64 {
    DAY + (hours * HOUR_MS as f64) as i64
}

fn over(device: &str, measure: Measure, (from, to): (f64, f64), value: f64) -> EffectiveReading {
    EffectiveReading { end: Some(at(to)), ..number(device, measure, at(from), value) }
}

#[test]
fn semantics_9_a_night_that_several_sources_tell_is_slept_once() {
    let asleep = |device, span, minutes| over(device, Measure::TotalSleepTime, span, minutes);
    let remembered = |device, minutes| number(device, Measure::TotalSleepTime, at(8.0), minutes);
    let told = |readings: Vec<EffectiveReading>| {
        let ward = ward_of(readings, at(48.0));
        let row = row(&ward, "total_sleep_time.daily_sum", DAY).unwrap();
        (row.told.value.value, row.told.value.n, row.told.value.quality.clone())
    };
    let night = || asleep("watch", (-1.0, 7.0), 420.0);
    let overlap = "sources_overlap".to_owned();
    assert_eq!(told(vec![night()]), (Some(420.0), 1, String::new()));
    assert_eq!(told(vec![night(), asleep("watch", (9.0, 10.0), 50.0)]), (Some(470.0), 2, String::new()));
    assert_eq!(told(vec![night(), remembered("phone", 480.0)]), (Some(420.0), 2, overlap.clone()));
    assert_eq!(told(vec![asleep("belt", (-0.5, 6.5), 400.0), night()]), (Some(420.0), 2, overlap.clone()));
    assert_eq!(told(vec![remembered("phone", 480.0)]), (Some(480.0), 1, String::new()));
    assert_eq!(told(vec![remembered("phone", 480.0), remembered("watch", 450.0)]), (Some(480.0), 2, overlap));
}

/// A pulse every minute of the night, and steps in the afternoon or none on the day.
#[test]
fn a_night_of_a_day_without_step_data_is_not_known_to_be_still() {
    let told = |steps: Option<f64>| {
        let pulses = (0..7 * 60).map(|minute| number("watch", Measure::HeartRate, DAY + minute * MINUTE_MS, 60.0));
        let steps = steps.map(|count| over("phone", Measure::StepCount, (15.0, 16.0), count));
        let ward = ward_of(pulses.chain(steps), at(48.0));
        let night = &row(&ward, "heart_rate.night_mean", DAY).unwrap().told.value;
        (night.value, night.reason.clone())
    };
    assert_eq!(told(None), (None, "no_steps".to_owned()));
    assert_eq!(
        [1000.0, 0.0].map(|steps| told(Some(steps))),
        [(Some(60.0), String::new()), (Some(60.0), String::new())]
    );
}

/// A pulse every five minutes from midnight to 16:00, and asleep until 8:00.
#[test]
fn what_a_vendors_stages_say_was_slept_is_no_waking_wear() {
    let pulses = || (0..16 * 12).map(|nth| number("watch", Measure::HeartRate, DAY + nth * 5 * MINUTE_MS, 60.0));
    let stage = |code: &str| EffectiveReading {
        end: Some(at(8.0)),
        ..reading("phone", Measure::SleepStage, at(-2.0), Value::Code(code.into()))
    };
    let steps = || over("phone", Measure::StepCount, (16.0, 17.0), 4000.0);
    let told = |ward: &Ward| {
        let worn = row(ward, "heart_rate.daily_median", DAY).unwrap().told.value.coverage.unwrap() * 24.0;
        (worn.round(), ward.value("step_count.daily_sum", DAY))
    };
    let ward = |stages: Vec<EffectiveReading>| {
        let mut all: Vec<_> = stages.into_iter().chain(pulses()).chain([steps()]).collect();
        all.sort_by_key(|one| one.end.unwrap_or(one.time.0));
        ward_of(all, at(48.0))
    };
    let (long, short) = ((16.0, Some(4000.0)), (8.0, None));
    assert_eq!((told(&ward(vec![])), told(&ward(vec![stage("wake")]))), (long, long));
    assert_eq!(["light", "deep", "rem", "asleep"].map(|code| told(&ward(vec![stage(code)]))), [short; 4]);
    // The night is uploaded two days late.
    let mut late = ward(vec![]);
    late.send(stage("deep"), at(48.0));
    late.tick(at(49.0));
    assert_eq!(told(&late), short);
}

#[test]
fn a_sleep_until_noon_is_of_the_night_before_it_and_a_memory_told_at_noon_of_the_next() {
    let told = |one: EffectiveReading| {
        let ward = ward_of([one], at(72.0));
        [0, 1].map(|day| ward.value("total_sleep_time.daily_sum", DAY + day * DAY_MS))
    };
    let asleep = |until: f64| over("watch", Measure::TotalSleepTime, (4.0, until), 420.0);
    assert_eq!(told(asleep(12.0)), [Some(420.0), None]);
    assert_eq!(told(asleep(12.0 + 1.0 / 60.0)), [None, Some(420.0)]);
    assert_eq!(told(number("phone", Measure::TotalSleepTime, at(12.0), 420.0)), [None, Some(420.0)]);
}

/// An order of morphine that begins and ends, milligrams in two doses a day.
fn morphine(roster: &mut Roster, mg: f64, start: f64, end: Option<f64>) {
    let id = format!("morphine-{}", mg / 2.0);
    ordered(roster, "ann", at(start), (&id, "morphine", mg / 2.0, "er"), &[480, 1200]);
    let mut orders = roster.prescriptions.to_vec();
    orders.last_mut().unwrap().end = end.map(|end| EventTime(at(end)));
    roster.prescriptions = orders.into();
}

#[test]
fn an_order_that_takes_the_place_of_another_at_noon_is_not_added_to_it() {
    let told = |orders: &[(f64, f64, Option<f64>)]| {
        let mut roster = clinic();
        orders.iter().for_each(|(mg, start, end)| morphine(&mut roster, *mg, *start, *end));
        let mut ward = Ward::new(roster, None, DAY);
        ward.send(number("phone", Measure::PainNrs, at(1.0), 3.0), at(1.0));
        ward.tick(at(5.0 * 24.0));
        let mme = [0, 1, 2].map(|day| ward.value("medication_event.mme_prescribed", DAY + day * DAY_MS));
        (mme, ward.told("mme-90").len(), ward.told("mme-rise").len())
    };
    let noon = 36.0;
    let lowered = told(&[(60.0, -240.0, Some(noon)), (40.0, noon, None)]);
    assert_eq!(lowered, ([Some(60.0), Some(60.0), Some(40.0)], 0, 0));
    let raised = told(&[(40.0, -240.0, Some(noon)), (60.0, noon, None)]);
    assert_eq!(raised, ([Some(40.0), Some(60.0), Some(60.0)], 0, 1));
    let both = told(&[(60.0, -240.0, None), (40.0, noon, None)]);
    assert_eq!(both, ([Some(60.0), Some(100.0), Some(100.0)], 1, 1), "in force at once");
    assert_eq!(told(&[(60.0, 30.0, Some(44.0))]).0, [None, Some(60.0), None], "an order of some hours");
}

fn nrs(hours: f64, score: f64) -> EffectiveReading {
    number("phone", Measure::PainNrs, at(hours), score)
}

#[test]
fn severe_pain_that_lasts_over_midnight_lasts() {
    const RULE: &str = "pain-severe-lasting";
    let told = |reports: &[(f64, f64)]| {
        let ward = ward_of(reports.iter().map(|(hours, score)| nrs(*hours, *score)), at(72.0));
        let days = [0, 1, 2].map(|day| ward.value("pain_nrs.severe", DAY + day * DAY_MS));
        (days, ward.told(RULE), ward.spans(RULE).first().map(|span| span.0))
    };
    let (days, findings, since) = told(&[(23.5, 8.0), (24.75, 8.0)]);
    assert_eq!((days, &findings[..1]), ([Some(0.0), Some(1.0), None], &OPENED[..]));
    assert!(since.is_some_and(|since| since >= at(24.0)), "the later report makes the day");
    assert_eq!(told(&[(23.5, 8.0), (24.25, 8.0)]).0, [Some(0.0), Some(0.0), None], "less than an hour");
    assert_eq!(told(&[(23.5, 8.0), (32.0, 8.0)]).0, [Some(0.0), Some(0.0), None], "a report speaks for 8 h");
    assert_eq!(told(&[(23.5, 8.0), (24.75, 5.0)]).0, [Some(0.0), Some(0.0), None]);
    // The report before midnight comes two days late, and the red flag was said before midnight as well.
    let mut ward = ward_of([nrs(24.75, 8.0)], at(72.0));
    ward.send(nrs(23.5, 8.0), at(72.0));
    let about = Arc::new(Meta { instrument: Some("new weakness".into()), ..Meta::default() });
    ward.send(EffectiveReading { about, ..number("phone", Measure::SymptomSeverity, at(23.75), 1.0) }, at(72.0));
    ward.tick(at(73.0));
    let next = DAY + DAY_MS;
    let values = ["pain_nrs.severe", "pain_nrs.severe_with_red_flag"].map(|metric| ward.value(metric, next));
    assert_eq!(values, [Some(1.0), Some(1.0)]);
}

#[test]
fn prompted_and_self_started_reports_are_told_side_by_side_and_averaged_apart() {
    let report = |hours: f64, score: f64, prompted: bool| {
        let about = Arc::new(Meta { prompted: Some(prompted), ..Meta::default() });
        EffectiveReading { about, ..nrs(hours, score) }
    };
    let asked = || vec![report(8.0, 3.0, true), report(14.0, 5.0, true), report(20.0, 4.0, true)];
    let own = || vec![report(10.0, 9.0, false), report(16.0, 8.0, false)];
    let told = |mut readings: Vec<EffectiveReading>| {
        readings.sort_by_key(|one| one.time);
        let ward = ward_of(readings, at(48.0));
        let of = |method: &str| ward.value(&format!("pain_nrs.{method}"), DAY);
        let averages = ["daily_mean", "daily_sd", "time_weighted_mean", "mssd", "auc_24h", "frac_severe"].map(of);
        let mean = row(&ward, "pain_nrs.daily_mean", DAY).unwrap().told.value.clone();
        (averages, of("daily_worst"), of("self_started_mean"), (mean.n, mean.quality))
    };
    let of_asked = [4.0, 1.0, 4.25, 2.5, 51.0, 0.0].map(Some);
    let tag = |n: u32, tag: &str| (n, tag.to_owned());
    assert_eq!(told(asked()), (of_asked, Some(5.0), None, tag(3, "")));
    let both = [asked(), own()].concat();
    assert_eq!(told(both), (of_asked, Some(9.0), Some(8.5), tag(3, "prompted")));
    let (averages, _, own, of_own) = told(own());
    assert_eq!((averages[0], averages[4], own, of_own), (Some(8.5), Some(51.0), Some(8.5), tag(2, "self_started")));
}

#[test]
fn a_standing_pressure_below_90_rings_without_a_fall_and_a_fall_that_recovers_is_not_sustained() {
    let told = |supine: (f64, f64), standing: &[(i64, f64, f64)]| {
        let pressure = |seconds: i64, systolic: f64, diastolic: f64, posture: &str| {
            let scaled = |mmhg: f64| Measure::BloodPressure.to_scaled(mmhg);
            let value = Value::Pressure { systolic: scaled(systolic), diastolic: scaled(diastolic) };
            let about = Arc::new(Meta { posture: Some(posture.into()), ..Meta::default() });
            EffectiveReading { about, ..reading("cuff", Measure::BloodPressure, at(9.0) + seconds * 1000, value) }
        };
        let mut readings = vec![pressure(0, supine.0, supine.1, "supine")];
        readings.extend(standing.iter().map(|(seconds, s, d)| pressure(*seconds, *s, *d, "standing")));
        let ward = ward_of(readings, at(10.0));
        let of = |method: &str| ward.value(&format!("blood_pressure.{method}"), DAY);
        let values = ["orthostatic", "orthostatic_urgent", "orthostatic_sustained"].map(of).map(Option::unwrap);
        (values, ["orthostatic-fall", "orthostatic-fall-urgent"].map(|rule| !ward.told(rule).is_empty()))
    };
    assert_eq!(told((96.0, 60.0), &[(60, 88.0, 58.0)]), ([1.0, 1.0, 1.0], [true, true]));
    assert_eq!(told((96.0, 60.0), &[(60, 90.0, 58.0)]), ([0.0, 0.0, 0.0], [false, false]));
    assert_eq!(told((120.0, 75.0), &[(60, 99.0, 72.0), (170, 118.0, 74.0)]), ([1.0, 0.0, 0.0], [true, false]));
    assert_eq!(told((120.0, 75.0), &[(60, 118.0, 74.0), (170, 99.0, 72.0)]), ([1.0, 0.0, 1.0], [true, false]));
}

/// Counts of the minutes of some hours, by the minute of the first day.
fn counts(hours: std::ops::Range<i64>, of: impl Fn(i64) -> Option<i64>) -> Vec<EffectiveReading> {
    let minutes = (hours.start * 60..hours.end * 60).filter_map(|minute| Some((minute, of(minute)?)));
    let reading = |(minute, count): (i64, i64)| {
        let time = DAY + minute * MINUTE_MS;
        let reading = reading("belt", Measure::ActivityCount, time, Value::Number(count));
        EffectiveReading { end: Some(time + MINUTE_MS), ..reading }
    };
    minutes.map(reading).collect()
}

fn in_bed(from: f64, to: f64) -> EffectiveReading {
    EffectiveReading {
        end: Some(at(to)),
        ..reading("phone", Measure::SleepStage, at(from), Value::Code("in_bed".into()))
    }
}

/// All at once, before their first day closes: the last tells that there is something to look at.
fn counted(readings: Vec<EffectiveReading>, until: i64) -> Ward {
    counted_in(clinic(), readings, until)
}

fn counted_in(roster: Roster, mut readings: Vec<EffectiveReading>, until: i64) -> Ward {
    let mut ward = Ward::new(roster, None, DAY);
    let first = readings.iter().position(|one| one.time.0 >= DAY).unwrap();
    let first = readings.remove(first);
    ward.readings = readings;
    let now = first.time.0 + MINUTE_MS;
    ward.send(first, now);
    ward.tick(until);
    ward
}

#[test]
fn lying_still_in_bed_is_sleep_and_a_device_on_the_table_all_night_tells_nothing() {
    let asleep = |still: std::ops::Range<i64>| {
        let mut readings = counts(-12..24, |minute| Some(if still.contains(&minute) { 0 } else { 600 }));
        readings.push(in_bed(-1.0, 7.0));
        let ward = counted(readings, at(48.0));
        let told =
            |method: &str| row(&ward, &format!("activity_count.{method}"), DAY).map(|row| row.told.value.clone());
        told("sleep_efficiency").map(|efficiency| (efficiency.n, efficiency.value, told("total_sleep").unwrap().value))
    };
    let (tib, efficiency, tst) = asleep(-30..390).unwrap();
    assert_eq!(tib, 480);
    assert!(tst.is_some_and(|minutes| (410.0..=430.0).contains(&minutes)), "{tst:?}");
    assert!(efficiency.is_some_and(|efficiency| (85.0..=90.0).contains(&efficiency)), "{efficiency:?}");
    assert_eq!(asleep(-180..600), None);
}

#[test]
fn what_was_not_worn_from_before_midnight_until_after_it_was_not_worn_on_either_day() {
    let all = || counts(0..48, |minute| Some(if (23 * 60..24 * 60 + 30).contains(&minute) { 0 } else { 600 }));
    let wear = |ward: &Ward| [0, 1].map(|day| ward.value("activity_count.wear_minutes", DAY + day * DAY_MS).unwrap());
    let ward = counted(all(), at(72.0));
    assert_eq!(wear(&ward), [1380.0, 1410.0]);
    let troiano = [0, 1].map(|day| ward.value("activity_count.non_wear_troiano", DAY + day * DAY_MS).unwrap());
    assert_eq!(troiano, [60.0, 30.0]);
    // What tells it comes while the second day goes on, and the first is closed.
    let (early, late): (Vec<_>, Vec<_>) = all().into_iter().partition(|one| one.time.0 < at(24.0));
    let mut ward = counted(early, at(34.0));
    assert_eq!(ward.value("activity_count.wear_minutes", DAY), Some(1440.0));
    late.into_iter().for_each(|one| ward.send(one, at(34.0)));
    ward.tick(at(72.0));
    assert_eq!(wear(&ward), [1380.0, 1410.0]);
}

#[test]
fn a_week_in_which_the_device_lay_in_a_drawer_has_the_rhythm_of_the_hours_in_which_it_did_not() {
    let day_of = |minute: i64| match minute.rem_euclid(1440) {
        0..420 => 0,
        minute => 200 + minute,
    };
    let in_drawer = |minute: i64| (3 * 1440 + 480..3 * 1440 + 840).contains(&minute);
    let told = |in_a_drawer: Option<i64>| {
        let of = |minute: i64| if in_drawer(minute) { in_a_drawer } else { Some(day_of(minute)) };
        let mut readings = counts(0..7 * 24, of);
        readings.extend((0..7).map(|day| in_bed(day as f64 * 24.0 - 0.25, day as f64 * 24.0 + 7.5)));
        let ward = counted(readings, at(9.0 * 24.0));
        let methods = ["interdaily_stability", "l5", "m10", "relative_amplitude", "cosinor_mesor", "regularity_index"];
        methods.map(|method| ward.value(&format!("activity_count.{method}"), DAY + 6 * DAY_MS))
    };
    let unworn = told(Some(0));
    assert!(unworn.iter().all(Option::is_some), "{unworn:?}");
    assert_eq!(unworn, told(None));
    assert_eq!(unworn[1], Some(0.0), "and nights in bed are worn");
}

#[test]
fn semantics_8_the_week_after_a_day_that_a_back_dated_pairing_takes_away_is_computed_again() {
    let minutes = |minute: i64| Some(if minute % 1440 < 420 { 0 } else { 200 + minute % 1440 + minute / 1440 });
    let readings = || {
        let nights = (0..7).map(|day| in_bed(day as f64 * 24.0 - 0.25, day as f64 * 24.0 + 7.5));
        counts(0..7 * 24, minutes).into_iter().chain(nights).collect::<Vec<_>>()
    };
    let told = |ward: &Ward| {
        let of = |method: &str| {
            let row = row(ward, &format!("activity_count.{method}"), DAY + 6 * DAY_MS);
            row.map(|row| (row.told.value.value, row.told.value.n, row.told.value.reason.clone()))
        };
        ["interdaily_stability", "l5", "m10", "cosinor_mesor", "regularity_index"].map(of)
    };
    let mut begun_later = clinic();
    let mut pairings = begun_later.pairings.to_vec();
    pairings.iter_mut().filter(|pairing| pairing.device.as_str() == "belt").for_each(|belt| {
        belt.from = EventTime(DAY + DAY_MS);
    });
    begun_later.pairings = pairings.into();
    let mut ward = counted(readings(), at(9.0 * 24.0));
    let before = told(&ward);
    ward.roster(begun_later.clone(), at(9.0 * 24.0));
    ward.tick(at(9.0 * 24.0 + 1.0));
    assert_ne!(told(&ward), before);
    assert_eq!(told(&ward), told(&counted_in(begun_later, readings(), at(9.0 * 24.0))));
}

#[test]
fn semantics_13_a_value_beyond_the_horizon_whose_readings_are_taken_back_is_told_to_be_none() {
    let mut ward = ward_of([nrs(8.0, 3.0), nrs(32.0, 4.0)], at(40.0 * 24.0));
    let told = |ward: &Ward, day: i64| {
        let value = &row(ward, "pain_nrs.daily_worst", DAY + day * DAY_MS).unwrap().told.value;
        (value.value, value.reason.clone())
    };
    let there = |score: f64| (Some(score), String::new());
    assert_eq!((told(&ward, 0), told(&ward, 1)), (there(3.0), there(4.0)));
    let findings = ward.findings.len();
    ward.take_back(0, at(40.0 * 24.0));
    ward.tick(at(40.0 * 24.0 + 1.0));
    assert_eq!((told(&ward, 0), told(&ward, 1)), ((None, "withdrawn".to_owned()), there(4.0)));
    assert_eq!(ward.findings.len(), findings);
}
