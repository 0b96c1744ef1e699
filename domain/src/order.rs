//! What a gateway may say besides readings: an order and a fill, as the roster would hold them. Neither is a reading and
//! neither is counted in the books; they stand beside what the clinic declares.

use std::collections::BTreeMap;

use crate::ids::{GatewayId, MedicationId, PatientId};
use crate::roster::{Dispense, Prescription, Roster};
use crate::time::EventTime;

/// An order, its person and its medication already those of the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What the sender calls it: never empty, or it could not be changed or ended.
    pub id: String,
    /// Greater for what the sender said later.
    pub revision: i64,
    pub state: OrderState,
    pub prescription: Prescription,
}

/// What ends is not begun again by the same order: of one revision the later state stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderState {
    Active,
    /// Stopped, completed or cancelled: `prescription.end` says when.
    Ended,
    EnteredInError,
}

impl OrderState {
    pub const ALL: [Self; 3] = [Self::Active, Self::Ended, Self::EnteredInError];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
            Self::EnteredInError => "entered_in_error",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Supply handed over to a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    pub id: String,
    pub revision: i64,
    pub patient: PatientId,
    pub medication: MedicationId,
    pub handed_over: EventTime,
    pub days_supply: u32,
    pub entered_in_error: bool,
}

/// The orders and fills that gateways wrote, by who wrote them and what the writer calls them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    orders: BTreeMap<(GatewayId, String), Order>,
    fills: BTreeMap<(GatewayId, String), Fill>,
}

impl Written {
    /// Takes an order unless a later word on it is known already: messages come twice and overtake each other.
    pub fn order(&mut self, gateway: &GatewayId, order: Order) {
        let key = (gateway.clone(), order.id.clone());
        let rank = |order: &Order| (order.revision, order.state);
        if self.orders.get(&key).is_none_or(|known| rank(known) <= rank(&order)) {
            self.orders.insert(key, order);
        }
    }

    pub fn fill(&mut self, gateway: &GatewayId, fill: Fill) {
        let key = (gateway.clone(), fill.id.clone());
        let rank = |fill: &Fill| (fill.revision, fill.entered_in_error);
        if self.fills.get(&key).is_none_or(|known| rank(known) <= rank(&fill)) {
            self.fills.insert(key, fill);
        }
    }

    pub fn orders(&self) -> impl Iterator<Item = (&GatewayId, &Order)> {
        self.orders.iter().map(|((gateway, _), order)| (gateway, order))
    }

    pub fn fills(&self) -> impl Iterator<Item = (&GatewayId, &Fill)> {
        self.fills.iter().map(|((gateway, _), fill)| (gateway, fill))
    }

    /// Puts what stands into the roster, where the roster knows the patient and the medication. What the clinic declares
    /// itself, of the same medication from the same moment, stands over it; what gateways wrote stands side by side.
    pub fn put_into(&self, roster: &mut Roster) {
        let (prescriptions, dispenses) = (self.prescriptions_beside(roster), self.dispenses_beside(roster));
        roster.prescriptions.extend(prescriptions);
        roster.dispenses.extend(dispenses);
    }

    fn prescriptions_beside(&self, declared: &Roster) -> Vec<Prescription> {
        let standing = self.orders.values().filter(|order| order.state != OrderState::EnteredInError);
        let beside = |ordered: &&Prescription| {
            let Prescription { patient, medication, start, .. } = ordered;
            let is_same = |own: &Prescription| (&own.medication, &own.start) == (medication, start);
            knows(declared, patient, medication) && !declared.prescriptions.of_patient(patient).any(is_same)
        };
        standing.map(|order| &order.prescription).filter(beside).cloned().collect()
    }

    fn dispenses_beside(&self, declared: &Roster) -> Vec<Dispense> {
        let standing = self.fills.values().filter(|fill| !fill.entered_in_error);
        let beside = |fill: &&Fill| {
            let Fill { patient, medication, handed_over, .. } = fill;
            let is_same = |own: &Dispense| (&own.medication, &own.date) == (medication, handed_over);
            knows(declared, patient, medication) && !declared.dispenses.of_patient(patient).any(is_same)
        };
        let dispense = |fill: &Fill| Dispense {
            patient: fill.patient.clone(),
            medication: fill.medication.clone(),
            date: fill.handed_over,
            days_supply: fill.days_supply,
        };
        standing.filter(beside).map(dispense).collect()
    }
}

