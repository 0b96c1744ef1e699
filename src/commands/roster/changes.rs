//! What one roster says otherwise than another, entry by entry.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

use painwatch_domain::Roster;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Added,
    Changed,
    Removed,
}

impl What {
    pub const ALL: [Self; 3] = [Self::Added, Self::Changed, Self::Removed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }

    const fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Changed => '~',
            Self::Removed => '-',
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Change {
    what: What,
    kind: &'static str,
    id: String,
}

/// In the order of the tables of a roster file, and by id within one.
#[derive(Debug, PartialEq, Eq)]
pub struct Changes(Vec<Change>);

/// What names an entry, and all that it says.
pub type Entry = (String, String);

impl Changes {
    /// From what stands to what is wanted.
    pub fn between(standing: &Roster, wanted: &Roster) -> Self {
        let (before, after) = (entries(standing), entries(wanted));
        let pairs = before.into_iter().zip(after);
        Self(pairs.flat_map(|((kind, before), (_, after))| compare(kind, before, after)).collect())
    }

    pub fn count(&self, what: What) -> usize {
        self.0.iter().filter(|change| change.what == what).count()
    }

    /// One a line, and how many of each.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Change { what, kind, id } in &self.0 {
            let _ = writeln!(text, "{} {kind} {id}", what.sign());
        }
        text + &self.summary() + "\n"
    }

    pub fn summary(&self) -> String {
        What::ALL.map(|what| format!("{} {}", self.count(what), what.as_str())).join(", ")
    }

    pub fn as_json(&self) -> serde_json::Value {
        let of = |what: What| {
            let these = self.0.iter().filter(|change| change.what == what);
            let each = these.map(|change| serde_json::json!({"kind": change.kind, "id": change.id}));
            (what.as_str().to_owned(), each.collect::<serde_json::Value>())
        };
        serde_json::Value::Object(What::ALL.map(of).into_iter().collect())
    }
}

fn compare(kind: &'static str, before: Vec<Entry>, after: Vec<Entry>) -> Vec<Change> {
    let mut by_id: BTreeMap<String, [Vec<String>; 2]> = BTreeMap::new();
    for (side, entries) in [before, after].into_iter().enumerate() {
        for (id, content) in entries {
            by_id.entry(id).or_default()[side].push(content);
        }
    }
    let mut changes = Vec::new();
    for (id, [mut before, mut after]) in by_id {
        before.retain(|content| {
            let same = after.iter().position(|other| other == content);
            same.map(|at| after.swap_remove(at)).is_none()
        });
        let changed = before.len().min(after.len());
        let whats =
            [(What::Changed, changed), (What::Removed, before.len() - changed), (What::Added, after.len() - changed)];
        for (what, count) in whats {
            changes.extend((0..count).map(|_| Change { what, kind, id: id.clone() }));
        }
    }
    changes
}

/// All of a roster, by the tables of its file.
pub fn entries(roster: &Roster) -> [(&'static str, Vec<Entry>); 10] {
    [
        ("patient", listed(roster.patients.values(), |it| it.id.to_string())),
        ("device", listed(roster.devices.values(), |it| it.id.to_string())),
        ("pairing", listed(roster.pairings.iter(), |it| format!("{} of {} from {}", it.device, it.patient, it.from))),
        ("medication", listed(roster.medications.values(), |it| it.id.to_string())),
        (
            "prescription",
            listed(roster.prescriptions.iter(), |it| format!("{} of {} from {}", it.medication, it.patient, it.start)),
        ),
        (
            "dispense",
            listed(roster.dispenses.iter(), |it| format!("{} of {} at {}", it.medication, it.patient, it.date)),
        ),
        (
            "patient_event",
            listed(roster.patient_events.iter(), |it| format!("{} of {} at {}", it.kind, it.patient, it.start)),
        ),
        ("goal", listed(roster.goals.iter(), |it| format!("{} of {}", it.metric, it.patient))),
        ("override", listed(roster.overrides.iter(), |it| format!("{} for {} from {}", it.rule, it.patient, it.from))),
        ("contact", listed(roster.contacts.iter(), |it| it.id.clone())),
    ]
}

fn listed<'a, T: Debug + 'a>(all: impl Iterator<Item = &'a T>, id: impl Fn(&T) -> String) -> Vec<Entry> {
    all.map(|entry| (id(entry), format!("{entry:?}"))).collect()
}

#[cfg(test)]
mod tests {
    use painwatch_domain::TenantId;

    use super::*;

    const CLINIC: &str = r#"
        [[patient]]
        id = "p-1"
        zone = "Europe/Paris"
        [[device]]
        id = "watch-1"
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
        [[contact]]
        id = "nurse"
        care_team = "ward"
    "#;

    fn roster(text: &str) -> Roster {
        crate::roster::parse(text, &TenantId::default()).unwrap()
    }

    fn between(before: &str, after: &str) -> Changes {
        Changes::between(&roster(before), &roster(after))
    }

    #[test]
    fn entries_of_every_kind_are_added_changed_or_removed_by_what_names_them() {
        assert_eq!(between(CLINIC, CLINIC).text(), "0 added, 0 changed, 0 removed\n");
        assert_eq!(between("", CLINIC).summary(), "6 added, 0 changed, 0 removed");
        assert_eq!(between(CLINIC, "").summary(), "0 added, 0 changed, 6 removed");
        let other = CLINIC
            .replace("08:00", "09:00")
            .replace("\"ward\"", "\"other\"")
            .replace("from = 2026-03-01", "from = 2026-03-02");
        let told = between(CLINIC, &other).text();
        for line in [
            "- pairing watch-1 of p-1 from 2026-02-28T23:00:00Z\n",
            "+ pairing watch-1 of p-1 from 2026-03-01T23:00:00Z\n",
            "~ prescription oxycodone-5mg of p-1 from 2026-02-28T23:00:00Z\n",
            "~ contact nurse\n",
            "1 added, 2 changed, 1 removed\n",
        ] {
            assert!(told.contains(line), "{told}");
        }
        let json = between(CLINIC, &other).as_json();
        assert_eq!(json["changed"][1], serde_json::json!({"kind": "contact", "id": "nurse"}));
    }

    #[test]
    fn of_entries_with_one_name_the_same_are_no_change() {
        let second = "[[prescription]]\npatient = \"p-1\"\nmedication = \"oxycodone-5mg\"\ndose = 1.0\nstart = 2026-03-01\n\
                      prn = { max_per_day = 4, min_interval = \"4h\" }\n";
        let both = format!("{CLINIC}{second}");
        assert_eq!(between(CLINIC, &both).summary(), "1 added, 0 changed, 0 removed");
        assert_eq!(between(&both, CLINIC).summary(), "0 added, 0 changed, 1 removed");
    }
}
