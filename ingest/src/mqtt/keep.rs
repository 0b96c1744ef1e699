//! Sessions into the journal and out of it again.
//!
//! A start reads so much of the journal's tail and no more; so that every session stands in it, all of them are written
//! down again while the journal grows. A session that is not found is told to its client, which then sends again.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, future};
use painwatch_access::GatewayPrincipal;
use painwatch_domain::{Offset, TenantId};
use painwatch_journal::{Appended, Journal, JournalError};
use painwatch_proto::journal::v1::{MqttSession, MqttSessions, control};
use prost::Message as _;

use super::Endpoint;
use super::recall::Recall;
use super::sessions::Recalled;

/// Records read at a start: seconds of a busy clinic, and at most a few seconds of reading.
const TAIL_RECORDS: u64 = 32_768;
/// Records between two surveys, so that the tail holds several.
const SURVEY_RECORDS: u64 = 8_192;
/// Bytes read from the journal at a time.
const READ_BYTES: usize = 4 << 20;
/// Sessions in one record of a survey fill about so many bytes.
const SURVEY_BYTES: usize = 256 << 10;

/// The sessions that survived, and the last revision that may have been used.
pub async fn recall(journal: &dyn Journal, ids: usize, now_ms: i64) -> (Vec<Recalled>, u64) {
    let (ended_ms, next) = (journal.last_journal_time().0, journal.next_offset());
    match read_tail(journal, ids, next).await {
        Ok(recall) => {
            let (sessions, last_revision) = recall.finish(ended_ms, now_ms);
            // No more revisions are used than records are written, so those out of sight are smaller.
            (sessions, last_revision.max(next.0))
        }
        Err(error) => {
            tracing::error!(%error, "no MQTT session could be recalled");
            (Vec::new(), next.0)
        }
    }
}

async fn read_tail(journal: &dyn Journal, ids: usize, next: Offset) -> Result<Recall, JournalError> {
    let mut recall = Recall::new(ids);
    let mut position = journal.oldest_offset().max(Offset(next.0.saturating_sub(TAIL_RECORDS)));
    while position < next {
        let records = journal.read(position, READ_BYTES).await?;
        let Some(last) = records.last() else { break };
        position = last.offset.next();
        records.iter().for_each(|record| recall.apply(record));
    }
    Ok(recall)
}

impl Endpoint {
    /// Journals a change of a session; true once it is durable, at once when there is none.
    pub(super) fn keep(&self, who: &GatewayPrincipal, record: Option<MqttSession>) -> BoxFuture<'static, bool> {
        let Some(record) = record else { return future::ready(true).boxed() };
        self.write(who.tenant.clone(), vec![record])
    }

    fn write(&self, tenant: TenantId, sessions: Vec<MqttSession>) -> BoxFuture<'static, bool> {
        let action = control::Action::MqttSessions(MqttSessions { sessions });
        let appended = self.admission.record_control(tenant, "system".to_owned(), action);
        async move { matches!(appended.await, Appended::Durable { .. }) }.boxed()
    }

    /// Writes all sessions down each time the journal has grown by so many records.
    pub(crate) async fn survey_regularly(self: Arc<Self>, journal: Arc<dyn Journal>) {
        loop {
            let due = Offset(journal.next_offset().0 + SURVEY_RECORDS);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = journal.wait_beyond(due) => {}
            }
            for (tenant, sessions) in portions(self.sessions.survey()) {
                if !self.write(tenant, sessions).await {
                    tracing::warn!("MQTT sessions could not be written down; the next survey tries again");
                }
            }
        }
    }
}

/// One tenant and a bounded number of bytes in each.
fn portions(mut all: Vec<(GatewayPrincipal, MqttSession)>) -> Vec<(TenantId, Vec<MqttSession>)> {
    all.sort_by(|(one, _), (other, _)| one.tenant.as_str().cmp(other.tenant.as_str()));
    let mut portions: Vec<(TenantId, Vec<MqttSession>)> = Vec::new();
    let mut bytes = 0;
    for (who, session) in all {
        let size = session.encoded_len();
        match portions.last_mut() {
            Some((tenant, sessions)) if *tenant == who.tenant && bytes + size <= SURVEY_BYTES => {
                sessions.push(session);
                bytes += size;
            }
            _ => {
                portions.push((who.tenant, vec![session]));
                bytes = size;
            }
        }
    }
    portions
}

#[cfg(test)]
mod tests {
    use painwatch_domain::GatewayId;

    use super::*;

    #[test]
    fn a_survey_is_split_by_tenant_and_by_size() {
        let session = |tenant: &str, nth: usize| {
            let who = GatewayPrincipal {
                tenant: TenantId::parse(tenant).unwrap(),
                gateway: GatewayId::parse(&format!("gw-{nth}")).unwrap(),
            };
            (who, MqttSession { client_id: "x".repeat(SURVEY_BYTES / 4), ..MqttSession::default() })
        };
        let all = vec![session("b", 0), session("a", 1), session("b", 2), session("b", 3), session("b", 4)];
        let sizes: Vec<_> = portions(all).into_iter().map(|(tenant, some)| (tenant.to_string(), some.len())).collect();
        assert_eq!(sizes, [("a".to_owned(), 1), ("b".to_owned(), 3), ("b".to_owned(), 1)]);
    }
}
