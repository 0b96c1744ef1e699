//! Pairings of a roster, findable by device and by patient: a clinic has thousands, a device or a patient a handful, and
//! each series of readings asks.

use std::collections::HashMap;
use std::ops::Deref;

use crate::ids::{DeviceId, PatientId};
use crate::listed::Listed;
use crate::roster::Pairing;
use crate::time::EventTime;

/// All pairings, in the order in which the roster names them.
#[derive(Clone, Debug, Default)]
pub struct Pairings {
    all: Listed<Pairing>,
    by_device: HashMap<DeviceId, Vec<u32>>,
}

impl Pairings {
    pub fn push(&mut self, pairing: Pairing) {
        self.by_device.entry(pairing.device.clone()).or_default().push(self.all.len() as u32);
        self.all.push(pairing);
    }

    /// Those of one device, in the roster's order.
    pub fn of_device(&self, device: &DeviceId) -> impl Iterator<Item = &Pairing> + Clone {
        self.by_device.get(device).into_iter().flatten().map(|place| &self.all[*place as usize])
    }

    /// Those of one patient, in the roster's order.
    pub fn of_patient(&self, patient: &PatientId) -> impl Iterator<Item = &Pairing> + Clone {
        self.all.of_patient(patient)
    }

    /// Who wore a device with these pairings at that event time. Where they overlap, the one that began last.
    pub fn wearer<'a>(of_device: impl Iterator<Item = &'a Pairing>, time: EventTime) -> Option<&'a PatientId> {
        let covering = of_device.filter(|pairing| pairing.covers(time));
        covering.max_by_key(|pairing| (pairing.from, &pairing.patient)).map(|pairing| &pairing.patient)
    }
}

impl PartialEq for Pairings {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for Pairings {}

impl Deref for Pairings {
    type Target = [Pairing];

    fn deref(&self) -> &[Pairing] {
        &self.all
    }
}

impl FromIterator<Pairing> for Pairings {
    fn from_iter<I: IntoIterator<Item = Pairing>>(all: I) -> Self {
        let mut pairings = Self::default();
        all.into_iter().for_each(|pairing| pairings.push(pairing));
        pairings
    }
}

impl From<Vec<Pairing>> for Pairings {
    fn from(all: Vec<Pairing>) -> Self {
        all.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Pairings {
    type Item = &'a Pairing;
    type IntoIter = std::slice::Iter<'a, Pairing>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairings_are_found_by_device_and_by_patient_in_the_order_of_the_roster() {
        let pairing = |device: &str, patient: &str, from| Pairing {
            device: DeviceId::parse(device).unwrap(),
            patient: PatientId::parse(patient).unwrap(),
            from: EventTime(from),
            until: None,
        };
        let all = vec![pairing("w-1", "ann", 5), pairing("w-2", "ann", 1), pairing("w-1", "bob", 2)];
        let pairings = Pairings::from(all.clone());
        let device = |id: &str| pairings.of_device(&DeviceId::parse(id).unwrap()).cloned().collect::<Vec<_>>();
        let patient = |id: &str| pairings.of_patient(&PatientId::parse(id).unwrap()).cloned().collect::<Vec<_>>();
        assert_eq!(device("w-1"), [all[0].clone(), all[2].clone()]);
        assert_eq!(patient("ann"), all[..2]);
        assert!(device("w-3").is_empty() && patient("cy").is_empty());
    }
}
