//! Which class an ingredient belongs to: a data file beside the packs, each row with its source.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

const TABLE: &str = include_str!("../../../rules/tables/ingredients.toml");

#[derive(Deserialize)]
struct Table {
    ingredient: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    names: Vec<String>,
    class: String,
}

static CLASSES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let rows = toml::from_str::<Table>(TABLE).map(|table| table.ingredient).unwrap_or_default();
    rows.into_iter().flat_map(|row| row.names.into_iter().map(move |name| (name, row.class.clone()))).collect()
});

/// Whether an ingredient as the roster writes it (`oxycodone hydrochloride`, `Oxycodone/acetaminophen`) is of a class.
pub fn is_of_class(ingredient: &str, class: &str) -> bool {
    let words = ingredient.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    words.into_iter().any(|word| CLASSES.get(&word).is_some_and(|found| found == class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ingredient_is_found_in_salts_and_combinations_and_not_in_other_words() {
        assert!(is_of_class("Oxycodone hydrochloride", "opioid"));
        assert!(is_of_class("acetaminophen/codeine", "opioid"));
        assert!(is_of_class("lorazepam", "benzodiazepine"));
        assert!(!is_of_class("acetaminophen", "opioid"));
    }
}
