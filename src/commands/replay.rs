//! `painwatch replay`: the alert history derived again from the inputs, and compared (semantics 21).

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use painwatch_domain::{Offset, TenantId};
use painwatch_journal::{Class, Journal};
use painwatch_processor::Engine;
use painwatch_proto::journal::v1 as pb;
use painwatch_store::{Applied, Commit, Consumer, MemoryStore, Store, canonical_hash};
use prost::Message as _;

use super::Context;
use super::verify::{self, Check};
use crate::{operator, roster};

/// Derives findings, metrics and coverage again from the journal's inputs, sends nothing, and compares with what is stored.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  painwatch replay --data ./painwatch-data")]
pub struct Args {
    /// Compare findings from this offset on; what lies before is still derived.
    #[arg(long, default_value_t = 0, value_name = "N")]
    from_offset: u64,
}

pub async fn run(args: Args, context: Context) -> Result<ExitCode> {
    if operator::running(&context.config).await.is_some() {
        bail!("a server runs on {}; stop it first", context.config.data.display());
    }
    let mut system = operator::look(&context.config).await?;
    system.settle().await?;
    let checks = compare_from(Arc::clone(&system.journal), Arc::clone(&system.store), Offset(args.from_offset)).await?;
    system.stop().await?;
    Ok(verify::report(&checks, context.json))
}

/// Promise 6: replay equals live.
pub async fn compare(journal: Arc<dyn Journal>, store: Arc<dyn Store>) -> Result<Vec<Check>> {
    compare_from(journal, store, Offset(0)).await
}

async fn compare_from(journal: Arc<dyn Journal>, store: Arc<dyn Store>, from: Offset) -> Result<Vec<Check>> {
    if journal.oldest_offset() > Offset(0) {
        bail!("the journal begins at offset {}: a replay needs it whole", journal.oldest_offset());
    }
    let scratch: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let epoch = scratch.take_ownership().await?;
    let mut engine = Engine::open(Arc::clone(&scratch), roster::parse).await?;
    // By cause and clinic: the bytes of what was journalled, and of what is derived now.
    let (mut journalled, mut derived) = (BTreeMap::new(), BTreeMap::new());
    let end = journal.next_offset();
    while engine.next() < end {
        for record in journal.read(engine.next(), 1 << 20).await? {
            if record.class == Class::Finding {
                let cause = pb::Findings::decode(record.payload.clone())?.cause_offset;
                journalled.insert((cause, record.tenant.clone()), record.payload.to_vec());
            }
            let mut output = engine.apply(&record).await?;
            let found = output.findings_by_tenant().into_iter();
            derived.extend(found.map(|(tenant, findings)| ((output.cause.0, tenant), findings.encode_to_vec())));
            // The hash needs what was derived, not the readings themselves.
            output.rows.readings.clear();
            output.rows.quarantine.clear();
            let applied =
                Some((Consumer::Processor, Applied { next: engine.next(), journal_time: record.journal_time }));
            scratch.commit(&Commit { epoch, applied, rows: output.rows, blobs: Vec::new() }).await?;
        }
    }
    let differing = differing(&journalled, &derived, from);
    let (stored, again) =
        (canonical_hash(&*store, &TenantId::default()).await?, canonical_hash(&*scratch, &TenantId::default()).await?);
    Ok(vec![
        Check {
            name: "findings derived again are the findings journalled",
            passed: differing.is_empty(),
            figure: match differing.first() {
                None => format!("{} records compared", journalled.len()),
                Some(first) => format!(
                    "{} of {} records differ, the first caused by offset {first}",
                    differing.len(),
                    journalled.len()
                ),
            },
        },
        Check {
            name: "canonical history derived again is the history stored",
            passed: stored == again,
            figure: if stored == again { stored } else { format!("stored {stored}, derived {again}") },
        },
    ])
}

/// Bytes of a record of findings, by the cause and the clinic.
type Found = BTreeMap<(u64, TenantId), Vec<u8>>;

fn differing(journalled: &Found, derived: &Found, from: Offset) -> Vec<u64> {
    let keys: BTreeSet<_> = journalled.keys().chain(derived.keys()).collect();
    let differ = keys.into_iter().filter(|key| key.0 >= from.0 && journalled.get(key) != derived.get(key));
    differ.map(|(cause, _)| *cause).collect()
}
