//! Who is silent: what is remembered of one patient to tell it (semantics 16, clinical catalogue G4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::runs::Runs;
use super::state::SnapshotError;

/// First byte of the bytes. Raise it with every change to the form.
const FORMAT: u8 = 1;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Since when each absence rule looks at the patient, in journal time: nothing before it was expected.
    pub since: BTreeMap<String, i64>,
    /// Measures under absence rules, by name.
    pub seen: BTreeMap<String, Runs>,
    /// Prescribed streams, by [`stream_key`].
    pub streams: BTreeMap<String, StreamSeen>,
    /// The newest episode of each technical rule that was told.
    pub told: BTreeMap<String, Told>,
    /// Something is held back until a gateway says that it is there and has sent everything.
    pub held: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSeen {
    /// Since when it is prescribed, in journal time.
    pub since: i64,
    pub runs: Runs,
}

/// A silence that was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub start: i64,
    pub end: Option<i64>,
    /// The streams, by [`stream_key`].
    pub streams: Vec<String>,
    /// Shown, never sent.
    pub shadow: bool,
}

pub fn stream_key(device: &str, measure: &str) -> String {
    format!("{device}/{measure}")
}

impl Watch {
    pub fn encode(&self) -> Vec<u8> {
        // Writing to memory cannot fail.
        [&[FORMAT][..], &postcard::to_stdvec(self).unwrap_or_default()].concat()
    }

    /// # Errors
    /// [`SnapshotError`] when the bytes are of another version or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => {
                postcard::from_bytes(rest).map_err(|error| SnapshotError::Damaged(error.to_string()))
            }
            Some((&found, _)) => Err(SnapshotError::Format { found }),
            None => Err(SnapshotError::Damaged("empty".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this program writes; changing it needs another [`FORMAT`] and a reader of this one.
    const GOLDEN: &str = concat!(
        "01010673696c656e740a01087061696e5f6e727302d00fa01fc0ee6dc0ee6d011077617463682f68656172745f726174650e",
        "02d00fa01fc0ee6dc0ee6d0117746563686e6963616c2d73747265616d2d73696c656e740a0112011077617463682f",
        "68656172745f726174650101"
    );

    #[test]
    fn the_form_of_what_is_watched_is_pinned() {
        let mut runs = Runs::default();
        for time in [1_000, 2_000, 900_000] {
            runs.add(time, 60_000);
        }
        let told = Told { start: 5, end: Some(9), streams: vec![stream_key("watch", "heart_rate")], shadow: true };
        let watch = Watch {
            since: [("silent".to_owned(), 5)].into(),
            seen: [("pain_nrs".to_owned(), runs.clone())].into(),
            streams: [(stream_key("watch", "heart_rate"), StreamSeen { since: 7, runs })].into(),
            told: [("technical-stream-silent".to_owned(), told)].into(),
            held: true,
        };
        let written: String = watch.encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, GOLDEN);
    }

    #[test]
    fn what_is_watched_is_read_back_as_it_was_and_damage_is_refused() {
        let mut watch = Watch { held: true, ..Watch::default() };
        watch.since.insert("silent".to_owned(), 5);
        let seen = StreamSeen { since: 7, ..StreamSeen::default() };
        watch.streams.insert(stream_key("watch", "heart_rate"), seen);
        let bytes = watch.encode();
        assert_eq!(Watch::decode(&bytes).unwrap(), watch);
        assert!((0..bytes.len()).all(|length| Watch::decode(&bytes[..length]).is_err()));
        assert!(matches!(Watch::decode(&[FORMAT + 1]), Err(SnapshotError::Format { .. })));
    }
}
