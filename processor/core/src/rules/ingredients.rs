//! Which classes an ingredient belongs to: a data file beside the packs, each row with its source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

const TABLE: &str = include_str!("../../../rules/tables/ingredients.toml");

#[derive(Default, Deserialize)]
struct Table {
    ingredient: Vec<Row>,
    synonym: Vec<Synonym>,
}

#[derive(Deserialize)]
struct Row {
    names: Vec<String>,
    class: String,
}

#[derive(Deserialize)]
struct Synonym {
    name: String,
    is: String,
}

/// Classes by ingredient, and ingredients by their other names.
struct Known {
    classes: BTreeMap<String, BTreeSet<String>>,
    synonyms: BTreeMap<String, String>,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let table: Table = toml::from_str(TABLE).unwrap_or_default();
    let mut classes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in table.ingredient {
        for name in row.names {
            classes.entry(name).or_default().insert(row.class.clone());
        }
    }
    Known { classes, synonyms: table.synonym.into_iter().map(|row| (row.name, row.is)).collect() }
});

/// The ingredients that a text of the roster names (`Oxycodone hydrochloride`, `oxycodone/paracetamol`), by the names of
/// the table, in the order of the text. What the table does not know is left out.
pub fn named(text: &str) -> Vec<&'static str> {
    let known = &*KNOWN;
    let words = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    let name = |word: String| {
        let word = known.synonyms.get(&word).unwrap_or(&word);
        known.classes.get_key_value(word).map(|(name, _)| name.as_str())
    };
    words.filter_map(name).collect()
}

/// What a text of the roster puts beside each other.
pub fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(['/', '+', ','])
}

/// Words of a medication's text that name none of its ingredients; shorter ones are units or signs.
const NO_NAMES: [&str; 25] = [
    "capsule",
    "capsules",
    "coated",
    "controlled",
    "delayed",
    "dose",
    "enteric",
    "extended",
    "film",
    "hour",
    "hours",
    "immediate",
    "mcg",
    "modified",
    "oral",
    "patch",
    "prolonged",
    "release",
    "solution",
    "spray",
    "suppository",
    "sustained",
    "tablet",
    "tablets",
    "transdermal",
];

/// Whether a text of the roster names more than one ingredient, known to the table or not (`acetaminophen/caffeine`, but not
/// `fentanyl 25 mcg/h` or `oxycodone, extended release`).
pub fn is_combination(text: &str) -> bool {
    let is_name = |word: &str| word.chars().count() >= 3 && !NO_NAMES.contains(&word.to_lowercase().as_str());
    let names = |part: &&str| part.split(|c: char| !c.is_alphabetic()).any(is_name);
    parts(text).filter(names).count() > 1
}

/// Whether one of the ingredients that a text of the roster names is of a class.
pub fn is_of_class(ingredient: &str, class: &str) -> bool {
    named(ingredient).into_iter().any(|name| KNOWN.classes.get(name).is_some_and(|found| found.contains(class)))
}

/// Every name that the table knows, other spellings as well.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.classes.keys().chain(KNOWN.synonyms.keys()).map(String::as_str)
}

/// Every class of the table, ascending.
pub fn classes() -> BTreeSet<&'static str> {
    KNOWN.classes.values().flatten().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingredient_is_found_in_salts_and_combinations_and_not_in_other_words() {
        assert!(is_of_class("Oxycodone hydrochloride", "opioid"));
        assert!(is_of_class("acetaminophen/codeine", "opioid"));
        assert!(is_of_class("lorazepam", "benzodiazepine"));
        // Those of the clinics of Europe as well.
        for name in
            ["Bromazepam", "nitrazepam", "lormetazepam", "clobazam", "chlordiazepoxide", "clorazepate dipotassium"]
        {
            assert!(is_of_class(name, "benzodiazepine"), "{name}");
        }
        assert!(names().any(|name| name == "triazolam") && names().any(|name| name == "paracetamol"));
        assert!(!is_of_class("acetaminophen", "opioid"));
        assert!(is_of_class("ibuprofen", "nsaid") && is_of_class("ibuprofen", "simple_analgesic"));
        assert_eq!(named("Oxycodone HCl 5 mg / Paracetamol 325 mg"), ["oxycodone", "acetaminophen"]);
    }

    #[test]
    fn a_combination_is_one_whether_or_not_the_table_knows_its_parts() {
        let several = ["acetaminophen/caffeine", "Butalbital 50 mg + aspirin 325 mg", "oxycodone, acetaminophen 5/325"];
        assert!(several.into_iter().all(is_combination));
        let one = ["", "acetaminophen", "fentanyl 25 mcg/h", "morphine 10 mg/5 ml", "Oxycodone HCl, extended release"];
        assert!(!one.into_iter().any(is_combination));
    }
}
