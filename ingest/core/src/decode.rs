//! Payload bytes to entries. Sizes are checked before anything is built from them.

use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};
use painwatch_proto::json::{self, Document, Header};
use prost::Message as _;

use crate::envelope::{Limits, Refused};
use crate::formats::Language;

/// Longest `batch_id` in bytes: a path of two ids fits.
const BATCH_ID_MAX: usize = 128;

/// Why a payload as a whole goes no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nothing is kept.
    Refused(Refused),
    /// It counts as one reading and is quarantined `decode_failed`.
    Undecodable(String),
}

impl Stop {
    pub(crate) fn undecodable(detail: impl Into<String>) -> Self {
        Self::Undecodable(detail.into())
    }
}

/// One entry, not yet looked into.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Json(&'a str),
    Message(&'a Reading),
    /// In another language than ours.
    Foreign(&'a str, Language<'a>),
    /// One of several readings that an entry in another language was translated into.
    Translated(&'a Reading),
}

pub(crate) fn json<'a>(payload: &'a [u8], limits: &Limits) -> Result<Document<'a>, Stop> {
    split(payload, limits.max_depth, limits)
}

/// As [`json`], for payloads that nest deeper than ours.
pub(crate) fn foreign<'a>(payload: &'a [u8], limits: &Limits) -> Result<Document<'a>, Stop> {
    split(payload, limits.max_foreign_depth, limits)
}

fn split<'a>(payload: &'a [u8], max_depth: usize, limits: &Limits) -> Result<Document<'a>, Stop> {
    let text = std::str::from_utf8(payload).map_err(|_| Stop::undecodable("not UTF-8"))?;
    let depth = depth(payload);
    if depth > max_depth {
        return Err(Stop::undecodable(format!("nested {depth} deep, at most {max_depth}")));
    }
    let document = json::split(text).map_err(|error| Stop::undecodable(error.to_string()))?;
    check_entries(document.entries.len(), limits).map_err(Stop::Refused)?;
    check_header(&document.header)?;
    Ok(document)
}

pub(crate) fn protobuf(payload: &[u8], limits: &Limits) -> Result<ReadingBatch, Stop> {
    if payload.is_empty() {
        return Err(Stop::undecodable("empty payload"));
    }
    let outline = Outline::of(payload).ok_or_else(|| Stop::undecodable("not a ReadingBatch"))?;
    check_entries(outline.entries, limits).map_err(Stop::Refused)?;
    if outline.entries == 0 && outline.unknown > 0 {
        return Err(Stop::undecodable("no readings, and fields that a ReadingBatch does not have"));
    }
    ReadingBatch::decode(payload).map_err(|_| Stop::undecodable("not a ReadingBatch"))
}

/// The header of a message, which the protobuf decoder does not check.
pub(crate) fn header(batch: &ReadingBatch) -> Result<Header, Stop> {
    let header = Header {
        gateway: batch.gateway.clone(),
        batch_id: batch.batch_id.clone(),
        sent_at: batch.sent_at.clone(),
        mode: Mode::try_from(batch.mode).map_err(|_| Stop::undecodable("unknown mode"))?,
    };
    check_header(&header)?;
    Ok(header)
}

fn check_header(header: &Header) -> Result<(), Stop> {
    if header.batch_id.len() > BATCH_ID_MAX {
        return Err(Stop::undecodable(format!("batch_id is longer than {BATCH_ID_MAX} bytes")));
    }
    if header.batch_id.chars().any(char::is_control) {
        return Err(Stop::undecodable("batch_id holds a control character"));
    }
    Ok(())
}

pub(crate) fn check_entries(actual: usize, limits: &Limits) -> Result<(), Refused> {
    if actual > limits.max_readings {
        return Err(Refused::TooLarge { what: "readings", limit: limits.max_readings, actual });
    }
    Ok(())
}

/// Deepest nesting of brackets outside of texts.
fn depth(payload: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in payload {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Entries of an encoded [`ReadingBatch`], told without building any; `None` where the bytes are none.
///
/// # Errors
/// More than the limit.
pub fn count_readings(payload: &[u8], limits: &Limits) -> Result<Option<usize>, Refused> {
    let Some(outline) = Outline::of(payload) else { return Ok(None) };
    check_entries(outline.entries, limits)?;
    Ok(Some(outline.entries))
}

/// The outer fields of a protobuf payload, counted without decoding: an empty entry is two bytes on the wire and
/// hundreds in memory.
struct Outline {
    entries: usize,
    unknown: usize,
}

impl Outline {
    fn of(mut rest: &[u8]) -> Option<Self> {
        let mut outline = Self { entries: 0, unknown: 0 };
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            match key >> 3 {
                0 => return None,
                1..=4 => {}
                5 => outline.entries += 1,
                _ => outline.unknown += 1,
            }
            let length = match key & 7 {
                0 => varint(&mut rest).map(|_| 0)?,
                1 => 8,
                2 => usize::try_from(varint(&mut rest)?).ok()?,
                5 => 4,
                _ => return None,
            };
            rest = rest.get(length..)?;
        }
        Some(outline)
    }
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for place in 0..10 {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
