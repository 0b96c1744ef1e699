//! The roster as a file: what it would change, what it may not take away, and what is said of words that nobody knows.

use std::path::Path;

use crate::program::Installation;

const WARD: &str = r#"
[[patient]]
id = "p-1"
zone = "Europe/Paris"
packs = ["opioid-safety"]
consent = { monitoring = 2026-03-01, research = false }
[[patient]]
id = "p-2"
zone = "Europe/Paris"
[[device]]
id = "oximeter-1"
[[pairing]]
device = "oximeter-1"
patient = "p-1"
from = 2026-03-01
"#;
const SECOND: &str = "[[patient]]\nid = \"p-2\"\nzone = \"Europe/Paris\"\n";

fn written(path: &Path, text: &str) -> String {
    std::fs::write(path, text).expect("written");
    path.to_str().expect("a path").to_owned()
}

/// Code and standard error of a command that is refused.
fn refused(installation: &Installation, arguments: &[&str]) -> (Option<i32>, String) {
    let output = installation.run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

fn exported(installation: &Installation, place: &Path) -> String {
    installation.told(&["roster", "export", place.to_str().expect("a path")]);
    std::fs::read_to_string(place).expect("the export")
}

#[test]
fn what_a_file_lacks_is_removed_with_prune_alone_beside_a_server_and_without_one() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "ward");
    let (whole, less) = (parent.path().join("whole.toml"), parent.path().join("less.toml"));
    let (whole, less) = (written(&whole, WARD), written(&less, &WARD.replace(SECOND, "")));
    let copy = parent.path().join("export.toml");
    let diff = installation.told(&["roster", "diff", &whole]);
    assert!(diff.contains("+ patient p-2\n") && diff.ends_with("4 added, 0 changed, 0 removed\n"), "{diff}");
    assert!(!installation.data.exists(), "looking makes nothing");

    for beside in [false, true] {
        let server = beside.then(|| installation.serve());
        installation.told(&["roster", "apply", &whole]);
        assert!(installation.told(&["roster", "diff", &whole]).ends_with("0 added, 0 changed, 0 removed\n"));
        let applied = installation.told(&["roster", "apply", &less]);
        assert!(applied.contains("does not declare stays; `--prune` removes it"), "{applied}");
        assert!(exported(&installation, &copy).contains("p-2"), "it stays");
        assert!(installation.told(&["roster", "diff", &whole]).ends_with("0 added, 0 changed, 0 removed\n"));
        let diff = installation.told(&["roster", "diff", "--prune", "--json", &less]);
        let diff: serde_json::Value = serde_json::from_str(&diff).expect("JSON");
        assert_eq!(diff["removed"], serde_json::json!([{"kind": "patient", "id": "p-2"}]));
        let applied = installation.told(&["roster", "apply", "--prune", "--json", &less]);
        let applied: serde_json::Value = serde_json::from_str(&applied).expect("JSON");
        assert_eq!((&applied["removed"], &applied["patients"]), (&1.into(), &1.into()));
        assert_eq!(exported(&installation, &copy), WARD.replace(SECOND, ""));
        server.into_iter().for_each(crate::program::Server::stop);
    }
}

#[test]
fn another_clinic_has_a_roster_and_rules_of_its_own_and_sees_nothing_of_the_main_one() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "ward");
    let file = parent.path().join("ward.toml");
    installation.told(&["roster", "apply", &written(&file, WARD)]);
    let server = installation.serve();
    let north = ["--tenant", "north"];
    let told = |words: &[&str]| installation.told(&[words, &north[..]].concat());
    let of_north = written(&file, "[[patient]]\nid = \"n-1\"\nzone = \"UTC\"\n");
    assert!(told(&["roster", "diff", &of_north]).ends_with("1 added, 0 changed, 0 removed\n"));
    told(&["roster", "apply", &of_north]);
    told(&["rules", "accept", "spo2-sustained-low", "--by", "Dr. N. Example"]);
    let patients = "SELECT patient_id FROM patients ORDER BY patient_id";
    let of_main: Vec<_> = installation.sql(patients).iter().map(|row| row["patient_id"].clone()).collect();
    assert_eq!(of_main, ["p-1", "p-2"]);
    assert_eq!(told(&["sql", "--json", patients]).trim(), r#"[{"patient_id":"n-1"}]"#);
    let accepted = |listed: &str| listed.contains("accepted by Dr. N. Example");
    assert!(accepted(&told(&["rules", "list"])) && !accepted(&installation.told(&["rules", "list"])));
    assert!(told(&["quarantine", "list"]).contains("nothing is in quarantine"));
    assert!(told(&["status"]).contains("0 submitted"));
    server.stop();
    told(&["roster", "export", file.to_str().expect("a path")]);
    assert!(std::fs::read_to_string(&file).expect("the export").contains("n-1"));
    installation.verified();
}

#[test]
fn a_roster_names_what_it_does_not_know_and_nobody_who_did_not_agree_is_watched() {
    let parent = tempfile::tempdir().expect("a directory");
    let installation = Installation::below(parent.path(), "ward");
    let file = parent.path().join("ward.toml");
    let slip = written(&file, &WARD.replace("opioid-safety", "opiod-safety"));
    let output = installation.run(&["roster", "apply", &slip]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && said.contains("did you mean \"opioid-safety\"?"), "{said}");
    for (monitoring, why) in
        [("false", "is false"), ("2999-01-01", "begins at 2999-01-01"), ("\"soon\"", "expected a date")]
    {
        let wrong = written(&file, &WARD.replace("monitoring = 2026-03-01", &format!("monitoring = {monitoring}")));
        let (_, said) = refused(&installation, &["roster", "apply", &wrong]);
        assert!(said.contains("line 6: [[patient]] \"p-1\"") && said.contains(why), "{said}");
    }
}
