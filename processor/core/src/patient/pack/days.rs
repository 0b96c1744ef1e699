//! Daily values, a column a metric.
//!
//! A column says for each of its values by a *shape* what equals the value before or can be said shorter; equal shapes are
//! a run. A number is written in the shortest of several forms that gives back its very bits: measured values are
//! decimal, means are a sum over their count, and what is neither takes its eight bytes.

use std::collections::BTreeMap;

use painwatch_domain::time::DAY_MS;

use super::columns::{read_days, read_runs, write_days, write_runs};
use super::{In, Out, Result};
use crate::intake::codec::BlockError;
use crate::metrics::numbers::Number;
use crate::patient::by_metric::ByMetric;
use crate::patient::daily::Days;
use crate::patient::day::{DailyValue, evidence};

/// Parts of a shape: how a number is said (3 bits), then one or two bits each.
mod shape {
    pub const NONE: i64 = 0;
    pub const AS_BEFORE: i64 = 1;
    pub const WHOLE: i64 = 2;
    pub const THOUSANDTHS: i64 = 3;
    pub const OVER_N: i64 = 4;
    pub const PERCENT_OF_N: i64 = 5;
    pub const BITS: i64 = 6;
    pub const NUMBER: i64 = 7;
    pub const COUNT: i64 = 1 << 3;
    pub const HELD_AT: i64 = 1 << 4;
    pub const REASON: i64 = 1 << 5;
    pub const QUALITY: i64 = 1 << 6;
    pub const HISTORICAL: i64 = 1 << 7;
    /// Coverage: how it is said, none, as before, milliseconds of 24 hours, bits.
    pub const COVERAGE: i64 = 8;
    pub const COVERAGE_MS: i64 = 2;
    pub const COVERAGE_BITS: i64 = 3;
    /// Evidence: none, forgotten here, ids.
    pub const EVIDENCE: i64 = 10;
    pub const FORGOTTEN: i64 = 1;
    pub const IDS: i64 = 2;
    /// To be verified. The highest, so that what was written before there was such a mark is read as it was.
    pub const VERIFY: i64 = 1 << 12;
}

/// The part of a shape that says what evidence there is.
const fn said_of_evidence(shape: i64) -> i64 {
    (shape & !shape::VERIFY) >> shape::EVIDENCE
}

/// Where a day's values mostly became true: the end of the day.
type Ends = BTreeMap<i32, i64>;

pub(super) fn write(out: &mut Out, days: &Days) {
    let ends = ends_of(days);
    write_days(out, &ends.keys().copied().collect::<Vec<_>>());
    let expected = ends.keys().zip(std::iter::once(None).chain(ends.iter().map(Some)));
    let off = |(end, (day, before)): (&i64, (&i32, _))| end.wrapping_sub(usual_end(*day, before));
    let off: Vec<i64> = ends.values().zip(expected).map(off).collect();
    write_runs(out, &off);
    let mut columns: BTreeMap<Number, Vec<(i32, &DailyValue)>> = BTreeMap::new();
    for (day, values) in days {
        values.numbered().for_each(|(number, value)| columns.entry(number).or_default().push((*day, value)));
    }
    out.bytes.unsigned(columns.len() as u64);
    for (number, column) in columns {
        out.bytes.unsigned(number.get().into());
        write_days(out, &column.iter().map(|(day, _)| *day).collect::<Vec<_>>());
        let mut before = Before::default();
        let shapes: Vec<i64> = column.iter().map(|(day, value)| before.shape(number, *day, ends[day], value)).collect();
        write_runs(out, &shapes);
        let mut before = Before::default();
        for ((day, value), shape) in column.into_iter().zip(shapes) {
            before.write(out, ends[&day], value, shape);
        }
    }
}

pub(super) fn read(from: &mut In) -> Result<Days> {
    let mut days: Days = read_days(from)?.into_iter().map(|day| (day, ByMetric::default())).collect();
    let off = read_runs(from, days.len())?;
    let mut ends = Ends::new();
    for (day, off) in days.keys().zip(off) {
        let end = usual_end(*day, ends.last_key_value()).wrapping_add(off);
        ends.insert(*day, end);
    }
    for _ in 0..from.bytes.count()? {
        let number = Number::parse(from.bytes.unsigned()?).ok_or(BlockError::Damaged("a metric has no such number"))?;
        let column = read_days(from)?;
        let shapes = read_runs(from, column.len())?;
        let mut before = Before::default();
        for (day, shape) in column.into_iter().zip(shapes) {
            let end = ends.get(&day).ok_or(BlockError::Damaged("a day is missing"))?;
            let value = before.read(from, number, (day, *end), shape)?;
            days.entry(day).or_default().put(number, value);
        }
    }
    Ok(days)
}

