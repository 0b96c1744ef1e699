//! PMData (Thambawita et al., ACM MMSys 2020): athletes with a Fitbit, wellness questions in PMSYS and a form for what they
//! ate and weighed. One folder per participant, `p01`, `p02`, …; below it `fitbit`, `pmsys` and `googledocs`.
//!
//! | file | becomes | identity within the device (semantics 2) |
//! |---|---|---|
//! | fitbit/sleep.json | total_sleep_time over each sleep; its segments as sleep_stage (`algorithm` fitbit_stages or fitbit_classic); the short awakenings that lie over them as sleep_stage of instrument fitbit_short_wake | start, end (short awakenings: instrument) |
//! | fitbit/steps.json | step_count of each minute, packed by the hour; a minute that is not there is null | minute start, end |
//! | fitbit/heart_rate.json | heart_rate, packed by the hour | stamp |
//! | fitbit/resting_heart_rate.json | resting_heart_rate, date-only; a 0 without a date is no data | day |
//! | fitbit/sedentary_minutes.json | sedentary_minutes over the local day | day start, end |
//! | fitbit/moderately_ and very_active_minutes.json | active_minutes over the local day: the sum of both | day start, end |
//! | fitbit/exercise.json | exercise_session over its duration | start, end, activity |
//! | pmsys/wellness.csv | mood, stress, total_sleep_time as the person remembers it, survey_score for the rest; for each sore place one more survey_score with its site | stamp (scores: instrument) |
//! | pmsys/injury.csv | symptom_severity 1 (minor) or 2 (major) for each injured place | stamp, instrument |
//! | pmsys/srpe.csv | exercise_session over the session, survey_score of the exertion | start, end (exertion: stamp, instrument) |
//! | googledocs/reporting.csv | body_weight, typed, date-only on the day it is about | day |
//!
//! Fitbit's stamps are wall time, PMSYS's are UTC, the form's dates are day first. Answers of 1 to 5 where 0 is no answer;
//! readiness is 0 to 10. In soreness and stress a higher answer is the better one, so they are no pain and no severity here:
//! they keep their own instrument. Tracker, PMSYS and form are three devices of a person.

mod fitbit;
mod pmsys;
mod typed;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;

use super::collect::{Collector, Row};
use super::local::Rules;
use super::report::FileReport;
use super::source::{self, Found};
use super::{ImportError, elements};

const TRACKER: &str = "tracker";
/// What Git puts in the place of a file that it keeps elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// Minutes of one kind by day, with the number of the entry.
type Days = BTreeMap<Date, (u64, f64)>;

pub fn read(path: &Path, collector: &mut Collector<'_>) -> Result<(), ImportError> {
    let rules = Rules::of(collector.zone());
    let mut active = Active::default();
    for file in source::find(path)? {
        match (participant(file.path()), folder(file.path()).as_str()) {
            (Some(subject), "fitbit" | "pmsys" | "googledocs") => {
                read_file(&file, &subject, &rules, &mut active, collector)?;
            }
            _ => collector.report.left_out.push((file.shown(), "not in a participant's folder".to_owned())),
        }
    }
    active.finish(collector)
}

fn folder(file: &Path) -> String {
    file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
}

/// The folder above, if it is named `p` and a number.
fn participant(file: &Path) -> Option<String> {
    let name = file.ancestors().nth(2)?.file_name()?.to_string_lossy().into_owned();
    name.strip_prefix('p').is_some_and(|number| number.parse::<u32>().is_ok()).then_some(name)
}

