//! What derives from a patient's daily values and from what the roster says happened: one file a group of ideas.

mod composite;
pub mod goals;
mod medication;
mod pain;
mod pressure;
mod recovery;
pub mod weight;

use std::collections::BTreeSet;

use painwatch_domain::Roster;
use painwatch_domain::roster::Patient;

use super::calendar::Calendar;
use super::daily::{self, Days, Derived, DerivedDays};
use super::day::DailyValue;
use super::frozen::Frozen;
use crate::rules::ingredients::is_of_class;
use crate::rules::tables::has_condition;

/// What the roster says about a patient, in local days, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub surgeries: Vec<i32>,
    /// First days of orders of an NSAID that was not taken the day before.
    pub nsaid_starts: Vec<i32>,
    pub has_headache: bool,
    /// Medications that the patient is or was ordered and whose sudden stop brings withdrawal or relapse.
    pub withdrawal: BTreeSet<String>,
    pub goals: Vec<goals::Goal>,
    /// Days that make no baseline.
    pub frozen: Frozen,
}

impl Facts {
    pub const NONE: Self = Self {
        surgeries: Vec::new(),
        nsaid_starts: Vec::new(),
        has_headache: false,
        withdrawal: BTreeSet::new(),
        goals: Vec::new(),
        frozen: Frozen::NONE,
    };

    pub fn of(roster: &Roster, person: &Patient) -> Self {
        let calendar = Calendar::of(person);
        let own = roster.patient_events.of_patient(&person.id).filter(|event| event.kind == "surgery");
        let mut surgeries: Vec<i32> = own.map(|event| calendar.day_of(event.start.0)).collect();
        surgeries.sort_unstable();
        let mut nsaid_starts: Vec<i32> =
            starts(roster, person, "nsaid").into_iter().map(|start| calendar.day_of(start)).collect();
        nsaid_starts.sort_unstable();
        Self {
            surgeries,
            nsaid_starts,
            has_headache: has_condition(&person.conditions, "headache"),
            withdrawal: medication::threatening(roster, person),
            goals: goals::of(roster, person),
            frozen: Frozen::of(person, roster),
        }
    }

    /// The latest of the days that lies at or before `day`.
    fn latest(of: &[i32], day: i32) -> Option<i32> {
        of.iter().rev().find(|start| **start <= day).copied()
    }
}

