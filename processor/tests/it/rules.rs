//! The numbered rules, one small story each.

use std::collections::BTreeSet;

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use painwatch_domain::{
    EventTime, Finding, FindingKind, Flags, Measure, Offset, Roster, RuleId, Status, TenantId, Zone,
};
use painwatch_journal::Class;
use painwatch_processor_core::rules::{default_packs, waiting};
use painwatch_store::{MetricRow, Store};

use crate::clinic::{self, PACKS};
use crate::history;
use crate::rig::{Journal, Rig, Sent};

/// 2026-06-10T00:00Z, a Wednesday on which no clock changes.
const DAY: i64 = 20_614 * DAY_MS;
const SPO2: Measure = Measure::OxygenSaturation;

fn unpaired() -> Roster {
    let roster = clinic::with_patient(Roster::default(), clinic::patient("ann", "UTC", &PACKS));
    let roster = clinic::with_patient(roster, clinic::patient("bob", "UTC", &PACKS));
    clinic::with_medication(roster, "oxycodone-5mg", "oxycodone", "ir")
}

fn roster() -> Roster {
    clinic::paired(unpaired(), "watch", "ann", 0, None)
}

/// A sample every 30 s.
fn saturation(from: i64, until: i64, value: f64) -> Sent {
    Sent::numbers("watch", SPO2, (from..until).step_by(30_000).map(|at| (at, value)))
}

async fn applied(journal: &Journal) -> Rig {
    let mut rig = Rig::new().await;
    rig.apply_all(journal).await;
    rig
}

fn begun(roster: &Roster) -> Journal {
    let mut journal = Journal::default();
    journal.roster(DAY - DAY_MS, &clinic::publish(roster.clone()));
    journal
}

/// Kinds of the findings of a rule, with whether each was retrospective.
fn told<'a>(findings: &'a [Finding], rule: &str) -> Vec<&'a Finding> {
    findings.iter().filter(|finding| finding.rule.as_str() == rule).collect()
}

fn kinds(findings: &[Finding], rule: &str) -> Vec<FindingKind> {
    told(findings, rule).iter().map(|finding| finding.kind).collect()
}

async fn metric(rig: &Rig, name: &str, day: i64) -> Option<MetricRow> {
    let (from, to) = (EventTime(day), EventTime(day + 1));
    rig.store.metrics(TenantId::default(), None, Some(name.to_owned()), from, to).await.unwrap().pop()
}

async fn same_history(one: &Journal, other: &Journal) {
    same_history_but(one, other, &BTreeSet::new()).await;
}

async fn same_history_but(one: &Journal, other: &Journal, left_out: &BTreeSet<RuleId>) {
    let (one, other) = (applied(one).await, applied(other).await);
    let told = |lines: Vec<String>| -> Vec<String> {
        let of = |line: &String, rule: &RuleId| line.contains(&format!("{:?}", rule.as_str()));
        lines.into_iter().filter(|line| !left_out.iter().any(|rule| of(line, rule))).collect()
    };
    let (one, other) = (told(history::canonical(&one.store).await), told(history::canonical(&other.store).await));
    assert_eq!(history::difference(&one, &other), None);
}

#[tokio::test]
async fn semantics_4_an_undecided_dose_counts_in_no_sum_which_says_so_and_is_not_missed_either() {
    let roster =
        clinic::prescribed(clinic::paired(roster(), "cap", "ann", 0, None), "ann", "oxycodone-5mg", DAY, &[480, 1200]);
    let mut journal = begun(&roster);
    let at = DAY + 8 * HOUR_MS;
    journal.batch(at + MINUTE_MS, &[Sent::dose("cap", "oxycodone-5mg", at, 1)]);
    journal.batch(at + 2 * MINUTE_MS, &[Sent::dose("cap", "oxycodone-5mg", at, 2)]);
    journal.batch(DAY + 20 * HOUR_MS, &[Sent::dose("cap", "oxycodone-5mg", DAY + 20 * HOUR_MS, 1)]);
    journal.tick(DAY + 2 * DAY_MS - HOUR_MS);
    let rig = applied(&journal).await;
    let taken = metric(&rig, "medication_event.taking_pct", DAY).await.unwrap();
    assert_eq!((taken.value, taken.quality.as_str()), (Some(50.0), "incomplete"));
    let missed = metric(&rig, "medication_event.missed_in_a_row", DAY).await.unwrap();
    assert_eq!((missed.value, kinds(&rig.findings, "technical-conflicting-dose").len()), (Some(0.0), 1));
}

