//! What is in quarantine is submitted again: when a person asks, and by itself when a device's clock becomes known.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use painwatch_domain::{DeviceId, KnownClocks, Offset, ProblemCode, TenantId};
use painwatch_ingest::{Admission, Fate, Item};
use painwatch_store::{QuarantineRow, Store};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What was judged just before an estimate was known may be written just after it was looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Which items; nothing named is all of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Wanted {
    pub ids: Vec<String>,
    pub code: Option<String>,
    /// Of which clinic; the main one's without it.
    #[serde(default)]
    pub tenant: Option<String>,
}

impl Wanted {
    /// # Errors
    /// It is no name of a clinic.
    pub fn tenant(&self) -> Result<TenantId> {
        Ok(self.tenant.as_deref().map(TenantId::parse).transpose()?.unwrap_or_default())
    }

    fn covers(&self, row: &QuarantineRow) -> bool {
        let named = self.ids.is_empty() || self.ids.contains(&row.id);
        named && self.code.as_ref().is_none_or(|code| code == &row.code)
    }
}

/// What became of one item.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    pub id: String,
    /// Readings of it that are admitted now, and those that went back into quarantine; none of either: it stays.
    pub admitted: u64,
    pub still_refused: u64,
    /// Why it stays; empty when it left.
    pub code: String,
    pub detail: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub items: Vec<Line>,
    /// Ids that were named and are not in quarantine.
    pub unknown: Vec<String>,
}

/// Submits again.
#[derive(Clone)]
pub struct Redrive {
    pub store: Arc<dyn Store>,
    pub admission: Arc<Admission>,
    pub applied: watch::Receiver<Offset>,
}

impl Redrive {
    /// Submits the wanted items again and returns once what left is in the tables.
    ///
    /// # Errors
    /// The store or the journal cannot be read, or the journal takes nothing.
    pub async fn run(&self, wanted: &Wanted) -> Result<Report> {
        let rows = self.store.quarantine(wanted.tenant()?, None).await?;
        let unknown = wanted.ids.iter().filter(|id| !rows.iter().any(|row| &row.id == *id)).cloned().collect();
        let items = self.submit(rows.into_iter().filter(|row| wanted.covers(row))).await?;
        Ok(Report { items, unknown })
    }

    async fn submit(&self, rows: impl Iterator<Item = QuarantineRow>) -> Result<Vec<Line>> {
        let items: Vec<Item> = rows.map(item).collect();
        let fates = self.admission.redrive(&items).await?;
        let last = fates.iter().filter_map(|(_, fate)| if let Fate::Left { at, .. } = fate { Some(*at) } else { None });
        if let Some(last) = last.max() {
            self.applied.clone().wait_for(|applied| *applied > last).await?;
        }
        Ok(fates.into_iter().map(line).collect())
    }

    /// Submits again what is kept because a clock was wrong, whenever one becomes known (semantics 7).
    ///
    /// # Errors
    /// None: what cannot be done now is logged and tried with the next estimate.
    pub async fn follow(self, mut clocks: watch::Receiver<Arc<KnownClocks>>, stop: CancellationToken) -> Result<()> {
        clocks.mark_changed();
        let mut again = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = clocks.changed() => match changed {
                    Ok(()) => again = true,
                    Err(_) => return Ok(()),
                },
                () = tokio::time::sleep(LOOK_AGAIN), if again => again = false,
            }
            let known = Arc::clone(&clocks.borrow_and_update());
            if let Err(error) = self.explained(&known).await {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "what a wrong clock kept back could not be submitted again"
                );
            }
        }
    }

    async fn explained(&self, known: &KnownClocks) -> Result<()> {
        if known.iter().next().is_none() {
            return Ok(());
        }
        let tenant = TenantId::default();
        let rows = self.store.quarantine(tenant.clone(), None).await?;
        let by_clock = |row: &QuarantineRow| {
            let device = DeviceId::parse(&row.device).ok();
            is_of_a_clock(&row.code) && device.is_some_and(|device| known.of(&tenant, &device).is_some())
        };
        let lines = self.submit(rows.into_iter().filter(by_clock)).await?;
        let left = lines.iter().filter(|line| line.code.is_empty()).count();
        if left > 0 {
            tracing::info!(items = left, "a clock became known: its readings left quarantine");
        }
        Ok(())
    }
}

fn is_of_a_clock(code: &str) -> bool {
    [ProblemCode::TimeInFuture, ProblemCode::ClockNotSet].iter().any(|clock| clock.as_str() == code)
}

fn item(row: QuarantineRow) -> Item {
    Item {
        tenant: row.tenant,
        id: row.id,
        cause: row.cause,
        received_at: row.received_at,
        gateway: row.gateway,
        format: row.format,
        payload: row.payload,
        count: row.count,
    }
}

fn line((id, fate): (String, Fate)) -> Line {
    match fate {
        Fate::Left { admitted, still_refused, .. } => {
            Line { id, admitted, still_refused, code: String::new(), detail: String::new() }
        }
        Fate::Stays { code, detail } => Line { id, admitted: 0, still_refused: 0, code, detail },
    }
}
