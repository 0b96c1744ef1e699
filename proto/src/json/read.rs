//! Text to messages. A batch is first split into the texts of its entries, so that one that is wrong leaves the others
//! untouched and its own bytes can be kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::JsonError;
use super::field::{Field, Object};
use crate::ingest::v1::{BatchVerdict, Mode, Problem, Reading, ReadingBatch};

/// Twice the fields that any of our messages has; keeps the search for doubled ones short.
const MEMBERS_MAX: usize = 64;

/// What a batch says about itself, and the texts of its entries.
#[derive(Debug)]
pub struct Document<'a> {
    pub header: Header,
    pub entries: Vec<&'a str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub gateway: String,
    pub batch_id: String,
    pub sent_at: String,
    pub mode: Mode,
}

/// Splits a payload: a batch, one reading or an array of readings. Checks the grammar of all of it, the fields of none.
///
/// # Errors
/// [`JsonError`] when the text is not JSON, or its outer object is neither batch nor reading.
pub fn split(text: &str) -> Result<Document<'_>, JsonError> {
    match text.trim_ascii_start().as_bytes().first() {
        Some(b'[') => Ok(Document { header: Header::default(), entries: entries(text)? }),
        Some(b'{') => {
            let members = members(text, "a payload")?;
            if members.get("readings").is_some() { batch(&members) } else { alone(text) }
        }
        _ => {
            parse::<&RawValue>(text)?;
            Err(wrong("a payload", "a batch, a reading or an array of readings"))
        }
    }
}

fn alone(text: &str) -> Result<Document<'_>, JsonError> {
    Ok(Document { header: Header::default(), entries: vec![text.trim_ascii()] })
}

fn batch<'a>(members: &Members<'a>) -> Result<Document<'a>, JsonError> {
    const NAMES: [&str; 5] = ["gateway", "batch_id", "sent_at", "mode", "readings"];
    let mut document = Document { header: Header::default(), entries: Vec::new() };
    for (name, value) in members.iter().filter(|(name, value)| *value != "null" || *name == "readings") {
        let header = &mut document.header;
        match name {
            "gateway" => header.gateway = text_field(name, value)?,
            "batch_id" => header.batch_id = text_field(name, value)?,
            "sent_at" => header.sent_at = text_field(name, value)?,
            "mode" => header.mode = mode(&text_field(name, value)?)?,
            "readings" => document.entries = entries(value)?,
            _ => {
                let nearest = super::nearest(name, NAMES);
                return Err(JsonError::UnknownField { name: super::shown(name), nearest });
            }
        }
    }
    Ok(document)
}

fn text_field(name: &str, value: &str) -> Result<String, JsonError> {
    String::read(value).ok_or_else(|| wrong(name, String::EXPECTED))
}

fn mode(word: &str) -> Result<Mode, JsonError> {
    match word {
        "" | "live" => Ok(Mode::Live),
        "historical" => Ok(Mode::Historical),
        _ => Err(wrong("mode", "\"live\" or \"historical\"")),
    }
}

fn entries(text: &str) -> Result<Vec<&str>, JsonError> {
    if !text.trim_ascii_start().starts_with('[') {
        return Err(wrong("readings", "an array"));
    }
    let entries: Vec<&RawValue> = parse(text)?;
    Ok(entries.into_iter().map(RawValue::get).collect())
}

/// One entry of a batch.
///
/// # Errors
/// [`JsonError`] when it is no object, or a field is unknown, doubled or of another type.
pub fn reading_from_json(text: &str) -> Result<Reading, JsonError> {
    let members = members(text, "a reading")?;
    let reading: Reading = object(&members)?;
    let spaced = reading.period_ms.is_some() || members.get("offsets_ms").is_some_and(|value| value != "null");
    match (members.get("values").is_some_and(|value| value != "null"), spaced) {
        (true, false) => Err(JsonError::Contradiction("values needs period_ms or offsets_ms beside it")),
        (false, true) => Err(JsonError::Contradiction("period_ms and offsets_ms belong beside values")),
        _ => Ok(reading),
    }
}

/// A whole payload at once, for those who wrote it themselves.
///
/// # Errors
/// [`JsonError`] of the first thing that is wrong.
pub fn batch_from_json(text: &str) -> Result<ReadingBatch, JsonError> {
    let Document { header, entries } = split(text)?;
    Ok(ReadingBatch {
        gateway: header.gateway,
        batch_id: header.batch_id,
        sent_at: header.sent_at,
        mode: header.mode.into(),
        readings: entries.into_iter().map(reading_from_json).collect::<Result<_, _>>()?,
    })
}

/// A verdict, as a gateway reads it.
///
/// # Errors
/// [`JsonError`] when the text is no verdict.
pub fn verdict_from_json(text: &str) -> Result<BatchVerdict, JsonError> {
    const NAMES: [&str; 8] =
        ["batch_id", "server_time", "final", "stored", "duplicate", "conflict", "quarantined", "problems"];
    let mut verdict = BatchVerdict::default();
    for (name, value) in members(text, "a verdict")?.iter() {
        let count = || u64::read(value).ok_or_else(|| wrong(name, u64::EXPECTED));
        match name {
            "batch_id" => verdict.batch_id = text_field(name, value)?,
            "server_time" => verdict.server_time = text_field(name, value)?,
            "final" => verdict.r#final = value == "true",
            "stored" => verdict.stored = count()?,
            "duplicate" => verdict.duplicate = count()?,
            "conflict" => verdict.conflict = count()?,
            "quarantined" => verdict.quarantined = count()?,
            "problems" => verdict.problems = entries(value)?.into_iter().map(problem).collect::<Result<_, _>>()?,
            _ => {
                let nearest = super::nearest(name, NAMES);
                return Err(JsonError::UnknownField { name: super::shown(name), nearest });
            }
        }
    }
    Ok(verdict)
}

fn problem(text: &str) -> Result<Problem, JsonError> {
    object(&members(text, "a problem")?)
}

fn object<T: Object>(members: &Members<'_>) -> Result<T, JsonError> {
    let mut message = T::default();
    for (name, value) in members.iter() {
        message.set(name, value)?;
    }
    Ok(message)
}

pub(super) fn members<'a>(text: &'a str, what: &str) -> Result<Members<'a>, JsonError> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(wrong(what, "an object"));
    }
    let members: Members<'a> = parse(text)?;
    if members.0.len() > MEMBERS_MAX {
        return Err(JsonError::Contradiction("an object has at most 64 fields"));
    }
    for (nth, (name, _)) in members.0.iter().enumerate() {
        if members.0[..nth].iter().any(|(other, _)| other == name) {
            return Err(JsonError::DuplicateField(super::shown(name)));
        }
    }
    Ok(members)
}

fn wrong(what: &str, expected: &'static str) -> JsonError {
    JsonError::WrongType { what: what.to_owned(), expected }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::Syntax {
        reason: reason(&error).to_owned(),
        line: error.line(),
        column: error.column(),
    })
}

/// Of our own making, because the parser's text may quote the payload.
fn reason(error: &serde_json::Error) -> &'static str {
    if error.is_eof() { "it ends too early" } else { "unexpected character or nesting" }
}

/// The members of an object in the order they came, values as text.
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(Members(members))
            }
        }

        source.deserialize_map(Collect)
    }
}

/// A member's name, borrowed unless it holds an escape.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }

        source.deserialize_str(Text)
    }
}