#[tokio::test]
async fn semantics_7_a_fast_clock_silences_no_threshold_and_enters_no_daily_value() {
    let roster = clinic::paired(roster(), "scale", "ann", 0, None);
    let mut journal = begun(&roster);
    for at in (DAY..DAY + 10 * MINUTE_MS).step_by(30_000) {
        let mut low = saturation(at + HOUR_MS, at + HOUR_MS + 1, 84.0);
        let mut heavy = Sent::numbers("scale", Measure::BodyWeight, [(at + HOUR_MS, 90.0)]);
        for sample in low.series.samples.iter_mut().chain(&mut heavy.series.samples) {
            sample.time = EventTime(at);
            sample.flags = Flags::CLOCK_AHEAD;
        }
        journal.batch(at, &[low, heavy]);
    }
    let rig = applied(&journal).await;
    assert_eq!(kinds(&rig.findings, "spo2-critical"), [FindingKind::Opened]);
    assert_eq!(metric(&rig, "body_weight.day_value", DAY).await, None);
}

#[tokio::test]
async fn semantics_7_the_patients_zone_sets_the_local_day() {
    let mut roster = roster();
    roster.patients.insert(clinic::patient_id("ann"), clinic::patient("ann", "Pacific/Auckland", &PACKS));
    let roster = clinic::paired(roster, "phone", "ann", 0, None);
    let mut journal = begun(&roster);
    let midnight = DAY + 12 * HOUR_MS;
    for (at, score) in [(midnight - 1, 3.0), (midnight, 5.0)] {
        journal.batch(at + MINUTE_MS, &[Sent::numbers("phone", Measure::PainNrs, [(at, score)])]);
    }
    let rig = applied(&journal).await;
    let worst = [
        metric(&rig, "pain_nrs.daily_worst", midnight - DAY_MS).await,
        metric(&rig, "pain_nrs.daily_worst", midnight).await,
    ];
    assert_eq!(worst.map(|row| row.unwrap().value), [Some(3.0), Some(5.0)]);
}

/// A week of everything, paired as `before` says and then, with hindsight, as `after` does.
fn hindsight(before: &Roster, after: &Roster) -> [Journal; 2] {
    let mut journals = [begun(before), begun(after)];
    for journal in &mut journals {
        for day in (DAY..DAY + 5 * DAY_MS).step_by(DAY_MS as usize) {
            let at = day + 9 * HOUR_MS;
            let heavy = 80.0 + (day - DAY) as f64 / DAY_MS as f64 * 1.5;
            journal.batch(
                at + 20 * MINUTE_MS,
                &[
                    saturation(at, at + 10 * MINUTE_MS, 84.0),
                    saturation(at + 10 * MINUTE_MS, at + 20 * MINUTE_MS, 97.0),
                    Sent::numbers("scale", Measure::BodyWeight, [(at - HOUR_MS, heavy)]),
                    Sent::numbers("phone", Measure::PainNrs, [(at, 8.0), (at + 1000, 6.0)]),
                    Sent::dose("cap", "oxycodone-5mg", at, 1),
                ],
            );
        }
        journal.roster(DAY + 5 * DAY_MS + 7 * HOUR_MS, &clinic::publish(after.clone()));
        journal.tick(DAY + 9 * DAY_MS);
    }
    journals
}

