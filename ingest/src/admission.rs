//! The one hot path behind every door: judge the bytes, append one record, say what became of it.
//!
//! Judging happens at once, on the caller's task, so that records enter the journal in the order in which they were
//! read; the journal groups the appends of all callers into one commit.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use painwatch_access::GatewayPrincipal;
use painwatch_domain::{
    BatchVerdict, Clock, DeviceId, EventTime, KnownClocks, Offset, Problem, ReceivedAt, Roster, Rosters,
};
use painwatch_ingest_core::{Envelope, Format, Limits, Protocol, Refused, Submission};
use painwatch_journal::{AppendOptions, Appended, Class, Journal, NewRecord};
use painwatch_proto::ingest::v1::ReadingBatch;
use painwatch_proto::journal::v1::{Batch, Control, MqttExchange, OrdersWritten, control};
use painwatch_proto::record::{encode_fill, encode_order};
use prost::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ledger::{Ledger, Refusal, Tally};
use crate::mqtt::rates::{DeviceRates, Payer};
use crate::pace::{Pace, Turn};

/// Version of the logic that wrote a record's payload (semantics 17).
pub(crate) const LOGIC_VERSION: u32 = 1;

/// What became of a submission.
#[derive(Debug)]
pub enum Outcome {
    /// It survives a power cut: acknowledge.
    Durable(Accepted),
    /// For good: sending it again changes nothing.
    Refused(Refused),
    /// The journal is full: the sender keeps it and comes again.
    HeldBack,
    /// It may or may not be there: no acknowledgement; a second copy is found to be a duplicate.
    Unsure,
    /// The journal is closed: this process takes nothing more.
    Closed,
}

/// A durable submission.
#[derive(Debug)]
pub struct Accepted {
    /// Offset of its record: what a verdict refers to.
    pub cause: Offset,
    pub batch_id: String,
    pub admitted: u64,
    pub quarantined: u64,
    pub problems: Vec<Problem>,
    /// False when nothing in the payload could be read and all of it is in quarantine.
    pub decodable: bool,
    /// When it may be answered without exceeding a device's rate; `None`: now.
    pub due: Option<Instant>,
}

impl Accepted {
    /// What can be said before intake has judged.
    pub fn provisional(&self) -> BatchVerdict {
        BatchVerdict {
            cause: self.cause,
            batch_id: self.batch_id.clone(),
            quarantined: self.quarantined,
            problems: self.problems.clone(),
            ..BatchVerdict::default()
        }
    }
}

/// Whether a gateway may change what is prescribed.
pub type MayOrder = Arc<dyn Fn(&GatewayPrincipal) -> bool + Send + Sync>;

