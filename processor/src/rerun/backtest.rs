//! A rule over history: what it would have found, had it been in force.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use painwatch_domain::{EventTime, Finding, JournalTime, PatientId, RuleId, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_processor_core::rules::Rule;
use painwatch_store::{MemoryStore, Store};

use super::{Rerun, accepted_rule};
use crate::assumed::Assumed;
use crate::engine::ParseRoster;

/// In which order readings come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// As they did: what live operation would have found, late data and all.
    Received,
    /// Each the moment it was taken (see [`super::Ideal`]).
    Event,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Accepted, and with the pack whose patients they look at.
    pub rules: Vec<Rule>,
    /// Journal time from which they are in force; `None`: they always were.
    pub from: Option<JournalTime>,
    /// Nothing after this journal time is looked at.
    pub to: Option<JournalTime>,
    /// One patient alone.
    pub patient: Option<PatientId>,
    /// Packs that every patient is given for it.
    pub everyone_has: BTreeSet<String>,
}

/// A finding and the journal time of the record that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub at: JournalTime,
    pub finding: Finding,
}

/// What one rule could see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleOutcome {
    /// Patients it looked at and of whom there are readings in the span.
    pub patients: usize,
    /// From each patient's first reading to the last, within the span.
    pub watched_ms: i64,
    /// Of this, what the coverage ledger calls covered and blind; the last day of a history is in neither.
    pub monitored_ms: i64,
    pub blind_ms: i64,
    pub episodes: usize,
}

/// Give it the journal's records in order, then ask.
#[derive(Debug)]
pub struct Backtest {
    rerun: Rerun,
    plan: Plan,
    ids: BTreeSet<RuleId>,
    supposed: bool,
    told: Vec<Told>,
    last: JournalTime,
}

impl Backtest {
    /// # Errors
    /// A rule's text does not parse.
    pub async fn new(parse_roster: ParseRoster, plan: Plan) -> Result<Self> {
        let assumed = Assumed { packs: None, only: plan.patient.clone(), everyone_has: plan.everyone_has.clone() };
        let mut rerun = Rerun::new(parse_roster, assumed).await?;
        let ids = plan.rules.iter().map(|rule| rule.id.clone()).collect();
        if plan.from.is_none() {
            for rule in &plan.rules {
                rerun.suppose(rule, JournalTime::MIN).await?;
            }
        }
        let supposed = plan.from.is_none();
        Ok(Self { rerun, plan, ids, supposed, told: Vec::new(), last: JournalTime::MIN })
    }

    /// Whether the record, and all after it, lie beyond what is asked about.
    pub fn is_over(&self, record: &Record) -> bool {
        self.plan.to.is_some_and(|to| record.journal_time > to)
    }

    /// # Errors
    /// A payload is not what this program writes.
    pub async fn take(&mut self, record: &Record) -> Result<()> {
        self.suppose_by(record.journal_time).await?;
        self.last = record.journal_time;
        // In this history it is the file's rule that was accepted, and when the question says.
        let accepted = accepted_rule(record)?;
        let own = |rule: &str| self.ids.iter().any(|id| id.as_str() == rule);
        let findings = if accepted.is_some_and(|accepted| own(&accepted.rule)) {
            let tick = Record { class: Class::Tick, payload: bytes::Bytes::new(), ..record.clone() };
            self.rerun.apply(&tick).await?
        } else {
            self.rerun.apply(record).await?
        };
        self.keep(record.journal_time, findings);
        Ok(())
    }

    /// Lets time pass without records.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn pass(&mut self, until: JournalTime) -> Result<()> {
        self.suppose_by(until).await?;
        let findings = self.rerun.pass(until).await?;
        self.last = self.last.max(until);
        self.keep(until, findings);
        Ok(())
    }

    async fn suppose_by(&mut self, now: JournalTime) -> Result<()> {
        let Some(from) = self.plan.from.filter(|from| !self.supposed && *from <= now) else { return Ok(()) };
        self.supposed = true;
        for rule in self.plan.rules.clone() {
            let findings = self.rerun.suppose(&rule, from).await?;
            self.keep(from, findings);
        }
        Ok(())
    }

    fn keep(&mut self, at: JournalTime, findings: Vec<Finding>) {
        let asked = |finding: &Finding| {
            let of_patient = self.plan.patient.is_none() || finding.patient == self.plan.patient;
            self.ids.contains(&finding.rule) && of_patient
        };
        self.told.extend(findings.into_iter().filter(asked).map(|finding| Told { at, finding }));
    }

    /// Everything the rules said, in order: what the alert service would have been given.
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    /// Event time of the first and the last reading of all that was run.
    pub fn seen(&self) -> Option<(EventTime, EventTime)> {
        let spans = self.rerun.seen().values();
        Some((spans.clone().map(|span| span.0).min()?, spans.map(|span| span.1).max()?))
    }

    /// The tables it led to.
    pub fn store(&self) -> &MemoryStore {
        self.rerun.store()
    }

    /// Journal time reached.
    pub const fn reached(&self) -> JournalTime {
        self.last
    }

    /// The part of event time that is asked about: history before the rules were in force counts for nothing.
    fn span(&self) -> (EventTime, EventTime) {
        let from = self.plan.from.map_or(EventTime::MIN, |from| EventTime(from.0));
        (from, self.plan.to.map_or(EventTime::MAX, |to| EventTime(to.0)))
    }

    /// Of each patient the first and the last reading within the span.
    pub fn watched(&self) -> BTreeMap<PatientId, (EventTime, EventTime)> {
        let (from, to) = self.span();
        let within = self.rerun.seen().iter().filter_map(|(patient, (first, last))| {
            let span = ((*first).max(from), (*last).min(to));
            (span.0 <= span.1).then(|| (patient.clone(), span))
        });
        within.collect()
    }

    /// What one of the rules could see.
    ///
    /// # Errors
    /// None that a store in memory has.
    pub async fn outcome(&mut self, rule: &Rule) -> Result<RuleOutcome> {
        let (watched, roster) = (self.watched(), self.rerun.roster());
        let looked_at =
            |patient: &PatientId| roster.patients.get(patient).is_some_and(|person| person.packs.contains(&rule.pack));
        let watched: BTreeMap<_, _> = watched.into_iter().filter(|(patient, _)| looked_at(patient)).collect();
        let mut outcome = RuleOutcome { patients: watched.len(), ..RuleOutcome::default() };
        outcome.watched_ms = watched.values().map(|(first, last)| last.0 - first.0).sum();
        let (tenant, (from, to)) = (TenantId::default(), self.span());
        let ledger = self.rerun.store().coverage(tenant.clone(), None, from, to).await?;
        for row in ledger.into_iter().filter(|row| row.rule == rule.id) {
            let Some((first, last)) = watched.get(&row.patient) else { continue };
            let within = (row.end.0.min(last.0) - row.start.0.max(first.0)).max(0);
            if row.cause.is_empty() {
                outcome.monitored_ms += within;
            } else {
                outcome.blind_ms += within;
            }
        }
        let episodes = self.rerun.store().episodes(tenant).await?;
        let of_rule = episodes.iter().filter(|row| row.rule == rule.id && watched.contains_key(&row.patient));
        outcome.episodes = of_rule.count();
        Ok(outcome)
    }
}