fn worn_by(mut roster: Roster, patient: &str, from: i64, until: Option<i64>) -> Roster {
    for device in ["watch", "scale", "phone", "cap"] {
        roster = clinic::paired(roster, device, patient, from, until);
    }
    roster
}

#[tokio::test]
async fn semantics_8_a_pairing_that_comes_late_attributes_what_was_stored_before_it() {
    let [late, known] = hindsight(&unpaired(), &worn_by(unpaired(), "ann", 0, None));
    same_history(&late, &known).await;
    let rig = applied(&late).await;
    let low = told(&rig.findings, "spo2-sustained-low");
    assert!(!low.is_empty() && low.iter().all(|finding| finding.retrospective));
}

#[tokio::test]
async fn semantics_8_a_corrected_pairing_gives_to_one_patient_what_it_takes_from_the_other() {
    let switch = DAY + 2 * DAY_MS + 9 * HOUR_MS + 5 * MINUTE_MS;
    let truth = worn_by(worn_by(unpaired(), "ann", 0, Some(switch)), "bob", switch, None);
    let [corrected, known] = hindsight(&worn_by(unpaired(), "ann", 0, None), &truth);
    same_history(&corrected, &known).await;
    let rig = applied(&corrected).await;
    assert!(kinds(&rig.findings, "spo2-critical").contains(&FindingKind::Retracted));
}

#[tokio::test]
async fn semantics_8_back_dated_prescriptions_and_packs_are_late_data() {
    let known = clinic::prescribed(worn_by(unpaired(), "ann", 0, None), "ann", "oxycodone-5mg", DAY, &[540, 1260]);
    let without = worn_by(unpaired(), "ann", 0, None);
    let [late, known_first] = hindsight(&without, &known);
    same_history(&late, &known_first).await;
    let mut no_packs = known.clone();
    no_packs.patients.insert(clinic::patient_id("ann"), clinic::patient("ann", "UTC", &[]));
    // Nobody waited for readings before the pack was given: what tells that none came begins then.
    let [late, known_first] = hindsight(&no_packs, &known);
    same_history_but(&late, &known_first, &waiting(&default_packs())).await;
}

#[tokio::test]
async fn semantics_8_a_back_dated_zone_moves_the_days() {
    for zone in ["Asia/Tokyo", "America/New_York", "Europe/Paris"] {
        back_dated_zone(zone).await;
    }
}

async fn back_dated_zone(zone: &str) {
    let before = worn_by(unpaired(), "ann", 0, None);
    let mut after = before.clone();
    after.patients.get_mut(&clinic::patient_id("ann")).unwrap().zones =
        vec![(EventTime::MIN, Zone::parse(zone).unwrap())];
    let [late, known] = hindsight(&before, &after);
    same_history(&late, &known).await;
}

#[tokio::test]
async fn semantics_11_late_readings_that_move_an_episode_keep_its_alert() {
    let mut journal = begun(&roster());
    journal.batch(DAY + 10 * MINUTE_MS, &[saturation(DAY + 5 * MINUTE_MS, DAY + 10 * MINUTE_MS, 84.0)]);
    journal.batch(DAY + 12 * MINUTE_MS, &[saturation(DAY, DAY + 5 * MINUTE_MS, 85.0)]);
    let rig = applied(&journal).await;
    let told = told(&rig.findings, "spo2-critical");
    assert_eq!(
        told.iter().map(|finding| finding.kind).collect::<Vec<_>>(),
        [FindingKind::Opened, FindingKind::Changed]
    );
    assert_eq!(told[0].alert_id, told[1].alert_id);
    assert_eq!(told[1].episode.start, EventTime(DAY));
}

