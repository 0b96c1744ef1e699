//! The elements of a JSON array, one after another: a file of a million samples is never held as a tree.

use std::fmt;
use std::io::BufRead;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Deserializer as _, SeqAccess, Visitor};

use super::ImportError;
use super::report::FileReport;

/// Hands each element, with its number from 1, to `take`.
///
/// # Errors
/// [`ImportError::NotThisFormat`] where the bytes are no array of `T`; and as `take`.
pub fn each<T: DeserializeOwned>(
    reader: &mut dyn BufRead,
    report: &FileReport,
    take: &mut dyn FnMut(u64, T) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut refused = None;
    let mut json = serde_json::Deserializer::from_reader(reader);
    let each = Each { take, refused: &mut refused, element: PhantomData };
    let read = json.deserialize_seq(each).and_then(|()| json.end());
    match (refused, read) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => Err(report.wrong(error.line() as u64, error.to_string())),
    }
}

struct Each<'a, T> {
    take: &'a mut dyn FnMut(u64, T) -> Result<(), ImportError>,
    refused: &'a mut Option<ImportError>,
    element: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Each<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(element) = elements.next_element::<T>()? {
            number += 1;
            if let Err(error) = (self.take)(number, element) {
                *self.refused = Some(error);
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_one_by_one_and_a_broken_array_is_named_by_its_line() {
        let mut seen = Vec::new();
        let mut text: &[u8] = b"[1,\n2,\nx]";
        let error = each::<u8>(&mut text, &FileReport::new("a.json"), &mut |number, value| {
            seen.push((number, value));
            Ok(())
        });
        assert_eq!(seen, [(1, 1), (2, 2)]);
        assert!(error.unwrap_err().to_string().starts_with("a.json:3: "));
    }
}
