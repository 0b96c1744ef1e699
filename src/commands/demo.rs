//! `painwatch demo`: everything in one process, weeks of patients replayed through the real doors on a driven clock.

mod driver;
mod latency;
mod receiver;
mod report;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use painwatch_domain::{LocalDay, TenantId};
use painwatch_gateway::import::{self, ImportOptions, ImportedSubject};
use painwatch_gateway::outgoing::Step;
use painwatch_gateway::replay::{self, DEMO_EPOCH_MS, PlanOptions};
use painwatch_gateway::roster::{ContactEntry, RosterDraft};
use painwatch_gateway::simulate::{Simulation, SimulationOptions};
use painwatch_journal::Class;
use painwatch_processor_core::rules::default_packs;
use painwatch_proto::journal::v1::{Control, RosterApplied, control::Action};
use prost::Message as _;

use super::Context;
use super::rules::acceptance;
use super::serve::print_listening;
use crate::clock::DrivenClock;
use crate::compose::{self, System, Wiring};
use crate::config::Config;
use latency::Arrivals;
use receiver::Receiver;

/// Replays several weeks of patients through the real MQTT and gRPC endpoints on a driven clock, and prints each alert as
/// it opens. Simulated patients are labelled synthetic; with `--recordings` the recordings are replayed too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  painwatch demo --once")]
pub struct Args {
    /// End when everything is processed and print the books, alerts by rule and latencies.
    #[arg(long)]
    once: bool,
    /// Folder with recorded data to replay as well: `fitbit_furberg2016`, `myaiguide` or both.
    #[arg(long, value_name = "DIR")]
    recordings: Option<PathBuf>,
    /// Replay N times as fast as it happened; as fast as possible when left out.
    #[arg(long, value_name = "N")]
    speed: Option<u32>,
    /// A database for its tables instead of SQLite in its directory: one of its own, never a clinic's.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// How many simulated patients.
    #[arg(long, default_value_t = 6, value_name = "N")]
    patients: u32,
    /// How many weeks they are simulated.
    #[arg(long, default_value_t = 4, value_name = "N")]
    weeks: u32,
}

/// Recorded sets that the demo knows, their format and the zone their stamps were written in.
const RECORDINGS: [(&str, &str, &str); 2] =
    [("fitbit_furberg2016", "fitbit", "America/New_York"), ("myaiguide", "myaiguide", "Europe/Paris")];
/// Seed of the simulated patients: the same people at every run.
const SEED: u64 = 20_260_105;
const CARE_TEAM: &str = "demo-team";
/// So much of history that nothing recorded is left out.
const HISTORY_WEEKS: u32 = 52 * 20;

struct Script {
    steps: Vec<Step>,
    roster: RosterDraft,
    notes: Vec<String>,
}

