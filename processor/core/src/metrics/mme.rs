//! Morphine milligram equivalents a day (clinical catalogue E1; CDC 2022).
//!
//! Definition: sum of dose · doses a day · factor; a fentanyl patch counts micrograms an hour · its factor, once. Factors
//! stand in `rules/tables/mme.toml`, whose version goes with every result. An opioid without a factor makes the total
//! incomplete and is named; it never counts as 0. Exact decimals: amounts in micrograms, rates and factors in thousandths.
//! CDC 2022 uses 50 as a point to pause and dropped 90 as a limit. Never convert between opioids with these factors.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::tables;

/// One order, or one recorded dose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount<'a> {
    /// As the table names it.
    pub opioid: &'a str,
    /// Micrograms; for a patch micrograms an hour times 1000, so that the factor applies alike.
    pub micrograms: i64,
    /// Thousandths of doses a day.
    pub doses_milli: i64,
}

/// A sum of equivalents, exact to 1e-9 mg.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Equivalents {
    by_opioid: BTreeMap<String, i128>,
    pub no_factor: BTreeSet<String>,
}

/// 1 mg in the unit of the sums: micrograms · thousandths · thousandths.
const MG: i128 = 1_000_000_000;

impl Equivalents {
    pub fn add(&mut self, amount: &Amount) {
        match tables::mme_factor_milli(amount.opioid) {
            Some(factor) => {
                let sum = self.by_opioid.entry(amount.opioid.to_owned()).or_default();
                *sum += i128::from(amount.micrograms) * i128::from(amount.doses_milli) * i128::from(factor);
            }
            None => drop(self.no_factor.insert(amount.opioid.to_owned())),
        }
    }

    pub fn of<'a>(amounts: impl IntoIterator<Item = &'a Amount<'a>>) -> Self {
        let mut sum = Self::default();
        amounts.into_iter().for_each(|amount| sum.add(amount));
        sum
    }

    /// In thousand millionths of a milligram.
    pub fn total(&self) -> i128 {
        self.by_opioid.values().sum()
    }

    pub fn total_mg(&self) -> f64 {
        to_mg(self.total())
    }

    pub fn by_opioid_mg(&self) -> impl Iterator<Item = (&str, f64)> {
        self.by_opioid.iter().map(|(opioid, sum)| (opioid.as_str(), to_mg(*sum)))
    }

    pub fn is_incomplete(&self) -> bool {
        !self.no_factor.is_empty()
    }

    /// No opioid with a factor: what is there has no number.
    pub fn is_unknown(&self) -> bool {
        self.by_opioid.is_empty() && self.is_incomplete()
    }
}

fn to_mg(sum: i128) -> f64 {
    let (whole, rest) = (sum.div_euclid(MG), sum.rem_euclid(MG));
    whole as f64 + rest as f64 / MG as f64
}

/// The sum, in thousand millionths of a milligram, that was told as so many milligrams.
pub fn from_mg(mg: f64) -> i128 {
    (mg * MG as f64).round() as i128
}

/// The mean of sums that were told in milligrams, so many of them: exact where it is a whole number.
pub fn mean_mg(told: &[f64]) -> Option<f64> {
    let sum: i128 = told.iter().map(|mg| from_mg(*mg)).sum();
    (!told.is_empty()).then(|| sum as f64 / (told.len() as f64 * MG as f64))
}

/// Micrograms of morphine equivalent of one dose, rounded to the microgram; `None` without a factor.
pub fn micrograms_of_dose(opioid: &str, micrograms: i64) -> Option<i64> {
    let factor = tables::mme_factor_milli(opioid)?;
    Some((micrograms * factor + 500) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_fifty_is_at_least_fifty_and_an_opioid_without_a_factor_is_named() {
        let amount = |opioid, micrograms, doses_milli| Amount { opioid, micrograms, doses_milli };
        let fifty = Equivalents::of(&[amount("oxycodone", 10_000, 2_000), amount("codeine", 44_444, 3_000)]);
        assert!(fifty.total_mg() < 50.0);
        let fifty = Equivalents::of(&[amount("morphine", 25_000, 2_000), amount("buprenorphine", 8_000, 2_000)]);
        assert!(fifty.total_mg() >= 50.0 && fifty.is_incomplete() && !fifty.is_unknown());
        assert!(Equivalents::of(&[amount("buprenorphine", 8_000, 2_000)]).is_unknown());
    }

    #[test]
    fn one_dose_has_the_equivalent_that_the_table_says() {
        assert_eq!(micrograms_of_dose("oxycodone", 5_000), Some(7_500));
        assert_eq!(micrograms_of_dose("aspirin", 5_000), None);
    }
}
