//! The numbers under which snapshots know metrics.
//!
//! A metric's number is its place in this list: a new one is added at the end, and one that is no longer computed stays where
//! it is. Names in a patient's state would be a third of its bytes.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Append only.
static NAMES: &[&str] = &[
    "step_count.daily_sum",
    "step_count.peak_1",
    "step_count.peak_30",
    "step_count.peak_60",
    "step_count.robust_z",
    "heart_rate.daily_median",
    "resting_heart_rate.daily_median",
    "resting_heart_rate.robust_z",
    "respiratory_rate.daily_median",
    "oxygen_saturation.daily_median",
    "body_weight.day_value",
    "body_weight.gain_1d",
    "body_weight.gain_3d",
    "body_weight.gain_7d",
    "pain_nrs.daily_mean",
    "pain_nrs.daily_worst",
    "pain_nrs.frac_severe",
    "pain_nrs.auc_24h",
    "pain_nrs.robust_z",
    "pain_vas.daily_mean",
    "pain_vas.daily_worst",
    "pain_scale_other.daily_mean",
    "pain_scale_other.daily_worst",
    "pain_scale_other.robust_z",
    "total_sleep_time.daily_sum",
    "total_sleep_time.robust_z",
    "medication_event.taking_pct",
    "medication_event.timing_pct",
    "medication_event.missed_in_a_row",
    "news2.total",
    "news2.partial_sum",
    "news2.band",
    "oivi.moderate",
    "oivi.sedated",
    "poss.worst",
    "poss.with_depression",
    "prodigy.score",
    "blood_pressure.daily_systolic",
    "blood_pressure.daily_diastolic",
    "blood_pressure.category",
    "blood_pressure.sitting_systolic",
    "blood_pressure.home_systolic",
    "blood_pressure.home_diastolic",
    "blood_pressure.home_category",
    "blood_pressure.nsaid_rise",
    "blood_pressure.nsaid_effect",
    "blood_pressure.orthostatic",
    "blood_pressure.orthostatic_urgent",
    "blood_pressure.orthostatic_pulse_rise",
    "blood_pressure.orthostatic_ratio",
    "heart_rate.rest_score",
    "medication_event.mme_prescribed",
    "medication_event.mme_prn_maximum",
    "medication_event.mme_taken",
    "medication_event.mme_rise_pct",
    "medication_event.dose_ratio",
    "medication_event.acetaminophen_ratio",
    "medication_event.nsaids_24h",
    "medication_event.opioid_extra",
    "medication_event.opioid_too_soon",
    "medication_event.opioid_benzodiazepine",
    "medication_event.opioid_benzodiazepine_supply",
    "medication_event.opioid_benzodiazepine_days",
    "medication_event.pdc",
    "medication_event.mpr",
    "medication_event.early_refill_days",
    "medication_event.rescue_24h",
    "medication_event.prn_doses",
    "medication_event.prn_7d",
    "medication_event.prn_escalation",
    "medication_event.acute_analgesic",
    "medication_event.simple_analgesic",
    "medication_event.overuse",
    "medication_event.progress",
    "pain_nrs.change",
    "pain_nrs.change_grade",
    "pain_nrs.severe",
    "pain_nrs.headache",
    "pain_nrs.rescue_response",
    "pain_nrs.flare",
    "pain_nrs.flare_signals",
    "flare_report.said_yes",
    "peg.score",
    "peg.change",
    "peg.change_grade",
    "peg.progress",
    "step_count.recovery_ratio",
    "step_count.recovered",
    "step_count.recovery_plateau",
    "step_count.progress",
    "total_sleep_time.progress",
    "heart_rate.night_mean",
    "heart_rate.night_signal",
    "step_count.cusum",
    "step_count.trend_28d",
    "step_count.ewma",
    "step_count.page_hinkley",
    "step_count.slope_28d",
    "step_count.level_shift",
    "heart_rate.cusum",
    "heart_rate.trend_28d",
    "heart_rate.ewma",
    "heart_rate.page_hinkley",
    "heart_rate.slope_28d",
    "heart_rate.level_shift",
    "resting_heart_rate.cusum",
    "resting_heart_rate.trend_28d",
    "resting_heart_rate.ewma",
    "resting_heart_rate.page_hinkley",
    "resting_heart_rate.slope_28d",
    "resting_heart_rate.level_shift",
    "pain_nrs.cusum",
    "pain_nrs.trend_28d",
    "pain_nrs.ewma",
    "pain_nrs.page_hinkley",
    "pain_nrs.slope_28d",
    "pain_nrs.level_shift",
    "total_sleep_time.cusum",
    "total_sleep_time.trend_28d",
    "total_sleep_time.ewma",
    "total_sleep_time.page_hinkley",
    "total_sleep_time.slope_28d",
    "total_sleep_time.level_shift",
    "pain_nrs.tau_sleep",
    "pain_nrs.tau_sleep_day_before",
    "pain_nrs.tau_steps",
    "pain_nrs.tau_steps_day_before",
    "step_count.interdaily_stability",
    "step_count.intradaily_variability",
    "step_count.l5",
    "step_count.l5_onset",
    "step_count.m10",
    "step_count.m10_onset",
    "step_count.relative_amplitude",
    "step_count.cosinor_mesor",
    "step_count.cosinor_amplitude",
    "step_count.cosinor_acrophase",
    "activity_count.interdaily_stability",
    "activity_count.intradaily_variability",
    "activity_count.l5",
    "activity_count.l5_onset",
    "activity_count.m10",
    "activity_count.m10_onset",
    "activity_count.relative_amplitude",
    "activity_count.cosinor_mesor",
    "activity_count.cosinor_amplitude",
    "activity_count.cosinor_acrophase",
    "activity_count.wear_minutes",
    "activity_count.non_wear_troiano",
    "activity_count.sedentary_minutes",
    "activity_count.sedentary_bouts_30",
    "activity_count.sedentary_breaks",
    "activity_count.mean_sedentary_bout",
    "activity_count.p_sedentary_to_active",
    "activity_count.light_minutes",
    "activity_count.moderate_to_vigorous_minutes",
    "activity_count.total_sleep",
    "activity_count.total_sleep_sadeh",
    "activity_count.sleep_efficiency",
    "activity_count.sleep_onset_latency",
    "activity_count.wake_after_sleep_onset",
    "activity_count.awakenings",
    "activity_count.regularity_index",
    "sleep_stage.total_sleep",
    "sleep_stage.time_in_bed",
    "sleep_stage.sleep_onset_latency",
    "sleep_stage.wake_after_sleep_onset",
    "sleep_stage.sleep_efficiency",
    "sleep_stage.awakenings",
    "sleep_stage.mean_sleep_bout",
    "sleep_stage.p_sleep_to_wake",
    "sleep_stage.fragmentation_index",
    "sleep_stage.waso_z",
    "sleep_stage.poor_nights_7d",
    "sleep_stage.regularity_index",
    "rr_interval.night_rmssd",
    "rr_interval.night_sdnn",
    "rr_interval.night_pnn50",
    "rr_interval.night_artefact_pct",
    "body_weight.loss_30d",
    "body_weight.loss_180d",
    "medication_event.days_over_limit",
    "medication_event.naloxone_risk",
    "medication_event.time_limited",
    "pain_nrs.flare_check_in",
    "pain_nrs.severe_minutes",
    "pain_nrs.spid",
    "rr_interval.spot_pnn50",
    "rr_interval.spot_rmssd",
    "rr_interval.spot_sdnn",
    "sleep_stage.efficiency_z",
    "step_count.pacing",
    "blood_pressure.severe_with_symptoms",
    "medication_event.interval_pct",
    "medication_event.left_over_days",
    "medication_event.mme_mean_90d",
    "medication_event.withdrawal_missed_in_a_row",
    "oivi.after_early_dose",
    "pain_nrs.daily_least",
    "pain_nrs.daily_sd",
    "pain_nrs.mssd",
    "pain_nrs.severe_with_red_flag",
    "pain_nrs.time_weighted_mean",
    "reporting.data_days_30d",
    "reporting.of_activity",
    "reporting.of_beats",
    "reporting.of_counts",
    "reporting.of_pain",
    "reporting.of_safety",
    "reporting.of_vitals",
    "reporting.of_weight",
    "step_count.mean_7d",
    "step_count.moderate_minutes",
    "step_count.vigorous_minutes",
    "activity_count.sedentary_bouts_20",
    "activity_count.sedentary_bouts_60",
    "sleep_stage.progress",
    "blood_pressure.goal_diastolic_pct",
    "blood_pressure.goal_systolic_pct",
    "body_weight.goal_pct",
    "medication_event.goal_pct",
    "pain_nrs.goal_pct",
    "peg.goal_pct",
    "resting_heart_rate.goal_pct",
    "sleep_stage.goal_pct",
    "step_count.goal_pct",
    "total_sleep_time.goal_pct",
    "blood_pressure.orthostatic_sustained",
    "pain_nrs.self_started_mean",
    "pain_scale_other.self_started_mean",
    "medication_event.mme_with_prn",
    "pain_vas.self_started_mean",
    "activity_count.sedentary_bouts_20_number",
    "activity_count.sedentary_bouts_30_number",
    "activity_count.sedentary_bouts_60_number",
    "activity_count.vigorous_minutes",
];

