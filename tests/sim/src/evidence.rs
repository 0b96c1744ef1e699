//! What a world leaves behind: all that the invariants judge.

use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::{AlertId, Clock, EventTime, TenantId};
use painwatch_gateway::ledger::Books as Expected;
use painwatch_journal::file::{Disk, Options};
use painwatch_journal::{InlineJournal, Record};
use painwatch_processor_core::rules::{default_packs, waiting};
use painwatch_store::{
    AlertEventRow, AlertFilter, AlertRow, Books, Consumer, Counts, CoverageRow, EpisodeRow, NotificationRow,
    Store as _, canonical_hash, canonical_hash_without,
};

use crate::gateway::Acked;
use crate::invariants::Violation;
use crate::journal::read_all;
use crate::plan::Plan;
use crate::process::BYTE_LIMIT;
use crate::receiver::Arrived;
use crate::replay::{Replayed, replay};
use crate::world::World;

#[derive(Clone, Debug)]
pub struct Evidence {
    pub plan: Plan,
    /// What the books must say of each payload sent once, by a separate count.
    pub expected: Expected,
    pub acked: Vec<Acked>,
    /// Alert and verb of each click that was answered.
    pub clicks: Vec<(AlertId, String)>,
    /// What both consumers have applied.
    pub records: Vec<Record>,
    pub books: Books,
    pub counts: Counts,
    pub canonical: String,
    /// Without the rules that wait for readings: pauses and gateways that were away bear on those.
    pub undisturbed: String,
    pub alerts: Vec<AlertRow>,
    pub events: Vec<AlertEventRow>,
    pub notifications: Vec<NotificationRow>,
    pub episodes: Vec<EpisodeRow>,
    pub coverage: Vec<CoverageRow>,
    pub replayed: Replayed,
    pub arrived: Vec<Arrived>,
    pub most_pages_under_way: usize,
    pub journal_bytes: u64,
    /// When each life of the process ended.
    pub deaths: Vec<i64>,
    pub chronicle: Vec<String>,
    /// Every line logged at the most talkative level.
    pub log: String,
}

impl Evidence {
    pub(crate) async fn of(world: &Arc<World>, expected: Expected, log: String) -> Result<Self, Violation> {
        Self::gather(world, expected, log)
            .await
            .map_err(|error| Violation::new("the_end_is_readable", format!("{error:#}")))
    }

    async fn gather(world: &Arc<World>, expected: Expected, log: String) -> Result<Self> {
        let (store, tenant) = (&*world.store, TenantId::default());
        let (first, last) = (EventTime::MIN, EventTime::MAX);
        let records = records(world).await?;
        let filter = AlertFilter { limit: usize::MAX, ..AlertFilter::default() };
        let alerts = store.alerts(filter).await?;
        let mut events = Vec::new();
        for alert in &alerts {
            events.extend(store.alert_events(tenant.clone(), alert.alert_id).await?);
        }
        let names = world.disk.names()?;
        let sizes = names.iter().filter_map(|name| world.disk.content(name)).map(|bytes| bytes.len() as u64);
        Ok(Self {
            plan: world.plan.clone(),
            expected,
            acked: world.acked(),
            clicks: world.clicks(),
            books: store.books(tenant.clone()).await?,
            counts: store.counts(tenant.clone()).await?,
            canonical: canonical_hash(store, &tenant).await?,
            undisturbed: canonical_hash_without(store, &tenant, &waiting(&default_packs())).await?,
            events,
            notifications: store.notifications(tenant.clone(), None).await?,
            episodes: store.episodes(tenant.clone()).await?,
            coverage: store.coverage(tenant, None, first, last).await?,
            replayed: replay(&records).await?,
            records,
            alerts,
            arrived: world.receiver.arrived(),
            most_pages_under_way: world.receiver.most_under_way(),
            journal_bytes: sizes.sum(),
            deaths: world.deaths(),
            chronicle: world.chronicled(),
            log,
        })
    }

    /// One number for all that happened: equal worlds have equal ones.
    pub fn fingerprint(&self) -> painwatch_domain::Hash128 {
        let mut text = self.chronicle.join("\n") + &self.log;
        for record in &self.records {
            text += &format!("{} {} {:?} {:x}\n", record.offset, record.journal_time, record.class, record.payload);
        }
        text += &format!("{:?} {:?} {:?}", self.events, self.notifications, self.coverage);
        painwatch_domain::Hash128::of(&[text.as_bytes(), self.canonical.as_bytes()])
    }
}

/// Opening writes a record of its own, which nobody has applied: left out.
async fn records(world: &Arc<World>) -> Result<Vec<Record>> {
    let disk: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let options = Options {
        fsync: world.plan.settings.fsync,
        segment_bytes: world.plan.settings.segment_bytes,
        byte_limit: BYTE_LIMIT,
        tick_after_ms: None,
        ..Options::new(world.clock.clone() as Arc<dyn Clock>)
    };
    let journal = InlineJournal::open(disk, options)?;
    let applied = world.store.applied(Consumer::Processor).await?;
    let mut records = read_all(&journal).await?;
    records.retain(|record| applied.is_some_and(|applied| record.offset < applied.next));
    Ok(records)
}
