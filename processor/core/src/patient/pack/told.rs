//! What was told, a column a metric: mostly once, of a day of 24 hours, and what was told is the value that is kept.

use std::collections::BTreeMap;

use painwatch_domain::time::DAY_MS;

use super::columns::{read_days, read_runs, write_days, write_runs};
use super::{In, Out, Result};
use crate::intake::codec::BlockError;
use crate::metrics::numbers::Number;
use crate::patient::by_metric::ByMetric;
use crate::patient::daily::{Days, Derived};
use crate::patient::past::{FINGERPRINT_BYTES, Told, fingerprint};

/// Parts of a shape.
mod shape {
    /// The fingerprint: that of the row before, of the kept value as final or as provisional, or its bytes.
    pub const AS_BEFORE: i64 = 0;
    pub const KEPT_FINAL: i64 = 1;
    pub const KEPT: i64 = 2;
    pub const BYTES: i64 = 3;
    pub const FINGERPRINT: i64 = 3;
    /// Another revision than the row before.
    pub const REVISION: i64 = 1 << 2;
    /// Another window than most of the day's.
    pub const WINDOW: i64 = 1 << 3;
}

type AllTold = BTreeMap<i32, ByMetric<Told>>;
type Windows = BTreeMap<i32, (i64, i64)>;

pub(super) fn write(out: &mut Out, told: &AllTold, days: &Days) {
    let windows: Windows = told.iter().map(|(day, told)| (*day, common_window(told))).collect();
    write_windows(out, &windows);
    let mut columns: BTreeMap<Number, Vec<(i32, &Told)>> = BTreeMap::new();
    for (day, of_day) in told {
        of_day.numbered().for_each(|(number, told)| columns.entry(number).or_default().push((*day, told)));
    }
    out.bytes.unsigned(columns.len() as u64);
    for (number, column) in columns {
        out.bytes.unsigned(number.get().into());
        write_days(out, &column.iter().map(|(day, _)| *day).collect::<Vec<_>>());
        let mut last = Told { fingerprint: 0, revision: 0, window: (0, 0) };
        let mut shapes = Vec::with_capacity(column.len());
        for (day, told) in &column {
            let kept = Kept::of(days, number, *day);
            let differs = |differs: bool, bit: i64| if differs { bit } else { 0 };
            shapes.push(
                fingerprint_shape(told.fingerprint, last.fingerprint, &kept)
                    | differs(told.revision != last.revision, shape::REVISION)
                    | differs(told.window != windows[day], shape::WINDOW),
            );
            last = (*told).clone();
        }
        write_runs(out, &shapes);
        let mut revision = 0;
        for ((day, told), shape) in column.into_iter().zip(shapes) {
            if shape & shape::FINGERPRINT == shape::BYTES {
                out.bytes.0.extend_from_slice(&told.fingerprint.to_le_bytes()[..FINGERPRINT_BYTES]);
            }
            if shape & shape::REVISION != 0 {
                out.bytes.signed(told.revision.wrapping_sub(revision));
            }
            if shape & shape::WINDOW != 0 {
                out.bytes.signed(told.window.0.wrapping_sub(windows[&day].0));
                out.bytes.signed(told.window.1.wrapping_sub(told.window.0));
            }
            revision = told.revision;
        }
    }
}

pub(super) fn read(from: &mut In, days: &Days) -> Result<AllTold> {
    let windows = read_windows(from)?;
    let mut all: AllTold = windows.keys().map(|day| (*day, ByMetric::default())).collect();
    for _ in 0..from.bytes.count()? {
        let number = Number::parse(from.bytes.unsigned()?).ok_or(BlockError::Damaged("a metric has no such number"))?;
        let column = read_days(from)?;
        let shapes = read_runs(from, column.len())?;
        let mut last = Told { fingerprint: 0, revision: 0, window: (0, 0) };
        for (day, shape) in column.into_iter().zip(shapes) {
            let kept = Kept::of(days, number, day);
            last.fingerprint = match shape & shape::FINGERPRINT {
                shape::AS_BEFORE => last.fingerprint,
                shape::KEPT_FINAL => kept.told(true).ok_or(BlockError::Damaged("a kept value is missing"))?,
                shape::KEPT => kept.told(false).ok_or(BlockError::Damaged("a kept value is missing"))?,
                _ => {
                    let mut bytes = [0; 8];
                    bytes[..FINGERPRINT_BYTES].copy_from_slice(&from.bytes.array::<FINGERPRINT_BYTES>()?);
                    u64::from_le_bytes(bytes)
                }
            };
            if shape & shape::REVISION != 0 {
                last.revision = last.revision.wrapping_add(from.bytes.signed()?);
            }
            last.window = *windows.get(&day).ok_or(BlockError::Damaged("a day is missing"))?;
            if shape & shape::WINDOW != 0 {
                let start = last.window.0.wrapping_add(from.bytes.signed()?);
                last.window = (start, start.wrapping_add(from.bytes.signed()?));
            }
            all.entry(day).or_default().put(number, last.clone());
        }
    }
    Ok(all)
}

/// What is kept of a value that was told, if it still is.
struct Kept<'a>(Option<&'a crate::patient::day::DailyValue>);

impl<'a> Kept<'a> {
    fn of(days: &'a Days, number: Number, day: i32) -> Self {
        Self(days.get(&day).and_then(|values| values.of(number)))
    }

    fn told(&self, is_final: bool) -> Option<u64> {
        let value = self.0?.clone();
        Some(fingerprint(&Derived { value, baseline: None, deviation: None }, is_final))
    }
}

fn fingerprint_shape(told: u64, last: u64, kept: &Kept) -> i64 {
    match Some(told) {
        _ if told == last => shape::AS_BEFORE,
        told if told == kept.told(true) => shape::KEPT_FINAL,
        told if told == kept.told(false) => shape::KEPT,
        _ => shape::BYTES,
    }
}

fn common_window(told: &ByMetric<Told>) -> (i64, i64) {
    let mut windows: BTreeMap<(i64, i64), u32> = BTreeMap::new();
    told.iter().for_each(|(_, told)| *windows.entry(told.window).or_default() += 1);
    windows.into_iter().max_by_key(|(window, often)| (*often, *window)).map_or((0, 0), |(window, _)| window)
}

/// Each begins where the one before ends and lasts a day, or says by how much it does not.
fn write_windows(out: &mut Out, windows: &Windows) {
    write_days(out, &windows.keys().copied().collect::<Vec<_>>());
    let (mut begins, mut lasts, mut end) = (Vec::new(), Vec::new(), 0_i64);
    for (start, until) in windows.values() {
        begins.push(start.wrapping_sub(end));
        lasts.push(until.wrapping_sub(*start).wrapping_sub(DAY_MS));
        end = *until;
    }
    write_runs(out, &begins);
    write_runs(out, &lasts);
}

fn read_windows(from: &mut In) -> Result<Windows> {
    let days = read_days(from)?;
    let (begins, lasts) = (read_runs(from, days.len())?, read_runs(from, days.len())?);
    let mut end = 0_i64;
    let windows = days.into_iter().zip(begins.into_iter().zip(lasts)).map(|(day, (begins, lasts))| {
        let start = end.wrapping_add(begins);
        end = start.wrapping_add(lasts).wrapping_add(DAY_MS);
        (day, (start, end))
    });
    Ok(windows.collect())
}
