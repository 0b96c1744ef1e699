//! The history derived again from the journal's inputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::TenantId;
use painwatch_journal::{Class, Record};
use painwatch_processor::Engine;
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::encode_finding;
use painwatch_store::{Applied, Commit, Consumer, MemoryStore, Store, canonical_hash};
use prost::Message as _;

use crate::roster;

/// By cause: the bytes of what was journalled, and of what is derived now.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    pub journalled: BTreeMap<u64, Vec<u8>>,
    pub derived: BTreeMap<u64, Vec<u8>>,
    pub canonical: String,
    /// Days whose coverage did not add up.
    pub coverage_defects: u64,
}

/// # Errors
/// A record that this program does not understand.
pub async fn replay(records: &[Record]) -> Result<Replayed> {
    let scratch: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let epoch = scratch.take_ownership().await?;
    let mut engine = Engine::open(Arc::clone(&scratch), roster::parse).await?;
    let mut replayed = Replayed::default();
    for record in records {
        if record.class == Class::Finding {
            let cause = pb::Findings::decode(record.payload.clone())?.cause_offset;
            anyhow::ensure!(
                replayed.journalled.insert(cause, record.payload.to_vec()).is_none(),
                "two findings of cause {cause}"
            );
        }
        let output = engine.apply(record).await?;
        if !output.findings.is_empty() {
            let findings = output.findings.iter().map(encode_finding).collect();
            let findings = pb::Findings { cause_offset: output.cause.0, findings };
            replayed.derived.insert(output.cause.0, findings.encode_to_vec());
        }
        let applied = Some((Consumer::Processor, Applied { next: engine.next(), journal_time: record.journal_time }));
        scratch.commit(&Commit { epoch, applied, rows: output.rows, blobs: Vec::new() }).await?;
    }
    replayed.canonical = canonical_hash(&*scratch, &TenantId::default()).await?;
    replayed.coverage_defects = engine.coverage_defects();
    Ok(replayed)
}
