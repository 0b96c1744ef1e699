//! The three times: when it happened (`EventTime`), when it reached us (`ReceivedAt`), when it became part of history
//! (`JournalTime`). All are UTC milliseconds since 1970; none can be mistaken for another.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

pub const SECOND_MS: i64 = 1_000;
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Where the shells get the time from: the operating system's clock in service, a driven one in demos and simulations.
pub trait Clock: Send + Sync {
    /// Wall clock, UTC milliseconds since 1970. May jump.
    fn wall_ms(&self) -> i64;
    /// Milliseconds since an arbitrary start. Never decreases.
    fn monotonic_ms(&self) -> i64;

    /// Takes what somebody else's clock says just now; true where our wall clock changed for it: what was asked of it before is
    /// to be asked again.
    fn hear(&self, _who: &str, _said_ms: i64) -> bool {
        false
    }

    /// How far the machine's wall clock is from what this one says, while the two are apart.
    fn doubted_ms(&self) -> i64 {
        0
    }
}

macro_rules! instant {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl $name {
            pub const MIN: Self = Self(i64::MIN);
            pub const MAX: Self = Self(i64::MAX);

            pub const fn ms(self) -> i64 {
                self.0
            }

            pub const fn plus(self, ms: i64) -> Self {
                Self(self.0.saturating_add(ms))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&format_utc(self.0))
            }
        }
    )+};
}

instant! {
    /// When the thing happened, by the device's clock after correction.
    EventTime,
    /// When the first byte of the submission was ours, by our clock.
    ReceivedAt,
    /// Assigned by the journal; never decreases within a partition (semantics 18).
    JournalTime,
}

/// `2026-03-01T12:00:05.250Z`, milliseconds only when there are any; out-of-range values print as the raw number.
pub fn format_utc(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(stamp) => stamp.to_string(),
        Err(_) => format!("{ms}ms"),
    }
}

/// Why a text is not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an ISO 8601 time such as 2026-03-01T12:00:05Z or 2026-03-01T12:00:05+01:00")]
pub struct StampError {
    pub text: String,
}

/// A parsed time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub utc_ms: i64,
    /// The stamp carried no offset: the zone given beside it was used.
    pub zone_assumed: bool,
}

/// Parses an ISO 8601 stamp. One without an offset is read in `zone`; in the hour a clock repeats, the first of the two; in the hour it skips, an hour later.
///
/// # Errors
/// [`StampError`] when the text is no such stamp.
pub fn parse_stamp(text: &str, zone: &Zone) -> Result<Stamp, StampError> {
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(Stamp { utc_ms: stamp.as_millisecond(), zone_assumed: false });
    }
    let civil: jiff::civil::DateTime =
        text.parse().map_err(|_| StampError { text: text.chars().take(40).collect() })?;
    let zoned = zone.tz.to_ambiguous_timestamp(civil).compatible();
    let stamp = zoned.map_err(|_| StampError { text: text.chars().take(40).collect() })?;
    Ok(Stamp { utc_ms: stamp.as_millisecond(), zone_assumed: true })
}

/// An IANA time zone out of the database built into the program: the same rules on every machine.
#[derive(Clone, Debug)]
pub struct Zone {
    name: std::sync::Arc<str>,
    tz: TimeZone,
}

/// Why a text is not a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IANA time zone such as Europe/Paris")]
pub struct ZoneError(pub String);

impl Zone {
    pub fn utc() -> Self {
        Self { name: "UTC".into(), tz: TimeZone::UTC }
    }

    /// # Errors
    /// [`ZoneError`] when the database has no such zone.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        let tz = TimeZone::get(name).map_err(|_| ZoneError(name.chars().take(40).collect()))?;
        let canonical = tz.iana_name().unwrap_or(name).into();
        Ok(Self { name: canonical, tz })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The civil day that contains `time` here.
    pub fn local_day(&self, time: EventTime) -> LocalDay {
        let stamp = clamp(time.0);
        LocalDay::from_date(self.tz.to_datetime(stamp).date())
    }

    /// First instant of `day` here. A day has 23, 24 or 25 hours: its end is the start of the next.
    pub fn day_start(&self, day: LocalDay) -> EventTime {
        self.at(day, 0)
    }

    /// The instant at which the wall clock shows `minute_of_day` on `day`; in a gap the instant after it, in a fold the first.
    pub fn at(&self, day: LocalDay, minute_of_day: u32) -> EventTime {
        let civil = day.date().at((minute_of_day / 60) as i8, (minute_of_day % 60) as i8, 0, 0);
        match self.tz.to_ambiguous_timestamp(civil).compatible() {
            Ok(stamp) => EventTime(stamp.as_millisecond()),
            Err(_) => EventTime(i64::from(day.0) * DAY_MS),
        }
    }

    /// The instant at which the wall clock here shows what it shows in UTC at `civil_ms`.
    pub fn instant_of(&self, civil_ms: i64) -> EventTime {
        let (day, of_day) = (civil_ms.div_euclid(DAY_MS), civil_ms.rem_euclid(DAY_MS));
        let day = LocalDay(day.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32);
        self.at(day, (of_day / MINUTE_MS) as u32).plus(of_day % MINUTE_MS)
    }

    /// Minutes since local midnight by the wall clock.
    pub fn minute_of_day(&self, time: EventTime) -> u32 {
        let local = self.tz.to_datetime(clamp(time.0));
        local.hour() as u32 * 60 + local.minute() as u32
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

fn clamp(ms: i64) -> Timestamp {
    let ms = ms.clamp(Timestamp::MIN.as_millisecond() + 2 * DAY_MS, Timestamp::MAX.as_millisecond() - 2 * DAY_MS);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A civil day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDay(pub i32);

impl LocalDay {
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    pub fn from_date(date: Date) -> Self {
        let epoch = jiff::civil::date(1970, 1, 1);
        Self((date - epoch).get_days())
    }

    /// Reads `2026-03-01`.
    pub fn parse(date: &str) -> Option<Self> {
        date.parse().ok().map(Self::from_date)
    }

    fn date(self) -> Date {
        jiff::civil::date(1970, 1, 1).saturating_add(self.0.days())
    }
}

impl fmt::Display for LocalDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.date(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_without_an_offset_is_read_in_the_given_zone_and_says_so() {
        let paris = Zone::parse("Europe/Paris").unwrap();
        let stamp = parse_stamp("2026-03-01T12:00:00", &paris).unwrap();
        assert_eq!(
            stamp,
            Stamp { utc_ms: parse_stamp("2026-03-01T11:00:00Z", &paris).unwrap().utc_ms, zone_assumed: true }
        );
        assert!(parse_stamp("yesterday", &paris).is_err());
    }

    #[test]
    fn days_have_23_24_or_25_hours() {
        let paris = Zone::parse("Europe/Paris").unwrap();
        let hours = |text: &str| {
            let day = paris.local_day(EventTime(parse_stamp(text, &paris).unwrap().utc_ms));
            (paris.day_start(day.plus(1)).0 - paris.day_start(day).0) / HOUR_MS
        };
        assert_eq!(
            (hours("2026-03-29T12:00:00"), hours("2026-03-30T12:00:00"), hours("2026-10-25T12:00:00")),
            (23, 24, 25)
        );
    }

    #[test]
    fn a_local_day_prints_as_its_date_and_survives_extremes() {
        let utc = Zone::utc();
        assert_eq!(utc.local_day(EventTime(0)).to_string(), "1970-01-01");
        assert!(utc.local_day(EventTime::MIN) < utc.local_day(EventTime::MAX));
    }
}
