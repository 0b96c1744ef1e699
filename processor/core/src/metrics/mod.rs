//! The clinical metrics, one idea a file. Each file opens with its definition and where it comes from.
//!
//! Numbers do not depend on order or machine (semantics 14): sums run over sorted input at window close, square roots
//! come from `libm`, and what streams is an integer or a comparison.

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
pub mod hrv_artefact;
pub mod hrv_night;
pub mod hrv_time;
pub mod hysteresis;
pub mod interval_merge;
pub mod mann_kendall;
pub mod night_signal;
pub mod normal;
pub mod opioid_exposure;
pub mod page_hinkley;
pub mod pain_summary;
pub mod rank_association;
pub mod reference;
pub mod robust_z;
pub mod sadeh;
pub mod sedentary;
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
