//! What a roster says about patients, findable by patient: a clinic has thousands of entries, a patient a handful, and each
//! patient's work asks for their own.

use std::collections::HashMap;
use std::ops::Deref;

use crate::ids::PatientId;

/// An entry of the roster that is about one patient.
pub trait AboutPatient {
    fn patient(&self) -> &PatientId;
}

/// All entries of a kind, in the order in which the roster names them.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    all: Vec<T>,
    by_patient: HashMap<PatientId, Vec<u32>>,
}

impl<T: AboutPatient> Listed<T> {
    pub fn push(&mut self, entry: T) {
        self.by_patient.entry(entry.patient().clone()).or_default().push(self.all.len() as u32);
        self.all.push(entry);
    }

    /// Those of one patient, in the roster's order.
    pub fn of_patient(&self, patient: &PatientId) -> impl Iterator<Item = &T> + Clone {
        self.by_patient.get(patient).into_iter().flatten().map(|place| &self.all[*place as usize])
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { all: Vec::new(), by_patient: HashMap::new() }
    }
}

impl<T: PartialEq> PartialEq for Listed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl<T: Eq> Eq for Listed<T> {}

impl<T> Deref for Listed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all
    }
}

impl<T: AboutPatient> Extend<T> for Listed<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.push(entry));
    }
}

impl<T: AboutPatient> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        let mut listed = Self::default();
        listed.extend(entries);
        listed
    }
}

impl<T: AboutPatient> From<Vec<T>> for Listed<T> {
    fn from(all: Vec<T>) -> Self {
        all.into_iter().collect()
    }
}

impl<'a, T> IntoIterator for &'a Listed<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}
