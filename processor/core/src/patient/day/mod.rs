//! One local day of one patient: the daily values, each a pure function of the day's effective readings.
//!
//! Daily values are computed at window close over sorted input (semantics 14), never accumulated on arrival: a late,
//! doubled or corrected reading only means computing the day again.

mod activity;
mod beats;
mod counts;
pub mod evidence;
mod group;
mod minutes;
mod night;
pub mod orders;
mod pain;
mod pressure;
pub mod reporting;
mod rescue;
mod rest;
pub mod rhythm;
mod safety;
mod sleep;
mod stages;
mod symptoms;
mod vitals;
mod weight;

use std::collections::BTreeMap;

use painwatch_domain::reading::Mode;
use painwatch_domain::roster::Patient;
use painwatch_domain::{DeviceId, EventTime, Flags, LocalDay, Measure, ReadingId, Roster, TenantId, Zone};
use serde::{Deserialize, Serialize};

use crate::intake::EffectiveReading;
use crate::metrics::interval_merge::Interval;
use crate::metrics::wear::Span;
pub use counts::AHEAD_MS;
pub use group::{Group, Reach, SCORES};
pub use pain::DAY_H;
pub use safety::{SIGNS_BEFORE_MS, age_on, is_telling};

/// An effective reading as patients' days and rules see it. Times are corrected event times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub time: i64,
    pub historical: bool,
    /// Two values of one revision, and nobody has decided: counts in no sum (semantics 4).
    pub undecided: bool,
    pub reading: EffectiveReading,
}

/// By time, measure and device; what is equal in these stays as it is. Readings are large: each moves once.
pub fn in_order(found: Vec<Observation>) -> Vec<Observation> {
    let mut places: Vec<u32> = (0..found.len() as u32).collect();
    let key = |place: u32| {
        let seen = &found[place as usize];
        (seen.time, seen.reading.measure, &seen.reading.device)
    };
    if places.is_sorted_by(|a, b| key(*a) <= key(*b)) {
        return found;
    }
    places.sort_by(|a, b| key(*a).cmp(&key(*b)));
    let mut found: Vec<Option<Observation>> = found.into_iter().map(Some).collect();
    places.into_iter().filter_map(|place| found[place as usize].take()).collect()
}

impl Observation {
    pub fn new(reading: EffectiveReading) -> Self {
        let (time, historical) = (reading.time.0, reading.mode == Mode::Historical);
        Self { time, historical, undecided: !reading.counts_in_sums(), reading }
    }

    pub fn end(&self) -> Option<i64> {
        self.reading.end_time().map(EventTime::ms)
    }

    /// Hashed when asked for: of a day's samples a handful become evidence.
    pub fn id(&self, tenant: &TenantId) -> ReadingId {
        self.reading.reading_id(tenant)
    }

    /// The value in the canonical unit, for numeric readings.
    pub fn number(&self) -> Option<f64> {
        self.reading.value.number().map(|scaled| self.reading.measure.to_canonical(scaled))
    }
}

/// The day being computed.
pub struct Frame<'a> {
    pub day: LocalDay,
    pub start: i64,
    pub end: i64,
    pub zone: &'a Zone,
    /// Journal time: what may be known by now.
    pub now: i64,
    /// The day has been over long enough for values that need all of it.
    pub closed: bool,
    pub roster: &'a Roster,
    pub person: &'a Patient,
}

impl Frame<'_> {
    /// Smaller wins where two devices count the same instant.
    fn source_priority(&self, device: &DeviceId) -> u32 {
        self.roster.devices.get(device).map_or(u32::MAX, |known| known.source_priority)
    }

    pub fn contains(&self, time: i64) -> bool {
        (self.start..self.end).contains(&time)
    }
}

/// One daily value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DailyValue {
    /// `None` when undefined; `reason` says why.
    pub value: Option<f64>,
    pub n: u32,
    pub reason: String,
    /// Fraction of the day that was observed, where it means something.
    pub coverage: Option<f64>,
    pub quality: String,
    /// Event time at which it became true: of the deciding reading, or the end of the day.
    pub held_at: i64,
    pub evidence: Vec<[u8; 16]>,
    pub historical: bool,
    /// One of the readings it came from is to be verified. Formats 1 and 2 of snapshots did not say.
    #[serde(skip)]
    pub verify: bool,
}

impl DailyValue {
    /// The column `quality`: its words, and the mark of a value that is to be verified.
    pub fn quality_told(&self) -> String {
        let words = [self.quality.as_str(), if self.verify { "verify" } else { "" }];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(",")
    }
}

/// Readings kept as evidence of one daily value: sixty days of some twelve values are kept of each patient.
const DAY_EVIDENCE_MAX: usize = 4;

pub type Values = BTreeMap<String, DailyValue>;

/// All values of `group` for the day. `observations` are in (time, identity) order and may reach beyond the day.
pub fn evaluate(group: Group, frame: &Frame, observations: &[Observation]) -> Values {
    // A fast clock may trigger a threshold; no daily value and no baseline uses it (semantics 7).
    let trusted: Vec<&Observation> =
        observations.iter().filter(|seen| !seen.reading.flags.has(Flags::CLOCK_AHEAD)).collect();
    match group {
        Group::Weight => weight::weight(frame, &trusted),
        Group::Pain => pain::pain(frame, &trusted),
        Group::Activity => activity::activity(frame, &trusted),
        Group::Vitals => vitals::vitals(frame, &trusted),
        Group::Sleep => sleep::sleep(frame, &trusted),
        Group::Safety => safety::safety(frame, &trusted),
        Group::Rescue => rescue::rescue(frame, &trusted),
        Group::Counts => counts::counts(frame, &trusted),
        Group::Stages => stages::stages(frame, &trusted),
        Group::Beats => beats::beats(frame, &trusted),
        Group::Rhythm => rhythm::rhythm(frame, &trusted),
        Group::Medication | Group::Coverage | Group::Composite => Values::new(),
    }
}

fn of_day<'a>(frame: &Frame, seen: &[&'a Observation], measure: Measure) -> Vec<&'a Observation> {
    seen.iter().filter(|seen| seen.reading.measure == measure && frame.contains(seen.time)).copied().collect()
}

/// Quality of a sum of which some sources tell the same.
const SOURCES_OVERLAP: &str = "sources_overlap";

/// What counts over time claim, in their order; a reading without an end claims an instant.
fn intervals<'a>(frame: &Frame, readings: &[&'a Observation]) -> Vec<Interval<'a>> {
    let interval = |seen: &&'a Observation| {
        let span = Span { start: seen.time, end: seen.end().unwrap_or(seen.time) };
        let (device, source_priority) = (seen.reading.device.as_str(), frame.source_priority(&seen.reading.device));
        Some(Interval { span, count: seen.reading.value.number()?, source_priority, device })
    };
    readings.iter().filter_map(interval).collect()
}

fn value_of(frame: &Frame, readings: &[&Observation], value: Option<f64>, reason: &str) -> DailyValue {
    DailyValue {
        value,
        n: readings.len() as u32,
        reason: reason.to_owned(),
        coverage: None,
        quality: String::new(),
        held_at: frame.end,
        evidence: readings.iter().take(DAY_EVIDENCE_MAX).map(|seen| seen.id(&frame.roster.tenant).0).collect(),
        historical: !readings.is_empty() && readings.iter().all(|seen| seen.historical),
        verify: readings.iter().any(|seen| seen.reading.flags.has(Flags::VERIFY)),
    }
}
