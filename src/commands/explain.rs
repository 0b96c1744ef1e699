//! `painwatch explain`: why it rang at a moment, or why it did not.

mod answer;
mod json;
mod text;

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Result, bail};
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{EventTime, JournalTime, PatientId, RuleId, Zone};
use painwatch_journal::Record;
use painwatch_processor::Assumed;
use painwatch_processor::rerun::{Devices, Rerun, readings_of};
use painwatch_processor_core::patient::HORIZON_DAYS;
use painwatch_processor_core::patient::explain::Explained;
use painwatch_processor_core::rules::{Rule, nearest};

use super::{Context, Usage};
use crate::past::{self, Past};
use crate::roster;
use answer::Answer;
pub use text::{cause, lasting};

/// What is late by more than the horizon changes no alert any more: history is run a day short of it.
pub const HINDSIGHT_DAYS: i64 = HORIZON_DAYS as i64 - 1;

/// Why a patient's rules rang at a moment, or why they did not: what they saw, how near they were, whether they could see
/// at all, and what became known later.
///
/// History is run again through the code that runs in service; nothing is written. Works beside a running server.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  painwatch explain p-017 \"2026-03-03 03:10\"\n  painwatch explain p-017 2026-03-03T03:10:00+01:00 spo2-sustained-low --json"
)]
pub struct Args {
    /// The patient's id in the roster.
    patient: String,
    /// A moment; without an offset it is read in the patient's zone.
    time: String,
    /// Only this rule.
    rule: Option<String>,
}

/// The answers at one moment, by what was known at two.
struct Told {
    then: Vec<Explained>,
    now: Vec<Explained>,
    known_at: JournalTime,
    later: Later,
}

/// What came after anything of that time could change an alert.
#[derive(Default)]
struct Later {
    first: Option<EventTime>,
    /// Within half a day of the moment.
    around: usize,
}

impl Later {
    fn note(&mut self, times: Vec<EventTime>, at: EventTime) {
        self.first = times.iter().copied().chain(self.first).min();
        self.around += times.iter().filter(|time| (time.0 - at.0).abs() <= DAY_MS / 2).count();
    }
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    let past = Past::open(&context.config).await?;
    let rosters = past.rosters().await?;
    let patient = past::find_patient(&rosters, &args.patient)?;
    let zone = past::zone_of(&rosters, Some(&patient));
    let at = EventTime(past::stamp(&args.time, &zone)?);
    if at.0 > past.until().0 {
        bail!(Usage(format!("{at} is in the future: history reaches to {}", past.until())));
    }
    let assumed = Assumed { only: Some(patient.clone()), ..Assumed::default() };
    let mut rerun = Rerun::new(roster::parse, assumed).await?;
    let devices = past::devices_of(&rosters, &patient);
    let mut told = ask(&past, &mut rerun, &devices, (&patient, at)).await?;
    if let Some(name) = &args.rule {
        let rule = find_rule(&rerun.rules(), name)?;
        told.now.retain(|explained| explained.rule == rule);
        told.then.retain(|explained| explained.rule == rule);
        if told.now.is_empty() {
            bail!("{}", does_not_look(&mut rerun, &rule, &patient));
        }
    }
    let store = painwatch_store::open(&context.config.store_url(), &context.config.lake_dir()).await?;
    let answer = Answer::of(told, &rerun, &*store, (&patient, at)).await?;
    show(&answer, &zone, context.json);
    Ok(ExitCode::SUCCESS)
}

fn show(answer: &Answer, zone: &Zone, json: bool) {
    if json {
        println!("{}", json::answer(answer, zone));
    } else {
        print!("{}", text::answer(answer, zone));
    }
}

/// Runs history until the moment, asks, runs on for as long as late data may change it, and asks again.
async fn ask(
    past: &Past,
    rerun: &mut Rerun,
    devices: &Devices,
    (patient, at): (&PatientId, EventTime),
) -> Result<Told> {
    let until = at.0.saturating_add(HINDSIGHT_DAYS * DAY_MS).min(past.until().0);
    let (moment, known_at) = (JournalTime(at.0), JournalTime(until));
    let (mut then, mut later) = (None, Later::default());
    let take = async |record: Record| {
        let record = devices.narrow(&record)?;
        if record.journal_time > known_at {
            later.note(readings_of(&record, &rerun.roster(), patient)?, at);
            return Ok(ControlFlow::Continue(()));
        }
        if then.is_none() && record.journal_time > moment {
            rerun.pass(moment).await?;
            then = Some(rerun.explain(patient, at).await?);
        }
        rerun.apply(&record).await?;
        Ok(ControlFlow::Continue(()))
    };
    past.each("running history again", take).await?;
    let then = match then {
        Some(then) => then,
        None => {
            rerun.pass(moment).await?;
            rerun.explain(patient, at).await?
        }
    };
    rerun.pass(known_at).await?;
    let now = rerun.explain(patient, at).await?;
    Ok(Told { then, now, known_at, later })
}

fn find_rule(rules: &[Rule], name: &str) -> Result<RuleId> {
    if let Some(rule) = rules.iter().find(|rule| rule.id.as_str() == name) {
        return Ok(rule.id.clone());
    }
    let near = nearest(name, rules.iter().map(|rule| rule.id.as_str()));
    let hint = near
        .map_or_else(|| "; `painwatch rules list` shows them".to_owned(), |near| format!("; did you mean `{near}`?"));
    bail!(Usage(format!("no rule is called {name:?}{hint}")))
}

fn does_not_look(rerun: &mut Rerun, rule: &RuleId, patient: &PatientId) -> String {
    let pack = rerun.rules().into_iter().find(|known| &known.id == rule).map(|known| known.pack).unwrap_or_default();
    let roster = rerun.roster();
    let Some(person) = roster.patients.get(patient) else {
        return format!("{rule} did not look at {patient}: the roster of that time does not know the patient");
    };
    let packs = person.packs.join(" ");
    format!("{rule} does not look at {patient}: it is in the pack {pack:?}, the roster names {packs:?}")
}