#[tokio::test]
async fn semantics_11_an_accepted_rule_leaves_the_shadow_and_an_edited_one_continues_its_episode() {
    let mut journal = begun(&roster());
    journal.batch(DAY + 10 * MINUTE_MS, &[saturation(DAY, DAY + 10 * MINUTE_MS, 84.0)]);
    let mut rig = applied(&journal).await;
    let tenant = TenantId::default();
    let rule = rig.engine.rules(&tenant).into_iter().find(|rule| rule.id.as_str() == "spo2-critical").unwrap();
    let accepted = rule.to_toml().replace("accepted_by = \"\"", "accepted_by = \"Dr. Roe\"");
    journal.rule(DAY + 11 * MINUTE_MS, "spo2-critical", &accepted);
    let edited = accepted.replace("at_most = 85", "at_most = 80");
    journal.rule(DAY + 12 * MINUTE_MS, "spo2-critical", &edited);
    journal.batch(DAY + 14 * MINUTE_MS, &[saturation(DAY + 10 * MINUTE_MS, DAY + 14 * MINUTE_MS, 84.0)]);
    journal.batch(DAY + 24 * MINUTE_MS, &[saturation(DAY + 14 * MINUTE_MS, DAY + 24 * MINUTE_MS, 97.0)]);
    rig.apply_all(&journal).await;
    let told = told(&rig.findings, "spo2-critical");
    let seen: Vec<_> = told.iter().map(|finding| (finding.kind, finding.shadow)).collect();
    assert_eq!(seen, [(FindingKind::Opened, true), (FindingKind::Changed, false), (FindingKind::Cleared, false)]);
    let last = told[2].episode.clone();
    assert_eq!(
        (last.start, last.end),
        (EventTime(DAY), Some(EventTime(DAY + 12 * MINUTE_MS))),
        "84 % held under the first version only"
    );
}

#[tokio::test]
async fn semantics_12_an_outage_that_is_caught_up_with_pages_once_when_it_reaches_the_live_edge() {
    let mut journal = begun(&roster());
    let now = DAY + 3 * HOUR_MS;
    for (step, from) in (DAY..now).step_by((15 * MINUTE_MS) as usize).enumerate() {
        journal.batch(now + step as i64 * SECOND_MS, &[saturation(from, from + 15 * MINUTE_MS, 84.0)]);
    }
    let rig = applied(&journal).await;
    let told = told(&rig.findings, "spo2-critical");
    let seen: Vec<_> = told.iter().map(|finding| (finding.kind, finding.retrospective)).collect();
    assert_eq!(seen, [(FindingKind::Opened, true), (FindingKind::Changed, false)]);
}

#[tokio::test]
async fn semantics_12_a_historical_batch_never_pages_until_live_samples_go_on_with_it() {
    let mut journal = begun(&roster());
    journal.batch(DAY + 5 * MINUTE_MS, &[saturation(DAY, DAY + 5 * MINUTE_MS, 84.0).historical()]);
    journal.batch(DAY + 6 * MINUTE_MS, &[saturation(DAY + 5 * MINUTE_MS, DAY + 6 * MINUTE_MS, 84.0)]);
    let rig = applied(&journal).await;
    let seen: Vec<_> =
        told(&rig.findings, "spo2-critical").iter().map(|finding| (finding.kind, finding.historical)).collect();
    assert_eq!(seen, [(FindingKind::Opened, true), (FindingKind::Changed, false)]);
}

