//! The data files beside the packs, each row with its source: equivalents of opioids, daily maxima, single doses, words
//! for conditions.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

const MME: &str = include_str!("../../../rules/tables/mme.toml");
const MAXIMA: &str = include_str!("../../../rules/tables/daily_maximum.toml");
const SINGLE: &str = include_str!("../../../rules/tables/single_dose.toml");
const SYMPTOMS: &str = include_str!("../../../rules/tables/symptoms.toml");
const CONDITIONS: &str = include_str!("../../../rules/tables/conditions.toml");

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Factors {
    version: String,
    factor: Vec<Factor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Factor {
    opioid: String,
    factor: f64,
    #[serde(rename = "source")]
    _source: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Maxima {
    version: String,
    maximum: Vec<Maximum>,
}

/// Most of an ingredient within 24 hours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maximum {
    pub ingredient: String,
    pub mg: i64,
    /// Most days in a row.
    pub max_days: Option<u32>,
    /// Less for patients with a condition.
    #[serde(default)]
    lower: Vec<Lower>,
    #[serde(rename = "source")]
    _source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lower {
    condition: String,
    mg: i64,
}

impl Maximum {
    /// Milligrams for somebody with this problem list, and the condition that makes them fewer.
    pub fn mg_for(&self, listed: &[String]) -> (i64, Option<&str>) {
        let own = self.lower.iter().filter(|lower| has_condition(listed, &lower.condition));
        let least = own.min_by_key(|lower| lower.mg).filter(|lower| lower.mg < self.mg);
        least.map_or((self.mg, None), |lower| (lower.mg, Some(lower.condition.as_str())))
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Singles {
    single: Vec<Single>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Single {
    ingredient: String,
    mg: i64,
    #[serde(rename = "source")]
    _source: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Conditions {
    condition: Vec<Condition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    name: String,
    words: Vec<String>,
    #[serde(rename = "source")]
    _source: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Symptoms {
    /// Of the form of conditions: a name and what stands for it.
    symptom: Vec<Condition>,
}

/// The files are part of the program; a test parses each, so that a fault cannot leave the house.
static FACTORS: LazyLock<Factors> = LazyLock::new(|| toml::from_str(MME).unwrap_or_default());
static FACTOR_OF: LazyLock<BTreeMap<&'static str, i64>> = LazyLock::new(|| {
    let milli = |row: &'static Factor| (row.opioid.as_str(), (row.factor * 1000.0).round() as i64);
    FACTORS.factor.iter().map(milli).collect()
});
static MAXIMUM: LazyLock<Maxima> = LazyLock::new(|| toml::from_str(MAXIMA).unwrap_or_default());
static SINGLE_DOSE: LazyLock<Singles> = LazyLock::new(|| toml::from_str(SINGLE).unwrap_or_default());
static CONDITION: LazyLock<Conditions> = LazyLock::new(|| toml::from_str(CONDITIONS).unwrap_or_default());

static SYMPTOM: LazyLock<Symptoms> = LazyLock::new(|| toml::from_str(SYMPTOMS).unwrap_or_default());

/// Which table of equivalents results are made with.
pub fn mme_version() -> &'static str {
    &FACTORS.version
}

/// Thousandths of a milligram of morphine that a milligram counts as; `None` for an opioid that has no factor.
pub fn mme_factor_milli(opioid: &str) -> Option<i64> {
    FACTOR_OF.get(opioid).copied()
}

/// Which table of daily maxima results are made with.
pub fn maximum_version() -> &'static str {
    &MAXIMUM.version
}

pub fn maxima() -> &'static [Maximum] {
    &MAXIMUM.maximum
}

/// Most milligrams of an ingredient that a label allows at once; `None` where no label says or the table does not know it.
pub fn single_dose_mg(ingredient: &str) -> Option<i64> {
    SINGLE_DOSE.single.iter().find(|row| row.ingredient == ingredient).map(|row| row.mg)
}

/// Whether a patient's problem list, in the clinic's words or codes, holds a condition of the table, or one of that very
/// name.
pub fn has_condition(listed: &[String], name: &str) -> bool {
    let row = CONDITION.condition.iter().find(|row| row.name == name);
    let words = row.into_iter().flat_map(|row| row.words.iter().map(String::as_str)).chain([name]);
    words.into_iter().any(|word| listed.iter().any(|said| says(said, word)))
}

/// Whether the table knows what a problem list says, by its name, a word or a code.
pub fn is_known_condition(said: &str) -> bool {
    condition_words().any(|word| says(said, word))
}

/// Names, words and codes of every condition of the table.
pub fn condition_words() -> impl Iterator<Item = &'static str> {
    CONDITION.condition.iter().flat_map(|row| row.words.iter().chain([&row.name])).map(String::as_str)
}

/// Whether a symptom that was reported, in the clinic's words, is one of those that a row of the table names.
pub fn is_symptom(said: &str, name: &str) -> bool {
    let plain = |text: &str| text.trim().to_lowercase().replace([' ', '-'], "_");
    let said = plain(said);
    let row = SYMPTOM.symptom.iter().find(|row| row.name == name);
    said == name || row.is_some_and(|row| row.words.contains(&said))
}

/// `I50` is said by `i50` and `I50.1`, not by `I501`.
fn says(said: &str, word: &str) -> bool {
    let Some(rest) = said.get(word.len()..) else { return false };
    said[..word.len()].eq_ignore_ascii_case(word) && (rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_parses_has_a_version_and_names_nothing_twice() {
        assert!(toml::from_str::<Factors>(MME).is_ok() && !mme_version().is_empty());
        assert!(toml::from_str::<Maxima>(MAXIMA).is_ok() && !maximum_version().is_empty());
        assert!(toml::from_str::<Conditions>(CONDITIONS).is_ok() && toml::from_str::<Symptoms>(SYMPTOMS).is_ok());
        assert!(
            is_symptom("Chest pain", "hypertensive_emergency") && is_symptom("new-weakness", "neurological_red_flag")
        );
        assert!(!is_symptom("nausea", "hypertensive_emergency") && !is_symptom("chest pain", "neurological_red_flag"));
        assert_eq!((FACTORS.factor.len(), FACTOR_OF.len()), (10, 10));
        assert!(FACTORS.factor.iter().all(|row| (row.factor * 1000.0).fract() == 0.0), "factors are thousandths");
        assert!(toml::from_str::<Singles>(SINGLE).is_ok());
        let singles = &SINGLE_DOSE.single;
        for (index, row) in singles.iter().enumerate() {
            assert!(row.mg > 0 && singles[index + 1..].iter().all(|other| other.ingredient != row.ingredient));
            assert_eq!(crate::rules::ingredients::named(&row.ingredient), [row.ingredient.as_str()]);
        }
        for (index, row) in maxima().iter().enumerate() {
            assert!(single_dose_mg(&row.ingredient).is_some_and(|mg| mg <= row.mg), "{}", row.ingredient);
            assert!(row.mg > 0 && maxima()[index + 1..].iter().all(|other| other.ingredient != row.ingredient));
            for lower in &row.lower {
                assert!(lower.mg > 0 && CONDITION.condition.iter().any(|known| known.name == lower.condition));
            }
        }
    }

    #[test]
    fn liver_disease_and_alcohol_halve_the_daily_maximum_of_acetaminophen() {
        let row = maxima().iter().find(|row| row.ingredient == "acetaminophen").unwrap();
        let of = |listed: &str| row.mg_for(&[listed.to_owned()]);
        assert_eq!(row.mg_for(&[]), (4000, None));
        assert_eq!((of("gout"), of("K74.6")), ((4000, None), (2000, Some("liver_disease"))));
        assert_eq!((of("cirrhosis").0, of("F10.2")), (2000, (2000, Some("alcohol_use"))));
    }

    #[test]
    fn a_condition_is_found_by_its_name_a_word_or_a_code_with_a_subdivision() {
        let listed = ["I50.22".to_owned(), "OSA".to_owned(), "gout".to_owned()];
        assert!(has_condition(&listed, "heart_failure") && has_condition(&listed, "sleep_disordered_breathing"));
        assert!(has_condition(&listed, "gout") && !has_condition(&listed, "headache"));
        assert!(is_known_condition("i50.22") && is_known_condition("headache") && !is_known_condition("gout"));
        assert!(!has_condition(&["I501".to_owned(), "x".to_owned(), "é".to_owned()], "heart_failure"));
    }
}
