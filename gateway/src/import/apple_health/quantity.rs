//! Quantities of the Health app and the measures that they are. A unit that stands in a row wins over what is usual for its
//! type; what no measure here has is sent as it is, for ingest to refuse by name.

use painwatch_domain::{Measure, Shape};

const QUANTITIES: [(&str, Measure); 17] = [
    ("ActiveExerciseTime", Measure::ActiveMinutes),
    ("AppleExerciseTime", Measure::ActiveMinutes),
    ("AppleSleepingWristTemperature", Measure::SkinTemperature),
    ("BasalBodyTemperature", Measure::BodyTemperature),
    ("BodyFatPercentage", Measure::BodyFatPercentage),
    ("BodyMass", Measure::BodyWeight),
    ("BodyTemperature", Measure::BodyTemperature),
    ("HeartRate", Measure::HeartRate),
    ("HeartRateVariabilityRMSSD", Measure::HrvRmssd),
    ("HeartRateVariabilitySDNN", Measure::HrvSdnn),
    ("Height", Measure::BodyHeight),
    ("NumberOfTimesFallen", Measure::FallReport),
    ("OxygenSaturation", Measure::OxygenSaturation),
    ("RespiratoryRate", Measure::RespiratoryRate),
    ("RestingHeartRate", Measure::RestingHeartRate),
    ("StepCount", Measure::StepCount),
    ("WheelchairPushCount", Measure::ActivityCount),
];

/// The measure of `HKQuantityTypeIdentifier…`.
pub fn measure(kind: &str) -> Option<Measure> {
    let name = kind.strip_prefix("HKQuantityTypeIdentifier")?;
    QUANTITIES.iter().find(|(known, _)| *known == name).map(|(_, measure)| *measure)
}

/// The row's unit in UCUM. `count` is of what the type counts, `%` of a share that is written as a fraction.
pub fn unit(sent: &str, measure: Measure) -> String {
    let counted = measure.spec().unit;
    match sent {
        "count/min" => "/min",
        "count" if measure.spec().shape == Shape::Interval => counted,
        "%" => "1",
        "degC" => "Cel",
        "degF" => "[degF]",
        "in" => "[in_i]",
        "ft" => "[ft_i]",
        "st" => "[stone_av]",
        other => other,
    }
    .to_owned()
}

/// A value in a unit that no gateway needs, in one that is known.
pub fn known_unit(value: f64, unit: String) -> (f64, String) {
    match unit.as_str() {
        "[ft_i]" => (value * 12.0, "[in_i]".to_owned()),
        "hr" => (value, "h".to_owned()),
        "count/s" => (value * 60.0, "/min".to_owned()),
        _ => (value, unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_a_fraction_and_a_count_is_of_what_is_counted() {
        assert_eq!(measure("HKQuantityTypeIdentifierStepCount"), Some(Measure::StepCount));
        assert_eq!(measure("HKQuantityTypeIdentifierDietaryWater"), None);
        assert_eq!(unit("%", Measure::OxygenSaturation), "1");
        assert_eq!(unit("count", Measure::StepCount), "{steps}");
        assert_eq!(unit("count", Measure::ActivityCount), "{counts}");
        assert_eq!(known_unit(5.5, unit("ft", Measure::BodyHeight)), (66.0, "[in_i]".to_owned()));
    }
}
