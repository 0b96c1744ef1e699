//! `painwatch rules backtest`: a rule file over stored history.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use painwatch_domain::time::{HOUR_MS, format_utc};
use painwatch_domain::{JournalTime, Roster, RuleId};
use painwatch_journal::Record;
use painwatch_processor::rerun::{Arrival, Backtest, Devices, Ideal, Plan, RuleOutcome};
use painwatch_processor_core::rules::{PACKS, Rule, default_packs};

use super::super::Context;
use super::pages::{Counts, counted};
use crate::past::{self, Past, Progress};
use crate::roster;

const WEEK_MS: f64 = 7.0 * 24.0 * HOUR_MS as f64;
/// How long after the last reading a day of it is judged, in an order without delays.
const UNTIL_DAYS_CLOSE_MS: i64 = 72 * HOUR_MS;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file of rules, as `rules check` reads it.
    file: PathBuf,
    /// The rules are in force from this moment on, as if they had been accepted then; from the beginning when left out.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// History ends here.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Of this patient only.
    #[arg(long, value_name = "ID")]
    patient: Option<String>,
    /// `received`: as readings came, late ones late, which is what live operation would have found. `event`: each the
    /// moment it was taken, an import too, with the newest roster known from the start.
    #[arg(long, value_enum, default_value = "received")]
    arrival: Order,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Order {
    Event,
    Received,
}

impl Args {
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// What was found, and what is to be said about it.
struct Answer<'a> {
    args: &'a Args,
    rules: Vec<(Rule, RuleOutcome, Counts)>,
    span: (JournalTime, JournalTime),
    backtest: Backtest,
    everyone: bool,
}

pub async fn run(args: &Args, rules: Vec<Rule>, context: &Context) -> Result<ExitCode> {
    let past = Past::open(&context.config).await?;
    let rosters = past.rosters().await?;
    let patient = args.patient.as_deref().map(|name| past::find_patient(&rosters, name)).transpose()?;
    let zone = past::zone_of(&rosters, patient.as_ref());
    let time =
        |text: &Option<String>| text.as_deref().map(|text| past::stamp(text, &zone).map(JournalTime)).transpose();
    let (from, to) = (time(&args.from)?, time(&args.to)?);
    let rules = with_packs(rules, &args.file, rosters.last());
    let known: BTreeSet<&str> = packs_of(rosters.last());
    let everyone_has: BTreeSet<String> =
        rules.iter().map(|rule| rule.pack.clone()).filter(|pack| !known.contains(pack.as_str())).collect();
    let everyone = !everyone_has.is_empty();
    let devices = patient.as_ref().map(|patient| past::devices_of(&rosters, patient));
    let plan = Plan { rules: rules.clone(), from, to, patient, everyone_has };
    let mut backtest = Backtest::new(roster::parse, plan).await?;
    match arrival_of(args.arrival) {
        Arrival::Received => received(&past, &mut backtest, devices.as_ref()).await?,
        Arrival::Event => ideal(&past, &mut backtest, devices.as_ref()).await?,
    }
    if let (Some(to), Arrival::Received) = (to, arrival_of(args.arrival)) {
        backtest.pass(to.min(past.until())).await?;
    }
    let span = spanned(&backtest)?;
    let counts = counted(backtest.told());
    let mut answered = Vec::new();
    for rule in rules {
        let outcome = backtest.outcome(&rule).await?;
        let counts = counts.get(&rule.id).copied().unwrap_or_default();
        answered.push((rule, outcome, counts));
    }
    let answer = Answer { args, rules: answered, span, backtest, everyone };
    if context.json {
        answer.print_json()
    } else {
        answer.print()
    }
    Ok(ExitCode::SUCCESS)
}

const fn arrival_of(order: Order) -> Arrival {
    match order {
        Order::Event => Arrival::Event,
        Order::Received => Arrival::Received,
    }
}

