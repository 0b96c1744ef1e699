//! What the doors would have written into the journal: bytes judged as there, between the roster, the rules that were
//! accepted and a last tick.

use anyhow::{Context as _, Result, bail};
use painwatch_domain::{EventTime, GatewayId, JournalTime, Offset, ReceivedAt, Roster, TenantId};
use painwatch_gateway::outgoing::{Payload, Step};
use painwatch_gateway::roster::{ContactEntry, RosterDraft};
use painwatch_ingest_core::{Envelope, Limits, Protocol, Submission, judge_batch};
use painwatch_journal::{Class, Record};
use painwatch_processor_core::rules::default_packs;
use painwatch_proto::journal::v1 as pb;
use prost::Message as _;

use crate::roster;

/// Takes everything: what a worklist shows.
const WORKLIST: &str = "worklist";
/// Takes medium and high: whoever carries it is woken.
pub const PAGER: &str = "pager";
const CLINICIAN: &str = "Nobody (evidence)";
/// After the last reading, until every day has been closed and is final.
pub const SETTLES_MS: i64 = 3 * painwatch_domain::time::DAY_MS;

#[derive(Debug, Default)]
pub struct Journal {
    pub records: Vec<Record>,
    pub roster: Roster,
    /// The journal time of its first record.
    pub begins: i64,
    /// Readings admitted, and those that were not.
    pub admitted: u64,
    pub quarantined: u64,
}

/// The journal of the people of one roster to whom the `steps` happened, in clock order, under every default rule.
///
/// # Errors
/// The roster cannot be read, or the doors do not take a step.
pub fn of(mut draft: RosterDraft, steps: &[Step]) -> Result<Journal> {
    let Some((first, last)) = steps.first().zip(steps.last()) else { return Ok(Journal::default()) };
    let teams: Vec<String> = draft.patient.iter().map(|patient| patient.care_team.clone()).collect();
    draft.contact = teams.iter().flat_map(|team| contacts(team)).collect();
    let toml = draft.to_toml();
    let roster = roster::parse(&toml, &TenantId::default())?;
    let mut journal = Journal { roster, begins: first.clock_ms - 1, ..Journal::default() };
    for mut rule in default_packs() {
        rule.accepted_by = Some(CLINICIAN.to_owned());
        let (id, toml) = (rule.id.to_string(), rule.to_toml());
        let accepted = pb::RuleAccepted { rule: id, toml, ..Default::default() };
        journal.control(pb::control::Action::RuleAccepted(accepted));
    }
    journal.control(pb::control::Action::Roster(pb::RosterApplied { toml }));
    for step in steps {
        let judged = judged(&journal.roster, step)?;
        journal.admitted += judged.admitted;
        journal.quarantined += judged.quarantined;
        journal.push(step.clock_ms, Class::Batch, judged.batch.encode_to_vec());
    }
    journal.push(last.clock_ms + SETTLES_MS, Class::Tick, Vec::new());
    Ok(journal)
}

fn contacts(team: &str) -> [ContactEntry; 2] {
    [(WORKLIST, "low"), (PAGER, "medium")].map(|(id, min_priority)| ContactEntry {
        id: format!("{id}-{team}"),
        care_team: team.to_owned(),
        webhook_url: "https://pages.example/".to_owned(),
        min_priority: min_priority.to_owned(),
    })
}

fn judged(roster: &Roster, step: &Step) -> Result<Submission> {
    let Payload::Batch(batch) = &step.payload else { bail!("only batches are followed") };
    let gateway = GatewayId::parse(&step.gateway)?;
    let envelope = Envelope {
        tenant: &TenantId::default(),
        gateway: &gateway,
        protocol: Protocol::Grpc,
        received_at: ReceivedAt(step.clock_ms),
        number: 0,
        device_zone: &|device, civil_ms| roster.zone_of_stamp(device, civil_ms, EventTime(step.clock_ms)),
        device_clock: &|_| None,
        may_speak_for: &|_| true,
        roster,
        takes_orders: &|| false,
        limits: &Limits::default(),
    };
    judge_batch(batch, None, &envelope).context("a simulated or imported batch is admissible")
}

impl Journal {
    fn control(&mut self, action: pb::control::Action) {
        let control = pb::Control { actor: CLINICIAN.to_owned(), action: Some(action), ..Default::default() };
        self.push(self.begins, Class::Control, control.encode_to_vec());
    }

    pub fn push(&mut self, at: i64, class: Class, payload: Vec<u8>) {
        self.records.push(Record {
            offset: Offset(self.records.len() as u64),
            journal_time: JournalTime(at),
            class,
            tenant: TenantId::default(),
            key_id: 0,
            logic_version: 1,
            payload: payload.into(),
        });
    }
}
