//! When a reading says it was taken (semantics 2), and whether that can be (semantics 7).

use painwatch_domain::clock::{AHEAD_FLAGGED_MS, AHEAD_REFUSED_MS, BACKDATED_MS, CLOCKS_START_MS};
use painwatch_domain::time::{DAY_MS, Stamp, parse_stamp};
use painwatch_domain::{ClockOffset, DeviceId, EventTime, Flags, LocalDay, ProblemCode, ReceivedAt, Zone};
use painwatch_proto::ingest::v1::Reading;

use crate::envelope::Envelope;
use crate::reading::{Refusal, text};

/// When the gateway says it sent the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentAt {
    Absent,
    At(i64),
    /// Not a time, or one without an offset. Only readings that depend on it suffer.
    Unreadable,
}

impl SentAt {
    pub(crate) fn parse(text: &str) -> Self {
        if text.is_empty() {
            return Self::Absent;
        }
        match parse_stamp(text, &Zone::utc()) {
            Ok(Stamp { utc_ms, zone_assumed: false }) => Self::At(utc_ms),
            _ => Self::Unreadable,
        }
    }

    pub(crate) const fn known(self) -> Option<i64> {
        match self {
            Self::At(ms) => Some(ms),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

/// The time a device claims, before anything is held against it.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub start: i64,
    pub end: Option<i64>,
    pub flags: Flags,
    /// The zone in which a stamp without an offset was read.
    pub zone: Option<Zone>,
    /// Worked out from `age_ms`.
    pub by_age: bool,
    /// The boot that the device says it is in.
    pub boot_id: Option<u32>,
}

impl Claim {
    /// The end that was said. A day that is known by its date only ends in the future while it lasts.
    pub(crate) fn said_end(&self) -> Option<i64> {
        self.end.filter(|_| !self.flags.has(Flags::DATE_ONLY))
    }

    pub(crate) fn lasted_ms(&self) -> Option<i64> {
        self.end.map(|end| end.saturating_sub(self.start))
    }

    fn at(start: i64) -> Self {
        Self { start, end: None, flags: Flags::default(), zone: None, by_age: false, boot_id: None }
    }
}

pub(crate) fn claim(
    reading: &Reading,
    device: &DeviceId,
    sent_at: SentAt,
    envelope: &Envelope<'_>,
) -> Result<Claim, Refusal> {
    let zones = Zones { reading, device, envelope };
    let mut claim = match (reading.time.as_str(), reading.time_ms, reading.age_ms) {
        ("", None, None) => return Err(missing("the reading has neither time nor age_ms")),
        ("", Some(ms), None) => Claim::at(ms),
        ("", None, Some(age)) => by_age(age, sent_at, envelope.received_at)?,
        (date, None, None) if is_date(date) => whole_day(date, &zones)?,
        (stamp, None, None) => zones.claim("time", stamp)?,
        _ => return Err(Refusal::unreadable("give one of time, time_ms and age_ms")),
    };
    claim.boot_id = reading.boot_id;
    claim_end(reading, &zones, &mut claim)?;
    Ok(claim)
}

fn claim_end(reading: &Reading, zones: &Zones<'_>, claim: &mut Claim) -> Result<(), Refusal> {
    let end = match (reading.end_time.as_str(), reading.end_time_ms) {
        ("", None) => return Ok(()),
        _ if claim.flags.has(Flags::DATE_ONLY) => {
            return Err(Refusal::unreadable("a time that is a date spans its day: leave end_time out"));
        }
        ("", Some(ms)) => ms,
        (text, None) if is_date(text) => return Err(Refusal::unreadable("end_time needs a time of day")),
        (text, None) => {
            let end = zones.claim("end_time", text)?;
            claim.flags = claim.flags.with(end.flags);
            claim.zone = claim.zone.take().or(end.zone);
            end.start
        }
        _ => return Err(Refusal::unreadable("give end_time or end_time_ms, not both")),
    };
    if end < claim.start {
        let detail = format!("the end {} is before the start {}", EventTime(end), EventTime(claim.start));
        return Err(Refusal::new(ProblemCode::EndBeforeStart, detail));
    }
    claim.end = Some(end);
    Ok(())
}

fn by_age(age_ms: i64, sent_at: SentAt, received_at: ReceivedAt) -> Result<Claim, Refusal> {
    if age_ms < 0 {
        return Err(Refusal::unreadable("age_ms must be 0 or more"));
    }
    let sent = match sent_at {
        SentAt::At(ms) => ms,
        SentAt::Absent => received_at.0,
        SentAt::Unreadable => return Err(missing("age_ms counts from sent_at, which is no time with an offset")),
    };
    Ok(Claim { by_age: true, ..Claim::at(sent.saturating_sub(age_ms)) })
}

/// A date without a time of day: the reading spans its local day, however many hours that has.
fn whole_day(date: &str, zones: &Zones<'_>) -> Result<Claim, Refusal> {
    let midnight = parse_stamp(date, &Zone::utc()).map_err(|_| not_a_time("time"))?.utc_ms;
    let day = LocalDay(i32::try_from(midnight.div_euclid(DAY_MS)).map_err(|_| not_a_time("time"))?);
    let zone = zones.find("time", midnight)?;
    let (start, end) = (zone.day_start(day).0, zone.day_start(day.plus(1)).0);
    let flags = Flags::DATE_ONLY.with(Flags::ZONE_ASSUMED);
    Ok(Claim { end: Some(end), flags, zone: Some(zone), ..Claim::at(start) })
}

/// `2026-03-01`
fn is_date(text: &str) -> bool {
    let shape = |(place, byte): (usize, u8)| if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(shape)
}

pub(crate) fn scheduled_for(
    reading: &Reading,
    device: &DeviceId,
    envelope: &Envelope<'_>,
) -> Result<Option<i64>, Refusal> {
    if reading.scheduled_for.is_empty() {
        return Ok(None);
    }
    let zones = Zones { reading, device, envelope };
    zones.claim("scheduled_for", &reading.scheduled_for).map(|claim| Some(claim.start))
}

/// Where the zone of a stamp without an offset comes from: the reading, else the roster. Never a default.
struct Zones<'a> {
    reading: &'a Reading,
    device: &'a DeviceId,
    envelope: &'a Envelope<'a>,
}

impl Zones<'_> {
    fn claim(&self, field: &str, stamp: &str) -> Result<Claim, Refusal> {
        let as_utc = parse_stamp(stamp, &Zone::utc()).map_err(|_| not_a_time(field))?;
        if !as_utc.zone_assumed {
            return Ok(Claim::at(as_utc.utc_ms));
        }
        let zone = self.find(field, as_utc.utc_ms)?;
        let start = parse_stamp(stamp, &zone).map_err(|_| not_a_time(field))?.utc_ms;
        Ok(Claim { flags: Flags::ZONE_ASSUMED, zone: Some(zone), ..Claim::at(start) })
    }

