//! The past as formats 1 and 2 had it: metrics by their names. Version 0.1.0 wrote format 1.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::patient::day::DailyValue;
use crate::patient::episodes::Reports;
use crate::patient::past::{FINGERPRINT, Missed, Opioids, Past, Told};
use crate::patient::signal::FoldedHours;
use crate::patient::state::SnapshotError;

#[derive(Deserialize)]
struct OldPast {
    folded: BTreeMap<String, FoldedHours>,
    days: BTreeMap<i32, BTreeMap<String, DailyValue>>,
    told: BTreeMap<i32, BTreeMap<String, Told>>,
    reports: Reports,
    opioids: Opioids,
    missed: Missed,
}

/// # Errors
/// [`SnapshotError::Damaged`] when the bytes are not what that version wrote.
pub fn read(bytes: &[u8]) -> Result<Past, SnapshotError> {
    let old: OldPast = postcard::from_bytes(bytes).map_err(|error| SnapshotError::Damaged(error.to_string()))?;
    let OldPast { folded, days, told, reports, opioids, missed } = old;
    let days = days.into_iter().map(|(day, values)| (day, values.into_iter().collect())).collect();
    let shorter = |(metric, told): (String, Told)| {
        let fingerprint = told.fingerprint & FINGERPRINT;
        (metric, Told { fingerprint, ..told })
    };
    let told = told.into_iter().map(|(day, told)| (day, told.into_iter().map(shorter).collect())).collect();
    Ok(Past { days, told, reports, opioids, missed, folded })
}
