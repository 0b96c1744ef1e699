//! MyAIGuide: people with chronic pain who wrote pain diaries over years and wore trackers. One folder per participant.
//!
//! | file | becomes | identity within the device (semantics 2) |
//! |---|---|---|
//! | pain.csv | pain_scale_other, date-only, site and side | day, body site, laterality |
//! | *Pain*.csv | pain_scale_other (rows named `happiness`: mood) at the entry's stamp; date-only without one | stamp or day, body site (mood: instrument) |
//! | fitbit_monthly/*.csv, *itbit.json | step_count over the local day; the former also sedentary and active minutes | measure, day start, day end |
//! | GoogleFit*.json | step_count over each bucket that has a count | bucket start, end |
//! | UDSFile*.json | step_count, active_minutes over the day; respiratory_rate at its stamp; resting_heart_rate and stress, date-only | measure, start, end (stress: instrument) |
//!
//! Pain is on the study's own scale (instrument `myaiguide`), never an NRS. Two reports of one site on one day without a
//! clock time are one identity: the second is a duplicate or a conflict, which a person may resolve. An entry made on
//! another day than the one it is about is dated on the day it is about and keeps the entry's stamp as its id. An older
//! export lying beside a newer one is sent as well: its rows come out as duplicates.

mod diary;
mod steps;

use std::path::Path;

use painwatch_domain::Zone;

use super::ImportError;
use super::collect::{Collector, Row};
use super::garmin::daily_summaries;
use super::local::Rules;
use super::report::FileReport;
use super::source::{self, Found};

pub fn read(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let files = source::find(path)?;
    for file in files.iter().filter(|file| kind(&file.name()) == Some(Kind::GoogleFit)) {
        take_zone_from_buckets(file, collector)?;
    }
    for file in &files {
        let name = file.name();
        match (participant(file.path()), kind(&name)) {
            (Some(subject), Some(kind)) => {
                let mut report = FileReport::new(file.shown());
                let rows = parse(kind, &file.bytes()?, &subject, collector.zone_of(&subject), &mut report)?;
                collector.add(rows, report)?;
            }
            (subject, _) => {
                let reason = match (subject, name.starts_with("TapLog")) {
                    (None, _) => "not in a participant's folder",
                    (_, true) => "button presses without a measure here",
                    (_, false) => "not a file of this format",
                };
                collector.report.left_out.push((file.shown(), reason.to_owned()));
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    RegionDiary,
    NamedDiary,
    FitbitMonthly,
    FitbitJson,
    GoogleFit,
    Garmin,
}

fn kind(name: &str) -> Option<Kind> {
    let is = |part: &str, extension: &str| name.contains(part) && name.ends_with(extension);
    Some(match () {
        () if name == "pain.csv" => Kind::RegionDiary,
        () if is("Pain", ".csv") => Kind::NamedDiary,
        () if name.starts_with("fitbit_export") && name.ends_with(".csv") => Kind::FitbitMonthly,
        () if is("GoogleFit", ".json") => Kind::GoogleFit,
        () if name.starts_with("UDSFile") && name.ends_with(".json") => Kind::Garmin,
        () if is("itbit", ".json") => Kind::FitbitJson,
        () => return None,
    })
}

/// The nearest folder above the file that is named after a participant.
fn participant(file: &Path) -> Option<String> {
    let folders = file.ancestors().skip(1).filter_map(|folder| folder.file_name()).map(|name| name.to_string_lossy());
    folders
        .map(String::from)
        .find(|name| name.strip_prefix("participant").is_some_and(|number| number.parse::<u32>().is_ok()))
}

fn parse(
    kind: Kind,
    bytes: &[u8],
    subject: &str,
    zone: &Zone,
    report: &mut FileReport,
) -> Result<Vec<Row>, ImportError> {
    match kind {
        Kind::RegionDiary => diary::by_region(bytes, subject, report),
        Kind::NamedDiary => diary::by_name(bytes, subject, report),
        Kind::FitbitMonthly => steps::fitbit_monthly(bytes, subject, report),
        Kind::FitbitJson => steps::fitbit_json(bytes, subject, report),
        Kind::GoogleFit => steps::google_fit(bytes, subject, &Rules::of(zone), report),
        Kind::Garmin => daily_summaries(bytes, subject, report),
    }
}

/// Google Fit cuts its buckets at the wearer's midnight. Where that is not midnight in the given zone, the buckets are
/// right: the subject's stamps are read in the fixed offset they prove.
fn take_zone_from_buckets(file: &Found, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let Some(subject) = participant(file.path()) else { return Ok(()) };
    let report = FileReport::new(file.shown());
    let starts = steps::bucket_starts(&file.bytes()?, &report)?;
    let rules = Rules::of(collector.zone_of(&subject));
    if starts.iter().all(|&start| rules.local(start).time() == jiff::civil::Time::midnight()) {
        return Ok(());
    }
    let Some(zone) = steps::zone_of_midnight(&starts) else { return Ok(()) };
    collector.report.notes.push(format!(
        "{subject}: the day boundaries in {} prove {}, which is used instead of {}",
        file.name(),
        zone.name(),
        collector.zone_of(&subject).name()
    ));
    collector.set_zone(&subject, zone);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_participant_whose_folder_holds_it() {
        assert_eq!(participant(Path::new("x/participant1/fitbit_monthly/a.csv")).as_deref(), Some("participant1"));
        assert_eq!(participant(Path::new("x/participants/a.csv")), None);
    }
}
