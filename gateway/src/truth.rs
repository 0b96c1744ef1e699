//! What is true about simulated people, written down before anything is sent, and the file it is written to.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ledger::Books;

/// Everything a checker needs to judge what the server made of a simulation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroundTruth {
    /// Always true: nobody here is real.
    pub synthetic: bool,
    pub seed: u64,
    pub patients: Vec<String>,
    pub episodes: Vec<Episode>,
    pub faults: FaultCounts,
    /// What the books must say when everything has been acknowledged …
    pub expected: Books,
    /// … of these gateways, beyond what they said before.
    #[serde(default)]
    pub gateways: Vec<String>,
    #[serde(default)]
    pub before: Books,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    pub patient: String,
    pub kind: EpisodeKind,
    /// UTC milliseconds, half-open.
    pub start_ms: i64,
    pub end_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpisodeKind {
    /// Oxygen saturation and breathing fall together for some minutes, two to four hours after the evening dose.
    Spo2Depression,
    /// More than two kilograms within three days.
    WeightGain,
    /// Two or three scheduled doses in a row are not taken.
    MissedDoses,
    /// The day's worst pain is 7 or more on two days.
    PainFlare,
    /// A quarter of the usual steps for a week.
    StepDrop,
    /// The watch sends nothing.
    DeviceOff,
    /// Somebody else of the household stands on the scale.
    HouseholdMixUp,
}

/// How many payloads each fault touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultCounts {
    pub duplicated: u64,
    pub late: u64,
    pub reordered: u64,
    pub clock_ahead: u64,
    pub malformed: u64,
    pub unknown_unit: u64,
    /// Stamped in local time.
    pub local_stamps: u64,
    /// Gateways that were away.
    pub outages: u64,
}

impl GroundTruth {
    /// Writes and syncs the file: a crash later must not take the truth with it.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.sync_all()
    }

    /// # Errors
    /// Whatever the file system says, or the file is no truth.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}
