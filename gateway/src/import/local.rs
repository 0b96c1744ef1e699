//! Wall-clock stamps as the exports write them, and what a zone makes of them.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// `2016-04-12`, `4/12/2016`, each optionally followed by `07:54:00` or `7:54:00 AM`.
pub fn stamp(text: &str) -> Option<DateTime> {
    let (day, clock) = text.trim().split_once([' ', 'T']).unwrap_or((text.trim(), ""));
    let day = date(day)?;
    if clock.is_empty() { Some(day.at(0, 0, 0, 0)) } else { clock_on(day, clock) }
}

pub fn date(text: &str) -> Option<Date> {
    if let Some((month, rest)) = text.split_once('/') {
        let (day, year) = rest.split_once('/')?;
        return Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok();
    }
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    if year.len() != 4 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// Wall time counted as if it were UTC: good for differences, no instant.
pub fn as_if_utc_ms(stamp: DateTime) -> i64 {
    stamp.to_zoned(TimeZone::UTC).map_or(0, |zoned| zoned.timestamp().as_millisecond())
}

/// `01-09-2016` or `01/09/2016`: day, month, year.
pub fn date_day_first(text: &str) -> Option<Date> {
    let separators = ['-', '/', '.'];
    let (day, rest) = text.split_once(separators)?;
    let (month, year) = rest.split_once(separators)?;
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn clock_on(day: Date, clock: &str) -> Option<DateTime> {
    let (clock, half) = clock.split_once(' ').map_or((clock, None), |(clock, half)| (clock, Some(half)));
    let mut parts = clock.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let hour = match half {
        None => hour,
        Some("AM") => hour % 12,
        Some("PM") => hour % 12 + 12,
        Some(_) => return None,
    };
    DateTime::new(day.year(), day.month(), day.day(), hour, minute, second, 0).ok()
}

/// A zone's rules, as far as an importer needs them.
pub struct Rules(TimeZone);

impl Rules {
    pub fn of(zone: &painwatch_domain::Zone) -> Self {
        Self(TimeZone::get(zone.name()).unwrap_or(TimeZone::UTC))
    }

    /// In the hour that a clock repeats the first of the two; in one that it skips, as long after the change as the stamp
    /// is after the change's wall time.
    pub fn utc_ms(&self, local: DateTime) -> i64 {
        self.0.to_ambiguous_timestamp(local).compatible().map_or(0, Timestamp::as_millisecond)
    }

    /// Whether no clock of the zone ever showed this (the hour skipped in spring).
    pub fn is_skipped(&self, local: DateTime) -> bool {
        matches!(self.0.to_ambiguous_timestamp(local).offset(), AmbiguousOffset::Gap { .. })
    }

    pub fn local(&self, utc_ms: i64) -> DateTime {
        self.0.to_datetime(Timestamp::from_millisecond(utc_ms).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// ISO text of an instant with this zone's offset at that time.
    pub fn with_offset(&self, utc_ms: i64) -> String {
        let stamp = Timestamp::from_millisecond(utc_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        stamp.display_with_offset(self.0.to_offset(stamp)).to_string()
    }
}

pub fn days_after(date: Date, days: i32) -> Date {
    date.saturating_add(days.days())
}

/// The export's end date as a revision number: 20160512.
pub fn revision(date: Date) -> i64 {
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::datetime;

    #[test]
    fn every_way_the_exports_write_a_stamp_is_read() {
        let morning = datetime(2016, 4, 12, 7, 54, 5, 0);
        assert_eq!(stamp("4/12/2016 7:54:05 AM"), Some(morning));
        assert_eq!(stamp("2016-04-12 07:54:05"), Some(morning));
        assert_eq!(stamp("4/12/2016 12:00:00 AM"), Some(datetime(2016, 4, 12, 0, 0, 0, 0)));
        assert_eq!(stamp("4/12/2016 12:30:00 PM"), Some(datetime(2016, 4, 12, 12, 30, 0, 0)));
        assert_eq!(stamp("04/12/2016"), Some(datetime(2016, 4, 12, 0, 0, 0, 0)));
        assert_eq!(date_day_first("01-09-2016"), date("2016-09-01"));
        for wrong in ["2016-02-30", "13/13/2016", "12-04-2016", "2016-04-12 25:00:00", "yesterday", ""] {
            assert_eq!(stamp(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_hour_that_spring_skips_is_recognised() {
        let rules = Rules::of(&painwatch_domain::Zone::parse("America/New_York").unwrap());
        assert!(rules.is_skipped(datetime(2016, 3, 13, 2, 0, 0, 0)));
        assert!(!rules.is_skipped(datetime(2016, 3, 13, 3, 0, 0, 0)));
    }
}
