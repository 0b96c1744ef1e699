//! One worked example of each rule and metric that looks at several readings (clinical catalogue A6, E1, E3, E4, F4, G5).

use std::sync::Arc;

use crate::ward::{Ward, dose, dose_of, number, ordered, person, prescribed, reading, wears};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{FindingKind, Measure, Meta, Priority, Roster, Value};
use painwatch_processor_core::intake::EffectiveReading;

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const PACKS: [&str; 4] = ["opioid-safety", "adherence", "fluid", "pain"];
const OPENED: [FindingKind; 1] = [FindingKind::Opened];

fn clinic() -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &PACKS);
    roster.patients.insert(ann.id.clone(), ann);
    for device in ["phone", "watch", "cuff"] {
        wears(&mut roster, "ann", device, &[]);
    }
    roster
}

fn symptom(name: &str, time: i64, severity: f64) -> EffectiveReading {
    let about = Arc::new(Meta { instrument: Some(name.into()), ..Meta::default() });
    EffectiveReading { about, ..number("phone", Measure::SymptomSeverity, time, severity) }
}

fn pressure(time: i64, systolic: f64, diastolic: f64) -> EffectiveReading {
    let scaled = |mmhg: f64| Measure::BloodPressure.to_scaled(mmhg);
    let value = Value::Pressure { systolic: scaled(systolic), diastolic: scaled(diastolic) };
    reading("cuff", Measure::BloodPressure, time, value)
}

fn send_all(ward: &mut Ward, readings: Vec<EffectiveReading>) {
    for one in readings {
        let at = one.time.0 + MINUTE_MS;
        ward.send(one, at);
    }
}

fn peak(ward: &Ward, rule: &str) -> Option<Priority> {
    ward.findings.iter().rev().find(|finding| finding.rule.as_str() == rule).map(|finding| finding.episode.peak)
}

/// Two tablets in an hour where four hours are prescribed, and slow breathing within four hours of the second.
#[test]
fn an_opioid_too_soon_is_high_when_breathing_is_impaired_within_its_exposure_whichever_comes_first() {
    const RULE: &str = "opioid-too-soon-with-impaired-breathing";
    let mut roster = clinic();
    prescribed(&mut roster, "ann", DAY - 30 * DAY_MS, &[0, 240, 480, 720, 960, 1200]);
    let doses = || [8, 9].map(|hour| dose("phone", DAY + hour * HOUR_MS)).to_vec();
    let slow = |hour: i64| -> Vec<_> {
        let breath = |nth| number("watch", Measure::RespiratoryRate, DAY + hour * HOUR_MS + nth * MINUTE_MS, 7.0);
        (0..5).map(breath).collect()
    };
    for (rates, expected) in [(slow(10), 1), (slow(7), 0), (slow(14), 0)] {
        let mut ward = Ward::new(roster.clone(), None, DAY);
        let mut readings = [doses(), rates.clone()].concat();
        readings.sort_by_key(|one| one.time);
        send_all(&mut ward, readings);
        ward.tick(DAY + DAY_MS);
        assert_eq!(ward.told(RULE), OPENED[..expected]);
        assert_eq!(peak(&ward, RULE), (expected == 1).then_some(Priority::High));
        // The doses are uploaded at night: what is told is the same, later.
        let mut ward = Ward::new(roster.clone(), None, DAY);
        send_all(&mut ward, rates);
        doses().into_iter().for_each(|one| ward.send(one, DAY + 20 * HOUR_MS));
        ward.tick(DAY + 2 * DAY_MS);
        assert_eq!(ward.value("oivi.after_early_dose", DAY), Some(expected as f64));
    }
}

/// 182/95 twice and chest pain forty minutes later.
#[test]
fn a_severe_pressure_is_high_with_a_symptom_within_the_hour() {
    const RULE: &str = "blood-pressure-severe-with-symptoms";
    let told = |symptoms: Vec<EffectiveReading>| {
        let mut ward = Ward::new(clinic(), None, DAY);
        let at = DAY + 9 * HOUR_MS;
        send_all(
            &mut ward,
            [vec![pressure(at, 182.0, 95.0), pressure(at + 2 * MINUTE_MS, 184.0, 96.0)], symptoms].concat(),
        );
        assert_eq!(ward.told("blood-pressure-severe"), OPENED);
        (ward.told(RULE), ward.quality("blood_pressure.severe_with_symptoms", DAY).to_owned())
    };
    let at = |minutes: i64| DAY + 9 * HOUR_MS + minutes * MINUTE_MS;
    assert_eq!(told(vec![symptom("Chest pain", at(42), 4.0)]), (OPENED.to_vec(), "Chest pain".to_owned()));
    assert_eq!(told(vec![symptom("chest_pain", at(42), 0.0), symptom("nausea", at(42), 8.0)]).0, []);
    assert_eq!(told(vec![symptom("chest_pain", at(63), 4.0)]).0, []);
}

