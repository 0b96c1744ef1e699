//! One entry of a batch, a reading or a packed series of them, to the words of the domain.

use painwatch_domain::reading::{Dose, DoseEvent};
use painwatch_domain::{
    ClockOffset, DeviceId, EventTime, Flags, Measure, MedicationId, Meta, ProblemCode, ReceivedAt, Sample, Series,
    Shape, Status,
};
use painwatch_proto::ingest::v1::Reading;
use painwatch_proto::json::{nearest, shown};
use painwatch_proto::record::Entry;

use crate::envelope::Envelope;
use crate::times::{self, Claim, SentAt};
use crate::values::{self, Scale};

/// Longest text in bytes that describes a reading: a site, an instrument, an id of the gateway's own.
const TEXT_MAX: usize = 64;

/// Why something is quarantined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub code: ProblemCode,
    pub detail: String,
    /// What the device claimed, where its clock is why.
    pub device_time: Option<i64>,
    pub boot_id: Option<u32>,
}

impl Refusal {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), device_time: None, boot_id: None }
    }

    pub(crate) fn of_clock(code: ProblemCode, detail: String, device_time: i64, boot_id: Option<u32>) -> Self {
        Self { device_time: Some(device_time), boot_id, ..Self::new(code, detail) }
    }

    pub(crate) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::DecodeFailed, detail)
    }
}

/// An entry of which at least the frame was right.
pub(crate) struct Judged {
    pub entries: Vec<Entry>,
    pub bad_samples: Vec<BadSample>,
}

/// One refused sample of a packed series.
pub(crate) struct BadSample {
    pub position: u32,
    pub device_time: i64,
    /// The identity it would have had, where that is not its time.
    pub id: Option<String>,
    pub refusal: Refusal,
}

/// Readings an entry counts as when it is refused as a whole (semantics 1): its samples, and never none.
pub(crate) fn count(reading: &Reading) -> u64 {
    reading.values.iter().filter(|value| !value.is_nan()).count().max(1) as u64
}

pub(crate) fn judge(
    reading: &Reading,
    index: u32,
    device: &DeviceId,
    sent_at: SentAt,
    envelope: &Envelope<'_>,
) -> Result<Judged, Refusal> {
    let measure = measure(&reading.measure)?;
    let packed = !reading.values.is_empty() || reading.period_ms.is_some() || !reading.offsets_ms.is_empty();
    values::check_kind(reading, measure, packed)?;
    let claim = times::claim(reading, device, sent_at, envelope)?;
    let mut meta = circumstances(reading)?;
    meta.dose = dose(reading, measure, device, envelope)?;
    meta.zone = claim.zone.as_ref().map(|zone| zone.name().into());
    let mut series = Series { device: device.clone(), measure, meta, samples: Vec::new() };
    series.meta.id = identity(reading, &series, &claim)?;
    let claim = Claim { flags: claim.flags.with(quality(&reading.quality)?), ..claim };
    if packed {
        judge_packed(reading, index, series, claim, envelope)
    } else {
        let (value, doubt) = values::single(reading, measure, claim.lasted_ms())?;
        let known = times::known_clock(device, &claim, claim.start, envelope);
        let (time, clock) = times::place(&claim, claim.start, claim.said_end(), known, envelope.received_at)?;
        let flags = claim.flags.with(clock).with(doubt);
        series.samples.push(Sample { time, device_time: claim.start, end: claim.end, value, flags });
        Ok(Judged { entries: vec![Entry { index, series, positions: Vec::new() }], bad_samples: Vec::new() })
    }
}

fn judge_packed(
    reading: &Reading,
    index: u32,
    mut series: Series,
    claim: Claim,
    envelope: &Envelope<'_>,
) -> Result<Judged, Refusal> {
    let steps = Steps::of(reading, series.measure, &claim, envelope)?;
    let newest = (0u32..).zip(&reading.values).map(|(position, _)| steps.at(position)).max().unwrap_or(claim.start);
    let clock = times::known_clock(&series.device, &claim, newest, envelope);
    let stamped = Stamped { claim, clock, received_at: envelope.received_at };
    let scale = Scale::of(series.measure, &reading.unit, &reading.instrument)?;
    let own_id = series.meta.id.take();
    let numbered = |position: u32| own_id.as_ref().map(|id| format!("{id}#{position}"));
    let mut positions = Vec::with_capacity(reading.values.len());
    let mut bad_samples = Vec::new();
    series.samples.reserve_exact(reading.values.len());
    for (position, value) in (0u32..).zip(&reading.values).filter(|(_, value)| !value.is_nan()) {
        let device_time = steps.at(position);
        match sample(*value, device_time, &steps, &scale, &stamped) {
            Ok(sample) => {
                positions.push(position);
                series.samples.push(sample);
            }
            Err(refusal) => bad_samples.push(BadSample { position, device_time, id: numbered(position), refusal }),
        }
    }
    let whole = Entry { index, series, positions };
    let entries = match &own_id {
        Some(id) => one_by_one(whole, id),
        None if whole.series.samples.is_empty() => Vec::new(),
        None => vec![whole],
    };
    Ok(Judged { entries, bad_samples })
}

