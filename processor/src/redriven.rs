//! Which items have left quarantine, so that one that is submitted again twice leaves it once (semantics 1).

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::TenantId;
use painwatch_store::{Blob, Store};

const BLOB_KIND: &str = "redriven";
/// Nothing but the key is kept.
const BLOB_FORMAT: u8 = 1;

/// Ids that are in no checkpoint yet, and the store that knows the others: it grows with what was ever mended.
#[derive(Debug)]
pub struct Redriven {
    fresh: BTreeSet<String>,
    /// Handed out with a checkpoint that is not yet known to be durable.
    leaving: BTreeSet<String>,
    store: Arc<dyn Store>,
}

impl Redriven {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { fresh: BTreeSet::new(), leaving: BTreeSet::new(), store }
    }

    /// Notes that an item leaves; false when it had left before.
    pub async fn note(&mut self, tenant: &TenantId, id: &str) -> Result<bool> {
        let key = format!("{tenant}/{id}");
        let known = self.fresh.contains(&key) || self.leaving.contains(&key);
        if known || self.store.blob(BLOB_KIND, key.clone()).await?.is_some() {
            return Ok(false);
        }
        Ok(self.fresh.insert(key))
    }

    pub fn take_changed(&mut self) -> Vec<Blob> {
        self.leaving.append(&mut self.fresh);
        let blob = |key: &String| Blob { kind: BLOB_KIND, key: key.clone(), bytes: Some(vec![BLOB_FORMAT]) };
        self.leaving.iter().map(blob).collect()
    }

    /// What was handed out is durable.
    pub fn settle(&mut self) {
        self.leaving.clear();
    }
}
