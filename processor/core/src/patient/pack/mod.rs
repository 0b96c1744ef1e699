//! The bytes of a patient's past: in memory while nobody works on it, and in snapshots.
//!
//! ```text
//! format 3 | CRC-32C of the rest, 4 bytes | days | told | opioids | missed | folded hours | reports
//! ```
//!
//! Values lie metric by metric, because a metric's values resemble each other from day to day: what equals the day before
//! costs next to nothing, a number its difference. Everything is read back bit for bit.

mod columns;
mod days;
mod doses;
mod hours;
pub mod old;
mod told;

use std::collections::HashMap;

use super::past::Past;
use super::state::{FORMAT, SnapshotError};
use crate::intake::codec::{BlockError, Reader, Writer};

type Result<T> = std::result::Result<T, BlockError>;

/// Format byte and checksum.
const HEAD: usize = 5;

/// A past, packed. Nothing at all is one in which nothing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed(Box<[u8]>);

impl Packed {
    pub fn of(past: &Past) -> Self {
        let (body, _) = write(past);
        let head = [&[FORMAT][..], &crc32c::crc32c(&body).to_le_bytes()].concat();
        Self([head, body].concat().into_boxed_slice())
    }

    /// Takes bytes as they are, once they are known to be what was written.
    pub fn parse(bytes: Vec<u8>) -> std::result::Result<Self, SnapshotError> {
        let packed = Self(bytes.into_boxed_slice());
        let Some((head, body)) = packed.0.split_at_checked(HEAD) else { return Err(damaged("it ends early")) };
        let intact = head[0] == FORMAT && head[1..] == crc32c::crc32c(body).to_le_bytes();
        if intact { Ok(packed) } else { Err(damaged("its checksum differs")) }
    }

    pub fn unpack(&self) -> std::result::Result<Past, SnapshotError> {
        let Some(body) = self.0.get(HEAD..) else { return Ok(Past::default()) };
        read(body).map_err(|error| damaged(&error.to_string()))
    }

    pub fn into_bytes(self) -> Vec<u8> {
        if self.0.is_empty() { Self::of(&Past::default()).0.into_vec() } else { self.0.into_vec() }
    }
}

/// The parts of a past in the order in which they are written, and the bytes that each takes.
pub type Sizes = [(&'static str, usize); 6];

pub fn sizes(past: &Past) -> Sizes {
    write(past).1
}

fn write(past: &Past) -> (Vec<u8>, Sizes) {
    type Write = fn(&mut Out, &Past);
    let parts: [(&'static str, Write); 6] = [
        ("days", |out, past| days::write(out, &past.days)),
        ("told", |out, past| told::write(out, &past.told, &past.days)),
        ("opioids", |out, past| doses::write_opioids(out, &past.opioids)),
        ("missed", |out, past| doses::write_missed(out, &past.missed)),
        ("folded", |out, past| hours::write(out, &past.folded)),
        // Writing to memory cannot fail, and reports hold nothing the format cannot express.
        ("reports", |out, past| out.bytes.bytes(&postcard::to_stdvec(&past.reports).unwrap_or_default())),
    ];
    let mut out = Out::default();
    let sizes = parts.map(|(name, write)| {
        let before = out.bytes.0.len();
        write(&mut out, past);
        (name, out.bytes.0.len() - before)
    });
    (out.bytes.0, sizes)
}

fn damaged(why: &str) -> SnapshotError {
    SnapshotError::Damaged(why.to_owned())
}

fn read(body: &[u8]) -> Result<Past> {
    let mut from = In { bytes: Reader(body), texts: Vec::new(), ids: Vec::new() };
    let days = days::read(&mut from)?;
    let told = told::read(&mut from, &days)?;
    let (opioids, missed) = (doses::read_opioids(&mut from)?, doses::read_missed(&mut from)?);
    let folded = hours::read(&mut from)?;
    let reports = from.bytes.bytes()?;
    let reports = postcard::from_bytes(reports).map_err(|_| BlockError::Damaged("reports cannot be read"))?;
    if !from.bytes.0.is_empty() {
        return Err(BlockError::Damaged("something follows its end"));
    }
    Ok(Past { days, told, reports, opioids, missed, folded })
}

/// Bytes so far. Texts and ids are written where they first occur; later they are a number.
#[derive(Default)]
struct Out {
    bytes: Writer,
    texts: HashMap<String, u64>,
    ids: HashMap<[u8; 16], u64>,
}

impl Out {
    fn text(&mut self, text: &str) {
        let next = self.texts.len() as u64;
        if let Some(known) = self.texts.get(text) {
            return self.bytes.unsigned(*known);
        }
        self.texts.insert(text.to_owned(), next);
        self.bytes.unsigned(next);
        self.bytes.text(text);
    }

    fn id(&mut self, id: [u8; 16]) {
        let next = self.ids.len() as u64;
        let known = *self.ids.entry(id).or_insert(next);
        self.bytes.unsigned(known);
        if known == next {
            self.bytes.0.extend_from_slice(&id);
        }
    }
}

struct In<'a> {
    bytes: Reader<'a>,
    texts: Vec<&'a str>,
    ids: Vec<[u8; 16]>,
}

impl<'a> In<'a> {
    fn text(&mut self) -> Result<&'a str> {
        let number = self.bytes.unsigned()?;
        if number == self.texts.len() as u64 {
            let text = self.bytes.text()?;
            self.texts.push(text);
            return Ok(text);
        }
        let known = usize::try_from(number).ok().and_then(|number| self.texts.get(number));
        known.copied().ok_or(BlockError::Damaged("a text is missing"))
    }

    fn id(&mut self) -> Result<[u8; 16]> {
        let number = self.bytes.unsigned()?;
        if number == self.ids.len() as u64 {
            let id = self.bytes.array()?;
            self.ids.push(id);
            return Ok(id);
        }
        let known = usize::try_from(number).ok().and_then(|number| self.ids.get(number));
        known.copied().ok_or(BlockError::Damaged("an id is missing"))
    }
}

#[cfg(test)]
mod tests;
