//! Codings, identifiers and references: what something is called, and by whom.

use painwatch_proto::json::shown;

use super::super::node::Node;
use super::{OWN, Resource};
use crate::reading::Refusal;

/// A code with the system that gives it its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding<'a> {
    pub system: &'a str,
    pub code: &'a str,
}

impl<'a> Coding<'a> {
    /// The code, if it is one of ours for `subject`.
    pub(super) fn own(self, subject: &str) -> Option<&'a str> {
        (self.system.strip_prefix(OWN) == Some(subject)).then_some(self.code)
    }
}

/// The codings of a CodeableConcept, in the order given.
pub(super) fn codings<'a>(concept: &'a Node<'_>) -> Result<Vec<Coding<'a>>, Refusal> {
    let coding = |node: &'a Node<'_>| Ok(Coding { system: node.text("system")?, code: node.text("code")? });
    let all: Result<Vec<_>, Refusal> = concept.list("coding").iter().map(coding).collect();
    Ok(all?.into_iter().filter(|coding| !coding.code.is_empty()).collect())
}

/// System and value; `None` when it has no value.
pub(super) fn identifier<'a>(node: &'a Node<'_>) -> Result<Option<(&'a str, &'a str)>, Refusal> {
    let (system, value) = (node.text("system")?, node.text("value")?);
    Ok((!value.is_empty()).then_some((system, value)))
}

/// What a Reference leads to: the identifier in it; that of the resource of this payload or of `contained`; else the id
/// in `Kind/id`.
pub(super) fn reference(node: &Node<'_>, kind: &str, from: &Resource<'_>) -> Result<Option<String>, Refusal> {
    if let Some((_, value)) = node.get("identifier").map(identifier).transpose()?.flatten() {
        return Ok(Some(value.to_owned()));
    }
    let address = node.text("reference")?;
    if let Some(named) = target(address, from, |target| {
        Ok(target.list("identifier").first().map(identifier).transpose()?.flatten().map(|(_, value)| value.to_owned()))
    })? {
        return Ok(Some(named));
    }
    let id = address.rsplit_once('/').filter(|(before, _)| before.rsplit('/').next() == Some(kind));
    Ok(id.map(|(_, id)| id.to_owned()).filter(|id| !id.is_empty()))
}

/// Looks into the resource that `address` leads to, in this payload or in the resource itself.
pub(super) fn target<T>(
    address: &str,
    from: &Resource<'_>,
    look: impl Fn(&Node<'_>) -> Result<Option<T>, Refusal>,
) -> Result<Option<T>, Refusal> {
    if let Some(local) = address.strip_prefix('#') {
        let contained = from.node.list("contained").iter().find(|node| node.text("id").is_ok_and(|id| id == local));
        return contained.map_or(Ok(None), look);
    }
    let Some(text) = from.bundle.find(address) else { return Ok(None) };
    look(&Node::object(text, "a resource that this one refers to")?)
}

/// `system|code`, fit to be shown.
pub(super) fn named(codings: &[Coding<'_>]) -> String {
    let one = |coding: &Coding<'_>| format!("{}|{}", shown(coding.system), shown(coding.code));
    match codings {
        [] => "no code".to_owned(),
        [first, ..] => one(first),
    }
}