/// Pain 8 at nine and at eleven, and new weakness at noon.
#[test]
fn severe_pain_that_lasts_is_medium_with_a_neurological_red_flag_of_the_day() {
    const RULE: &str = "pain-severe-with-red-flag";
    let mut ward = Ward::new(clinic(), None, DAY);
    let pain = |hour: i64| number("phone", Measure::PainNrs, DAY + hour * HOUR_MS, 8.0);
    send_all(&mut ward, vec![pain(9), pain(11)]);
    assert_eq!((ward.told("pain-severe-lasting"), ward.told(RULE)), (OPENED.to_vec(), vec![]));
    send_all(&mut ward, vec![symptom("new weakness", DAY + 12 * HOUR_MS, 1.0)]);
    assert_eq!((ward.told(RULE), peak(&ward, RULE)), (OPENED.to_vec(), Some(Priority::Medium)));
}

/// Pregabalin at 08:00 and 20:00, neither taken; ibuprofen neither.
#[test]
fn missed_doses_threaten_withdrawal_by_class_of_the_medicine() {
    for (ingredient, release, expected) in
        [("pregabalin", "ir", 1), ("ibuprofen", "ir", 0), ("oxycodone", "er", 1), ("oxycodone", "ir", 0)]
    {
        let mut roster = clinic();
        ordered(&mut roster, "ann", DAY, ("capsule", ingredient, 75.0, release), &[480, 1200]);
        let mut ward = Ward::new(roster, None, DAY);
        ward.tick(DAY + 2 * DAY_MS);
        assert_eq!(ward.told("doses-missed-2"), OPENED, "{ingredient}");
        assert_eq!(ward.told("withdrawal-doses-missed-2"), OPENED[..expected], "{ingredient} {release}");
    }
}

/// Every twelve hours: 08:00, 20:00, then 11:30 (15.5 h, beyond 15 h) and 20:00 (8.5 h, below 9 h).
#[test]
fn gaps_between_doses_are_kept_within_a_quarter_of_the_interval() {
    let mut roster = clinic();
    prescribed(&mut roster, "ann", DAY - 10 * DAY_MS, &[480, 1200]);
    let mut ward = Ward::new(roster, None, DAY);
    let at = |day: i64, minutes: i64| DAY + day * DAY_MS + minutes * MINUTE_MS;
    let times = [at(0, 480), at(0, 1200), at(1, 690), at(1, 1200), at(2, 480), at(2, 1200)];
    send_all(&mut ward, times.map(|time| dose("phone", time)).to_vec());
    ward.tick(at(6, 0));
    let told = [0, 1, 2, 3].map(|day| ward.value("medication_event.interval_pct", at(day, 0)));
    // On the first day nothing came before the first dose for longer than a gap may be.
    assert_eq!(told, [Some(50.0), Some(0.0), Some(100.0), None]);
}

/// Five tablets of 500 mg: 2500 mg is more than 2000 mg and not more than 4000 mg.
#[test]
fn the_daily_maximum_of_acetaminophen_is_lower_with_liver_disease() {
    let ratio = |conditions: &[&str]| {
        let mut roster = clinic();
        let ann = roster.patients.values_mut().next().unwrap();
        ann.conditions = conditions.iter().map(|word| (*word).to_owned()).collect();
        ordered(&mut roster, "ann", DAY - DAY_MS, ("paracetamol-500", "paracetamol", 500.0, "ir"), &[480]);
        let mut ward = Ward::new(roster, None, DAY);
        send_all(&mut ward, (8..13).map(|hour| dose_of("paracetamol-500", "phone", DAY + hour * HOUR_MS)).collect());
        ward.tick(DAY + 2 * DAY_MS);
        let quality = ward.quality("medication_event.acetaminophen_ratio", DAY).to_owned();
        (ward.value("medication_event.acetaminophen_ratio", DAY), ward.told("daily-maximum-exceeded").len(), quality)
    };
    assert_eq!(ratio(&[]), (Some(0.625), 0, "acetaminophen 2500 mg,table:2026-11b".to_owned()));
    let marked = "acetaminophen 2500 mg,table:2026-11b,maximum 2000 mg:liver_disease";
    assert_eq!(ratio(&["cirrhosis"]), (Some(1.25), 1, marked.to_owned()));
}