fn sample(
    value: f64,
    device_time: i64,
    steps: &Steps<'_>,
    scale: &Scale,
    stamped: &Stamped,
) -> Result<Sample, Refusal> {
    let (value, doubt) = scale.number(value, steps.lasts)?;
    let end = steps.lasts.map(|lasts| device_time.saturating_add(lasts));
    let last = end.max(stamped.claim.said_end());
    let (time, clock) = times::place(&stamped.claim, device_time, last, stamped.clock, stamped.received_at)?;
    Ok(Sample { time, device_time, end, value, flags: stamped.claim.flags.with(clock).with(doubt) })
}

/// By which clock the samples of a series were stamped.
struct Stamped {
    claim: Claim,
    clock: Option<ClockOffset>,
    received_at: ReceivedAt,
}

/// An id names one reading, so a packed series that has one is taken apart and each sample's place added to it.
fn one_by_one(whole: Entry, id: &str) -> Vec<Entry> {
    let Entry { index, series: Series { device, measure, meta, samples }, positions } = whole;
    let single = |(position, sample): (u32, Sample)| {
        let meta = Meta { id: Some(format!("{id}#{position}").into()), ..meta.clone() };
        let series = Series { device: device.clone(), measure, meta, samples: vec![sample] };
        Entry { index, series, positions: vec![position] }
    };
    positions.into_iter().zip(samples).map(single).collect()
}

/// When the samples of a packed series were taken.
struct Steps<'a> {
    start: i64,
    spacing: Spacing<'a>,
    /// How long each sample lasts, for measures over intervals.
    lasts: Option<i64>,
}

enum Spacing<'a> {
    Period(i64),
    Offsets(&'a [i64]),
}

impl<'a> Steps<'a> {
    fn of(reading: &'a Reading, measure: Measure, claim: &Claim, envelope: &Envelope<'_>) -> Result<Self, Refusal> {
        let (samples, most) = (reading.values.len(), envelope.limits.max_samples_per_series);
        if samples > most {
            return Err(Refusal::unreadable(format!("{samples} values in one series, at most {most}")));
        }
        if claim.flags.has(Flags::DATE_ONLY) {
            return Err(Refusal::unreadable("a packed series needs the time of day at which it starts"));
        }
        let spacing = match (reading.period_ms, reading.offsets_ms.as_slice()) {
            (Some(_), [_, ..]) => return Err(Refusal::unreadable("give period_ms or offsets_ms, not both")),
            (Some(period), []) if period > 0 => Spacing::Period(period),
            (Some(_), []) => return Err(Refusal::unreadable("period_ms must be greater than 0")),
            (None, offsets) if offsets.len() == samples => Spacing::Offsets(offsets),
            (None, []) => return Err(Refusal::unreadable("values needs period_ms or offsets_ms beside it")),
            (None, offsets) => {
                let detail = format!("{} offsets_ms for {samples} values", offsets.len());
                return Err(Refusal::unreadable(detail));
            }
        };
        let lasts = reading.period_ms.filter(|_| measure.spec().shape == Shape::Interval);
        Ok(Self { start: claim.start, spacing, lasts })
    }

    /// Saturates: what lies beyond is refused for its time.
    fn at(&self, position: u32) -> i64 {
        let offset = match self.spacing {
            Spacing::Period(period) => period.saturating_mul(i64::from(position)),
            Spacing::Offsets(offsets) => offsets[position as usize],
        };
        self.start.saturating_add(offset)
    }
}

fn measure(name: &str) -> Result<Measure, Refusal> {
    if let Some(measure) = Measure::parse(name) {
        return Ok(measure);
    }
    if name.is_empty() {
        return Err(Refusal::unreadable("measure is missing"));
    }
    let known = Measure::ALL.iter().map(|measure| measure.name());
    let hint = nearest(name, known).map_or_else(String::new, |word| format!(", the nearest known one is {word:?}"));
    Err(Refusal::new(ProblemCode::UnknownMeasure, format!("no measure is called {:?}{hint}", shown(name))))
}

