//! `effective_time_frame`: an instant, or an interval said in one of four ways.

use painwatch_domain::Zone;
use painwatch_domain::time::parse_stamp;
use painwatch_proto::ingest::v1::Reading;

use super::super::node::Node;
use super::super::time_missing;
use super::units::duration_ms;
use crate::reading::Refusal;

/// When a body says it happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TimeFrame {
    time: String,
    time_ms: Option<i64>,
    end_time: String,
    end_time_ms: Option<i64>,
    /// Only a part of the day was said, whose hours nobody has agreed on: the reading spans the day and is in doubt.
    part_of_day: bool,
}

impl TimeFrame {
    pub(super) fn of(body: &Node<'_>) -> Result<Self, Refusal> {
        let missing = || time_missing("the body needs effective_time_frame with date_time or time_interval");
        let frame = body.get("effective_time_frame").ok_or_else(missing)?;
        let instant = frame.text("date_time")?;
        match (instant, frame.get("time_interval")) {
            ("", Some(interval)) => Self::interval(interval),
            ("", None) => Err(missing()),
            (instant, None) => Ok(Self { time: instant.to_owned(), ..Self::default() }),
            (_, Some(_)) => Err(Refusal::unreadable("give date_time or time_interval, not both")),
        }
    }

    fn interval(interval: &Node<'_>) -> Result<Self, Refusal> {
        let [start, end, date] = ["start_date_time", "end_date_time", "date"].map(|name| interval.text(name));
        let (start, end, date) = (start?, end?, date?);
        let duration = duration(interval)?;
        match (start, end, duration) {
            ("", "", None) if !date.is_empty() && !interval.text("part_of_day")?.is_empty() => {
                Ok(Self { time: date.to_owned(), part_of_day: true, ..Self::default() })
            }
            (start, end, None) if !start.is_empty() && !end.is_empty() => {
                Ok(Self { time: start.to_owned(), end_time: end.to_owned(), ..Self::default() })
            }
            (start, "", Some(lasts)) if !start.is_empty() => {
                let end_time_ms = Some(instant("start_date_time", start)?.saturating_add(lasts));
                Ok(Self { time: start.to_owned(), end_time_ms, ..Self::default() })
            }
            ("", end, Some(lasts)) if !end.is_empty() => {
                let time_ms = Some(instant("end_date_time", end)?.saturating_sub(lasts));
                Ok(Self { time_ms, end_time: end.to_owned(), ..Self::default() })
            }
            _ => Err(time_missing(
                "time_interval needs start_date_time and end_date_time, one of them and duration, or date and part_of_day",
            )),
        }
    }

    /// How long it lasted, where both ends are known by themselves.
    pub(super) fn minutes(&self) -> Option<f64> {
        let at = |text: &str, ms: Option<i64>| ms.or_else(|| instant("", text).ok());
        let (start, end) = (at(&self.time, self.time_ms)?, at(&self.end_time, self.end_time_ms)?);
        Some(end.checked_sub(start)? as f64 / 60_000.0)
    }

    pub(super) fn place(&self, reading: Reading) -> Reading {
        Reading {
            time: self.time.clone(),
            time_ms: self.time_ms,
            end_time: self.end_time.clone(),
            end_time_ms: self.end_time_ms,
            quality: if self.part_of_day { "part_of_day".to_owned() } else { reading.quality },
            ..reading
        }
    }
}

fn duration(interval: &Node<'_>) -> Result<Option<i64>, Refusal> {
    let Some(duration) = interval.get("duration") else { return Ok(None) };
    let wrong = || Refusal::unreadable("duration needs a value and a unit: ms sec min h d wk; months and years vary");
    let value = duration.number("value")?.ok_or_else(wrong)?;
    duration_ms(value, duration.text("unit")?).map(Some).ok_or_else(wrong)
}

/// To count from a stamp it must say where on the clock it is.
fn instant(field: &str, stamp: &str) -> Result<i64, Refusal> {
    match parse_stamp(stamp, &Zone::utc()) {
        Ok(stamp) if !stamp.zone_assumed => Ok(stamp.utc_ms),
        Ok(_) => Err(time_missing(format!("{field} beside a duration needs an offset: add +01:00 or Z"))),
        Err(_) => {
            Err(Refusal::unreadable(format!("{field} is not an ISO 8601 time such as 2026-03-01T12:00:05+01:00")))
        }
    }
}
