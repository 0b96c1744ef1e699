//! How the words of the domain are written into snapshots: as text, because the domain itself knows no format.

use painwatch_domain::{
    AlertId, AlertKind, AlertState, Condition, Disposition, EventTime, JournalTime, Offset, PatientId, Priority,
    RuleDomain, RuleId, TenantId,
};

/// Written as text and read back as the same value.
pub trait Text: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

macro_rules! text {
    ($($type:ty: $value:ident => $write:expr, $text:ident => $read:expr;)+) => {$(
        impl Text for $type {
            fn write(&self) -> String {
                let $value = self;
                $write
            }

            fn read($text: &str) -> Option<Self> {
                $read
            }
        }
    )+};
}

macro_rules! words {
    ($($type:ty),+) => { text! { $($type: word => word.as_str().to_owned(), text => Self::parse(text);)+ } };
}

macro_rules! ids {
    ($($type:ty),+) => { text! { $($type: id => id.as_str().to_owned(), text => Self::parse(text).ok();)+ } };
}

macro_rules! numbers {
    ($($type:ident),+) => { text! { $($type: number => number.0.to_string(), text => text.parse().ok().map($type);)+ } };
}

words!(Priority, AlertState, Condition, AlertKind, RuleDomain, Disposition);
ids!(TenantId, PatientId, RuleId);
numbers!(EventTime, JournalTime, Offset);
text! { AlertId: hash => hash.to_string(), text => Self::parse(text); }

/// `#[serde(with = "text")]`
pub mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<T: super::Text, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.write())
    }

    pub fn deserialize<'de, T: super::Text, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        T::read(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is no {}", std::any::type_name::<T>())))
    }
}

/// `#[serde(with = "optional")]`
pub mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub fn serialize<T: super::Text, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(super::Text::write).serialize(to)
    }

    pub fn deserialize<'de, T: super::Text, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let value = T::read(&text);
        value.map(Some).ok_or_else(|| D::Error::custom(format!("{text:?} is no {}", std::any::type_name::<T>())))
    }
}
