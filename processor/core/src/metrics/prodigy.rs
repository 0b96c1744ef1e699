//! PRODIGY risk of respiratory depression (clinical catalogue A4; Khanna 2020, doi 10.1213/ANE.0000000000004788).
//!
//! Definition: age in completed years 60-69: 8, 70-79: 12, from 80: 16; male 8; opioid-naive 3; sleep-disordered breathing
//! 5; chronic heart failure 7. Below 8 low, 8 to 14 intermediate, from 15 high. Derived on inpatients with parenteral
//! opioids (AUC 0.74 to 0.76): context on the patient's card, never an alarm.

use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Risks {
    /// Completed years.
    pub age: u32,
    pub male: bool,
    pub opioid_naive: bool,
    pub sleep_disordered_breathing: bool,
    pub heart_failure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Low,
    Intermediate,
    High,
}

impl Class {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Intermediate => "intermediate",
            Self::High => "high",
        }
    }
}

pub fn score(risks: &Risks) -> (u32, Class) {
    let age = match risks.age {
        0..60 => 0,
        60..70 => 8,
        70..80 => 12,
        80.. => 16,
    };
    let parts =
        [(risks.male, 8), (risks.opioid_naive, 3), (risks.sleep_disordered_breathing, 5), (risks.heart_failure, 7)];
    let score = age + parts.iter().filter(|(holds, _)| *holds).map(|(_, points)| points).sum::<u32>();
    let class = match score {
        0..8 => Class::Low,
        8..15 => Class::Intermediate,
        15.. => Class::High,
    };
    (score, class)
}

/// Completed years between two dates as (year, month, day); `None` before birth.
pub fn completed_years(born: (i32, u32, u32), on: (i32, u32, u32)) -> Option<u32> {
    let had_birthday = (on.1, on.2) >= (born.1, born.2);
    u32::try_from(on.0 - born.0 - i32::from(!had_birthday)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_is_completed_on_the_birthday_and_a_leap_day_birthday_on_the_first_of_march() {
        assert_eq!(completed_years((1950, 6, 15), (2020, 6, 14)), Some(69));
        assert_eq!(completed_years((1950, 6, 15), (2020, 6, 15)), Some(70));
        assert_eq!(completed_years((1960, 2, 29), (2021, 2, 28)), Some(60));
        assert_eq!(completed_years((2021, 1, 1), (2020, 12, 31)), None);
    }
}
