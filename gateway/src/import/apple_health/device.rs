//! Which device a sample is from. The export writes a source's name, and the device as a text with an address in memory
//! that is another one in every record: taken as it stands, one phone appears as dozens of sources (open-wearables #578).
//! What stays the same is the source's name, the maker, the model, the hardware and, for a paired device, its own
//! identifier. The software's version changes with each update and is left out.
//!
//! A source's name often holds the wearer's own ("Ann's iPhone"): it goes into a short hash, never into the id.

use std::collections::BTreeMap;

use super::xml::Element;
use crate::import::table::slug;

/// Longest part of an id that names the model, in bytes: the id as a whole has 64.
const MODEL_BYTES_MAX: usize = 16;
/// Sources of one export that are remembered for the report.
const SOURCES_MAX: usize = 1_000;

/// Words in a model or source that tell what kind of device it is.
const KINDS: [(&str, &[&str]); 5] = [
    ("watch", &["watch", "tracker", "band", "ring"]),
    ("phone", &["iphone", "phone"]),
    ("scale", &["scale", "body+", "body cardio", "body comp"]),
    ("cuff", &["bpm", "blood pressure", "omron", "cuff"]),
    ("tablet", &["ipad"]),
];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    pub kind: &'static str,
    pub name: String,
}

/// The devices met so far, by what identifies them.
#[derive(Default)]
pub struct Devices {
    met: BTreeMap<Device, u64>,
}

impl Devices {
    pub fn of(&mut self, record: &Element) -> Device {
        let device = identify(record.attribute("sourceName"), record.attribute("device"));
        if self.met.len() < SOURCES_MAX || self.met.contains_key(&device) {
            *self.met.entry(device.clone()).or_default() += 1;
        }
        device
    }

    /// A line for each device: its name and how many samples are from it.
    pub fn told(&self) -> impl Iterator<Item = String> + '_ {
        self.met.iter().map(|(device, samples)| format!("{} ({}): {samples} samples", device.name, device.kind))
    }
}

fn identify(source: &str, device: &str) -> Device {
    let [maker, model, hardware, own] =
        ["manufacturer", "model", "hardware", "localIdentifier"].map(|field| field_of(device, field));
    let source = plain(source);
    let identity = [source.as_str(), maker, model, hardware, own].join("\u{1f}");
    let known = if hardware.is_empty() { model } else { hardware };
    let kind = kind_of(&[model, hardware, &source]);
    let shown = slug(known).replace('_', "-");
    let shown: String =
        shown.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(MODEL_BYTES_MAX).collect();
    let shown = if shown.is_empty() { kind.to_owned() } else { shown };
    Device { kind, name: format!("{shown}-{:08x}", hash(&identity)) }
}

/// `<<HKDevice: 0x282f3c0a0>, name:iPhone, manufacturer:Apple Inc., model:iPhone, hardware:iPhone14,2, software:16.1>`: a
/// value may hold a comma, so it ends where the next field begins.
fn field_of<'a>(device: &'a str, field: &str) -> &'a str {
    let Some(at) = device.find(&format!(", {field}:")) else { return "" };
    let value = &device[at + field.len() + 3..];
    let next = value.match_indices(", ").find(|(at, _)| {
        let word = value[at + 2..].split(':').next().unwrap_or_default();
        value[at + 2..].contains(':') && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ')
    });
    let value = next.map_or(value, |(end, _)| &value[..end]);
    value.trim_end_matches('>').trim()
}

/// The same name however a keyboard wrote its spaces and apostrophes.
fn plain(source: &str) -> String {
    let letter = |c: char| match c {
        '\u{a0}' | '\u{202f}' => ' ',
        '\u{2018}' | '\u{2019}' => '\'',
        c => c,
    };
    source.trim().chars().map(letter).collect::<String>().to_lowercase()
}

fn kind_of(texts: &[&str]) -> &'static str {
    let told = |words: &[&str]| texts.iter().any(|text| words.iter().any(|word| text.to_lowercase().contains(word)));
    KINDS.iter().find(|(_, words)| told(words)).map_or("app", |(kind, _)| kind)
}

/// FNV-1a, folded to 32 bits: tells a person's few sources apart, and does not change with a compiler.
fn hash(text: &str) -> u32 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    (state ^ (state >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(address: u64, software: &str) -> String {
        format!(
            "<<HKDevice: {address:#x}>, name:iPhone, manufacturer:Apple Inc., model:iPhone, hardware:iPhone16,1, software:{software}>"
        )
    }

    #[test]
    fn one_phone_is_one_device_whatever_its_address_in_memory_and_its_software() {
        let first = identify("Ann\u{2019}s iPhone", &device(0xb0f5_77c0, "17.1"));
        assert_eq!(identify("Ann's\u{a0}iPhone", &device(0x1_b0f5_77c0, "18.0")), first);
        assert_eq!(first.kind, "phone");
        assert!(first.name.starts_with("iphone16-1-") && !first.name.contains("ann"), "{}", first.name);
    }

    #[test]
    fn an_app_that_counts_on_the_same_phone_is_another_source() {
        let phone = identify("Ann's iPhone", &device(1, "17.1"));
        assert_ne!(identify("Pacer", &device(1, "17.1")), phone);
        assert_eq!(identify("MyFitnessPal", "").kind, "app");
    }

    #[test]
    fn two_watches_of_one_model_differ_by_their_own_identifier() {
        let watch = |own: &str| {
            identify(
                "Ring",
                &format!("<<HKDevice: 0x1>, name:Oura, manufacturer:Oura, model:Ring, localIdentifier:{own}>"),
            )
        };
        assert_ne!(watch("A1"), watch("B2"));
        assert_eq!(watch("A1").kind, "watch");
    }
}