/// When the patient began an order of a class that no other order of the class, in force the day before, goes on with.
pub fn starts(roster: &Roster, person: &Patient, class: &str) -> Vec<i64> {
    let is = |medication| roster.medications.get(medication).is_some_and(|known| is_of_class(&known.ingredient, class));
    let orders: Vec<_> = roster.prescriptions.of_patient(&person.id).filter(|order| is(&order.medication)).collect();
    let before = |start: i64| start - painwatch_domain::time::DAY_MS;
    let goes_on = |start: i64| {
        orders.iter().any(|other| other.start.0 < start && other.end.is_none_or(|end| before(start) <= end.0))
    };
    let mut starts: Vec<i64> = orders.iter().map(|order| order.start.0).filter(|start| !goes_on(*start)).collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// Daily values that others here derive from: kept as long as days are looked back on.
pub const SOURCES: [&str; 24] = [
    "blood_pressure.daily_diastolic",
    "blood_pressure.daily_systolic",
    "body_weight.day_value",
    "flare_report.said_yes",
    "medication_event.acute_analgesic",
    "medication_event.mme_prescribed",
    "medication_event.prn_doses",
    "medication_event.simple_analgesic",
    "medication_event.time_limited",
    "pain_nrs.auc_24h",
    "pain_nrs.daily_mean",
    "pain_nrs.headache",
    "peg.score",
    "reporting.of_activity",
    "reporting.of_beats",
    "reporting.of_counts",
    "reporting.of_pain",
    "reporting.of_safety",
    "reporting.of_vitals",
    "reporting.of_weight",
    "resting_heart_rate.daily_median",
    "sleep_stage.sleep_efficiency",
    "step_count.daily_sum",
    "total_sleep_time.daily_sum",
];

/// What this folder derives, besides `*.progress` and the ways to goals: none of it is a day's own value.
const DERIVED: [&str; 27] = [
    "blood_pressure.home_category",
    "blood_pressure.home_diastolic",
    "blood_pressure.home_systolic",
    "blood_pressure.nsaid_effect",
    "blood_pressure.nsaid_rise",
    "body_weight.loss_180d",
    "body_weight.loss_30d",
    "medication_event.days_over_limit",
    "medication_event.mme_mean_90d",
    "medication_event.mme_rise_pct",
    "medication_event.overuse",
    "medication_event.prn_7d",
    "medication_event.prn_escalation",
    "pain_nrs.change",
    "pain_nrs.change_grade",
    "pain_nrs.flare",
    "pain_nrs.flare_check_in",
    "pain_nrs.flare_signals",
    "pain_nrs.spid",
    "peg.change",
    "peg.change_grade",
    "reporting.data_days_30d",
    "step_count.mean_7d",
    "step_count.pacing",
    "step_count.recovered",
    "step_count.recovery_plateau",
    "step_count.recovery_ratio",
];

pub fn is_derived(metric: &str) -> bool {
    DERIVED.contains(&metric)
        || metric.ends_with(".progress")
        || goals::GOALS.iter().any(|(_, target)| *target == metric)
}

/// Values from day `since` on, of the metrics that are `wanted`.
pub fn derive(days: &Days, facts: &Facts, since: i32, wanted: &dyn Fn(&str) -> bool, derived: &mut DerivedDays) {
    let mut book = Book { days, facts, since, wanted, derived };
    pain::derive(&mut book);
    medication::derive(&mut book);
    pressure::derive(&mut book);
    recovery::derive(&mut book);
    weight::derive(&mut book);
    composite::derive(&mut book);
    goals::derive(&mut book);
}

/// What is derived from and into.
struct Book<'a> {
    days: &'a Days,
    facts: &'a Facts,
    since: i32,
    wanted: &'a dyn Fn(&str) -> bool,
    derived: &'a mut DerivedDays,
}

impl<'a> Book<'a> {
    fn wants(&self, names: &[&str]) -> bool {
        names.iter().any(|name| (self.wanted)(name))
    }

    /// The kept values of a metric, ascending by day.
    fn each(&self, metric: &str) -> Vec<(i32, &'a DailyValue)> {
        debug_assert!(SOURCES.contains(&metric), "{metric} would be forgotten");
        daily::each(self.days, metric)
    }

    fn numbers(&self, metric: &str) -> Vec<(i32, f64)> {
        self.each(metric).into_iter().filter_map(|(day, value)| Some((day, value.value?))).collect()
    }

    fn put(&mut self, day: i32, metric: &'static str, value: DailyValue, around: (Option<f64>, Option<f64>)) {
        debug_assert!(is_derived(metric), "{metric} would outlive what it derives from");
        if day >= self.since && (self.wanted)(metric) {
            self.derived.insert((day, metric), Derived { value, baseline: around.0, deviation: around.1 });
        }
    }
}

/// A value that takes when it held and what shows it from the day's own.
fn like(day: &DailyValue, value: Option<f64>, n: usize) -> DailyValue {
    let reason = if value.is_some() { "" } else { "insufficient" };
    DailyValue { value, n: n as u32, reason: reason.to_owned(), quality: String::new(), coverage: None, ..day.clone() }
}

/// Values of (day, number) pairs within days.
fn within(numbers: &[(i32, f64)], days: std::ops::RangeInclusive<i32>) -> Vec<f64> {
    let mut found: Vec<f64> = numbers.iter().filter(|(day, _)| days.contains(day)).map(|(_, x)| *x).collect();
    found.sort_by(f64::total_cmp);
    found
}

#[cfg(test)]
mod tests;
