//! Runs: of days, and of whatever is the same many times over.

use super::{In, Out, Result};
use crate::intake::codec::BlockError;

/// Ascending numbers as runs of neighbours: how far each begins after the one before, and its length.
pub(super) fn write_days(out: &mut Out, days: &[i32]) {
    let mut runs: Vec<(i32, u64)> = Vec::new();
    for &day in days {
        match runs.last_mut() {
            Some((first, length)) if i64::from(*first) + *length as i64 == i64::from(day) => *length += 1,
            _ => runs.push((day, 1)),
        }
    }
    out.bytes.unsigned(runs.len() as u64);
    let mut end = 0;
    for (first, length) in runs {
        out.bytes.signed(i64::from(first) - end);
        out.bytes.unsigned(length);
        end = i64::from(first) + length as i64;
    }
}

/// More days than any patient's past has: damage cannot reserve memory.
const DAYS_MAX: u64 = 1 << 20;

pub(super) fn read_days(from: &mut In) -> Result<Vec<i32>> {
    let (mut days, mut end) = (Vec::new(), 0_i64);
    for _ in 0..from.bytes.count()? {
        let first = end.wrapping_add(from.bytes.signed()?);
        let length = from.bytes.unsigned()?;
        if length > DAYS_MAX || days.len() as u64 > DAYS_MAX {
            return Err(BlockError::Damaged("too many days"));
        }
        end = first.wrapping_add(length as i64);
        for day in first..end {
            days.push(i32::try_from(day).map_err(|_| BlockError::Damaged("a day is out of range"))?);
        }
    }
    Ok(days)
}

/// One number per entry as runs of equal ones. Whoever reads knows how many entries there are.
pub(super) fn write_runs(out: &mut Out, values: &[i64]) {
    for run in values.chunk_by(|a, b| a == b) {
        out.bytes.signed(run[0]);
        out.bytes.unsigned(run.len() as u64);
    }
}

pub(super) fn read_runs(from: &mut In, count: usize) -> Result<Vec<i64>> {
    let mut values = Vec::with_capacity(count);
    while values.len() < count {
        let (value, length) = (from.bytes.signed()?, from.bytes.unsigned()?);
        if length == 0 || length > (count - values.len()) as u64 {
            return Err(BlockError::Damaged("a run has another length"));
        }
        values.extend((0..length).map(|_| value));
    }
    Ok(values)
}