/// 60 mg of oxycodone a day are 90 equivalents.
#[test]
fn equivalents_of_three_months_have_a_mean_once_there_were_three_months() {
    let mut roster = clinic();
    ordered(&mut roster, "ann", DAY, ("oxycodone-30", "oxycodone", 30.0, "er"), &[480, 1200]);
    let mut ward = Ward::new(roster, None, DAY);
    // The first reading begins the watch.
    ward.send(number("phone", Measure::PainNrs, DAY + HOUR_MS, 3.0), DAY + HOUR_MS);
    ward.tick(DAY + 92 * DAY_MS);
    let mean = |day: i64| ward.value("medication_event.mme_mean_90d", DAY + day * DAY_MS);
    assert_eq!((mean(88), mean(89)), (None, Some(90.0)));
    assert_eq!(ward.told("mme-90-over-90-days"), OPENED);
}

/// A cuff every third day and a phone every day, for forty days.
#[test]
fn days_with_data_are_counted_for_each_device_over_thirty_days() {
    let mut ward = Ward::new(clinic(), None, DAY);
    for day in 0..40 {
        let at = DAY + day * DAY_MS + 9 * HOUR_MS;
        if day % 3 == 0 {
            ward.send(pressure(at, 120.0, 80.0), at);
        }
        ward.send(number("phone", Measure::PainNrs, at, 3.0), at);
        ward.send(number("phone", Measure::PainNrs, at + HOUR_MS, 4.0), at + HOUR_MS);
    }
    ward.tick(DAY + 41 * DAY_MS);
    let told = |day: i64| {
        let day = DAY + day * DAY_MS;
        (ward.value("reporting.data_days_30d", day), ward.quality("reporting.data_days_30d", day).to_owned())
    };
    assert_eq!(told(0), (Some(1.0), "cuff=1,phone=1".to_owned()));
    assert_eq!(told(39), (Some(30.0), "cuff=10,phone=30".to_owned()));
    assert!(ward.metrics.keys().all(|(metric, _)| !metric.starts_with("reporting.of_")), "kept, and never told");
    // A day whose only reading is taken back is no day with data.
    let mut ward = Ward::new(clinic(), None, DAY);
    ward.send(pressure(DAY + HOUR_MS, 120.0, 80.0), DAY + HOUR_MS);
    ward.send(number("phone", Measure::PainNrs, DAY + 2 * HOUR_MS, 3.0), DAY + 2 * HOUR_MS);
    ward.tick(DAY + 2 * DAY_MS);
    ward.take_back(0, DAY + 2 * DAY_MS + HOUR_MS);
    ward.tick(DAY + 2 * DAY_MS + 2 * HOUR_MS);
    assert_eq!(ward.quality("reporting.data_days_30d", DAY), "phone=1");
}

/// Rate 7 and saturation 87 at once, an hour after a dose.
#[test]
fn two_sensors_that_agree_are_high_within_an_exposure() {
    const RULE: &str = "breathing-slow-and-saturation-low";
    let told = |with_dose: bool, saturation: f64| {
        let mut roster = clinic();
        prescribed(&mut roster, "ann", DAY - 30 * DAY_MS, &[480]);
        let mut ward = Ward::new(roster, None, DAY);
        if with_dose {
            send_all(&mut ward, vec![dose("phone", DAY + 8 * HOUR_MS)]);
        }
        for minute in 0..6 {
            let at = DAY + 9 * HOUR_MS + minute * MINUTE_MS;
            let both = [
                number("watch", Measure::RespiratoryRate, at, 7.0),
                number("watch", Measure::OxygenSaturation, at, saturation),
            ];
            send_all(&mut ward, both.to_vec());
        }
        ward.tick(DAY + 10 * HOUR_MS);
        peak(&ward, RULE)
    };
    assert_eq!(
        (told(true, 87.0), told(false, 87.0), told(true, 95.0)),
        (Some(Priority::High), Some(Priority::Medium), None)
    );
}

/// 184 over 96, once.
#[test]
fn one_severe_reading_asks_for_a_repeat_by_either_of_its_numbers() {
    let told = |systolic: f64, diastolic: f64| {
        let mut ward = Ward::new(clinic(), None, DAY);
        send_all(&mut ward, vec![pressure(DAY + 9 * HOUR_MS, systolic, diastolic)]);
        ward.tick(DAY + 10 * HOUR_MS);
        peak(&ward, "blood-pressure-repeat")
    };
    assert_eq!((told(184.0, 96.0), told(150.0, 122.0)), (Some(Priority::Info), Some(Priority::Info)));
    assert_eq!(told(180.0, 120.0), None);
}

