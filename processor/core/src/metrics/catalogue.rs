//! What is computed, by the names that tables, rules and `metrics list` use.

use painwatch_domain::Measure;

/// One row of `metrics list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// `<measure>.<method>`.
    pub name: &'static str,
    pub measure: Measure,
    /// Canonical unit of the value.
    pub unit: &'static str,
    pub definition: &'static str,
    pub window: &'static str,
    pub minimum_data: &'static str,
    pub source: &'static str,
    /// One value a local day on a scale that a personal baseline fits: rules may say `deviates` and `changes` of it.
    pub daily: bool,
    /// Golden-vector file that its definition is checked against; empty for none.
    pub golden: &'static str,
}

const DAY: &str = "local day";
const BASELINE: &str = "28 local days before the day";
const C1: &str = "clinical catalogue C1, C3";
const F1: &str = "clinical catalogue F1; Stone 2021";
const A7: &str = "clinical catalogue A7; ESC, HFSA";
const B1: &str = "clinical catalogue B1; Iglewicz-Hoaglin";
const E3: &str = "clinical catalogue E3";
const OVERALL: &str = "clinical catalogue section 0";

const PAIN_DAY: &str = "2 reports at least 4 h apart, or one date-only report";
const WEAR_DAY: &str = "10 h of waking wear; without wear data a total > 0";
const SEVEN_DAYS: &str = "7 valid days, and the day itself";

macro_rules! metric {
    ($name:literal $measure:ident $unit:literal $definition:expr, $window:expr, $minimum:expr, $source:expr, $daily:literal $golden:literal) => {
        MetricInfo {
            name: $name,
            measure: Measure::$measure,
            unit: $unit,
            definition: $definition,
            window: $window,
            minimum_data: $minimum,
            source: $source,
            daily: $daily,
            golden: $golden,
        }
    };
}

static METRICS: &[MetricInfo] = &[
    metric!("step_count.daily_sum" StepCount "{steps}" "sum of the steps that each owned interval contributes", DAY, WEAR_DAY, C1, true ""),
    metric!("step_count.peak_1" StepCount "/min" "steps of the busiest minute", DAY, "minute resolution", C1, false "step_cadence"),
    metric!("step_count.peak_30" StepCount "/min" "mean of the 30 busiest minutes, not necessarily consecutive", DAY, "minute resolution", C1, false "step_cadence"),
    metric!("step_count.peak_60" StepCount "/min" "mean of the 60 busiest minutes, not necessarily consecutive", DAY, "minute resolution", C1, false "step_cadence"),
    metric!("step_count.robust_z" StepCount "" "robust z of step_count.daily_sum", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("heart_rate.daily_median" HeartRate "/min" "median of the samples", DAY, "1 sample", OVERALL, true "summary_stats"),
    metric!("resting_heart_rate.daily_median" RestingHeartRate "/min" "median of the device's resting values", DAY, "1 sample", "clinical catalogue D4", true "summary_stats"),
    metric!("resting_heart_rate.robust_z" RestingHeartRate "" "robust z of resting_heart_rate.daily_median", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("respiratory_rate.daily_median" RespiratoryRate "/min" "median of the samples", DAY, "1 sample", OVERALL, true "summary_stats"),
    metric!("oxygen_saturation.daily_median" OxygenSaturation "%" "median of the samples", DAY, "1 sample", OVERALL, true "summary_stats"),
    metric!("body_weight.day_value" BodyWeight "kg" "first valid reading 04:00 to 12:00 local, else the median of the day", DAY, "1 reading", A7, true "weight_gain"),
    metric!("body_weight.gain_1d" BodyWeight "kg" "day value minus the least of the 1 day before", "1 local day before the day", "1 valid day before", A7, false "weight_gain"),
    metric!("body_weight.gain_3d" BodyWeight "kg" "day value minus the least of the 3 days before", "3 local days before the day", "1 valid day before", A7, false "weight_gain"),
    metric!("body_weight.gain_7d" BodyWeight "kg" "day value minus the least of the 7 days before", "7 local days before the day", "1 valid day before", A7, false "weight_gain"),
    metric!("pain_nrs.daily_mean" PainNrs "{score}" "mean of the reports; prompted and self-started never averaged together", DAY, PAIN_DAY, F1, true "pain_intensity_summary"),
    metric!("pain_nrs.daily_worst" PainNrs "{score}" "greatest report", DAY, "1 report", F1, true "pain_intensity_summary"),
    metric!("pain_nrs.frac_severe" PainNrs "1" "fraction of the reports >= 7", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.auc_24h" PainNrs "{score}.h" "area under the reports by trapezoid", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.robust_z" PainNrs "" "robust z of pain_nrs.daily_mean", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("pain_vas.daily_mean" PainVas "mm" "mean of the reports; prompted and self-started never averaged together", DAY, PAIN_DAY, F1, true "pain_intensity_summary"),
    metric!("pain_vas.daily_worst" PainVas "mm" "greatest report", DAY, "1 report", F1, true "pain_intensity_summary"),
    metric!("pain_scale_other.daily_mean" PainScaleOther "{score}" "mean of the reports of one instrument", DAY, PAIN_DAY, F1, true "pain_intensity_summary"),
    metric!("pain_scale_other.daily_worst" PainScaleOther "{score}" "greatest report of one instrument", DAY, "1 report", F1, true "pain_intensity_summary"),
    metric!("pain_scale_other.robust_z" PainScaleOther "" "robust z of pain_scale_other.daily_mean", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("total_sleep_time.daily_sum" TotalSleepTime "min" "sleep of the night that ends on the day, noon to noon", "noon to noon", "1 night", "clinical catalogue section 0, C5", true ""),
    metric!("total_sleep_time.robust_z" TotalSleepTime "" "robust z of total_sleep_time.daily_sum", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("medication_event.taking_pct" MedicationEvent "%" "scheduled doses with a dose in their cell", DAY, "1 scheduled dose", E3, false "dose_adherence"),
    metric!("medication_event.timing_pct" MedicationEvent "%" "scheduled doses taken within 60 min", DAY, "1 scheduled dose", E3, false "dose_adherence"),
    metric!("medication_event.missed_in_a_row" MedicationEvent "1" "longest run of scheduled doses missed one after the other that ends on the day", "until the day's end", "1 closed cell", E3, false "dose_adherence"),
];

/// Every metric, grouped by measure.
pub fn list() -> &'static [MetricInfo] {
    METRICS
}

pub fn find(name: &str) -> Option<&'static MetricInfo> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The daily metric that stands for a measure where a rule names only the measure.
pub fn daily_of(measure: Measure) -> Option<&'static MetricInfo> {
    METRICS.iter().find(|metric| metric.daily && metric.measure == measure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_named_after_its_measure_once_and_is_checked_against_a_golden_file_that_can_be_recomputed() {
        let golden: Vec<_> = crate::metrics::check::supported().collect();
        for (index, metric) in list().iter().enumerate() {
            assert_eq!(metric.name.split_once('.').unwrap().0, metric.measure.name());
            assert!(list()[index + 1..].iter().all(|other| other.name != metric.name), "{}", metric.name);
            assert!(metric.golden.is_empty() || golden.contains(&metric.golden), "{}", metric.name);
        }
    }

    #[test]
    fn a_measure_knows_the_daily_metric_that_stands_for_it() {
        assert_eq!(daily_of(Measure::SleepStage), None);
        assert_eq!(daily_of(Measure::PainNrs).unwrap().name, "pain_nrs.daily_mean");
    }
}
