//! `GET /api/v1/events`: alerts as they change. Ids are journal offsets; `Last-Event-ID` resumes where it broke off.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Sse;
use axum::response::sse::Event;
use futures::stream::{self, Stream, StreamExt as _};
use painwatch_domain::time::format_utc;
use painwatch_domain::{Offset, TenantId};
use painwatch_store::{AlertFilter, AlertRow};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::auth::Clinician;
use crate::problem::{Problem, Result};
use crate::{App, Inner, json as to_json};

/// A stream that says nothing for longer than three of these is dead: the page then says that its data are old.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Changes told one by one; whoever missed more is told to read everything again.
const CATCH_UP_MAX: usize = 500;
const FEW: usize = 20;

/// Changes wait this long for company: one query serves a burst.
const GATHER: Duration = Duration::from_millis(150);

struct Follower {
    app: Arc<Inner>,
    tenant: TenantId,
    applied: watch::Receiver<Offset>,
    /// Everything that changed below is told.
    told: Offset,
    greeted: bool,
    ended: bool,
    /// Held as long as the stream.
    _permit: OwnedSemaphorePermit,
}

pub async fn events(
    State(app): App,
    who: Clinician,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    let permit = app.streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many open streams"))?;
    let applied = app.deps.alerts_applied.clone();
    let now = *applied.borrow();
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let told = last.map_or(now, |last| Offset(last.saturating_add(1)));
    let follower = Follower { app, tenant: who.tenant, applied, told, greeted: false, ended: false, _permit: permit };
    let batches = stream::unfold(follower, |mut follower| async move {
        if follower.ended {
            return None;
        }
        let batch = follower.next().await;
        Some((batch, follower))
    });
    Ok(Sse::new(batches.flat_map(stream::iter).map(Ok)))
}

impl Follower {
    /// Some events: changes, a heartbeat, or the greeting that tells a new page from where it follows.
    async fn next(&mut self) -> Vec<Event> {
        if !self.greeted {
            self.greeted = true;
            return self.catch_up(vec![self.heartbeat()]).await;
        }
        let told = self.told;
        let more = tokio::time::timeout(HEARTBEAT, self.applied.wait_for(|next| *next > told));
        let woken = more.await.map(|applied| applied.is_ok());
        match woken {
            Ok(true) => {
                tokio::time::sleep(GATHER).await;
                self.catch_up(Vec::new()).await
            }
            // The alert service is gone: say so and end, instead of a silence that looks like peace.
            Ok(false) => {
                self.ended = true;
                vec![Event::default().event("stopped").data("{}")]
            }
            Err(_) => vec![self.heartbeat()],
        }
    }

    fn heartbeat(&self) -> Event {
        let time = format_utc(self.app.deps.clock.wall_ms());
        Event::default().event("heartbeat").data(serde_json::json!({ "server_time": time }).to_string())
    }

    async fn catch_up(&mut self, mut events: Vec<Event>) -> Vec<Event> {
        let upto = *self.applied.borrow_and_update();
        match self.newest().await {
            Ok(rows) => events.extend(self.changes(rows, upto)),
            Err(error) => {
                tracing::warn!(%error, "event stream cannot read the store");
                tokio::time::sleep(HEARTBEAT).await;
                return events;
            }
        }
        self.told = self.told.max(upto);
        events
    }

    /// A few rows mostly suffice; all that can be told only when they do not reach back far enough.
    async fn newest(&self) -> painwatch_store::Result<Vec<AlertRow>> {
        let filter = AlertFilter { tenant: self.tenant.clone(), limit: FEW, ..AlertFilter::default() };
        let rows = self.app.deps.store.alerts(filter.clone()).await?;
        if rows.len() < FEW || rows.last().is_some_and(|oldest| oldest.changed_at < self.told) {
            return Ok(rows);
        }
        self.app.deps.store.alerts(AlertFilter { limit: CATCH_UP_MAX, ..filter }).await
    }

    /// Oldest first. Only the last carries an id, because several may share one: a stream that breaks off in between
    /// tells all of them again.
    fn changes(&self, rows: Vec<AlertRow>, upto: Offset) -> Vec<Event> {
        let full = rows.len() >= CATCH_UP_MAX;
        let new: Vec<_> = rows.into_iter().filter(|row| row.changed_at >= self.told).collect();
        let id = upto.0.saturating_sub(1).to_string();
        if full && new.len() >= CATCH_UP_MAX {
            return vec![Event::default().event("reset").id(id).data("{}")];
        }
        let last = new.len().saturating_sub(1);
        let event = |(nth, row): (usize, &AlertRow)| {
            let event = Event::default().event("alert").data(to_json::alert(row).to_string());
            if nth == last { event.id(id.clone()) } else { event }
        };
        new.iter().rev().enumerate().map(event).collect()
    }
}
