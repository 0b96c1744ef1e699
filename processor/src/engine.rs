//! Applies one journal record after another to the cores. Everything it decides is a function of the journal's prefix.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use painwatch_domain::{BatchVerdict, Finding, JournalTime, Offset, PatientId, Roster, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_processor_core::intake::clock::Clocks;
use painwatch_processor_core::patient::{Clinic, OwnNumbers, Part, Snapshot};
use painwatch_processor_core::rules::{self, Rule};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::encode_finding;
use painwatch_store::{Blob, Rows, RuleRow, Store};
use prost::Message as _;
use serde::{Deserialize, Serialize};

use crate::assumed::Assumed;
use crate::history::{History, Index};
use crate::redriven::Redriven;
use crate::sequences::Sequences;
use crate::technical::Raised;
use crate::{paths, performed, rows};

/// Reads a roster document: the program's business, because the document's form is.
pub type ParseRoster = fn(&str, &TenantId) -> Result<Roster>;

/// Blob kinds of a checkpoint.
const PATIENT_KIND: &str = "patient";
const ENGINE_KIND: &str = "engine";
const ENGINE_KEY: &str = "state";
/// Raise with every change to the form of [`EngineState`].
const ENGINE_FORMAT: u8 = 3;
/// The form before patients had numbers of their own.
const ENGINE_FORMAT_WITHOUT_OVERRIDES: u8 = 2;
/// The form before clocks: it reads as one in which none has been seen.
const ENGINE_FORMAT_WITHOUT_CLOCKS: u8 = 1;

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

/// What is kept between two runs beside patients and blocks.
#[derive(Default, Serialize, Deserialize)]
struct EngineState {
    /// Everything below this offset is in the checkpoint.
    next: u64,
    /// Roster documents by tenant.
    rosters: BTreeMap<String, String>,
    /// Rules that were accepted or added, by tenant, in order.
    rules: BTreeMap<String, Vec<RuleDocument>>,
    raised: Raised,
    index: Index,
    clocks: Clocks,
    /// Numbers of rules that patients have of their own, by tenant.
    own_numbers: BTreeMap<String, Vec<OwnNumbers>>,
}

/// [`EngineState`] in format 2.
#[derive(Deserialize)]
struct WithoutOverrides {
    next: u64,
    rosters: BTreeMap<String, String>,
    rules: BTreeMap<String, Vec<RuleDocument>>,
    raised: Raised,
    index: Index,
    clocks: Clocks,
}

/// [`EngineState`] in format 1.
#[derive(Deserialize)]
struct WithoutClocks {
    next: u64,
    rosters: BTreeMap<String, String>,
    rules: BTreeMap<String, Vec<RuleDocument>>,
    raised: Raised,
    index: Index,
}

/// A rule as a control record brought it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct RuleDocument {
    pack: String,
    toml: String,
    /// Journal time from which it is in force.
    from: i64,
}

impl RuleDocument {
    fn read(&self) -> Result<Rule> {
        // What it names beside itself was there when it was accepted, or comes with a later record.
        let parsed = rules::parse_beside(&self.toml, &format!("{}.toml", self.pack), None);
        let parsed = parsed.map_err(|errors| {
            anyhow::anyhow!("rule record: {}", errors.first().map_or(String::new(), ToString::to_string))
        })?;
        parsed.into_iter().next().context("rule record is empty")
    }
}

pub struct Engine {
    clinics: BTreeMap<TenantId, Clinic>,
    pub(crate) history: History,
    pub(crate) sequences: Sequences,
    pub(crate) raised: Raised,
    rules: BTreeMap<TenantId, Vec<RuleDocument>>,
    pub(crate) clocks: Clocks,
    pub(crate) redriven: Redriven,
    parse_roster: ParseRoster,
    assumed: Assumed,
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
            Some(bytes) => decode_state(&bytes)?,
            None => EngineState::default(),
        };
        let mut engine = Self {
            clinics: BTreeMap::new(),
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
        for (tenant, document) in &state.rosters {
            let tenant = TenantId::parse(tenant)?;
            let roster = parse_roster(document, &tenant).context("roster in the checkpoint")?;
            let roster = engine.assumed.roster(roster);
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
                let roster = (self.parse_roster)(&applied.toml, tenant).context("roster record")?;
                let roster = self.assumed.roster(roster);
                out.rows.roster = Some(rows::roster_rows(&roster));
                let history = &self.history;
                let stored = |device: &painwatch_domain::DeviceId| history.index.days_of(tenant, device);
                let clinics = self.clinics.entry(tenant.clone());
                let clinic = clinics.or_insert_with(|| Clinic::new(tenant.clone(), self.assumed.rules()));
                clinic.set_roster(Arc::new(roster), &stored, record.journal_time)?;
                out.rows.rules.extend(own_rule_rows(clinic, tenant, record.offset));
            }
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
        };
        let mut bytes = vec![ENGINE_FORMAT];
        bytes.extend(postcard::to_stdvec(&state).unwrap_or_default());
        blobs.push(Blob { kind: ENGINE_KIND, key: ENGINE_KEY.to_owned(), bytes: Some(bytes) });
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

fn decode_state(bytes: &[u8]) -> Result<EngineState> {
    match bytes.split_first() {
        Some((&ENGINE_FORMAT, rest)) => postcard::from_bytes(rest).context("engine checkpoint damaged"),
        Some((&ENGINE_FORMAT_WITHOUT_OVERRIDES, rest)) => {
            let WithoutOverrides { next, rosters, rules, raised, index, clocks } =
                postcard::from_bytes(rest).context("engine checkpoint damaged")?;
            Ok(EngineState { next, rosters, rules, raised, index, clocks, own_numbers: BTreeMap::new() })
        }
        Some((&ENGINE_FORMAT_WITHOUT_CLOCKS, rest)) => {
            let WithoutClocks { next, rosters, rules, raised, index } =
                postcard::from_bytes(rest).context("engine checkpoint damaged")?;
            let (clocks, own_numbers) = (Clocks::default(), BTreeMap::new());
            Ok(EngineState { next, rosters, rules, raised, index, clocks, own_numbers })
        }
        Some((found, _)) => anyhow::bail!("engine checkpoint format {found}, this program reads {ENGINE_FORMAT}"),
        None => anyhow::bail!("engine checkpoint is empty"),
    }
}

/// Begins the TOML of a version in the table of rules that single patients have alone.
pub const OF_PATIENTS: &str = "# With numbers of single patients: [[override]] in the roster.\n";

/// Versions that single patients have: what an alert of theirs names must be found.
fn own_rule_rows(clinic: &Clinic, tenant: &TenantId, known_from: Offset) -> Vec<RuleRow> {
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