fn knows(declared: &Roster, patient: &PatientId, medication: &MedicationId) -> bool {
    declared.patients.contains_key(patient) && declared.medications.contains_key(medication)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{F64Bits, Medication, Patient};
    use crate::time::Zone;

    fn order(revision: i64, state: OrderState, dose: f64) -> Order {
        let prescription = Prescription {
            patient: PatientId::parse("p-1").unwrap(),
            medication: MedicationId::parse("oxycodone-5mg").unwrap(),
            dose: F64Bits::new(dose),
            start: EventTime(1_000),
            end: None,
            times_min: vec![480],
            prn: None,
        };
        Order { id: "rx-1".to_owned(), revision, state, prescription }
    }

    fn fill(id: &str) -> Fill {
        Fill {
            id: id.to_owned(),
            revision: 0,
            patient: PatientId::parse("p-1").unwrap(),
            medication: MedicationId::parse("oxycodone-5mg").unwrap(),
            handed_over: EventTime(0),
            days_supply: 14,
            entered_in_error: false,
        }
    }

    fn clinic() -> Roster {
        let (patient, medication) = (PatientId::parse("p-1").unwrap(), MedicationId::parse("oxycodone-5mg").unwrap());
        let person = Patient::new(patient.clone(), Zone::utc());
        let tablets = Medication::tablets(medication.clone(), "oxycodone", 5.0);
        Roster {
            patients: [(patient, person)].into(),
            medications: [(medication, tablets)].into(),
            ..Roster::default()
        }
    }

    fn doses(written: &Written, mut roster: Roster) -> Vec<f64> {
        written.put_into(&mut roster);
        roster.prescriptions.iter().map(|prescription| prescription.dose.get()).collect()
    }

    #[test]
    fn of_one_order_the_latest_word_stands_in_whatever_order_it_came() {
        let (gateway, other) = (GatewayId::parse("ehr").unwrap(), GatewayId::parse("pharmacy").unwrap());
        let said = [order(1, OrderState::Active, 1.0), order(2, OrderState::Active, 2.0)];
        for turn in [[0, 1], [1, 0]] {
            let mut written = Written::default();
            turn.into_iter().for_each(|nth| written.order(&gateway, said[nth].clone()));
            assert_eq!(doses(&written, clinic()), [2.0], "{turn:?}");
            written.order(&gateway, order(2, OrderState::EnteredInError, 2.0));
            written.order(&gateway, order(2, OrderState::Active, 2.0));
            assert!(doses(&written, clinic()).is_empty(), "a late copy must not bring back what was an error");
            written.order(&other, order(0, OrderState::Active, 3.0));
            assert_eq!(doses(&written, clinic()), [3.0], "another writer's order of the same name is another order");
        }
    }

    #[test]
    fn what_the_clinic_declares_stands_over_an_order_and_what_it_does_not_know_is_left_out() {
        let gateway = GatewayId::parse("ehr").unwrap();
        let mut written = Written::default();
        written.order(&gateway, order(1, OrderState::Active, 2.0));
        let mut declared = clinic();
        declared.prescriptions.push(order(0, OrderState::Active, 1.0).prescription);
        assert_eq!(doses(&written, declared), [1.0]);
        assert!(doses(&written, Roster { medications: BTreeMap::new(), ..clinic() }).is_empty());
    }

    #[test]
    fn two_orders_of_one_medication_from_the_same_moment_both_stand() {
        let (gateway, other) = (GatewayId::parse("ehr").unwrap(), GatewayId::parse("pharmacy").unwrap());
        let mut written = Written::default();
        written.order(&gateway, order(1, OrderState::Active, 1.0));
        written.order(&gateway, Order { id: "rx-2".to_owned(), ..order(1, OrderState::Active, 2.0) });
        written.order(&other, order(1, OrderState::Active, 3.0));
        assert_eq!(doses(&written, clinic()), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn two_fills_of_one_moment_both_stand_unless_the_clinic_declares_one() {
        let gateway = GatewayId::parse("pharmacy").unwrap();
        let (mut written, mut roster) = (Written::default(), clinic());
        written.fill(&gateway, fill("d-1"));
        written.fill(&gateway, Fill { days_supply: 7, ..fill("d-2") });
        written.put_into(&mut roster);
        let days: Vec<_> = roster.dispenses.iter().map(|dispense| dispense.days_supply).collect();
        assert_eq!(days, [14, 7]);
        let mut declared = clinic();
        declared.dispenses.push(Dispense { days_supply: 30, ..roster.dispenses[0].clone() });
        written.put_into(&mut declared);
        assert_eq!(declared.dispenses.len(), 1);
    }

    #[test]
    fn a_fill_stands_until_it_was_an_error() {
        let gateway = GatewayId::parse("pharmacy").unwrap();
        let mut written = Written::default();
        for (entered_in_error, standing) in [(false, 1), (true, 0), (false, 0)] {
            written.fill(&gateway, Fill { entered_in_error, ..fill("d-1") });
            let mut roster = clinic();
            written.put_into(&mut roster);
            assert_eq!(roster.dispenses.len(), standing);
        }
    }
}
