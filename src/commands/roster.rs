//! `painwatch roster`: the clinic as a document.

mod changes;
mod consent;
mod doubts;
mod kept;
mod orders;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use painwatch_domain::{Clock as _, EventTime, Roster as Clinic, TenantId};
use painwatch_processor_core::rules::{Rule, nearest};
use painwatch_proto::journal::v1::{RosterApplied, control::Action};

use super::{Context, OfClinic, rules};
use crate::clock::SystemClock;
use crate::{operator, roster};
use changes::{Changes, What};
pub use orders::beside;

/// The clinic: patients, devices, who wears what, medication, care teams.
#[derive(Debug, clap::Subcommand)]
pub enum Roster {
    /// Puts the roster in force. It is checked first; nothing changes when anything is wrong.
    ///
    /// It changes what the file declares: what the roster in force has beside that stays, and is removed with `--prune` alone.
    #[command(
        after_help = "Examples:\n  painwatch roster apply clinic.toml\n  painwatch roster apply clinic.toml --prune"
    )]
    Apply {
        /// The roster, or the part of it that changes, as TOML.
        file: PathBuf,
        /// Remove what the file does not declare.
        #[arg(long)]
        prune: bool,
        #[command(flatten)]
        clinic: OfClinic,
    },
    /// Shows what `apply` would add (+), change (~) and remove (-). It succeeds whether or not there is a difference.
    #[command(after_help = "Example:\n  painwatch roster diff clinic.toml --prune")]
    Diff {
        /// The roster, or the part of it that changes, as TOML.
        file: PathBuf,
        /// As `apply --prune`.
        #[arg(long)]
        prune: bool,
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
        Roster::Diff { file, prune, clinic } => diff(&file, &clinic.id()?, prune, &context).await?,
        Roster::Export { file, clinic } => {
            let in_force = operator::roster(&context.config, &clinic.id()?).await?;
            std::fs::write(&file, in_force.declared + &in_force.beside)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A file that may be put in force, and what it changes.
struct Wanted {
    text: String,
    clinic: Clinic,
    changes: Changes,
    /// So many entries stand that the file does not declare.
    kept: usize,
}

async fn apply(file: &Path, tenant: &TenantId, prune: bool, context: &Context) -> Result<()> {
    let Wanted { text, clinic, changes, kept } = wanted(file, tenant, prune, context).await?;
    let action = Action::Roster(RosterApplied { toml: text });
    operator::submit(&context.config, tenant, operator::control_record("operator", action)).await?;
    let (patients, devices, pairings) = (clinic.patients.len(), clinic.devices.len(), clinic.pairings.len());
    if context.json {
        let [added, changed, removed] = What::ALL.map(|what| changes.count(what));
        println!(
            "{}",
            serde_json::json!({"applied": true, "patients": patients, "devices": devices, "pairings": pairings,
                "added": added, "changed": changed, "removed": removed, "kept": kept})
        );
    } else {
        println!("applied: {patients} patients, {devices} devices, {pairings} pairings; {}", changes.summary());
        print!("{}", said_of(kept));
    }
    Ok(())
}

async fn diff(file: &Path, tenant: &TenantId, prune: bool, context: &Context) -> Result<()> {
    let Wanted { changes, kept, .. } = wanted(file, tenant, prune, context).await?;
    if context.json {
        println!("{}", changes.as_json());
    } else {
        print!("{}{}", said_of(kept), changes.text());
    }
    Ok(())
}

fn said_of(kept: usize) -> String {
    match kept {
        0 => String::new(),
        1 => "1 entry that the file does not declare stays; `--prune` removes it\n".to_owned(),
        many => format!("{many} entries that the file does not declare stay; `--prune` removes them\n"),
    }
}

/// Checked. What is doubtful in it is told.
async fn wanted(file: &Path, tenant: &TenantId, prune: bool, context: &Context) -> Result<Wanted> {
    let place = || format!("{}", file.display());
    let declared = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let standing = standing(tenant, context).await?;
    let (text, clinic, kept) = if prune {
        let clinic = roster::parse(&declared, tenant).with_context(place)?;
        (declared.clone(), clinic, 0)
    } else {
        let kept::Kept { text, clinic, count } = kept::beside(&declared, &standing, tenant).with_context(place)?;
        (text, clinic, count)
    };
    consent::check(&declared, &clinic, EventTime(SystemClock::new().wall_ms())).with_context(place)?;
    let rules = rules::known(&context.config, tenant).await?;
    check_overrides(&clinic, &rules).with_context(place)?;
    for doubt in doubts::doubts(&clinic, &rules) {
        eprintln!("warning: {doubt}");
    }
    let changes = Changes::between(&standing, &clinic);
    Ok(Wanted { text, clinic, changes, kept })
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
