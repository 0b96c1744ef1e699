//! What is remembered of one patient, and its bytes.

use std::collections::{BTreeMap, BTreeSet};

use painwatch_domain::Hash128;
use painwatch_domain::reading::DoseEvent;
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::daily::{Days, Derived, Kept};
use super::day::Group;
use super::derived::Facts;
use super::episodes::Reports;
use super::signal::{FoldedHours, HoldSignal};
use crate::metrics::opioid_exposure::{self, Release};
use crate::metrics::wear::{Span, union};

/// First byte of a snapshot. Raise it with every change to the form of the state. Format 1 knew fewer groups of values: it
/// is read as it is, and this program's are not for one that knows only that.
const FORMAT: u8 = 2;
const READ: [u8; 2] = [1, FORMAT];

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("snapshot format {found}, this program reads {FORMAT}")]
    Format { found: u8 },
    #[error("snapshot damaged: {0}")]
    Damaged(String),
}

/// Something owed at a point in journal time. Of what is due at one moment, what comes first here is done first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Work {
    /// Readings of the measure on a UTC day became the patient's by a back-dated pairing.
    Notice(String, i32),
    /// Time alone may have proved a hold rule over the measure.
    Look(String),
    /// Fold the oldest stale hours of the measure under hold rules; after the last one, publish.
    Fold(String),
    /// Compute a group's values of a local day.
    Evaluate(Group, i32),
    /// The values of a local day become final.
    Finish(i32),
    /// The next local day is over.
    Close,
    /// A rule changed: report everything under its new face.
    Republish,
}

/// A snapshot is in two parts: what every reading changes is small, what is large changes a few times a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Live automata and owed work.
    Now,
    /// What was folded, computed and told.
    Past,
}

impl Part {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Past => "past",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Now, Self::Past].into_iter().find(|part| part.as_str() == text)
    }
}

#[derive(Clone, Debug, Default)]
pub struct PatientState {
    /// Measures under hold rules, by name.
    pub holds: BTreeMap<String, HoldSignal>,
    /// Daily values of the kept days.
    pub days: Days,
    /// What was last told of each metric, by day.
    pub told: BTreeMap<i32, BTreeMap<String, Told>>,
    pub reports: Reports,
    /// Opioid doses by local day.
    pub opioids: BTreeMap<i32, Vec<OpioidDose>>,
    /// Scheduled doses whose cell has closed, by local day and medication, in order of schedule.
    pub missed: Missed,
    pub agenda: Agenda,
    /// The local day of the newest reading and its bounds: spares the hot path the calendar.
    pub today: Option<(i32, i64, i64)>,
}

/// What is to be done about a patient, and when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Agenda {
    /// Event time whose local day is the first that is closed and reported on.
    pub watched_since: Option<i64>,
    /// The newest day that is not closed yet, and earlier ones that late readings added.
    pub next_close: Option<i32>,
    pub to_close: BTreeSet<i32>,
    /// Owed work and when.
    #[serde(with = "owed")]
    pub owed: BTreeMap<Work, i64>,
}

/// The form of [`Part::Now`].
#[derive(Serialize, Deserialize)]
struct Now<H, A> {
    holds: H,
    agenda: A,
}

/// The form of [`Part::Past`].
#[derive(Serialize, Deserialize)]
struct Past<F, D, T, R, O, M> {
    folded: F,
    days: D,
    told: T,
    reports: R,
    opioids: O,
    missed: M,
}

type OwnedNow = Now<BTreeMap<String, HoldSignal>, Agenda>;
type OwnedPast = Past<
    BTreeMap<String, FoldedHours>,
    Days,
    BTreeMap<i32, BTreeMap<String, Told>>,
    Reports,
    BTreeMap<i32, Vec<OpioidDose>>,
    Missed,
>;

