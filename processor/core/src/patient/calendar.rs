//! A patient's local days, where the zone may change with the date (semantics 7).
//!
//! A day begins at the first instant at which the patient's clock shows its date or a later one, and ends where the next
//! begins. So every instant belongs to exactly one day, also when the patient travels: a day may have 20 hours or 30, and
//! over the date line none.

use painwatch_domain::roster::Patient;
use painwatch_domain::{EventTime, LocalDay, Zone};

/// Local days of one patient.
#[derive(Clone, Copy, Debug)]
pub struct Calendar<'a>(&'a [(EventTime, Zone)]);

impl<'a> Calendar<'a> {
    pub fn of(patient: &'a Patient) -> Self {
        Self(&patient.zones)
    }

    #[cfg(test)]
    pub const fn of_zones(zones: &'a [(EventTime, Zone)]) -> Self {
        Self(zones)
    }

    pub fn start(self, day: i32) -> i64 {
        let mut start = i64::MIN;
        for (index, (from, zone)) in self.0.iter().enumerate() {
            let from = if index == 0 { i64::MIN } else { from.0 };
            let until = self.0.get(index + 1).map_or(i64::MAX, |(until, _)| until.0);
            start = zone.day_start(LocalDay(day)).0.max(from);
            if start < until {
                break;
            }
        }
        start
    }

    pub fn bounds(self, day: i32) -> (i64, i64) {
        (self.start(day), self.start(day + 1))
    }

    pub fn day_of(self, time: i64) -> i32 {
        let mut day = self.zone_at(time).local_day(EventTime(time)).0;
        while self.start(day) > time {
            day -= 1;
        }
        while self.start(day + 1) <= time {
            day += 1;
        }
        day
    }

    pub fn zone_at(self, time: i64) -> &'a Zone {
        let dated = self.0.iter().rev().find(|(from, _)| from.0 <= time);
        &dated.unwrap_or(&self.0[0]).1
    }

    /// The zone that the day begins in.
    pub fn zone_of(self, day: i32) -> &'a Zone {
        self.zone_at(self.start(day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use painwatch_domain::time::{DAY_MS, HOUR_MS};
    use proptest::prelude::*;

    const ZONES: [&str; 6] =
        ["UTC", "Europe/Paris", "America/New_York", "Pacific/Auckland", "Pacific/Honolulu", "America/Sao_Paulo"];

    fn zones(parts: &[(i64, usize)]) -> Vec<(EventTime, Zone)> {
        parts.iter().map(|&(from, zone)| (EventTime(from), Zone::parse(ZONES[zone]).unwrap())).collect()
    }

    #[test]
    fn semantics_7_a_day_of_travel_is_longer_or_shorter_and_no_instant_is_lost() {
        let noon = 20_500 * DAY_MS + 12 * HOUR_MS;
        let west = zones(&[(i64::MIN, 1), (noon, 2)]);
        let calendar = Calendar(&west);
        let hours = |day: i32| (calendar.start(day + 1) - calendar.start(day)) / HOUR_MS;
        assert_eq!((hours(20_499), hours(20_500), hours(20_501)), (24, 30, 24));
    }

    proptest! {
        #[test]
        fn semantics_7_every_instant_belongs_to_exactly_one_local_day(
            mut changes in prop::collection::vec((0i64..400 * 24, 0usize..6), 0..4), first in 0usize..6, hour in 0i64..400 * 24
        ) {
            changes.sort_unstable();
            let origin = 20_400 * DAY_MS;
            let mut parts = vec![(i64::MIN, first)];
            parts.extend(changes.into_iter().map(|(hour, zone)| (origin + hour * HOUR_MS, zone)));
            let zones = zones(&parts);
            let calendar = Calendar(&zones);
            let time = origin + hour * HOUR_MS;
            let day = calendar.day_of(time);
            let (start, end) = calendar.bounds(day);
            prop_assert!((start..end).contains(&time));
            prop_assert!(calendar.start(day - 1) <= start);
            prop_assert!(calendar.day_of(start) == day && calendar.day_of(end - 1) == day && calendar.day_of(end) > day);
        }
    }
}
