//! What is remembered of one patient, and its bytes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::day::Group;
use super::pack::{self, Packed};
use super::past::Past;
use super::signal::HoldSignal;
use super::watch::Watch;

/// First byte of a snapshot. Raise it with every change to the form of the state. Formats 1 and 2 knew no numbers of metrics
/// ([`pack::old`]): they are read.
pub(super) const FORMAT: u8 = 3;
const OLD: [u8; 2] = [1, 2];

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
    /// Which readings of a measure there are on a UTC day, for absence rules, after some were taken back.
    Recount(String, i32),
    /// Tell the silences of a measure under absence rules.
    Absent(String),
    /// Tell which prescribed streams are silent.
    Streams,
    /// What was held back while a gateway was away or behind may be told.
    Resume,
    /// An episode that a combination looks at changed: after whatever may change others.
    Combine,
}

/// A snapshot is in two parts: what every reading changes is small, what is large changes a few times a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Live automata and owed work.
    Now,
    /// What was folded, computed and told.
    Past,
    /// Who is silent.
    Watch,
}

impl Part {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Now => "now",
            Self::Past => "past",
            Self::Watch => "watch",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Now, Self::Past, Self::Watch].into_iter().find(|part| part.as_str() == text)
    }
}

#[derive(Clone, Debug, Default)]
pub struct PatientState {
    /// Measures under hold rules, by name.
    pub holds: BTreeMap<String, HoldSignal>,
    pub agenda: Agenda,
    pub watch: Watch,
    /// The local day of the newest reading and its bounds: spares the hot path the calendar.
    pub today: Option<(i32, i64, i64)>,
    pub quiet: Option<Quiet>,
    /// Stands in the clinic's list of those whose snapshot differs.
    pub is_noted: bool,
    pub past: Shelf,
}

/// Event times `[from, to)` of one watched local day, and the journal time before which that day is not closed: until then a
/// reading of it asks for no day to be judged again, unless its measure is judged on arrival.
#[derive(Clone, Copy, Debug)]
pub struct Quiet {
    pub from: i64,
    pub to: i64,
    pub until: i64,
}

/// The past, packed or at hand. Most patients are not worked on at any one time: the packed form is what their memory costs.
#[derive(Clone, Debug)]
pub enum Shelf {
    Packed(Packed),
    Open(Box<Past>),
}

impl Default for Shelf {
    fn default() -> Self {
        Self::Packed(Packed::default())
    }
}

impl Shelf {
    /// Takes the past down to work on it, and leaves nothing here.
    pub fn take(&mut self) -> Result<Box<Past>, SnapshotError> {
        match std::mem::take(self) {
            Self::Open(past) => Ok(past),
            Self::Packed(packed) => {
                let past = packed.unpack();
                if past.is_err() {
                    *self = Self::Packed(packed);
                }
                past.map(Box::new)
            }
        }
    }

    /// Reads the past without taking it down.
    pub fn look(&self) -> Result<Cow<'_, Past>, SnapshotError> {
        match self {
            Self::Open(past) => Ok(Cow::Borrowed(past)),
            Self::Packed(packed) => packed.unpack().map(Cow::Owned),
        }
    }

    pub fn close(&mut self) {
        if let Self::Open(past) = self {
            *self = Self::Packed(Packed::of(past));
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Open(past) => Packed::of(past).into_bytes(),
            Self::Packed(packed) => packed.clone().into_bytes(),
        }
    }
}

/// What is to be done about a patient, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// The form of [`Part::Now`].
#[derive(Serialize, Deserialize)]
struct Now<H, A> {
    holds: H,
    agenda: A,
}

impl PatientState {
    pub fn encode(&self, part: Part) -> Vec<u8> {
        match part {
            Part::Watch => self.watch.encode(),
            Part::Now => {
                let bytes = postcard::to_stdvec(&Now { holds: &self.holds, agenda: &self.agenda });
                // Writing to memory cannot fail, and the state holds nothing the format cannot express.
                [&[FORMAT][..], &bytes.unwrap_or_default()].concat()
            }
            Part::Past => self.past.bytes(),
        }
    }

    /// Puts one part back; the other is left alone.
    pub fn restore(&mut self, part: Part, bytes: Vec<u8>) -> Result<(), SnapshotError> {
        if part == Part::Watch {
            self.watch = Watch::decode(&bytes)?;
            return Ok(());
        }
        let (format, rest) = bytes.split_first().ok_or_else(|| SnapshotError::Damaged("empty".to_owned()))?;
        if *format != FORMAT && !OLD.contains(format) {
            return Err(SnapshotError::Format { found: *format });
        }
        match part {
            Part::Now => {
                let now = postcard::from_bytes(rest).map_err(|error| SnapshotError::Damaged(error.to_string()))?;
                let Now { holds, agenda }: Now<BTreeMap<String, HoldSignal>, Agenda> = now;
                (self.holds, self.agenda) = (holds, agenda);
            }
            Part::Past if *format == FORMAT => self.past = Shelf::Packed(Packed::parse(bytes)?),
            Part::Past => self.past = Shelf::Packed(Packed::of(&pack::old::read(rest)?)),
            Part::Watch => {}
        }
        Ok(())
    }

    /// First local day that is closed and reported on.
    pub fn watched_from(&self, calendar: Calendar) -> Option<i32> {
        self.agenda.watched_since.map(|since| calendar.day_of(since))
    }
}

#[cfg(test)]
mod tests;
