//! Rows of many files, gathered by the person they are about.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use painwatch_domain::ids::{DeviceId, PatientId};
use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{Measure, Roster, Zone};
use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};

use super::local::{self, Rules};
use super::report::{FileReport, Report};
use super::{ImportError, ImportOptions};
use crate::outgoing;

/// Everything read from one export.
#[derive(Clone, Debug)]
pub struct Import {
    pub format: &'static str,
    pub subjects: Vec<ImportedSubject>,
    pub report: Report,
}

#[derive(Clone, Debug)]
pub struct ImportedSubject {
    /// As the export names them.
    pub subject: String,
    pub patient: String,
    pub zone: Zone,
    pub devices: Vec<ImportedDevice>,
    /// In the order of `newest_ms`, ties in file order.
    pub readings: Vec<Timed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedDevice {
    pub id: String,
    pub kind: &'static str,
    pub measures: BTreeSet<Measure>,
}

/// A reading and the UTC time at which all of it was known: its end, or its last sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    pub newest_ms: i64,
    pub reading: Reading,
}

impl ImportedSubject {
    /// As a gateway would send them: historical, within the limits of one batch.
    pub fn batches(&self, gateway: &str, mode: Mode) -> Vec<ReadingBatch> {
        outgoing::batches(gateway, mode, self.readings.iter().map(|timed| timed.reading.clone()), 0)
    }
}

/// When a row's reading was complete.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    Local(DateTime),
    Utc(i64),
}

/// One reading out of a file, before its device, zone and revision are filled in.
#[derive(Clone, Debug)]
pub struct Row {
    /// Empty where an export is of one person.
    pub subject: String,
    /// What measured: `tracker`, `scale`, `phone`, …
    pub kind: &'static str,
    /// What the device is called where a person may have several of a kind; else it is called after its kind.
    pub name: Option<String>,
    pub measure: Measure,
    /// The local day it speaks of: the greatest of a file is the file's end date.
    pub day: Date,
    pub newest: Moment,
    pub reading: Reading,
}

/// Who takes readings as soon as they are known.
type Take<'a> = &'a mut dyn FnMut(Timed) -> Result<(), ImportError>;

/// Where a parser puts its rows.
pub type Rows<'a> = &'a mut dyn FnMut(Row) -> Result<(), ImportError>;

pub struct Collector<'a> {
    options: &'a ImportOptions,
    zone: Zone,
    take: Option<Take<'a>>,
    /// Subjects whose own data prove another zone than the one given.
    zones: BTreeMap<String, Zone>,
    subjects: BTreeMap<String, Gathered>,
    pub report: Report,
}

#[derive(Default)]
struct Gathered {
    devices: BTreeMap<String, ImportedDevice>,
    readings: Vec<Timed>,
}

impl<'a> Collector<'a> {
    pub fn new(options: &'a ImportOptions, zone: Zone) -> Self {
        Self { options, zone, take: None, zones: BTreeMap::new(), subjects: BTreeMap::new(), report: Report::default() }
    }

    /// Keeps no reading: each goes to `take`.
    pub fn handing_over(options: &'a ImportOptions, zone: Zone, take: Take<'a>) -> Self {
        Self { take: Some(take), ..Self::new(options, zone) }
    }

    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    pub fn roster(&self) -> &Roster {
        &self.options.roster
    }

    /// Must come before the subject's rows.
    pub fn set_zone(&mut self, subject: &str, zone: Zone) {
        self.zones.insert(subject.to_owned(), zone);
    }

    pub fn zone_of(&self, subject: &str) -> &Zone {
        self.zones.get(subject).unwrap_or(&self.zone)
    }

    /// Takes one file's rows. Their revision is the last day the file speaks of (semantics 4): of two exports that
    /// overlap, the one made later wins.
    pub fn add(&mut self, rows: Vec<Row>, mut report: FileReport) -> Result<(), ImportError> {
        let revision = rows.iter().map(|row| row.day).max().map_or(0, local::revision);
        for row in rows {
            self.push(row, revision, &mut report)?;
        }
        self.report.files.push(report);
        Ok(())
    }

