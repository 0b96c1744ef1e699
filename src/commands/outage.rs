//! `painwatch outage`: the sheet after an outage.

mod find;
mod sheet;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Result, bail};
use painwatch_domain::{JournalTime, PatientId, TenantId, Zone};
use painwatch_journal::Record;
use painwatch_processor::Assumed;
use painwatch_processor::rerun::Rerun;
use painwatch_processor_core::patient::explain::Sheet;
use painwatch_store::AlertFilter;

use super::{Context, Usage};
use crate::past::{self, Past};
use crate::roster;
use find::{Outage, What};
use sheet::Sheets;

/// Alerts looked at: more than a clinic has in the days around an outage.
const ALERTS_MAX: usize = 100_000;

/// Who was unmonitored during an outage, how long, in which opioid exposure, and what late data showed.
///
/// Without times: the last time that the server did not run or a gateway was away for longer than `--at-least`. History is run
/// again through the code that runs in service; nothing is written. Works beside a running server.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  painwatch outage --list\n  painwatch outage\n  painwatch outage --from \"2026-03-03 02:00Z\" --to \"2026-03-03 04:10Z\" --json"
)]
pub struct Args {
    /// Lists the outages that the journal knows.
    #[arg(long)]
    list: bool,
    /// The shortest outage that counts.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    at_least: String,
    /// Begin of the time to look at; without an offset UTC.
    #[arg(long, requires = "to")]
    from: Option<String>,
    /// Its end.
    #[arg(long, requires = "from")]
    to: Option<String>,
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    let at_least = roster::duration_ms(&args.at_least).map_err(|error| Usage(format!("--at-least: {error}")))?;
    let past = Past::open(&context.config).await?;
    let known = find::outages(&past, at_least).await?;
    if args.list {
        find::list(&known, context.json);
        return Ok(ExitCode::SUCCESS);
    }
    let outage = match (&args.from, &args.to) {
        (Some(from), Some(to)) => asked(from, to, &past)?,
        _ => match known.into_iter().max_by_key(|outage| outage.to) {
            Some(outage) => outage,
            None => bail!("no outage of {} or more is known; --from and --to name any other time", args.at_least),
        },
    };
    let sheets = sheets(&past, outage).await?;
    let store = painwatch_store::open(&context.config.store_url(), &context.config.lake_dir()).await?;
    let filter = AlertFilter { tenant: TenantId::default(), limit: ALERTS_MAX, ..AlertFilter::default() };
    let alerts = store.alerts(filter).await?;
    let told = sheet::tell(&sheets, &alerts);
    if context.json {
        println!("{}", told.json());
    } else {
        print!("{}", told.text());
    }
    Ok(ExitCode::SUCCESS)
}

fn asked(from: &str, to: &str, past: &Past) -> Result<Outage> {
    let (from, to) = (past::stamp(from, &Zone::utc())?, past::stamp(to, &Zone::utc())?);
    let to = to.min(past.until().0);
    if to <= from {
        bail!(Usage(format!("--from is not before --to, or history does not reach it: it ends at {}", past.until())));
    }
    Ok(Outage { from, to, what: What::Asked })
}

/// What was known when the outage ended, and what is known now.
async fn sheets(past: &Past, outage: Outage) -> Result<Sheets> {
    let mut rerun = Rerun::new(roster::parse, Assumed::default()).await?;
    let (window, end) = ((outage.from, outage.to), JournalTime(outage.to));
    let mut then = None;
    let take = async |record: Record| {
        if then.is_none() && record.journal_time > end {
            rerun.pass(end).await?;
            then = Some(of_all(&mut rerun, window).await?);
        }
        rerun.apply(&record).await?;
        Ok(ControlFlow::Continue(()))
    };
    past.each("running history again", take).await?;
    rerun.pass(past.until()).await?;
    let now = of_all(&mut rerun, window).await?;
    Ok(Sheets { outage, then: then.unwrap_or_else(|| now.clone()), now })
}

async fn of_all(rerun: &mut Rerun, window: (i64, i64)) -> Result<BTreeMap<PatientId, Sheet>> {
    let mut sheets = BTreeMap::new();
    for patient in rerun.roster().patients.keys() {
        sheets.insert(patient.clone(), rerun.sheet(patient, window).await?);
    }
    Ok(sheets)
}
