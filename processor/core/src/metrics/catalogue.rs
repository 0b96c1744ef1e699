//! What is computed, by the names that tables, rules and `metrics list` use.

use std::collections::HashMap;
use std::sync::LazyLock;

use painwatch_domain::Measure;

/// One row of `metrics list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// `<measure>.<method>`, or `<score>.<method>` for a score over several measures.
    pub name: &'static str,
    /// The measure it is of; of a score, the one that leads it.
    pub measure: Measure,
    /// Canonical unit of the value.
    pub unit: &'static str,
    pub definition: &'static str,
    pub window: &'static str,
    pub minimum_data: &'static str,
    pub source: &'static str,
    /// One value a local day on a scale that a personal baseline fits: rules may say `deviates` and `changes` of it.
    pub daily: bool,
    /// What the whole numbers 0, 1, … mean in words; empty where the value is a quantity.
    pub codes: &'static [&'static str],
    /// Golden-vector file that its definition is checked against; empty for none.
    pub golden: &'static str,
}

impl MetricInfo {
    /// The word for a value, where values are words.
    pub fn code(&self, value: f64) -> Option<&'static str> {
        let whole = (value.fract() == 0.0 && value >= 0.0).then_some(value as usize)?;
        self.codes.get(whole).copied()
    }
}

const DAY: &str = "local day";
const BASELINE: &str = "28 local days before the day";
const C1: &str = "clinical catalogue C1, C3";
const F1: &str = "clinical catalogue F1; Stone 2021";
const A7: &str = "clinical catalogue A7; ESC, HFSA";
const B1: &str = "clinical catalogue B1; Iglewicz-Hoaglin";
const E3: &str = "clinical catalogue E3";
const A1: &str = "clinical catalogue A1; Royal College of Physicians 2017";
const A2: &str = "clinical catalogue A2; Khanna 2020";
const A3: &str = "clinical catalogue A3; Pasero";
const A5: &str = "clinical catalogue A5; Freeman 2011";
const A6: &str = "clinical catalogue A6; ACC/AHA 2017";
const E1: &str = "clinical catalogue E1; CDC 2022";
const E2: &str = "clinical catalogue E2; PQA";
const E4: &str = "clinical catalogue E4";
const E5: &str = "clinical catalogue E5; PQA";
const E6: &str = "clinical catalogue E6";
const E7: &str = "clinical catalogue E7; ICHD-3";
const F2: &str = "clinical catalogue F2; Farrar 2001, Salaffi 2004";
const F3: &str = "clinical catalogue F3; Krebs 2009";
const F5: &str = "clinical catalogue F5; Costa 2019, Parry 2018";
const F6: &str = "clinical catalogue F6; engineering choice";
const F7: &str = "clinical catalogue F7; engineering choice";
const F8: &str = "clinical catalogue F8; engineering choice";
const SINCE: &str = "since day 0";
const GOAL_MIN: &str = "a goal; 7 valid days, of PEG and equivalents 1";
const OVERALL: &str = "clinical catalogue section 0";

const PAIN_DAY: &str = "2 reports at least 4 h apart, or one date-only report";
const WEAR_DAY: &str = "10 h of waking wear; without wear data a total > 0";
const ONE_REPORT: &str = "1 report";
const ONE_DOSE: &str = "1 dose";
const ONE_ORDER: &str = "1 order";
const SITTING: &str = "2 readings 1 to 10 min apart";
const STANDING: &str = "1 supine and 1 standing reading";
const CALM: &str = "7 valid days of the 14 before";
const WEEKS: &str = "7 days against the 28 before";
const WEEKS_MIN: &str = "4 valid days of the 7, 7 of the 28";
const PRE_OP: &str = "3 valid days before surgery, 4 of 7 after";
const FLAG: &[&str] = &["no", "yes"];
const SEVEN_DAYS: &str = "7 valid days, and the day itself";

// Change, activity, sleep and heart-rate variability (clinical catalogue B, C, D).
/// Computed of a week, on its last day.
pub const WEEK: &str = "7 local days that end with a Sunday";
const SUNDAYS_28: &str = "28 local days, told on Sundays";
const SUNDAYS_42: &str = "42 local days, told on Sundays";
const CHART: &str = "14 local days, and the 28 before them as their level";
const MONTH: &str = "28 local days that end with the day";
const NIGHT: &str = "00:00 to 06:59 local";
const NOON_TO_NOON: &str = "noon to noon, in bed";
const LEVEL: &str = "14 valid days of the level";
const TEN_DAYS: &str = "10 valid days, and the day itself";
const EIGHT_DAYS: &str = "8 valid days over at least 14";
const WEEK_OF_DAYS: &str = "5 days with 16 valid hours";
const WORN_DAY: &str = "10 h of wear; ActiGraph-type counts at the hip";
const SIX_WINDOWS: &str = "6 windows of 5 min with at most 20 % artefacts";
const SPOT: &str = "1 recording of 60 s with at most 5 % artefacts";
const FOURTEEN_PAIRS: &str = "14 days with both, and pain on the Sunday";
const IN_BED: &str = "a time in bed with counts";
const ONE_NIGHT: &str = "1 night with stages";
const B2: &str = "clinical catalogue B2";
const B3: &str = "clinical catalogue B3; Page 1954, Montgomery";
const B4: &str = "clinical catalogue B4";
const B5: &str = "clinical catalogue B5; Alavi 2022";
const B6: &str = "clinical catalogue B6; Sen 1968";
const B7: &str = "clinical catalogue B7; Mann 1945, Kendall 1975";
const B8: &str = "clinical catalogue B8";
const B9: &str = "clinical catalogue B9; Killick 2012";
const B10: &str = "clinical catalogue B10";
const C2: &str = "clinical catalogue C2; Matthews 2008, Freedson 1998";
const C3: &str = "clinical catalogue C3; Choi 2011, Troiano 2008";
const C4: &str = "clinical catalogue C4; Cole-Kripke 1992, Sadeh 1994";
const C5: &str = "clinical catalogue C5";
const C6: &str = "clinical catalogue C6; Phillips 2017";
const C7: &str = "clinical catalogue C7; Van Someren 1999";
const D: &str = "clinical catalogue D1 to D3; Task Force 1996";

