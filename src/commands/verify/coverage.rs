//! Promise 5: from the first day that a rule watches over a patient it is covered or blind at every instant of every closed day.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use painwatch_domain::roster::Patient;
use painwatch_domain::{EventTime, PatientId, TenantId};
use painwatch_journal::Journal;
use painwatch_processor::rerun::roster_of;
use painwatch_store::{CoverageRow, Store};

use super::Check;
use crate::roster;

pub async fn check(store: &dyn Store, journal: &dyn Journal) -> Result<Check> {
    let rows = store.coverage(TenantId::default(), None, EventTime::MIN, EventTime::MAX).await?;
    Ok(judge(rows, &moved(journal).await?))
}

/// What rows are to each other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Faults {
    empty: usize,
    overlaps: usize,
    holes: usize,
    /// Holes of patients who moved.
    explained: usize,
}

fn judge(mut rows: Vec<CoverageRow>, moved: &BTreeSet<PatientId>) -> Check {
    rows.sort_by(|a, b| (&a.patient, &a.rule, a.start).cmp(&(&b.patient, &b.rule, b.start)));
    let mut faults = Faults { empty: rows.iter().filter(|row| row.end <= row.start).count(), ..Faults::default() };
    for pair in rows.windows(2).filter(|pair| (&pair[0].patient, &pair[0].rule) == (&pair[1].patient, &pair[1].rule)) {
        match pair[0].end.cmp(&pair[1].start) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => faults.overlaps += 1,
            std::cmp::Ordering::Less if moved.contains(&pair[0].patient) => faults.explained += 1,
            std::cmp::Ordering::Less => faults.holes += 1,
        }
    }
    let Faults { empty, overlaps, holes, explained } = faults;
    let mut figure = format!("{} intervals, {overlaps} overlaps, {holes} holes, {empty} empty", rows.len());
    if explained > 0 {
        figure += &format!("; {explained} times in which the roster had somebody otherwise");
    }
    Check {
        name: "coverage intervals follow each other without overlap or hole",
        passed: (empty, overlaps, holes) == (0, 0, 0),
        figure,
    }
}

/// Who left the roster after they were in it, or got other packs or another zone: while they are away, or a pack is, their days
/// are not judged, and days of another zone begin at another hour.
async fn moved(journal: &dyn Journal) -> Result<BTreeSet<PatientId>> {
    let (mut moved, mut known) = (BTreeSet::new(), BTreeMap::new());
    let mut at = journal.oldest_offset();
    while at < journal.next_offset() {
        for record in journal.read(at, 1 << 20).await? {
            at = record.offset.next();
            if record.tenant != TenantId::default() {
                continue;
            }
            if let Some(toml) = roster_of(&record)? {
                let roster = roster::parse(&toml, &record.tenant).context("a roster of the journal")?;
                note(&mut known, &mut moved, roster.patients);
            }
        }
    }
    Ok(moved)
}

fn note(
    known: &mut BTreeMap<PatientId, Patient>,
    moved: &mut BTreeSet<PatientId>,
    patients: BTreeMap<PatientId, Patient>,
) {
    let stays = |before: &Patient| {
        let now = patients.get(&before.id);
        now.is_some_and(|now| now.zones == before.zones && before.packs.iter().all(|pack| now.packs.contains(pack)))
    };
    moved.extend(known.values().filter(|before| !stays(before)).map(|before| before.id.clone()));
    known.extend(patients);
}

#[cfg(test)]
mod tests {
    use painwatch_domain::RuleId;

    use super::*;

    fn row(patient: &str, rule: &str, (start, end): (i64, i64)) -> CoverageRow {
        CoverageRow {
            tenant: TenantId::default(),
            patient: PatientId::parse(patient).unwrap(),
            rule: RuleId::parse(rule).unwrap(),
            start: EventTime(start),
            end: EventTime(end),
            state: "covered".to_owned(),
            cause: String::new(),
        }
    }

    #[test]
    fn a_hole_between_two_days_of_a_rule_is_found_and_another_beginning_or_rule_is_none() {
        let whole =
            [row("p-1", "a", (0, 5)), row("p-1", "a", (5, 9)), row("p-1", "b", (7, 9)), row("p-2", "a", (30, 40))];
        let check = judge(whole.to_vec(), &BTreeSet::new());
        assert!(check.passed && check.figure.contains("0 holes"), "{}", check.figure);
        let with = |more: CoverageRow, moved: &BTreeSet<PatientId>| judge([&whole[..], &[more]].concat(), moved);
        for (more, said) in [
            (row("p-1", "a", (10, 12)), "0 overlaps, 1 holes, 0 empty"),
            (row("p-1", "a", (8, 12)), "1 overlaps, 0 holes, 0 empty"),
            (row("p-2", "a", (40, 40)), "0 overlaps, 0 holes, 1 empty"),
        ] {
            let check = with(more, &BTreeSet::new());
            assert!(!check.passed && check.figure.contains(said), "{}", check.figure);
        }
        let away = BTreeSet::from([PatientId::parse("p-1").unwrap()]);
        let check = with(row("p-1", "a", (10, 12)), &away);
        assert!(check.passed && check.figure.contains("0 holes, 0 empty; 1 times"), "{}", check.figure);
    }

    #[test]
    fn somebody_moved_who_left_or_lost_a_pack_or_lives_elsewhere() {
        let of = |patients: &str| roster::parse(patients, &TenantId::default()).unwrap().patients;
        let entry = |id: &str, rest: &str| format!("[[patient]]\nid = \"{id}\"\n{rest}\n");
        let paris = "zone = \"Europe/Paris\"\npacks = [\"pain\"]";
        let before = ["p-1", "p-2", "p-3", "p-4"].map(|id| entry(id, paris)).concat();
        let more = "zone = \"Europe/Paris\"\npacks = [\"sleep\", \"pain\"]\nsex = \"f\"";
        let after = entry("p-1", more) + &entry("p-2", "zone = \"Europe/Paris\"") + &entry("p-3", "zone = \"UTC\"");
        let (mut known, mut moved) = (BTreeMap::new(), BTreeSet::new());
        [&before, &before, &after].into_iter().for_each(|patients| note(&mut known, &mut moved, of(patients)));
        assert_eq!(moved.iter().map(PatientId::as_str).collect::<Vec<_>>(), ["p-2", "p-3", "p-4"]);
    }
}
