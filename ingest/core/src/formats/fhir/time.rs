//! `effective[x]` and the other times of a resource.

use painwatch_proto::ingest::v1::Reading;

use super::super::node::Node;
use super::super::time_missing;
use crate::reading::Refusal;

/// Places a reading at `effectiveDateTime`, `effectiveInstant` or over `effectivePeriod`.
pub(super) fn effective(node: &Node<'_>, reading: Reading) -> Result<Reading, Refusal> {
    let at = [node.text("effectiveDateTime")?, node.text("effectiveInstant")?];
    let period = node.get("effectivePeriod");
    let said = at.iter().filter(|text| !text.is_empty()).count() + usize::from(period.is_some());
    if said > 1 {
        return Err(Refusal::unreadable("give one of effectiveDateTime, effectiveInstant and effectivePeriod"));
    }
    if let Some(period) = period {
        let (start, end) = (period.text("start")?, period.text("end")?);
        if start.is_empty() {
            return Err(time_missing("effectivePeriod needs start"));
        }
        return Ok(Reading { time: whole(start)?.to_owned(), end_time: end.to_owned(), ..reading });
    }
    match at.into_iter().find(|text| !text.is_empty()) {
        Some(time) => Ok(Reading { time: whole(time)?.to_owned(), ..reading }),
        None => Err(time_missing("give effectiveDateTime, effectiveInstant or effectivePeriod; a Timing is not taken")),
    }
}

/// FHIR lets a date stop at the year or the month.
fn whole(text: &str) -> Result<&str, Refusal> {
    if text.len() < "2026-03-01".len() {
        return Err(time_missing("a time that stops at the year or the month cannot be placed: give the day at least"));
    }
    Ok(text)
}
