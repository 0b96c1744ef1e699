//! `painwatch roster`: the clinic as a document.

mod changes;
mod consent;
mod doubts;
mod orders;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use painwatch_domain::{Clock as _, EventTime, Roster as Clinic, TenantId};
use painwatch_processor_core::rules::{Rule, nearest};
use painwatch_proto::journal::v1::{RosterApplied, control::Action};

use super::{Context, OfClinic, Usage, rules};
use crate::clock::SystemClock;
use crate::{operator, roster};
use changes::{Changes, What};
pub use orders::beside;

/// The clinic: patients, devices, who wears what, medication, care teams.
#[derive(Debug, clap::Subcommand)]
pub enum Roster {
    /// Puts the roster in force. It is checked first; nothing changes when anything is wrong.
    ///
    /// What the roster in force has and the file lacks is removed with `--prune` alone; without it such a file is refused.
    #[command(
        after_help = "Examples:\n  painwatch roster apply clinic.toml\n  painwatch roster apply clinic.toml --prune"
    )]
    Apply {
        /// The whole roster, as TOML.
        file: PathBuf,
        /// Remove what the file lacks.
        #[arg(long)]
        prune: bool,
        #[command(flatten)]
        clinic: OfClinic,
    },
    /// Shows what `apply --prune` would add (+), change (~) and remove (-). It succeeds whether or not there is a difference.
    #[command(after_help = "Example:\n  painwatch roster diff clinic.toml")]
    Diff {
        /// The whole roster, as TOML.
        file: PathBuf,
        #[command(flatten)]
        clinic: OfClinic,
    },
    /// Writes the roster in force to a file.
    #[command(after_help = "Example:\n  painwatch roster export clinic.toml")]
    Export {
        /// Where to write it; what is there is replaced.
        file: PathBuf,
        #[command(flatten)]
        clinic: OfClinic,
    },
}

pub async fn run(command: Roster, context: Context) -> Result<ExitCode> {
    match command {
        Roster::Apply { file, prune, clinic } => apply(&file, &clinic.id()?, prune, &context).await?,
        Roster::Diff { file, clinic } => diff(&file, &clinic.id()?, &context).await?,
        Roster::Export { file, clinic } => {
            let in_force = operator::roster(&context.config, &clinic.id()?).await?;
            std::fs::write(&file, in_force.declared + &in_force.beside)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn apply(file: &Path, tenant: &TenantId, prune: bool, context: &Context) -> Result<()> {
    let (text, clinic) = checked(file, tenant, context).await?;
    let changes = Changes::between(&standing(tenant, context).await?, &clinic);
    if let Some(lacking) = changes.lacking(file).filter(|_| !prune) {
        bail!(Usage(lacking));
    }
    let action = Action::Roster(RosterApplied { toml: text });
    operator::submit(&context.config, tenant, operator::control_record("operator", action)).await?;
    let (patients, devices, pairings) = (clinic.patients.len(), clinic.devices.len(), clinic.pairings.len());
    if context.json {
        let [added, changed, removed] = What::ALL.map(|what| changes.count(what));
        println!(
            "{}",
            serde_json::json!({"applied": true, "patients": patients, "devices": devices, "pairings": pairings,
                "added": added, "changed": changed, "removed": removed})
        );
    } else {
        println!("applied: {patients} patients, {devices} devices, {pairings} pairings; {}", changes.summary());
    }
    Ok(())
}

async fn diff(file: &Path, tenant: &TenantId, context: &Context) -> Result<()> {
    let (_, clinic) = checked(file, tenant, context).await?;
    let changes = Changes::between(&standing(tenant, context).await?, &clinic);
    if context.json {
        println!("{}", changes.as_json());
    } else {
        print!("{}", changes.text());
    }
    Ok(())
}

/// A file that may be put in force. What is doubtful in it is told.
async fn checked(file: &Path, tenant: &TenantId, context: &Context) -> Result<(String, Clinic)> {
    let place = || format!("{}", file.display());
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let clinic = roster::parse(&text, tenant).with_context(place)?;
    consent::check(&text, &clinic, EventTime(SystemClock::new().wall_ms())).with_context(place)?;
    let rules = rules::known(&context.config, tenant).await?;
    check_overrides(&clinic, &rules).with_context(place)?;
    for doubt in doubts::doubts(&clinic, &rules) {
        eprintln!("warning: {doubt}");
    }
    Ok((text, clinic))
}

/// What was applied last.
async fn standing(tenant: &TenantId, context: &Context) -> Result<Clinic> {
    let in_force = operator::roster(&context.config, tenant).await?;
    roster::parse(&in_force.declared, tenant).context("the roster in force")
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
