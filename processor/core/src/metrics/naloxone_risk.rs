//! Who of those on opioids should be offered naloxone (clinical catalogue E1; CDC 2022).
//!
//! Definition: of a day with an opioid order, how many of CDC's circumstances hold: 50 morphine equivalents a day or more, a
//! benzodiazepine ordered, sleep-disordered breathing, a history of overdose or of a substance use disorder, 65 years or
//! older, renal or hepatic failure. Which ones is told with it. Never a reason to advise a taper.

/// What is known of a patient on a day with an opioid order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Circumstances {
    /// Prescribed morphine equivalents a day; `None` where no factor tells.
    pub mme: Option<f64>,
    pub benzodiazepine: bool,
    pub sleep_disordered_breathing: bool,
    /// Of overdose or of a substance use disorder.
    pub history: bool,
    pub age_years: Option<i32>,
    pub renal_failure: bool,
    pub hepatic_failure: bool,
}

const FROM_MME: f64 = 50.0;
const FROM_YEARS: i32 = 65;

/// The circumstances that hold, by name.
pub fn factors(of: &Circumstances) -> Vec<&'static str> {
    let all = [
        ("mme_50", of.mme.is_some_and(|mme| mme >= FROM_MME)),
        ("benzodiazepine", of.benzodiazepine),
        ("sleep_disordered_breathing", of.sleep_disordered_breathing),
        ("overdose_or_substance_use", of.history),
        ("age_65", of.age_years.is_some_and(|age| age >= FROM_YEARS)),
        ("renal_failure", of.renal_failure),
        ("hepatic_failure", of.hepatic_failure),
    ];
    all.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_circumstance_counts_once_from_its_limit_on() {
        assert!(factors(&Circumstances::default()).is_empty());
        let below = Circumstances { mme: Some(49.9), age_years: Some(64), ..Circumstances::default() };
        assert!(factors(&below).is_empty());
        let at = Circumstances { mme: Some(50.0), age_years: Some(65), renal_failure: true, ..below };
        assert_eq!(factors(&at), ["mme_50", "age_65", "renal_failure"]);
    }
}
