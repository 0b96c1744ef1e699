//! Rules of a clinic's own, numbers of single patients, and what is said of those that make no sense.

use std::path::Path;

use crate::program::Installation;

const WARD: &str = r#"
[[patient]]
id = "p-1"
zone = "Europe/Paris"
packs = ["opioid-safety", "ward-3"]
"#;
const OWN_NUMBERS: &str = r#"
[[override]]
patient = "p-1"
rule = "spo2-sustained-low"
from = 2026-03-01
by = "Dr. A. Example"
reason = "chronic hypercapnia"
condition = { below = 86 }
"#;
const OWN_RULE: &str = r#"
[[rule]]
id = "pulse-fast-at-night"
title = "Pulse fast"
domain = "safety"
signal = "heart_rate"
condition = { above = 120 }
for = "10m"
priority = "low"
action = "Call tomorrow. Not for emergencies."
source = "Ward 3"
"#;

/// What a command that is refused says.
fn refused(installation: &Installation, arguments: &[&str]) -> String {
    let output = installation.run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn written(path: &Path, text: &str) -> String {
    std::fs::write(path, text).expect("written");
    path.to_str().expect("a path").to_owned()
}

#[test]
fn a_clinic_has_rules_of_its_own_and_a_patient_numbers_of_their_own() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "rules");
    let roster = parent.path().join("roster.toml");
    let apply = |text: &str| ["roster".to_owned(), "apply".to_owned(), written(&roster, text)];

    let wrong = apply(&format!("{WARD}{}", OWN_NUMBERS.replace("sustained-low", "sustaned-low")));
    let error = refused(&installation, &wrong.each_ref().map(String::as_str));
    assert!(error.contains("no such rule; did you mean `spo2-sustained-low`?"), "{error}");
    let wrong = apply(&format!("{WARD}{}", OWN_NUMBERS.replace("below = 86", "bellow = 86")));
    let error = refused(&installation, &wrong.each_ref().map(String::as_str));
    assert!(error.contains("[[override]]") && error.contains("unknown key `bellow`"), "{error}");

    let file = written(&parent.path().join("ward-3.toml"), OWN_RULE);
    installation.told(&["rules", "accept", "all", "--file", &file, "--by", "Dr. B. Example"]);
    let right = apply(&format!("{WARD}{OWN_NUMBERS}"));
    installation.told(&right.each_ref().map(String::as_str));
    let listed = installation.told(&["rules", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let of = |id: &str| listed.as_array().expect("rules").iter().find(|rule| rule["id"] == id).expect("listed").clone();
    let own = of("pulse-fast-at-night");
    assert_eq!((&own["pack"], &own["accepted_by"]), (&"ward-3".into(), &"Dr. B. Example".into()));
    assert_eq!((&of("spo2-sustained-low")["shadow"], &own["shadow"]), (&true.into(), &false.into()));
    let own = installation.sql("SELECT pack, accepted_by FROM rules WHERE rule_id = 'pulse-fast-at-night'");
    assert_eq!(own, [serde_json::json!({"pack": "ward-3", "accepted_by": "Dr. B. Example"})]);
    let numbers = "SELECT count(*) FROM rules WHERE rule_id = 'spo2-sustained-low' AND toml LIKE '%below = 86.0%'";
    assert_eq!(installation.figure(numbers), 1);

    let said = installation.told(&["rules", "withdraw", "pulse-fast-at-night", "--by", "Dr. B. Example"]);
    assert!(said.contains("shown, not sent"), "{said}");
    assert_eq!(installation.sql("SELECT accepted_by FROM rules WHERE rule_id = 'pulse-fast-at-night'").len(), 1);
    assert_eq!(installation.figure("SELECT count(*) FROM rules WHERE accepted_by = 'Dr. B. Example'"), 0);
    let error = refused(&installation, &["rules", "withdraw", "pulse-fast-at-nigth", "--by", "Dr. B. Example"]);
    assert!(error.contains("did you mean `pulse-fast-at-night`?"), "{error}");
}
