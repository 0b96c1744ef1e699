//! What each column of a table is: by its name, or by what the file beside the table says of it.
//!
//! ```toml
//! delimiter = ";"            # "," ";" or "\t"; else the header decides
//! decimal = ","              # else a dot, unless commas stand in numbers and do not separate fields
//! dates = "day_first"        # or "month_first": how 03/04/2026 is meant; else such a date is an error
//! counters = ["step_count"]  # values that count up from local midnight: the interval begins there
//!
//! [columns]
//! "Datum" = { field = "time" }
//! "Gewicht" = { measure = "body_weight", unit = "kg" }
//! "Bemerkung" = { ignore = true }
//! ```

use std::collections::BTreeMap;

use painwatch_domain::Measure;
use painwatch_proto::json::nearest;
use serde::Deserialize;

use crate::import::ImportError;
use crate::import::report::FileReport;

/// The file beside a table.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    pub delimiter: Option<char>,
    pub decimal: Option<char>,
    pub dates: Option<DateOrder>,
    #[serde(default)]
    pub counters: Vec<String>,
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnSpec>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    DayFirst,
    MonthFirst,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnSpec {
    field: Option<String>,
    measure: Option<String>,
    unit: Option<String>,
    ignore: bool,
}

/// The fields of a reading that a column may hold.
pub const FIELDS: [&str; 26] = [
    "time",
    "end_time",
    "measure",
    "value",
    "unit",
    "device",
    "subject",
    "code",
    "body_site",
    "laterality",
    "modality",
    "recall",
    "instrument",
    "algorithm",
    "posture",
    "quality",
    "status",
    "revision",
    "id",
    "event",
    "medication",
    "scheduled_for",
    "systolic",
    "diastolic",
    "zone",
    "prompted",
];

/// A column of a wide table.
#[derive(Clone, Debug, PartialEq)]
pub struct Wide {
    pub column: usize,
    pub name: String,
    pub measure: Measure,
    pub unit: String,
}

#[derive(Debug)]
pub struct Layout {
    fields: BTreeMap<&'static str, usize>,
    /// Unit out of the name of a pressure's column.
    pub pressure_unit: String,
    pub wide: Vec<Wide>,
    pub dates: Option<DateOrder>,
    pub counters: Vec<Measure>,
}