pub struct Admission {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    rosters: watch::Receiver<Arc<Rosters>>,
    clocks: watch::Receiver<Arc<KnownClocks>>,
    pub(crate) limits: Limits,
    may_order: MayOrder,
    pub(crate) ledger: Arc<Ledger>,
    budget: Arc<Semaphore>,
    budget_bytes: usize,
    /// How many were judged: the number of the next.
    submissions: AtomicU64,
    /// Without it nobody waits for the tables.
    pace: Option<Arc<Pace>>,
    /// Without them a device may send what it likes.
    pub(crate) rates: Option<Arc<DeviceRates>>,
    /// Cancelled when the journal closed under us.
    pub(crate) closed: CancellationToken,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl Admission {
    /// `budget_bytes` bounds the payload bytes of all submissions that are being appended, whoever sent them.
    pub fn new(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        rosters: watch::Receiver<Arc<Rosters>>,
        ledger: Arc<Ledger>,
        budget_bytes: usize,
    ) -> Self {
        let budget = Arc::new(Semaphore::new(budget_bytes));
        let closed = CancellationToken::new();
        let clocks = watch::channel(Arc::default()).1;
        let may_order: MayOrder = Arc::new(|_| false);
        Self {
            journal,
            clock,
            rosters,
            clocks,
            limits: Limits::default(),
            may_order,
            ledger,
            budget,
            budget_bytes,
            submissions: AtomicU64::new(0),
            pace: None,
            rates: None,
            closed,
        }
    }

    /// Lets submissions wait where the tables are too far behind.
    #[must_use]
    pub fn with_pace(self, pace: Arc<Pace>) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// Withholds answers where a device sends more messages than it may.
    #[must_use]
    pub fn with_rates(self, rates: DeviceRates) -> Self {
        Self { rates: Some(Arc::new(rates)), ..self }
    }

    /// Corrects event times by the clocks that are known to be wrong; the sender follows the journal (semantics 7).
    #[must_use]
    pub fn with_clocks(self, clocks: watch::Receiver<Arc<KnownClocks>>) -> Self {
        Self { clocks, ..self }
    }

    /// Who may write orders and fills beside the roster; nobody else may.
    #[must_use]
    pub fn with_orders_of(self, may_order: MayOrder) -> Self {
        Self { may_order, ..self }
    }

    /// What one payload may hold.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// Resolves when the journal closed: everybody stops accepting.
    pub fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Room for `bytes` more in memory; waiting for it is the back-pressure that reaches the sender's socket.
    pub fn room(&self, bytes: usize) -> BoxFuture<'static, OwnedSemaphorePermit> {
        let budget = Arc::clone(&self.budget);
        let share = u32::try_from(bytes.clamp(1, self.budget_bytes)).unwrap_or(u32::MAX);
        async move { budget.acquire_many_owned(share).await.expect("the budget is never closed") }.boxed()
    }

    /// As [`Self::room`], or `None` when it would mean waiting.
    pub fn room_now(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let share = u32::try_from(bytes.clamp(1, self.budget_bytes)).unwrap_or(u32::MAX);
        Arc::clone(&self.budget).try_acquire_many_owned(share).ok()
    }

