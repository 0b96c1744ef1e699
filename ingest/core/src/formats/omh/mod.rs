//! Open mHealth data points and IEEE 1752.1 ones: `{"header", "body"}`, the body one measurement or, in a data series, a
//! list of them. Which measure it is stands in the header's schema id, when in the body's `effective_time_frame`.

mod body;
mod time_frame;
mod units;

use painwatch_proto::ingest::v1::Reading;
use painwatch_proto::json::shown;

use super::node::Node;
use super::{Meaning, unknown_measure};
use crate::reading::Refusal;
use body::Schema;

/// Whose schemas these are.
const NAMESPACES: [&str; 3] = ["omh", "ieee", "ieee-1752-schema"];
/// A header's schema that says only that the body is a list: each body then tells by its members what it is.
const SERIES: [&str; 3] = ["data-series", "data-array", "data-stream"];

pub(super) fn translate(text: &str) -> Result<Meaning, Refusal> {
    let point = Node::object(text, "a data point")?;
    let header = part(&point, "header")?;
    let name = schema_name(header)?;
    let origin = origin(header)?;
    let bodies = bodies(&point)?;
    let alone = bodies.len() == 1;
    let mut readings = Vec::new();
    for (nth, body) in bodies.into_iter().enumerate() {
        let schema = if SERIES.contains(&&*name) { Schema::of_body(body)? } else { Schema::named(&name)? };
        for reading in schema.readings(body, &origin)? {
            let id = match (reading.id.is_empty(), alone) {
                (true, _) => String::new(),
                (false, true) => reading.id.clone(),
                (false, false) => format!("{}.{nth}", reading.id),
            };
            readings.push(Reading { id, ..reading });
        }
    }
    Ok(Meaning::Readings(readings))
}

/// The user.
pub(super) fn subject(text: &str) -> Result<String, Refusal> {
    let point = Node::object(text, "a data point")?;
    Ok(part(&point, "header")?.text("user_id")?.to_owned())
}

fn part<'a, 'b>(node: &'a Node<'b>, name: &str) -> Result<&'a Node<'b>, Refusal> {
    let found = node.get(name).filter(|part| part.is_object());
    found.ok_or_else(|| Refusal::unreadable(format!("a data point needs {name}, an object")))
}

/// One body, a list of them, or an object whose only member is that list.
fn bodies<'a, 'b>(point: &'a Node<'b>) -> Result<Vec<&'a Node<'b>>, Refusal> {
    let wanted = || Refusal::unreadable("a data point needs body, an object or a list of them");
    let body = point.get("body").ok_or_else(wanted)?;
    let list = match body {
        Node::List(list) => Some(list),
        Node::Object(members) => match members.as_slice() {
            [(_, Node::List(list))] => Some(list),
            _ => None,
        },
        _ => return Err(wanted()),
    };
    let bodies: Vec<_> = list.map_or_else(|| vec![body], |list| list.iter().collect());
    if bodies.is_empty() || !bodies.iter().all(|body| body.is_object()) {
        return Err(wanted());
    }
    Ok(bodies)
}

/// `{"namespace": "omh", "name": "heart-rate", "version": "2.0"}`, `omh:heart-rate:2.0`, or the address of the schema.
fn schema_name(header: &Node<'_>) -> Result<String, Refusal> {
    let missing = || Refusal::unreadable("header needs schema_id with namespace and name");
    let (namespace, name) = match header.get("schema_id").ok_or_else(missing)? {
        Node::Text(text) if text.contains("://") => address(text).ok_or_else(missing)?,
        Node::Text(text) => {
            let mut parts = text.split(':');
            (parts.next().unwrap_or_default().to_owned(), parts.next().ok_or_else(missing)?.to_owned())
        }
        id => (id.text("namespace")?.to_owned(), id.text("name")?.to_owned()),
    };
    if !NAMESPACES.contains(&&*namespace) {
        return Err(unknown_measure(format!("schemas are those of omh and ieee, not of {:?}", shown(&namespace))));
    }
    Ok(name.replace('_', "-"))
}

/// `https://w3id.org/ieee/ieee-1752-schema/physical-activity-1.0.json`: the last two parts, without version and ending.
fn address(text: &str) -> Option<(String, String)> {
    let mut parts = text.rsplit('/');
    let (file, namespace) = (parts.next()?, parts.next()?);
    let name = file.strip_suffix(".json").unwrap_or(file);
    let version = |tail: &str| tail.starts_with(|first: char| first.is_ascii_digit());
    let name = name.rsplit_once('-').filter(|(_, tail)| version(tail)).map_or(name, |(name, _)| name);
    Some((namespace.to_owned(), name.to_owned()))
}

/// Where a data point comes from.
pub(super) struct Origin {
    device: String,
    modality: String,
    id: String,
}

impl Origin {
    fn reading(&self, measure: &str) -> Reading {
        Reading {
            device: self.device.clone(),
            measure: measure.to_owned(),
            modality: self.modality.clone(),
            id: self.id.clone(),
            ..Reading::default()
        }
    }
}

/// A brand's name stands for as many devices as people wear it: with the user beside it, it is one of them.
fn origin(header: &Node<'_>) -> Result<Origin, Refusal> {
    const NONE: &Node<'_> = &Node::Null;
    let provenance = header.get("acquisition_provenance").unwrap_or(NONE);
    let source = match header.text("device")? {
        "" => match (provenance.text("source_name")?, header.text("user_id")?) {
            ("", _) => String::new(),
            (source, "") => source.to_owned(),
            (source, user) => format!("{source}@{user}"),
        },
        device => device.to_owned(),
    };
    if source.is_empty() {
        let detail = "no device is named: give header.acquisition_provenance.source_name, or header.device";
        return Err(Refusal::unreadable(detail));
    }
    let modality = [provenance.text("modality")?, header.text("modality")?].into_iter().find(|text| !text.is_empty());
    let ids = [header.text("uuid")?, header.text("id")?].into_iter().find(|text| !text.is_empty());
    Ok(Origin {
        device: source.trim().replace(char::is_whitespace, "-"),
        modality: modality.unwrap_or_default().replace('-', "_"),
        id: ids.unwrap_or_default().to_owned(),
    })
}
