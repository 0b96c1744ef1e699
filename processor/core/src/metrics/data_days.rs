//! Days with data of each device within a month (clinical catalogue G5; CPT 99445 and 99454 since 2026).
//!
//! Definition: of the 30 local days that end with the day, how many had a reading of the device that feeds a daily metric,
//! whatever its value. Told is the device with most, and of each device how many. US programmes distinguish 2 to 15 days and
//! 16 or more: a plain count, no rule looks at it.

use std::collections::BTreeMap;

pub const DAYS: i32 = 30;

/// Days by device, out of the devices of each day.
pub fn by_device<'a>(devices: impl Iterator<Item = (i32, &'a str)>, day: i32) -> BTreeMap<&'a str, u32> {
    let mut seen: Vec<(i32, &str)> = devices.filter(|(at, _)| (day - DAYS + 1..=day).contains(at)).collect();
    seen.sort_unstable();
    seen.dedup();
    let mut days = BTreeMap::new();
    seen.into_iter().for_each(|(_, device)| *days.entry(device).or_insert(0) += 1);
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_once_for_each_device_within_thirty_days() {
        let seen = [(0, "scale"), (1, "scale"), (1, "scale"), (1, "watch"), (30, "watch"), (31, "watch")];
        let of = |day| by_device(seen.into_iter(), day);
        assert_eq!(of(29), BTreeMap::from([("scale", 2), ("watch", 1)]));
        assert_eq!(of(30), BTreeMap::from([("scale", 1), ("watch", 2)]));
    }
}