/// A known rule keeps its pack; a new one has that of its file.
fn with_packs(rules: Vec<Rule>, file: &Path, roster: Option<&Roster>) -> Vec<Rule> {
    let defaults: BTreeMap<RuleId, String> = default_packs().into_iter().map(|rule| (rule.id, rule.pack)).collect();
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let custom = packs_of(roster).contains("custom") && !packs_of(roster).contains(stem.as_str());
    let pack = |rule: &Rule| match defaults.get(&rule.id) {
        Some(pack) => pack.clone(),
        None if custom => "custom".to_owned(),
        None => stem.clone(),
    };
    rules.into_iter().map(|rule| Rule { pack: pack(&rule), accepted_by: Some("backtest".to_owned()), ..rule }).collect()
}

/// Packs that some patient may be said to have.
fn packs_of(roster: Option<&Roster>) -> BTreeSet<&str> {
    let own = roster.into_iter().flat_map(|roster| roster.patients.values()).flat_map(|person| &person.packs);
    PACKS.iter().map(|(name, _)| *name).chain(own.map(String::as_str)).collect()
}

async fn received(past: &Past, backtest: &mut Backtest, devices: Option<&Devices>) -> Result<()> {
    let take = async |record: Record| {
        if backtest.is_over(&record) {
            return Ok(ControlFlow::Break(()));
        }
        match devices {
            Some(devices) => backtest.take(&devices.narrow(&record)?).await?,
            None => backtest.take(&record).await?,
        }
        Ok(ControlFlow::Continue(()))
    };
    past.each("running history again", take).await
}

async fn ideal(past: &Past, backtest: &mut Backtest, devices: Option<&Devices>) -> Result<()> {
    let mut ideal = Ideal::default();
    let gather = async |record: Record| {
        match devices {
            Some(devices) => ideal.gather(&devices.narrow(&record)?)?,
            None => ideal.gather(&record)?,
        }
        Ok(ControlFlow::Continue(()))
    };
    past.each("gathering readings", gather).await?;
    for record in ideal.beginning() {
        backtest.take(&record).await?;
    }
    let (days, progress) = (ideal.days(), Progress::new("running history again"));
    for (nth, day) in days.iter().copied().enumerate() {
        for record in ideal.day(day)? {
            if backtest.is_over(&record) {
                return Ok(());
            }
            backtest.take(&record).await?;
        }
        progress.show(nth as u64 * 100 / days.len() as u64);
    }
    let closed = ideal.span().map_or(past.until(), |(_, last)| JournalTime(last.saturating_add(UNTIL_DAYS_CLOSE_MS)));
    backtest.pass(closed.min(past.until()).max(backtest.reached())).await
}

/// From the first reading to the last that the question is about.
fn spanned(backtest: &Backtest) -> Result<(JournalTime, JournalTime)> {
    let watched = backtest.watched();
    let (first, last) = (watched.values().map(|span| span.0).min(), watched.values().map(|span| span.1).max());
    let (Some(first), Some(last)) = (first, last) else {
        let hint = match backtest.seen() {
            Some((first, last)) => format!("; there are readings from {first} to {last}"),
            None => "; no reading has been stored".to_owned(),
        };
        bail!("no history in that span{hint}");
    };
    Ok((JournalTime(first.0), JournalTime(last.0)))
}

