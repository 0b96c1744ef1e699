//! Words of a roster that nothing of ours knows. Each may be meant, so none is refused; each may be a slip, so all are told.

use std::collections::BTreeSet;

use painwatch_domain::Roster;
use painwatch_processor_core::rules::{Circumstance, PACKS, Rule, ingredients, nearest, tables};

/// What is told of a roster beside these rules, a sentence each.
pub fn doubts(roster: &Roster, rules: &[Rule]) -> Vec<String> {
    let mut told = packs(roster, rules);
    told.extend(conditions(roster, rules));
    told.extend(medicines(roster));
    told
}

fn packs(roster: &Roster, rules: &[Rule]) -> Vec<String> {
    let known: BTreeSet<&str> =
        PACKS.iter().map(|(name, _)| *name).chain(rules.iter().map(|rule| rule.pack.as_str())).collect();
    let mut told = Vec::new();
    for patient in roster.patients.values() {
        for pack in patient.packs.iter().filter(|pack| !known.contains(pack.as_str())) {
            let near = hint(nearest(pack, known.iter().copied()));
            told.push(format!("patient {}: no rule is of a pack {pack:?}, so it watches nothing{near}", patient.id));
        }
    }
    told
}

fn conditions(roster: &Roster, rules: &[Rule]) -> Vec<String> {
    let of_rules: Vec<&str> = rules.iter().flat_map(conditions_of).collect();
    let is_known = |said: &str| {
        tables::is_known_condition(said) || of_rules.iter().any(|name| tables::has_condition(&[said.to_owned()], name))
    };
    let mut told = Vec::new();
    for patient in roster.patients.values() {
        for said in patient.conditions.iter().filter(|said| !is_known(said)) {
            let near = nearest(said, tables::condition_words()).or_else(|| nearest(said, of_rules.iter().copied()));
            let near = hint(near);
            told.push(format!("patient {}: no rule and no table knows the condition {said:?}{near}", patient.id));
        }
    }
    told
}

fn conditions_of(rule: &Rule) -> impl Iterator<Item = &str> {
    let names = rule.priority_when.iter().filter_map(|when| match &when.when {
        Circumstance::Condition(names) => Some(names),
        _ => None,
    });
    names.flatten().map(String::as_str)
}

fn medicines(roster: &Roster) -> Vec<String> {
    let mut told = Vec::new();
    for medication in roster.medications.values() {
        let parts = medication.ingredient.split(['/', '+', ',']).map(str::trim);
        for part in parts.filter(|part| ingredients::named(part).is_empty()) {
            let word = part.split_whitespace().next().unwrap_or_default().to_lowercase();
            let near = hint(nearest(&word, ingredients::names()));
            told.push(format!(
                "medication {}: the ingredient {part:?} is of no class that is known; sums over classes are incomplete with it, \
                 never 0{near}",
                medication.id
            ));
        }
    }
    told
}

fn hint(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use painwatch_domain::TenantId;
    use painwatch_processor_core::rules::default_packs;

    use super::*;

    const CLINIC: &str = r#"
        [[patient]]
        id = "p-1"
        zone = "Europe/Paris"
        packs = ["opioid-safety", "ward-3"]
        conditions = ["I50.1", "osa"]
        [[medication]]
        id = "percocet"
        ingredient = "oxycodone/acetaminophen"
        strength = "5/325"
        [[medication]]
        id = "lexotan"
        ingredient = "Bromazepam"
    "#;

    fn told(text: &str) -> Vec<String> {
        let mut rules = default_packs();
        let own = Rule { pack: "ward-3".to_owned(), ..rules[0].clone() };
        rules.push(own);
        doubts(&crate::roster::parse(text, &TenantId::default()).unwrap(), &rules)
    }

    #[test]
    fn packs_conditions_and_ingredients_that_nobody_knows_are_told_with_the_nearest_that_is_known() {
        assert_eq!(told(CLINIC), Vec::<String>::new());
        for (right, wrong, said, near) in [
            ("opioid-safety", "opiod-safety", "so it watches nothing", "opioid-safety"),
            ("ward-3", "ward-4", "so it watches nothing", "ward-3"),
            ("osa", "sleep_apnaea", "knows the condition \"sleep_apnaea\"", "sleep_apnea"),
            ("acetaminophen", "acetaminofen", "incomplete with it, never 0", "acetaminophen"),
            ("Bromazepam", "Bromazepan", "incomplete with it, never 0", "bromazepam"),
        ] {
            let told = told(&CLINIC.replace(right, wrong));
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(said) && told[0].ends_with(&format!("did you mean {near:?}?")), "{told:?}");
        }
        assert!(told(&CLINIC.replace("osa", "gout"))[0].contains("\"gout\""));
    }
}
