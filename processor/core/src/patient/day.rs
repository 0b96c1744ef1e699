//! One local day of one patient: the daily values, each a pure function of the day's effective readings.
//!
//! Daily values are computed at window close over sorted input (semantics 14), never accumulated on arrival: a late,
//! doubled or corrected reading only means computing the day again.

use std::collections::BTreeMap;

use painwatch_domain::reading::Mode;
use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{DeviceId, EventTime, Flags, LocalDay, Measure, ReadingId, Roster, TenantId, Zone};
use serde::{Deserialize, Serialize};

use crate::intake::EffectiveReading;
use crate::metrics::interval_merge::{self, Contribution, Interval};
use crate::metrics::pain_summary::{self, Report};
use crate::metrics::step_cadence::{StepCadence, step_cadence};
use crate::metrics::step_day::{self, Wear};
use crate::metrics::summary_stats::{median, sorted_present};
use crate::metrics::wear;
use crate::metrics::weight_gain::{self, Weighing};

/// An effective reading as patients' days and rules see it. Times are corrected event times in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub time: i64,
    pub historical: bool,
    /// Two values of one revision, and nobody has decided: counts in no sum (semantics 4).
    pub undecided: bool,
    pub reading: EffectiveReading,
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

/// Which days a reading bears on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its own.
    Day,
    /// The neighbours as well: a dose may fill the cell of either.
    Beside,
    /// Those of the 24 h after its day: a sleep belongs to the night of the next morning, and a device that was taken off
    /// stays off. When a patient travels that may be more than one.
    Hours24,
}

/// Measures whose daily values are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Group {
    Weight,
    Pain,
    Medication,
    Activity,
    Vitals,
    Sleep,
    /// Not a group of values: what hold rules could see.
    Coverage,
}

impl Group {
    pub const ALL: [Self; 7] =
        [Self::Weight, Self::Pain, Self::Medication, Self::Activity, Self::Vitals, Self::Sleep, Self::Coverage];

    /// The group in which the metrics of a measure are computed.
    pub const fn of(measure: Measure) -> Option<Self> {
        Some(match measure {
            Measure::BodyWeight => Self::Weight,
            Measure::PainNrs | Measure::PainVas | Measure::PainScaleOther => Self::Pain,
            Measure::MedicationEvent => Self::Medication,
            Measure::StepCount | Measure::HeartRate => Self::Activity,
            Measure::RestingHeartRate | Measure::RespiratoryRate | Measure::OxygenSaturation => Self::Vitals,
            Measure::TotalSleepTime => Self::Sleep,
            _ => return None,
        })
    }

    /// What a reading of the measure bears on, and how far.
    pub const fn affected_by(measure: Measure) -> &'static [(Self, Reach)] {
        match measure {
            Measure::BodyWeight => &[(Self::Weight, Reach::Day)],
            Measure::PainNrs | Measure::PainVas | Measure::PainScaleOther => &[(Self::Pain, Reach::Day)],
            Measure::MedicationEvent => &[(Self::Medication, Reach::Beside)],
            Measure::StepCount | Measure::HeartRate => &[(Self::Activity, Reach::Day)],
            Measure::RestingHeartRate | Measure::RespiratoryRate | Measure::OxygenSaturation => {
                &[(Self::Vitals, Reach::Day)]
            }
            Measure::TotalSleepTime => &[(Self::Sleep, Reach::Hours24), (Self::Activity, Reach::Hours24)],
            Measure::DeviceWorn | Measure::DeviceCharging => &[(Self::Coverage, Reach::Hours24)],
            _ => &[],
        }
    }

    pub const fn measures(self) -> &'static [Measure] {
        match self {
            Self::Weight => &[Measure::BodyWeight],
            Self::Pain => &[Measure::PainNrs, Measure::PainVas, Measure::PainScaleOther],
            Self::Medication => &[Measure::MedicationEvent],
            Self::Activity => &[Measure::StepCount, Measure::HeartRate, Measure::TotalSleepTime],
            Self::Vitals => &[Measure::RestingHeartRate, Measure::RespiratoryRate, Measure::OxygenSaturation],
            Self::Sleep => &[Measure::TotalSleepTime],
            Self::Coverage => &[Measure::DeviceWorn, Measure::DeviceCharging],
        }
    }

    /// Few readings a day, each of which may matter at once: judged on arrival. The others wait for the day's close.
    pub const fn is_judged_on_arrival(self) -> bool {
        matches!(self, Self::Weight | Self::Pain | Self::Medication)
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
        Group::Weight => weight(frame, &trusted),
        Group::Pain => pain(frame, &trusted),
        Group::Activity => activity(frame, &trusted),
        Group::Vitals => vitals(frame, &trusted),
        Group::Sleep => sleep(frame, &trusted),
        Group::Medication | Group::Coverage => Values::new(),
    }
}

