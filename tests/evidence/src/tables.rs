//! The results as the tables of docs/evidence.md.

use std::fmt::Write as _;

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use crate::burden::Burden;
use crate::causes::{CAUSES, Confusion};
use crate::follow::{Rings, RingsByRule, add_rings, ship_in_shadow};
use crate::trial::{Found, TARGETS, Trial};

/// One row a kind of episode.
pub fn sensitivity(trial: &Trial) -> String {
    let mut table = String::from(
        "| episode | simulated | found | sensitivity (95 % interval) | delay, median | delay, 9 of 10 | paged |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for target in &TARGETS {
        let Some(found) = trial.found.get(&target.kind) else { continue };
        let (low, high) = wilson(found.found, found.episodes);
        let _ = writeln!(
            table,
            "| {} | {} | {} | {:.0} % ({:.0} to {:.0}) | {} | {} | {} |",
            target.name,
            found.episodes,
            found.found,
            100.0 * f64::from(found.found) / f64::from(found.episodes.max(1)),
            100.0 * low,
            100.0 * high,
            duration(delay(found, 0.5)),
            duration(delay(found, 0.9)),
            found.paged,
        );
    }
    table
}

/// One row a rule, the noisiest first.
pub fn rules(rules: &RingsByRule, patient_weeks: f64) -> String {
    let mut rows: Vec<_> = rules.iter().collect();
    rows.sort_by_key(|(rule, wrong)| (std::cmp::Reverse((wrong.pages, wrong.items)), (*rule).clone()));
    let mut table =
        String::from("| rule | pages | pages a week | inbox items | items a week |\n|---|---|---|---|---|\n");
    for (rule, wrong) in rows {
        let a_week = |count: u32| f64::from(count) / patient_weeks;
        let _ = writeln!(
            table,
            "| `{rule}` | {} | {:.3} | {} | {:.3} |",
            wrong.pages,
            a_week(wrong.pages),
            wrong.items,
            a_week(wrong.items)
        );
    }
    table
}

/// One row a rule that ships in shadow, also where it never rang.
pub fn of_shadow(rings: &RingsByRule, patient_weeks: f64) -> String {
    let mut all: RingsByRule = ship_in_shadow().into_iter().map(|rule| (rule, Rings::default())).collect();
    add_rings(&mut all, rings.clone());
    rules(&all, patient_weeks)
}

/// Minutes by what was the case (rows) and what the ledger says (columns).
pub fn confusion(confusion: &Confusion) -> String {
    let mut table = String::from("| was |");
    CAUSES.iter().for_each(|cause| table += &format!(" told `{cause}` |"));
    table += " told covered |\n|---|";
    table += &"---|".repeat(CAUSES.len() + 1);
    table.push('\n');
    for was in CAUSES {
        table += &format!("| `{was}` |");
        for told in CAUSES.iter().copied().chain(["covered"]) {
            table += &format!(" {} |", confusion.0.get(&(was, told.to_owned())).copied().unwrap_or(0));
        }
        table.push('\n');
    }
    table
}

/// One row a recorded set.
pub fn burden(sets: &[(&str, Burden)]) -> String {
    let mut table = String::from(
        "| recordings | people | patient-weeks | readings | pages a week | inbox items a week |\n|---|---|---|---|---|---|\n",
    );
    for (name, burden) in sets {
        let _ = writeln!(
            table,
            "| {name} | {} | {} | {} | {:.3} | {:.2} |",
            burden.people,
            burden.patient_weeks,
            burden.readings,
            burden.pages_a_week(),
            burden.items_a_week()
        );
    }
    table
}

/// The delay within which this part of the found episodes was found.
pub fn delay(found: &Found, part: f64) -> Option<i64> {
    let mut delays = found.delays_ms.clone();
    delays.sort_unstable();
    let last = delays.len().checked_sub(1)?;
    delays.get((last as f64 * part).round() as usize).copied()
}

fn duration(ms: Option<i64>) -> String {
    match ms {
        None => "none".to_owned(),
        Some(ms) if ms < 2 * HOUR_MS => format!("{} min", ms / MINUTE_MS),
        Some(ms) if ms < 2 * DAY_MS => format!("{:.0} h", ms as f64 / HOUR_MS as f64),
        Some(ms) => format!("{:.1} d", ms as f64 / DAY_MS as f64),
    }
}

/// Wilson's interval of a proportion, 95 %.
fn wilson(hits: u32, of: u32) -> (f64, f64) {
    let (n, z) = (f64::from(of.max(1)), 1.96_f64);
    let p = f64::from(hits) / n;
    let (middle, half) = (p + z * z / (2.0 * n), z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt());
    let whole = 1.0 + z * z / n;
    (((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_wide_where_little_was_seen_and_never_leaves_what_is_possible() {
        let rounded = |(low, high): (f64, f64)| ((low * 1000.0).round(), (high * 1000.0).round());
        // Newcombe 1998: 81 of 263 gives 0.2553 to 0.3662.
        assert_eq!(rounded(wilson(81, 263)), (255.0, 366.0));
        assert_eq!((wilson(0, 5).0, wilson(5, 5).1), (0.0, 1.0));
    }

    #[test]
    fn a_delay_is_one_that_occurred() {
        let found = Found { delays_ms: vec![5, 1, 3, 2, 4], ..Found::default() };
        assert_eq!((delay(&found, 0.5), delay(&found, 0.9), delay(&Found::default(), 0.5)), (Some(3), Some(5), None));
    }
}