    /// Judges `payload` now and returns the append, which runs when polled.
    pub fn submit_bytes(
        &self,
        from: &GatewayPrincipal,
        protocol: Protocol,
        payload: &[u8],
        format: Format,
    ) -> BoxFuture<'static, Outcome> {
        let judged =
            self.judge(from, protocol, |envelope| painwatch_ingest_core::judge_bytes(payload, format, envelope));
        self.append_judged(from, judged, None)
    }

    /// As [`Self::submit_bytes`] for a publish of MQTT, with the QoS 2 exchange by which it is known again after a restart. It waits
    /// for no turn once its connection is in a `hurry` to end.
    pub fn submit_publish(
        &self,
        from: &GatewayPrincipal,
        payload: &[u8],
        format: Format,
        exchange: Option<MqttExchange>,
        hurry: CancellationToken,
    ) -> BoxFuture<'static, Outcome> {
        let judged =
            self.judge(from, Protocol::Mqtt, |envelope| painwatch_ingest_core::judge_bytes(payload, format, envelope));
        let judged = judged.map(|mut submission| {
            submission.batch.exchange = exchange;
            submission
        });
        self.append_judged(from, judged, Some(hurry))
    }

    /// As [`Self::submit_bytes`] for a batch that a transport has decoded already.
    pub fn submit_batch(
        &self,
        from: &GatewayPrincipal,
        protocol: Protocol,
        batch: &ReadingBatch,
    ) -> BoxFuture<'static, Outcome> {
        let judged = self.judge(from, protocol, |envelope| painwatch_ingest_core::judge_batch(batch, None, envelope));
        self.append_judged(from, judged, None)
    }

    fn judge(
        &self,
        from: &GatewayPrincipal,
        protocol: Protocol,
        judge: impl Fn(&Envelope<'_>) -> Result<Submission, Refused>,
    ) -> Result<Submission, Refused> {
        let number = self.submissions.fetch_add(1, Ordering::Relaxed);
        let judged = self.judge_received(from, protocol, ReceivedAt(self.clock.wall_ms()), number, &judge);
        if judged.as_ref().is_ok_and(|submission| self.sets_our_clock(from, submission)) {
            return self.judge_received(from, protocol, ReceivedAt(self.clock.wall_ms()), number, judge);
        }
        judged
    }

    /// Whether what the submission says about the time showed that ours was wrong. The canary and whoever hands in an export
    /// read the clock of this very machine.
    fn sets_our_clock(&self, from: &GatewayPrincipal, submission: &Submission) -> bool {
        let batch = &submission.batch;
        let said = batch.sent_at_ms.filter(|_| !batch.historical && !from.tenant.is_canary());
        said.is_some_and(|said_ms| self.clock.hear(&format!("{}/{}", from.tenant, from.gateway), said_ms))
    }

    pub(crate) fn judge_received(
        &self,
        from: &GatewayPrincipal,
        protocol: Protocol,
        received_at: ReceivedAt,
        number: u64,
        judge: impl FnOnce(&Envelope<'_>) -> Result<Submission, Refused>,
    ) -> Result<Submission, Refused> {
        let (rosters, clocks) = (Arc::clone(&self.rosters.borrow()), Arc::clone(&self.clocks.borrow()));
        let roster = rosters.of(&from.tenant);
        judge(&Envelope {
            tenant: &from.tenant,
            gateway: &from.gateway,
            protocol,
            received_at,
            number,
            device_zone: &|device, civil_ms| roster.zone_of_stamp(device, civil_ms, EventTime(received_at.ms())),
            device_clock: &|device| clocks.of(&from.tenant, device),
            may_speak_for: &|device| may_speak_for(roster, from, device),
            roster,
            takes_orders: &|| (self.may_order)(from),
            limits: &self.limits,
        })
    }

    fn append_judged(
        &self,
        from: &GatewayPrincipal,
        judged: Result<Submission, Refused>,
        hurry: Option<CancellationToken>,
    ) -> BoxFuture<'static, Outcome> {
        let submission = match judged {
            Ok(submission) => submission,
            Err(refused) => {
                self.ledger.refuse_of(from, refusal_of(&refused));
                return std::future::ready(Outcome::Refused(refused)).boxed();
            }
        };
        let mut records = vec![NewRecord {
            class: Class::Batch,
            tenant: from.tenant.clone(),
            key_id: 0,
            logic_version: LOGIC_VERSION,
            payload: Bytes::from(submission.batch.encode_to_vec()),
        }];
        records.extend(orders_record(from, &submission));
        let payers = payers(from, &submission.batch);
        // Each is a row.
        let turned = submission.admitted + submission.batch.quarantined.len() as u64;
        let accepted = Accepted {
            cause: Offset(0),
            due: None,
            batch_id: submission.batch.batch_id,
            admitted: submission.admitted,
            quarantined: submission.quarantined,
            problems: submission.problems,
            decodable: submission.decodable,
        };
        let (journal, ledger, closed) = (Arc::clone(&self.journal), Arc::clone(&self.ledger), self.closed.clone());
        let mut turn = self.turn(from, turned.max(1));
        let (rates, tenant) = (self.rates.clone(), from.tenant.clone());
        async move {
            turn.come(hurry).await;
            fail::fail_point!("ingest::before_append");
            let appended = journal.append(records, AppendOptions::default()).await;
            if let Appended::Durable { first, .. } = &appended {
                turn.is_durable(*first);
            }
            let mut outcome = outcome_of(appended, accepted, &ledger);
            match &mut outcome {
                Outcome::Durable(accepted) => {
                    accepted.due = rates.and_then(|rates| rates.charge(&tenant, payers));
                    ledger.count(Tally::Slowed, u64::from(accepted.due.is_some()));
                }
                Outcome::Closed => closed.cancel(),
                Outcome::Refused(_) | Outcome::HeldBack | Outcome::Unsure => {}
            }
            fail::fail_point!("ingest::after_durable");
            outcome
        }
        .boxed()
    }

    /// The turn of so many readings, and with none of what must not overtake them.
    pub(crate) fn turn(&self, from: &GatewayPrincipal, readings: u64) -> Turn {
        self.pace.as_ref().map_or_else(Turn::at_once, |pace| pace.turn(from, readings, &self.ledger))
    }

    /// Until an answer may leave ([`Accepted::due`]), or the doors close.
    pub async fn withhold(&self, due: Option<Instant>) {
        if let (Some(due), Some(rates)) = (due, &self.rates) {
            rates.wait(due).await;
        }
    }

    /// Whether the roster in force lets a gateway bring, ask about, or speak for a device.
    pub fn may_speak_for(&self, from: &GatewayPrincipal, device: &DeviceId) -> bool {
        may_speak_for(self.rosters.borrow().of(&from.tenant), from, device)
    }
}