fn ends_of(days: &Days) -> Ends {
    let common = |values: &ByMetric<DailyValue>| {
        let mut times: BTreeMap<i64, u32> = BTreeMap::new();
        values.iter().for_each(|(_, value)| *times.entry(value.held_at).or_default() += 1);
        times.into_iter().max_by_key(|(at, often)| (*often, *at)).map_or(0, |(at, _)| at)
    };
    days.iter().map(|(day, values)| (*day, common(values))).collect()
}

/// 24 hours a day after the end of the day before.
fn usual_end(day: i32, before: Option<(&i32, &i64)>) -> i64 {
    let days_since = |known: i32| i64::from(day).wrapping_sub(i64::from(known)).wrapping_mul(DAY_MS);
    before.map_or_else(|| days_since(-1), |(known, end)| end.wrapping_add(days_since(*known)))
}

/// The value before in a column, and the numbers that the next is said against.
#[derive(Default)]
struct Before {
    value: Option<DailyValue>,
    whole: i64,
    thousandths: i64,
}

/// Integers that an `f64` holds exactly, with room for differences.
const EXACT: f64 = (1_i64 << 52) as f64;

fn exact(x: f64, of: impl Fn(f64) -> f64, back: impl Fn(f64) -> f64) -> Option<i64> {
    let whole = of(x).round();
    // By way of the integer: it knows one zero only.
    let (whole, fits) = (whole as i64, whole.abs() < EXACT);
    (fits && back(whole as f64).to_bits() == x.to_bits()).then_some(whole)
}

fn whole(x: f64) -> Option<i64> {
    exact(x, |x| x, |whole| whole)
}

fn thousandths(x: f64) -> Option<i64> {
    exact(x, |x| x * 1000.0, |whole| whole / 1000.0)
}

fn over_n(x: f64, n: u32) -> Option<i64> {
    exact(x, |x| x * f64::from(n), |whole| whole / f64::from(n))
}

fn percent_of_n(x: f64, n: u32) -> Option<i64> {
    exact(x, |x| x * f64::from(n) / 100.0, |whole| 100.0 * whole / f64::from(n))
}

fn of_day(coverage: f64) -> Option<i64> {
    exact(coverage, |x| x * DAY_MS as f64, |ms| ms / DAY_MS as f64)
}

fn same(one: Option<f64>, other: Option<f64>) -> bool {
    one.map(f64::to_bits) == other.map(f64::to_bits)
}

impl Before {
    fn last(&self) -> DailyValue {
        self.value.clone().unwrap_or_default()
    }

    fn shape(&mut self, number: Number, day: i32, end: i64, value: &DailyValue) -> i64 {
        let last = self.last();
        let bit = |differs: bool, bit: i64| if differs { bit } else { 0 };
        let shape = number_shape(value, last.value)
            | bit(value.n != last.n, shape::COUNT)
            | bit(value.held_at != end, shape::HELD_AT)
            | bit(value.reason != last.reason, shape::REASON)
            | bit(value.quality != last.quality, shape::QUALITY)
            | bit(value.historical, shape::HISTORICAL)
            | bit(value.verify, shape::VERIFY)
            | coverage_shape(value.coverage, last.coverage) << shape::COVERAGE
            | evidence_shape(number, day, &value.evidence) << shape::EVIDENCE;
        self.value = Some(value.clone());
        shape
    }

    fn write(&mut self, out: &mut Out, end: i64, value: &DailyValue, shape: i64) {
        let last = self.last();
        if shape & shape::COUNT != 0 {
            out.bytes.signed(i64::from(value.n) - i64::from(last.n));
        }
        self.write_number(out, value, shape & shape::NUMBER);
        if shape & shape::HELD_AT != 0 {
            out.bytes.signed(value.held_at.wrapping_sub(end));
        }
        if shape & shape::REASON != 0 {
            out.text(&value.reason);
        }
        if shape & shape::QUALITY != 0 {
            out.text(&value.quality);
        }
        let coverage = value.coverage.unwrap_or_default();
        match shape >> shape::COVERAGE & 3 {
            shape::COVERAGE_MS => out.bytes.signed(of_day(coverage).unwrap_or_default()),
            shape::COVERAGE_BITS => out.bytes.0.extend_from_slice(&coverage.to_bits().to_le_bytes()),
            _ => {}
        }
        if said_of_evidence(shape) == shape::IDS {
            out.bytes.unsigned(value.evidence.len() as u64);
            value.evidence.iter().for_each(|id| out.id(*id));
        }
        self.value = Some(value.clone());
    }

