use painwatch_domain::roster::{F64Bits, Medication, Patient, Prn};
use painwatch_domain::{EventTime, MedicationId, PatientId};

use super::*;

fn medication(id: &str, strength: f64, unit: &str, release: &str, rxnorm: &str, atc: &str) -> Medication {
    Medication {
        id: MedicationId::parse(id).unwrap(),
        ingredient: id.split('-').next().unwrap().to_owned(),
        strength_mg: Some(F64Bits::new(strength)),
        unit: unit.to_owned(),
        release: release.to_owned(),
        rxnorm: Some(rxnorm.to_owned()),
        atc: Some(atc.to_owned()),
    }
}

/// One patient in Paris; oxycodone, fentanyl patches and two strengths of ibuprofen.
pub(crate) fn clinic() -> Roster {
    let paris = Zone::parse("Europe/Paris").unwrap();
    let patient = Patient { mrn: Some("MRN-1".to_owned()), ..Patient::new(PatientId::parse("p-0001").unwrap(), paris) };
    let medications = [
        medication("oxycodone-5mg", 5.0, "{tablet}", "ir", "1049621", "N02AA05"),
        medication("fentanyl-25", 4.2, "{patch}", "patch", "197696", "N02AB03"),
        medication("ibuprofen-200mg", 200.0, "{tablet}", "ir", "310964", "M01AE01"),
        medication("ibuprofen-400mg", 400.0, "{tablet}", "ir", "197805", "M01AE01"),
    ];
    Roster {
        patients: [(patient.id.clone(), patient)].into(),
        medications: medications.into_iter().map(|medication| (medication.id.clone(), medication)).collect(),
        ..Roster::default()
    }
}

const FIXED: &str = r#""timing": {"repeat": {"timeOfDay": ["20:00:00", "08:00:00"], "boundsPeriod": {"start": "2026-03-01", "end": "2026-03-15"}}}"#;
const NEEDED: &str = r#""asNeededBoolean": true, "timing": {"repeat": {"frequency": 1, "period": 4, "periodUnit": "h"}},
    "maxDosePerPeriod": {"numerator": {"value": 4, "code": "{tablet}"}, "denominator": {"value": 1, "code": "d"}}"#;

fn request(instruction: &str) -> String {
    format!(
        r#"{{"resourceType": "MedicationRequest", "id": "rx-1", "status": "active", "intent": "order", "authoredOn": "2026-02-28T10:00:00+01:00",
            "subject": {{"identifier": {{"system": "urn:painwatch:patient", "value": "p-0001"}}}},
            "medicationCodeableConcept": {{"coding": [{{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "1049621"}}]}},
            "dosageInstruction": [{{"doseAndRate": [{{"doseQuantity": {{"value": 10, "system": "http://unitsofmeasure.org", "code": "mg"}}}}], {instruction}}}]}}"#
    )
}

fn dispense() -> String {
    r#"{"resourceType": "MedicationDispense", "id": "d-1", "status": "completed", "whenHandedOver": "2026-03-01",
        "subject": {"identifier": {"system": "urn:hospital", "value": "MRN-1"}}, "daysSupply": {"value": 14, "code": "d"},
        "medicationCodeableConcept": {"coding": [{"system": "urn:painwatch:medication", "code": "oxycodone-5mg"}]}}"#
        .to_owned()
}

fn submit(payload: &str, takes_orders: bool) -> Submission {
    let judged = with_roster(Limits::default(), &clinic(), takes_orders, NOON, |envelope| {
        judge_bytes(payload.as_bytes(), Format::Fhir, envelope)
    });
    judged.inspect(audit).unwrap()
}

fn refused_order(payload: &str) -> (&'static str, String) {
    let submission = submit(payload, true);
    let [problem] = submission.problems.as_slice() else { panic!("{:?}", submission.problems) };
    (problem.code.as_str(), problem.detail.clone())
}

#[test]
fn an_order_becomes_a_prescription_of_the_roster_and_is_counted_in_no_book() {
    let submission = submit(&request(FIXED), true);
    assert_eq!((submission.submitted(), submission.orders.len()), (0, 1));
    let Order { id, state, prescription, .. } = &submission.orders[0];
    assert_eq!((id.as_str(), *state), ("MedicationRequest/rx-1", OrderState::Active));
    assert_eq!((prescription.patient.as_str(), prescription.medication.as_str()), ("p-0001", "oxycodone-5mg"));
    assert_eq!((prescription.dose.get(), &prescription.times_min[..]), (2.0, &[480, 1200][..]));
    assert_eq!(prescription.start, EventTime(ms("2026-02-28T23:00:00Z")));
    assert_eq!(prescription.end, Some(EventTime(ms("2026-03-14T23:00:00Z"))));
    let needed = submit(&request(NEEDED), true).orders.remove(0).prescription;
    assert_eq!(needed.prn, Some(Prn { max_per_day: 2, min_interval_ms: 4 * 3_600_000 }));
    assert_eq!(needed.start, EventTime(ms("2026-02-28T09:00:00Z")));
}

#[test]
fn a_fill_names_patient_medication_day_and_supply() {
    let submission = submit(&dispense(), true);
    let [fill] = submission.fills.as_slice() else { panic!("one fill") };
    assert_eq!(
        (submission.submitted(), fill.patient.as_str(), fill.medication.as_str()),
        (0, "p-0001", "oxycodone-5mg")
    );
    assert_eq!((fill.handed_over, fill.days_supply), (EventTime(ms("2026-02-28T23:00:00Z")), 14));
}

#[test]
fn a_gateway_that_may_not_write_orders_has_them_kept_in_quarantine() {
    for payload in [request(FIXED), dispense()] {
        let submission = submit(&payload, false);
        assert_eq!((submission.quarantined, submission.orders.len() + submission.fills.len()), (1, 0));
        assert!(submission.problems[0].detail.contains("may not write orders"), "{:?}", submission.problems);
        assert_eq!(submission.batch.quarantined[0].payload, payload.as_bytes());
    }
}

#[test]
fn what_an_order_leaves_open_is_never_guessed() {
    for (payload, code, detail) in [
        (
            request(r#""timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}"#),
            "time_missing",
            "timeOfDay",
        ),
        (request(FIXED).replace("p-0001", "p-0002"), "decode_failed", "no patient of the roster has that identifier"),
        (request(FIXED).replace("1049621", "999"), "unknown_medication", "no medication of the roster"),
        (request(FIXED).replace(r#""intent": "order""#, r#""intent": "plan""#), "decode_failed", "order nothing"),
        (request(FIXED).replace(r#""code": "mg""#, r#""code": "mL""#), "unit_not_convertible", "the roster counts"),
        (request(FIXED).replace("2026-03-15", "2026-02-15"), "end_before_start", "ends before it starts"),
        (request(NEEDED).replace("maxDosePerPeriod", "maxDosePerAdministration"), "value_missing", "maxDosePerPeriod"),
        (request(FIXED).replace(r#""status": "active""#, r#""status": "on-hold""#), "decode_failed", "orders nothing"),
        (dispense().replace("daysSupply", "quantity"), "value_missing", "daysSupply"),
        (dispense().replace("MRN-1", "MRN-2"), "decode_failed", "no patient of the roster has that identifier"),
        (
            dispense().replace("oxycodone-5mg", "aspirin"),
            "unknown_medication",
            "aspirin is not a medication of the roster",
        ),
    ] {
        let (found, said) = refused_order(&payload);
        assert_eq!(found, code, "{payload}");
        assert!(said.contains(detail), "{said}");
    }
}