#[tokio::test]
async fn semantics_13_a_late_reading_revises_a_daily_value_and_what_follows_from_it() {
    let roster = clinic::paired(roster(), "scale", "ann", 0, None);
    let mut journal = begun(&roster);
    let weigh =
        |day: i64, kg: f64| Sent::numbers("scale", Measure::BodyWeight, [(DAY + day * DAY_MS + 8 * HOUR_MS, kg)]);
    for (day, kg) in [(0, 80.0), (1, 80.2), (3, 83.0)] {
        journal.batch(DAY + day * DAY_MS + 9 * HOUR_MS, &[weigh(day, kg)]);
    }
    let mut rig = applied(&journal).await;
    assert_eq!(kinds(&rig.findings, "weight-gain-3d"), [FindingKind::Opened]);
    let mut wrong = weigh(3, 80.4);
    wrong.series.meta.revision = 1;
    journal.batch(DAY + 3 * DAY_MS + 10 * HOUR_MS, &[wrong]);
    journal.batch(DAY + 3 * DAY_MS + 11 * HOUR_MS, &[weigh(2, 80.3)]);
    rig.apply_all(&journal).await;
    assert_eq!(kinds(&rig.findings, "weight-gain-3d"), [FindingKind::Opened, FindingKind::Retracted]);
    let weight = metric(&rig, "body_weight.day_value", DAY + 3 * DAY_MS).await.unwrap();
    assert_eq!((weight.value, weight.revision), (Some(80.4), 1));
    let gain = metric(&rig, "body_weight.gain_1d", DAY + 3 * DAY_MS).await.unwrap();
    assert_eq!(
        (gain.value.map(|kg| (kg * 10.0).round()), gain.revision),
        (Some(1.0), 1),
        "null, then late data gave it a day before"
    );
}

#[tokio::test]
async fn semantics_13_a_correction_retracts_an_episode_and_a_late_run_of_low_values_is_retrospective() {
    let mut journal = begun(&roster());
    journal.batch(DAY + 10 * MINUTE_MS, &[saturation(DAY, DAY + 10 * MINUTE_MS, 84.0)]);
    let mut error = saturation(DAY, DAY + 10 * MINUTE_MS, 84.0);
    error.series.meta.revision = 1;
    error.series.meta.status = Status::EnteredInError;
    journal.batch(DAY + 20 * MINUTE_MS, &[error]);
    journal.batch(DAY + 5 * HOUR_MS, &[saturation(DAY + HOUR_MS, DAY + 2 * HOUR_MS, 84.0)]);
    let rig = applied(&journal).await;
    assert_eq!(
        kinds(&rig.findings, "spo2-critical"),
        [FindingKind::Opened, FindingKind::Retracted, FindingKind::Opened]
    );
    let retrospective: Vec<_> =
        told(&rig.findings, "spo2-critical").iter().map(|finding| finding.retrospective).collect();
    assert_eq!(retrospective, [false, false, true]);
    let rows = rig.store.episodes(TenantId::default()).await.unwrap();
    let critical: Vec<_> =
        rows.iter().filter(|row| row.rule.as_str() == "spo2-critical").map(|row| row.start).collect();
    assert_eq!(critical, [EventTime(DAY + HOUR_MS)]);
}

#[tokio::test]
async fn semantics_13_beyond_35_days_values_are_computed_again_and_alerts_stay() {
    let roster = clinic::paired(clinic::paired(roster(), "scale", "ann", 0, None), "phone", "ann", 0, None);
    let mut journal = begun(&roster);
    let low = saturation(DAY, DAY + 10 * MINUTE_MS, 84.0);
    journal.batch(DAY + 10 * MINUTE_MS, &[low, saturation(DAY + 10 * MINUTE_MS, DAY + 20 * MINUTE_MS, 97.0)]);
    journal.tick(DAY + 40 * DAY_MS);
    let mut rig = applied(&journal).await;
    let (before, episodes) = (rig.findings.len(), rig.store.episodes(TenantId::default()).await.unwrap());
    let mut error = saturation(DAY, DAY + 10 * MINUTE_MS, 84.0);
    error.series.meta.revision = 1;
    error.series.meta.status = Status::EnteredInError;
    let late = Sent::numbers("phone", Measure::PainNrs, [(DAY + HOUR_MS, 9.0)]);
    journal.batch(DAY + 40 * DAY_MS, &[error, late]);
    journal.tick(DAY + 41 * DAY_MS);
    rig.apply_all(&journal).await;
    assert_eq!(rig.findings.len(), before, "{:?}", rig.findings.last());
    assert_eq!(rig.store.episodes(TenantId::default()).await.unwrap(), episodes);
    assert_eq!(metric(&rig, "pain_nrs.daily_worst", DAY).await.unwrap().value, Some(9.0));
    assert!(rig.engine.beyond_horizon() > 0);
}

