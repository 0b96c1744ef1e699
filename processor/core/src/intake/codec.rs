//! Bytes of a persisted block: LEB128 varints, zigzag for signed numbers, length-prefixed texts.

use std::collections::HashMap;
use std::sync::Arc;

use painwatch_domain::reading::{Dose, DoseEvent};
use painwatch_domain::{EventTime, MedicationId, Meta, Status, Value};

/// Why bytes are not a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    #[error("block format {0} is not known to this version")]
    Format(u8),
    #[error("block is damaged: {0}")]
    Damaged(&'static str),
}

pub(super) type Result<T> = std::result::Result<T, BlockError>;

pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[derive(Default)]
pub(crate) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub fn signed(&mut self, value: i64) {
        self.unsigned(zigzag(value));
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.unsigned(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn optional(&mut self, value: Option<i64>) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            self.signed(value);
        }
    }

    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Number(number) => {
                self.byte(0);
                self.signed(*number);
            }
            Value::Pressure { systolic, diastolic } => {
                self.byte(1);
                self.signed(*systolic);
                self.signed(*diastolic);
            }
            Value::Code(code) => {
                self.byte(2);
                self.text(code);
            }
            Value::Dose { amount, unit } => {
                self.byte(3);
                self.optional(*amount);
                self.text(unit);
            }
        }
    }

    /// The circumstances a block keeps; see [`essentials`].
    pub fn meta(&mut self, meta: &Meta) {
        let texts = texts(meta);
        let present = texts.iter().enumerate().fold(0, |bits, (bit, text)| bits | u64::from(text.is_some()) << bit);
        self.unsigned(present);
        texts.into_iter().flatten().for_each(|text| self.text(text));
        self.byte(match meta.prompted {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        });
        self.byte(u8::from(meta.dose.is_some()));
        if let Some(dose) = &meta.dose {
            self.text(dose.medication.as_str());
            self.text(dose.event.as_str());
            self.optional(dose.scheduled_for.map(EventTime::ms));
        }
    }
}

fn texts(meta: &Meta) -> [Option<&str>; 7] {
    [&meta.body_site, &meta.laterality, &meta.modality, &meta.recall, &meta.instrument, &meta.algorithm, &meta.posture]
        .map(Option::as_deref)
}

/// The circumstances that are needed again when a patient's days are folded again. What belongs to one version (status,
/// revision, id) is kept beside it; what only the row shows (sequence number, assumed zone) is not kept.
pub(super) fn essentials(meta: &Meta) -> Meta {
    let status = Status::Final;
    Meta { status, revision: 0, id: None, boot_id: None, seq: None, zone: None, ..meta.clone() }
}

pub(super) fn status_code(status: Status) -> u8 {
    match status {
        Status::Final => 0,
        Status::Corrected => 1,
        Status::EnteredInError => 2,
    }
}

/// Distinct circumstances of a block, numbered in order of first use.
#[derive(Default)]
pub(super) struct Dictionary<'a> {
    pub metas: Vec<&'a Meta>,
    numbers: HashMap<&'a Meta, u64>,
}

impl<'a> Dictionary<'a> {
    pub fn number(&mut self, meta: &'a Meta) -> u64 {
        let next = self.metas.len() as u64;
        *self.numbers.entry(meta).or_insert_with(|| {
            self.metas.push(meta);
            next
        })
    }
}

pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn byte(&mut self) -> Result<u8> {
        let (&first, rest) = self.0.split_first().ok_or(BlockError::Damaged("it ends early"))?;
        self.0 = rest;
        Ok(first)
    }

    pub fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(BlockError::Damaged("a number has too many bytes"))
    }

    pub fn signed(&mut self) -> Result<i64> {
        self.unsigned().map(unzigzag)
    }

    /// A count of things that take at least one byte each, so that damage cannot reserve memory.
    pub fn count(&mut self) -> Result<usize> {
        let count = self.unsigned()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.0.len() => Ok(count),
            _ => Err(BlockError::Damaged("a count exceeds what is there")),
        }
    }

    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(bytes)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(BlockError::Damaged("it ends early"))?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| BlockError::Damaged("a text is not UTF-8"))
    }

    /// `from` moved by a signed difference.
    pub fn moved(&mut self, from: i32) -> Result<i32> {
        let to = i64::from(from).wrapping_add(self.signed()?);
        i32::try_from(to).map_err(|_| BlockError::Damaged("a number is out of range"))
    }

    pub fn optional(&mut self) -> Result<Option<i64>> {
        if self.flag()? { self.signed().map(Some) } else { Ok(None) }
    }

    pub fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(BlockError::Damaged("a flag is neither 0 nor 1")),
        }
    }

    pub fn status(&mut self) -> Result<Status> {
        match self.byte()? {
            0 => Ok(Status::Final),
            1 => Ok(Status::Corrected),
            2 => Ok(Status::EnteredInError),
            _ => Err(BlockError::Damaged("a status is unknown")),
        }
    }

    pub fn value(&mut self) -> Result<Value> {
        Ok(match self.byte()? {
            0 => Value::Number(self.signed()?),
            1 => Value::Pressure { systolic: self.signed()?, diastolic: self.signed()? },
            2 => Value::Code(self.text()?.into()),
            3 => Value::Dose { amount: self.optional()?, unit: self.text()?.into() },
            _ => return Err(BlockError::Damaged("a value has an unknown shape")),
        })
    }

    pub fn meta(&mut self) -> Result<Meta> {
        let present = self.unsigned()?;
        let mut texts: [Option<Box<str>>; 7] = Default::default();
        for (bit, text) in texts.iter_mut().enumerate() {
            if present >> bit & 1 == 1 {
                *text = Some(self.text()?.into());
            }
        }
        let [body_site, laterality, modality, recall, instrument, algorithm, posture] = texts;
        let prompted = match self.byte()? {
            0 => None,
            1 => Some(false),
            2 => Some(true),
            _ => return Err(BlockError::Damaged("prompted is neither yes nor no")),
        };
        let dose = if self.flag()? { Some(self.dose()?) } else { None };
        let parts = Meta { body_site, laterality, modality, recall, instrument, algorithm, posture, ..Meta::default() };
        Ok(Meta { prompted, dose, ..parts })
    }

    fn dose(&mut self) -> Result<Dose> {
        let medication =
            MedicationId::parse(self.text()?).map_err(|_| BlockError::Damaged("a medication has no id"))?;
        let event = DoseEvent::parse(self.text()?).ok_or(BlockError::Damaged("a dose event is unknown"))?;
        Ok(Dose { medication, event, scheduled_for: self.optional()?.map(EventTime) })
    }

    pub fn metas(&mut self) -> Result<Vec<Arc<Meta>>> {
        (0..self.count()?).map(|_| self.meta().map(Arc::new)).collect()
    }

    /// One of `metas` by its number.
    pub fn about(&mut self, metas: &[Arc<Meta>]) -> Result<Arc<Meta>> {
        let number = self.unsigned()?;
        let meta = usize::try_from(number).ok().and_then(|number| metas.get(number));
        meta.cloned().ok_or(BlockError::Damaged("circumstances are missing"))
    }
}
