//! What patients get of the clinical catalogue's sections on safety, medication and pain.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, FindingKind, Measure, Priority, Roster, TenantId};
use painwatch_store::{MetricRow, Store};

use crate::clinic::{self, PACKS};
use crate::history;
use crate::rig::{Journal, Rig, Sent};

const DAY: i64 = 20_614 * DAY_MS;

fn roster() -> Roster {
    let mut roster = clinic::with_patient(Roster::default(), clinic::patient("ann", "UTC", &PACKS));
    for device in ["watch", "cuff", "phone", "cap"] {
        roster = clinic::paired(roster, device, "ann", 0, None);
    }
    let roster = clinic::with_medication(roster, "oxycodone-5mg", "oxycodone", "ir");
    let roster = clinic::with_medication(roster, "combined", "oxycodone 5 mg/paracetamol 1000 mg", "ir");
    clinic::with_medication(roster, "lorazepam-5mg", "lorazepam", "ir")
}

fn begun(roster: &Roster) -> Journal {
    let mut journal = Journal::default();
    journal.roster(DAY - DAY_MS, &clinic::publish(roster.clone()));
    journal
}

async fn applied(journal: &Journal) -> Rig {
    let mut rig = Rig::new().await;
    rig.apply_all(journal).await;
    rig
}

async fn metric(rig: &Rig, name: &str, day: i64) -> MetricRow {
    let (from, to) = (EventTime(day), EventTime(day + 1));
    let rows = rig.store.metrics(TenantId::default(), None, Some(name.to_owned()), from, to).await.unwrap();
    rows.into_iter().next_back().unwrap_or_else(|| panic!("no {name}"))
}

/// Kind and priority of what was told about a rule.
fn told(rig: &Rig, rule: &str) -> Vec<(FindingKind, Priority)> {
    let of_rule = rig.findings.iter().filter(|finding| finding.rule.as_str() == rule);
    of_rule.map(|finding| (finding.kind, finding.episode.peak)).collect()
}

/// A set at the bedside that scores 3+3+2+2+3+3+2, temperature last.
fn bad_set(at: i64) -> Vec<Sent> {
    let spot = |measure, minute: i64, value| Sent::numbers("watch", measure, [(at + minute * MINUTE_MS, value)]);
    vec![
        spot(Measure::RespiratoryRate, 0, 25.0),
        spot(Measure::OxygenSaturation, 1, 90.0),
        spot(Measure::OxygenFlow, 2, 2.0),
        Sent::pressure("cuff", at + 3 * MINUTE_MS, 95.0, 60.0, "sitting"),
        spot(Measure::HeartRate, 4, 135.0),
        Sent::code("phone", Measure::Acvpu, at + 5 * MINUTE_MS, "V"),
        spot(Measure::BodyTemperature, 6, 39.5),
    ]
}

#[tokio::test]
async fn an_early_warning_score_is_told_before_the_day_is_over_and_needs_the_whole_set_within_the_hour() {
    let at = DAY + 9 * HOUR_MS;
    let mut journal = begun(&roster());
    journal.batch(at + 7 * MINUTE_MS, &bad_set(at));
    let rig = applied(&journal).await;
    assert_eq!(told(&rig, "news2-high"), [(FindingKind::Opened, Priority::High)]);
    let (total, band) = (metric(&rig, "news2.total", DAY).await, metric(&rig, "news2.band", DAY).await);
    assert_eq!((total.value, band.value, band.value_code.as_deref()), (Some(18.0), Some(4.0), Some("high")));

    let mut late = bad_set(at);
    late.last_mut().unwrap().series.samples[0].time = EventTime(at + 61 * MINUTE_MS);
    late.last_mut().unwrap().series.samples[0].device_time = at + 61 * MINUTE_MS;
    let mut journal = begun(&roster());
    journal.batch(at + 62 * MINUTE_MS, &late);
    let rig = applied(&journal).await;
    let total = metric(&rig, "news2.total", DAY).await;
    assert_eq!((total.value, total.reason.as_str(), total.quality.as_str()), (None, "incomplete", "missing_items:1"));
}

