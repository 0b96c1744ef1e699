use super::*;
use crate::import::apple_health::xml::Elements;

fn run(body: &str) -> (Vec<Row>, FileReport) {
    let text = format!("<HealthData>{body}</HealthData>");
    let mut bytes = text.as_bytes();
    let mut elements = Elements::new(&mut bytes, "export.xml");
    let (mut samples, mut report) = (Samples::default(), FileReport::new("export.xml"));
    let mut rows = Vec::new();
    while let Some(element) = elements.next().unwrap() {
        rows.extend(samples.take(element, &mut report));
    }
    samples.finish(&mut report);
    (rows, report)
}

fn quantity(kind: &str, unit: &str, value: &str) -> String {
    format!(
        "<Record type=\"HKQuantityTypeIdentifier{kind}\" sourceName=\"W\" unit=\"{unit}\" startDate=\"2024-05-04 07:00:00 +0200\" endDate=\"2024-05-04 07:01:00 +0200\" value=\"{value}\"/>"
    )
}

#[test]
fn quantities_keep_their_interval_their_offset_and_their_unit() {
    let (rows, report) = run(&format!(
        "{}{}{}{}",
        quantity("StepCount", "count", "43"),
        quantity("OxygenSaturation", "%", "0.97"),
        quantity("BodyMass", "lb", "165"),
        quantity("DietaryWater", "mL", "200")
    ));
    let seen: Vec<_> = rows.iter().map(|row| (row.measure.name(), row.reading.unit.as_str())).collect();
    assert_eq!(seen, [("step_count", "{steps}"), ("oxygen_saturation", "1"), ("body_weight", "lb")]);
    assert_eq!(rows[0].reading.time, "2024-05-04T07:00:00+02:00");
    assert_eq!(rows[0].reading.end_time, "2024-05-04T07:01:00+02:00");
    assert_eq!(report.skipped[0].reason, "no measure for DietaryWater");
}

#[test]
fn a_blood_pressure_is_found_as_a_pair_or_as_two_records_and_a_half_is_counted() {
    let (rows, report) = run(&format!(
        "{0}{1}<Correlation type=\"HKCorrelationTypeIdentifierBloodPressure\" sourceName=\"W\" startDate=\"2024-05-04 07:00:00 +0200\" endDate=\"2024-05-04 07:01:00 +0200\">{0}{1}</Correlation>{2}",
        quantity("BloodPressureSystolic", "mmHg", "142"),
        quantity("BloodPressureDiastolic", "mmHg", "91"),
        quantity("BloodPressureSystolic", "mmHg", "150"),
    ));
    let panels: Vec<_> = rows.iter().filter_map(|row| row.reading.components).collect();
    assert_eq!(panels, [Components { systolic: 142.0, diastolic: 91.0 }; 2]);
    assert_eq!(rows[0].reading, rows[1].reading);
    assert_eq!(report.skipped[0].reason, "half of a blood pressure, whose other half is not there");
}

#[test]
fn time_in_bed_lies_beside_the_stages_in_it() {
    let segment = |value: &str| {
        format!(
            "<Record type=\"HKCategoryTypeIdentifierSleepAnalysis\" sourceName=\"W\" startDate=\"2024-05-03 23:00:00 +0200\" endDate=\"2024-05-04 07:00:00 +0200\" value=\"HKCategoryValueSleepAnalysis{value}\"/>"
        )
    };
    let (rows, report) = run(&["InBed", "AsleepUnspecified", "AsleepCore", "Future"].map(segment).concat());
    let seen: Vec<_> = rows.iter().map(|row| (row.reading.code.as_str(), row.reading.instrument.as_str())).collect();
    assert_eq!(seen, [("in_bed", "in_bed"), ("asleep", ""), ("light", "")]);
    assert!(report.skipped[0].reason.starts_with("no stage for"));
}

#[test]
fn a_heart_rate_variability_brings_its_beats() {
    let (rows, _) = run(
        "<Record type=\"HKQuantityTypeIdentifierHeartRateVariabilitySDNN\" sourceName=\"W\" unit=\"ms\" startDate=\"2024-05-04 03:10:00 +0200\" endDate=\"2024-05-04 03:11:00 +0200\" value=\"48.5\"><HeartRateVariabilityMetadataList><InstantaneousBeatsPerMinute bpm=\"60\" time=\"3:10:02,11 AM\"/><InstantaneousBeatsPerMinute bpm=\"75\" time=\"3:10:03,11 AM\"/></HeartRateVariabilityMetadataList></Record>",
    );
    assert_eq!((rows[0].measure, rows[1].measure), (Measure::HrvSdnn, Measure::RrInterval));
    assert_eq!(rows[1].reading.offsets_ms, [2_110, 3_110]);
    assert_eq!(rows[1].reading.values, [1_000.0, 800.0]);
}

#[test]
fn a_symptom_has_a_severity_and_a_workout_an_activity() {
    let (rows, report) = run(
        "<Record type=\"HKCategoryTypeIdentifierLowerBackPain\" sourceName=\"H\" startDate=\"2024-05-03 23:00:00 +0200\" endDate=\"2024-05-03 23:00:00 +0200\" value=\"HKCategoryValueSeverityModerate\"/>\
         <Record type=\"HKCategoryTypeIdentifierHeadache\" sourceName=\"H\" startDate=\"2024-05-03 23:00:00 +0200\" endDate=\"2024-05-03 23:00:00 +0200\" value=\"HKCategoryValueSeverityUnspecified\"/>\
         <Workout workoutActivityType=\"HKWorkoutActivityTypeTraditionalStrengthTraining\" duration=\"1920\" durationUnit=\"s\" sourceName=\"W\" startDate=\"2024-05-03 08:00:00 +0200\" endDate=\"2024-05-03 08:40:00 +0200\"><WorkoutEvent type=\"x\"/></Workout>",
    );
    assert_eq!((rows[0].reading.instrument.as_str(), rows[0].reading.value), ("apple_lower_back_pain", Some(2.0)));
    assert_eq!(rows[1].reading.instrument, "traditional_strength_training");
    assert_eq!(rows[1].reading.value, Some(32.0));
    assert_eq!(report.skipped[0].reason, "a symptom of no stated severity");
}

#[test]
fn what_a_person_typed_is_not_sensed() {
    let (rows, _) = run(&quantity("BodyMass", "kg", "81.4")
        .replace("/>", "><MetadataEntry key=\"HKWasUserEntered\" value=\"1\"/></Record>"));
    assert_eq!(rows[0].reading.modality, "self_reported");
}