macro_rules! metric {
    ($name:literal $measure:ident $unit:literal $definition:expr, $window:expr, $minimum:expr, $source:expr, $daily:literal $golden:literal) => {
        metric!($name $measure $unit $definition, $window, $minimum, $source, $daily $golden &[])
    };
    ($name:literal $measure:ident $unit:literal $definition:expr, $window:expr, $minimum:expr, $source:expr, $daily:literal $golden:literal $codes:expr) => {
        MetricInfo {
            name: $name,
            measure: Measure::$measure,
            unit: $unit,
            definition: $definition,
            window: $window,
            minimum_data: $minimum,
            source: $source,
            daily: $daily,
            codes: $codes,
            golden: $golden,
        }
    };
}

static METRICS: &[MetricInfo] = &[
    metric!("step_count.daily_sum" StepCount "{steps}" "sum of the steps that each owned interval contributes", DAY, WEAR_DAY, C1, true ""),
    metric!("step_count.peak_1" StepCount "/min" "steps of the busiest minute", DAY, "minute resolution", C1, false "step_cadence"),
    metric!("step_count.peak_30" StepCount "/min" "mean of the 30 busiest minutes, not necessarily consecutive", DAY, "minute resolution", C1, false "step_cadence"),
    metric!("step_count.peak_60" StepCount "/min" "mean of the 60 busiest minutes, not necessarily consecutive", DAY, "minute resolution", C1, false "step_cadence"),
    metric!("step_count.moderate_minutes" StepCount "min" "minutes of 100 steps or more", DAY, "minute resolution", C1, false "step_cadence"),
    metric!("step_count.vigorous_minutes" StepCount "min" "minutes of 130 steps or more", DAY, "minute resolution", C1, false "step_cadence"),
    metric!("step_count.mean_7d" StepCount "{steps}" "mean of the valid days of a week", "7 local days that end with the day", "4 valid days", "clinical catalogue C, valid day", false "summary_stats"),
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
    metric!("body_weight.loss_30d" BodyWeight "%" "weight lost against the heaviest week of the 30 days before; levels are medians of a week", "30 local days before the day", "3 weighings in each week", A7, false ""),
    metric!("body_weight.loss_180d" BodyWeight "%" "weight lost against the heaviest week of the 180 days before; levels are medians of a week", "180 local days before the day", "3 weighings in each week", A7, false ""),
    metric!("pain_nrs.daily_mean" PainNrs "{score}" "mean of the prompted reports, of self-started ones where there are no others; quality says which, as in all averages of the day", DAY, PAIN_DAY, F1, true "pain_intensity_summary"),
    metric!("pain_nrs.self_started_mean" PainNrs "{score}" "mean of the reports that nobody asked for", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.daily_worst" PainNrs "{score}" "greatest report", DAY, "1 report", F1, true "pain_intensity_summary"),
    metric!("pain_nrs.daily_least" PainNrs "{score}" "least report", DAY, ONE_REPORT, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.daily_sd" PainNrs "{score}" "standard deviation of the reports", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.time_weighted_mean" PainNrs "{score}" "area under the reports by the time they span", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.mssd" PainNrs "" "mean of the squared differences of reports that follow each other", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.frac_severe" PainNrs "1" "fraction of the reports >= 7", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.auc_24h" PainNrs "{score}.h" "area under the reports by trapezoid", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.severe_minutes" PainNrs "min" "minutes at 7 or more, each report carried forward for 8 h at most", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_nrs.spid" PainNrs "{score}.h" "usual pain times the reported span minus the area under the reports: positive is relief", BASELINE, "7 valid days, and two reports on the day", F1, false "pain_intensity_summary"),
    metric!("pain_nrs.robust_z" PainNrs "" "robust z of pain_nrs.daily_mean", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("pain_vas.daily_mean" PainVas "mm" "mean of the prompted reports, of self-started ones where there are no others; quality says which", DAY, PAIN_DAY, F1, true "pain_intensity_summary"),
    metric!("pain_vas.self_started_mean" PainVas "mm" "mean of the reports that nobody asked for", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_vas.daily_worst" PainVas "mm" "greatest report", DAY, "1 report", F1, true "pain_intensity_summary"),
    metric!("pain_scale_other.daily_mean" PainScaleOther "{score}" "mean of the prompted reports of one instrument, of self-started ones where there are no others; quality says which", DAY, PAIN_DAY, F1, true "pain_intensity_summary"),
    metric!("pain_scale_other.self_started_mean" PainScaleOther "{score}" "mean of the reports that nobody asked for", DAY, PAIN_DAY, F1, false "pain_intensity_summary"),
    metric!("pain_scale_other.daily_worst" PainScaleOther "{score}" "greatest report of one instrument", DAY, "1 report", F1, true "pain_intensity_summary"),
    metric!("pain_scale_other.robust_z" PainScaleOther "" "robust z of pain_scale_other.daily_mean", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("total_sleep_time.daily_sum" TotalSleepTime "min" "sleep of the night that ends on the day, noon to noon; what several sources tell counts once, what is remembered where nobody measured", "noon to noon", "1 night", "clinical catalogue section 0, C5", true ""),
    metric!("total_sleep_time.robust_z" TotalSleepTime "" "robust z of total_sleep_time.daily_sum", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("medication_event.taking_pct" MedicationEvent "%" "scheduled doses with a dose in their cell", DAY, "1 scheduled dose", E3, false "dose_adherence"),
    metric!("medication_event.timing_pct" MedicationEvent "%" "scheduled doses taken within 60 min", DAY, "1 scheduled dose", E3, false "dose_adherence"),
    metric!("medication_event.interval_pct" MedicationEvent "%" "gaps before the day's scheduled doses that are within 25 % of the prescribed interval", DAY, "1 dose with one before it, or an order older than that", E3, false "dose_adherence"),
    metric!("medication_event.missed_in_a_row" MedicationEvent "1" "longest run of scheduled doses missed one after the other that ends on the day", "until the day's end", "1 closed cell", E3, false "dose_adherence"),
    metric!("medication_event.withdrawal_missed_in_a_row" MedicationEvent "1" "the same of extended-release opioids and patches, anticonvulsants and SNRI", "until the day's end", "1 closed cell", E3, false "dose_adherence"),
    metric!("news2.total" RespiratoryRate "{score}" "greatest total of the day's sets: the latest value of each item within 60 min", DAY, "all 7 items", A1, false "news2"),
    metric!("news2.partial_sum" RespiratoryRate "{score}" "greatest sum of the items that a set has: a lower bound", DAY, "1 item", A1, false "news2"),
    metric!("news2.band" RespiratoryRate "{score}" "worst band of the day's sets", DAY, "1 item", A1, false "news2" &["unknown", "low", "low-medium", "medium", "high"]),
    metric!("oivi.moderate" OxygenSaturation "1" "rate above 8 and at most 11 for 10 min with a saturation of 92 to 93 in the same window", DAY, "both signals", A2, false "sustained_threshold" FLAG),
    metric!("oivi.sedated" OxygenSaturation "1" "POSS >= 3 within 60 min of any other sign of impaired ventilation", DAY, ONE_REPORT, A2, false "sustained_threshold" FLAG),
    metric!("oivi.after_early_dose" OxygenSaturation "1" "an opioid dose after less than half the least interval, and any of OIVI-1 to 4 within its exposure", DAY, "1 opioid dose of an order with an interval, and a signal", "clinical catalogue E3, A2; engineering choice", false "sustained_threshold" FLAG),
    metric!("poss.worst" Poss "{score}" "most sedated report", DAY, ONE_REPORT, A3, false "" &["S", "1", "2", "3", "4"]),
    metric!("poss.with_depression" Poss "1" "POSS >= 3 with a rate <= 10 or a saturation < 92 within 60 min", DAY, ONE_REPORT, A3, false "" FLAG),
    metric!("prodigy.score" RespiratoryRate "{score}" "points by age, sex, opioid-naive, sleep-disordered breathing, heart failure; context, never an alarm", DAY, "a birth date", "clinical catalogue A4; Khanna 2020", false "prodigy"),
    metric!("blood_pressure.daily_systolic" BloodPressure "mm[Hg]" "mean of the readings, neither supine nor standing", DAY, "1 reading", A6, true ""),
    metric!("blood_pressure.daily_diastolic" BloodPressure "mm[Hg]" "mean of the readings, neither supine nor standing", DAY, "1 reading", A6, true ""),
    metric!("blood_pressure.category" BloodPressure "{score}" "worst category of the means of the day's sittings", DAY, SITTING, A6, false "bp_category" &["normal", "elevated", "stage1", "stage2", "severe"]),
    metric!("blood_pressure.sitting_systolic" BloodPressure "mm[Hg]" "lowest systolic mean of the day's sittings", DAY, SITTING, A6, false "bp_category"),
    metric!("blood_pressure.severe_with_symptoms" BloodPressure "1" "a severe sitting and a symptom of the table within 60 min; quality names it", DAY, SITTING, A6, false "bp_category" FLAG),
    metric!("blood_pressure.home_systolic" BloodPressure "mm[Hg]" "mean of the readings of a week", "7 local days", "12 readings on 3 days", A6, false "bp_category"),
    metric!("blood_pressure.home_diastolic" BloodPressure "mm[Hg]" "mean of the readings of a week", "7 local days", "12 readings on 3 days", A6, false "bp_category"),
    metric!("blood_pressure.home_category" BloodPressure "{score}" "category of the means of a week", "7 local days", "12 readings on 3 days", A6, false "bp_category" &["normal", "elevated", "stage1", "stage2", "severe"]),
    metric!("blood_pressure.nsaid_rise" BloodPressure "mm[Hg]" "mean systolic of days 4 to 28 of an NSAID minus the 28 days before", "days 4 to 28 after the start", "6 readings each", A6, false "bp_category"),
    metric!("blood_pressure.nsaid_effect" BloodPressure "1" "nsaid_rise >= 5, or a worse category", "days 4 to 28 after the start", "6 readings each", A6, false "bp_category" FLAG),
    metric!("blood_pressure.orthostatic" BloodPressure "1" "classic, initial or delayed fall on standing up, or a standing systolic < 90", DAY, STANDING, A5, false "orthostatic" FLAG),
    metric!("blood_pressure.orthostatic_urgent" BloodPressure "1" "a standing systolic < 90, or such a fall with a fall report on the day", DAY, STANDING, A5, false "orthostatic" FLAG),
    metric!("blood_pressure.orthostatic_sustained" BloodPressure "1" "orthostatic where a fall counts only if the last reading within 3 min shows it too", DAY, STANDING, A5, false "orthostatic" FLAG),
    metric!("blood_pressure.orthostatic_pulse_rise" BloodPressure "/min" "greatest rise of the pulse within 10 min of standing", DAY, STANDING, A5, false "orthostatic"),
    metric!("blood_pressure.orthostatic_ratio" BloodPressure "" "rise of the pulse by fall of systolic pressure, at the largest fall of a classic one", DAY, STANDING, A5, false "orthostatic"),
    metric!("heart_rate.rest_score" HeartRate "{score}" "greatest NEWS2 points that the pulse outside walked minutes keeps for 10 min", DAY, "pulse and steps", "clinical catalogue A8, A1", false ""),
    metric!("medication_event.mme_prescribed" MedicationEvent "mg" "morphine equivalents a day of the scheduled orders: the most that is in force at once", DAY, ONE_ORDER, E1, false "mme_daily"),
    metric!("medication_event.mme_prn_maximum" MedicationEvent "mg" "morphine equivalents a day of the as-needed orders at their maximum: the most that is in force at once", DAY, ONE_ORDER, E1, false "mme_daily"),
    metric!("medication_event.mme_with_prn" MedicationEvent "mg" "morphine equivalents a day of the scheduled orders and of the as-needed ones at their maximum: the most that is in force at once", DAY, ONE_ORDER, E1, false "mme_daily"),
    metric!("medication_event.mme_taken" MedicationEvent "mg" "greatest morphine equivalents taken within 24 h; without patches", "24 h", ONE_DOSE, E1, false "rolling_24h_dose"),
    metric!("medication_event.mme_rise_pct" MedicationEvent "%" "mme_prescribed against the least of the 7 days before", "8 local days", "1 day before", E1, false ""),
    metric!("medication_event.mme_mean_90d" MedicationEvent "mg" "mean of mme_prescribed", "90 local days that end with the day", "90 days with an order", E1, false ""),
    metric!("medication_event.naloxone_risk" MedicationEvent "1" "CDC's circumstances in which naloxone is offered, of a patient with an opioid order; of equivalents the scheduled ones count", DAY, ONE_ORDER, E1, false ""),
    metric!("medication_event.time_limited" MedicationEvent "1" "a dose of an ingredient that may be taken for a few days only; quality names it", DAY, ONE_DOSE, E4, false ""),
    metric!("medication_event.days_over_limit" MedicationEvent "d" "days in a row with a dose of such an ingredient beyond as many as the table allows", "local days in a row", ONE_DOSE, E4, false ""),
    metric!("medication_event.dose_ratio" MedicationEvent "1" "greatest total of an ingredient within 24 h by its daily maximum", "24 h", ONE_DOSE, E4, false "rolling_24h_dose"),
    metric!("medication_event.acetaminophen_ratio" MedicationEvent "1" "greatest total of acetaminophen within 24 h by its daily maximum", "24 h", ONE_DOSE, E4, false "rolling_24h_dose"),
    metric!("medication_event.nsaids_24h" MedicationEvent "1" "most different NSAIDs within 24 h", "24 h", ONE_DOSE, E4, false ""),
    metric!("medication_event.opioid_extra" MedicationEvent "1" "doses of a scheduled opioid that fill no cell", DAY, ONE_ORDER, E3, false "dose_adherence"),
    metric!("medication_event.opioid_too_soon" MedicationEvent "1" "opioid doses after less than half the least interval", DAY, ONE_DOSE, E3, false ""),
    metric!("medication_event.opioid_benzodiazepine" MedicationEvent "1" "an opioid and a benzodiazepine taken less than 24 h apart", "24 h", ONE_DOSE, E5, false "opioid_benzo_overlap" FLAG),
    metric!("medication_event.opioid_benzodiazepine_supply" MedicationEvent "1" "supply of an opioid and of a benzodiazepine on the day", DAY, "1 fill each", E5, false "opioid_benzo_overlap" FLAG),
    metric!("medication_event.opioid_benzodiazepine_days" MedicationEvent "d" "days with supply of both", "180 local days", "1 fill each", E5, false "opioid_benzo_overlap"),
    metric!("medication_event.pdc" MedicationEvent "1" "days covered by supply, of the scheduled medication with the least", "180 local days from the first fill", "30 days since the first fill", E2, false "pdc_mpr"),
    metric!("medication_event.mpr" MedicationEvent "1" "supply by days, of the same medication", "180 local days from the first fill", "30 days since the first fill", E2, false "pdc_mpr"),
    metric!("medication_event.left_over_days" MedicationEvent "d" "stock after the day, of the same medication", "180 local days from the first fill", "30 days since the first fill", E2, false "pdc_mpr"),
    metric!("medication_event.early_refill_days" MedicationEvent "d" "days that the last fill came before run-out, beyond 15 %", "last two fills", "2 fills", E2, false "pdc_mpr"),
    metric!("medication_event.rescue_24h" MedicationEvent "1" "most as-needed opioid doses within 24 h", "24 h", ONE_DOSE, E6, false "rolling_24h_dose"),
    metric!("medication_event.prn_doses" MedicationEvent "1" "as-needed doses", DAY, "1 as-needed order", E6, false ""),
    metric!("medication_event.prn_7d" MedicationEvent "1" "as-needed doses of a week", "7 local days", "1 as-needed order", E6, false ""),
    metric!("medication_event.prn_escalation" MedicationEvent "1" "as-needed doses of a week against the four before: binomial p < 0.05 and 0.5 doses a day more", WEEKS, "7 days each with an as-needed order", E6, false "prn_escalation" FLAG),
    metric!("medication_event.acute_analgesic" MedicationEvent "1" "an opioid, a triptan, an ergot or a combination analgesic was taken", DAY, ONE_DOSE, E7, false "" FLAG),
    metric!("medication_event.simple_analgesic" MedicationEvent "1" "a simple analgesic was taken", DAY, ONE_DOSE, E7, false "" FLAG),
    metric!("medication_event.overuse" MedicationEvent "{score}" "analgesic days in three blocks of 30 days, for patients with headache", "90 local days", ONE_DOSE, E7, false "" &["none", "notice", "risk"]),
    metric!("medication_event.progress" MedicationEvent "1" "mme_prescribed against day 0, by 30 %: 1 is less", SINCE, ONE_ORDER, F8, false ""),
    metric!("pain_nrs.change" PainNrs "{score}" "median of a week's daily means minus that of the four weeks before", WEEKS, WEEKS_MIN, F2, false "pain_change"),
    metric!("pain_nrs.change_grade" PainNrs "1" "3 substantially better, 2 moderately, 1 minimally, 0 neither, -1 worse by 2 points", WEEKS, WEEKS_MIN, F2, false "pain_change"),
    metric!("pain_nrs.severe" PainNrs "1" "two reports >= 7 at least 1 h apart, over midnight at most 8 h, or one an hour after rescue", DAY, ONE_REPORT, "clinical catalogue F4; engineering choice", false "" FLAG),
    metric!("pain_nrs.severe_with_red_flag" PainNrs "1" "severe pain that lasts, and a neurological red flag answered yes on the day or in the 8 h before it; quality names it", DAY, ONE_REPORT, "clinical catalogue F4; engineering choice", false "" FLAG),
    metric!("pain_nrs.headache" PainNrs "1" "pain in the head above 0", DAY, "1 report of the head", E7, false "" FLAG),
    metric!("pain_nrs.rescue_response" PainNrs "{score}" "median change of the score an hour after a rescue dose", "7 local days", "5 doses with reports around them", E6, false ""),
    metric!("pain_nrs.flare" PainNrs "1" "in a flare, by definition or in the patient's own words", "14 local days before the day", CALM, F5, false "pain_flare" FLAG),
    metric!("pain_nrs.flare_signals" PainNrs "1" "signals of a flare among those available", DAY, "3 signals", F6, false ""),
    metric!("pain_nrs.flare_check_in" PainNrs "1" "at least 3 signals of a flare on this day and the one before; quality lists today's", "2 local days", "3 signals available", F6, false "" FLAG),
    metric!("flare_report.said_yes" FlareReport "1" "the patient's own answer", DAY, ONE_REPORT, F5, false "" FLAG),
    metric!("peg.score" Peg "{score}" "mean of the three items, or the total as sent", DAY, "3 items", F3, true "peg"),
    metric!("peg.change" Peg "{score}" "score minus the one of 5 to 35 days before", "35 local days", "2 scores", F3, false "peg"),
    metric!("peg.change_grade" Peg "1" "1 better by 30 % or 1 point, 0 neither, -1 worse by 1 point", "35 local days", "2 scores", F3, false "peg"),
    metric!("peg.progress" Peg "1" "score against day 0, by 1 point: 1 is less", SINCE, "2 scores", F8, false "peg"),
    metric!("step_count.recovery_ratio" StepCount "1" "7-day median of steps after surgery by the median before it", "7 local days", PRE_OP, F7, false "return_to_baseline"),
    metric!("step_count.recovered" StepCount "1" "three ratios in a row of at least 0.9 so far", "since surgery", PRE_OP, F7, false "return_to_baseline" FLAG),
    metric!("step_count.recovery_plateau" StepCount "1" "no rise of the ratio over 10 days while it is below 0.8", "10 local days", "a ratio on the first of 10 days", F7, false "return_to_baseline" FLAG),
    metric!("step_count.pacing" StepCount "1" "pain 2 higher than on one of the two days before, which had more than 1.5 times the usual steps; shown only", "2 local days", "4 of the 7 days before", F7, false "" FLAG),
    metric!("step_count.progress" StepCount "1" "7-day median against day 0, by 10 %: 1 is more", SINCE, "7 valid days", F8, false ""),
    metric!("total_sleep_time.progress" TotalSleepTime "1" "7-day median against day 0, by 30 min: 1 is more", SINCE, "7 nights", F8, false ""),
    metric!("sleep_stage.progress" SleepStage "1" "7-night median of the efficiency against day 0, by 5 %: 1 is more", SINCE, "7 nights", F8, false ""),
    metric!("blood_pressure.goal_diastolic_pct" BloodPressure "%" "way of blood_pressure.daily_diastolic from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("blood_pressure.goal_systolic_pct" BloodPressure "%" "way of blood_pressure.daily_systolic from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("body_weight.goal_pct" BodyWeight "%" "way of body_weight.day_value from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("medication_event.goal_pct" MedicationEvent "%" "way of medication_event.mme_prescribed from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("pain_nrs.goal_pct" PainNrs "%" "way of pain_nrs.daily_mean from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("peg.goal_pct" Peg "%" "way of peg.score from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("resting_heart_rate.goal_pct" RestingHeartRate "%" "way of resting_heart_rate.daily_median from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("sleep_stage.goal_pct" SleepStage "%" "way of sleep_stage.sleep_efficiency from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("step_count.goal_pct" StepCount "%" "way of step_count.daily_sum from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("total_sleep_time.goal_pct" TotalSleepTime "%" "way of total_sleep_time.daily_sum from day 0 to the roster's goal; deviation is what is missing", SINCE, GOAL_MIN, F8, false ""),
    metric!("reporting.data_days_30d" HeartRate "d" "days with data of the device that has most; quality says it of each device", "30 local days that end with the day", "1 reading that feeds a daily metric", "clinical catalogue G5; CPT 99445, 99454", false ""),
    // Change, activity, sleep and heart-rate variability.
    metric!("heart_rate.night_mean" HeartRate "/min" "mean of the samples in minutes without a step", NIGHT, "60 valid minutes", B5, true ""),
    metric!("heart_rate.night_signal" HeartRate "" "0 green, 1 yellow (two nights in a row at least 3 /min above the median of earlier nights), 2 red (4 /min)", "28 nights before the night", "7 earlier nights", B5, false "nightsignal"),
    metric!("step_count.cusum" StepCount "" "greater tabular CUSUM of step_count.daily_sum in sd of its level, negative for a fall; beyond 5 the level has changed", CHART, LEVEL, B3, false "cusum_tabular"),
    metric!("step_count.trend_28d" StepCount "{steps}" "Theil-Sen change of step_count.daily_sum over 28 days where Mann-Kendall finds a trend (p < 0.05), else 0", MONTH, TEN_DAYS, B7, false "mann_kendall"),
    metric!("step_count.ewma" StepCount "{steps}" "EWMA (lambda 0.2) of step_count.daily_sum; baseline is its level", SUNDAYS_42, LEVEL, B2, false "ewma_chart"),
    metric!("step_count.page_hinkley" StepCount "1" "how far Page-Hinkley on step_count.daily_sum is towards a drift; 1 is at it", SUNDAYS_42, LEVEL, B4, false "page_hinkley"),
    metric!("step_count.slope_28d" StepCount "{steps}/d" "Theil-Sen slope of step_count.daily_sum a day, with its 95 % interval", SUNDAYS_28, EIGHT_DAYS, B6, false "theil_sen"),
    metric!("step_count.level_shift" StepCount "{steps}" "last change of level of step_count.daily_sum by optimal partitioning, 0 for none", SUNDAYS_42, "14 valid days", B9, false "changepoint_pelt"),
    metric!("heart_rate.cusum" HeartRate "" "greater tabular CUSUM of heart_rate.night_mean in sd of its level, negative for a fall; beyond 5 the level has changed", CHART, LEVEL, B3, false "cusum_tabular"),
    metric!("heart_rate.trend_28d" HeartRate "/min" "Theil-Sen change of heart_rate.night_mean over 28 days where Mann-Kendall finds a trend (p < 0.05), else 0", MONTH, TEN_DAYS, B7, false "mann_kendall"),
    metric!("heart_rate.ewma" HeartRate "/min" "EWMA (lambda 0.2) of heart_rate.night_mean; baseline is its level", SUNDAYS_42, LEVEL, B2, false "ewma_chart"),
    metric!("heart_rate.page_hinkley" HeartRate "1" "how far Page-Hinkley on heart_rate.night_mean is towards a drift; 1 is at it", SUNDAYS_42, LEVEL, B4, false "page_hinkley"),
    metric!("heart_rate.slope_28d" HeartRate "/min/d" "Theil-Sen slope of heart_rate.night_mean a day, with its 95 % interval", SUNDAYS_28, EIGHT_DAYS, B6, false "theil_sen"),
    metric!("heart_rate.level_shift" HeartRate "/min" "last change of level of heart_rate.night_mean by optimal partitioning, 0 for none", SUNDAYS_42, "14 valid days", B9, false "changepoint_pelt"),
    metric!("resting_heart_rate.cusum" RestingHeartRate "" "greater tabular CUSUM of resting_heart_rate.daily_median in sd of its level, negative for a fall; beyond 5 the level has changed", CHART, LEVEL, B3, false "cusum_tabular"),
    metric!("resting_heart_rate.trend_28d" RestingHeartRate "/min" "Theil-Sen change of resting_heart_rate.daily_median over 28 days where Mann-Kendall finds a trend (p < 0.05), else 0", MONTH, TEN_DAYS, B7, false "mann_kendall"),
    metric!("resting_heart_rate.ewma" RestingHeartRate "/min" "EWMA (lambda 0.2) of resting_heart_rate.daily_median; baseline is its level", SUNDAYS_42, LEVEL, B2, false "ewma_chart"),
    metric!("resting_heart_rate.page_hinkley" RestingHeartRate "1" "how far Page-Hinkley on resting_heart_rate.daily_median is towards a drift; 1 is at it", SUNDAYS_42, LEVEL, B4, false "page_hinkley"),
    metric!("resting_heart_rate.slope_28d" RestingHeartRate "/min/d" "Theil-Sen slope of resting_heart_rate.daily_median a day, with its 95 % interval", SUNDAYS_28, EIGHT_DAYS, B6, false "theil_sen"),
    metric!("resting_heart_rate.level_shift" RestingHeartRate "/min" "last change of level of resting_heart_rate.daily_median by optimal partitioning, 0 for none", SUNDAYS_42, "14 valid days", B9, false "changepoint_pelt"),
    metric!("pain_nrs.cusum" PainNrs "" "greater tabular CUSUM of pain_nrs.daily_mean in sd of its level, negative for a fall; beyond 5 the level has changed", CHART, LEVEL, B3, false "cusum_tabular"),
    metric!("pain_nrs.trend_28d" PainNrs "{score}" "Theil-Sen change of pain_nrs.daily_mean over 28 days where Mann-Kendall finds a trend (p < 0.05), else 0", MONTH, TEN_DAYS, B7, false "mann_kendall"),
    metric!("pain_nrs.ewma" PainNrs "{score}" "EWMA (lambda 0.2) of pain_nrs.daily_mean; baseline is its level", SUNDAYS_42, LEVEL, B2, false "ewma_chart"),
    metric!("pain_nrs.page_hinkley" PainNrs "1" "how far Page-Hinkley on pain_nrs.daily_mean is towards a drift; 1 is at it", SUNDAYS_42, LEVEL, B4, false "page_hinkley"),
    metric!("pain_nrs.slope_28d" PainNrs "{score}/d" "Theil-Sen slope of pain_nrs.daily_mean a day, with its 95 % interval", SUNDAYS_28, EIGHT_DAYS, B6, false "theil_sen"),
    metric!("pain_nrs.level_shift" PainNrs "{score}" "last change of level of pain_nrs.daily_mean by optimal partitioning, 0 for none", SUNDAYS_42, "14 valid days", B9, false "changepoint_pelt"),
    metric!("total_sleep_time.cusum" TotalSleepTime "" "greater tabular CUSUM of total_sleep_time.daily_sum in sd of its level, negative for a fall; beyond 5 the level has changed", CHART, LEVEL, B3, false "cusum_tabular"),
    metric!("total_sleep_time.trend_28d" TotalSleepTime "min" "Theil-Sen change of total_sleep_time.daily_sum over 28 days where Mann-Kendall finds a trend (p < 0.05), else 0", MONTH, TEN_DAYS, B7, false "mann_kendall"),
    metric!("total_sleep_time.ewma" TotalSleepTime "min" "EWMA (lambda 0.2) of total_sleep_time.daily_sum; baseline is its level", SUNDAYS_42, LEVEL, B2, false "ewma_chart"),
    metric!("total_sleep_time.page_hinkley" TotalSleepTime "1" "how far Page-Hinkley on total_sleep_time.daily_sum is towards a drift; 1 is at it", SUNDAYS_42, LEVEL, B4, false "page_hinkley"),
    metric!("total_sleep_time.slope_28d" TotalSleepTime "min/d" "Theil-Sen slope of total_sleep_time.daily_sum a day, with its 95 % interval", SUNDAYS_28, EIGHT_DAYS, B6, false "theil_sen"),
    metric!("total_sleep_time.level_shift" TotalSleepTime "min" "last change of level of total_sleep_time.daily_sum by optimal partitioning, 0 for none", SUNDAYS_42, "14 valid days", B9, false "changepoint_pelt"),
    metric!("pain_nrs.tau_sleep" PainNrs "" "Kendall tau-b of pain_nrs.daily_mean with total_sleep_time.daily_sum of the same date; deviation is Spearman rho", SUNDAYS_28, FOURTEEN_PAIRS, B8, false "rank_association"),
    metric!("pain_nrs.tau_sleep_day_before" PainNrs "" "Kendall tau-b of pain_nrs.daily_mean with total_sleep_time.daily_sum of the day before; deviation is Spearman rho", SUNDAYS_28, FOURTEEN_PAIRS, B8, false "rank_association"),
    metric!("pain_nrs.tau_steps" PainNrs "" "Kendall tau-b of pain_nrs.daily_mean with step_count.daily_sum of the same date; deviation is Spearman rho", SUNDAYS_28, FOURTEEN_PAIRS, B8, false "rank_association"),
    metric!("pain_nrs.tau_steps_day_before" PainNrs "" "Kendall tau-b of pain_nrs.daily_mean with step_count.daily_sum of the day before; deviation is Spearman rho", SUNDAYS_28, FOURTEEN_PAIRS, B8, false "rank_association"),
    metric!("step_count.interdaily_stability" StepCount "1" "stability of the hourly means across days", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("step_count.intradaily_variability" StepCount "1" "fragmentation of the hourly means", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("step_count.l5" StepCount "/min" "mean of the 5 least active hours in a row of the mean day", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("step_count.l5_onset" StepCount "min" "when they begin, minutes after local midnight", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("step_count.m10" StepCount "/min" "mean of the 10 most active hours in a row of the mean day", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("step_count.m10_onset" StepCount "min" "when they begin, minutes after local midnight", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("step_count.relative_amplitude" StepCount "1" "(M10 - L5)/(M10 + L5)", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("step_count.cosinor_mesor" StepCount "/min" "level of the 24-h cosine through the hourly means", WEEK, "3 days with 12 hours", B10, false "cosinor"),
    metric!("step_count.cosinor_amplitude" StepCount "/min" "its amplitude", WEEK, "3 days with 12 hours", B10, false "cosinor"),
    metric!("step_count.cosinor_acrophase" StepCount "h" "clock hour of its peak", WEEK, "3 days with 12 hours", B10, false "cosinor"),
    metric!("activity_count.interdaily_stability" ActivityCount "1" "stability of the hourly means across days", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("activity_count.intradaily_variability" ActivityCount "1" "fragmentation of the hourly means", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("activity_count.l5" ActivityCount "/min" "mean of the 5 least active hours in a row of the mean day", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("activity_count.l5_onset" ActivityCount "min" "when they begin, minutes after local midnight", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("activity_count.m10" ActivityCount "/min" "mean of the 10 most active hours in a row of the mean day", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("activity_count.m10_onset" ActivityCount "min" "when they begin, minutes after local midnight", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("activity_count.relative_amplitude" ActivityCount "1" "(M10 - L5)/(M10 + L5)", WEEK, WEEK_OF_DAYS, C7, false "circadian_nonparametric"),
    metric!("activity_count.cosinor_mesor" ActivityCount "/min" "level of the 24-h cosine through the hourly means", WEEK, "3 days with 12 hours", B10, false "cosinor"),
    metric!("activity_count.cosinor_amplitude" ActivityCount "/min" "its amplitude", WEEK, "3 days with 12 hours", B10, false "cosinor"),
    metric!("activity_count.cosinor_acrophase" ActivityCount "h" "clock hour of its peak", WEEK, "3 days with 12 hours", B10, false "cosinor"),
    metric!("activity_count.wear_minutes" ActivityCount "min" "minutes with counts that Choi does not call non-wear", DAY, "1 minute with counts", C3, false "choi_nonwear"),
    metric!("activity_count.non_wear_troiano" ActivityCount "min" "minutes that Troiano calls non-wear", DAY, "1 minute with counts", C3, false "troiano_nonwear"),
    metric!("activity_count.sedentary_minutes" ActivityCount "min" "worn minutes below 100 counts", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.sedentary_bouts_20" ActivityCount "min" "minutes in sedentary bouts of at least 20 min", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.sedentary_bouts_20_number" ActivityCount "1" "sedentary bouts of at least 20 min", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.sedentary_bouts_30" ActivityCount "min" "minutes in sedentary bouts of at least 30 min", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.sedentary_bouts_30_number" ActivityCount "1" "sedentary bouts of at least 30 min", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.sedentary_bouts_60" ActivityCount "min" "minutes in sedentary bouts of at least 60 min", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.sedentary_bouts_60_number" ActivityCount "1" "sedentary bouts of at least 60 min", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.sedentary_breaks" ActivityCount "1" "sedentary bouts that an active minute ends", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.mean_sedentary_bout" ActivityCount "min" "sedentary minutes a bout", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.p_sedentary_to_active" ActivityCount "1" "bouts a sedentary minute", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.light_minutes" ActivityCount "min" "worn minutes of 100 to 1951 counts", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.moderate_to_vigorous_minutes" ActivityCount "min" "worn minutes from 1952 counts on", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.vigorous_minutes" ActivityCount "min" "worn minutes from 5725 counts on", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.total_sleep" ActivityCount "min" "minutes asleep by Cole-Kripke in the reported time in bed", NOON_TO_NOON, IN_BED, C4, false "cole_kripke"),
    metric!("activity_count.total_sleep_sadeh" ActivityCount "min" "the same by Sadeh", NOON_TO_NOON, IN_BED, C4, false "sadeh"),
    metric!("activity_count.sleep_efficiency" ActivityCount "%" "minutes asleep by Cole-Kripke of the minutes in bed", NOON_TO_NOON, IN_BED, C5, false "sleep_summary"),
    metric!("activity_count.sleep_onset_latency" ActivityCount "min" "minutes awake in bed before the first asleep", NOON_TO_NOON, IN_BED, C5, false "sleep_summary"),
    metric!("activity_count.wake_after_sleep_onset" ActivityCount "min" "minutes awake between the first and the last asleep", NOON_TO_NOON, IN_BED, C5, false "sleep_summary"),
    metric!("activity_count.awakenings" ActivityCount "1" "times awake between the first and the last minute asleep", NOON_TO_NOON, IN_BED, C5, false "sleep_summary"),
    metric!("activity_count.regularity_index" ActivityCount "" "sleep regularity index of the minutes asleep by Cole-Kripke", WEEK, WEEK_OF_DAYS, C6, false "sleep_regularity_index"),
    metric!("sleep_stage.total_sleep" SleepStage "min" "minutes in a sleep stage of the vendor", NOON_TO_NOON, ONE_NIGHT, C5, true "sleep_summary"),
    metric!("sleep_stage.time_in_bed" SleepStage "min" "minutes with a stage, awake among them", NOON_TO_NOON, ONE_NIGHT, C5, false "sleep_summary"),
    metric!("sleep_stage.sleep_onset_latency" SleepStage "min" "minutes awake in bed before the first asleep", NOON_TO_NOON, ONE_NIGHT, C5, false "sleep_summary"),
    metric!("sleep_stage.wake_after_sleep_onset" SleepStage "min" "minutes awake between the first and the last asleep", NOON_TO_NOON, ONE_NIGHT, C5, true "sleep_summary"),
    metric!("sleep_stage.sleep_efficiency" SleepStage "%" "minutes asleep of the minutes in bed", NOON_TO_NOON, ONE_NIGHT, C5, true "sleep_summary"),
    metric!("sleep_stage.awakenings" SleepStage "1" "times awake between the first and the last minute asleep", NOON_TO_NOON, ONE_NIGHT, C5, false "sleep_summary"),
    metric!("sleep_stage.mean_sleep_bout" SleepStage "min" "minutes asleep a bout", NOON_TO_NOON, ONE_NIGHT, C5, false "sleep_summary"),
    metric!("sleep_stage.p_sleep_to_wake" SleepStage "1" "bouts a minute asleep", NOON_TO_NOON, ONE_NIGHT, C5, false "sleep_summary"),
    metric!("sleep_stage.fragmentation_index" SleepStage "/h" "awakenings per hour of sleep", NOON_TO_NOON, ONE_NIGHT, C5, false "sleep_summary"),
    metric!("sleep_stage.waso_z" SleepStage "" "robust z of sleep_stage.wake_after_sleep_onset", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("sleep_stage.efficiency_z" SleepStage "" "robust z of sleep_stage.sleep_efficiency", BASELINE, SEVEN_DAYS, B1, false "robust_z"),
    metric!("sleep_stage.poor_nights_7d" SleepStage "1" "nights of the last 7 with efficiency < 75 % and WASO robust z >= 2", "7 local days that end with the day", SEVEN_DAYS, C5, false ""),
    metric!("sleep_stage.regularity_index" SleepStage "" "sleep regularity index of the stages", WEEK, "5 nights with stages", C6, false "sleep_regularity_index"),
    metric!("rr_interval.night_rmssd" RrInterval "ms" "median RMSSD of the 5-min windows", NIGHT, SIX_WINDOWS, D, false "hrv_time"),
    metric!("rr_interval.night_sdnn" RrInterval "ms" "median SDNN of the 5-min windows", NIGHT, SIX_WINDOWS, D, false "hrv_time"),
    metric!("rr_interval.night_pnn50" RrInterval "%" "median pNN50 of the 5-min windows", NIGHT, SIX_WINDOWS, D, false "hrv_time"),
    metric!("rr_interval.night_artefact_pct" RrInterval "%" "beats of the night that are rejected", NIGHT, "1 beat", D, false "hrv_artefact"),
    metric!("rr_interval.spot_rmssd" RrInterval "ms" "median RMSSD of the day's recordings of 1 to 10 min", DAY, SPOT, D, false "hrv_time"),
    metric!("rr_interval.spot_pnn50" RrInterval "%" "median pNN50 of the day's recordings of 1 to 10 min", DAY, SPOT, D, false "hrv_time"),
    metric!("rr_interval.spot_sdnn" RrInterval "ms" "median SDNN of the first 5 min of the day's recordings of 5 to 10 min", DAY, "1 recording of 5 min with at most 5 % artefacts", D, false "hrv_time"),
];

/// Every metric, grouped by measure.
pub fn list() -> &'static [MetricInfo] {
    METRICS
}

pub fn find(name: &str) -> Option<&'static MetricInfo> {
    static BY_NAME: LazyLock<HashMap<&str, &MetricInfo>> =
        LazyLock::new(|| METRICS.iter().map(|metric| (metric.name, metric)).collect());
    BY_NAME.get(name).copied()
}

/// The daily metric that stands for a measure where a rule names only the measure.
pub fn daily_of(measure: Measure) -> Option<&'static MetricInfo> {
    METRICS.iter().find(|metric| metric.daily && metric.measure == measure)
}

impl MetricInfo {
    /// Whether people are shown it and no rule may look at it: the catalogue knows no alert on it.
    pub fn is_shown_only(&self) -> bool {
        [WEEK, SUNDAYS_28, SUNDAYS_42].contains(&self.window)
            || self.name == "step_count.pacing"
            || matches!(self.measure, Measure::ActivityCount | Measure::RrInterval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_named_after_its_measure_once_and_is_checked_against_a_golden_file_that_can_be_recomputed() {
        let golden: Vec<_> = crate::metrics::check::supported().collect();
        for (index, metric) in list().iter().enumerate() {
            let family = metric.name.split_inclusive('.').next().unwrap();
            let of_measure = family.strip_suffix('.') == Some(metric.measure.name());
            assert!(of_measure || crate::patient::day::SCORES.contains(&family), "{}", metric.name);
            assert!(list()[index + 1..].iter().all(|other| other.name != metric.name), "{}", metric.name);
            assert!(metric.golden.is_empty() || golden.contains(&metric.golden), "{}", metric.name);
        }
    }

    #[test]
    fn a_measure_knows_the_daily_metric_that_stands_for_it() {
        assert_eq!(daily_of(Measure::Mood), None);
        assert_eq!(daily_of(Measure::PainNrs).unwrap().name, "pain_nrs.daily_mean");
    }
}
