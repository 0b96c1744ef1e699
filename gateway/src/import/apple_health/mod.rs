//! What Apple's Health app exports: `export.zip`, or the `export.xml` in it. The file holds every sample of years and may
//! be gigabytes large: it is read in passing, and what is held is one sample, the halves of blood pressures that wait for
//! each other, and the list of devices.
//!
//! | element | becomes | identity within the device (semantics 2) |
//! |---|---|---|
//! | Record of a quantity that `quantity.rs` lists | the measure it names there, with the unit of the row | start, end |
//! | Record of HeartRateVariabilitySDNN | hrv_sdnn; its beats as one packed rr_interval | start, end (beats: time) |
//! | Record of SleepAnalysis | sleep_stage; "in bed" is instrument `in_bed`, so that it lies beside the stages | start, end, instrument |
//! | Record of a symptom with a severity | symptom_severity 0 (not present) to 3 (severe) | start, end, symptom |
//! | Correlation of BloodPressure, or two Records of one moment and source | blood_pressure | start, end |
//! | Workout | exercise_session over it | start, end, activity |
//!
//! Each source is a device of its own, however often it is written: see `device.rs`. Phone and watch count the same steps;
//! both are sent with their own intervals, and the merge by interval (semantics 9) finds the day's total. Stamps carry the
//! offset in which the export was made, not that of the place: they are right as instants. What a person typed is
//! `self_reported`. The revision is the export's date (`ExportDate`); without one, the last day it speaks of. A percentage
//! is a fraction. Body measures, energy, distance, sounds, rings and all other types are skipped, and counted by type.

mod beats;
mod device;
mod quantity;
mod sample;
mod xml;

use std::path::Path;

use super::collect::Collector;
use super::report::FileReport;
use super::source::{self, Found};
use super::{ImportError, local};

pub fn read(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    for file in source::find(path)? {
        let name = file.name().to_lowercase();
        // The name of the file in the archive is in the language of the phone; the clinical document beside it is not.
        if !name.ends_with(".xml") {
            collector.report.left_out.push((file.shown(), "a recording or route beside the samples".to_owned()));
        } else if name.ends_with("_cda.xml") {
            collector.report.left_out.push((file.shown(), "the same samples as a clinical document".to_owned()));
        } else {
            read_samples(&file, collector)?;
        }
    }
    Ok(())
}

fn read_samples(file: &Found, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let revision = match file.stream(|reader| xml::exported_on(reader, &file.shown()))? {
        xml::Exported::On(day) => local::revision(day),
        xml::Exported::Unsaid(last) => last.map_or(0, local::revision),
    };
    let mut report = FileReport::new(file.shown());
    let mut samples = sample::Samples::default();
    file.stream(|reader| {
        let shown = file.shown();
        let mut elements = xml::Elements::new(reader, &shown);
        while let Some(element) = elements.next()? {
            for row in samples.take(element, &mut report) {
                collector.push(row, revision, &mut report)?;
            }
        }
        Ok(())
    })?;
    samples.finish(&mut report);
    collector.report.notes.extend(samples.sources());
    collector.report.files.push(report);
    Ok(())
}
