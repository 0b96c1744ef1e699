//! What can be measured: name, code, canonical unit at a fixed scale, plausibility bounds, and what tells two readings
//! of one instant apart. Source: clinical catalogue G1 (bounds), G3 (codes). Bounds are defaults that a named clinician
//! must confirm; a reject bound is never tighter than the outermost alert.

/// How a measure's readings are shaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A number at an instant.
    Spot,
    /// A number over `[time, end)`.
    Interval,
    /// Systolic and diastolic pressure, one reading in two rows.
    Panel,
    /// A code, at an instant or over an interval.
    Code,
    /// A medication event.
    Dose,
}

/// What, besides tenant, device, measure, time and end, makes a reading another reading (semantics 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discriminator {
    None,
    /// Body site and laterality; recall period where the score is recalled.
    Pain,
    /// Medication and event.
    Dose,
    /// Instrument or symptom.
    Instrument,
}

/// One row of the measure table.
#[derive(Debug, PartialEq)]
pub struct Spec {
    pub name: &'static str,
    /// LOINC code, where a confirmed one exists.
    pub loinc: Option<&'static str>,
    /// Canonical UCUM unit; empty for codes.
    pub unit: &'static str,
    /// Stored integers are the canonical value times 10^scale.
    pub scale: u32,
    pub shape: Shape,
    pub discriminator: Discriminator,
    /// Outside `[lo, hi]` in canonical units it cannot be physiology: quarantined.
    pub reject: (f64, f64),
    /// Outside `[lo, hi]` it is kept, marked `verify`, and alerts still run.
    pub verify: (f64, f64),
}

macro_rules! measures {
    ($($variant:ident $name:literal $loinc:expr, $unit:literal $scale:literal $shape:ident $disc:ident
       [$rlo:expr, $rhi:expr] [$vlo:expr, $vhi:expr];)+) => {
        /// Every measure, in the order of the table `measures`. The discriminant is internal; the name is the contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Measure { $($variant),+ }

        impl Measure {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
        }

        static SPECS: &[Spec] = &[$(Spec {
            name: $name, loinc: $loinc, unit: $unit, scale: $scale, shape: Shape::$shape,
            discriminator: Discriminator::$disc, reject: ($rlo, $rhi), verify: ($vlo, $vhi),
        }),+];
    };
}

const INF: f64 = f64::INFINITY;
const NEG: f64 = f64::NEG_INFINITY;

measures! {
    BodyWeight "body_weight" Some("29463-7"), "kg" 8 Spot None [20.0, 500.0] [20.0, 500.0];
    BodyHeight "body_height" Some("8302-2"), "cm" 3 Spot None [50.0, 250.0] [50.0, 250.0];
    BodyFatPercentage "body_fat_percentage" None, "%" 3 Spot None [0.0, 100.0] [2.0, 75.0];
    HeartRate "heart_rate" Some("8867-4"), "/min" 3 Spot None [0.0, 300.0] [30.0, 220.0];
    RestingHeartRate "resting_heart_rate" Some("40443-4"), "/min" 3 Spot None [20.0, 180.0] [35.0, 120.0];
    RrInterval "rr_interval" None, "ms" 3 Spot None [200.0, 3000.0] [300.0, 2000.0];
    HrvSdnn "hrv_sdnn" Some("80404-7"), "ms" 3 Spot None [0.0, 1000.0] [1.0, 400.0];
    HrvRmssd "hrv_rmssd" None, "ms" 3 Spot None [0.0, 1000.0] [1.0, 400.0];
    RespiratoryRate "respiratory_rate" Some("9279-1"), "/min" 3 Spot None [0.0, 80.0] [6.0, 40.0];
    OxygenSaturation "oxygen_saturation" Some("59408-5"), "%" 3 Spot None [30.0, 100.0] [80.0, 100.0];
    BloodPressure "blood_pressure" Some("85354-9"), "mm[Hg]" 3 Panel None [10.0, 300.0] [40.0, 220.0];
    BodyTemperature "body_temperature" Some("8310-5"), "Cel" 3 Spot None [25.0, 45.0] [34.0, 41.0];
    SkinTemperature "skin_temperature" None, "Cel" 3 Spot None [0.0, 50.0] [15.0, 42.0];
    OxygenFlow "oxygen_flow" Some("3151-8"), "L/min" 3 Spot None [0.0, 100.0] [0.0, 15.0];
    StepCount "step_count" Some("55423-8"), "{steps}" 0 Interval None [0.0, 100_000.0] [0.0, 40_000.0];
    ActivityCount "activity_count" None, "{counts}" 0 Interval None [0.0, INF] [0.0, INF];
    SedentaryMinutes "sedentary_minutes" None, "min" 3 Interval None [0.0, 1500.0] [0.0, 1440.0];
    ActiveMinutes "active_minutes" Some("55411-3"), "min" 3 Interval None [0.0, 1500.0] [0.0, 1440.0];
    SleepStage "sleep_stage" None, "" 0 Code Instrument [NEG, INF] [NEG, INF];
    TotalSleepTime "total_sleep_time" Some("93832-4"), "min" 3 Interval None [0.0, 1440.0] [120.0, 840.0];
    Acvpu "acvpu" Some("67775-7"), "" 0 Code None [NEG, INF] [NEG, INF];
    Poss "poss" None, "" 0 Code None [NEG, INF] [NEG, INF];
    PainNrs "pain_nrs" Some("72514-3"), "{score}" 3 Spot Pain [0.0, 10.0] [0.0, 10.0];
    PainVas "pain_vas" None, "mm" 3 Spot Pain [0.0, 100.0] [0.0, 100.0];
    PainScaleOther "pain_scale_other" None, "{score}" 3 Spot Pain [NEG, INF] [NEG, INF];
    Peg "peg" Some("91147-9"), "{score}" 3 Spot Instrument [0.0, 10.0] [0.0, 10.0];
    FlareReport "flare_report" None, "" 0 Code Pain [NEG, INF] [NEG, INF];
    SymptomSeverity "symptom_severity" None, "{score}" 3 Spot Instrument [NEG, INF] [NEG, INF];
    SurveyScore "survey_score" None, "{score}" 3 Spot Instrument [NEG, INF] [NEG, INF];
    Mood "mood" None, "{score}" 3 Spot Instrument [NEG, INF] [NEG, INF];
    Stress "stress" None, "{score}" 3 Spot Instrument [NEG, INF] [NEG, INF];
    MedicationEvent "medication_event" None, "" 3 Dose Dose [0.0, INF] [0.0, INF];
    ExerciseSession "exercise_session" Some("55411-3"), "min" 3 Interval Instrument [0.0, 1440.0] [0.0, 720.0];
    TherapySession "therapy_session" None, "min" 3 Interval Instrument [0.0, 1440.0] [0.0, 720.0];
    FallReport "fall_report" None, "" 0 Code None [NEG, INF] [NEG, INF];
    PatientRequest "patient_request" None, "" 0 Code Instrument [NEG, INF] [NEG, INF];
    DeviceBattery "device_battery" None, "%" 3 Spot None [0.0, 100.0] [0.0, 100.0];
    DeviceWorn "device_worn" None, "" 0 Code None [NEG, INF] [NEG, INF];
    DeviceCharging "device_charging" None, "" 0 Code None [NEG, INF] [NEG, INF];
    DeviceLink "device_link" None, "" 0 Code None [NEG, INF] [NEG, INF];
}

