//! What a roster file leaves alone: entries of the roster in force that it does not declare stay.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use painwatch_domain::{Roster, TenantId};
use toml::{Table, Value};

use super::changes::{Entry, entries};
use crate::roster;

/// The kinds whose entries have ids. They speak of no other entry.
const HAVE_IDS: [&str; 4] = ["patient", "device", "medication", "contact"];
const KEPT: &str = "\n# Declared before, and left alone by the file that was applied last.\n";

/// The file, and behind it what stands and it does not declare.
pub struct Kept {
    pub text: String,
    pub clinic: Roster,
    /// So many entries stand that the file does not declare.
    pub count: usize,
}

/// A file may speak of what it does not declare itself, such as a pairing of a patient who is known.
///
/// # Errors
/// The file is no roster, also beside what stands.
pub fn beside(file: &str, standing: &Roster, tenant: &TenantId) -> Result<Kept> {
    let (old, new): (Table, Table) = (toml::from_str(&standing.source)?, toml::from_str(file).context("roster")?);
    let nothing = Roster::default();
    let mut kept = lacking(&old, &new, (standing, &nothing), |kind| HAVE_IDS.contains(&kind));
    let declared = roster::parse(&joined(file, &new, &kept)?, tenant)?;
    kept.extend(lacking(&old, &new, (standing, &declared), |kind| !HAVE_IDS.contains(&kind)));
    let text = joined(file, &new, &kept)?;
    let clinic = roster::parse(&text, tenant)
        .context("with what the roster in force has and the file does not declare; `--prune` removes that")?;
    let count = kept.values().filter_map(Value::as_array).map(Vec::len).sum();
    Ok(Kept { text, clinic, count })
}

/// Of some kinds, what the old document has and the new one does not declare.
fn lacking(old: &Table, new: &Table, (stands, declares): (&Roster, &Roster), is_asked: impl Fn(&str) -> bool) -> Table {
    let mut kept = Table::new();
    let kinds = entries(stands).into_iter().zip(entries(declares)).filter(|((kind, _), _)| is_asked(kind));
    for ((kind, stands), (_, declares)) in kinds {
        let declares: BTreeSet<String> = named(new, kind, &declares).map(|(name, _)| name).collect();
        let lacking = named(old, kind, &stands).filter(|(name, _)| !declares.contains(name));
        let lacking: Vec<Value> = lacking.map(|(_, entry)| entry.clone()).collect();
        if !lacking.is_empty() {
            kept.insert(kind.to_owned(), Value::Array(lacking));
        }
    }
    kept
}

/// The entries of one kind as they are written, by what names them. Most stand in the roster in the order of the document.
fn named<'a>(document: &'a Table, kind: &'a str, in_order: &'a [Entry]) -> impl Iterator<Item = (String, &'a Value)> {
    let tables = document.get(kind).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let word = |entry: &Value, key: &str| match entry.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let name = move |(nth, entry): (usize, &'a Value)| {
        let name = match kind {
            _ if HAVE_IDS.contains(&kind) => word(entry, "id"),
            // Two of one moment that are spelled otherwise are refused as two.
            "override" => ["patient", "rule", "from"].map(|key| word(entry, key)).join(" "),
            _ => in_order.get(nth).map(|(name, _)| name.clone()).unwrap_or_default(),
        };
        (name, entry)
    };
    tables.iter().enumerate().map(name)
}