/// Pain 8 at nine and eleven on the first day, and nothing after that.
#[test]
fn silence_after_severe_pain_is_no_relief() {
    const RULE: &str = "severe-pain-and-then-silence";
    let pain =
        |day: i64, hour: i64, score: f64| number("phone", Measure::PainNrs, DAY + day * DAY_MS + hour * HOUR_MS, score);
    let mut ward = Ward::new(clinic(), None, DAY);
    send_all(&mut ward, vec![pain(0, 9, 8.0), pain(0, 11, 8.0)]);
    ward.tick(DAY + DAY_MS + 11 * HOUR_MS);
    assert_eq!(ward.told(RULE), []);
    ward.tick(DAY + DAY_MS + 12 * HOUR_MS);
    assert_eq!(ward.told(RULE), OPENED);
    let mut ward = Ward::new(clinic(), None, DAY);
    send_all(&mut ward, vec![pain(0, 9, 8.0), pain(0, 11, 8.0), pain(1, 8, 3.0), pain(1, 20, 3.0), pain(2, 8, 3.0)]);
    ward.tick(DAY + 3 * DAY_MS);
    assert_eq!(ward.told(RULE), []);
}

/// Three weeks as usual, then few steps, much pain and a bad night of the pulse on one day.
#[test]
fn three_signals_of_a_flare_within_a_day_ask_for_a_check_in() {
    const RULE: &str = "flare-three-signals";
    let told = |pain: f64| {
        let mut ward = Ward::new(clinic(), None, DAY);
        for day in 0..24 {
            let (start, bad) = (DAY + day * DAY_MS, day >= 22);
            let mut readings = Vec::new();
            for minute in 0..7 * 60 {
                let rate = if bad { 70.0 } else { 58.0 + (day % 3) as f64 };
                readings.push(number("watch", Measure::HeartRate, start + minute * MINUTE_MS, rate));
            }
            let mut steps = reading("phone", Measure::StepCount, start, Value::Number(0));
            let count = if bad { 500.0 } else { 5000.0 + 100.0 * (day % 4) as f64 };
            (steps.value, steps.end) = (Value::Number(Measure::StepCount.to_scaled(count)), Some(start + DAY_MS));
            for hour in [9, 18] {
                let score = if bad { pain } else { 3.0 + 0.5 * (day % 3) as f64 };
                readings.push(number("phone", Measure::PainNrs, start + hour * HOUR_MS, score));
            }
            readings.extend(
                (7 * 60..19 * 60)
                    .step_by(10)
                    .map(|minute| number("watch", Measure::HeartRate, start + minute * MINUTE_MS, 75.0)),
            );
            send_all(&mut ward, readings);
            ward.send(steps, start + DAY_MS);
        }
        ward.tick(DAY + 26 * DAY_MS);
        ward.told(RULE)
    };
    assert_eq!((told(8.0), told(3.0)), (OPENED.to_vec(), vec![]));
}

/// Saturation 87 from 9:00 on, after a tablet at 8:10:30 or one five hours before.
#[test]
fn an_alert_on_breathing_says_how_long_after_which_dose_it_began_and_never_that_the_dose_caused_it() {
    let why = |dose_at: i64| {
        let mut roster = clinic();
        prescribed(&mut roster, "ann", DAY - 30 * DAY_MS, &[480]);
        let mut ward = Ward::new(roster, None, DAY);
        send_all(&mut ward, vec![dose("phone", dose_at)]);
        let low = (0..6).map(|minute| DAY + 9 * HOUR_MS + minute * MINUTE_MS);
        send_all(&mut ward, low.map(|at| number("watch", Measure::OxygenSaturation, at, 87.0)).collect());
        let told = ward.findings.iter().rfind(|finding| finding.rule.as_str() == "spo2-sustained-low").unwrap();
        told.episode.why.clone()
    };
    let within = why(DAY + 8 * HOUR_MS + 10 * MINUTE_MS + 30_000);
    assert!(within.ends_with("; within 50 min after oxycodone-5mg") && !within.contains("caus"), "{within}");
    let long_after = why(DAY + 4 * HOUR_MS - MINUTE_MS);
    assert!(!long_after.contains("after"), "{long_after}");
}
