//! What makes a rule more urgent.

use painwatch_domain::Priority;
use painwatch_domain::roster::PatientEvent;

use super::ingredients::classes;
use super::nearest::nearest;
use super::parse::PRIORITIES;
use super::reader::{Reader, Table, Value};
use super::words::parse_duration;
use super::{Circumstance, PriorityWhen};

const CIRCUMSTANCES: [&str; 4] = ["exposure", "condition", "started", "event"];

pub fn read_priority_when(reader: &mut Reader<'_>, table: Table<'_>) -> Option<Vec<PriorityWhen>> {
    let Some(value) = table.get("priority_when") else { return Some(Vec::new()) };
    let Some(items) = value.get_ref().as_array() else {
        reader.wrong_type(value, "priority_when", "a list such as [{ exposure = \"opioid\", priority = \"high\" }]");
        return None;
    };
    let read: Vec<_> = items.iter().map(|item| read_raise(reader, item)).collect();
    read.into_iter().collect()
}

fn read_raise(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<PriorityWhen> {
    let fields = reader.table(value, "priority_when")?;
    reader.only(fields, &["exposure", "condition", "started", "event", "within", "priority"]);
    let priority = reader.required(fields, "priority");
    let priority = reader.word(priority, "priority", PRIORITIES, Priority::parse)?;
    let mut named = CIRCUMSTANCES.into_iter().filter(|name| fields.get(name).is_some());
    let (Some(name), None) = (named.next(), named.next()) else {
        let message = format!("`priority_when` needs one of: {}", CIRCUMSTANCES.join(" "));
        reader.error(fields.at, message, None);
        return None;
    };
    if let (false, Some(within)) = (matches!(name, "started" | "event"), fields.get("within")) {
        reader.error(within.span().start, "`within` belongs to `started` or `event`", None);
        return None;
    }
    let when = match name {
        "exposure" => read_exposure(reader, fields)?,
        "condition" => read_condition(reader, fields)?,
        "started" => {
            let known: Vec<&str> = classes().into_iter().collect();
            let (class, within_ms) = read_since(reader, fields, name, &known)?;
            Circumstance::Started { class, within_ms }
        }
        _ => {
            let (kind, within_ms) = read_since(reader, fields, name, &PatientEvent::KINDS)?;
            Circumstance::Event { kind, within_ms }
        }
    };
    Some(PriorityWhen { when, priority })
}

fn read_exposure(reader: &mut Reader<'_>, fields: Table<'_>) -> Option<Circumstance> {
    let (class, at) = reader.string(fields, "exposure")?;
    if class != "opioid" {
        let message = format!("not supported yet by this version: exposure `{class}`");
        reader.error(at, message, Some("opioid".into()));
        return None;
    }
    Some(Circumstance::Exposure(class.to_owned()))
}

fn read_condition(reader: &mut Reader<'_>, fields: Table<'_>) -> Option<Circumstance> {
    let mut conditions = reader.texts(fields.get("condition")?, "condition")?;
    conditions.sort();
    conditions.dedup();
    Some(Circumstance::Condition(conditions))
}

/// A known word, and how long after it the circumstance lasts.
fn read_since(reader: &mut Reader<'_>, fields: Table<'_>, key: &str, known: &[&str]) -> Option<(String, i64)> {
    let (word, at) = reader.string(fields, key)?;
    if !known.contains(&word) {
        let near = nearest(word, known.iter().copied()).map(str::to_owned);
        reader.error(at, format!("unknown {key} `{word}`, expected one of: {}", known.join(" ")), near);
        return None;
    }
    if fields.get("within").is_none() {
        reader.error(fields.at, format!("`{key}` needs `within`, such as \"14d\""), None);
        return None;
    }
    let within_ms = reader.parsed(fields, "within", "14d", |text| parse_duration(text).filter(|ms| *ms > 0))?;
    Some((word.to_owned(), within_ms))
}