static NUMBERS: LazyLock<HashMap<&str, Number>> =
    LazyLock::new(|| NAMES.iter().copied().zip((0..).map(Number)).collect());

/// The place of a metric in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(u16);

impl Number {
    /// `None` for a name that no version of this program computed.
    pub fn of(name: &str) -> Option<Self> {
        NUMBERS.get(name).copied()
    }

    /// As a snapshot has it.
    pub fn parse(number: u64) -> Option<Self> {
        u16::try_from(number).ok().filter(|number| usize::from(*number) < NAMES.len()).map(Self)
    }

    pub const fn get(self) -> u16 {
        self.0
    }

    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalogue;

    /// The list as it was released: what a snapshot on a disk means.
    const RELEASED: &str = include_str!("../../tests/golden/metric-numbers.txt");

    #[test]
    fn every_metric_of_the_catalogue_has_one_number_and_no_number_ever_means_another() {
        for metric in catalogue::list() {
            let number = Number::of(metric.name).unwrap_or_else(|| panic!("add {} at the end of NAMES", metric.name));
            assert_eq!((number.name(), Number::parse(number.get().into())), (metric.name, Some(number)));
        }
        assert_eq!(NUMBERS.len(), NAMES.len(), "a name is in the list twice");
        let released: Vec<&str> = RELEASED.lines().collect();
        assert_eq!(NAMES[..released.len()], released, "numbers that are on disks are not given anew");
        assert_eq!(Number::parse(NAMES.len() as u64), None);
    }
}
