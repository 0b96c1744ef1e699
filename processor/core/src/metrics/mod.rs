//! The clinical metrics, one idea a file. Each file opens with its definition and where it comes from.
//!
//! Numbers do not depend on order or machine (semantics 14): sums run over sorted input at window close, square roots
//! come from `libm`, and what streams is an integer or a comparison.

pub mod catalogue;
pub mod check;
pub mod daily_change;
pub mod days_of;
pub mod dose_adherence;
pub mod hysteresis;
pub mod interval_merge;
pub mod opioid_exposure;
pub mod pain_summary;
pub mod robust_z;
pub mod step_cadence;
pub mod step_day;
pub mod summary_stats;
pub mod sustained_threshold;
pub mod wear;
pub mod weight_gain;

pub use catalogue::{MetricInfo, list};
