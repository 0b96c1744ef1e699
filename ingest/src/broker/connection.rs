//! One connection to the broker: messages in, appended, acknowledged in the order received.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use futures::{FutureExt as _, StreamExt as _};
use painwatch_access::GatewayPrincipal;
use painwatch_domain::TenantId;
use painwatch_ingest_core::{Format, Protocol};
use painwatch_journal::Appended;
use painwatch_proto::json::verdict_to_json;
use rumqttc::{AsyncClient, Event, EventLoop, Outgoing, Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::BrokerConfig;
use crate::admission::{Accepted, Outcome};
use crate::answer::Answers;
use crate::ledger::{Refusal, Tally};
use crate::mqtt::status;
use crate::mqtt::topic::{self, Topic};
use crate::run::IngestLimits;

/// What every gateway publishes.
const FILTERS: [&str; 2] = ["painwatch/v1/+/readings/+", "painwatch/v1/+/status"];
/// Requests to the library that wait to be written: an acknowledgement for each packet id there is, and some words more.
const REQUESTS: usize = u16::MAX as usize + 64;
/// Packets read and not looked at yet. While they wait, the broker's socket is not read.
const PACKETS: usize = 16;
/// Messages being appended at a time; brokers mostly send fewer before they want an acknowledgement.
const UNDER_WAY: usize = 1_000;
/// Verdicts being waited for. One more is not told: it can still be asked for.
const VERDICTS_AWAITED: usize = 1_000;
const VERDICT_PATIENCE: Duration = Duration::from_secs(30);
/// How long the last acknowledgements may take to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a connection is over.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Lost(String),
    /// Not durable: not acknowledged, and sent again to the next connection.
    HeldBack,
    /// The journal is closed.
    Closed,
    Stopping,
}

/// One message and what became of it.
struct Finished {
    message: Publish,
    done: Done,
}

enum Done {
    Submitted(GatewayPrincipal, Outcome),
    Status(Appended),
    /// Nobody will ever make sense of it: acknowledged, or it would come again for ever.
    Ignored,
}

pub struct Connection {
    client: AsyncClient,
    packets: mpsc::Receiver<Packet>,
    /// Drives the library, and says why it ended. Aborted with us.
    pump: JoinSet<String>,
    answers: Answers,
    tenant: TenantId,
    bytes_max: usize,
    bytes: usize,
    pending: FuturesOrdered<BoxFuture<'static, Finished>>,
    verdicts: FuturesUnordered<BoxFuture<'static, (String, String)>>,
    subscribed: bool,
}

impl Connection {
    pub fn open(broker: &BrokerConfig, answers: &Answers, limits: &IngestLimits) -> Self {
        let (client, events) = AsyncClient::new(broker.options(limits), REQUESTS);
        let (sender, packets) = mpsc::channel(PACKETS);
        let mut pump = JoinSet::new();
        pump.spawn(drive(events, sender));
        Self {
            client,
            packets,
            pump,
            answers: answers.clone(),
            tenant: broker.tenant.clone(),
            bytes_max: limits.session_bytes,
            bytes: 0,
            pending: FuturesOrdered::new(),
            verdicts: FuturesUnordered::new(),
            subscribed: false,
        }
    }

    /// Until something ends it; whether the broker had let us subscribe.
    pub async fn live(mut self, stop: &CancellationToken) -> (End, bool) {
        let end = self.run(stop).await;
        if end == End::Stopping {
            self.part().await;
        }
        (end, self.subscribed)
    }

    async fn run(&mut self, stop: &CancellationToken) -> End {
        loop {
            let has_room = self.pending.len() < UNDER_WAY && self.bytes < self.bytes_max;
            let stepped = tokio::select! {
                biased;
                () = stop.cancelled() => Err(End::Stopping),
                Some(finished) = self.pending.next(), if !self.pending.is_empty() => self.finish(finished),
                Some(verdict) = self.verdicts.next(), if !self.verdicts.is_empty() => self.tell(verdict),
                packet = self.packets.recv(), if has_room => match packet {
                    Some(packet) => self.handle(packet),
                    None => Err(End::Lost(self.why_the_pump_ended().await)),
                },
            };
            if let Err(end) = stepped {
                return end;
            }
        }
    }

    async fn why_the_pump_ended(&mut self) -> String {
        self.pump.join_next().await.and_then(Result::ok).unwrap_or_else(|| "the connection's task ended".to_owned())
    }