#[tokio::test]
async fn a_score_that_missing_items_hide_is_no_low_score_and_its_rules_did_not_see() {
    let at = DAY + 9 * HOUR_MS;
    let mut journal = begun(&roster());
    let calm = |measure, value| Sent::numbers("watch", measure, [(at, value)]);
    journal.batch(at + MINUTE_MS, &[calm(Measure::RespiratoryRate, 15.0), calm(Measure::HeartRate, 70.0)]);
    journal.tick(DAY + 2 * DAY_MS);
    let rig = applied(&journal).await;
    let band = metric(&rig, "news2.band", DAY).await;
    assert_eq!((band.value, band.reason.as_str(), band.quality.as_str()), (None, "incomplete", "missing_items:5"));
    let (from, to) = (EventTime(DAY), EventTime(DAY + DAY_MS));
    let ledger = rig.store.coverage(TenantId::default(), None, from, to).await.unwrap();
    let of_rule: Vec<_> = ledger.iter().filter(|row| row.rule.as_str() == "news2-high").collect();
    assert!(!of_rule.is_empty() && of_rule.iter().all(|row| row.state != "covered"), "{of_rule:?}");
}

#[tokio::test]
async fn sedation_beside_slow_breathing_is_high_whichever_is_reported_first() {
    let at = DAY + 9 * HOUR_MS;
    let sedated = Sent::code("phone", Measure::Poss, at, "3");
    let slow = Sent::numbers("watch", Measure::RespiratoryRate, (0..10).map(|i| (at + i * 30_000, 8.0)));
    for order in [[&sedated, &slow], [&slow, &sedated]] {
        let mut journal = begun(&roster());
        for (minute, one) in [6, 12].into_iter().zip(order) {
            journal.batch(at + minute * MINUTE_MS, std::slice::from_ref(one));
        }
        journal.tick(at + HOUR_MS);
        let rig = applied(&journal).await;
        assert_eq!(told(&rig, "sedation-unacceptable"), [(FindingKind::Opened, Priority::Medium)]);
        for rule in ["sedation-with-shallow-breathing", "sedated-with-impaired-breathing"] {
            assert_eq!(told(&rig, rule), [(FindingKind::Opened, Priority::High)], "{rule}");
        }
        let worst = metric(&rig, "poss.worst", DAY).await;
        assert_eq!((worst.value, worst.value_code.as_deref()), (Some(3.0), Some("3")));
    }
}

#[tokio::test]
async fn doses_add_up_by_ingredient_also_in_combinations_and_exactly_the_limit_is_none_too_many() {
    let roster = clinic::as_needed(roster(), "ann", "combined", DAY - DAY_MS);
    let mut journal = begun(&roster);
    let dose = |hour: i64| Sent::dose("cap", "combined", DAY + hour * HOUR_MS, 1);
    for hour in [1, 5, 9, 13] {
        journal.batch(DAY + hour * HOUR_MS + MINUTE_MS, &[dose(hour)]);
    }
    let mut rig = applied(&journal).await;
    assert_eq!(metric(&rig, "medication_event.acetaminophen_ratio", DAY).await.value, Some(1.0));
    assert_eq!((told(&rig, "daily-maximum-exceeded"), told(&rig, "rescue-5")), (vec![], vec![]));
    journal.batch(DAY + 17 * HOUR_MS + MINUTE_MS, &[dose(17)]);
    journal.tick(DAY + 2 * DAY_MS);
    rig.apply_all(&journal).await;
    assert_eq!(told(&rig, "daily-maximum-exceeded"), [(FindingKind::Opened, Priority::Medium)]);
    assert_eq!(told(&rig, "rescue-5"), [(FindingKind::Opened, Priority::Medium)]);
    let taken = metric(&rig, "medication_event.mme_taken", DAY).await;
    assert_eq!((taken.value, taken.quality.as_str()), (Some(37.5), "table:CDC 2022"));
    let maximum = metric(&rig, "medication_event.mme_prn_maximum", DAY).await;
    assert_eq!((maximum.value, metric(&rig, "medication_event.prn_doses", DAY).await.value), (Some(30.0), Some(5.0)));
}

#[tokio::test]
async fn an_opioid_without_a_factor_makes_the_sum_incomplete_and_never_zero() {
    let roster = clinic::with_medication(roster(), "buprenorphine-5mg", "buprenorphine", "ir");
    let alone = clinic::prescribed(roster, "ann", "buprenorphine-5mg", DAY, &[480]);
    let both = clinic::prescribed(alone.clone(), "ann", "oxycodone-5mg", DAY, &[480, 1200]);
    for (roster, value) in [(alone, None), (both, Some(15.0))] {
        let mut journal = begun(&roster);
        journal.tick(DAY + 2 * DAY_MS);
        let prescribed = metric(&applied(&journal).await, "medication_event.mme_prescribed", DAY).await;
        assert_eq!(prescribed.value, value);
        assert_eq!(prescribed.quality, "table:CDC 2022,incomplete,no_factor:buprenorphine");
    }
}

