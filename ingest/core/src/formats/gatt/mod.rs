//! Raw Bluetooth: `{"device", "characteristic": "2a9d", "received_at", "hex"}`. Layouts are those of the Bluetooth SIG's
//! GATT Specification Supplement and, for the two Xiaomi scales, of their advertisements as people have recorded them.
//!
//! A stamp of the device has no zone: it is read in the entry's `zone` or the device's. A device without a stamp, or with
//! one that says "not known", measured when the gateway received it.

mod advert;
mod bytes;
mod clock;
mod composition;
mod heart;
mod oximeter;
mod pressure;
mod thermometer;
mod weight;

use painwatch_domain::Zone;
use painwatch_domain::time::parse_stamp;
use painwatch_proto::ingest::v1::Reading;
use painwatch_proto::json::{nearest, shown};

use super::node::Node;
use super::{Meaning, time_missing, unknown_measure};
use crate::reading::Refusal;
use bytes::Bytes;

/// Longest value of a characteristic in bytes (Bluetooth Core, ATT): also longer than any advertisement.
const VALUE_MAX: usize = 512;
const FIELDS: [&str; 7] = ["device", "characteristic", "received_at", "hex", "zone", "boot_id", "seq"];
/// What all 16-bit UUIDs of the SIG have behind them.
const SIG_BASE: &str = "-0000-1000-8000-00805f9b34fb";
const TAKEN: &str = "2a35 2a37 2a5e 2a5f 2a1c 2a9c 2a9d 2a19 181d 181b";

/// One notification, and what the gateway says about it.
pub(super) struct Frame {
    device: String,
    zone: String,
    received_at: Option<i64>,
    boot_id: Option<u32>,
    seq: Option<u64>,
}

impl Frame {
    /// A reading of this device, its time not yet said.
    fn reading(&self, measure: &str) -> Reading {
        Reading {
            device: self.device.clone(),
            measure: measure.to_owned(),
            zone: self.zone.clone(),
            modality: "sensed".to_owned(),
            boot_id: self.boot_id,
            seq: self.seq,
            ..Reading::default()
        }
    }

    /// As [`Self::reading`], with a number.
    fn number(&self, measure: &str, value: f64, unit: &str) -> Reading {
        Reading { value: Some(value), unit: unit.to_owned(), ..self.reading(measure) }
    }

    /// When the gateway received it, in UTC milliseconds.
    fn received_at(&self) -> Result<i64, Refusal> {
        self.received_at.ok_or_else(|| time_missing("the device gave no time: send received_at with an offset"))
    }
}

pub(super) fn translate(text: &str) -> Result<Meaning, Refusal> {
    let node = Node::object(text, "a GATT value")?;
    if let Some((name, _)) = node.members().find(|(name, _)| !FIELDS.contains(name)) {
        let hint =
            nearest(name, FIELDS).map_or_else(String::new, |word| format!(", the nearest known one is {word:?}"));
        return Err(Refusal::unreadable(format!("unknown field {:?}{hint}", shown(name))));
    }
    let frame = frame(&node)?;
    let value = hexadecimal(node.text("hex")?)?;
    readings(&uuid(node.text("characteristic")?)?, &value, &frame).map(Meaning::Readings)
}

fn frame(node: &Node<'_>) -> Result<Frame, Refusal> {
    let whole = |name: &str| -> Result<Option<u64>, Refusal> {
        let wrong = || Refusal::unreadable(format!("{name} must be an integer from 0"));
        let whole = |number: f64| number >= 0.0 && number.fract() == 0.0 && number < 9.0e15;
        node.number(name)?.map(|number| whole(number).then_some(number as u64).ok_or_else(wrong)).transpose()
    };
    let boot_id = whole("boot_id")?.map(u32::try_from).transpose();
    Ok(Frame {
        device: node.text("device")?.to_owned(),
        zone: node.text("zone")?.to_owned(),
        received_at: received_at(node.text("received_at")?)?,
        boot_id: boot_id.map_err(|_| Refusal::unreadable("boot_id is at most 4294967295"))?,
        seq: whole("seq")?,
    })
}

fn received_at(text: &str) -> Result<Option<i64>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    match parse_stamp(text, &Zone::utc()) {
        Ok(stamp) if !stamp.zone_assumed => Ok(Some(stamp.utc_ms)),
        _ => {
            Err(Refusal::unreadable("received_at is not an ISO 8601 time with an offset, such as 2026-03-01T12:00:05Z"))
        }
    }
}

/// `2a9d`, `0x2A9D` or the full UUID, as four hexadecimal digits.
fn uuid(text: &str) -> Result<String, Refusal> {
    let lower = text.trim().to_ascii_lowercase();
    let short = lower.strip_prefix("0x").unwrap_or(&lower);
    let short = short.strip_prefix("0000").and_then(|rest| rest.strip_suffix(SIG_BASE)).unwrap_or(short);
    if short.len() == 4 && short.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(short.to_owned());
    }
    Err(Refusal::unreadable(format!("characteristic {:?} is not a UUID such as 2a9d", shown(text))))
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, Refusal> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) || digits.len() > 2 * VALUE_MAX {
        let detail = format!("hex holds {} digits, expected two for each of 1 to {VALUE_MAX} bytes", digits.len());
        return Err(Refusal::unreadable(detail));
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let byte = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    let value: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    value.ok_or_else(|| Refusal::unreadable("hex holds something that is not a hexadecimal digit"))
}

fn readings(uuid: &str, value: &[u8], frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let mut bytes = Bytes::new(value);
    let mut readings = match uuid {
        "2a37" => heart::measurement(&mut bytes, frame)?,
        "2a35" => pressure::measurement(&mut bytes, frame)?,
        "2a5e" => oximeter::spot_check(&mut bytes, frame)?,
        "2a5f" => oximeter::continuous(&mut bytes, frame)?,
        "2a1c" => thermometer::measurement(&mut bytes, frame)?,
        "2a9d" => weight::measurement(&mut bytes, frame)?,
        "2a9c" => composition::measurement(&mut bytes, frame)?,
        "2a19" => battery(&mut bytes, frame)?,
        "181d" => advert::first_scale(value, frame)?,
        "181b" => advert::second_scale(value, frame)?,
        "2a36" | "2a1e" => return Err(unknown_measure(intermediate(uuid))),
        _ => {
            let detail = format!("characteristic {uuid} has no measure here; there are {TAKEN}");
            return Err(unknown_measure(detail));
        }
    };
    // More bytes than the flags announce: a layout that we know only in part.
    if matches!(uuid.as_bytes(), [b'2', ..]) && !bytes.is_empty() {
        readings.iter_mut().for_each(|reading| doubt(reading, "trailing_bytes"));
    }
    Ok(readings)
}

fn intermediate(uuid: &str) -> String {
    let (name, whole) = if uuid == "2a36" { ("cuff pressure", "2a35") } else { ("temperature", "2a1c") };
    format!("an intermediate {name} is no measurement: send {whole}")
}

/// Battery Level: one byte, percent.
fn battery(bytes: &mut Bytes<'_>, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let level = bytes.u8("battery level")?;
    let time_ms = Some(frame.received_at()?);
    Ok(vec![Reading { time_ms, ..frame.number("device_battery", f64::from(level), "%") }])
}

/// Adds a word of doubt to a reading.
fn doubt(reading: &mut Reading, word: &str) {
    if !reading.quality.is_empty() {
        reading.quality.push(',');
    }
    reading.quality.push_str(word);
}
