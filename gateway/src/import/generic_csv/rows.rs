//! A row of the table as readings.

use painwatch_domain::{DeviceId, Measure, Shape};
use painwatch_proto::ingest::v1::{Components, Reading};
use painwatch_proto::json::nearest;

use super::cells::{Bad, Decimal, When, decimal, when};
use super::layout::{Layout, Wide};
use crate::import::collect::Row;
use crate::import::local::Rules;
use crate::import::table::Table;

pub struct Reader<'a> {
    pub layout: &'a Layout,
    pub decimal: Decimal,
    pub rules: &'a Rules,
}

impl Reader<'_> {
    /// What the current row holds: readings, and cells that cannot be one.
    pub fn readings(&self, table: &Table<'_>) -> Vec<Result<Row, Bad>> {
        if self.layout.is_long() {
            return vec![self.long(table)];
        }
        let mut found = Vec::new();
        if !self.cell(table, "systolic").is_empty() || !self.cell(table, "diastolic").is_empty() {
            found.push(self.pressure(table).and_then(|reading| self.row(table, Measure::BloodPressure, reading)));
        }
        let filled = self.layout.wide.iter().filter(|wide| !table.cell(wide.column).is_empty());
        found.extend(filled.map(|wide| self.wide(table, wide)));
        found
    }

    fn cell<'t>(&self, table: &'t Table<'_>, field: &str) -> &'t str {
        self.layout.field(field).map_or("", |column| table.cell(column))
    }

    fn long(&self, table: &Table<'_>) -> Result<Row, Bad> {
        let name = self.cell(table, "measure");
        let measure = Measure::parse(name).ok_or_else(|| {
            let near = nearest(name, Measure::ALL.iter().map(|measure| measure.name()));
            let fix = near.map_or("see docs/gateway-developers.md".to_owned(), |near| format!("did you mean {near}?"));
            Bad::new("measure", name, "is no measure", fix)
        })?;
        let reading = match measure.spec().shape {
            Shape::Panel => self.pressure(table)?,
            Shape::Code if self.cell(table, "code").is_empty() => {
                return Err(Bad::new("code", "", "is no code", format!("{name} needs a code")));
            }
            Shape::Code => Reading { unit: String::new(), ..Reading::default() },
            Shape::Dose if self.cell(table, "value").is_empty() => Reading::default(),
            Shape::Dose | Shape::Spot | Shape::Interval => Reading {
                value: Some(decimal("value", self.cell(table, "value"), self.decimal)?),
                unit: self.cell(table, "unit").to_owned(),
                ..Reading::default()
            },
        };
        self.row(table, measure, reading)
    }

    fn wide(&self, table: &Table<'_>, wide: &Wide) -> Result<Row, Bad> {
        let cell = table.cell(wide.column);
        let reading = match wide.measure.spec().shape {
            Shape::Code => Reading { code: cell.to_owned(), ..Reading::default() },
            Shape::Spot | Shape::Interval => Reading {
                value: Some(decimal(&wide.name, cell, self.decimal)?),
                unit: wide.unit.clone(),
                ..Reading::default()
            },
            Shape::Panel | Shape::Dose => {
                let fix = "use a column measure, and systolic and diastolic or event and medication";
                return Err(Bad::new(&wide.name, cell, "does not fit in one column", fix));
            }
        };
        self.row(table, wide.measure, reading)
    }

    fn pressure(&self, table: &Table<'_>) -> Result<Reading, Bad> {
        let systolic = decimal("systolic", self.cell(table, "systolic"), self.decimal)?;
        let diastolic = decimal("diastolic", self.cell(table, "diastolic"), self.decimal)?;
        let told = self.cell(table, "unit");
        let unit = if told.is_empty() { self.layout.pressure_unit.clone() } else { told.to_owned() };
        Ok(Reading { components: Some(Components { systolic, diastolic }), unit, ..Reading::default() })
    }

    fn row(&self, table: &Table<'_>, measure: Measure, reading: Reading) -> Result<Row, Bad> {
        let (start, end) = self.span(table, measure)?;
        let text = |field: &str| self.cell(table, field).to_owned();
        let code =
            if reading.code.is_empty() && measure.spec().shape == Shape::Code { text("code") } else { reading.code };
        let known = end.as_ref().unwrap_or(&start);
        let (day, newest) = (known.day, known.moment);
        let reading = Reading {
            code,
            time: start.text,
            end_time: end.map_or_else(String::new, |end| end.text),
            body_site: text("body_site"),
            laterality: text("laterality"),
            modality: text("modality"),
            recall: text("recall"),
            instrument: text("instrument"),
            algorithm: text("algorithm"),
            posture: text("posture"),
            quality: text("quality"),
            status: text("status"),
            id: text("id"),
            event: text("event"),
            medication: text("medication"),
            scheduled_for: text("scheduled_for"),
            zone: text("zone"),
            revision: self.revision(table)?,
            prompted: self.prompted(table)?,
            ..reading
        };
        Ok(Row {
            subject: self.name(table, "subject")?,
            kind: "csv",
            name: Some(self.name(table, "device")?),
            measure,
            day,
            newest,
            reading,
        })
    }

    /// A counter's interval begins at local midnight: what it says is what was counted since.
    fn span(&self, table: &Table<'_>, measure: Measure) -> Result<(When, Option<When>), Bad> {
        let dates = self.layout.dates;
        let start = when("time", self.cell(table, "time"), dates, self.rules)?;
        let end = match self.cell(table, "end_time") {
            "" => None,
            text => Some(when("end_time", text, dates, self.rules)?),
        };
        if end.is_some() || start.is_date || !self.layout.counters.contains(&measure) {
            return Ok((start, end));
        }
        let local = start.local(self.rules);
        let midnight = local.date().at(0, 0, 0, 0);
        if local == midnight {
            let fix = "a counter at midnight itself may be of either day: give the interval with end_time";
            return Err(Bad::new("time", self.cell(table, "time"), "is midnight", fix));
        }
        let since = self.rules.with_offset(self.rules.utc_ms(midnight));
        Ok((When { text: since, ..start.clone() }, Some(start)))
    }

    fn revision(&self, table: &Table<'_>) -> Result<i64, Bad> {
        match self.cell(table, "revision") {
            "" => Ok(0),
            text => text.parse().map_err(|_| Bad::new("revision", text, "is no whole number", "write one such as 2")),
        }
    }

    fn prompted(&self, table: &Table<'_>) -> Result<Option<bool>, Bad> {
        match self.cell(table, "prompted") {
            "" => Ok(None),
            text => {
                text.parse().map(Some).map_err(|_| Bad::new("prompted", text, "is no answer", "write true or false"))
            }
        }
    }

    /// Part of a device's or a patient's id.
    fn name(&self, table: &Table<'_>, field: &str) -> Result<String, Bad> {
        let text = self.cell(table, field);
        if text.is_empty() || DeviceId::parse(text).is_ok() {
            return Ok(text.to_owned());
        }
        let fix = "use at most 64 letters, digits and . _ - : @";
        Err(Bad::new(field, text, "cannot be part of an id", fix))
    }
}
