//! Category of a blood pressure (clinical catalogue A6; ACC/AHA 2017, kept in 2025).
//!
//! Definition: severe > 180 or > 120; stage 2 >= 140 or >= 90; stage 1 >= 130 or >= 80; elevated 120 to 129 and < 80; else
//! normal; the higher one wins. Classified is the mean of >= 2 readings of which neighbours lie 1 to 10 min apart. Home
//! status needs >= 12 readings on >= 3 days (general knowledge, to be confirmed). Confirmed low: a mean systolic <= 90.

use painwatch_domain::Measure;
use painwatch_domain::time::MINUTE_MS;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Normal,
    Elevated,
    Stage1,
    Stage2,
    Severe,
}

impl Category {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Elevated => "elevated",
            Self::Stage1 => "stage1",
            Self::Stage2 => "stage2",
            Self::Severe => "severe",
        }
    }

    /// 0 for normal to 4 for severe, as rules compare it.
    pub fn rank(self) -> f64 {
        f64::from(self as u8)
    }
}

pub fn category(systolic: f64, diastolic: f64) -> Category {
    if systolic > 180.0 || diastolic > 120.0 {
        Category::Severe
    } else if systolic >= 140.0 || diastolic >= 90.0 {
        Category::Stage2
    } else if systolic >= 130.0 || diastolic >= 80.0 {
        Category::Stage1
    } else if systolic >= 120.0 {
        Category::Elevated
    } else {
        Category::Normal
    }
}

const APART_MS: std::ops::RangeInclusive<i64> = MINUTE_MS..=10 * MINUTE_MS;

/// Two readings or more that were taken together: their means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sitting {
    /// Of its first reading.
    pub from: i64,
    /// Of its last reading.
    pub at: i64,
    pub n: u32,
    pub systolic: f64,
    pub diastolic: f64,
}

/// The sittings among (time, systolic, diastolic) readings in ascending time. A reading less than a minute after the last
/// one of its sitting is a repeat of the same inflation and is left out.
pub fn sittings(readings: &[(i64, f64, f64)]) -> Vec<Sitting> {
    let mut groups: Vec<Vec<(i64, f64, f64)>> = Vec::new();
    for &reading in readings {
        let gap = groups.last().and_then(|group| group.last()).map(|last| reading.0 - last.0);
        match gap {
            Some(gap) if gap < *APART_MS.start() => {}
            Some(gap) if APART_MS.contains(&gap) => groups.last_mut().into_iter().for_each(|group| group.push(reading)),
            _ => groups.push(vec![reading]),
        }
    }
    groups.iter().filter(|group| group.len() >= 2).filter_map(|group| sitting(group)).collect()
}

/// The mean of so many pressures out of their sum at the measure's scale: exact where it is a whole number, so that it is at
/// a limit or not.
pub fn mean(sum: i64, n: u32) -> f64 {
    Measure::BloodPressure.to_canonical(sum) / f64::from(n)
}

fn sitting(group: &[(i64, f64, f64)]) -> Option<Sitting> {
    let n = group.len() as u32;
    let mean_of = |part: fn(&(i64, f64, f64)) -> f64| {
        mean(group.iter().map(|reading| Measure::BloodPressure.to_scaled(part(reading))).sum(), n)
    };
    let (systolic, diastolic) = (mean_of(|reading| reading.1), mean_of(|reading| reading.2));
    Some(Sitting { from: group.first()?.0, at: group.last()?.0, n, systolic, diastolic })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sitting_is_two_readings_one_to_ten_minutes_apart() {
        let at = |minutes: i64, systolic: f64| (minutes * MINUTE_MS, systolic, 80.0);
        let readings = [at(0, 150.0), (20_000, 200.0, 90.0), at(5, 130.0), at(16, 190.0), at(60, 120.0), at(70, 110.0)];
        let means: Vec<_> = sittings(&readings).iter().map(|sitting| (sitting.n, sitting.systolic)).collect();
        assert_eq!(means, [(2, 140.0), (2, 115.0)]);
        assert_eq!(sittings(&readings[..1]), []);
    }

    #[test]
    fn a_mean_that_is_exactly_the_limit_is_at_it_whatever_its_decimals() {
        let one = |minutes: i64, systolic: f64| (minutes * MINUTE_MS, systolic, 80.0);
        let readings = [one(0, 140.1), one(2, 136.2), one(4, 143.7)];
        assert_eq!(sittings(&readings)[0].systolic, 140.0);
    }
}
