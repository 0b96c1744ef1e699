//! The roster in force: what the clinic declares, and beside it what gateways that may do so ordered and handed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use painwatch_domain::{DeviceId, GatewayId, Roster, Rosters, TenantId};
use painwatch_journal::Record;
use painwatch_processor_core::patient::Clinic;
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::{decode_fill, decode_order, encode_fill, encode_order};
use prost::Message as _;

use crate::engine::{Engine, Output, own_rule_rows};
use crate::rows;

impl Engine {
    /// Every clinic's roster as it is in force.
    pub fn rosters(&self) -> Rosters {
        self.clinics.values().map(|clinic| Arc::clone(clinic.roster())).collect()
    }

    /// Whether a clinic has come that is not among these.
    pub(crate) fn has_more_than(&self, known: &Rosters) -> bool {
        self.clinics.len() > known.tenants().len()
    }

    /// The clinic declares a roster.
    pub(crate) fn declared(&mut self, record: &Record, toml: &str, out: &mut Output) -> Result<()> {
        let declared = (self.parse_roster)(toml, &record.tenant).context("roster record")?;
        let (tenant, roster) = (&record.tenant, self.completed(declared));
        out.rows.roster = Some(rows::roster_rows(&roster));
        let rules = || self.assumed.rules();
        let clinic = self.clinics.entry(tenant.clone()).or_insert_with(|| Clinic::new(tenant.clone(), rules()));
        let history = &self.history;
        let stored = |device: &DeviceId| history.index.days_of(tenant, device);
        clinic.set_roster(Arc::new(roster), &stored, record.journal_time)?;
        out.rows.rules.extend(own_rule_rows(clinic, tenant, record.offset));
        Ok(())
    }

    /// A gateway writes orders or fills.
    pub(crate) fn ordered(&mut self, record: &Record, orders: &pb::OrdersWritten, out: &mut Output) -> Result<()> {
        self.take_orders(&record.tenant, orders)?;
        let declared = self.clinic(&record.tenant).roster().source.clone();
        if declared.is_empty() {
            return Ok(());
        }
        self.declared(record, &declared, out)
    }

    pub(crate) fn take_orders(&mut self, tenant: &TenantId, written: &pb::OrdersWritten) -> Result<()> {
        let gateway = GatewayId::parse(&written.gateway)?;
        let known = self.written.entry(tenant.clone()).or_default();
        for order in &written.orders {
            known.order(&gateway, decode_order(order)?);
        }
        for fill in &written.fills {
            known.fill(&gateway, decode_fill(fill)?);
        }
        Ok(())
    }

    /// The declared roster with everything beside it.
    pub(crate) fn completed(&self, mut declared: Roster) -> Roster {
        if let Some(written) = self.written.get(&declared.tenant) {
            written.put_into(&mut declared);
        }
        self.assumed.roster(declared)
    }

    /// What gateways wrote, one message a gateway of a tenant: for a checkpoint.
    pub(crate) fn orders_written(&self) -> Vec<(String, Vec<u8>)> {
        let mut messages = Vec::new();
        for (tenant, written) in &self.written {
            let mut by_gateway = BTreeMap::<&GatewayId, pb::OrdersWritten>::new();
            for (gateway, order) in written.orders() {
                by_gateway.entry(gateway).or_default().orders.push(encode_order(order));
            }
            for (gateway, fill) in written.fills() {
                by_gateway.entry(gateway).or_default().fills.push(encode_fill(fill));
            }
            let told = |(gateway, message): (&GatewayId, pb::OrdersWritten)| {
                let message = pb::OrdersWritten { gateway: gateway.to_string(), ..message };
                (tenant.to_string(), message.encode_to_vec())
            };
            messages.extend(by_gateway.into_iter().map(told));
        }
        messages
    }
}
