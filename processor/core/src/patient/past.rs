//! What is kept of a patient's past: what was folded, computed and told. It is at hand while work is done about the patient,
//! and packed otherwise ([`super::pack`]).

use std::collections::BTreeMap;

use painwatch_domain::Hash128;
use painwatch_domain::reading::DoseEvent;
use serde::{Deserialize, Serialize};

use super::by_metric::ByMetric;
use super::daily::{Days, Derived, Kept};
use super::derived::Facts;
use super::episodes::Reports;
use super::signal::FoldedHours;
use crate::metrics::opioid_exposure::{self, Release};
use crate::metrics::wear::{Span, union};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Daily values of the kept days.
    pub days: Days,
    /// What was last told of each metric, by day.
    pub told: BTreeMap<i32, ByMetric<Told>>,
    pub reports: Reports,
    /// Opioid doses by local day.
    pub opioids: Opioids,
    /// Scheduled doses whose cell has closed, by local day and medication, in order of schedule.
    pub missed: Missed,
    /// By measure under hold rules.
    pub folded: BTreeMap<String, FoldedHours>,
}

/// A metric value as it was last told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub fingerprint: u64,
    pub revision: i64,
    pub window: (i64, i64),
}

pub type Opioids = BTreeMap<i32, Vec<OpioidDose>>;

pub type Missed = BTreeMap<i32, BTreeMap<String, Vec<MissedDose>>>;

/// One scheduled dose whose cell has closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedDose {
    pub scheduled: i64,
    pub missed: bool,
}

/// An opioid taken, applied or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpioidDose {
    pub medication: String,
    /// `ir`, `er` or `patch`.
    pub release: String,
    pub time: i64,
    pub event: String,
}

impl Past {
    /// What daily values are derived from.
    pub const fn kept<'a>(&'a self, facts: &'a Facts) -> Kept<'a> {
        Kept { days: &self.days, missed: &self.missed, facts }
    }

    /// When the patient was exposed to an opioid, as far as the kept days tell.
    pub fn exposure(&self) -> Vec<Span> {
        let mut by_medication: BTreeMap<&str, Vec<&OpioidDose>> = BTreeMap::new();
        for dose in self.opioids.values().flatten() {
            by_medication.entry(&dose.medication).or_default().push(dose);
        }
        let windows = by_medication.into_values().flat_map(|doses| {
            let events = doses.iter().filter_map(|dose| Some((dose.time, DoseEvent::parse(&dose.event)?)));
            opioid_exposure::windows(Release::of(&doses[0].release), &events.collect::<Vec<_>>())
        });
        union(windows.collect())
    }

    /// The newest opioid dose before a moment that lies within its exposure: medication and when. A patch is worn: it was applied.
    pub fn dose_before(&self, time: i64) -> Option<(&str, i64)> {
        let begins = |dose: &&OpioidDose| {
            dose.time <= time && matches!(DoseEvent::parse(&dose.event), Some(DoseEvent::Taken | DoseEvent::Applied))
        };
        let mut doses: Vec<&OpioidDose> = self.opioids.values().flatten().filter(begins).collect();
        doses.sort_unstable_by_key(|dose| std::cmp::Reverse((dose.time, &dose.medication)));
        let holds = |dose: &&OpioidDose| {
            let of_this = |other: &&OpioidDose| other.medication == dose.medication && other.time >= dose.time;
            let since = self.opioids.values().flatten().filter(of_this);
            let events = since.filter_map(|other| Some((other.time, DoseEvent::parse(&other.event)?)));
            let windows = opioid_exposure::windows(Release::of(&dose.release), &events.collect::<Vec<_>>());
            windows.iter().any(|window| window.start <= time && time < window.end)
        };
        doses.into_iter().find(holds).map(|dose| (&*dose.medication, dose.time))
    }

    /// The revision to tell a value with, if it differs from what was last told in anything a reader can see.
    pub fn revise(
        &mut self,
        day: i32,
        metric: &str,
        told: &Derived,
        is_final: bool,
        window: (i64, i64),
    ) -> Option<i64> {
        let fingerprint = fingerprint(told, is_final);
        let of_day = self.told.entry(day).or_default();
        let revision = match of_day.get(metric) {
            Some(known) if known.fingerprint == fingerprint && known.window == window => return None,
            Some(known) => known.revision + 1,
            None => 0,
        };
        of_day.insert(metric, Told { fingerprint, revision, window });
        Some(revision)
    }
}

/// Bits of a fingerprint: that a change of a value goes unnoticed happens once in a million million changes.
pub const FINGERPRINT: u64 = (1 << (8 * FINGERPRINT_BYTES)) - 1;
pub const FINGERPRINT_BYTES: usize = 5;

/// Everything that a reader can see of a value, as one number.
pub fn fingerprint(told: &Derived, is_final: bool) -> u64 {
    let number = |value: Option<f64>| {
        value.map_or([0; 9], |value| {
            let mut bytes = [1; 9];
            bytes[1..].copy_from_slice(&value.to_bits().to_le_bytes());
            bytes
        })
    };
    let value = &told.value;
    let numbers = [number(value.value), number(value.coverage), number(told.baseline), number(told.deviation)].concat();
    let rest = [&value.n.to_le_bytes()[..], &[u8::from(is_final) | u8::from(value.verify) << 1]].concat();
    let hash = Hash128::of(&[&numbers, &rest, value.reason.as_bytes(), value.quality.as_bytes()]).0;
    u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]]) & FINGERPRINT
}