    fn find(&self, field: &str, civil_ms: i64) -> Result<Zone, Refusal> {
        if let Some(name) = text("zone", &self.reading.zone)? {
            return Zone::parse(&name)
                .map_err(|_| Refusal::unreadable("zone is not an IANA name such as Europe/Paris"));
        }
        (self.envelope.device_zone)(self.device, civil_ms).ok_or_else(|| {
            missing(format!(
                "{field} has no offset and no zone is known: add +01:00 or Z, a zone, or the device's zone"
            ))
        })
    }
}

fn missing(detail: impl Into<String>) -> Refusal {
    Refusal::new(ProblemCode::TimeMissing, detail)
}

fn not_a_time(field: &str) -> Refusal {
    Refusal::unreadable(format!("{field} is not an ISO 8601 time such as 2026-03-01T12:00:05+01:00"))
}

/// The estimate that explains an entry's claims, whose newest is `newest`. A day that is known by its date only is not
/// the clock's: the roster's zone says when it was.
pub(crate) fn known_clock(
    device: &DeviceId,
    claim: &Claim,
    newest: i64,
    envelope: &Envelope<'_>,
) -> Option<ClockOffset> {
    let known = (envelope.device_clock)(device).filter(|_| !claim.flags.has(Flags::DATE_ONLY))?;
    known.explains(newest, claim.boot_id, envelope.received_at).then_some(known)
}

/// Holds a claimed time, and until when it lasted, against the time of receipt (semantics 7). A fast clock must not silence a
/// reading: rules see it at the time of receipt, the claim stays. Where the clock's error is known, it is taken out first.
pub(crate) fn place(
    claim: &Claim,
    device_time: i64,
    end: Option<i64>,
    known: Option<ClockOffset>,
    received_at: ReceivedAt,
) -> Result<(EventTime, Flags), Refusal> {
    let corrected = known.map_or(EventTime(device_time), |clock| clock.event_time(device_time));
    if corrected.0 < CLOCKS_START_MS {
        let detail = format!("{corrected} is before 2000: the device's clock is not set");
        return Err(Refusal::of_clock(ProblemCode::ClockNotSet, detail, device_time, claim.boot_id));
    }
    let ahead = corrected.0.saturating_sub(received_at.0);
    let end = end.unwrap_or(device_time);
    let end = known.map_or(EventTime(end), |clock| clock.event_time(end));
    if ahead.max(end.0.saturating_sub(received_at.0)) > AHEAD_REFUSED_MS {
        let detail = format!("{} is more than 24 h after receipt at {received_at}", corrected.max(end));
        return Err(Refusal::of_clock(ProblemCode::TimeInFuture, detail, device_time, claim.boot_id));
    }
    if ahead >= AHEAD_FLAGGED_MS {
        return Ok((EventTime(received_at.0), Flags::CLOCK_AHEAD));
    }
    let old = if ahead < -BACKDATED_MS { Flags::BACKDATED } else { Flags::default() };
    let flags = if known.is_some() { old.with(Flags::CLOCK_CORRECTED) } else { old };
    Ok((corrected, flags))
}
