//! Medicines whose sudden stop brings withdrawal or relapse (clinical catalogue E3; general knowledge, to be confirmed).
//!
//! Definition: opioids that are released over hours (`er`, or a patch), anticonvulsants and SNRI. Two scheduled doses of one
//! of them missed in a row are low, three are medium. What is of a class is data: `processor/rules/tables/ingredients.toml`.

use crate::rules::ingredients::is_of_class;

pub fn threatens(ingredient: &str, release: &str) -> bool {
    let lasting = matches!(release, "er" | "patch") && is_of_class(ingredient, "opioid");
    lasting || is_of_class(ingredient, "anticonvulsant") || is_of_class(ingredient, "snri")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opioid_counts_when_it_works_for_hours_and_a_plain_analgesic_never() {
        assert!(threatens("oxycodone", "er") && threatens("fentanyl", "patch") && !threatens("oxycodone", "ir"));
        assert!(threatens("pregabalin", "ir") && threatens("duloxetine", "er") && !threatens("ibuprofen", "er"));
    }
}