/// The file as it was written, as far as TOML lets entries be added behind it.
fn joined(file: &str, document: &Table, kept: &Table) -> Result<String> {
    if kept.is_empty() {
        return Ok(file.to_owned());
    }
    let text = format!("{file}{KEPT}{}", toml::to_string(kept)?);
    if text.parse::<Table>().is_ok() {
        return Ok(text);
    }
    let mut document = document.clone();
    for (kind, entries) in kept {
        let of_kind = document.entry(kind).or_insert_with(|| Value::Array(Vec::new()));
        if let (Value::Array(all), Value::Array(entries)) = (of_kind, entries) {
            all.extend(entries.iter().cloned());
        }
    }
    Ok(toml::to_string(&document)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::roster::changes::Changes;

    const STANDS: &str = r#"
        [[patient]]
        id = "p-1"
        zone = [{ from = 2020-01-01, zone = "Europe/Paris" }, { from = 2026-05-01, zone = "America/New_York" }]
        consent = { monitoring = true }
        [[patient]]
        id = "p-2"
        zone = "UTC"
        [[device]]
        id = "watch-1"
        [[device.streams]]
        measure = "heart_rate"
        every = "5m"
        [[pairing]]
        device = "watch-1"
        patient = "p-1"
        from = 2026-03-01
        [[medication]]
        id = "oxycodone-5mg"
        ingredient = "oxycodone"
        [[prescription]]
        patient = "p-1"
        medication = "oxycodone-5mg"
        dose = 1.0
        start = 2026-03-01
        times = ["08:00"]
        [[prescription]]
        patient = "p-2"
        medication = "oxycodone-5mg"
        dose = 1.0
        start = 2026-03-01
        times = ["08:00"]
        [[contact]]
        id = "nurse"
        care_team = "ward"
    "#;

    fn parsed(text: &str) -> Roster {
        roster::parse(text, &TenantId::default()).unwrap()
    }

    fn applied(file: &str) -> (Kept, String) {
        let kept = beside(file, &parsed(STANDS), &TenantId::default()).unwrap();
        let changes = Changes::between(&parsed(STANDS), &kept.clinic).text();
        (kept, changes)
    }

    #[test]
    fn what_a_file_does_not_declare_stands_and_what_it_declares_takes_the_place_of_what_stood() {
        let (nothing, changes) = applied("# Nothing at all.\n");
        assert_eq!((nothing.count, changes.as_str()), (8, "0 added, 0 changed, 0 removed\n"));
        assert!(nothing.text.starts_with("# Nothing at all.\n"), "{}", nothing.text);
        let (whole, _) = applied(STANDS);
        assert_eq!((whole.count, whole.text.as_str()), (0, STANDS));
        let (other, changes) = applied(
            "[[patient]]\nid = \"p-2\"\nzone = \"UTC\"\nopioid_naive = true\n[[contact]]\nid = \"night\"\ncare_team = \"ward\"\n",
        );
        assert_eq!(other.count, 7);
        assert_eq!(changes, "~ patient p-2\n+ contact night\n1 added, 1 changed, 0 removed\n");
        assert_eq!(parsed(&other.text), other.clinic);
    }

    #[test]
    fn a_file_may_be_about_what_is_known_already_and_replace_an_entry_by_what_names_it() {
        let (_, changes) = applied(
            "[[pairing]]\ndevice = \"watch-1\"\npatient = \"p-2\"\nfrom = 2026-06-01\n\
             [[pairing]]\ndevice = \"watch-1\"\npatient = \"p-1\"\nfrom = \"2026-03-01\"\nuntil = 2026-06-01\n",
        );
        let told =
            "~ pairing watch-1 of p-1 from 2026-03-01T05:00:00Z\n+ pairing watch-1 of p-2 from 2026-06-01T00:00:00Z\n";
        assert_eq!(changes, format!("{told}1 added, 1 changed, 0 removed\n"));
        let nobody = "[[pairing]]\ndevice = \"watch-1\"\npatient = \"p-9\"\nfrom = 2026-06-01\n";
        let refused = beside(nobody, &parsed(STANDS), &TenantId::default()).err().unwrap();
        assert!(format!("{refused:#}").contains("p-9"), "{refused:#}");
    }

    #[test]
    fn a_file_whose_entries_stand_in_one_line_is_written_anew_with_what_stands() {
        let (kept, changes) = applied("patient = [{ id = \"p-3\", zone = \"UTC\" }]\n");
        assert_eq!((kept.count, changes.as_str()), (8, "+ patient p-3\n1 added, 0 changed, 0 removed\n"));
    }
}