impl Answer<'_> {
    fn print(&self) {
        let order = match self.args.arrival {
            Order::Received => "as readings came",
            Order::Event => "each reading the moment it was taken",
        };
        println!("{} from {} to {}, {order}", self.args.file.display(), self.span.0, self.span.1);
        println!("Not a medical device. A named clinician must confirm every threshold before its alerts are sent.");
        if self.everyone {
            println!("No roster names the file's pack: every patient is looked at.");
        }
        for (rule, outcome, counts) in &self.rules {
            println!("\n{}  {}", rule.id, rule.title);
            println!("  {}, {} priority", rule.condition_text(), rule.priority);
            println!(
                "  {} of {}: {} retrospective, {} historical, {} retracted",
                plural(counts.alerts, "alert"),
                plural(outcome.episodes, "episode"),
                counts.retrospective,
                counts.historical,
                counts.retracted
            );
            println!("  {}: {}", plural(counts.pages, "page"), per_week_text(outcome, counts));
            println!("  monitored {}", monitored_text(outcome));
        }
    }

    fn print_json(&self) {
        let rule = |(rule, outcome, counts): &(Rule, RuleOutcome, Counts)| {
            serde_json::json!({
                "rule": rule.id.as_str(), "version": rule.version(), "title": rule.title,
                "condition": rule.condition_text(), "priority": rule.priority.as_str(),
                "patients": outcome.patients, "patient_weeks": outcome.watched_ms as f64 / WEEK_MS,
                "episodes": outcome.episodes, "alerts": counts.alerts, "pages": counts.pages,
                "pages_per_patient_week": per_week(outcome, counts), "retrospective": counts.retrospective,
                "historical": counts.historical, "retracted": counts.retracted,
                "monitored_s": outcome.monitored_ms / 1000, "gap_s": outcome.blind_ms / 1000,
            })
        };
        let finding = |told: &painwatch_processor::rerun::Told| {
            let (finding, episode) = (&told.finding, &told.finding.episode);
            serde_json::json!({
                "kind": finding.kind.as_str(), "alert_id": finding.alert_id.to_string(),
                "patient": finding.patient.as_ref().map(|patient| patient.as_str()), "rule": finding.rule.as_str(),
                "rule_version": finding.rule_version, "priority": episode.peak.as_str(),
                "onset_at": format_utc(episode.start.0), "last_held_at": format_utc(episode.last_held.0),
                "cleared_at": episode.end.map(|end| format_utc(end.0)), "detected_at": format_utc(finding.detected_at.0),
                "retrospective": finding.retrospective, "historical": finding.historical, "shadow": finding.shadow,
                "evidence": episode.evidence.iter().map(ToString::to_string).collect::<Vec<_>>(), "why": episode.why,
            })
        };
        let order = if matches!(self.args.arrival, Order::Event) { "event" } else { "received" };
        let answer = serde_json::json!({
            "file": self.args.file.display().to_string(), "arrival": order, "patient": self.args.patient,
            "from": self.span.0.to_string(), "to": self.span.1.to_string(), "everyone": self.everyone,
            "rules": self.rules.iter().map(rule).collect::<Vec<_>>(),
            "findings": self.backtest.told().iter().map(finding).collect::<Vec<_>>(),
        });
        println!("{answer}");
    }
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// `None` where nobody was watched for any time.
fn per_week(outcome: &RuleOutcome, counts: &Counts) -> Option<f64> {
    (outcome.watched_ms > 0).then(|| counts.pages as f64 * WEEK_MS / outcome.watched_ms as f64)
}

fn per_week_text(outcome: &RuleOutcome, counts: &Counts) -> String {
    let (weeks, patients) = (outcome.watched_ms as f64 / WEEK_MS, plural(outcome.patients, "patient"));
    match per_week(outcome, counts) {
        Some(pages) => format!("{pages:.2} a patient-week, over {weeks:.1} weeks of {patients}"),
        None => format!("nothing to set them against: {patients} with readings"),
    }
}

fn monitored_text(outcome: &RuleOutcome) -> String {
    let hours = |ms: i64| ms as f64 / HOUR_MS as f64;
    let known = outcome.monitored_ms + outcome.blind_ms;
    if known == 0 {
        return "unknown: no day of it is over".to_owned();
    }
    let share = outcome.monitored_ms as f64 * 100.0 / known as f64;
    format!("{:.1} h of {:.1} h ({share:.0} %)", hours(outcome.monitored_ms), hours(known))
}