#[tokio::test]
async fn a_metric_is_provisional_until_48_hours_after_its_day_and_then_final() {
    let roster = clinic::paired(roster(), "scale", "ann", 0, None);
    let mut journal = begun(&roster);
    journal.batch(DAY + HOUR_MS, &[Sent::numbers("scale", Measure::BodyWeight, [(DAY, 80.0)])]);
    journal.tick(DAY + 3 * DAY_MS - 1);
    let mut rig = applied(&journal).await;
    let state = |row: Option<MetricRow>| row.map(|row| (row.state, row.value));
    assert_eq!(state(metric(&rig, "body_weight.day_value", DAY).await), Some(("provisional", Some(80.0))));
    journal.tick(DAY + 3 * DAY_MS);
    rig.apply_all(&journal).await;
    assert_eq!(state(metric(&rig, "body_weight.day_value", DAY).await), Some(("final", Some(80.0))));
}

#[tokio::test]
async fn semantics_15_the_ledger_says_why_a_rule_was_blind() {
    let mut journal = begun(&roster());
    let low =
        [saturation(DAY, DAY + HOUR_MS, 97.0), Sent::code("watch", Measure::DeviceWorn, DAY + 2 * HOUR_MS, "false")];
    journal.batch(DAY + 2 * HOUR_MS, &low);
    journal.batch(DAY + 3 * HOUR_MS, &[Sent::code("watch", Measure::DeviceCharging, DAY + 3 * HOUR_MS, "true")]);
    journal.tick(DAY + 2 * DAY_MS);
    let rig = applied(&journal).await;
    let (from, to) = (EventTime(DAY), EventTime(DAY + DAY_MS));
    let rows = rig.store.coverage(TenantId::default(), Some(clinic::patient_id("ann")), from, to).await.unwrap();
    let mut rows: Vec<_> = rows.into_iter().filter(|row| row.rule.as_str() == "spo2-critical").collect();
    rows.sort_by_key(|row| row.start);
    let told: Vec<_> = rows.iter().map(|row| (row.start.0 - DAY, row.cause.as_str())).collect();
    let last_seen = HOUR_MS - 30_000 + 90_000;
    assert_eq!(told, [(0, ""), (last_seen, "unknown"), (2 * HOUR_MS, "not_worn"), (3 * HOUR_MS, "charging")]);
}

#[tokio::test]
async fn missed_doses_ring_on_a_day_without_any_reading() {
    let roster = clinic::prescribed(roster(), "ann", "oxycodone-5mg", DAY, &[480, 1200]);
    let mut journal = begun(&roster);
    journal.tick(DAY + DAY_MS + 4 * HOUR_MS);
    let rig = applied(&journal).await;
    let told = told(&rig.findings, "doses-missed-2");
    assert_eq!(told.len(), 1);
    // The second cell closes at 02:00, halfway to the next dose, and an hour is left for the upload.
    assert_eq!((told[0].detected_at.0, told[0].retrospective), (DAY + 27 * HOUR_MS + 1, false));
}

#[tokio::test]
async fn two_missed_doses_stay_two_when_the_third_is_taken_and_are_retracted_when_one_turns_up() {
    let roster = clinic::prescribed(
        clinic::paired(roster(), "cap", "ann", 0, None),
        "ann",
        "oxycodone-5mg",
        DAY,
        &[480, 840, 1200],
    );
    let mut journal = begun(&roster);
    journal.batch(DAY + 20 * HOUR_MS, &[Sent::dose("cap", "oxycodone-5mg", DAY + 20 * HOUR_MS, 1)]);
    journal.tick(DAY + 25 * HOUR_MS);
    let mut rig = applied(&journal).await;
    assert_eq!(kinds(&rig.findings, "doses-missed-2"), [FindingKind::Opened]);
    journal.batch(DAY + 26 * HOUR_MS, &[Sent::dose("cap", "oxycodone-5mg", DAY + 8 * HOUR_MS, 1)]);
    rig.apply_all(&journal).await;
    assert_eq!(kinds(&rig.findings, "doses-missed-2"), [FindingKind::Opened, FindingKind::Retracted]);
}

