//! Applies one journal record after another to the cores. Everything it decides is a function of the journal's prefix.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use painwatch_domain::order::Written;
use painwatch_domain::{BatchVerdict, Finding, JournalTime, Offset, PatientId, Roster, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_processor_core::intake::clock::Clocks;
use painwatch_processor_core::patient::{Clinic, Part, Snapshot};
use painwatch_processor_core::rules::Rule;
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::encode_finding;
use painwatch_store::{Blob, Rows, RuleRow, Store};
use prost::Message as _;

use crate::assumed::Assumed;
use crate::history::History;
use crate::redriven::Redriven;
use crate::sequences::Sequences;
use crate::state::{EngineState, RuleDocument};
use crate::technical::Raised;
use crate::{paths, performed, rows};

/// Reads a roster document: the program's business, because the document's form is.
pub type ParseRoster = fn(&str, &TenantId) -> Result<Roster>;

/// Blob kinds of a checkpoint.
const PATIENT_KIND: &str = "patient";
const ENGINE_KIND: &str = "engine";
const ENGINE_KEY: &str = "state";

/// What applying a record led to.
#[derive(Debug, Default)]
pub struct Output {
    pub cause: Offset,
    pub tenant: TenantId,
    pub rows: Rows,
    pub findings: Vec<Finding>,
    pub verdict: Option<BatchVerdict>,
    /// What the record let us conclude: to be journalled, in force once it is read back.
    pub decisions: Vec<pb::ClockOffset>,
}

impl Output {
    /// The findings as they are journalled: one record for each clinic whose they are, whosever record made time pass.
    pub fn findings_by_tenant(&self) -> BTreeMap<TenantId, pb::Findings> {
        let mut by_tenant = BTreeMap::<TenantId, pb::Findings>::new();
        for finding in &self.findings {
            let theirs = by_tenant.entry(finding.tenant.clone()).or_default();
            theirs.cause_offset = self.cause.0;
            theirs.findings.push(encode_finding(finding));
        }
        by_tenant
    }
}

pub struct Engine {
    pub(crate) clinics: BTreeMap<TenantId, Clinic>,
    /// Orders and fills out of gateways, beside what is declared.
    pub(crate) written: BTreeMap<TenantId, Written>,
    pub(crate) history: History,
    pub(crate) sequences: Sequences,
    pub(crate) raised: Raised,
    rules: BTreeMap<TenantId, Vec<RuleDocument>>,
    pub(crate) clocks: Clocks,
    pub(crate) redriven: Redriven,
    pub(crate) parse_roster: ParseRoster,
    pub(crate) assumed: Assumed,
    next: Offset,
    coverage_defects: u64,
    beyond_horizon: u64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("next", &self.next).field("clinics", &self.clinics.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine as the newest checkpoint left it; a new one where there is none.
    ///
    /// # Errors
    /// The store cannot be read, or a checkpoint is of another version or damaged.
    pub async fn open(store: Arc<dyn Store>, parse_roster: ParseRoster) -> Result<Self> {
        Self::assuming(store, parse_roster, Assumed::default()).await
    }

    /// An engine for a question. What it assumes is in no checkpoint: open it on a store of its own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn assuming(store: Arc<dyn Store>, parse_roster: ParseRoster, assumed: Assumed) -> Result<Self> {
        let state = match store.blob(ENGINE_KIND, ENGINE_KEY.to_owned()).await? {
            Some(bytes) => EngineState::decode(&bytes)?,
            None => EngineState::default(),
        };
        let mut engine = Self {
            clinics: BTreeMap::new(),
            written: BTreeMap::new(),
            history: History::new(Arc::clone(&store), state.index),
            sequences: Sequences::new(Arc::clone(&store)),
            raised: state.raised,
            rules: BTreeMap::new(),
            clocks: state.clocks,
            redriven: Redriven::new(Arc::clone(&store)),
            parse_roster,
            assumed,
            next: Offset(state.next),
            coverage_defects: 0,
            beyond_horizon: 0,
        };
        for (tenant, message) in &state.written {
            let written = pb::OrdersWritten::decode(message.as_slice()).context("orders in the checkpoint")?;
            engine.take_orders(&TenantId::parse(tenant)?, &written)?;
        }
        for (tenant, document) in &state.rosters {
            let tenant = TenantId::parse(tenant)?;
            let roster = parse_roster(document, &tenant).context("roster in the checkpoint")?;
            let roster = engine.completed(roster);
            engine.clinic(&tenant).restore_roster(Arc::new(roster));
        }
        for (tenant, documents) in state.rules {
            let tenant = TenantId::parse(&tenant)?;
            for document in documents {
                let (rule, from) = (document.read()?, JournalTime(document.from));
                engine.clinic(&tenant).restore_rule(rule, from);
                engine.rules.entry(tenant.clone()).or_default().push(document);
            }
        }
        for (tenant, own) in state.own_numbers {
            engine.clinic(&TenantId::parse(&tenant)?).restore_own_numbers(own);
        }
        for (tenant, bytes) in store.blobs(paths::KIND).await? {
            engine.clinic(&TenantId::parse(&tenant)?).restore_paths(&bytes)?;
        }
        for (key, bytes) in store.blobs(PATIENT_KIND).await? {
            let (tenant, patient, part) = parse_key(&key).context("patient snapshot key")?;
            engine.clinic(&tenant).restore(&patient, part, bytes)?;
        }
        Ok(engine)
    }

    /// The record it must be given next.
    pub const fn next(&self) -> Offset {
        self.next
    }

    /// Days whose coverage did not add up: a defect of ours.
    pub const fn coverage_defects(&self) -> u64 {
        self.coverage_defects
    }

    /// Days beyond the horizon that late readings changed: their alerts stay as they were (semantics 13).
    pub const fn beyond_horizon(&self) -> u64 {
        self.beyond_horizon
    }

    /// The roster of a tenant as it is in force.
    pub fn roster(&mut self, tenant: &TenantId) -> Arc<Roster> {
        Arc::clone(self.clinic(tenant).roster())
    }

    /// The rules of a tenant as they are in force.
    pub fn rules(&mut self, tenant: &TenantId) -> Vec<Rule> {
        self.clinic(tenant).rules().cloned().collect()
    }

    pub(crate) fn clinics_mut(&mut self) -> impl Iterator<Item = &mut Clinic> {
        self.clinics.values_mut()
    }

    pub(crate) fn clinics_by_tenant(&mut self) -> impl Iterator<Item = (&TenantId, &mut Clinic)> {
        self.clinics.iter_mut()
    }

    pub(crate) fn clinic(&mut self, tenant: &TenantId) -> &mut Clinic {
        if !self.clinics.contains_key(tenant) {
            self.clinics.insert(tenant.clone(), Clinic::new(tenant.clone(), self.assumed.rules()));
        }
        self.clinics.entry(tenant.clone()).or_insert_with(|| Clinic::new(tenant.clone(), Vec::new()))
    }

    /// Applies the next record: first every deadline up to its journal time, then the record, then what became due by it.
    ///
    /// # Errors
    /// The store cannot be read, or a payload is not what this program writes.
    pub async fn apply(&mut self, record: &Record) -> Result<Output> {
        let mut out = Output { cause: record.offset, tenant: record.tenant.clone(), ..Output::default() };
        self.paused(record)?;
        self.fire(record.journal_time, record.offset, &mut out).await?;
        match record.class {
            Class::Batch if record.tenant.is_canary() => self.canary(record, &mut out).await?,
            Class::Batch => self.batch(record, &mut out).await?,
            Class::Control => self.control(record, &mut out)?,
            Class::Decision => self.decided(record, &mut out)?,
            Class::LogicVersion => self.show_rules(record, &mut out),
            _ => {}
        }
        self.fire(record.journal_time, record.offset, &mut out).await?;
        self.next = record.offset.next();
        Ok(out)
    }

    /// Lets time pass without a record, as a tick would.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn pass(&mut self, tenant: &TenantId, now: JournalTime) -> Result<Output> {
        let mut out = Output { cause: self.next, tenant: tenant.clone(), ..Output::default() };
        self.fire(now, self.next, &mut out).await?;
        Ok(out)
    }

    /// Puts a rule in force from `from` on, with the pack it names: what its acceptance at that moment would do.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn suppose(&mut self, tenant: &TenantId, rule: &Rule, from: JournalTime) -> Result<Output> {
        let mut out = self.pass(tenant, from).await?;
        let document = RuleDocument { pack: rule.pack.clone(), toml: rule.to_toml(), from: from.0 };
        self.put_rule(tenant, document)?;
        self.fire(from, self.next, &mut out).await?;
        Ok(out)
    }

    /// Performs every piece of work that is due at `now`.
    async fn fire(&mut self, now: JournalTime, cause: Offset, out: &mut Output) -> Result<()> {
        let tenants: Vec<TenantId> = self.clinics.keys().cloned().collect();
        for tenant in tenants {
            while let Some(task) = self.clinics.get_mut(&tenant).and_then(|clinic| clinic.next_task(now)) {
                let Some(clinic) = self.clinics.get_mut(&tenant) else { break };
                let roster = Arc::clone(clinic.roster());
                let history = self.history.of(&roster, &task).await?;
                let (due, patient) = (task.due, task.patient.clone());
                let performed = clinic.perform(task, &history)?;
                self.coverage_defects += u64::from(performed.coverage_defects);
                self.beyond_horizon += u64::from(performed.beyond_horizon);
                performed::add(out, (&tenant, &patient), performed, due, cause);
            }
        }
        Ok(())
    }

    fn control(&mut self, record: &Record, out: &mut Output) -> Result<()> {
        let control = pb::Control::decode(record.payload.clone()).context("control record")?;
        let tenant = &record.tenant;
        match control.action {
            Some(pb::control::Action::Roster(applied)) => {
                self.declared(record, &applied.toml, out)?;
            }
            Some(pb::control::Action::Orders(orders)) => self.ordered(record, &orders, out)?,
            Some(pb::control::Action::RuleAccepted(accepted)) => {
                let known = self
                    .clinic(tenant)
                    .rules()
                    .find(|rule| rule.id.as_str() == accepted.rule)
                    .map(|rule| rule.pack.clone());
                let own = if accepted.pack.is_empty() { "custom".to_owned() } else { accepted.pack };
                let pack = known.unwrap_or(own);
                let document = RuleDocument { pack, toml: accepted.toml, from: record.journal_time.0 };
                let rule = self.put_rule(tenant, document)?;
                out.rows.rules.push(rule_row(tenant, &rule, record.offset));
                out.rows.rules.extend(own_rule_rows(self.clinic(tenant), tenant, record.offset));
            }
            Some(pb::control::Action::Refusals(refusals)) => rows::refusals(&mut out.rows, tenant, &refusals),
            Some(pb::control::Action::GatewayStatus(status)) => self.gateway_says(record, &status),
            Some(pb::control::Action::InputState(state)) => self.input(record, &state, out),
            _ => {}
        }
        Ok(())
    }

    fn put_rule(&mut self, tenant: &TenantId, document: RuleDocument) -> Result<Rule> {
        let rule = document.read()?;
        self.clinic(tenant).set_rule(rule.clone(), JournalTime(document.from));
        self.rules.entry(tenant.clone()).or_default().push(document);
        Ok(rule)
    }

    /// A start of the program: the rules it brings become rows.
    fn show_rules(&mut self, record: &Record, out: &mut Output) {
        let tenant = record.tenant.clone();
        let rules: Vec<RuleRow> =
            self.clinic(&tenant).rules().map(|rule| rule_row(&tenant, rule, record.offset)).collect();
        out.rows.rules.extend(rules);
    }

    /// Everything that a restart needs, as of the last applied record. Call [`Self::settle`] once it is durable.
    pub fn checkpoint(&mut self) -> Vec<Blob> {
        let mut blobs = self.history.take_changed();
        blobs.extend(self.redriven.take_changed());
        blobs.extend(self.paths_changed());
        for (tenant, clinic) in &mut self.clinics {
            blobs.extend(clinic.take_snapshots().into_iter().map(|Snapshot { patient, part, bytes }| Blob {
                kind: PATIENT_KIND,
                key: format!("{tenant}/{patient}/{}", part.as_str()),
                bytes: Some(bytes),
            }));
        }
        let document = |(tenant, clinic): (&TenantId, &Clinic)| (tenant.to_string(), clinic.roster().source.clone());
        let state = EngineState {
            next: self.next.0,
            rosters: self.clinics.iter().map(document).filter(|(_, source)| !source.is_empty()).collect(),
            rules: self.rules.iter().map(|(tenant, rules)| (tenant.to_string(), rules.clone())).collect(),
            raised: self.raised.clone(),
            index: self.history.index.clone(),
            clocks: self.clocks.clone(),
            own_numbers: self
                .clinics
                .iter()
                .map(|(tenant, clinic)| (tenant.to_string(), clinic.own_numbers().to_vec()))
                .filter(|(_, own)| !own.is_empty())
                .collect(),
            written: self.orders_written(),
        };
        blobs.push(Blob { kind: ENGINE_KIND, key: ENGINE_KEY.to_owned(), bytes: Some(state.encode()) });
        blobs
    }

    /// The last checkpoint is durable: memory may be given back.
    pub fn settle(&mut self, block_cache_bytes: usize) {
        self.history.settle(block_cache_bytes);
        self.redriven.settle();
        self.sequences.settle();
    }
}

