//! `painwatch bundle`: what led to an alert in one file, from which anybody with the program derives it again.

mod file;
mod roster;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use painwatch_domain::{AlertId, Finding, FindingKind, PatientId, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_processor::Assumed;
use painwatch_processor::rerun::{Devices, Rerun};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::decode_finding;
use prost::Message as _;

use super::{Context, Usage};
use crate::past::{self, Past};
use file::Bundle;

/// What led to an alert, in one file: readings of the patient's devices, the patient's part of the roster, rules and gateways'
/// words. `check` derives the alert again from the file alone and compares.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Writes the bundle of an alert. It holds readings of a patient: keep it as you keep a record.
    #[command(after_help = "Example:\n  painwatch bundle make 90d651a3f00b8b42c6997271f027ec0c alert.bundle")]
    Make {
        /// Id of the alert, as the console and the `alerts` table have it.
        alert: String,
        /// Where to write the bundle: a file that is not there yet.
        file: PathBuf,
    },
    /// Derives the alert of a bundle again. Needs no installation.
    #[command(after_help = "Example:\n  painwatch bundle check alert.bundle")]
    Check {
        /// A bundle that `make` wrote.
        file: PathBuf,
    },
}

pub async fn run(command: Command, context: Context) -> Result<ExitCode> {
    match command {
        Command::Make { alert, file } => {
            let alert = AlertId::parse(&alert).ok_or_else(|| Usage(format!("{alert:?} is no alert id")))?;
            let bundle = make(alert, &context).await?;
            bundle.write(&file)?;
            println!("{}: {} records, {} findings", file.display(), bundle.records.len(), bundle.findings.len());
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { file } => check(&Bundle::read(&file)?, context.json).await,
    }
}

/// What the journal says of the alert, and who it is about.
async fn told(past: &Past, alert: AlertId) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let look = async |record: Record| {
        if record.class == Class::Finding && record.tenant == TenantId::default() {
            let findings = pb::Findings::decode(record.payload.clone()).context("findings record")?.findings;
            for finding in findings.iter().filter(|finding| finding.alert_id[..] == alert.0[..]) {
                found.push(decode_finding(&record.tenant, finding)?);
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    past.each("looking for the alert", look).await?;
    Ok(found)
}

async fn make(alert: AlertId, context: &Context) -> Result<Bundle> {
    let past = Past::open(&context.config).await?;
    let findings = told(&past, alert).await?;
    let Some(first) = findings.first() else { bail!("no finding of alert {alert} is in the journal") };
    let Some(patient) = first.patient.clone() else {
        bail!("alert {alert} is about a device or this server, not about a patient: there is nothing to derive again");
    };
    let rosters = past.rosters().await?;
    let devices = past::devices_of(&rosters, &patient);
    let gateways = gateways_of(&past, &devices).await?;
    let mut records = Vec::new();
    let last = findings.iter().map(|finding| finding.detected_at).max();
    let keep = async |record: Record| {
        if last.is_some_and(|last| record.journal_time > last) {
            return Ok(ControlFlow::Break(()));
        }
        records.extend(narrowed(&record, &patient, &devices, &gateways)?);
        Ok(ControlFlow::Continue(()))
    };
    past.each("gathering what led to it", keep).await?;
    Ok(Bundle { alert, patient, findings, records })
}

/// Gateways that ever brought a reading of the patient.
async fn gateways_of(past: &Past, devices: &Devices) -> Result<BTreeSet<String>> {
    let mut gateways = BTreeSet::new();
    let look = async |record: Record| {
        if record.class == Class::Batch && record.tenant == TenantId::default() {
            let batch = pb::Batch::decode(record.payload.clone()).context("batch record")?;
            if batch.sections.iter().any(|section| devices.contains(&section.device)) {
                gateways.insert(batch.gateway);
            }
        }
        Ok(ControlFlow::Continue(()))
    };
    past.each("looking for gateways", look).await?;
    Ok(gateways)
}

/// What of a record concerns the patient; `None` for nothing.
fn narrowed(
    record: &Record,
    patient: &PatientId,
    devices: &Devices,
    gateways: &BTreeSet<String>,
) -> Result<Option<Record>> {
    if record.tenant != TenantId::default() {
        return Ok(None);
    }
    match record.class {
        Class::Batch => {
            let gateway = pb::Batch::decode(record.payload.clone()).context("batch record")?.gateway;
            Ok(if gateways.contains(&gateway) { Some(devices.narrow(record)?) } else { None })
        }
        Class::Control => control(record, patient, devices, gateways),
        Class::Gap | Class::ClockStep => Ok(Some(record.clone())),
        Class::Decision => decisions(record, devices, gateways).map(Some),
        // Time passes with the records that are kept, and what was concluded is to be derived again.
        _ => Ok(None),
    }
}

fn control(
    record: &Record,
    patient: &PatientId,
    devices: &Devices,
    gateways: &BTreeSet<String>,
) -> Result<Option<Record>> {
    use pb::control::Action;
    let mut control = pb::Control::decode(record.payload.clone()).context("control record")?;
    let action = match control.action.take() {
        Some(Action::Roster(applied)) => {
            Action::Roster(pb::RosterApplied { toml: roster::of_patient(&applied.toml, patient, devices)? })
        }
        Some(Action::GatewayStatus(mut status)) if gateways.contains(&status.gateway) => {
            status.devices.retain(|device| devices.contains(&device.device));
            Action::GatewayStatus(status)
        }
        Some(Action::Orders(mut written)) => {
            written.orders.retain(|order| order.patient == patient.as_str());
            written.fills.retain(|fill| fill.patient == patient.as_str());
            Action::Orders(written)
        }
        Some(accepted @ Action::RuleAccepted(_)) => accepted,
        _ => return Ok(None),
    };
    control.action = Some(action);
    Ok(Some(Record { payload: control.encode_to_vec().into(), ..record.clone() }))
}

/// Clocks of the patient's devices and their gateways.
fn decisions(record: &Record, devices: &Devices, gateways: &BTreeSet<String>) -> Result<Record> {
    let mut decisions = pb::Decisions::decode(record.payload.clone()).context("decisions record")?;
    decisions.clocks.retain(|clock| devices.contains(&clock.device) || gateways.contains(&clock.gateway));
    Ok(Record { payload: decisions.encode_to_vec().into(), ..record.clone() })
}

/// The findings of the alert, derived from the records alone.
async fn derived(bundle: &Bundle) -> Result<Vec<Finding>> {
    let mut rerun = Rerun::new(crate::roster::parse, Assumed::default()).await?;
    let mut findings = Vec::new();
    for record in &bundle.records {
        findings.extend(rerun.apply(record).await?);
    }
    let last = bundle.findings.iter().map(|finding| finding.detected_at).max();
    if let Some(last) = last {
        findings.extend(rerun.pass(last).await?);
    }
    findings.retain(|finding| finding.alert_id == bundle.alert);
    Ok(findings)
}

/// What a person can see of a finding: two that agree in it are one.
fn line(finding: &Finding) -> String {
    let episode = &finding.episode;
    let end = episode.end.map_or_else(|| "open".to_owned(), |end| end.to_string());
    format!(
        "{} at {}: {} {} from {} to {end}, {}, evidence of {} readings",
        kind(finding.kind),
        finding.detected_at,
        finding.rule,
        episode.peak,
        episode.start,
        episode.why,
        episode.evidence.len()
    )
}

const fn kind(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Opened => "opened",
        FindingKind::Changed => "changed",
        FindingKind::Cleared => "cleared",
        FindingKind::Retracted => "retracted",
    }
}

async fn check(bundle: &Bundle, json: bool) -> Result<ExitCode> {
    let derived = derived(bundle).await?;
    let same = derived == bundle.findings;
    if json {
        println!(
            "{}",
            serde_json::json!({"alert_id": bundle.alert.to_string(), "patient": bundle.patient.as_str(),
                "records": bundle.records.len(), "told": bundle.findings.iter().map(line).collect::<Vec<_>>(),
                "derived": derived.iter().map(line).collect::<Vec<_>>(), "same": same})
        );
    } else {
        println!("alert {} of {}, from {} records", bundle.alert, bundle.patient, bundle.records.len());
        bundle.findings.iter().for_each(|finding| println!("  told     {}", line(finding)));
        derived.iter().for_each(|finding| println!("  derived  {}", line(finding)));
        println!("{}", if same { "the same, to the last reading of its evidence" } else { "NOT THE SAME" });
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