fn outcome_of(appended: Appended, accepted: Accepted, ledger: &Ledger) -> Outcome {
    use painwatch_journal::Refusal as Stop;
    match appended {
        Appended::Durable { first, .. } => {
            ledger.count(Tally::Submissions, 1);
            ledger.count(Tally::ReadingsAdmitted, accepted.admitted);
            ledger.count(Tally::ReadingsQuarantined, accepted.quarantined);
            ledger.count(Tally::Undecodable, u64::from(!accepted.decodable));
            Outcome::Durable(Accepted { cause: first, ..accepted })
        }
        Appended::Refused(Stop::Full) => {
            ledger.count(Tally::HeldBack, 1);
            Outcome::HeldBack
        }
        Appended::Refused(Stop::Closed) => Outcome::Closed,
        // Limits keep payloads far below the record limit and no position is ever expected here: should either happen
        // all the same, nothing was written and nothing may be acknowledged.
        Appended::Refused(Stop::TooLarge | Stop::Position) | Appended::Unknown => {
            ledger.count(Tally::Unsure, 1);
            Outcome::Unsure
        }
    }
}

fn refusal_of(refused: &Refused) -> Refusal {
    match refused {
        Refused::NotYourDevice { .. } => Refusal::NotYourDevice,
        Refused::TooLarge { .. } => Refusal::TooLarge,
        Refused::GatewayMismatch { .. } => Refusal::Authorization,
    }
}

/// Each device that a submission brings readings of, admitted or not. For what names none, the gateway.
fn payers(from: &GatewayPrincipal, batch: &Batch) -> BTreeSet<Payer> {
    let admitted = batch.sections.iter().map(|section| &section.device);
    let devices = admitted.chain(batch.quarantined.iter().map(|item| &item.device));
    let payer = |device: &String| match device.is_empty() {
        true => Payer::Gateway(from.gateway.clone()),
        false => Payer::Device(device.clone()),
    };
    devices.map(payer).collect()
}

/// What a submission orders and hands over, as a record beside its own. It decides nothing about a reading.
pub(crate) fn orders_record(from: &GatewayPrincipal, submission: &Submission) -> Option<NewRecord> {
    if submission.orders.is_empty() && submission.fills.is_empty() {
        return None;
    }
    let written = OrdersWritten {
        gateway: from.gateway.to_string(),
        orders: submission.orders.iter().map(encode_order).collect(),
        fills: submission.fills.iter().map(encode_fill).collect(),
    };
    let control = Control {
        actor: format!("gateway:{}", from.gateway),
        wall_ms: submission.batch.received_at_ms,
        action: Some(control::Action::Orders(written)),
        ..Control::default()
    };
    Some(NewRecord {
        class: Class::Control,
        tenant: from.tenant.clone(),
        key_id: 0,
        logic_version: LOGIC_VERSION,
        payload: Bytes::from(control.encode_to_vec()),
    })
}

/// A device the roster does not know belongs to whoever brings it: its readings are stored with no patient (semantics 6). The
/// roster of one tenant says nothing about a device of another that has the same id.
fn may_speak_for(roster: &Roster, from: &GatewayPrincipal, device: &DeviceId) -> bool {
    let Some(known) = roster.devices.get(device) else { return true };
    known.gateways.is_empty() || known.gateways.contains(&from.gateway)
}