    fn write_number(&mut self, out: &mut Out, value: &DailyValue, shape: i64) {
        let x = value.value.unwrap_or_default();
        match shape {
            shape::WHOLE => {
                let now = whole(x).unwrap_or_default();
                out.bytes.signed(now - std::mem::replace(&mut self.whole, now));
            }
            shape::THOUSANDTHS => {
                let now = thousandths(x).unwrap_or_default();
                out.bytes.signed(now - std::mem::replace(&mut self.thousandths, now));
            }
            shape::OVER_N => out.bytes.signed(over_n(x, value.n).unwrap_or_default()),
            shape::PERCENT_OF_N => out.bytes.signed(percent_of_n(x, value.n).unwrap_or_default()),
            shape::BITS => out.bytes.0.extend_from_slice(&x.to_bits().to_le_bytes()),
            _ => {}
        }
    }

    fn read(&mut self, from: &mut In, number: Number, (day, end): (i32, i64), shape: i64) -> Result<DailyValue> {
        let last = self.value.take().unwrap_or_default();
        let (historical, verify) = (shape & shape::HISTORICAL != 0, shape & shape::VERIFY != 0);
        let mut value = DailyValue { evidence: Vec::new(), historical, verify, ..last };
        if shape & shape::COUNT != 0 {
            let n = i64::from(value.n).wrapping_add(from.bytes.signed()?);
            value.n = u32::try_from(n).map_err(|_| BlockError::Damaged("a count is out of range"))?;
        }
        value.value = self.read_number(from, value.n, value.value, shape & shape::NUMBER)?;
        value.held_at = end;
        if shape & shape::HELD_AT != 0 {
            value.held_at = end.wrapping_add(from.bytes.signed()?);
        }
        if shape & shape::REASON != 0 {
            from.text()?.clone_into(&mut value.reason);
        }
        if shape & shape::QUALITY != 0 {
            from.text()?.clone_into(&mut value.quality);
        }
        value.coverage = match shape >> shape::COVERAGE & 3 {
            shape::NONE => None,
            shape::COVERAGE_MS => Some(from.bytes.signed()? as f64 / DAY_MS as f64),
            shape::COVERAGE_BITS => Some(bits(from)?),
            _ => value.coverage,
        };
        match said_of_evidence(shape) {
            shape::NONE => {}
            shape::FORGOTTEN => value.evidence = vec![evidence::forgotten(number, day)],
            shape::IDS => value.evidence = (0..from.bytes.count()?).map(|_| from.id()).collect::<Result<_>>()?,
            _ => return Err(BlockError::Damaged("a value has an unknown shape")),
        }
        self.value = Some(value.clone());
        Ok(value)
    }

    fn read_number(&mut self, from: &mut In, n: u32, last: Option<f64>, shape: i64) -> Result<Option<f64>> {
        Ok(Some(match shape {
            shape::NONE => return Ok(None),
            shape::AS_BEFORE => return Ok(last),
            shape::WHOLE => {
                self.whole = self.whole.wrapping_add(from.bytes.signed()?);
                self.whole as f64
            }
            shape::THOUSANDTHS => {
                self.thousandths = self.thousandths.wrapping_add(from.bytes.signed()?);
                self.thousandths as f64 / 1000.0
            }
            shape::OVER_N => from.bytes.signed()? as f64 / f64::from(n),
            shape::PERCENT_OF_N => 100.0 * from.bytes.signed()? as f64 / f64::from(n),
            shape::BITS => bits(from)?,
            _ => return Err(BlockError::Damaged("a number has an unknown shape")),
        }))
    }
}

fn bits(from: &mut In) -> Result<f64> {
    from.bytes.array().map(|bytes| f64::from_bits(u64::from_le_bytes(bytes)))
}

fn number_shape(value: &DailyValue, last: Option<f64>) -> i64 {
    let Some(x) = value.value else { return shape::NONE };
    match () {
        () if same(value.value, last) => shape::AS_BEFORE,
        () if whole(x).is_some() => shape::WHOLE,
        () if thousandths(x).is_some() => shape::THOUSANDTHS,
        () if over_n(x, value.n).is_some() => shape::OVER_N,
        () if percent_of_n(x, value.n).is_some() => shape::PERCENT_OF_N,
        () => shape::BITS,
    }
}

fn coverage_shape(coverage: Option<f64>, last: Option<f64>) -> i64 {
    match coverage {
        None => shape::NONE,
        Some(_) if same(coverage, last) => shape::AS_BEFORE,
        Some(x) if of_day(x).is_some() => shape::COVERAGE_MS,
        Some(_) => shape::COVERAGE_BITS,
    }
}

fn evidence_shape(number: Number, day: i32, ids: &[[u8; 16]]) -> i64 {
    match ids {
        [] => shape::NONE,
        [id] if *id == evidence::forgotten(number, day) => shape::FORGOTTEN,
        _ => shape::IDS,
    }
}