    /// As [`Self::add`] for a file that is too large to hold its rows: it is read twice, the first time for its last day.
    pub fn add_in_passing(
        &mut self,
        file: String,
        read: &dyn Fn(&mut FileReport, Rows<'_>) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let mut last: Option<Date> = None;
        read(&mut FileReport::new(file.clone()), &mut |row| {
            last = last.max(Some(row.day));
            Ok(())
        })?;
        self.add_as_revision(file, last.map_or(0, local::revision), read)
    }

    /// Takes one file's rows in passing; those without a revision of their own have this one.
    pub fn add_as_revision(
        &mut self,
        file: String,
        revision: i64,
        read: &dyn Fn(&mut FileReport, Rows<'_>) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let mut report = FileReport::new(file);
        let mut counted = FileReport::default();
        read(&mut report, &mut |row| self.push(row, revision, &mut counted))?;
        report.readings = counted.readings;
        report.measures = counted.measures;
        self.report.files.push(report);
        Ok(())
    }

    /// Takes one row, and counts it.
    pub fn push(&mut self, row: Row, revision: i64, report: &mut FileReport) -> Result<(), ImportError> {
        report.count(row.measure, outgoing::sample_count(&row.reading));
        let zone = self.zones.get(&row.subject).unwrap_or(&self.zone).clone();
        let name = row.name.as_deref().unwrap_or(row.kind);
        let parts = [self.options.device_prefix.as_str(), &row.subject, name];
        let id = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        let gathered = self.subjects.entry(row.subject).or_default();
        if !gathered.devices.contains_key(&id) {
            DeviceId::parse(&id).map_err(|source| ImportError::Id { id: id.clone(), source })?;
            gathered
                .devices
                .insert(id.clone(), ImportedDevice { id: id.clone(), kind: row.kind, measures: BTreeSet::new() });
        }
        gathered.devices.entry(id.clone()).and_modify(|device| {
            device.measures.insert(row.measure);
        });
        let newest_ms = match row.newest {
            Moment::Local(local) => Rules::of(&zone).utc_ms(local),
            Moment::Utc(ms) => ms,
        };
        // A row that brings its own zone or revision keeps it.
        let own_zone = !row.reading.zone.is_empty();
        let reading = Reading {
            device: id,
            measure: row.measure.name().to_owned(),
            zone: if own_zone { row.reading.zone } else { zone.name().to_owned() },
            revision: if row.reading.revision == 0 { revision } else { row.reading.revision },
            ..row.reading
        };
        let timed = Timed { newest_ms, reading };
        match &mut self.take {
            Some(take) => take(timed)?,
            None => gathered.readings.push(timed),
        }
        Ok(())
    }

    pub fn finish(self, format: &'static str) -> Result<Import, ImportError> {
        let several = self.subjects.len() > 1;
        let mut subjects = Vec::with_capacity(self.subjects.len());
        for (subject, mut gathered) in self.subjects {
            gathered.readings.sort_by_key(|timed| timed.newest_ms);
            let patient = match &self.options.patient {
                Some(patient) if !several => patient.clone(),
                None if subject.is_empty() => self.options.device_prefix.clone(),
                Some(prefix) => format!("{prefix}-{subject}"),
                None => format!("{}-{subject}", self.options.device_prefix),
            };
            PatientId::parse(&patient).map_err(|source| ImportError::Id { id: patient.clone(), source })?;
            let zone = self.zones.get(&subject).unwrap_or(&self.zone).clone();
            let devices = gathered.devices.into_values().collect();
            subjects.push(ImportedSubject { subject, patient, zone, devices, readings: gathered.readings });
        }
        Ok(Import { format, subjects, report: self.report })
    }
}

/// Around a spring change, wall time does not tell when an interval was: it is sent in UTC. Where even its start was never
/// shown by a clock, another hour already has that instant: an id of its own keeps the two apart. `lasted_ms` is 0 for an
/// instant.
pub fn keep_apart(
    mut row: Row,
    start: DateTime,
    lasted_ms: i64,
    rules: &Rules,
    line: u64,
    report: &mut FileReport,
) -> Row {
    let end = start.saturating_add(lasted_ms.milliseconds());
    if rules.is_skipped(start) {
        report.remark(line, "the zone's clocks skipped this hour: sent with an id of its own");
        let (minutes, rest_ms) = (lasted_ms / MINUTE_MS, lasted_ms % MINUTE_MS);
        let length = if rest_ms == 0 { format!("{minutes}min") } else { format!("{lasted_ms}ms") };
        let told_apart = [row.measure.name(), &row.reading.instrument].join(" ");
        row.reading.id = format!("{}@{start}_{length}", told_apart.trim_end().replace(' ', "_"));
        row.reading.quality = "stamp_skipped_by_zone".to_owned();
    }
    if rules.is_skipped(start) || (lasted_ms > 0 && rules.is_skipped(end)) {
        let start_ms = rules.utc_ms(start);
        row.reading.time = rules.with_offset(start_ms);
        if lasted_ms > 0 {
            row.reading.end_time = rules.with_offset(start_ms + lasted_ms);
        }
    }
    row
}

/// An interval from local `start` to local `end`.
pub fn interval(start: DateTime, end: DateTime, value: f64, unit: &str) -> Reading {
    Reading {
        time: start.to_string(),
        end_time: end.to_string(),
        value: Some(value),
        unit: unit.to_owned(),
        ..Reading::default()
    }
}

/// An interval over a whole local day.
pub fn over_day(day: Date, value: f64, unit: &str) -> Reading {
    interval(day.at(0, 0, 0, 0), local::days_after(day, 1).at(0, 0, 0, 0), value, unit)
}
