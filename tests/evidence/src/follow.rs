//! One person through the pipeline without its shells: bytes judged as at the doors, records applied by the processor's
//! engine, findings by the alert service's core, at the times at which they would have come.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use painwatch_alerts_core::{AlertView, AlertsCore, Effects, Input, Routing};
use painwatch_domain::{AlertId, Finding, GatewayId, JournalTime, Offset, Priority, ReceivedAt, Roster, TenantId};
use painwatch_gateway::outgoing::{Payload, Step};
use painwatch_gateway::roster::{ContactEntry, RosterDraft};
use painwatch_ingest_core::{Envelope, Limits, Protocol, judge_batch};
use painwatch_journal::{Class, Record};
use painwatch_processor::{Engine, Output};
use painwatch_processor_core::rules::default_packs;
use painwatch_proto::journal::v1 as pb;
use painwatch_store::{CoverageDay, MemoryStore, Store};
use prost::Message as _;

use crate::roster;

/// Takes everything: what a worklist shows.
const WORKLIST: &str = "worklist";
/// Takes medium and high: whoever carries it is woken.
const PAGER: &str = "pager";
const CLINICIAN: &str = "Nobody (evidence)";
/// After the last reading, until every day has been closed and is final.
const SETTLES_MS: i64 = 3 * painwatch_domain::time::DAY_MS;

/// What came of one person.
#[derive(Debug, Default)]
pub struct Followed {
    pub findings: Vec<Finding>,
    pub alerts: BTreeMap<AlertId, AlertView>,
    /// (alert, when, how urgent), once for each time that the pager went off.
    pub pages: Vec<(AlertId, i64, Priority)>,
    /// Of rules whose coverage is kept: what each could see of a day.
    pub coverage: Vec<CoverageDay>,
    /// Readings admitted, and those that were not.
    pub admitted: u64,
    pub quarantined: u64,
}

struct Pipeline {
    engine: Engine,
    alerts: AlertsCore,
    roster: Roster,
    offset: u64,
    followed: Followed,
}

/// Follows the `steps` of the people of one roster, in clock order, with every default rule accepted that does not ship in shadow.
///
/// # Errors
/// The roster cannot be read, or the engine does not take what the doors let in.
pub fn follow(mut draft: RosterDraft, steps: &[Step]) -> Result<Followed> {
    let Some(begin) = steps.first().map(|step| step.clock_ms - 1) else { return Ok(Followed::default()) };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let teams: Vec<String> = draft.patient.iter().map(|patient| patient.care_team.clone()).collect();
    draft.contact = teams.iter().flat_map(|team| contacts(team)).collect();
    runtime.block_on(async {
        let mut pipeline = Pipeline::begin(&draft.to_toml(), begin).await?;
        for step in steps {
            pipeline.step(step).await?;
        }
        let last = steps.last().map_or(begin, |step| step.clock_ms);
        pipeline.record(last + SETTLES_MS, Class::Tick, Vec::new()).await?;
        Ok(pipeline.followed)
    })
}

fn contacts(team: &str) -> [ContactEntry; 2] {
    [(WORKLIST, "low"), (PAGER, "medium")].map(|(id, min_priority)| ContactEntry {
        id: format!("{id}-{team}"),
        care_team: team.to_owned(),
        webhook_url: "https://pages.example/".to_owned(),
        min_priority: min_priority.to_owned(),
    })
}

impl Pipeline {
    async fn begin(toml: &str, at: i64) -> Result<Self> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let engine = Engine::open(store, roster::parse).await?;
        let roster = roster::parse(toml, &TenantId::default())?;
        let followed = Followed::default();
        let mut pipeline = Self { engine, alerts: AlertsCore::default(), roster, offset: 0, followed };
        for mut rule in default_packs().into_iter().filter(|rule| rule.shadow_because.is_none()) {
            rule.accepted_by = Some(CLINICIAN.to_owned());
            let (id, toml) = (rule.id.to_string(), rule.to_toml());
            let accepted = pb::RuleAccepted { rule: id, toml, ..Default::default() };
            pipeline.control(at, pb::control::Action::RuleAccepted(accepted)).await?;
        }
        let applied = pb::RosterApplied { toml: toml.to_owned() };
        pipeline.control(at, pb::control::Action::Roster(applied)).await?;
        let routing = Input::Roster(Routing::of(&pipeline.roster));
        pipeline.alerts.handle(JournalTime(at), Offset(0), routing, &mut Effects::default());
        Ok(pipeline)
    }

    async fn control(&mut self, at: i64, action: pb::control::Action) -> Result<()> {
        let control = pb::Control { actor: CLINICIAN.to_owned(), action: Some(action), ..Default::default() };
        self.record(at, Class::Control, control.encode_to_vec()).await
    }

    async fn step(&mut self, step: &Step) -> Result<()> {
        let Payload::Batch(batch) = &step.payload else { bail!("only batches are followed") };
        let (roster, gateway) = (&self.roster, GatewayId::parse(&step.gateway)?);
        let envelope = Envelope {
            tenant: &TenantId::default(),
            gateway: &gateway,
            protocol: Protocol::Grpc,
            received_at: ReceivedAt(step.clock_ms),
            device_zone: &|device| {
                let time = painwatch_domain::EventTime(step.clock_ms);
                let wearer = roster.wearer(device, time).and_then(|patient| roster.patients.get(patient))?;
                Some(wearer.zone_at(time).clone())
            },
            device_clock: &|_| None,
            may_speak_for: &|_| true,
            roster,
            takes_orders: &|| false,
            limits: &Limits::default(),
        };
        let judged = judge_batch(batch, None, &envelope).context("a simulated or imported batch is admissible")?;
        self.followed.admitted += judged.admitted;
        self.followed.quarantined += judged.quarantined;
        self.record(step.clock_ms, Class::Batch, judged.batch.encode_to_vec()).await
    }

    async fn record(&mut self, at: i64, class: Class, payload: Vec<u8>) -> Result<()> {
        let record = Record {
            offset: Offset(self.offset),
            journal_time: JournalTime(at),
            class,
            tenant: TenantId::default(),
            key_id: 0,
            logic_version: 1,
            payload: payload.into(),
        };
        self.offset += 1;
        let Output { findings, rows, .. } = self.engine.apply(&record).await?;
        self.followed.coverage.extend(rows.coverage);
        for finding in findings {
            self.finding(finding, record.offset);
        }
        Ok(())
    }

    /// As the alert service takes it out of the journal, at the moment at which it was found.
    fn finding(&mut self, finding: Finding, offset: Offset) {
        let mut effects = Effects::default();
        let now = finding.detected_at;
        self.alerts.handle(now, offset, Input::Finding(finding.clone()), &mut effects);
        let first = effects.pages.iter().filter(|page| page.attempt == 1 && page.recipient.starts_with(PAGER));
        self.followed.pages.extend(first.map(|page| (page.alert_id, now.0, page.priority)));
        self.followed.alerts.extend(effects.alerts.into_iter().map(|view| (view.alert_id, view)));
        self.followed.findings.push(finding);
    }
}