fn of_day<'a>(frame: &Frame, seen: &[&'a Observation], measure: Measure) -> Vec<&'a Observation> {
    seen.iter().filter(|seen| seen.reading.measure == measure && frame.contains(seen.time)).copied().collect()
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
    }
}

fn weight(frame: &Frame, seen: &[&Observation]) -> Values {
    let readings = of_day(frame, seen, Measure::BodyWeight);
    let weighing = |seen: &&Observation| {
        let minute_of_day = frame.zone.minute_of_day(EventTime(seen.time));
        Some(Weighing { time_ms: seen.time, minute_of_day, kg: seen.number()? })
    };
    let weighings: Vec<_> = readings.iter().filter_map(weighing).collect();
    let Some(kg) = weight_gain::day_value(&weighings) else { return Values::new() };
    let newest = readings.iter().map(|seen| seen.time).max().unwrap_or(frame.start);
    let value = DailyValue { held_at: newest, ..value_of(frame, &readings, Some(kg), "") };
    Values::from([("body_weight.day_value".to_owned(), value)])
}

fn pain(frame: &Frame, seen: &[&Observation]) -> Values {
    let mut values = Values::new();
    for measure in Group::Pain.measures() {
        let readings = of_day(frame, seen, *measure);
        if readings.is_empty() {
            continue;
        }
        let report = |seen: &&Observation| {
            let date_only = seen.reading.flags.has(Flags::DATE_ONLY);
            Some(Report { time_ms: seen.time, score: seen.number()?, date_only, prompted: seen.reading.about.prompted })
        };
        let reports: Vec<_> = readings.iter().filter_map(report).collect();
        let day = pain_summary::day(&reports, frame.end);
        let name = measure.name();
        let mut put = |method: &str, value: Option<f64>, held_at: i64, readings: &[&Observation]| {
            let reason = if value.is_some() { "" } else { "insufficient" };
            let value = DailyValue { held_at, ..value_of(frame, readings, value, reason) };
            values.insert(format!("{name}.{method}"), value);
        };
        let worst: Vec<_> = readings.iter().filter(|seen| seen.number() == day.summary.worst).copied().collect();
        let worst_at =
            worst.iter().map(|seen| seen.end().map_or(seen.time, |end| end - 1)).max().unwrap_or(frame.start);
        put("daily_worst", day.summary.worst, worst_at, &worst);
        if frame.closed {
            let valid = |value: Option<f64>| value.filter(|_| day.valid);
            put("daily_mean", valid(day.daily_mean()), frame.end, &readings);
            if *measure == Measure::PainNrs {
                put("frac_severe", valid(day.summary.frac_severe), frame.end, &readings);
                put("auc_24h", valid(day.summary.auc_h), frame.end, &readings);
            }
        }
    }
    values
}

fn activity(frame: &Frame, seen: &[&Observation]) -> Values {
    let mut values = Values::new();
    if !frame.closed {
        return values;
    }
    let worn = worn_ms(frame, seen);
    let day_ms = (frame.end - frame.start) as f64;
    let heart = of_day(frame, seen, Measure::HeartRate);
    if let Some(worn_ms) = worn.filter(|_| !heart.is_empty()) {
        let rates: Vec<_> = heart.iter().map(|seen| seen.number()).collect();
        let enough = worn_ms >= step_day::MIN_WEAR_MS;
        let rate = median(&sorted_present(&rates)).filter(|_| enough);
        let mut value = value_of(frame, &heart, rate, if enough { "" } else { "not_worn" });
        value.coverage = Some(worn_ms as f64 / day_ms);
        values.insert("heart_rate.daily_median".to_owned(), value);
    }
    if let Some((steps, cadence)) = steps(frame, seen, worn) {
        for (name, peak) in
            cadence.iter().flat_map(|c| [("peak_1", c.peak1), ("peak_30", c.peak30), ("peak_60", c.peak60)])
        {
            let value = DailyValue { value: peak, evidence: Vec::new(), ..steps.clone() };
            values.insert(format!("step_count.{name}"), value);
        }
        values.insert("step_count.daily_sum".to_owned(), steps);
    }
    values
}

