//! Xiaomi Mi Scales, which tell everybody in their advertisements: service data of 181D (first model) and 181B (second).
//! Taken bare, in their advertising structures, or as the whole HCI report they came in.

use painwatch_proto::ingest::v1::Reading;

use super::super::value_missing;
use super::bytes::Bytes;
use super::clock::{self, Stamp, place};
use super::weight::weight;
use super::{Frame, doubt};
use crate::reading::Refusal;

const FIRST: (u16, usize) = (0x181d, 10);
const SECOND: (u16, usize) = (0x181b, 13);
/// Advertising structure: service data of a 16-bit UUID.
const SERVICE_DATA: u8 = 0x16;
/// HCI: an event packet, and in it the LE meta event.
const HCI_LE_META: [u8; 2] = [0x04, 0x3e];
const REPORT: u8 = 0x02;
const EXTENDED_REPORT: u8 = 0x0d;
/// From the start of the packet to the length of the data, for a packet of one report.
const REPORT_HEAD: usize = 13;
const EXTENDED_REPORT_HEAD: usize = 28;

/// Scales whose clock was never set count from the start of 1970.
const UNSET_YEARS_BEFORE: &str = "2000";

/// Hundredths of a pound; else steps of 5 g. A scale that shows jin (half a kilogram) counts its hundredths, which are 5 g.
const POUNDS: u8 = 1;
const STABLE: u8 = 1 << 5;
const REMOVED: u8 = 1 << 7;

struct Weighing {
    raw: u16,
    pounds: bool,
    stable: bool,
    removed: bool,
    stamp: Stamp,
}

pub(super) fn first_scale(value: &[u8], frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let mut bytes = Bytes::new(service_data(value, FIRST)?);
    let control = bytes.u8("control")?;
    let raw = bytes.u16("weight")?;
    let stamp = clock::stamp(&mut bytes)?;
    let pounds = control & POUNDS != 0;
    let weighing = Weighing { raw, pounds, stable: control & STABLE != 0, removed: control & REMOVED != 0, stamp };
    reading(weighing, "181d", frame)
}

pub(super) fn second_scale(value: &[u8], frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let mut bytes = Bytes::new(service_data(value, SECOND)?);
    let [units, control] = bytes.take("control")?;
    let stamp = clock::stamp(&mut bytes)?;
    bytes.u16("impedance")?;
    let raw = bytes.u16("weight")?;
    let pounds = units & POUNDS != 0;
    let weighing = Weighing { raw, pounds, stable: control & STABLE != 0, removed: control & REMOVED != 0, stamp };
    reading(weighing, "181b", frame)
}

/// One weighing is advertised many times: by its stamp, or by an id where the stamp is no time, it is one reading.
fn reading(weighing: Weighing, service: &str, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let Weighing { raw, pounds, stable, removed, stamp } = weighing;
    if !stable {
        return Err(value_missing("the scale has not settled: send the advertisement whose stabilised flag is set"));
    }
    let reading = weight(raw, pounds, frame);
    match &stamp {
        Stamp::Civil(civil) if civil.as_str() < UNSET_YEARS_BEFORE => {
            let mut reading = Reading { id: format!("{service}@{civil}@{raw}"), ..reading };
            // It may be left over from a weighing before this one.
            if removed {
                doubt(&mut reading, "may_be_stale");
            }
            place(reading, None, frame)
        }
        _ => place(reading, Some(&stamp), frame),
    }
    .map(|reading| vec![reading])
}

/// The service data of `uuid`, wherever it is wrapped.
fn service_data(value: &[u8], (uuid, length): (u16, usize)) -> Result<&[u8], Refusal> {
    if value.len() == length {
        return Ok(value);
    }
    let structures = if value.starts_with(&HCI_LE_META) { report(value)? } else { value };
    let wanted = uuid.to_le_bytes();
    let data = structures_of(structures).find_map(|(kind, data)| match data {
        [low, high, rest @ ..] if kind == SERVICE_DATA && [*low, *high] == wanted => Some(rest),
        _ => None,
    });
    let data =
        data.ok_or_else(|| Refusal::unreadable(format!("no service data of {uuid:04x} in the advertisement")))?;
    if data.len() != length {
        let detail = format!("the service data of {uuid:04x} has {} bytes, expected {length}", data.len());
        return Err(Refusal::unreadable(detail));
    }
    Ok(data)
}

/// The advertising data of an HCI packet that holds one report.
fn report(packet: &[u8]) -> Result<&[u8], Refusal> {
    let head = match (packet.get(3), packet.get(4)) {
        (Some(&REPORT), Some(1)) => REPORT_HEAD,
        (Some(&EXTENDED_REPORT), Some(1)) => EXTENDED_REPORT_HEAD,
        _ => return Err(Refusal::unreadable("not an HCI packet of one advertising report")),
    };
    let length = packet.get(head).copied().map(usize::from);
    let data = length.and_then(|length| packet.get(head + 1..head + 1 + length));
    data.ok_or_else(|| Refusal::unreadable("the HCI packet ends before its advertising data"))
}

/// Type and content of each advertising structure.
fn structures_of(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first()?;
        let (structure, tail) = tail.split_at_checked(usize::from(*length))?;
        rest = tail;
        structure.split_first().map(|(kind, data)| (*kind, data))
    })
}
