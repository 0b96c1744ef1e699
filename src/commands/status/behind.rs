//! What is not where it should be: refused at the doors, never arrived, not applied yet; and how much room is left.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use painwatch_domain::TenantId;
use painwatch_journal::JournalReader;
use painwatch_store::{Applied, Consumer, SequenceFilter, SequenceRow, Store};
use serde::Serialize;

use crate::config::Config;

/// Submissions that were refused before they were durable, by reason. A running server adds to them every few seconds.
pub struct Refused(pub BTreeMap<String, u64>);

impl Refused {
    pub async fn of(store: &dyn Store, tenant: &TenantId) -> Result<Self> {
        let mut by_reason = BTreeMap::new();
        for row in store.ledger(tenant.clone()).await?.into_iter().filter(|row| row.refused > 0) {
            *by_reason.entry(row.reason).or_default() += row.refused;
        }
        Ok(Self(by_reason))
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub fn text(&self) -> String {
        let reasons: Vec<String> = self.0.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
        format!("{} submissions{reasons}", self.total())
    }
}

/// Sequence numbers that never arrived, between those that did.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub devices: usize,
    pub ranges: usize,
    pub readings: u64,
}

impl Missing {
    pub async fn of(store: &dyn Store, tenant: &TenantId) -> Result<Self> {
        Ok(Self::among(&store.sequences(tenant.clone(), SequenceFilter::default()).await?))
    }

    fn among(rows: &[SequenceRow]) -> Self {
        let gaps = || rows.iter().filter(|row| row.missing.iter().next().is_some());
        let mut devices: Vec<_> = gaps().map(|row| &row.device).collect();
        devices.dedup();
        Self {
            devices: devices.len(),
            ranges: gaps().map(|row| row.missing.iter().count()).sum(),
            readings: gaps().flat_map(|row| row.missing.iter()).map(|(first, last)| last - first + 1).sum(),
        }
    }

    pub fn text(&self) -> String {
        let Self { devices, ranges, readings } = self;
        format!("{readings} sequence numbers in {ranges} ranges of {devices} devices never arrived")
    }
}

/// Journal records that are durable and not applied yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lag {
    pub processor_records: u64,
    pub alerts_records: u64,
    /// Journal time between the last record and the last that was applied; unknown where none was.
    pub processor_ms: Option<i64>,
}

pub struct Behind {
    pub processor: Option<Applied>,
    pub alerts: Option<Applied>,
    /// `None` where there is no journal yet.
    pub lag: Option<Lag>,
}

impl Behind {
    pub async fn of(config: &Config, store: &dyn Store) -> Result<Self> {
        let (processor, alerts) = (store.applied(Consumer::Processor).await?, store.applied(Consumer::Alerts).await?);
        // After the tables: what a server writes meanwhile is behind, not ahead.
        let journal = config.journal_dir();
        let lag = if journal.is_dir() {
            let journal = JournalReader::open(journal).context("journal")?;
            let next = |applied: Option<Applied>| applied.map_or(0, |applied| applied.next.0);
            let behind = |applied| journal.next_offset().0.saturating_sub(next(applied));
            let last = journal.last_journal_time();
            Some(Lag {
                processor_records: behind(processor),
                alerts_records: behind(alerts),
                processor_ms: processor.map(|applied| (last.0 - applied.journal_time.0).max(0)),
            })
        } else {
            None
        };
        Ok(Self { processor, alerts, lag })
    }

    pub fn text(&self) -> String {
        let behind = self.lag.map_or_else(String::new, |lag| {
            let ms = lag.processor_ms.map_or_else(String::new, |ms| format!(" ({ms} ms)"));
            format!("; {} records{ms} behind its end, alerts {}", lag.processor_records, lag.alerts_records)
        });
        match self.processor {
            Some(applied) => format!("applied up to offset {} at {}{behind}", applied.next, applied.journal_time),
            None => format!("nothing applied yet{behind}"),
        }
    }
}

/// What an ordinary user may still write on the disk of the data; `None` where the system does not say.
pub fn free_disk_bytes(data: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(data).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

pub fn free_text(bytes: u64) -> String {
    format!(", {} MiB free", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use painwatch_domain::{DeviceId, GatewayId, JournalTime, Offset, SequenceRanges};
    use painwatch_store::{Commit, LedgerRow, MemoryStore, Rows};

    use super::*;

    fn sequence(device: &str, boot_id: u32, missing: &[(u64, u64)]) -> SequenceRow {
        SequenceRow {
            tenant: TenantId::default(),
            device: DeviceId::parse(device).unwrap(),
            boot_id,
            gateway: GatewayId::parse("gw-1").unwrap(),
            first_seq: 1,
            last_seq: 100,
            missing: SequenceRanges::new(missing.to_vec()).unwrap(),
            told_from: 0,
        }
    }

    #[tokio::test]
    async fn what_was_refused_and_what_never_arrived_is_counted() {
        let store = MemoryStore::new();
        let epoch = store.take_ownership().await.unwrap();
        let refused = |reason: &str, refused| LedgerRow { reason: reason.to_owned(), refused, ..LedgerRow::default() };
        let ledger = vec![LedgerRow { submitted: 5, stored: 5, ..LedgerRow::default() }, refused("busy", 2)];
        let sequences = vec![
            sequence("cuff-1", 1, &[]),
            sequence("watch-1", 1, &[(3, 4), (9, 9)]),
            sequence("watch-1", 2, &[(7, 7)]),
        ];
        let rows = Rows { ledger, sequences, ..Rows::default() };
        store.commit(&Commit { epoch, rows, ..Commit::default() }).await.unwrap();
        let tenant = TenantId::default();
        let refused = Refused::of(&store, &tenant).await.unwrap();
        assert_eq!((refused.total(), refused.text().as_str()), (2, "2 submissions: 2 busy"));
        let missing = Missing::of(&store, &tenant).await.unwrap();
        assert_eq!(missing, Missing { devices: 1, ranges: 3, readings: 4 });
    }

    #[test]
    fn the_disk_says_how_much_is_free_and_the_journal_how_far_behind_the_tables_are() {
        assert!(free_disk_bytes(Path::new("/")).is_some_and(|bytes| bytes > 0));
        let processor = Some(Applied { next: Offset(5), journal_time: JournalTime(0) });
        let lag = Some(Lag { processor_records: 3, alerts_records: 8, processor_ms: Some(40) });
        let text = Behind { processor, alerts: None, lag }.text();
        assert!(text.contains("offset 5") && text.ends_with("3 records (40 ms) behind its end, alerts 8"), "{text}");
    }
}
