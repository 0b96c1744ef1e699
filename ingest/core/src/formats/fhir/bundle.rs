//! A payload taken apart into its resources, and the way from a reference in one to another.

use std::borrow::Cow;
use std::collections::HashMap;

use painwatch_proto::json::{Document, Header, shown};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::reading::Refusal;

/// In which each entry stands for itself. A history holds what is no longer true; a document is somebody's summary.
const TYPES: [&str; 5] = ["collection", "transaction", "batch", "message", "searchset"];
/// Longest `batch_id`: a bundle's own identifier that is longer is left out, because nothing depends on it.
const BATCH_ID_MAX: usize = 128;

/// The resources of a payload. Those that others refer to can be found by what they are called.
#[derive(Debug, Default)]
pub(crate) struct Bundle<'a> {
    pub entries: Vec<&'a str>,
    by_name: HashMap<String, &'a str>,
    /// What references lead to as well.
    beside: Option<&'a Self>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outer<'a> {
    #[serde(borrow)]
    resource_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow)]
    identifier: Option<&'a RawValue>,
    #[serde(borrow, default)]
    entry: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow)]
    full_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    #[serde(borrow)]
    resource_type: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Identifier<'a> {
    #[serde(borrow)]
    value: Option<Cow<'a, str>>,
}

impl<'a> Bundle<'a> {
    /// A single Bundle is opened; anything else is an array of resources, or one.
    pub(crate) fn open(document: Document<'a>) -> Result<(Self, Header), Refusal> {
        if let [text] = document.entries.as_slice()
            && let Ok(outer) = serde_json::from_str::<Outer<'a>>(text)
            && outer.resource_type.as_deref() == Some("Bundle")
        {
            return Self::of(outer).map(|bundle| (bundle, header(text)));
        }
        let mut bundle = Self::default();
        document.entries.into_iter().for_each(|text| bundle.add(None, text));
        Ok((bundle, document.header))
    }

    fn of(outer: Outer<'a>) -> Result<Self, Refusal> {
        let kind = outer.r#type.as_deref().unwrap_or_default();
        if !TYPES.contains(&kind) {
            let detail = format!("a Bundle of type {:?} is not taken; there are {}", shown(kind), TYPES.join(" "));
            return Err(Refusal::unreadable(detail));
        }
        let mut bundle = Self::default();
        for entry in outer.entry {
            match serde_json::from_str::<Entry<'a>>(entry.get()) {
                Ok(Entry { full_url, resource: Some(resource) }) => bundle.add(full_url.as_deref(), resource.get()),
                // Without a resource it cannot be read, and is kept as it is.
                _ => bundle.entries.push(entry.get()),
            }
        }
        Ok(bundle)
    }

    fn add(&mut self, full_url: Option<&str>, text: &'a str) {
        self.entries.push(text);
        let Some(named) = referred_to(text) else { return };
        let relative = named.id.map(|id| format!("{}/{id}", named.resource_type));
        for name in relative.into_iter().chain(full_url.map(str::to_owned)) {
            self.by_name.insert(name, text);
        }
    }

    /// Resources to which others refer as they do within a payload.
    pub(crate) fn to_stand_beside(resources: impl IntoIterator<Item = &'a str>) -> Self {
        let mut bundle = Self::default();
        resources.into_iter().for_each(|text| bundle.add(None, text));
        bundle
    }

    pub(crate) fn put_beside(&mut self, other: &'a Self) {
        self.beside = Some(other);
    }

    /// The text of the resource that a reference of this payload leads to.
    pub(super) fn find(&self, reference: &str) -> Option<&'a str> {
        self.by_name.get(reference).copied().or_else(|| self.beside?.find(reference))
    }
}

/// Whether it is a resource to which others refer.
pub(crate) fn is_referred_to(text: &str) -> bool {
    referred_to(text).is_some()
}

/// Whether it is an order or a fill, whatever else is wrong with it.
pub(crate) fn is_order(text: &str) -> bool {
    let named = serde_json::from_str::<Named<'_>>(text);
    named.is_ok_and(|named| matches!(&*named.resource_type, "MedicationRequest" | "MedicationDispense"))
}

/// What a resource of a kind that others refer to is called.
fn referred_to(text: &str) -> Option<Named<'_>> {
    let named: Named<'_> = serde_json::from_str(text).ok()?;
    matches!(&*named.resource_type, "Device" | "Medication" | "Patient").then_some(named)
}

fn header(text: &str) -> Header {
    let Ok(outer) = serde_json::from_str::<Outer<'_>>(text) else { return Header::default() };
    let identifier = outer.identifier.and_then(|raw| serde_json::from_str::<Identifier<'_>>(raw.get()).ok());
    let id = identifier.and_then(|identifier| identifier.value).or(outer.id).unwrap_or_default();
    let plain = id.len() <= BATCH_ID_MAX && !id.chars().any(char::is_control);
    Header {
        batch_id: if plain { id.into_owned() } else { String::new() },
        sent_at: outer.timestamp.unwrap_or_default().into_owned(),
        ..Header::default()
    }
}
