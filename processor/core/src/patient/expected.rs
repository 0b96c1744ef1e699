//! When a prescribed stream is expected to speak: always, or at some hours of the patient's day.
//!
//! The hours are those of the clock on the patient's wall: a night may have eight hours or ten where clocks change. Time
//! outside of them is no silence, and a limit of days counts so many times the hours of a day: a device that is worn at night
//! is silent for a day when it has been silent for a night.

use painwatch_domain::LocalDay;
use painwatch_domain::roster::{Hours, Stream};
use painwatch_domain::time::{DAY_MS, MINUTE_MS};

use super::absence::after_up_time;
use super::calendar::Calendar;
use super::coverage::{Interval, merged, outside};

/// Days beyond a limit within which it is surely reached: what is left of the first, and one that clocks or travel cut short.
const SPARE_DAYS: i32 = 4;

/// How long a day's hours are by the clock.
fn length_ms(hours: Hours) -> i64 {
    i64::from((hours.until_min + 24 * 60 - hours.from_min) % (24 * 60)) * MINUTE_MS
}

/// A limit of wall time as one of expected time. Whole days of hours are over when the last of them is, not when the next
/// begin.
fn scaled_ms(limit_ms: i64, hours: Hours) -> i64 {
    let a_day = length_ms(hours);
    let scaled = (limit_ms / DAY_MS).saturating_mul(a_day).saturating_add((limit_ms % DAY_MS).min(a_day));
    if scaled % a_day.max(1) == 0 { scaled - 1 } else { scaled }
}

/// The hours that begin on the days from the one before `from`'s on.
fn on(hours: Hours, calendar: Calendar, from: i64, days: i32) -> Vec<Interval> {
    let first = calendar.day_of(from) - 1;
    let span = |day: i32| {
        let at = |day: i32, minute: u32| calendar.zone_of(day).at(LocalDay(day), minute).0;
        let until = if hours.until_min > hours.from_min { day } else { day + 1 };
        (at(day, hours.from_min), at(until, hours.until_min))
    };
    merged((first..first + days).map(span).filter(|(from, until)| from < until).collect())
}

/// The last instant at which a silence after `last` is no longer than `limit_ms` of the time in which the stream is expected.
pub(super) fn silent_until(stream: &Stream, calendar: Calendar, last: i64, limit_ms: i64) -> i64 {
    let Some(hours) = stream.hours else { return last.saturating_add(limit_ms) };
    let limit = scaled_ms(limit_ms, hours);
    let days = i32::try_from(limit / length_ms(hours).max(1)).unwrap_or(i32::MAX / 4) + SPARE_DAYS;
    let on = on(hours, calendar, last, days);
    let window = (last.saturating_sub(DAY_MS), on.last().map_or(last, |(_, until)| *until).max(last));
    after_up_time(last, limit, &outside(&on, window))
}

/// Whether the stream is expected at an instant, and when that changes next; `None` for one that always is.
pub(super) fn at(stream: &Stream, calendar: Calendar, now: i64) -> (bool, Option<i64>) {
    let Some(hours) = stream.hours else { return (true, None) };
    let on = on(hours, calendar, now, 4);
    let expected = on.iter().any(|(from, until)| (*from..*until).contains(&now));
    let edges = on.iter().flat_map(|(from, until)| [*from, *until]);
    (expected, edges.filter(|edge| *edge > now).min())
}

#[cfg(test)]
mod tests {
    use super::*;
    use painwatch_domain::time::{HOUR_MS, parse_stamp};
    use painwatch_domain::{EventTime, Measure, Zone};
    use proptest::prelude::*;

    const NIGHT: Hours = Hours { from_min: 22 * 60, until_min: 7 * 60 };

    fn stream(hours: Option<Hours>) -> Stream {
        Stream { measure: Measure::OxygenSaturation, every_ms: 1_000, alert_after_ms: None, hours }
    }

    fn paris() -> Vec<(EventTime, Zone)> {
        vec![(EventTime::MIN, Zone::parse("Europe/Paris").unwrap())]
    }

    fn instant(text: &str) -> i64 {
        parse_stamp(text, &Zone::parse("UTC").unwrap()).unwrap().utc_ms
    }

    #[test]
    fn a_day_of_silence_is_a_night_of_silence_for_a_device_that_is_worn_at_night() {
        let zones = paris();
        let calendar = Calendar::of_zones(&zones);
        let last = instant("2026-06-10T06:58:00+02:00");
        let until = silent_until(&stream(Some(NIGHT)), calendar, last, DAY_MS);
        assert_eq!(until, instant("2026-06-11T06:58:00+02:00") - 1);
        let worn_late = instant("2026-06-10T07:30:00+02:00");
        let until = silent_until(&stream(Some(NIGHT)), calendar, worn_late, DAY_MS);
        assert_eq!(
            until,
            instant("2026-06-11T07:00:00+02:00") - 1,
            "told in the morning after a night without a reading"
        );
        assert_eq!(silent_until(&stream(None), calendar, last, DAY_MS), last + DAY_MS);
        // Two hours: two minutes of this night and the rest of the next.
        let until = silent_until(&stream(Some(NIGHT)), calendar, last, 2 * HOUR_MS);
        assert_eq!(until, instant("2026-06-10T23:58:00+02:00"));
    }

    #[test]
    fn the_night_in_which_clocks_change_has_the_hours_that_pass() {
        let zones = paris();
        let calendar = Calendar::of_zones(&zones);
        for (begins, ends, hours) in [
            ("2026-03-28T22:00:00+01:00", "2026-03-29T07:00:00+02:00", 8),
            ("2026-10-24T22:00:00+02:00", "2026-10-25T07:00:00+01:00", 10),
        ] {
            let (begins, ends) = (instant(begins), instant(ends));
            assert_eq!(ends - begins, hours * HOUR_MS);
            let at = |time: i64| at(&stream(Some(NIGHT)), calendar, time);
            assert_eq!((at(begins - 1).0, at(begins), at(ends - 1)), (false, (true, Some(ends)), (true, Some(ends))));
            assert!(!at(ends).0);
        }
    }

    #[test]
    fn hours_of_one_day_end_on_it() {
        let zones = paris();
        let calendar = Calendar::of_zones(&zones);
        let day = stream(Some(Hours { from_min: 8 * 60, until_min: 20 * 60 }));
        let noon = instant("2026-06-10T12:00:00+02:00");
        assert_eq!(at(&day, calendar, noon), (true, Some(instant("2026-06-10T20:00:00+02:00"))));
        assert_eq!(at(&day, calendar, noon - 5 * HOUR_MS), (false, Some(instant("2026-06-10T08:00:00+02:00"))));
    }

    proptest! {
        #[test]
        fn a_limit_is_reached_when_so_many_expected_minutes_have_passed(
            from_min in 0u32..1440, length in 30u32..1400, minutes in 0i64..4_000, limit in 1i64..1_440,
        ) {
            let zones = paris();
            let calendar = Calendar::of_zones(&zones);
            let hours = Hours { from_min, until_min: (from_min + length) % 1440 };
            let stream = stream(Some(hours));
            // Around the change of clocks in spring.
            let last = instant("2026-03-27T00:00:00+01:00") + minutes * MINUTE_MS;
            let until = silent_until(&stream, calendar, last, limit * MINUTE_MS);
            let counted = (last..until).step_by(MINUTE_MS as usize).filter(|time| at(&stream, calendar, *time).0).count();
            prop_assert_eq!(counted as i64, limit.min(i64::from(length)));
            prop_assert!(at(&stream, calendar, until).0, "it is reached within the hours");
        }
    }
}
