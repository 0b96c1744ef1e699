//! Rows of many files, gathered by the person they are about.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime};
use painwatch_domain::ids::{DeviceId, PatientId};
use painwatch_domain::{Measure, Zone};
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
    pub subject: String,
    /// What measured: `tracker`, `scale`, `phone`, …
    pub kind: &'static str,
    pub measure: Measure,
    /// The local day it speaks of: the greatest of a file is the file's end date.
    pub day: Date,
    pub newest: Moment,
    pub reading: Reading,
}

pub struct Collector<'a> {
    options: &'a ImportOptions,
    zone: Zone,
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
        Self { options, zone, zones: BTreeMap::new(), subjects: BTreeMap::new(), report: Report::default() }
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
            report.readings += outgoing::sample_count(&row.reading);
            self.add_row(row, revision)?;
        }
        self.report.files.push(report);
        Ok(())
    }

    fn add_row(&mut self, row: Row, revision: i64) -> Result<(), ImportError> {
        let zone = self.zones.get(&row.subject).unwrap_or(&self.zone).clone();
        let id = format!("{}-{}-{}", self.options.device_prefix, row.subject, row.kind);
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
        let reading = Reading {
            device: id,
            measure: row.measure.name().to_owned(),
            zone: zone.name().to_owned(),
            revision,
            ..row.reading
        };
        gathered.readings.push(Timed { newest_ms, reading });
        Ok(())
    }

    pub fn finish(self, format: &'static str) -> Result<Import, ImportError> {
        let several = self.subjects.len() > 1;
        let mut subjects = Vec::with_capacity(self.subjects.len());
        for (subject, mut gathered) in self.subjects {
            gathered.readings.sort_by_key(|timed| timed.newest_ms);
            let patient = match &self.options.patient {
                Some(patient) if !several => patient.clone(),
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
