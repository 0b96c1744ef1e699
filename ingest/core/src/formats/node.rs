//! A JSON document of which we use some members and may not misread any: a member given twice is refused, because two
//! readers would see two different readings.

use std::borrow::Cow;
use std::fmt;

use painwatch_proto::json::shown;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::reading::Refusal;

/// Members of one object. FHIR's largest resource has some 40; keeps the search for doubled ones short.
const MEMBERS_MAX: usize = 128;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Node<'a> {
    /// The object that `text` is.
    pub(super) fn object(text: &'a str, what: &str) -> Result<Self, Refusal> {
        let node: Self = serde_json::from_str(text).map_err(|error| {
            let reason = if error.to_string().starts_with(TWICE) { TWICE } else { "it cannot be read" };
            Refusal::unreadable(format!("{what}: {reason}, line {} column {}", error.line(), error.column()))
        })?;
        match node {
            Self::Object(_) => Ok(node),
            _ => Err(Refusal::unreadable(format!("{what} must be an object"))),
        }
    }

    /// A member; one that is `null` is absent.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.members().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members: &[_] = if let Self::Object(members) = self { members } else { &[] };
        members.iter().filter(|(_, value)| *value != Self::Null).map(|(name, value)| (&**name, value))
    }

    /// The elements of a list; an absent one has none.
    pub(super) fn list(&self, name: &str) -> &[Self] {
        match self.get(name) {
            Some(Self::List(items)) => items,
            _ => &[],
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    pub(super) const fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// A text member; empty when absent.
    pub(super) fn text(&self, name: &str) -> Result<&str, Refusal> {
        let wrong = || Refusal::unreadable(format!("{} must be a text", shown(name)));
        self.get(name).map_or(Ok(""), |value| value.as_text().ok_or_else(wrong))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Refusal> {
        let wrong = || Refusal::unreadable(format!("{} must be a number", shown(name)));
        self.get(name).map(|value| value.as_number().ok_or_else(wrong)).transpose()
    }
}

const TWICE: &str = "a member is given twice";

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Build)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Node::Number(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(Cow<'de, str>, Node<'de>)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<Node<'de>, Node<'de>>()? {
            let Node::Text(name) = name else { return Err(A::Error::custom("a name must be a text")) };
            if members.len() == MEMBERS_MAX || members.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom(TWICE));
            }
            members.push((name, value));
        }
        Ok(Node::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_given_twice_is_refused_however_its_name_is_written() {
        assert!(Node::object(r#"{"value": 1, "unit": {"value": 2}}"#, "an entry").is_ok());
        let twice = Node::object(r#"{"value": 1, "\u0076alue": 98}"#, "an entry").unwrap_err();
        assert!(twice.detail.starts_with("an entry: a member is given twice"), "{}", twice.detail);
    }

    #[test]
    fn null_is_absent_and_another_type_is_named() {
        let node = Node::object(r#"{"unit": null, "value": "7", "list": [1, "a"]}"#, "an entry").unwrap();
        assert_eq!((node.text("unit").unwrap(), node.list("list").len()), ("", 2));
        assert_eq!(node.number("value").unwrap_err().detail, "value must be a number");
    }
}
