//! The clinical metrics, one idea a file. Each file opens with its definition and where it comes from.
//!
//! Numbers do not depend on order or machine (semantics 14): sums run over sorted input at window close, square roots
//! come from `libm`, and what streams is an integer or a comparison.

pub mod bp_category;
pub mod catalogue;
pub mod changepoint;
pub mod check;
pub mod choi;
pub mod circadian;
pub mod cole_kripke;
pub mod cosinor;
pub mod cusum;
pub mod daily_change;
pub mod days_of;
pub mod dose_adherence;
pub mod ewma_chart;
pub mod flare_signals;
pub mod goal_progress;
pub mod hrv_artefact;
pub mod hrv_night;
pub mod hrv_time;
pub mod hysteresis;
pub mod interval_merge;
pub mod mann_kendall;
pub mod medication_overuse;
pub mod mme;
pub mod news2;
pub mod night_signal;
pub mod normal;
pub mod numbers;
pub mod oivi;
pub mod opioid_benzo_overlap;
pub mod opioid_exposure;
pub mod orthostatic;
pub mod page_hinkley;
pub mod pain_change;
pub mod pain_flare;
pub mod pain_summary;
pub mod pdc_mpr;
pub mod peg;
pub mod prn_escalation;
pub mod prodigy;
pub mod rank_association;
pub mod reference;
pub mod return_to_baseline;
pub mod robust_z;
pub mod rolling_dose;
pub mod sadeh;
pub mod sedation;
pub mod sedentary;
pub mod severe_pain;
pub mod sleep_regularity;
pub mod sleep_summary;
pub mod sleep_wake;
pub mod step_cadence;
pub mod step_day;
pub mod summary_stats;
pub mod sustained_threshold;
pub mod theil_sen;
pub mod troiano;
pub mod wear;
pub mod weight_gain;

pub use catalogue::{MetricInfo, list};
