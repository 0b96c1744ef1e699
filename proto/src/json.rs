//! The JSON wire form: the same fields under the same names as the protobuf messages. `null` is absent; NaN is written
//! as `null` and nothing else is. A field that we do not know is refused by name, because a misspelt one that is
//! ignored would change what a reading means.

mod field;
mod read;
mod write;

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;

pub use read::{Document, Header, batch_from_json, reading_from_json, split, verdict_from_json};
pub use write::{batch_to_json, reading_to_json, verdict_to_json};

use painwatch_domain::{BatchVerdict, ReceivedAt};

use crate::ingest::v1 as pb;
use crate::record;

/// Why a text is not the JSON we speak. No variant carries a value out of the payload, only names and places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("not JSON: {reason}, line {line} column {column}")]
    Syntax { reason: String, line: usize, column: usize },
    #[error("{what} must be {expected}")]
    WrongType { what: String, expected: &'static str },
    #[error("unknown field {name:?}{}", hint(*nearest))]
    UnknownField { name: String, nearest: Option<&'static str> },
    #[error("field {0:?} is given twice")]
    DuplicateField(String),
    #[error("{0}")]
    Contradiction(&'static str),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |word| format!(", the nearest known one is {word:?}"))
}

/// The word that takes the fewest edits from what was written, if it is near enough to have been meant.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = 1 + written.chars().count().min(24) / 4;
    let scored = known.into_iter().map(|word| (edits(written, word), word));
    scored.min_by_key(|(edits, _)| *edits).filter(|(edits, _)| *edits <= allowed).map(|(_, word)| word)
}

/// Levenshtein distance over the first 64 characters.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// Text from outside, fit to be shown: at most 32 characters, and none that is not printable ASCII.
pub fn shown(text: &str) -> String {
    let printable = |letter: char| if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' };
    let mut short: String = text.chars().take(32).map(printable).collect();
    if text.chars().nth(32).is_some() {
        short.push_str("...");
    }
    short
}

/// The verdict as gateways read it, in both forms. `is_final` false: durable, but not yet judged by intake.
pub fn verdict_message(verdict: &BatchVerdict, server_time: ReceivedAt, is_final: bool) -> pb::BatchVerdict {
    let problem = |problem| {
        let journal = record::encode_problem(problem);
        pb::Problem {
            index: journal.index,
            sample: journal.sample,
            result: journal.result,
            code: journal.code,
            detail: journal.detail,
            quarantine_id: journal.quarantine_id,
        }
    };
    pb::BatchVerdict {
        batch_id: verdict.batch_id.clone(),
        server_time: server_time.to_string(),
        r#final: is_final,
        stored: verdict.stored,
        duplicate: verdict.duplicate,
        conflict: verdict.conflict,
        quarantined: verdict.quarantined,
        problems: verdict.problems.iter().map(problem).collect(),
        offset: verdict.cause.0,
    }
}
