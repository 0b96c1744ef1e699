//! A day's values by metric, without a name each.

use crate::metrics::numbers::Number;

/// As a map from names of metrics, in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByMetric<T>(Vec<(Number, T)>);

impl<T> Default for ByMetric<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByMetric<T> {
    pub fn get(&self, name: &str) -> Option<&T> {
        self.of(Number::of(name)?)
    }

    /// As [`Self::get`]: for whoever asks many days for one metric.
    pub fn of(&self, number: Number) -> Option<&T> {
        let place = self.place(number).ok()?;
        Some(&self.0[place].1)
    }

    /// A metric without a number cannot be kept: every one of the catalogue has one.
    pub fn insert(&mut self, name: &str, value: T) {
        let Some(number) = Number::of(name) else {
            debug_assert!(false, "{name} has no number");
            return;
        };
        self.put(number, value);
    }

    pub fn put(&mut self, number: Number, value: T) {
        match self.place(number) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (number, value)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        self.0.iter().map(|(number, value)| (number.name(), value))
    }

    pub fn numbered(&self) -> impl Iterator<Item = (Number, &T)> {
        self.0.iter().map(|(number, value)| (*number, value))
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(number, _)| number.name())
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = (Number, &mut T)> {
        self.0.iter_mut().map(|(number, value)| (*number, value))
    }

    pub fn retain(&mut self, keep: impl Fn(&'static str) -> bool) {
        self.0.retain(|(number, _)| keep(number.name()));
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, number: Number) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |(number, _)| *number)
    }
}

impl<S: AsRef<str>, T> Extend<(S, T)> for ByMetric<T> {
    fn extend<I: IntoIterator<Item = (S, T)>>(&mut self, values: I) {
        values.into_iter().for_each(|(name, value)| self.insert(name.as_ref(), value));
    }
}

impl<S: AsRef<str>, T> FromIterator<(S, T)> for ByMetric<T> {
    fn from_iter<I: IntoIterator<Item = (S, T)>>(values: I) -> Self {
        let mut all = Self::default();
        all.extend(values);
        all
    }
}