/// Waking wear by heart-rate samples; `None` where no heart rate tells.
fn worn_ms(frame: &Frame, seen: &[&Observation]) -> Option<i64> {
    let times: Vec<i64> =
        seen.iter().filter(|seen| seen.reading.measure == Measure::HeartRate).map(|seen| seen.time).collect();
    let sleeps = seen.iter().filter(|seen| seen.reading.measure == Measure::TotalSleepTime);
    let asleep = sleeps.filter_map(|seen| Some(wear::Span { start: seen.time, end: seen.end()? })).collect();
    let day = wear::Span { start: frame.start, end: frame.end };
    let in_day = times.iter().any(|time| frame.contains(*time));
    in_day.then(|| wear::waking_ms(&wear::worn(&times, day), &wear::union(asleep)))
}

fn steps<'a>(frame: &Frame, seen: &[&'a Observation], worn: Option<i64>) -> Option<(DailyValue, Option<StepCadence>)> {
    let readings = of_day(frame, seen, Measure::StepCount);
    let interval = |seen: &&'a Observation| {
        let span = wear::Span { start: seen.time, end: seen.end().unwrap_or(seen.time) };
        let source_priority = frame.source_priority(&seen.reading.device);
        Some(Interval {
            span,
            count: seen.reading.value.number()?,
            source_priority,
            device: seen.reading.device.as_str(),
        })
    };
    let intervals: Vec<_> = readings.iter().filter_map(interval).collect();
    let contributions = interval_merge::merge(&intervals);
    let total = interval_merge::total(&contributions)?;
    let wear = worn.map_or(Wear::Unknown, |worn_ms| Wear::Known { worn_ms });
    let day = step_day::judge(Some(total), wear);
    let mut value = value_of(frame, &readings, day.value(), day.reason);
    value.coverage = worn.map(|worn_ms| worn_ms as f64 / (frame.end - frame.start) as f64);
    let marks = [(day.wear_unknown, "wear_unknown"), (contributions.iter().any(|one| one.reduced), "sources_overlap")];
    let marks: Vec<_> = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).collect();
    value.quality = marks.join(",");
    Some((value, cadence(frame, &intervals, &contributions).filter(|_| day.valid)))
}

/// The busiest minutes, where the day's steps came in single minutes.
fn cadence(frame: &Frame, intervals: &[Interval], contributions: &[Contribution]) -> Option<StepCadence> {
    let minutes_in_day = ((frame.end - frame.start) / MINUTE_MS) as usize;
    let mut minutes = vec![0; minutes_in_day];
    for (interval, contribution) in intervals.iter().zip(contributions) {
        let minute = usize::try_from((interval.span.start - frame.start) / MINUTE_MS)
            .ok()
            .filter(|minute| *minute < minutes_in_day)?;
        match interval.span.ms() {
            MINUTE_MS => minutes[minute] += u32::try_from(contribution.count).unwrap_or(0),
            _ if contribution.count == 0 => {}
            _ => return None,
        }
    }
    intervals
        .iter()
        .any(|interval| interval.span.ms() == MINUTE_MS)
        .then(|| step_cadence(&minutes.into_iter().map(Some).collect::<Vec<_>>()))
}

fn vitals(frame: &Frame, seen: &[&Observation]) -> Values {
    let daily_median = |measure: &Measure| {
        let readings = of_day(frame, seen, *measure);
        let numbers: Vec<_> = readings.iter().map(|seen| seen.number()).collect();
        let middle = median(&sorted_present(&numbers))?;
        Some((format!("{}.daily_median", measure.name()), value_of(frame, &readings, Some(middle), "")))
    };
    if frame.closed { Group::Vitals.measures().iter().filter_map(daily_median).collect() } else { Values::new() }
}

/// Minutes asleep in the night of this date: noon the day before to noon.
fn sleep(frame: &Frame, seen: &[&Observation]) -> Values {
    let noon = |day: LocalDay| frame.zone.at(day, 12 * 60).0;
    let night = noon(frame.day.plus(-1))..noon(frame.day);
    let ended = |seen: &&&Observation| {
        seen.reading.measure == Measure::TotalSleepTime && night.contains(&seen.end().unwrap_or(seen.time))
    };
    let readings: Vec<_> = seen.iter().filter(ended).copied().collect();
    if readings.is_empty() || !frame.closed {
        return Values::new();
    }
    let minutes: i64 = readings.iter().filter_map(|seen| seen.reading.value.number()).sum();
    let value = value_of(frame, &readings, Some(Measure::TotalSleepTime.to_canonical(minutes)), "");
    Values::from([("total_sleep_time.daily_sum".to_owned(), value)])
}
