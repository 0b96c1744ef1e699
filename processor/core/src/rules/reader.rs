//! Reads TOML values with the place they stand at, and collects every fault instead of stopping at the first.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::parse::RuleError;

pub type Value<'a> = Spanned<DeValue<'a>>;

/// A table and the place where it begins.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    pub entries: &'a DeTable<'a>,
    pub at: usize,
}

impl<'a> Table<'a> {
    pub fn get(self, key: &str) -> Option<&'a Value<'a>> {
        self.entries.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, value)| value)
    }

    pub fn has_any(self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.get(key).is_some())
    }

    pub fn of(value: &'a Value<'a>) -> Option<Self> {
        value.get_ref().as_table().map(|entries| Self { entries, at: value.span().start })
    }
}

pub struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    pub errors: Vec<RuleError>,
    /// The pack that the file is.
    pub pack: String,
    /// Rules that combinations name, and where; taken by the rule they stand in.
    pub names: Vec<(painwatch_domain::RuleId, usize)>,
    /// How deep in combinations we are.
    pub depth: usize,
}

impl<'t> Reader<'t> {
    pub fn new(file: &'t str, text: &'t str) -> Self {
        let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
        let pack = base.strip_suffix(".toml").unwrap_or(base).to_owned();
        Self { file, text, errors: Vec::new(), pack, names: Vec::new(), depth: 0 }
    }

    pub fn error(&mut self, at: usize, message: impl Into<String>, suggestion: Option<String>) {
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        self.errors.push(RuleError { file: self.file.to_owned(), line, column, message: message.into(), suggestion });
    }

    pub fn syntax(&mut self, error: &toml::de::Error) {
        let at = error.span().map_or(0, |Range { start, .. }| start);
        self.error(at, error.message().trim().to_owned(), None);
    }

    /// Reports each key that is not among `known`, with the nearest one that is.
    pub fn only(&mut self, table: Table<'_>, known: &[&str]) {
        for (key, _) in table.entries {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let near = nearest(name, known.iter().copied()).map(str::to_owned);
                let hint = if near.is_some() { None } else { Some(format!("known keys: {}", known.join(" "))) };
                self.error(key.span().start, format!("unknown key `{name}`"), near.or(hint));
            }
        }
    }

    pub fn string<'a>(&mut self, table: Table<'a>, key: &str) -> Option<(&'a str, usize)> {
        let value = table.get(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(value, key, "a text in quotes");
        }
        text.map(|text| (text, value.span().start))
    }

    /// A text that must be there and not be blank.
    pub fn required<'a>(&mut self, table: Table<'a>, key: &str) -> Option<(&'a str, usize)> {
        if table.get(key).is_none() {
            self.error(table.at, format!("`{key}` is missing"), None);
            return None;
        }
        let found = self.string(table, key)?;
        if found.0.trim().is_empty() {
            self.error(found.1, format!("`{key}` is empty"), None);
            return None;
        }
        Some(found)
    }

    /// A text of a small grammar: `parse` says whether it is one, `example` shows one.
    pub fn parsed<T>(
        &mut self,
        table: Table<'_>,
        key: &str,
        example: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let (text, at) = self.string(table, key)?;
        let parsed = parse(text);
        if parsed.is_none() {
            self.error(at, format!("`{key}` is `{text}`, expected something like `{example}`"), None);
        }
        parsed
    }

    /// One of a few words.
    pub fn word<T>(
        &mut self,
        found: Option<(&str, usize)>,
        key: &str,
        known: &[&str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let (text, at) = found?;
        let parsed = parse(text);
        if parsed.is_none() {
            let near = nearest(text, known.iter().copied()).map(str::to_owned);
            self.error(at, format!("unknown {key} `{text}`, expected one of: {}", known.join(" ")), near);
        }
        parsed
    }

    pub fn number(&mut self, value: &Value<'_>, key: &str) -> Option<f64> {
        let number = match value.get_ref() {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) => integer.as_str().parse::<i64>().ok().map(|integer| integer as f64),
            _ => None,
        };
        let number = number.filter(|number| number.is_finite());
        if number.is_none() {
            self.wrong_type(value, key, "a number");
        }
        number
    }

    pub fn table<'a>(&mut self, value: &'a Value<'a>, key: &str) -> Option<Table<'a>> {
        let table = Table::of(value);
        if table.is_none() {
            self.wrong_type(value, key, "a table such as { below = 90 }");
        }
        table
    }

    pub fn texts(&mut self, value: &Value<'_>, key: &str) -> Option<Vec<String>> {
        let items = value.get_ref().as_array();
        let texts: Option<Vec<_>> =
            items.and_then(|items| items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect());
        if texts.is_none() {
            self.wrong_type(value, key, "a list of texts");
        }
        texts
    }

    pub fn wrong_type(&mut self, value: &Value<'_>, key: &str, expected: &str) {
        let found = value.get_ref().type_str();
        self.error(value.span().start, format!("`{key}` is {found}, expected {expected}"), None);
    }
}
