//! `painwatch roster`: the clinic as a document.

mod orders;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use painwatch_domain::{Roster as Clinic, TenantId};
use painwatch_processor_core::rules::{Rule, nearest};
use painwatch_proto::journal::v1::{RosterApplied, control::Action};
use painwatch_store::PatientRow;

use super::Context;
use crate::{operator, roster};

/// The clinic: patients, devices, who wears what, medication, care teams.
#[derive(Debug, clap::Subcommand)]
pub enum Roster {
    /// Puts the roster in force. It is checked first; nothing changes when anything is wrong.
    #[command(after_help = "Example:\n  painwatch roster apply clinic.toml")]
    Apply {
        /// The whole roster, as TOML.
        file: PathBuf,
    },
    /// Shows what `apply` would change.
    #[command(after_help = "Example:\n  painwatch roster diff clinic.toml")]
    Diff {
        /// The whole roster, as TOML.
        file: PathBuf,
    },
    /// Writes the roster in force to a file.
    #[command(after_help = "Example:\n  painwatch roster export clinic.toml")]
    Export {
        /// Where to write it; what is there is replaced.
        file: PathBuf,
    },
}

pub async fn run(command: Roster, context: Context) -> Result<ExitCode> {
    match command {
        Roster::Apply { file } => {
            let (text, clinic) = read(&file)?;
            if !clinic.overrides.is_empty() {
                let rules = super::rules::known(&context.config).await?;
                check_overrides(&clinic, &rules).with_context(|| format!("{}", file.display()))?;
            }
            let action = Action::Roster(RosterApplied { toml: text });
            operator::submit(&context.config, operator::control_record("operator", action)).await?;
            let (patients, devices, pairings) = (clinic.patients.len(), clinic.devices.len(), clinic.pairings.len());
            println!("applied: {patients} patients, {devices} devices, {pairings} pairings");
        }
        Roster::Diff { file } => diff(&read(&file)?.1, &context).await?,
        Roster::Export { file } => {
            let text = in_force(&context).await?;
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &PathBuf) -> Result<(String, Clinic)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let clinic = roster::parse(&text, &TenantId::default()).with_context(|| format!("{}", file.display()))?;
    Ok((text, clinic))
}

/// Whether every override fits a rule that there is.
///
/// # Errors
/// An override of no rule, with the nearest name; or of one that it does not fit.
fn check_overrides(roster: &Clinic, rules: &[Rule]) -> Result<()> {
    for set in &roster.overrides {
        let place = || format!("[[override]] of {:?} for {:?}", set.rule.as_str(), set.patient.as_str());
        let Some(rule) = rules.iter().find(|rule| rule.id == set.rule) else {
            let near = nearest(set.rule.as_str(), rules.iter().map(|rule| rule.id.as_str()));
            bail!(
                "{}: no such rule{}",
                place(),
                near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
            );
        };
        rule.with_numbers(&set.numbers).with_context(place)?;
    }
    Ok(())
}

async fn diff(wanted: &Clinic, context: &Context) -> Result<()> {
    let store = painwatch_store::open(&context.config.store_url(), &context.config.lake_dir()).await?;
    let known: Vec<PatientRow> = store.patients(TenantId::default()).await?;
    let devices = store.devices(TenantId::default()).await?;
    for patient in wanted.patients.keys().filter(|id| !known.iter().any(|row| &row.patient == *id)) {
        println!("+ patient {patient}");
    }
    for row in known.iter().filter(|row| !wanted.patients.contains_key(&row.patient)) {
        println!("- patient {} (kept in the tables; no longer watched)", row.patient);
    }
    for device in wanted.devices.keys().filter(|id| !devices.iter().any(|row| &row.device == *id)) {
        println!("+ device {device}");
    }
    for row in devices.iter().filter(|row| !wanted.devices.contains_key(&row.device)) {
        println!("- device {}", row.device);
    }
    Ok(())
}

/// The document as it was last applied, out of the journal.
async fn in_force(context: &Context) -> Result<String> {
    let mut system =
        operator::look(&context.config).await.context("stop the server first, or copy the file it was applied from")?;
    let text = orders::with_orders(system.processor.rosters.borrow_and_update().of(&TenantId::default()))?;
    system.stop().await?;
    Ok(text)
}
