//! History run again, to answer a question: would this rule have rung, why did that one not, does a bundle hold?
//!
//! It is the engine in service on a store in memory. Nothing is written, nobody is told.

mod backtest;
mod ideal;
mod select;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::{EventTime, Finding, JournalTime, PatientId, Roster, TenantId};
use painwatch_journal::Record;
use painwatch_processor_core::patient::explain::{Explained, Sheet};
use painwatch_processor_core::rules::Rule;
use painwatch_store::{Commit, MemoryStore, Rows, Store};

pub use backtest::{Arrival, Backtest, Plan, RuleOutcome, Told};
pub use ideal::Ideal;
pub use select::{Devices, accepted_rule, readings_of, roster_of};

use crate::assumed::Assumed;
use crate::engine::{Engine, Output, ParseRoster};

/// An engine and the tables it fills, both in memory.
#[derive(Debug)]
pub struct Rerun {
    engine: Engine,
    store: Arc<MemoryStore>,
    epoch: u64,
    seen: BTreeMap<PatientId, (EventTime, EventTime)>,
}

impl Rerun {
    /// # Errors
    /// None that a store in memory has.
    pub async fn new(parse_roster: ParseRoster, assumed: Assumed) -> Result<Self> {
        let store = Arc::new(MemoryStore::new());
        let epoch = store.take_ownership().await?;
        let engine = Engine::assuming(Arc::clone(&store) as Arc<dyn Store>, parse_roster, assumed).await?;
        Ok(Self { engine, store, epoch, seen: BTreeMap::new() })
    }

    /// Applies a record; what it made the engine say.
    ///
    /// # Errors
    /// A payload is not what this program writes.
    pub async fn apply(&mut self, record: &Record) -> Result<Vec<Finding>> {
        let output = self.engine.apply(record).await?;
        self.keep(output).await
    }

    /// Lets time pass until `now`.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn pass(&mut self, now: JournalTime) -> Result<Vec<Finding>> {
        let output = self.engine.pass(&TenantId::default(), now).await?;
        self.keep(output).await
    }

    /// Puts a rule in force from `from` on, as its acceptance at that moment would have.
    ///
    /// # Errors
    /// The rule's text does not parse.
    pub async fn suppose(&mut self, rule: &Rule, from: JournalTime) -> Result<Vec<Finding>> {
        let output = self.engine.suppose(&TenantId::default(), rule, from).await?;
        self.keep(output).await
    }

    /// Why each rule of the patient rings or does not, at event time `at`, by what is known so far.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn explain(&mut self, patient: &PatientId, at: EventTime) -> Result<Vec<Explained>> {
        self.engine.explain(&TenantId::default(), patient, at).await
    }

    /// What a patient's rules could not see in `[from, to)` of event time, by what is known so far.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn sheet(&mut self, patient: &PatientId, window: (i64, i64)) -> Result<Sheet> {
        self.engine.sheet(&TenantId::default(), patient, window).await
    }

    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    pub fn roster(&mut self) -> Arc<Roster> {
        self.engine.roster(&TenantId::default())
    }

    pub fn rules(&mut self) -> Vec<Rule> {
        self.engine.rules(&TenantId::default())
    }

    /// Event time of the first and the last reading of each patient so far.
    pub const fn seen(&self) -> &BTreeMap<PatientId, (EventTime, EventTime)> {
        &self.seen
    }

    /// Rows of readings, books and verdicts answer no question here and are let go.
    async fn keep(&mut self, output: Output) -> Result<Vec<Finding>> {
        let Rows { readings, metrics, coverage, episodes, episodes_gone, .. } = output.rows;
        for row in readings {
            let Some(patient) = row.patient else { continue };
            let span = self.seen.entry(patient).or_insert((row.time, row.time));
            *span = (span.0.min(row.time), span.1.max(row.time));
        }
        let rows = Rows { metrics, coverage, episodes, episodes_gone, ..Rows::default() };
        if !rows.is_empty() {
            self.store.commit(&Commit { epoch: self.epoch, rows, ..Commit::default() }).await?;
        }
        Ok(output.findings)
    }
}