fn read_file(
    file: &Found,
    subject: &str,
    rules: &Rules,
    active: &mut Active,
    collector: &mut Collector<'_>,
) -> Result<(), ImportError> {
    let name = file.name();
    let starts_as = file.stream(|reader| Ok(reader.fill_buf().map(<[u8]>::to_vec).unwrap_or_default()))?;
    let left_out = match name.as_str() {
        _ if starts_as.starts_with(LFS_POINTER) => Some("only a pointer to a file that was not fetched"),
        "lightly_active_minutes.json" => Some("light activity does not count as active minutes"),
        "time_in_heart_rate_zones.json" => Some("minutes by the vendor's own zones are no measure here"),
        "sleep_score.csv" => Some("a vendor's score of a night is no measure here"),
        "calories.json" | "distance.json" => Some("energy and distance are no measures here"),
        "sleep.json"
        | "steps.json"
        | "heart_rate.json"
        | "resting_heart_rate.json"
        | "sedentary_minutes.json"
        | "moderately_active_minutes.json"
        | "very_active_minutes.json"
        | "exercise.json"
        | "wellness.csv"
        | "injury.csv"
        | "srpe.csv"
        | "reporting.csv" => None,
        _ => Some("not a file of this format"),
    };
    if let Some(reason) = left_out {
        collector.report.left_out.push((file.shown(), reason.to_owned()));
        return Ok(());
    }
    let mut report = FileReport::new(file.shown());
    if let Some(kind) = Active::kind(&name) {
        let days = fitbit::minutes_by_day(file, &mut report)?;
        active.days.entry(subject.to_owned()).or_default()[kind] = Some((report, days));
        return Ok(());
    }
    let rows = rows(file, &name, subject, rules, &mut report)?;
    collector.add(rows, report)
}

fn rows(
    file: &Found,
    name: &str,
    subject: &str,
    rules: &Rules,
    report: &mut FileReport,
) -> Result<Vec<Row>, ImportError> {
    match name {
        "sleep.json" => fitbit::sleep(file, subject, rules, report),
        "steps.json" => fitbit::steps(file, subject, rules, report),
        "heart_rate.json" => fitbit::heart_rate(file, subject, report),
        "resting_heart_rate.json" => fitbit::resting(file, subject, report),
        "sedentary_minutes.json" => fitbit::sedentary(file, subject, report),
        "exercise.json" => fitbit::exercise(file, subject, rules, report),
        "wellness.csv" => pmsys::wellness(&file.bytes()?, subject, rules, report),
        "injury.csv" => pmsys::injuries(&file.bytes()?, subject, rules, report),
        "srpe.csv" => pmsys::sessions(&file.bytes()?, subject, rules, report),
        _ => typed::weights(&file.bytes()?, subject, report),
    }
}

/// Moderately and very active minutes stand in two files; the reading is their sum.
#[derive(Default)]
struct Active {
    days: BTreeMap<String, [Option<(FileReport, Days)>; 2]>,
}

impl Active {
    fn kind(name: &str) -> Option<usize> {
        ["moderately_active_minutes.json", "very_active_minutes.json"].iter().position(|known| *known == name)
    }

    fn finish(self, collector: &mut Collector<'_>) -> Result<(), ImportError> {
        for (subject, [moderately, very]) in self.days {
            match (moderately, very) {
                (Some((first, moderately)), Some((mut report, very))) => {
                    let mut rows = Vec::new();
                    for (day, (number, minutes)) in very {
                        match moderately.get(&day) {
                            Some((_, others)) => rows.push(fitbit::active(&subject, day, minutes + others)),
                            None => report.skip(number, "a day that the other of the two files does not have"),
                        }
                    }
                    collector.add(Vec::new(), first)?;
                    collector.add(rows, report)?;
                }
                (Some((mut report, days)), None) | (None, Some((mut report, days))) => {
                    days.values().for_each(|(number, _)| {
                        report.skip(*number, "active minutes need both files, and one is missing");
                    });
                    collector.add(Vec::new(), report)?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_participant_two_folders_above_it() {
        assert_eq!(participant(Path::new("dev/p03/fitbit/steps.json")).as_deref(), Some("p03"));
        assert_eq!(participant(Path::new("dev/photos/fitbit/steps.json")), None);
        assert_eq!(participant(Path::new("participant-overview.xlsx")), None);
    }
}
