//! MQTT 5, QoS 1. Each connection is a fresh event loop with a fresh session, and what was not acknowledged is published
//! again by us: the library's own memory of pending publishes is lost when the server lost the session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::{Backoff, ClientError, ClientOptions, InFlight, Outcome, Receipt, Window};
use crate::outgoing::Payload;

const KEEP_ALIVE: Duration = Duration::from_secs(30);

pub struct MqttClient {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    options: ClientOptions,
    host: String,
    port: u16,
    topic: String,
    window: Window,
    wire: Mutex<Wire>,
}

/// The current connection, and what is under way on it.
struct Wire {
    client: AsyncClient,
    /// Published, packet id not yet known; in order.
    unnumbered: VecDeque<InFlight<Bytes>>,
    /// On the wire, in order.
    numbered: VecDeque<(u16, InFlight<Bytes>)>,
    closing: bool,
    /// Why nothing will be sent any more.
    ended: Option<String>,
}

impl MqttClient {
    /// Connects in the background; batches wait until it has.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn connect(options: ClientOptions) -> Result<Self, ClientError> {
        let address =
            options.address.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let (host, port) = address.ok_or_else(|| ClientError::Address(options.address.clone()))?;
        let topic = format!("painwatch/v1/{}/readings/protobuf", options.gateway);
        let (client, events) = dial(&options, &host, port);
        let wire = Wire { client, unnumbered: VecDeque::new(), numbered: VecDeque::new(), closing: false, ended: None };
        let window = Window::new(options.window);
        let shared = Arc::new(Shared { options, host, port, topic, window, wire: Mutex::new(wire) });
        let task = tokio::spawn(run(shared.clone(), events));
        Ok(Self { shared, task })
    }

    /// # Errors
    /// [`ClientError::Closed`] when the server does not let this gateway in.
    pub async fn send(&self, payload: &Payload) -> Result<Receipt, ClientError> {
        let room = self.shared.window.enter().await?;
        let (entry, receipt) = InFlight::new(Bytes::from(payload.encode()), room);
        self.shared.lock().publish(&self.shared.topic, entry);
        Ok(receipt)
    }

    pub async fn close(self) {
        self.shared.window.wait_until_empty().await;
        {
            let mut wire = self.shared.lock();
            wire.closing = true;
            let _ = wire.client.try_disconnect();
        }
        let _ = self.task.await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dial(options: &ClientOptions, host: &str, port: u16) -> (AsyncClient, EventLoop) {
    let mut mqtt = MqttOptions::new(options.gateway.clone(), host, port);
    mqtt.set_credentials(options.gateway.clone(), options.token.clone());
    mqtt.set_keep_alive(KEEP_ALIVE);
    mqtt.set_clean_start(true);
    mqtt.set_outgoing_inflight_upper_limit(options.window.max(1));
    // Room for the whole window and the final disconnect: publishing under the lock never waits.
    AsyncClient::new(mqtt, usize::from(options.window) + 2)
}

impl Wire {
    fn publish(&mut self, topic: &str, entry: InFlight<Bytes>) {
        if let Some(reason) = &self.ended {
            entry.answer(Outcome::Refused(reason.clone()));
            return;
        }
        let sent = self.client.try_publish(topic, QoS::AtLeastOnce, false, entry.payload.clone());
        self.unnumbered.push_back(entry);
        if let Err(error) = sent {
            // The connection is just being replaced: its successor publishes all of `unnumbered`.
            debug!(%error, "publish waits for the next connection");
        }
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Outgoing(Outgoing::Publish(packet)) => {
                if let Some(entry) = self.unnumbered.pop_front() {
                    self.numbered.push_back((*packet, entry));
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                let place = self.numbered.iter().position(|(packet, _)| *packet == ack.pkid);
                if let Some((_, entry)) = place.and_then(|place| self.numbered.remove(place)) {
                    entry.answer(outcome(ack.reason));
                }
            }
            _ => {}
        }
    }

    /// Everything unanswered, in the order of its first sending, onto a new connection.
    fn replace(&mut self, client: AsyncClient, topic: &str) {
        self.client = client;
        let lost: Vec<InFlight<Bytes>> =
            self.numbered.drain(..).map(|(_, entry)| entry).chain(std::mem::take(&mut self.unnumbered)).collect();
        for mut entry in lost {
            entry.attempts += 1;
            self.publish(topic, entry);
        }
    }

    fn refuse_first(&mut self, reason: &str) {
        let first = self.unnumbered.pop_front().or_else(|| self.numbered.pop_front().map(|(_, entry)| entry));
        if let Some(entry) = first {
            entry.answer(Outcome::Refused(reason.to_owned()));
        }
    }

    fn end(&mut self, reason: &str) {
        self.ended = Some(reason.to_owned());
        while !self.unnumbered.is_empty() || !self.numbered.is_empty() {
            self.refuse_first(reason);
        }
    }
}

fn outcome(reason: PubAckReason) -> Outcome {
    match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Outcome::Durable,
        PubAckReason::PayloadFormatInvalid => Outcome::Undecodable,
        refused => Outcome::Refused(format!("{refused:?}")),
    }
}

/// Only polls: nothing in here waits for anything else, so the connection never stalls on us.
async fn run(shared: Arc<Shared>, mut events: EventLoop) {
    let mut backoff = Backoff::of(&shared.options.gateway);
    loop {
        match events.poll().await {
            Ok(event) => {
                if matches!(event, Event::Incoming(Packet::ConnAck(_))) {
                    backoff.reset();
                }
                let mut wire = shared.lock();
                wire.on_event(&event);
                // The farewell is on the wire; a server may take its time to hang up.
                if wire.closing && matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                    return;
                }
            }
            Err(error) => {
                // Acknowledgements that arrived just before the end count.
                events.state.events.drain(..).for_each(|event| shared.lock().on_event(&event));
                if shared.lock().closing {
                    return;
                }
                if let Some(reason) = final_refusal(&error) {
                    warn!(reason, "the server does not let this gateway in");
                    shared.window.shut();
                    shared.lock().end(&reason);
                    return;
                }
                if let ConnectionError::MqttState(StateError::OutgoingPacketTooLarge { .. }) = error {
                    shared.lock().refuse_first("larger than the server accepts");
                }
                debug!(%error, "connection lost");
                backoff.wait().await;
                let (client, fresh) = dial(&shared.options, &shared.host, shared.port);
                events = fresh;
                shared.lock().replace(client, &shared.topic);
            }
        }
    }
}

/// Refusals that trying again cannot change.
fn final_refusal(error: &ConnectionError) -> Option<String> {
    use ConnectReturnCode::{
        BadAuthenticationMethod, BadUserNamePassword, Banned, ClientIdentifierNotValid, NotAuthorized,
    };
    match error {
        ConnectionError::ConnectionRefused(
            code @ (BadUserNamePassword | NotAuthorized | ClientIdentifierNotValid | Banned | BadAuthenticationMethod),
        ) => Some(format!("{code:?}")),
        _ => None,
    }
}
