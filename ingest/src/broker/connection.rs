//! One connection to the broker: messages in, appended, acknowledged in the order received.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use futures::{FutureExt as _, StreamExt as _};
use painwatch_access::GatewayPrincipal;
use painwatch_domain::TenantId;
use painwatch_ingest_core::{Format, Protocol};
use painwatch_journal::Appended;
use painwatch_proto::json::verdict_to_json;
use rumqttc::{
    AsyncClient, ConnectionError, Error as Malformed, Event, EventLoop, Outgoing, Packet, Publish, QoS, StateError,
    SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
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

/// What the broker said.
enum Heard {
    Packet(Packet),
    /// A message larger than we take, without what it holds.
    TooLarge(Publish),
}

/// Readings that wait for room in the memory that all doors share. Nothing is read behind them.
struct Parked {
    readings: Readings,
    room: BoxFuture<'static, OwnedSemaphorePermit>,
}

struct Readings {
    message: Publish,
    who: GatewayPrincipal,
    format: Format,
}

/// One message and what became of it.
struct Finished {
    message: Publish,
    done: Done,
}

enum Done {
    Submitted(GatewayPrincipal, Outcome),
    Status(GatewayPrincipal, Appended),
    /// Refused for good: acknowledged, or it would come again for ever.
    Refused,
}

pub struct Connection {
    client: AsyncClient,
    packets: mpsc::Receiver<Heard>,
    /// Drives the library, and says why it ended. Aborted with us.
    pump: JoinSet<String>,
    answers: Answers,
    tenant: TenantId,
    bytes_max: usize,
    bytes: usize,
    pending: FuturesOrdered<BoxFuture<'static, Finished>>,
    parked: Option<Parked>,
    verdicts: FuturesUnordered<BoxFuture<'static, (String, String)>>,
    subscribed: bool,
}

impl Connection {
    pub fn open(broker: &BrokerConfig, answers: &Answers, limits: &IngestLimits) -> Self {
        let (client, events) = AsyncClient::new(broker.options(), REQUESTS);
        let (sender, packets) = mpsc::channel(PACKETS);
        let mut pump = JoinSet::new();
        pump.spawn(drive(events, sender, limits.max_packet_bytes as usize));
        Self {
            client,
            packets,
            pump,
            answers: answers.clone(),
            tenant: broker.tenant.clone(),
            bytes_max: limits.session_bytes,
            bytes: 0,
            pending: FuturesOrdered::new(),
            parked: None,
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
            let has_room = self.parked.is_none() && self.pending.len() < UNDER_WAY && self.bytes < self.bytes_max;
            let stepped = tokio::select! {
                biased;
                () = stop.cancelled() => Err(End::Stopping),
                Some(finished) = self.pending.next(), if !self.pending.is_empty() => self.finish(finished),
                Some(verdict) = self.verdicts.next(), if !self.verdicts.is_empty() => self.tell(verdict),
                Some((readings, permit)) = room(&mut self.parked), if self.parked.is_some() => {
                    self.submit(readings, permit);
                    Ok(())
                }
                heard = self.packets.recv(), if has_room => match heard {
                    Some(Heard::Packet(packet)) => self.handle(packet),
                    Some(Heard::TooLarge(message)) => {
                        self.take(message, true);
                        Ok(())
                    }
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
                self.take(message, false);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, message: Publish, too_large: bool) {
        let admission = Arc::clone(&self.answers.admission);
        if message.qos == QoS::AtMostOnce {
            admission.ledger().count(Tally::Qos0Received, 1);
        }
        let gateway = topic::gateway_of(&message.topic);
        let parsed = gateway.and_then(|gateway| Some((topic::parse(&message.topic, &gateway)?, gateway)));
        self.bytes += message.payload.len();
        let Some((topic, gateway)) = parsed else {
            admission.ledger().refuse(Refusal::Malformed);
            return self.refuse(message);
        };
        let tenant = if gateway.is_canary() { TenantId::canary() } else { self.tenant.clone() };
        let who = GatewayPrincipal { tenant, gateway };
        if too_large {
            admission.ledger().refuse_of(&who, Refusal::TooLarge);
            return self.refuse(message);
        }
        match topic {
            Topic::Readings(format) => self.take_readings(Readings { message, who, format }),
            Topic::Status => self.record_status(message, &who),
        }
    }

    fn refuse(&mut self, message: Publish) {
        self.pending.push_back(std::future::ready(Finished { message, done: Done::Refused }).boxed());
    }

    fn take_readings(&mut self, readings: Readings) {
        let (admission, bytes) = (&self.answers.admission, readings.message.payload.len());
        match admission.room_now(bytes) {
            Some(permit) => self.submit(readings, permit),
            None => self.parked = Some(Parked { room: admission.room(bytes), readings }),
        }
    }

    fn submit(&mut self, Readings { message, who, format }: Readings, permit: OwnedSemaphorePermit) {
        let admission = Arc::clone(&self.answers.admission);
        let append = admission.submit_bytes(&who, Protocol::Mqtt, &message.payload, format);
        let finished = async move {
            let mut outcome = append.await;
            drop(permit);
            if let Outcome::Durable(accepted) = &mut outcome {
                admission.withhold(accepted.due.take()).await;
            }
            Finished { message, done: Done::Submitted(who, outcome) }
        };
        self.pending.push_back(finished.boxed());
    }

    fn record_status(&mut self, message: Publish, who: &GatewayPrincipal) {
        let admission = Arc::clone(&self.answers.admission);
        let Some(said) = status::parse(&message.payload, &who.gateway) else {
            admission.ledger().refuse_of(who, Refusal::Malformed);
            return self.refuse(message);
        };
        if !status::devices(&said).all(|device| admission.may_speak_for(who, &device)) {
            admission.ledger().refuse_of(who, Refusal::NotYourDevice);
            return self.refuse(message);
        }
        let recorded = admission.record_status(who, said);
        let (mut turn, who) = (admission.turn(who, 0), who.clone());
        let finished = async move {
            turn.come(None).await;
            let (appended, due) = recorded.await;
            admission.withhold(due).await;
            Finished { message, done: Done::Status(who, appended) }
        };
        self.pending.push_back(finished.boxed());
    }

    /// Acknowledges what is durable or refused for good; ends the connection for what is to come again.
    fn finish(&mut self, Finished { message, done }: Finished) -> Result<(), End> {
        self.bytes -= message.payload.len();
        match done {
            Done::Refused | Done::Submitted(_, Outcome::Refused(_)) | Done::Status(_, Appended::Durable { .. }) => {}
            Done::Submitted(who, Outcome::Durable(accepted)) => self.await_verdict(&who, accepted),
            Done::Submitted(_, Outcome::Closed)
            | Done::Status(_, Appended::Refused(painwatch_journal::Refusal::Closed)) => return Err(End::Closed),
            Done::Submitted(who, Outcome::HeldBack | Outcome::Unsure) | Done::Status(who, _)
                if message.qos == QoS::AtMostOnce =>
            {
                self.answers.admission.ledger().refuse_of(&who, Refusal::Qos0Shed);
            }
            Done::Submitted(_, Outcome::HeldBack | Outcome::Unsure) | Done::Status(..) => return Err(End::HeldBack),
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

/// The parked readings, once there is room for them.
async fn room(parked: &mut Option<Parked>) -> Option<(Readings, OwnedSemaphorePermit)> {
    let permit = (&mut parked.as_mut()?.room).await;
    parked.take().map(|parked| (parked.readings, permit))
}

/// Polls the library in a task of its own: polling must go on while acknowledgements are handed in.
async fn drive(mut events: EventLoop, packets: mpsc::Sender<Heard>, largest: usize) -> String {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(packet)) => {
                if packets.send(heard(packet, largest)).await.is_err() {
                    return "nobody listens".to_owned();
                }
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return "we said goodbye".to_owned(),
            Ok(Event::Outgoing(_)) => {}
            Err(error) => return why_ended(&error),
        }
    }
}

/// What is too large is let go of at once: as many of them as may wait here are more than everything else holds.
fn heard(packet: Packet, largest: usize) -> Heard {
    match packet {
        Packet::Publish(message) if message.size() > largest => {
            Heard::TooLarge(Publish { payload: Bytes::new(), ..message })
        }
        packet => Heard::Packet(packet),
    }
}

/// A message that is not even read comes first again and again: somebody has to know.
fn why_ended(error: &ConnectionError) -> String {
    match error {
        ConnectionError::MqttState(StateError::Deserialization(Malformed::PayloadSizeLimitExceeded(bytes))) => {
            format!(
                "it has a message of {bytes} bytes for us and nothing comes before that is read: raise ingest.mqtt.broker_packet_bytes"
            )
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_why_nothing_comes_any_more_is_told_which_key_to_raise() {
        let too_large = StateError::Deserialization(Malformed::PayloadSizeLimitExceeded(17_000_000));
        let why = why_ended(&ConnectionError::MqttState(too_large));
        assert!(why.contains("17000000") && why.contains("ingest.mqtt.broker_packet_bytes"), "{why}");
    }
}