#[tokio::test]
async fn an_opioid_and_a_benzodiazepine_within_a_day_are_told_once() {
    let mut journal = begun(&roster());
    for (hour, medication) in [(22, "oxycodone-5mg"), (30, "lorazepam-5mg"), (40, "oxycodone-5mg")] {
        let at = DAY + hour * HOUR_MS;
        journal.batch(at + MINUTE_MS, &[Sent::dose("cap", medication, at, 1)]);
    }
    let rig = applied(&journal).await;
    // The third dose is more evidence of the same alert.
    let kinds: Vec<_> = told(&rig, "opioid-with-benzodiazepine").into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [FindingKind::Opened, FindingKind::Changed]);
}

#[tokio::test]
async fn semantics_8_a_surgery_that_is_told_later_raises_what_followed_it() {
    let before = roster();
    let after = clinic::happened(before.clone(), "ann", "surgery", DAY - 3 * DAY_MS);
    let journals = [&before, &after].map(|first| {
        let mut journal = begun(first);
        for hour in [8, 10] {
            let at = DAY + hour * HOUR_MS;
            journal.batch(at + MINUTE_MS, &[Sent::numbers("phone", Measure::PainNrs, [(at, 8.0)])]);
        }
        journal.roster(DAY + 11 * HOUR_MS, &clinic::publish(after.clone()));
        journal.tick(DAY + 3 * DAY_MS);
        journal
    });
    let (late, known) = (applied(&journals[0]).await, applied(&journals[1]).await);
    let opened = (FindingKind::Opened, Priority::Low);
    assert_eq!(told(&late, "pain-severe-lasting")[..2], [opened, (FindingKind::Changed, Priority::Medium)]);
    let (late, known) = (history::canonical(&late.store).await, history::canonical(&known.store).await);
    assert_eq!(history::difference(&late, &known), None);
}

#[tokio::test]
async fn fills_say_how_much_of_the_time_is_covered_and_which_supplies_overlap() {
    let mut roster = clinic::prescribed(roster(), "ann", "oxycodone-5mg", DAY - 60 * DAY_MS, &[480]);
    for (medication, day, supply) in [("oxycodone-5mg", -50, 20), ("oxycodone-5mg", -10, 14), ("lorazepam-5mg", -2, 5)]
    {
        roster = clinic::dispensed(roster, "ann", medication, DAY + day * DAY_MS, supply);
    }
    let mut journal = begun(&roster);
    journal.tick(DAY + 2 * DAY_MS);
    let rig = applied(&journal).await;
    let pdc = metric(&rig, "medication_event.pdc", DAY).await;
    assert_eq!((pdc.value, pdc.quality.as_str()), (Some(31.0 / 51.0), "oxycodone-5mg"));
    assert_eq!(told(&rig, "supply-covers-too-little")[0], (FindingKind::Opened, Priority::Low));
    let overlap = metric(&rig, "medication_event.opioid_benzodiazepine_days", DAY).await;
    assert_eq!((overlap.value, overlap.quality.as_str()), (Some(3.0), ""));
}

#[tokio::test]
async fn a_fall_of_pressure_on_standing_is_more_urgent_below_90_and_after_a_new_opioid() {
    let test = |standing: f64| {
        let at = DAY + 9 * HOUR_MS;
        let rows = [(0, 120.0, "supine"), (1, standing, "standing")];
        rows.map(|(minute, systolic, posture)| Sent::pressure("cuff", at + minute * MINUTE_MS, systolic, 70.0, posture))
    };
    let after_opioid = clinic::prescribed(roster(), "ann", "oxycodone-5mg", DAY - DAY_MS, &[480]);
    let (opened, low, medium) = (FindingKind::Opened, Priority::Low, Priority::Medium);
    for (roster, standing, fall, urgent) in [
        (roster(), 98.0, low, vec![]),
        (after_opioid, 98.0, medium, vec![]),
        (roster(), 88.0, low, vec![(opened, medium)]),
    ] {
        let mut journal = begun(&roster);
        journal.batch(DAY + 10 * HOUR_MS, &test(standing));
        let rig = applied(&journal).await;
        assert_eq!(told(&rig, "orthostatic-fall"), [(opened, fall)]);
        assert_eq!(told(&rig, "orthostatic-fall-urgent"), urgent);
    }
}
