//! Documents in the words of others, translated and not judged: for a gateway that sends on what other systems stored. What
//! it sends is judged like everything else.

use painwatch_domain::Roster;
use painwatch_proto::ingest::v1::Reading;
use painwatch_proto::json;

use crate::formats::{Bundle, Language, Meaning, is_order, is_referred_to};
use crate::reading::Refusal;

/// What one entry of a document says.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// `subject` is whom they are about, in the document's words; empty where it does not tell.
    Readings { subject: String, readings: Vec<Reading> },
    /// About people and things, for the entries beside it.
    Context,
    /// An order or a fill, which is no reading.
    Order,
}

/// Device, Medication and Patient resources of other documents, to which a FHIR document may refer.
#[derive(Debug, Default)]
pub struct Beside<'a>(Bundle<'a>);

impl<'a> Beside<'a> {
    /// Of these resources those to which others refer.
    pub fn of(resources: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Bundle::to_stand_beside(resources))
    }

    /// Whether the text is a resource to which others refer.
    pub fn takes(text: &str) -> bool {
        is_referred_to(text)
    }
}

/// One document, apart into its entries.
#[derive(Debug)]
pub struct Foreign<'a> {
    entries: Vec<&'a str>,
    /// Of a FHIR document.
    bundle: Option<Bundle<'a>>,
}

impl<'a> Foreign<'a> {
    /// Open mHealth or IEEE 1752.1: a data point, or an array of them.
    ///
    /// # Errors
    /// In words, where the text is no JSON document.
    pub fn omh(text: &'a str) -> Result<Self, String> {
        let document = json::split(text).map_err(|error| error.to_string())?;
        Ok(Self { entries: document.entries, bundle: None })
    }

    /// FHIR R4: a resource, an array of them, or a Bundle. References may also lead to what is `beside` it.
    ///
    /// # Errors
    /// In words, where the text is no JSON document, or a Bundle of a type that is not taken.
    pub fn fhir(text: &'a str, beside: &'a Beside<'a>) -> Result<Self, String> {
        let document = json::split(text).map_err(|error| error.to_string())?;
        let (mut bundle, _) = Bundle::open(document).map_err(|refusal| refusal.detail)?;
        bundle.put_beside(&beside.0);
        Ok(Self { entries: std::mem::take(&mut bundle.entries), bundle: Some(bundle) })
    }

    /// What each entry says, or why it says nothing here. `roster` tells which medication a code means.
    pub fn read<'s>(&'s self, roster: &'s Roster) -> impl Iterator<Item = Result<Entry, String>> + 's {
        let language = self.bundle.as_ref().map_or(Language::Omh, Language::Fhir);
        self.entries.iter().map(move |text| {
            if is_order(text) {
                return Ok(Entry::Order);
            }
            let read = || match language.translate(text, roster)? {
                Meaning::Readings(readings) => {
                    Ok(Entry::Readings { subject: language.subject(text, roster)?, readings })
                }
                Meaning::Context => Ok(Entry::Context),
                Meaning::Order(_) | Meaning::Fill(_) => Ok(Entry::Order),
            };
            read().map_err(|refusal: Refusal| refusal.detail)
        })
    }
}