impl Measure {
    pub fn spec(self) -> &'static Spec {
        &SPECS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.spec().name
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|measure| measure.name() == name)
    }

    /// The canonical value as the integer that is stored: times 10^scale, rounded half away from zero.
    pub fn to_scaled(self, canonical: f64) -> i64 {
        (canonical * 10f64.powi(self.spec().scale as i32)).round() as i64
    }

    pub fn to_canonical(self, scaled: i64) -> f64 {
        scaled as f64 / 10f64.powi(self.spec().scale as i32)
    }
}

/// Bounds of a blood-pressure panel: (reject, verify) for systolic, then diastolic, in mm[Hg].
pub const SYSTOLIC: ((f64, f64), (f64, f64)) = ((40.0, 300.0), (80.0, 220.0));
pub const DIASTOLIC: ((f64, f64), (f64, f64)) = ((10.0, 200.0), (40.0, 130.0));
/// A smaller pulse pressure in mm[Hg] cannot be a measurement.
pub const PULSE_PRESSURE_MIN: f64 = 10.0;
/// Most steps a minute that an interval of at most an hour may claim.
pub const STEPS_PER_MIN_MAX: f64 = 300.0;

/// Whether a LOINC code's check digit (Luhn mod 10) is right. A valid digit does not prove the meaning.
pub fn loinc_check_digit_is_valid(code: &str) -> bool {
    let Some((digits, check)) = code.split_once('-') else { return false };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(digits) || !all_digits(check) || check.len() != 1 {
        return false;
    }
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    u32::from(check.as_bytes()[0] - b'0') == (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_is_found_by_its_name_and_its_code_has_a_valid_check_digit() {
        for &measure in Measure::ALL {
            assert_eq!(Measure::parse(measure.name()), Some(measure));
            if let Some(code) = measure.spec().loinc {
                assert!(loinc_check_digit_is_valid(code), "{code}");
            }
        }
    }

    #[test]
    fn a_plausibility_filter_is_never_tighter_than_its_verify_band() {
        for spec in Measure::ALL.iter().map(|measure| measure.spec()) {
            assert!(spec.reject.0 <= spec.verify.0 && spec.verify.1 <= spec.reject.1, "{}", spec.name);
        }
    }

    #[test]
    fn values_are_integers_at_a_fixed_scale() {
        assert_eq!(Measure::BodyWeight.to_scaled(81.4), 8_140_000_000);
        assert_eq!(Measure::StepCount.to_scaled(43.0), 43);
        assert_eq!(Measure::HeartRate.to_canonical(71_500), 71.5);
    }
}
