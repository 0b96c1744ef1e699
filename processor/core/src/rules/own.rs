//! A rule with some of its numbers changed, as a clinician sets them for one patient.

use std::collections::BTreeMap;

use super::nearest::nearest;
use super::{Rule, parse_beside, print};

/// What an override may change: how much, how long, how often. What a rule looks at and what it says stays the rule's.
pub const NUMBERS: &[&str] = &["condition", "for", "max_gap", "clear", "stale_after", "refractory", "min_data"];

/// Why an override is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    #[error("unknown key `{key}`, expected one of: {}{}", NUMBERS.join(" "), suggestion.map(|s| format!("; did you mean `{s}`?")).unwrap_or_default())]
    UnknownKey { key: String, suggestion: Option<&'static str> },
    #[error("it changes nothing; give one of: {}", NUMBERS.join(" "))]
    Nothing,
    #[error("{0}")]
    DoesNotFit(String),
    #[error("it makes another kind of condition of `{0}`; write a rule of your own for that")]
    OtherKind(String),
}

/// Whether these keys may be overridden at all, whatever the rule.
///
/// # Errors
/// A key that may not, with the nearest that may; or none at all.
pub fn check_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<(), OverrideError> {
    let mut any = false;
    for key in keys {
        if !NUMBERS.contains(&key) {
            let suggestion = nearest(key, NUMBERS.iter().copied());
            return Err(OverrideError::UnknownKey { key: key.to_owned(), suggestion });
        }
        any = true;
    }
    if any { Ok(()) } else { Err(OverrideError::Nothing) }
}

impl Rule {
    /// The rule with these keys replaced (TOML values). Who accepted it stays: an override takes no rule out of shadow.
    ///
    /// # Errors
    /// A key that an override may not change, a value that the grammar does not admit, another kind of condition.
    pub fn with_numbers(&self, numbers: &BTreeMap<String, String>) -> Result<Self, OverrideError> {
        check_keys(numbers.keys().map(String::as_str))?;
        let written = self.to_toml();
        // The normal form has one key a line.
        let kept = written.lines().filter(|line| {
            let key = line.split_once(" = ").map_or("", |(key, _)| key);
            !numbers.contains_key(key)
        });
        let mut text = kept.collect::<Vec<_>>().join("\n");
        for (key, value) in numbers {
            text += &format!("\n{key} = {value}");
        }
        let changed = parse_beside(&text, &format!("{}.toml", self.pack), None).map_err(|errors| {
            OverrideError::DoesNotFit(errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; "))
        })?;
        let changed = changed.into_iter().next().ok_or(OverrideError::Nothing)?;
        let same_kind = changed.signal == self.signal
            && std::mem::discriminant(&changed.condition) == std::mem::discriminant(&self.condition);
        if same_kind { Ok(changed) } else { Err(OverrideError::OtherKind(print::condition_line(self))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Comparison, Condition, default_packs};

    fn rule(id: &str) -> Rule {
        default_packs().into_iter().find(|rule| rule.id.as_str() == id).unwrap()
    }

    fn numbers(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_override_changes_the_numbers_it_names_and_nothing_else() {
        let rule = rule("spo2-sustained-low");
        let own = rule.with_numbers(&numbers(&[("condition", "{ below = 86 }"), ("for", "\"5m\"")])).unwrap();
        assert_eq!((own.condition, own.for_ms), (Condition::Threshold(Comparison::Below(86.0)), 300_000));
        assert_eq!(Rule { condition: rule.condition, for_ms: rule.for_ms, ..own.clone() }, rule);
        assert_ne!(own.version(), rule.version());
    }

    #[test]
    fn an_override_keeps_the_name_under_which_a_rule_was_accepted() {
        let accepted = Rule { accepted_by: Some("Dr. A. Example".to_owned()), ..rule("spo2-critical") };
        let own = accepted.with_numbers(&numbers(&[("refractory", "\"2h\"")])).unwrap();
        assert_eq!((own.accepted_by, own.refractory_ms), (accepted.accepted_by, 7_200_000));
    }

    #[test]
    fn what_an_override_may_not_say_is_refused_with_what_it_may() {
        let rule = rule("spo2-sustained-low");
        let refused = |pairs: &[(&str, &str)]| rule.with_numbers(&numbers(pairs)).unwrap_err().to_string();
        assert!(refused(&[("conditon", "{ below = 86 }")]).ends_with("did you mean `condition`?"));
        assert!(refused(&[("action", "\"\"")]).starts_with("unknown key `action`, expected one of: condition for"));
        assert!(refused(&[("for", "5")]).contains("`for` is"), "{}", refused(&[("for", "5")]));
        assert!(refused(&[]).starts_with("it changes nothing"));
        let gain = default_packs().into_iter().find(|rule| rule.id.as_str() == "weight-gain-1d").unwrap();
        let other = gain.with_numbers(&numbers(&[("condition", "{ above = 80.0 }")])).unwrap_err().to_string();
        assert!(other.contains("another kind of condition of `{ changes = "), "{other}");
    }

    #[test]
    fn every_default_rule_is_itself_when_an_override_says_what_it_says() {
        for rule in default_packs() {
            let text = rule.to_toml();
            let said = text.lines().filter_map(|line| line.split_once(" = ")).filter(|(key, _)| NUMBERS.contains(key));
            let said = said.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            assert_eq!(rule.with_numbers(&said), Ok(rule.clone()), "{}", rule.id);
        }
    }
}