/// A metric value as it was last told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub fingerprint: u64,
    pub revision: i64,
    pub window: (i64, i64),
}

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
    pub fn encode(&self, part: Part) -> Vec<u8> {
        let bytes = match part {
            Part::Now => postcard::to_stdvec(&Now { holds: &self.holds, agenda: &self.agenda }),
            Part::Past => {
                let folded: BTreeMap<&str, &FoldedHours> =
                    self.holds.iter().map(|(measure, held)| (measure.as_str(), &held.folded)).collect();
                let Self { days, told, reports, opioids, missed, .. } = self;
                postcard::to_stdvec(&Past { folded, days, told, reports, opioids, missed })
            }
        };
        // Writing to memory cannot fail, and the state holds nothing the format cannot express.
        [&[FORMAT][..], &bytes.unwrap_or_default()].concat()
    }

    /// Puts one part back; the other is left alone.
    pub fn restore(&mut self, part: Part, bytes: &[u8]) -> Result<(), SnapshotError> {
        let rest = match bytes.split_first() {
            Some((format, rest)) if READ.contains(format) => rest,
            Some((&found, _)) => return Err(SnapshotError::Format { found }),
            None => return Err(SnapshotError::Damaged("empty".to_owned())),
        };
        let damaged = |error: postcard::Error| SnapshotError::Damaged(error.to_string());
        match part {
            Part::Now => {
                let Now { holds, agenda }: OwnedNow = postcard::from_bytes(rest).map_err(damaged)?;
                self.agenda = agenda;
                for (measure, signal) in holds {
                    let folded = self.holds.remove(&measure).map(|known| known.folded).unwrap_or_default();
                    self.holds.insert(measure, HoldSignal { folded, ..signal });
                }
            }
            Part::Past => {
                let past: OwnedPast = postcard::from_bytes(rest).map_err(damaged)?;
                (self.days, self.told, self.reports) = (past.days, past.told, past.reports);
                (self.opioids, self.missed) = (past.opioids, past.missed);
                for (measure, folded) in past.folded {
                    self.holds.entry(measure).or_default().folded = folded;
                }
            }
        }
        Ok(())
    }

    /// What daily values are derived from.
    pub const fn kept<'a>(&'a self, facts: &'a Facts) -> Kept<'a> {
        Kept { days: &self.days, missed: &self.missed, facts }
    }

    /// First local day that is closed and reported on.
    pub fn watched_from(&self, calendar: Calendar) -> Option<i32> {
        self.agenda.watched_since.map(|since| calendar.day_of(since))
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
        of_day.insert(metric.to_owned(), Told { fingerprint, revision, window });
        Some(revision)
    }
}

fn fingerprint(told: &Derived, is_final: bool) -> u64 {
    let number = |value: Option<f64>| {
        value.map_or([0; 9], |value| {
            let mut bytes = [1; 9];
            bytes[1..].copy_from_slice(&value.to_bits().to_le_bytes());
            bytes
        })
    };
    let value = &told.value;
    let numbers = [number(value.value), number(value.coverage), number(told.baseline), number(told.deviation)].concat();
    let rest = [&value.n.to_le_bytes()[..], &[u8::from(is_final)]].concat();
    let hash = Hash128::of(&[&numbers, &rest, value.reason.as_bytes(), value.quality.as_bytes()]).0;
    u64::from_le_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by an earlier program (see the processor's golden test).
    const OLD: [(Part, &[u8]); 2] = [
        (Part::Now, include_bytes!("../../tests/golden/patient-now-1.bin")),
        (Part::Past, include_bytes!("../../tests/golden/patient-past-1.bin")),
    ];

    /// Written by this one.
    const TODAY: [(Part, &[u8]); 2] = [
        (Part::Now, include_bytes!("../../tests/golden/patient-now-2.bin")),
        (Part::Past, include_bytes!("../../tests/golden/patient-past-2.bin")),
    ];

    #[test]
    fn a_snapshot_of_today_is_read_and_written_back_unchanged() {
        let mut state = PatientState::default();
        TODAY.into_iter().for_each(|(part, bytes)| state.restore(part, bytes).unwrap());
        TODAY.into_iter().for_each(|(part, bytes)| assert_eq!(state.encode(part), bytes));
    }

    #[test]
    fn a_snapshot_of_an_earlier_program_is_read_and_written_back_in_todays_format() {
        for mut order in [OLD.to_vec(), OLD.into_iter().rev().collect()] {
            let mut state = PatientState::default();
            order.drain(..).for_each(|(part, bytes)| state.restore(part, bytes).unwrap());
            OLD.into_iter().for_each(|(part, bytes)| assert_eq!(state.encode(part)[1..], bytes[1..]));
            assert!(
                !state.days.is_empty()
                    && !state.agenda.owed.is_empty()
                    && !state.holds.is_empty()
                    && !state.opioids.is_empty()
            );
        }
    }

    #[test]
    fn a_snapshot_of_a_later_format_or_cut_short_is_refused_by_name() {
        for (part, old) in OLD {
            let later = [&[FORMAT + 1], &old[1..]].concat();
            assert!(matches!(PatientState::default().restore(part, &later), Err(SnapshotError::Format { .. })));
            for length in 0..old.len() {
                assert!(PatientState::default().restore(part, &old[..length]).is_err(), "{length} bytes");
            }
        }
    }
}
