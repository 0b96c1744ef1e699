//! The alarm burden of the packs: recorded people followed as if they had been patients, every default rule accepted.
//! Nobody knows what was true of them, so whatever rings counts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use painwatch_domain::time::DAY_MS;
use painwatch_gateway::import::{self, ImportOptions, ImportedSubject};
use painwatch_gateway::outgoing::{Payload, Step};
use painwatch_gateway::replay::{self, PlanOptions};
use painwatch_gateway::roster::RosterDraft;
use painwatch_proto::ingest::v1::Mode;

use crate::follow::{RingsByRule, add_rings, follow};
use crate::trial::in_parallel;

const WEEK_MS: i64 = 7 * DAY_MS;
/// Budgets of the packs, a patient and week.
pub const PAGES_MAX: f64 = 0.1;
pub const ITEMS_MAX: f64 = 2.0;
/// Longest part of a recording that is replayed: two years. One diary lasts eight.
const WEEKS_MAX: u32 = 104;

/// A recorded set, the format it is in and the zone of its stamps.
pub const SETS: [(&str, &str, &str); 4] = [
    ("fitbit_furberg2016", "fitbit", "America/New_York"),
    ("myaiguide", "myaiguide", "Europe/Paris"),
    ("pmdata", "pmdata", "Europe/Oslo"),
    ("welltory_covid_hrv", "welltory", "Europe/Moscow"),
];

/// What rang on the recordings of one set.
#[derive(Clone, Debug, Default)]
pub struct Burden {
    pub people: u32,
    /// Weeks of a person in which anything was recorded.
    pub patient_weeks: u32,
    pub readings: u64,
    pub rules: RingsByRule,
    /// Of rules that ship in shadow.
    pub of_shadow: RingsByRule,
}

impl Burden {
    pub fn pages_a_week(&self) -> f64 {
        f64::from(self.rules.values().map(|rule| rule.pages).sum::<u32>()) / f64::from(self.patient_weeks.max(1))
    }

    pub fn items_a_week(&self) -> f64 {
        f64::from(self.rules.values().map(|rule| rule.items).sum::<u32>()) / f64::from(self.patient_weeks.max(1))
    }

    pub fn add(&mut self, other: Self) {
        self.people += other.people;
        self.patient_weeks += other.patient_weeks;
        self.readings += other.readings;
        add_rings(&mut self.rules, other.rules);
        add_rings(&mut self.of_shadow, other.of_shadow);
    }
}

/// The folder of the recordings: `PAINWATCH_RECORDINGS`, else beside the repository. `None` where there is none.
pub fn recordings() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("PAINWATCH_RECORDINGS").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Follows everybody of one set.
///
/// # Errors
/// The set cannot be read, or the pipeline does not take it.
pub fn of_set(folder: &Path, set: (&str, &str, &str)) -> Result<Burden> {
    let mut burden = Burden::default();
    in_parallel(&subjects(folder, set)?, of_person)?.into_iter().for_each(|one| burden.add(one));
    Ok(burden)
}

/// Everybody of one set.
///
/// # Errors
/// The set cannot be read.
pub fn subjects(folder: &Path, (set, format, zone): (&str, &str, &str)) -> Result<Vec<ImportedSubject>> {
    let options = ImportOptions {
        device_prefix: format.to_owned(),
        zone: zone.to_owned(),
        patient: Some(format.to_owned()),
        roster: painwatch_domain::Roster::default(),
    };
    let path = folder.join(set);
    let dev = path.join("dev");
    let path = if format == "fitbit" || format == "myaiguide" { path } else { dev };
    Ok(import::import(format, &path, &options).with_context(|| format!("recordings {set}"))?.subjects)
}

fn of_person(subject: &ImportedSubject) -> Result<Burden> {
    let (draft, steps) = as_a_patient(subject);
    let weeks = weeks_of(&steps);
    let followed = follow(draft, &steps)?;
    let (rules, of_shadow) = (followed.rung.by_rule(|_| true), followed.of_shadow.by_rule(|_| true));
    Ok(Burden { people: 1, patient_weeks: weeks, readings: followed.admitted, rules, of_shadow })
}

/// Somebody recorded, under every default pack.
pub fn as_a_patient(subject: &ImportedSubject) -> (RosterDraft, Vec<Step>) {
    let mut draft = RosterDraft::of_recording(subject, "evidence");
    for patient in &mut draft.patient {
        patient.packs =
            ["opioid-safety", "post-op", "function", "adherence", "sleep", "fluid", "pain"].map(String::from).to_vec();
    }
    (draft, live(subject))
}

/// The recording as it would have come, whole weeks later; what is older than it can last is history.
fn live(subject: &ImportedSubject) -> Vec<Step> {
    let newest = subject.readings.iter().map(|timed| timed.newest_ms).max().unwrap_or(0);
    let oldest = subject.readings.iter().map(|timed| timed.newest_ms).min().unwrap_or(0);
    let weeks = u32::try_from((newest - oldest) / WEEK_MS).unwrap_or(0) + 2;
    let options = PlanOptions { live_weeks: weeks.min(WEEKS_MAX), history_weeks: 26 };
    replay::plan(std::slice::from_ref(subject), Vec::new(), &options).steps
}

/// Weeks in which something came that was live.
fn weeks_of(steps: &[Step]) -> u32 {
    let live = steps.iter().filter(|step| match &step.payload {
        Payload::Batch(batch) => batch.mode == Mode::Live as i32,
        Payload::Raw(_) => false,
    });
    live.map(|step| step.clock_ms / WEEK_MS).collect::<BTreeSet<i64>>().len() as u32
}