fn circumstances(reading: &Reading) -> Result<Meta, Refusal> {
    Ok(Meta {
        body_site: text("body_site", &reading.body_site)?,
        laterality: text("laterality", &reading.laterality)?,
        modality: text("modality", &reading.modality)?,
        recall: text("recall", &reading.recall)?,
        instrument: text("instrument", &reading.instrument)?,
        algorithm: text("algorithm", &reading.algorithm)?,
        posture: text("posture", &reading.posture)?,
        prompted: reading.prompted,
        status: status(&reading.status)?,
        revision: reading.revision,
        id: text("id", &reading.id)?,
        boot_id: reading.boot_id,
        seq: reading.seq,
        zone: None,
        dose: None,
    })
}

/// A text of a reading: absent when empty, bounded, printable.
pub(crate) fn text(field: &str, text: &str) -> Result<Option<Box<str>>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > TEXT_MAX {
        return Err(Refusal::unreadable(format!("{field} is longer than {TEXT_MAX} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::unreadable(format!("{field} holds a control character")));
    }
    Ok(Some(text.into()))
}

fn status(word: &str) -> Result<Status, Refusal> {
    if word.is_empty() {
        return Ok(Status::Final);
    }
    let unknown = || Refusal::unreadable("status must be final, corrected or entered_in_error");
    Status::parse(word).ok_or_else(unknown)
}

/// Semantics 2: by age, the time is claimed anew with each send, so something else must tell readings apart.
fn identity(reading: &Reading, series: &Series, claim: &Claim) -> Result<Option<Box<str>>, Refusal> {
    if series.meta.id.is_some() || !claim.by_age {
        return Ok(series.meta.id.clone());
    }
    let (Some(boot), Some(seq)) = (reading.boot_id, reading.seq) else {
        let detail = "age_ms needs boot_id and seq, or id, beside it";
        return Err(Refusal::new(ProblemCode::TimeMissing, detail));
    };
    Ok(Some(format!("{}@{boot}.{seq}{}", series.measure.name(), series.discriminator()).into()))
}

/// Words by which sources say that a value is of no use: signal, motion, place of the sensor.
const UNUSABLE: [&str; 19] = [
    "unusable",
    "unreliable",
    "invalid",
    "bad",
    "poor",
    "poor_signal",
    "low_signal",
    "no_signal",
    "low_perfusion",
    "motion",
    "artefact",
    "artifact",
    "sensor_off",
    "off_body",
    "signal_poor",
    "signal_inadequate",
    "signal_erratic",
    "signal_nonpulsatile",
    "sensor_displaced",
];

/// What the source says about its own value. Our own marks are worked out anew; doubt in words we do not know is doubt.
fn quality(words: &str) -> Result<Flags, Refusal> {
    text("quality", words)?;
    let mark = |word: &str| match word.trim() {
        "" | "good" | "ok" | "zone_assumed" | "clock_ahead" | "backdated" | "date_only" => Flags::default(),
        "wear_unknown" => Flags::WEAR_UNKNOWN,
        word if UNUSABLE.contains(&word.to_lowercase().replace([' ', '-'], "_").as_str()) => {
            Flags::VERIFY.with(Flags::UNUSABLE)
        }
        _ => Flags::VERIFY,
    };
    Ok(words.split(',').map(mark).fold(Flags::default(), Flags::with))
}

fn dose(
    reading: &Reading,
    measure: Measure,
    device: &DeviceId,
    envelope: &Envelope<'_>,
) -> Result<Option<Dose>, Refusal> {
    if measure.spec().shape != Shape::Dose {
        return Ok(None);
    }
    let missing = |field: &str| Refusal::new(ProblemCode::ValueMissing, format!("medication_event needs {field}"));
    if reading.medication.is_empty() {
        return Err(missing("medication"));
    }
    if reading.event.is_empty() {
        return Err(missing("event"));
    }
    let medication = MedicationId::parse(&reading.medication)
        .map_err(|error| Refusal::unreadable(format!("medication: {error}")))?;
    let words = DoseEvent::ALL.map(DoseEvent::as_str).join(" ");
    let event = DoseEvent::parse(&reading.event)
        .ok_or_else(|| Refusal::unreadable(format!("event {:?} is none of {words}", shown(&reading.event))))?;
    let scheduled_for = times::scheduled_for(reading, device, envelope)?.map(EventTime);
    Ok(Some(Dose { medication, event, scheduled_for }))
}
