//! Single cells: numbers and times, and what to say of one that is neither.

use jiff::civil::{Date, DateTime};

use super::layout::DateOrder;
use crate::import::collect::Moment;
use crate::import::local::{self, Rules};
use crate::import::report::Problem;
use crate::import::table::number;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimal {
    Dot,
    Comma,
}

/// What is wrong with a cell, before its line is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad {
    pub column: String,
    pub problem: String,
    pub fix: String,
}

impl Bad {
    pub fn new(column: &str, cell: &str, what: &str, fix: impl Into<String>) -> Self {
        let shown: String = cell.chars().take(32).collect();
        Self { column: column.to_owned(), problem: format!("{shown:?} {what}"), fix: fix.into() }
    }

    pub fn at(self, line: u64) -> Problem {
        Problem { line, column: self.column, problem: self.problem, fix: self.fix }
    }
}

pub fn decimal(column: &str, cell: &str, mark: Decimal) -> Result<f64, Bad> {
    let fix = match mark {
        Decimal::Dot if cell.contains(',') => {
            "write it with a decimal dot and without separators, or set decimal = \",\""
        }
        Decimal::Comma if cell.contains('.') => {
            "write it with a decimal comma and without separators, or set decimal = \".\""
        }
        _ => "write a number such as 81.4",
    };
    let bad = || Bad::new(column, cell, "is no number", fix);
    match mark {
        Decimal::Dot => number(cell).ok_or_else(bad),
        Decimal::Comma if cell.contains('.') => Err(bad()),
        Decimal::Comma => number(&cell.replace(',', ".")).ok_or_else(bad),
    }
}

/// A time as it is sent, and what it means here.
#[derive(Clone, Debug)]
pub struct When {
    pub text: String,
    pub day: Date,
    pub moment: Moment,
    pub is_date: bool,
}

impl When {
    /// Wall time in the zone.
    pub fn local(&self, rules: &Rules) -> DateTime {
        match self.moment {
            Moment::Local(local) => local,
            Moment::Utc(ms) => rules.local(ms),
        }
    }
}

pub fn when(column: &str, cell: &str, dates: Option<DateOrder>, rules: &Rules) -> Result<When, Bad> {
    if let Ok(instant) = cell.parse::<jiff::Timestamp>() {
        let ms = instant.as_millisecond();
        let (day, moment) = (rules.local(ms).date(), Moment::Utc(ms));
        return Ok(When { text: cell.replace(' ', "T"), day, moment, is_date: false });
    }
    let (day, clock) = cell.split_once([' ', 'T']).unwrap_or((cell, ""));
    let (bad, iso) = (
        |fix: &str| Bad::new(column, cell, "is no time", fix),
        "write 2026-03-01T12:00:05+01:00, 2026-03-01 12:00:05 or 2026-03-01",
    );
    let date = match (local::date(day).filter(|_| !day.contains('/')), dates) {
        (Some(date), _) => date,
        (None, Some(DateOrder::DayFirst)) => local::date_day_first(day).ok_or_else(|| bad(iso))?,
        (None, Some(DateOrder::MonthFirst)) => local::date(day).ok_or_else(|| bad(iso))?,
        (None, None) if local::date_day_first(day).is_some() || local::date(day).is_some() => {
            return Err(bad("say whether the day or the month comes first: dates = \"day_first\" or \"month_first\""));
        }
        (None, None) => return Err(bad(iso)),
    };
    if clock.is_empty() {
        let end = local::days_after(date, 1).at(0, 0, 0, 0);
        return Ok(When { text: date.to_string(), day: date, moment: Moment::Local(end), is_date: true });
    }
    let stamp = fraction(date, clock).or_else(|| local::stamp(&format!("{date} {clock}"))).ok_or_else(|| bad(iso))?;
    Ok(When { text: stamp.to_string(), day: date, moment: Moment::Local(stamp), is_date: false })
}

/// `12:00:05.250`
fn fraction(date: Date, clock: &str) -> Option<DateTime> {
    format!("{date}T{clock}").parse().ok()
}
