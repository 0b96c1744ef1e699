//! What a gateway is told about each reading it submitted.

use crate::Offset;

/// Exactly one of these for every reading (semantics 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Stored,
    Duplicate,
    Conflict,
    Quarantined,
}

impl Class {
    pub const ALL: [Self; 4] = [Self::Stored, Self::Duplicate, Self::Conflict, Self::Quarantined];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Quarantined => "quarantined",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal),+ $(,)?) => {
        /// Why a reading was not simply stored.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemCode { $($variant),+ }

        impl ProblemCode {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }
        }
    };
}

codes! {
    DecodeFailed "decode_failed",
    UnknownMeasure "unknown_measure",
    UnknownUnit "unknown_unit",
    UnitNotConvertible "unit_not_convertible",
    ValueOutOfRange "value_out_of_range",
    ValueMissing "value_missing",
    TimeMissing "time_missing",
    TimeInFuture "time_in_future",
    ClockNotSet "clock_not_set",
    EndBeforeStart "end_before_start",
    NotYourDevice "not_your_device",
    UnknownMedication "unknown_medication",
    ValueDiffers "value_differs",
}

/// One reading that needs a word more than a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Position of the entry in the submitted batch.
    pub index: u32,
    /// Position within a packed series.
    pub sample: Option<u32>,
    pub result: Class,
    pub code: ProblemCode,
    /// What was expected and what came, e.g. `heart_rate 412 > 300`. Never names a patient.
    pub detail: String,
    pub quarantine_id: Option<String>,
}

/// The answer to one submission, identified by the offset of its journal record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchVerdict {
    pub cause: Offset,
    pub batch_id: String,
    pub stored: u64,
    pub duplicate: u64,
    pub conflict: u64,
    pub quarantined: u64,
    pub problems: Vec<Problem>,
}

impl BatchVerdict {
    /// Readings submitted: every one is in exactly one class.
    pub const fn submitted(&self) -> u64 {
        self.stored + self.duplicate + self.conflict + self.quarantined
    }
}
