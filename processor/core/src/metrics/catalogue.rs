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
    metric!("activity_count.sedentary_bouts_30" ActivityCount "min" "minutes in sedentary bouts of at least 30 min", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.sedentary_breaks" ActivityCount "1" "sedentary bouts that an active minute ends", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.mean_sedentary_bout" ActivityCount "min" "sedentary minutes a bout", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.p_sedentary_to_active" ActivityCount "1" "bouts a sedentary minute", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.light_minutes" ActivityCount "min" "worn minutes of 100 to 1951 counts", DAY, WORN_DAY, C2, false "sedentary_bouts"),
    metric!("activity_count.moderate_to_vigorous_minutes" ActivityCount "min" "worn minutes from 1952 counts on", DAY, WORN_DAY, C2, false "sedentary_bouts"),
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
    metric!("sleep_stage.poor_nights_7d" SleepStage "1" "nights of the last 7 with efficiency < 75 % and WASO robust z >= 2", "7 local days that end with the day", SEVEN_DAYS, C5, false ""),
    metric!("sleep_stage.regularity_index" SleepStage "" "sleep regularity index of the stages", WEEK, "5 nights with stages", C6, false "sleep_regularity_index"),
    metric!("rr_interval.night_rmssd" RrInterval "ms" "median RMSSD of the 5-min windows", NIGHT, SIX_WINDOWS, D, false "hrv_time"),
    metric!("rr_interval.night_sdnn" RrInterval "ms" "median SDNN of the 5-min windows", NIGHT, SIX_WINDOWS, D, false "hrv_time"),
    metric!("rr_interval.night_pnn50" RrInterval "%" "median pNN50 of the 5-min windows", NIGHT, SIX_WINDOWS, D, false "hrv_time"),
    metric!("rr_interval.night_artefact_pct" RrInterval "%" "beats of the night that are rejected", NIGHT, "1 beat", D, false "hrv_artefact"),
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

impl MetricInfo {
    /// Whether people are shown it and no rule may look at it: the catalogue knows no alert on it.
    pub fn is_shown_only(&self) -> bool {
        [WEEK, SUNDAYS_28, SUNDAYS_42].contains(&self.window)
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
            assert_eq!(metric.name.split_once('.').unwrap().0, metric.measure.name());
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