pub async fn run(args: Args, context: Context, data: Option<PathBuf>) -> Result<ExitCode> {
    let scratch = tempfile::tempdir()?;
    let mut config = context.config;
    keep_apart(&mut config, data.unwrap_or_else(|| scratch.path().join("painwatch-demo")), args.store.clone());
    take_free_ports(&mut config);
    // Its gateways are in this process, and no certificate is valid at the time they play.
    config.tls.turn_off();
    config.check_listeners().map_err(|error| super::Usage(format!("{error:#}")))?;
    let script = write_script(&args)?;
    if !context.json {
        report::introduce(&script.notes, &config.data);
    }

    // On data of an earlier run time goes on where it ended.
    let reached = compose::last_journal_time(&config)?.map_or(DEMO_EPOCH_MS, |last| last.0.max(DEMO_EPOCH_MS));
    let clock = Arc::new(DrivenClock::at(reached));
    let arrivals = Arrivals::default();
    let (announce, watch) = (!context.json, arrivals.clone());
    let on_opened: compose::OnOpened = Box::new(move |opened| {
        watch.opened(opened.cause);
        if announce {
            report::alert(&opened.row);
        }
    });
    let wiring =
        Wiring { clock: clock.clone(), on_opened: Some(on_opened), listen: true, ticks: false, canaries: false };
    let mut system = compose::start(&config, wiring).await?;
    let follower = arrivals.follow(Arc::clone(&system.journal));
    let addresses = system.addresses.clone().context("the demo listens")?;
    if !context.json {
        print_listening(&addresses);
        let console = system.console.as_ref().context("the demo listens")?;
        println!("console http://{}{}", addresses.http, console.one_time_path());
        println!("        (opens one session, once)\n");
    }
    let receiver = Receiver::default();
    prepare(&system, script.roster, receiver.listen().await?).await?;
    let refused = driver::drive(&mut system, &clock, &script.steps, args.speed).await?;
    driver::let_days_close(&mut system, &clock, &script.steps).await?;
    system.store.flush_lake(true).await?;
    let summary = report::summary(&system, refused, &arrivals, &receiver).await?;
    report::print(&summary, context.json)?;
    if !args.once {
        if !context.json {
            println!("\nserving; press Ctrl-C to stop");
        }
        tokio::signal::ctrl_c().await?;
    }
    follower.abort();
    system.stop().await?;
    Ok(if summary.balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Its people are synthetic: whatever the configuration says, nothing of them goes to a clinic's engines, and the clinic's
/// broker is left to the clinic's server.
fn keep_apart(config: &mut Config, data: PathBuf, store: Option<String>) {
    config.data = data;
    let (engines, broker) = ([&mut config.journal.url, &mut config.lake.url], &mut config.ingest.mqtt.broker);
    for url in engines.into_iter().chain([broker, &mut config.http.public_url]) {
        url.clear();
    }
    config.store.url = store.unwrap_or_default();
}

/// A demo beside a running server, or two at once, must not fight over ports.
fn take_free_ports(config: &mut Config) {
    let ingest = [&mut config.ingest.mqtt.listen, &mut config.ingest.grpc.listen];
    for listener in ingest.into_iter().chain([&mut config.http.listen, &mut config.admin.listen]) {
        if std::net::TcpListener::bind(*listener).is_err() {
            listener.set_port(0);
        }
    }
}

fn write_script(args: &Args) -> Result<Script> {
    let mut notes = Vec::new();
    let simulation = Simulation::new(SimulationOptions {
        seed: SEED,
        patients: args.patients,
        start: LocalDay((DEMO_EPOCH_MS / painwatch_domain::time::DAY_MS) as i32),
        days: args.weeks * 7,
        zone: "Europe/Paris".to_owned(),
        care_team: CARE_TEAM.to_owned(),
    })?;
    notes.push(format!(
        "{} simulated patients, {} weeks; nobody real, medication always synthetic",
        args.patients, args.weeks
    ));
    let mut roster = simulation.roster();
    let mut subjects: Vec<ImportedSubject> = Vec::new();
    if let Some(recordings) = &args.recordings {
        let there: Vec<_> = RECORDINGS.iter().filter(|(folder, ..)| recordings.join(folder).is_dir()).collect();
        if there.is_empty() {
            bail!("{}: there is neither fitbit_furberg2016 nor myaiguide in it", recordings.display());
        }
        for (folder, format, zone) in there {
            subjects.extend(recorded(&recordings.join(folder), folder, format, zone, &mut notes)?);
        }
    }
    for subject in &subjects {
        roster.extend(RosterDraft::of_recording(subject, CARE_TEAM));
    }
    let options = PlanOptions { history_weeks: HISTORY_WEEKS, ..PlanOptions::default() };
    let plan = replay::plan(&subjects, simulation.steps(), &options);
    for shift in &plan.shifts {
        notes
            .push(format!("recorded subject {} is {}, shifted by {} weeks", shift.subject, shift.patient, shift.weeks));
    }
    Ok(Script { steps: plan.steps, roster, notes })
}

fn recorded(
    path: &Path,
    folder: &str,
    format: &str,
    zone: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<ImportedSubject>> {
    let options = ImportOptions {
        device_prefix: format.to_owned(),
        zone: zone.to_owned(),
        patient: Some(format.to_owned()),
        roster: painwatch_domain::Roster::default(),
    };
    let import = import::import(format, path, &options).with_context(|| format!("recordings {folder}"))?;
    let (people, readings) = (import.subjects.len(), import.report.readings());
    notes.push(format!("{people} recorded people of {folder}, {readings} readings"));
    Ok(import.subjects)
}

/// Roster and accepted rules, unless an earlier run on this data put them in force.
async fn prepare(system: &System, mut roster: RosterDraft, receiver: String) -> Result<()> {
    roster.contact.retain(|contact| contact.care_team != CARE_TEAM);
    roster.contact.push(ContactEntry {
        id: "demo-nurse".to_owned(),
        care_team: CARE_TEAM.to_owned(),
        webhook_url: receiver,
        min_priority: "low".to_owned(),
    });
    let known = system
        .processor
        .rosters
        .borrow()
        .of(&TenantId::default())
        .patients
        .keys()
        .map(ToString::to_string)
        .collect::<BTreeSet<_>>();
    if roster.patient.iter().all(|patient| known.contains(&patient.id)) {
        return Ok(());
    }
    let toml = roster.to_toml();
    let actor = "Demo clinician (synthetic)";
    let control = |action| Control {
        actor: actor.to_owned(),
        wall_ms: DEMO_EPOCH_MS,
        idempotency_key: String::new(),
        action: Some(action),
    };
    let mut last = compose::append(
        &*system.journal,
        Class::Control,
        control(Action::Roster(RosterApplied { toml })).encode_to_vec(),
    )
    .await?;
    for rule in default_packs().into_iter().filter(|rule| rule.shadow_because.is_none()) {
        let accepted = control(acceptance(rule, actor)).encode_to_vec();
        last = compose::append(&*system.journal, Class::Control, accepted).await?;
    }
    system.processor.applied.clone().wait_for(|applied| *applied > last).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with_environment;

    #[test]
    fn a_demo_leaves_the_engines_and_the_broker_of_the_configuration_alone() {
        let configured = with_environment(&[
            ("PAINWATCH__DATA", "clinic"),
            ("PAINWATCH__STORE__URL", "postgres://clinic@hub/clinic"),
            ("PAINWATCH__JOURNAL__URL", "file:clinic-journal"),
            ("PAINWATCH__LAKE__URL", "clinic-lake"),
            ("PAINWATCH__INGEST__MQTT__BROKER", "mqtt://clinic@localhost"),
            ("PAINWATCH__HTTP__PUBLIC_URL", "https://clinic.example"),
        ]);
        let mut config = configured.unwrap();
        keep_apart(&mut config, PathBuf::from("demo"), None);
        assert!(!toml::to_string(&config).unwrap().contains("clinic"), "{config:?}");
        assert_eq!(config.store_url(), "sqlite:demo/painwatch.db");
        assert_eq!(
            (config.journal_dir(), config.lake_dir()),
            (PathBuf::from("demo/journal"), PathBuf::from("demo/lake"))
        );
        assert!(config.ingest.mqtt.existing_broker().unwrap().is_none());
        keep_apart(&mut config, PathBuf::from("demo"), Some("postgres://demo@hub/demo".to_owned()));
        assert_eq!(config.store_url(), "postgres://demo@hub/demo");
    }
}
