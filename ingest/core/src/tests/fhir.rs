use painwatch_domain::Measure;
use painwatch_domain::reading::DoseEvent;
use painwatch_domain::reading::Status;

use super::fhir_orders::clinic;
use super::*;

/// An Observation with this LOINC code, of a watch, at an unremarkable time.
fn observation(code: &str, rest: &str) -> String {
    let coding = format!(r#"{{"coding": [{{"system": "http://loinc.org", "code": "{code}"}}]}}"#);
    format!(
        r#"{{"resourceType": "Observation", "status": "final", "code": {coding}, "device": {{"reference": "Device/watch-0001"}},
            "subject": {{"reference": "Patient/p-1"}}, "effectiveDateTime": "2026-03-01T11:00:00Z", {rest}}}"#
    )
}

fn quantity(value: &str, unit: &str) -> String {
    format!(r#""valueQuantity": {{"value": {value}, "system": "http://unitsofmeasure.org", "code": "{unit}"}}"#)
}

fn one(payload: &str) -> Series {
    translated_one(Format::Fhir, payload)
}

fn no(payload: &str) -> (&'static str, String) {
    refused_as(Format::Fhir, payload)
}

/// A component with this LOINC code.
fn component(code: &str, rest: &str) -> String {
    format!(r#"{{"code": {{"coding": [{{"system": "http://loinc.org", "code": "{code}"}}]}}, {rest}}}"#)
}

fn components(parts: &[String]) -> String {
    format!(r#""component": [{}]"#, parts.join(", "))
}

#[test]
fn each_loinc_code_becomes_its_measure() {
    for (code, value, unit, measure, expected) in [
        ("8867-4", "71", "/min", Measure::HeartRate, 71.0),
        ("8867-4", "71", "{beats}/min", Measure::HeartRate, 71.0),
        ("40443-4", "58", "/min", Measure::RestingHeartRate, 58.0),
        ("80404-7", "42.5", "ms", Measure::HrvSdnn, 42.5),
        ("9279-1", "14", "{breaths}/min", Measure::RespiratoryRate, 14.0),
        ("59408-5", "97", "%", Measure::OxygenSaturation, 97.0),
        ("2708-6", "97", "%", Measure::OxygenSaturation, 97.0),
        ("8310-5", "98.6", "[degF]", Measure::BodyTemperature, 37.0),
        ("3151-8", "2", "L/min", Measure::OxygenFlow, 2.0),
        ("29463-7", "200", "[lb_av]", Measure::BodyWeight, 90.718_474),
        ("8302-2", "1.83", "m", Measure::BodyHeight, 183.0),
        ("72514-3", "7", "{score}", Measure::PainNrs, 7.0),
        ("91147-9", "6.33", "{score}", Measure::Peg, 6.33),
    ] {
        let series = one(&observation(code, &quantity(value, unit)));
        assert_eq!((series.measure, canonical(&series)), (measure, expected), "{code}");
        assert_eq!((series.device.as_str(), series.samples[0].device_time), ("watch-0001", ms("2026-03-01T11:00:00Z")));
    }
    let period = |code: &str, rest: &str| {
        let instant = r#""effectiveDateTime": "2026-03-01T11:00:00Z""#;
        let period = r#""effectivePeriod": {"start": "2026-03-01T08:00:00+01:00", "end": "2026-03-01T08:00:00Z"}"#;
        one(&observation(code, rest).replace(instant, period))
    };
    for (code, value, unit, measure, expected) in [
        ("55423-8", "4300", "{steps}", Measure::StepCount, 4300.0),
        ("41950-7", "4300", "{steps}", Measure::StepCount, 4300.0),
        ("93832-4", "0.5", "h", Measure::TotalSleepTime, 30.0),
        ("55411-3", "45", "min", Measure::ExerciseSession, 45.0),
    ] {
        let series = period(code, &quantity(value, unit));
        assert_eq!((series.measure, canonical(&series)), (measure, expected), "{code}");
        let sample = &series.samples[0];
        assert_eq!((sample.device_time, sample.end), (ms("2026-03-01T07:00:00Z"), Some(ms("2026-03-01T08:00:00Z"))));
    }
}

#[test]
fn a_blood_pressure_is_its_two_components() {
    let both =
        components(&[component("8480-6", &quantity("142", "mm[Hg]")), component("8462-4", &quantity("91", "mm[Hg]"))]);
    let series = one(&observation("85354-9", &both));
    assert_eq!(series.samples[0].value, Value::Pressure { systolic: 142_000, diastolic: 91_000 });
    let more = [component("8478-0", &quantity("108", "mm[Hg]")), component("8867-4", &quantity("66", "/min"))];
    let pulse = both.replacen('[', &format!("[{}, ", more.join(", ")), 1);
    let measures: Vec<_> =
        translated(Format::Fhir, &observation("85354-9", &pulse)).iter().map(|series| series.measure).collect();
    assert_eq!(measures, [Measure::BloodPressure, Measure::HeartRate]);
    let absent = r#""dataAbsentReason": {"coding": [{"code": "error"}]}"#;
    let half = components(&[component("8480-6", &quantity("142", "mm[Hg]")), component("8462-4", absent)]);
    assert_eq!(no(&observation("85354-9", &half)).0, "value_missing");
    let twice =
        components(&[component("8480-6", &quantity("142", "mm[Hg]")), component("8480-6", &quantity("91", "mm[Hg]"))]);
    assert_eq!(no(&observation("85354-9", &twice)).0, "value_missing");
}

#[test]
fn a_component_that_is_no_measure_is_refused_by_itself() {
    let oxygen = components(&[component("3151-8", &quantity("2", "L/min")), component("3150-0", &quantity("28", "%"))]);
    let payload = observation("59408-5", &format!("{}, {oxygen}", quantity("93", "%")));
    let submission = try_judge(payload.as_bytes(), Format::Fhir).unwrap();
    let measures: Vec<_> = entries(&submission).iter().map(|entry| entry.series.measure).collect();
    assert_eq!(measures, [Measure::OxygenSaturation, Measure::OxygenFlow]);
    let [problem] = submission.problems.as_slice() else { panic!("one problem") };
    assert_eq!(problem.detail, r#"no measure is called "http://loinc.org|3150-0""#);
}

#[test]
fn a_peg_panel_is_its_three_questions_and_their_mean() {
    let score = |code: &str, score: &str| component(code, &format!(r#""valueInteger": {score}"#));
    let panel =
        components(&[score("75893-8", "7"), score("91145-3", "6"), score("91146-1", "5"), score("91147-9", "6")]);
    let series = translated(Format::Fhir, &observation("91148-7", &panel));
    let seen: Vec<_> = series.iter().map(|series| (series.meta.instrument.as_deref(), canonical(series))).collect();
    assert_eq!(seen, [(Some("pain"), 7.0), (Some("enjoyment"), 6.0), (Some("activity"), 5.0), (None, 6.0)]);
}

#[test]
fn what_is_not_a_reading_is_refused_with_what_to_send() {
    let rate = quantity("71", "/min");
    for (payload, code, detail) in [
        (observation("96607-7", &rate), "unknown_measure", "send the pressures it was made of"),
        (observation("39156-5", &rate), "unknown_measure", "worked out from weight and height"),
        (observation("8867-5", &rate), "unknown_measure", "wrong check digit"),
        (observation("718-7", &rate), "unknown_measure", "no measure has the code http://loinc.org|718-7"),
        (observation("8867-4", r#""valueString": "fast""#), "value_missing", "heart_rate needs a value"),
        (
            observation("8867-4", &rate.replace(r#""value""#, r#""comparator": ">", "value""#)),
            "value_missing",
            "a bound is no value",
        ),
        (
            observation("8867-4", r#""dataAbsentReason": {"coding": [{"code": "unknown"}]}"#),
            "value_missing",
            "not measured",
        ),
        (observation("8867-4", &rate).replace("final", "preliminary"), "decode_failed", "is no result"),
        (
            observation("8867-4", &rate).replace("2026-03-01T11:00:00Z", "2026-03"),
            "time_missing",
            "give the day at least",
        ),
        (observation("8867-4", &rate).replace("effectiveDateTime", "issued"), "time_missing", "give effectiveDateTime"),
        (observation("8867-4", &quantity("71", "Hz")), "unknown_unit", "expected /min"),
        (
            observation("8867-4", &format!(r#"{rate}, "modifierExtension": [{{"url": "x"}}]"#)),
            "decode_failed",
            "modifierExtension",
        ),
        (observation("8867-4", &format!("{rate}, {rate}")), "decode_failed", "given twice"),
        (r#"{"resourceType": "Condition"}"#.to_owned(), "decode_failed", "resourceType \"Condition\" is not taken"),
        (
            r#"{"resourceType": "Bundle", "type": "history", "entry": []}"#.to_owned(),
            "decode_failed",
            "Bundle of type \"history\"",
        ),
    ] {
        let (found, said) = no(&payload);
        assert_eq!(found, code, "{payload}");
        assert!(said.contains(detail), "{said}");
    }
}

#[test]
fn sampled_data_is_a_packed_series_and_beyond_a_limit_is_not_forgotten() {
    let sampled = |period: &str, data: &str| {
        let origin = r#"{"value": 0, "system": "http://unitsofmeasure.org", "code": "%"}"#;
        observation(
            "59408-5",
            &format!(
                r#""valueSampledData": {{"origin": {origin}, "period": {period}, "factor": 0.5, "dimensions": 1, "data": "{data}"}}"#
            ),
        )
    };
    let series = one(&sampled("1000", "194 E 196"));
    let seen: Vec<_> = series.samples.iter().map(|sample| (sample.device_time, sample.value.clone())).collect();
    let start = ms("2026-03-01T11:00:00Z");
    assert_eq!(seen, [(start, Value::Number(97_000)), (start + 2_000, Value::Number(98_000))]);
    assert_eq!(one(&sampled("333.5", "194 196")).samples[1].device_time, start + 334);
    let submission = try_judge(sampled("1000", "194 L").as_bytes(), Format::Fhir).unwrap();
    assert_eq!((submission.admitted, submission.quarantined), (1, 1));
    assert_eq!((submission.problems[0].sample, submission.problems[0].code.as_str()), (Some(1), "value_out_of_range"));
    assert_eq!(no(&sampled("1000", "194 nan")).0, "decode_failed");
}

#[test]
fn semantics_4_an_amended_observation_supersedes_the_one_it_amends() {
    let first = observation(
        "29463-7",
        &format!(r#"{}, "identifier": [{{"system": "urn:ehr", "value": "o-1"}}]"#, quantity("81.4", "kg")),
    );
    let amended = first.replace("final", "amended").replace("81.4", "84.1");
    let (first, amended) = (one(&first), one(&amended));
    let tenant = TenantId::default();
    assert_eq!(first.reading_id(&tenant, &first.samples[0]), amended.reading_id(&tenant, &amended.samples[0]));
    assert_eq!((amended.meta.status, first.meta.revision, amended.meta.revision), (Status::Corrected, 0, 1));
    let withdrawn = observation("29463-7", &format!(r#"{}, "meta": {{"versionId": "7"}}"#, quantity("81.4", "kg")));
    let withdrawn = one(&withdrawn.replace("final", "entered-in-error"));
    assert_eq!((withdrawn.meta.status, withdrawn.meta.revision), (Status::EnteredInError, 7));
}

#[test]
fn semantics_2_an_id_is_one_of_its_kind_and_however_long_it_fits() {
    let with = |rest: &str| one(&observation("29463-7", &format!("{}, {rest}", quantity("81.4", "kg"))));
    assert_eq!(with(r#""id": "1""#).meta.id.as_deref(), Some("Observation/1"));
    let long = |last: char| format!(r#""identifier": [{{"system": "urn:{}", "value": "{last}"}}]"#, "x".repeat(200));
    let (first, second) = (with(&long('1')).meta.id.unwrap(), with(&long('2')).meta.id.unwrap());
    assert!(first != second && first.len() == 32);
}

#[test]
fn pain_has_its_place_and_its_side_and_a_person_speaks_for_themselves() {
    let site = r#""bodySite": {"coding": [{"system": "urn:painwatch:body-site", "code": "lower_back"}, {"system": "http://snomed.info/sct", "code": "7771000"}]}"#;
    let spoken =
        observation("72514-3", &format!(r#""valueInteger": 7, {site}, "performer": [{{"reference": "Patient/p-1"}}]"#));
    let spoken = one(&spoken.replace(r#""device": {"reference": "Device/watch-0001"},"#, ""));
    assert_eq!(
        (spoken.meta.body_site.as_deref(), spoken.meta.laterality.as_deref()),
        (Some("lower_back"), Some("left"))
    );
    assert_eq!((spoken.device.as_str(), spoken.meta.modality.as_deref()), ("subject:p-1", Some("self_reported")));
    let words = observation("72514-3", r#""valueInteger": 7, "bodySite": {"text": "Left knee"}"#);
    assert_eq!(one(&words).meta.body_site.as_deref(), Some("left_knee"));
    let nobody = observation("72514-3", r#""valueInteger": 7"#);
    let nobody = nobody.replace(r#""device": {"reference": "Device/watch-0001"},"#, "").replace("subject", "focus");
    assert_eq!(no(&nobody).0, "decode_failed");
}

#[test]
fn codes_come_from_the_lists_we_know() {
    let acvpu = |system: &str, code: &str| {
        observation(
            "67775-7",
            &format!(r#""valueCodeableConcept": {{"coding": [{{"system": "{system}", "code": "{code}"}}]}}"#),
        )
    };
    assert_eq!(one(&acvpu("http://snomed.info/sct", "300202002")).samples[0].value, Value::Code("V".into()));
    assert_eq!(one(&acvpu("urn:painwatch:code", "C")).samples[0].value, Value::Code("C".into()));
    assert_eq!(no(&acvpu("http://snomed.info/sct", "300202003")).0, "decode_failed");
    let own =
        observation("0", r#""valueCodeableConcept": {"coding": [{"system": "urn:painwatch:code", "code": "rem"}]}"#);
    let own =
        own.replace("http://loinc.org", "urn:painwatch:measure").replace(r#""code": "0""#, r#""code": "sleep_stage""#);
    assert_eq!(one(&own).samples[0].value, Value::Code("rem".into()));
}

#[test]
fn each_entry_of_a_bundle_is_judged_by_itself_and_people_and_things_are_counted_in_no_book() {
    let by_url = observation("8867-4", &quantity("71", "/min")).replace("Device/watch-0001", "urn:uuid:d-1");
    let device = r#"{"resourceType": "Device", "identifier": [{"system": "urn:serial", "value": "watch-0042"}]}"#;
    let bad = observation("8867-4", &quantity("412", "/min"));
    let bundle = format!(
        r#"{{"resourceType": "Bundle", "type": "transaction", "id": "b-1", "timestamp": "2026-03-01T11:30:00Z", "entry": [
            {{"fullUrl": "urn:uuid:d-1", "resource": {device}}}, {{"resource": {by_url}, "request": {{"method": "POST", "url": "Observation"}}}},
            {{"resource": {bad}}}, {{"request": {{"method": "DELETE", "url": "Observation/1"}}}}]}}"#
    );
    let submission = try_judge(bundle.as_bytes(), Format::Fhir).unwrap();
    assert_eq!((submission.admitted, submission.quarantined, submission.batch.batch_id.as_str()), (1, 2, "b-1"));
    assert_eq!(submission.batch.sent_at_ms, Some(ms("2026-03-01T11:30:00Z")));
    let [entry] = entries(&submission).try_into().unwrap();
    assert_eq!((entry.index, entry.series.device.as_str()), (1, "watch-0042"));
    let problems: Vec<_> = submission.problems.iter().map(|problem| (problem.index, problem.code.as_str())).collect();
    assert_eq!(problems, [(2, "value_out_of_range"), (3, "decode_failed")]);
    assert_eq!(submission.batch.quarantined[0].payload, bad.as_bytes());
}

#[test]
fn contained_devices_and_identifiers_name_the_device() {
    let by_identifier = observation("8867-4", &quantity("71", "/min"))
        .replace(r#""reference": "Device/watch-0001""#, r#""identifier": {"value": "watch-7"}"#);
    assert_eq!(one(&by_identifier).device.as_str(), "watch-7");
    let contained = r##""contained": [{"resourceType": "Device", "id": "d", "identifier": [{"value": "watch-8"}]}]"##;
    let payload =
        observation("8867-4", &format!("{}, {contained}", quantity("71", "/min"))).replace("Device/watch-0001", "#d");
    assert_eq!(one(&payload).device.as_str(), "watch-8");
    let lost = observation("8867-4", &quantity("71", "/min")).replace("Device/watch-0001", "urn:uuid:gone");
    assert_eq!(no(&lost).0, "decode_failed");
}

/// A dose of `system|code`, in a clinic that has oxycodone, fentanyl patches and two strengths of ibuprofen.
fn dose(kind: &str, status: &str, system: &str, code: &str, rest: &str) -> Submission {
    let payload = format!(
        r#"{{"resourceType": "{kind}", "status": "{status}", "subject": {{"reference": "Patient/p-1"}},
            "medicationCodeableConcept": {{"coding": [{{"system": "{system}", "code": "{code}"}}]}}, {rest}}}"#
    );
    let judged = with_roster(Limits::default(), &clinic(), false, NOON, |envelope| {
        judge_bytes(payload.as_bytes(), Format::Fhir, envelope)
    });
    judged.inspect(audit).unwrap()
}

const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
const AT_ELEVEN: &str = r#""effectiveDateTime": "2026-03-01T11:00:00Z""#;

#[test]
fn an_administration_is_a_dose_of_a_medication_that_the_roster_knows() {
    let amount = r#""dosage": {"dose": {"value": 2, "system": "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm", "code": "TAB"}}"#;
    let taken = dose("MedicationAdministration", "completed", RXNORM, "1049621", &format!("{AT_ELEVEN}, {amount}"));
    let [entry] = entries(&taken).try_into().unwrap();
    let given = entry.series.meta.dose.unwrap();
    assert_eq!((given.medication.as_str(), given.event), ("oxycodone-5mg", DoseEvent::Taken));
    assert_eq!(entry.series.samples[0].value, Value::Dose { amount: Some(2_000), unit: "{tablet}".into() });
    for (kind, status, code, expected) in [
        ("MedicationAdministration", "not-done", "1049621", DoseEvent::Skipped),
        ("MedicationAdministration", "completed", "197696", DoseEvent::Applied),
        ("MedicationStatement", "completed", "1049621", DoseEvent::Taken),
        ("MedicationStatement", "not-taken", "1049621", DoseEvent::Skipped),
    ] {
        let [entry] = entries(&dose(kind, status, RXNORM, code, AT_ELEVEN)).try_into().unwrap();
        assert_eq!(entry.series.meta.dose.unwrap().event, expected, "{kind} {status}");
    }
}

#[test]
fn a_medication_that_is_not_named_by_exactly_one_row_is_never_guessed() {
    for (system, code, detail) in [
        (RXNORM, "1", "no medication of the roster has the code"),
        ("http://www.whocc.no/atc", "M01AE01", "is the code of ibuprofen-200mg and of ibuprofen-400mg"),
    ] {
        let refused = dose("MedicationAdministration", "completed", system, code, AT_ELEVEN);
        let [problem] = refused.problems.as_slice() else { panic!("one problem") };
        assert_eq!(problem.code.as_str(), "unknown_medication");
        assert!(problem.detail.contains(detail), "{}", problem.detail);
    }
    let own = dose("MedicationAdministration", "completed", "urn:painwatch:medication", "ibuprofen-400mg", AT_ELEVEN);
    assert_eq!(own.admitted, 1);
    let weeks = r#""effectivePeriod": {"start": "2026-02-01", "end": "2026-03-01"}"#;
    let statement = dose("MedicationStatement", "completed", RXNORM, "1049621", weeks);
    assert!(statement.problems[0].detail.contains("a statement over a period is no dose"));
}
