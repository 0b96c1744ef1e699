//! Orders and fills out of FHIR, from those who may write them.

use painwatch_access::RegistryFile;
use painwatch_access::registry::RegistryError;
use painwatch_domain::roster::{Medication, Patient};
use painwatch_domain::{MedicationId, Offset, PatientId, ReceivedAt, Roster, Zone};
use painwatch_ingest::{Fate, IngestLimits, Item, Outcome};
use painwatch_ingest_core::{Format, Protocol};
use painwatch_journal::Class;
use painwatch_proto::journal::v1::control::Action;
use painwatch_proto::journal::v1::{Control, OrdersWritten};
use prost::Message as _;

use crate::support::House;
use crate::support::secure::{gateway, register_token};

const ORDER: &str = r#"{"resourceType": "MedicationRequest", "id": "rx-1", "intent": "order", "status": "active",
    "authoredOn": "2026-03-01", "subject": {"identifier": {"system": "urn:painwatch:patient", "value": "p-0001"}},
    "medicationCodeableConcept": {"coding": [{"system": "urn:painwatch:medication", "code": "oxycodone-5mg"}]},
    "dosageInstruction": [{"timing": {"repeat": {"timeOfDay": ["08:00:00"]}}, "doseAndRate": [{"doseQuantity":
        {"value": 1, "code": "{tablet}", "system": "http://unitsofmeasure.org"}}]}]}"#;

fn clinic() -> Roster {
    let (patient, medication) = (PatientId::parse("p-0001").unwrap(), MedicationId::parse("oxycodone-5mg").unwrap());
    let person = Patient::new(patient.clone(), Zone::parse("Europe/Paris").unwrap());
    let tablets = Medication::tablets(medication.clone(), "oxycodone", 5.0);
    Roster { patients: [(patient, person)].into(), medications: [(medication, tablets)].into(), ..Roster::default() }
}

fn let_order(house: &House, may_order: bool) {
    let file = RegistryFile::of(house.data.path());
    file.change::<_, RegistryError>(|registry| Ok(registry.let_order(&gateway("main", "ehr"), may_order)?)).unwrap();
}

fn written(house: &House) -> Vec<OrdersWritten> {
    let controls = house.journal.records().into_iter().filter(|record| record.class == Class::Control);
    let actions = controls.map(|record| Control::decode(record.payload).unwrap().action);
    actions.filter_map(|action| if let Some(Action::Orders(orders)) = action { Some(orders) } else { None }).collect()
}

#[tokio::test]
async fn orders_are_written_beside_the_readings_by_a_gateway_that_may_and_kept_in_quarantine_from_any_other() {
    let house = House::with(IngestLimits::default()).await;
    house.declare(clinic());
    let ehr = gateway("main", "ehr");
    register_token(house.data.path(), &ehr);
    let admission = house.handle.admission();
    for may_order in [false, true] {
        let_order(&house, may_order);
        let outcome = admission.submit_bytes(&ehr, Protocol::Mqtt, ORDER.as_bytes(), Format::Fhir).await;
        let Outcome::Durable(accepted) = outcome else { panic!("{outcome:?}") };
        assert_eq!((accepted.admitted, accepted.quarantined), (0, u64::from(!may_order)), "counted in no book");
        assert_eq!(written(&house).len(), usize::from(may_order));
    }
    let written = written(&house);
    let [OrdersWritten { gateway: writer, orders, fills }] = &written[..] else { panic!("{written:?}") };
    let order = &orders[0];
    assert_eq!((writer.as_str(), orders.len(), fills.len()), ("ehr", 1, 0));
    assert_eq!(
        (order.id.as_str(), order.patient.as_str(), &order.times_min[..]),
        ("MedicationRequest/rx-1", "p-0001", &[480][..])
    );
    let stranger = gateway("clinic-2", "ehr");
    let outcome = admission.submit_bytes(&stranger, Protocol::Mqtt, ORDER.as_bytes(), Format::Fhir).await;
    assert!(matches!(&outcome, Outcome::Durable(accepted) if accepted.quarantined == 1), "{outcome:?}");
}

#[tokio::test]
async fn an_order_in_quarantine_is_written_when_it_is_submitted_again_and_may_be() {
    let house = House::with(IngestLimits::default()).await;
    house.declare(clinic());
    let ehr = gateway("main", "ehr");
    register_token(house.data.path(), &ehr);
    let admission = house.handle.admission();
    admission.submit_bytes(&ehr, Protocol::Mqtt, ORDER.as_bytes(), Format::Fhir).await;
    let batch = house.batches().remove(0);
    let [kept] = &batch.quarantined[..] else { panic!("{batch:?}") };
    let item = Item {
        tenant: ehr.tenant.clone(),
        id: kept.id.clone(),
        cause: Offset(0),
        received_at: ReceivedAt(batch.received_at_ms),
        gateway: ehr.gateway.clone(),
        format: kept.format.clone(),
        payload: kept.payload.to_vec(),
        count: kept.count,
    };
    let again = async || admission.redrive(std::slice::from_ref(&item)).await.unwrap().remove(0).1;
    assert!(matches!(again().await, Fate::Stays { .. }));
    let_order(&house, true);
    let fate = again().await;
    assert!(matches!(fate, Fate::Left { admitted: 0, still_refused: 0, .. }), "{fate:?}");
    assert_eq!(written(&house).len(), 1);
}