impl Layout {
    /// # Errors
    /// [`ImportError::NotThisFormat`] for a column that is not known, and for a table without a time or a measure.
    pub fn of<'a>(
        header: impl Iterator<Item = &'a str>,
        sidecar: &Sidecar,
        report: &FileReport,
    ) -> Result<Self, ImportError> {
        let counters = sidecar.counters.iter().map(|name| measure(name, report)).collect::<Result<_, _>>()?;
        let mut layout = Self {
            fields: BTreeMap::new(),
            pressure_unit: String::new(),
            wide: Vec::new(),
            dates: sidecar.dates,
            counters,
        };
        for (place, name) in header.enumerate() {
            layout.place(place, name, sidecar.columns.get(name), report)?;
        }
        layout.check(report)?;
        Ok(layout)
    }

    fn place(
        &mut self,
        column: usize,
        name: &str,
        spec: Option<&ColumnSpec>,
        report: &FileReport,
    ) -> Result<(), ImportError> {
        let (bare, unit) = split_unit(name);
        match spec {
            Some(spec) if spec.ignore => Ok(()),
            Some(ColumnSpec { field: Some(told), unit, .. }) => {
                let field = FIELDS.iter().find(|known| *known == told);
                let field = field.ok_or_else(|| unknown(told, FIELDS.into_iter(), report))?;
                self.take(field, column, unit.as_deref().unwrap_or_default(), report)
            }
            Some(ColumnSpec { measure: Some(told), unit, .. }) => {
                let measure = measure(told, report)?;
                self.add(column, name, measure, unit.clone().unwrap_or_default(), report)
            }
            Some(_) => {
                Err(report.wrong(1, format!("[columns] {name:?}: give it a field, a measure, or ignore = true")))
            }
            None => match (FIELDS.iter().find(|field| **field == bare), Measure::parse(bare)) {
                (Some(field), _) => self.take(field, column, unit, report),
                (None, Some(measure)) => self.add(column, name, measure, unit.to_owned(), report),
                (None, None) if name.is_empty() => Ok(()),
                (None, None) => {
                    let measures = Measure::ALL.iter().map(|measure| measure.name());
                    Err(unknown(name, FIELDS.into_iter().chain(measures), report))
                }
            },
        }
    }

    fn take(&mut self, field: &'static str, column: usize, unit: &str, report: &FileReport) -> Result<(), ImportError> {
        if self.fields.insert(field, column).is_some() {
            return Err(report.wrong(1, format!("two columns are {field}: ignore one in [columns]")));
        }
        if matches!(field, "systolic" | "diastolic") && !unit.is_empty() {
            self.pressure_unit = unit.to_owned();
        }
        Ok(())
    }

    fn add(
        &mut self,
        column: usize,
        name: &str,
        measure: Measure,
        unit: String,
        report: &FileReport,
    ) -> Result<(), ImportError> {
        let expected = measure.spec().unit;
        // A count and a score have but one unit, a code has none: everything else must say its own.
        let unit = if unit.is_empty() && (expected.is_empty() || expected.starts_with('{')) {
            expected.to_owned()
        } else {
            unit
        };
        if unit.is_empty() && !expected.is_empty() {
            let fix = format!(
                "column {name:?} has no unit: call it \"{} ({expected})\", or give it a unit in [columns]",
                measure.name()
            );
            return Err(report.wrong(1, fix));
        }
        self.wide.push(Wide { column, name: name.to_owned(), measure, unit });
        Ok(())
    }

    fn check(&self, report: &FileReport) -> Result<(), ImportError> {
        let has = |field: &str| self.fields.contains_key(field);
        let problem = if !has("time") {
            "no column is the time: call it time, or name it in [columns]"
        } else if has("measure") && !self.wide.is_empty() {
            "a column measure and columns that are measures: ignore one or the other in [columns]"
        } else if has("systolic") != has("diastolic") {
            "systolic and diastolic belong together"
        } else if !has("measure") && self.wide.is_empty() && !has("systolic") {
            "no column is a measure: add measure and value, or call columns after measures, such as body_weight (kg)"
        } else if !has("measure") && has("systolic") && self.pressure_unit.is_empty() && !has("unit") {
            "the pressures have no unit: call them systolic (mmHg) and diastolic (mmHg)"
        } else {
            return Ok(());
        };
        Err(report.wrong(1, problem))
    }

    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.get(name).copied()
    }

    pub fn is_long(&self) -> bool {
        self.fields.contains_key("measure")
    }

    /// The columns that hold numbers.
    pub fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        let fields = ["value", "systolic", "diastolic"].into_iter().filter_map(|name| self.field(name));
        fields.chain(self.wide.iter().map(|wide| wide.column))
    }
}

/// `body_weight (kg)` as name and unit.
fn split_unit(name: &str) -> (&str, &str) {
    let split = name.split_once('(').and_then(|(bare, rest)| Some((bare.trim(), rest.strip_suffix(')')?.trim())));
    split.unwrap_or((name, ""))
}

fn measure(name: &str, report: &FileReport) -> Result<Measure, ImportError> {
    let known = Measure::ALL.iter().map(|measure| measure.name());
    Measure::parse(name).ok_or_else(|| unknown(name, known, report))
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>, report: &FileReport) -> ImportError {
    let hint = nearest(split_unit(name).0, known)
        .map_or_else(String::new, |near| format!(", the nearest known one is {near:?}"));
    report.wrong(1, format!("{name:?} is not known{hint}; a file NAME.csv.toml beside the table may say what it is"))
}