    fn handle(&mut self, packet: Packet) -> Result<(), End> {
        match packet {
            // Subscribed each time: a broker that lost our session has lost the subscriptions with it.
            Packet::ConnAck(_) => {
                let filters = FILTERS.map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::AtLeastOnce));
                self.client.try_subscribe_many(filters).map_err(|error| End::Lost(error.to_string()))
            }
            Packet::SubAck(suback) if suback.return_codes.contains(&SubscribeReasonCode::Failure) => {
                Err(End::Lost("the broker does not let us subscribe to the gateways' topics".to_owned()))
            }
            Packet::SubAck(_) => {
                self.subscribed = true;
                self.answers.admission.ledger().count(Tally::BrokerConnections, 1);
                Ok(())
            }
            Packet::Publish(message) => {
                self.take(message);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, message: Publish) {
        let admission = Arc::clone(&self.answers.admission);
        if message.qos == QoS::AtMostOnce {
            admission.ledger().count(Tally::Qos0Received, 1);
        }
        let gateway = topic::gateway_of(&message.topic);
        let parsed = gateway.and_then(|gateway| Some((topic::parse(&message.topic, &gateway)?, gateway)));
        self.bytes += message.payload.len();
        let Some((topic, gateway)) = parsed else {
            admission.ledger().refuse(Refusal::Malformed);
            return self.pending.push_back(std::future::ready(Finished { message, done: Done::Ignored }).boxed());
        };
        let tenant = if gateway.is_canary() { TenantId::canary() } else { self.tenant.clone() };
        let who = GatewayPrincipal { tenant, gateway };
        self.pending.push_back(match topic {
            Topic::Readings(format) => self.submit(message, who, format),
            Topic::Status => self.record_status(message, &who),
        });
    }

    fn submit(&self, message: Publish, who: GatewayPrincipal, format: Format) -> BoxFuture<'static, Finished> {
        let admission = Arc::clone(&self.answers.admission);
        async move {
            let permit = admission.room(message.payload.len()).await;
            let outcome = admission.submit_bytes(&who, Protocol::Mqtt, &message.payload, format).await;
            drop(permit);
            Finished { message, done: Done::Submitted(who, outcome) }
        }
        .boxed()
    }

    fn record_status(&self, message: Publish, who: &GatewayPrincipal) -> BoxFuture<'static, Finished> {
        let admission = &self.answers.admission;
        let Some(said) = status::parse(&message.payload, &who.gateway) else {
            admission.ledger().refuse_of(who, Refusal::Malformed);
            return std::future::ready(Finished { message, done: Done::Ignored }).boxed();
        };
        if !status::devices(&said).all(|device| admission.may_speak_for(who, &device)) {
            admission.ledger().refuse_of(who, Refusal::NotYourDevice);
            return std::future::ready(Finished { message, done: Done::Ignored }).boxed();
        }
        let recorded = admission.record_status(who, said);
        async move { Finished { message, done: Done::Status(recorded.await) } }.boxed()
    }

    /// Acknowledges what is durable or refused for good; ends the connection for what is to come again.
    fn finish(&mut self, Finished { message, done }: Finished) -> Result<(), End> {
        self.bytes -= message.payload.len();
        match done {
            Done::Ignored | Done::Submitted(_, Outcome::Refused(_)) | Done::Status(Appended::Durable { .. }) => {}
            Done::Submitted(who, Outcome::Durable(accepted)) => self.await_verdict(&who, accepted),
            Done::Submitted(_, Outcome::Closed)
            | Done::Status(Appended::Refused(painwatch_journal::Refusal::Closed)) => return Err(End::Closed),
            Done::Submitted(who, Outcome::HeldBack | Outcome::Unsure) if message.qos == QoS::AtMostOnce => {
                self.answers.admission.ledger().refuse_of(&who, Refusal::Qos0Shed);
            }
            Done::Submitted(_, Outcome::HeldBack | Outcome::Unsure) | Done::Status(_) => return Err(End::HeldBack),
        }
        // The request channel has a place for every packet id there is.
        self.client.try_ack(&message).map_err(|error| End::Lost(error.to_string()))
    }

    fn await_verdict(&mut self, who: &GatewayPrincipal, accepted: Accepted) {
        if self.verdicts.len() >= VERDICTS_AWAITED {
            return self.answers.admission.ledger().count(Tally::VerdictsDropped, 1);
        }
        let (answers, topic) = (self.answers.clone(), topic::verdicts(&who.gateway));
        let verdict = async move { (topic, verdict_to_json(&answers.to(&accepted, VERDICT_PATIENCE).await)) };
        self.verdicts.push(verdict.boxed());
    }

    /// QoS 0: a verdict that waits for its acknowledgement would hold up ours.
    fn tell(&self, (topic, verdict): (String, String)) -> Result<(), End> {
        self.client
            .try_publish(topic, QoS::AtMostOnce, false, verdict)
            .map_err(|error| End::Lost(error.to_string()))?;
        self.answers.admission.ledger().count(Tally::VerdictsPublished, 1);
        Ok(())
    }

    /// What is being appended is acknowledged, then we say goodbye; the broker keeps the session.
    async fn part(&mut self) {
        let farewell = async {
            while let Some(finished) = self.pending.next().await {
                if self.finish(finished).is_err() {
                    break;
                }
            }
            let _ = self.client.try_disconnect();
            while self.packets.recv().await.is_some() {}
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("the broker did not take the last acknowledgements: it will send those messages again");
        }
    }
}

/// Polls the library in a task of its own: polling must go on while acknowledgements are handed in.
async fn drive(mut events: EventLoop, packets: mpsc::Sender<Packet>) -> String {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(packet)) => {
                if packets.send(packet).await.is_err() {
                    return "nobody listens".to_owned();
                }
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return "we said goodbye".to_owned(),
            Ok(Event::Outgoing(_)) => {}
            Err(error) => return error.to_string(),
        }
    }
}
