//! Temperature Measurement, 2A1C.

use painwatch_proto::ingest::v1::Reading;

use super::super::value_missing;
use super::bytes::Bytes;
use super::clock::{self, place};
use super::{Frame, doubt};
use crate::reading::Refusal;

const FAHRENHEIT: u8 = 1;
const STAMPED: u8 = 1 << 1;
const TYPED: u8 = 1 << 2;
/// Temperature Type, counted from 1.
const SITES: [&str; 9] =
    ["armpit", "body", "ear", "finger", "gastrointestinal_tract", "mouth", "rectum", "toe", "tympanum"];
/// Where the skin is colder than the body: a fever is not seen there.
const PERIPHERAL: [&str; 2] = ["finger", "toe"];

pub(super) fn measurement(bytes: &mut Bytes<'_>, frame: &Frame) -> Result<Vec<Reading>, Refusal> {
    let flags = bytes.u8("flags")?;
    let temperature = bytes.float("temperature")?;
    let stamp = bytes.when(flags & STAMPED != 0, clock::stamp)?;
    let site = bytes.when(flags & TYPED != 0, |bytes| bytes.u8("type"))?;
    if temperature.is_nan() {
        return Err(value_missing("the thermometer found no temperature"));
    }
    let unit = if flags & FAHRENHEIT == 0 { "Cel" } else { "[degF]" };
    let mut reading = frame.number("body_temperature", temperature, unit);
    if let Some(site) = site.and_then(|site| SITES.get(usize::from(site).checked_sub(1)?)) {
        reading.body_site = (*site).to_owned();
        if PERIPHERAL.contains(site) {
            doubt(&mut reading, "peripheral");
        }
    }
    place(reading, stamp.as_ref(), frame).map(|reading| vec![reading])
}
