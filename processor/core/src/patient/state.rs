//! What is remembered of one patient, and its bytes.

use std::collections::BTreeMap;

use painwatch_domain::reading::DoseEvent;
use serde::{Deserialize, Serialize};

use super::daily::{Days, Derived};
use super::day::Group;
use super::episodes::Reports;
use super::hold::HoldSignal;
use crate::metrics::opioid_exposure::{self, Release};
use crate::metrics::wear::{Span, union};

/// First byte of a snapshot. Raise it with every change to the form of the state.
const FORMAT: u8 = 1;

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("snapshot format {found}, this program reads {FORMAT}")]
    Format { found: u8 },
    #[error("snapshot damaged: {0}")]
    Damaged(String),
}

/// Something owed at a point in journal time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Work {
    /// Fold the oldest stale day of the measure under hold rules.
    Fold(String),
    /// Compute a group's values of a local day.
    Evaluate(Group, i32),
    /// The next local day is over.
    Close,
    /// A rule changed: report everything under its new face.
    Republish,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PatientState {
    /// Measures under hold rules, by name.
    pub holds: BTreeMap<String, HoldSignal>,
    /// Daily values of the kept days.
    pub days: Days,
    /// Last told value and revision of each metric: (day, metric).
    pub told: BTreeMap<(i32, String), (Option<u64>, String, i64)>,
    pub reports: Reports,
    /// Opioid doses by local day.
    pub opioids: BTreeMap<i32, Vec<OpioidDose>>,
    /// Statuses of scheduled doses by local day and medication: true is missed, in order of schedule.
    pub missed: BTreeMap<i32, BTreeMap<String, Vec<MissedDose>>>,
    pub next_close: Option<i32>,
    pub closed_any: bool,
    /// Owed work and when.
    #[serde(with = "owed")]
    pub owed: BTreeMap<Work, i64>,
    /// The local day of the newest reading and its bounds: spares the hot path the calendar.
    #[serde(skip)]
    pub today: Option<(i32, i64, i64)>,
}

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

/// A map with structured keys as a list of pairs.
mod owed {
    use super::{BTreeMap, Work};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(map: &BTreeMap<Work, i64>, serializer: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Work, i64>, D::Error> {
        Ok(Vec::<(Work, i64)>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl PatientState {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        // Writing to memory cannot fail, and the state holds nothing the format cannot express.
        bytes.extend(postcard::to_stdvec(self).unwrap_or_default());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(|error| SnapshotError::Damaged(error.to_string())),
            Some((&found, _)) => Err(SnapshotError::Format { found }),
            None => Err(SnapshotError::Damaged("empty".to_owned())),
        }
    }

    /// When the patient was exposed to an opioid, as far as the kept days tell.
    pub fn exposure(&self) -> Vec<Span> {
        let mut by_medication: BTreeMap<&str, (Release, Vec<(i64, DoseEvent)>)> = BTreeMap::new();
        for dose in self.opioids.values().flatten() {
            let Some(event) = DoseEvent::parse(&dose.event) else { continue };
            let entry = by_medication.entry(&dose.medication).or_insert((Release::of(&dose.release), Vec::new()));
            entry.1.push((dose.time, event));
        }
        let windows = by_medication.values().flat_map(|(release, events)| opioid_exposure::windows(*release, events));
        union(windows.collect())
    }

    /// Whether a value differs from what was last told, and the revision to tell it with.
    pub fn revise(&mut self, day: i32, metric: &str, told: &Derived) -> Option<i64> {
        let value = told.value.value.map(f64::to_bits);
        let key = (day, metric.to_owned());
        let revision = match self.told.get(&key) {
            Some((known, reason, _)) if *known == value && *reason == told.value.reason => return None,
            Some((_, _, revision)) => revision + 1,
            None => 0,
        };
        self.told.insert(key, (value, told.value.reason.clone(), revision));
        Some(revision)
    }
}
