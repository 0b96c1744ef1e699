//! `time_bucket(width, time)` and `local_day(time, zone)`. Zones come from the database built into the program, so that
//! a day has the same bounds here as in the metrics.

use std::any::type_name;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use painwatch_domain::{EventTime, Zone};

/// Functions that make an arbitrarily large value out of a small one in a single step, past every limit on memory.
/// `range` and `generate_series` stay available in place of a table, where they give their rows one batch at a time.
pub const WITHHELD: [&str; 7] = ["repeat", "lpad", "rpad", "range", "generate_series", "array_repeat", "array_resize"];

pub fn ours() -> Vec<ScalarUDF> {
    vec![ScalarUDF::new_from_impl(TimeBucket::new()), ScalarUDF::new_from_impl(LocalDay::new())]
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn as_instant(given: &DataType, function: &str) -> Result<DataType> {
    match given {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Null => Ok(instant()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(instant()),
        other => plan_err!("{function} takes a time, not {other}"),
    }
}

fn as_text(given: &DataType, function: &str, what: &str) -> Result<DataType> {
    match given {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Ok(DataType::Utf8),
        other => plan_err!("{function} takes {what}, not {other}"),
    }
}

fn two<T>(args: &[T], function: &str) -> Result<()> {
    if args.len() == 2 { Ok(()) } else { plan_err!("{function} takes two arguments, not {}", args.len()) }
}

/// One value for constants, so that they are computed once.
fn answer(args: &[ColumnarValue], column: ArrayRef) -> Result<ColumnarValue> {
    let constant = args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    if constant && !column.is_empty() {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?));
    }
    Ok(ColumnarValue::Array(column))
}

fn misfit<T>() -> DataFusionError {
    DataFusionError::Execution(format!("an argument is no {}", type_name::<T>()))
}

/// `time_bucket('15 minutes', time)`: the start of the bucket that holds `time`. Buckets are counted from Monday,
/// 2000-01-03T00:00Z, as TimescaleDB counts them, so the same query gives the same rows there.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeBucket(Signature);

const ORIGIN_US: i64 = 946_857_600_000_000;
const DAY_US: i64 = 86_400_000_000;

impl TimeBucket {
    fn new() -> Self {
        Self(Signature::user_defined(Volatility::Immutable))
    }
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(instant())
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        two(given, self.name())?;
        let width = match &given[0] {
            DataType::Interval(_) | DataType::Duration(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            other => as_text(other, self.name(), "a width such as '15 minutes'")?,
        };
        Ok(vec![width, as_instant(&given[1], self.name())?])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        two(&args.args, self.name())?;
        let width_us = match &args.args[0] {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) => width_us(text)?,
            ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(interval))) => interval_us(*interval)?,
            _ => return exec_err!("time_bucket takes a constant width such as '15 minutes'"),
        };
        let times = args.args[1].to_array(args.number_rows)?;
        let times = times.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(misfit::<EventTime>)?;
        let starts: TimestampMicrosecondArray = times.unary(|time| bucket_us(time, width_us));
        answer(&args.args, Arc::new(starts.with_data_type(instant())))
    }
}

fn bucket_us(time: i64, width: i64) -> i64 {
    let [time, width, origin] = [time, width, ORIGIN_US].map(i128::from);
    let start = origin + (time - origin).div_euclid(width) * width;
    i64::try_from(start).unwrap_or(i64::MIN)
}

fn positive(width_us: Option<i64>, shown: &str) -> Result<i64> {
    match width_us {
        Some(width) if width > 0 => Ok(width),
        _ => exec_err!("{shown} is no width of a time bucket; one is '15 minutes', '1 day' or '1 hour 30 minutes'"),
    }
}

/// `15 minutes`, `1h`, `1 day 12 hours`.
fn width_us(text: &str) -> Result<i64> {
    let mut rest = text.trim();
    let mut sum = Some(0_i64);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let part = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit_us(unit, text).ok()?));
        if part.is_none() {
            unit_us(unit, text)?;
        }
        sum = sum.zip(part).and_then(|(sum, part)| sum.checked_add(part));
        if sum.is_none() {
            break;
        }
        rest = next.trim_start();
    }
    positive(sum, &format!("{text:?}"))
}

fn unit_us(unit: &str, text: &str) -> Result<i64> {
    Ok(match unit.to_ascii_lowercase().as_str() {
        "ms" | "millisecond" | "milliseconds" => 1_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000_000,
        "h" | "hour" | "hours" => 3_600_000_000,
        "d" | "day" | "days" => DAY_US,
        "w" | "week" | "weeks" => 7 * DAY_US,
        "month" | "months" | "mon" | "year" | "years" => return months(),
        _ => return positive(None, &format!("{text:?}")),
    })
}

fn months() -> Result<i64> {
    exec_err!("months differ in length; use date_trunc('month', time) or date_trunc('year', time)")
}

fn interval_us(interval: IntervalMonthDayNano) -> Result<i64> {
    if interval.months != 0 {
        return months();
    }
    let days = i64::from(interval.days).checked_mul(DAY_US);
    positive(days.and_then(|days| days.checked_add(interval.nanoseconds / 1_000)), "this interval")
}

/// `local_day(time, zone)`: the civil date there, by that zone's rules at that time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct LocalDay(Signature);

impl LocalDay {
    fn new() -> Self {
        Self(Signature::user_defined(Volatility::Immutable))
    }
}

impl ScalarUDFImpl for LocalDay {
    fn name(&self) -> &str {
        "local_day"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        two(given, self.name())?;
        Ok(vec![as_instant(&given[0], self.name())?, as_text(&given[1], self.name(), "a zone such as 'Europe/Paris'")?])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        two(&args.args, self.name())?;
        let times = args.args[0].to_array(args.number_rows)?;
        let zones = args.args[1].to_array(args.number_rows)?;
        let times = times.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(misfit::<EventTime>)?;
        let zones = zones.as_string_opt::<i32>().ok_or_else(misfit::<Zone>)?;
        let mut last: Option<Zone> = None;
        let mut days = Vec::with_capacity(times.len());
        for (time, name) in times.iter().zip(zones.iter()) {
            days.push(match (time, name) {
                (Some(time), Some(name)) => {
                    let zone = zone_named(&mut last, name)?;
                    Some(zone.local_day(EventTime(time.div_euclid(1_000))).0)
                }
                _ => None,
            });
        }
        answer(&args.args, Arc::new(Date32Array::from(days)))
    }
}

/// Rows of one patient follow each other: the zone is nearly always that of the row before.
fn zone_named<'a>(last: &'a mut Option<Zone>, name: &str) -> Result<&'a Zone> {
    if last.as_ref().is_none_or(|zone| zone.name() != name) {
        *last = None;
    }
    if last.is_none() {
        *last = Some(Zone::parse(name).map_err(|error| DataFusionError::Execution(error.to_string()))?);
    }
    last.as_ref().ok_or_else(misfit::<Zone>)
}