fn parse_key(key: &str) -> Option<(TenantId, PatientId, Part)> {
    let mut parts = key.split('/');
    let tenant = TenantId::parse(parts.next()?).ok()?;
    let patient = PatientId::parse(parts.next()?).ok()?;
    Some((tenant, patient, Part::parse(parts.next()?)?))
}

/// Begins the TOML of a version in the table of rules that single patients have alone.
pub const OF_PATIENTS: &str = "# With numbers of single patients: [[override]] in the roster.\n";

/// Versions that single patients have: what an alert of theirs names must be found.
pub(crate) fn own_rule_rows(clinic: &Clinic, tenant: &TenantId, known_from: Offset) -> Vec<RuleRow> {
    let row = |rule: &Rule| {
        let row = rule_row(tenant, rule, known_from);
        RuleRow { toml: format!("{OF_PATIENTS}{}", row.toml), ..row }
    };
    clinic.own_versions().iter().map(row).collect()
}

fn rule_row(tenant: &TenantId, rule: &Rule, known_from: Offset) -> RuleRow {
    RuleRow {
        tenant: tenant.clone(),
        rule: rule.id.clone(),
        version: rule.version(),
        pack: rule.pack.clone(),
        accepted_by: rule.accepted_by.clone().unwrap_or_default(),
        toml: rule.to_toml(),
        known_from,
    }
}
