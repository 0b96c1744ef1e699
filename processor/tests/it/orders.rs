//! What a gateway orders stands beside what the clinic declares.

use painwatch_domain::order::{Fill, Order, OrderState};
use painwatch_domain::{EventTime, MedicationId, Roster, TenantId};
use painwatch_store::{Store as _, canonical_hash};

use crate::clinic;
use crate::rig::{Journal, Rig};

const DAY_MS: i64 = 86_400_000;
/// 2026-03-01T00:00:00Z, where the patient lives.
const DAY: i64 = 1_772_323_200_000;

fn roster() -> Roster {
    let person = clinic::patient("ann", "UTC", &clinic::PACKS);
    let roster = clinic::with_patient(Roster::default(), person);
    clinic::with_medication(roster, "oxycodone-5mg", "oxycodone", "ir")
}

fn order(revision: i64, state: OrderState, times_min: &[u32]) -> Order {
    let declared = clinic::prescribed(roster(), "ann", "oxycodone-5mg", DAY, times_min);
    Order { id: "rx-1".to_owned(), revision, state, prescription: declared.prescriptions[0].clone() }
}

fn declared(text: &str) -> Journal {
    let mut journal = Journal::default();
    journal.roster(DAY - DAY_MS, text);
    journal
}

async fn applied(journal: &Journal) -> Rig {
    let mut rig = Rig::new().await;
    rig.apply_all(journal).await;
    rig
}

/// Morphine equivalents a day of what is prescribed.
async fn prescribed(rig: &Rig) -> Option<f64> {
    let name = Some("medication_event.mme_prescribed".to_owned());
    let rows = rig.store.metrics(TenantId::default(), None, name, EventTime(DAY), EventTime(DAY + 1)).await.unwrap();
    rows.last().and_then(|row| row.value)
}

#[tokio::test]
async fn an_order_out_of_a_gateway_counts_like_one_that_the_clinic_declares() {
    let (by_hand, text) = (
        clinic::publish(clinic::prescribed(roster(), "ann", "oxycodone-5mg", DAY, &[480, 1200])),
        clinic::publish(roster()),
    );
    let mut one = declared(&by_hand);
    let mut other = declared(&text);
    let active = order(1, OrderState::Active, &[480, 1200]);
    other.orders(DAY - DAY_MS, "ehr", std::slice::from_ref(&active), &[]);
    other.orders(DAY - DAY_MS, "ehr", std::slice::from_ref(&active), &[]);
    for journal in [&mut one, &mut other] {
        journal.tick(DAY + 2 * DAY_MS);
    }
    let (one, other) = (applied(&one).await, applied(&other).await);
    assert_eq!((prescribed(&one).await, prescribed(&other).await), (Some(15.0), Some(15.0)));
    let hash = async |rig: &Rig| canonical_hash(&*rig.store, &TenantId::default()).await.unwrap();
    assert_eq!(hash(&one).await, hash(&other).await);
}

#[tokio::test]
async fn an_order_survives_restarts_and_another_roster_and_ends_when_it_is_said_to() {
    let text = clinic::publish(roster());
    let mut journal = declared(&text);
    journal.orders(DAY - DAY_MS, "ehr", &[order(1, OrderState::Active, &[480])], &[]);
    let mut rig = applied(&journal).await;
    rig.checkpoint().await;
    rig.crash().await;
    journal.roster(DAY, &clinic::publish(clinic::with_device(roster(), "cap", 1)));
    journal.tick(DAY + 2 * DAY_MS);
    rig.apply_all(&journal).await;
    assert_eq!(prescribed(&rig).await, Some(7.5));
    journal.orders(DAY + 2 * DAY_MS, "ehr", &[order(2, OrderState::EnteredInError, &[480])], &[]);
    // A copy that was long on its way brings nothing back.
    journal.orders(DAY + 2 * DAY_MS, "ehr", &[order(1, OrderState::Active, &[480])], &[]);
    journal.tick(DAY + 3 * DAY_MS);
    rig.apply_all(&journal).await;
    assert!(rig.engine.rosters().of(&TenantId::default()).prescriptions.is_empty());
    assert_ne!(prescribed(&rig).await, Some(7.5), "what was an error never counted");
}

#[tokio::test]
async fn orders_before_any_roster_wait_for_one_that_knows_the_patient() {
    let fill = Fill {
        id: "d-1".to_owned(),
        revision: 0,
        patient: clinic::patient_id("ann"),
        medication: MedicationId::parse("oxycodone-5mg").unwrap(),
        handed_over: EventTime(DAY),
        days_supply: 14,
        entered_in_error: false,
    };
    let mut journal = Journal::default();
    journal.orders(DAY, "pharmacy", &[order(0, OrderState::Active, &[480])], &[fill]);
    journal.tick(DAY + 1);
    let mut rig = applied(&journal).await;
    journal.roster(DAY + 2, &clinic::publish(roster()));
    rig.apply_all(&journal).await;
    let rosters = rig.engine.rosters();
    let in_force = rosters.of(&TenantId::default());
    assert_eq!((in_force.prescriptions.len(), in_force.dispenses.len()), (1, 1));
}