#[tokio::test]
async fn semantics_18_deadlines_fire_in_order_at_their_own_time_before_the_record_is_applied() {
    let roster =
        clinic::prescribed(clinic::paired(roster(), "cap", "ann", 0, None), "ann", "oxycodone-5mg", DAY, &[480, 1200]);
    let roster = clinic::prescribed(roster, "bob", "oxycodone-5mg", DAY, &[480, 1200]);
    let mut journal = begun(&roster);
    let silent_until = DAY + 30 * HOUR_MS;
    let doses = [8, 20].map(|hour| Sent::dose("cap", "oxycodone-5mg", DAY + hour * HOUR_MS, 1));
    journal.batch(silent_until, &doses);
    let rig = applied(&journal).await;
    let told = told(&rig.findings, "doses-missed-2");
    let seen: Vec<_> = told
        .iter()
        .map(|finding| (finding.kind, finding.patient.as_ref().unwrap().as_str(), finding.detected_at.0))
        .collect();
    let due = DAY + 27 * HOUR_MS + 1;
    assert_eq!(
        seen,
        [
            (FindingKind::Opened, "ann", due),
            (FindingKind::Opened, "bob", due),
            (FindingKind::Retracted, "ann", silent_until),
        ]
    );
    let mut times: Vec<i64> = rig.findings.iter().map(|finding| finding.detected_at.0).collect();
    let in_order = times.clone();
    times.sort_unstable();
    assert_eq!(times, in_order);
}

#[tokio::test]
async fn semantics_20_a_tick_after_a_restart_finds_what_was_owed_before_it() {
    let roster = clinic::prescribed(roster(), "ann", "oxycodone-5mg", DAY, &[480, 1200]);
    let mut journal = begun(&roster);
    journal.tick(DAY);
    let mut rig = applied(&journal).await;
    rig.checkpoint().await;
    rig.crash().await;
    assert_eq!(rig.engine.next(), Offset(journal.records.len() as u64));
    journal.tick(DAY + 30 * HOUR_MS);
    assert_eq!(journal.records.last().unwrap().class, Class::Tick);
    rig.apply_all(&journal).await;
    assert_eq!(kinds(&rig.findings, "doses-missed-2"), [FindingKind::Opened]);
}

#[tokio::test]
async fn a_daily_episode_keeps_its_start_while_the_worst_report_moves_and_ends_when_a_day_is_over() {
    let roster = clinic::paired(roster(), "phone", "ann", 0, None);
    let mut journal = begun(&roster);
    for (hour, score) in [(9, 7.0), (15, 9.0), (33, 2.0)] {
        let at = DAY + hour * HOUR_MS;
        journal.batch(at + 1000, &[Sent::numbers("phone", Measure::PainNrs, [(at, score)])]);
    }
    let mut rig = applied(&journal).await;
    let seen = told(&rig.findings, "pain-severe");
    assert_eq!(
        kinds(&rig.findings, "pain-severe"),
        [FindingKind::Opened, FindingKind::Changed],
        "a low report in the morning ends nothing yet"
    );
    assert_eq!((seen[0].alert_id, seen[0].episode.start), (seen[1].alert_id, seen[1].episode.start));
    journal.tick(DAY + 3 * DAY_MS);
    rig.apply_all(&journal).await;
    let last = told(&rig.findings, "pain-severe").pop().unwrap().clone();
    assert_eq!(
        (last.kind, last.episode.start.0, last.episode.end),
        (FindingKind::Cleared, DAY, Some(EventTime(DAY + DAY_MS)))
    );
}
