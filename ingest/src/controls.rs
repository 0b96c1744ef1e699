//! What the doors journal that is no reading: how gateways say they are, what was refused, and what we ourselves have to say.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use painwatch_access::GatewayPrincipal;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{GatewayId, TenantId};
use painwatch_journal::{AppendOptions, Appended, Class, NewRecord};
use painwatch_proto::journal::v1::{Control, GatewayStatus, RefusalCount, Refusals, control};
use prost::Message as _;
use tokio::time::Instant;

use crate::admission::{Admission, LOGIC_VERSION};
use crate::ledger::{Refusal, Tally};
use crate::mqtt::rates::Payer;

impl Admission {
    /// Journals what was refused since the last time, so that the books of each day hold it. Uses the journal's reserve.
    pub async fn record_refusals(&self) {
        let wall_ms = self.clock.wall_ms();
        let day_ms = wall_ms.div_euclid(DAY_MS) * DAY_MS;
        for tenant in self.ledger.refused_tenants() {
            // Not before: whoever stops waiting for a record loses none of the others.
            let counts = self.ledger.take_refusals(&tenant);
            let count = |(gateway, why, count): &(Option<GatewayId>, Refusal, u64)| RefusalCount {
                gateway: gateway.as_ref().map(ToString::to_string).unwrap_or_default(),
                day_ms,
                reason: why.as_str().to_owned(),
                count: *count,
            };
            let refusals = Refusals { counts: counts.iter().map(count).collect() };
            let recorded =
                self.record_control(tenant.clone(), "system".to_owned(), control::Action::Refusals(refusals));
            // Unknown is taken for written: a count twice would be a refusal that never was.
            if let Appended::Refused(reason) = recorded.await {
                tracing::warn!(?reason, "refusals could not be journalled; they are counted with the next");
                self.ledger.put_back(&tenant, counts);
            }
        }
    }

    /// Journals how a gateway says it is, and says when that may be answered ([`Accepted::due`]). Only who went away may use the
    /// journal's reserve: a full journal must still learn that, and keep the rest of it for findings.
    pub fn record_status(
        &self,
        from: &GatewayPrincipal,
        status: GatewayStatus,
    ) -> BoxFuture<'static, (Appended, Option<Instant>)> {
        let options = AppendOptions { reserved: !status.online, expect: None };
        let action = control::Action::GatewayStatus(status);
        let recorded = self.record(from.tenant.clone(), format!("gateway:{}", from.gateway), action, options);
        let (rates, ledger, from) = (self.rates.clone(), Arc::clone(&self.ledger), from.clone());
        async move {
            let appended = recorded.await;
            let rates = rates.filter(|_| matches!(appended, Appended::Durable { .. }));
            let due = rates.and_then(|rates| rates.charge(&from.tenant, [Payer::Gateway(from.gateway)]));
            ledger.count(Tally::Slowed, u64::from(due.is_some()));
            (appended, due)
        }
        .boxed()
    }

    /// Journals what we ourselves have to say. May use the journal's reserve.
    pub fn record_control(
        &self,
        tenant: TenantId,
        actor: String,
        action: control::Action,
    ) -> BoxFuture<'static, Appended> {
        self.record(tenant, actor, action, AppendOptions { reserved: true, expect: None })
    }

    fn record(
        &self,
        tenant: TenantId,
        actor: String,
        action: control::Action,
        options: AppendOptions,
    ) -> BoxFuture<'static, Appended> {
        let wall_ms = self.clock.wall_ms();
        let control = Control { actor, wall_ms, idempotency_key: String::new(), action: Some(action) };
        let payload = Bytes::from(control.encode_to_vec());
        let record = NewRecord { class: Class::Control, tenant, key_id: 0, logic_version: LOGIC_VERSION, payload };
        let (journal, closed) = (Arc::clone(&self.journal), self.closed.clone());
        async move {
            let appended = journal.append(vec![record], options).await;
            if appended == Appended::Refused(painwatch_journal::Refusal::Closed) {
                closed.cancel();
            }
            appended
        }
        .boxed()
    }
}
