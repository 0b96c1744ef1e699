//! Both protocol versions behind one set of words. The protocol engine does no I/O: bytes in, packets and bytes out.
//!
//! Never: a timer (keep-alive is the connection's), an answer nobody here asked for except the engine's own DISCONNECT
//! for a protocol fault.

use bytes::{Buf as _, BytesMut};
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event};
use mqtt_protocol_core::mqtt::packet::{
    CorrelationData, MaximumQos, Packet, Properties, Property, Qos, ReasonString, ReceiveMaximum, RetainAvailable,
    ServerKeepAlive, SessionExpiryInterval, SharedSubscriptionAvailable, SubscriptionIdentifierAvailable,
    TopicAliasMaximum, WildcardSubscriptionAvailable, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::prelude::*;
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode, SubackReasonCode,
    SubackReturnCode, UnsubackReasonCode,
};
use mqtt_protocol_core::mqtt::{ArcPayload, Connection, Version, role};

use super::door::{Denied, Hello, Will};

/// Aliases a client may use for its topics: it has two.
const TOPIC_ALIASES: u16 = 16;

/// A packet that means something to us.
pub enum Input {
    Connect(Hello),
    Publish(Incoming),
    Subscribe {
        packet_id: u16,
        filters: Vec<(String, Qos)>,
        /// Carries a subscription identifier, which we announced not to know.
        identified: bool,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Ping,
    Disconnect {
        with_will: bool,
    },
    /// An acknowledgement of a publish of ours.
    Acknowledged,
    /// A packet that has no business here.
    OutOfPlace,
}

impl Input {
    /// The engine lets a packet id of 0 pass, which the protocol forbids and no answer could carry.
    fn has_valid_id(&self) -> bool {
        match self {
            Self::Publish(publish) => publish.packet_id != Some(0),
            Self::Subscribe { packet_id, .. } | Self::Unsubscribe { packet_id, .. } => *packet_id != 0,
            _ => true,
        }
    }
}

pub struct Incoming {
    pub topic: String,
    pub payload: ArcPayload,
    pub qos: Qos,
    pub packet_id: Option<u16>,
    pub correlation: Option<Vec<u8>>,
}

pub enum Next {
    Input(Input),
    /// All bytes are taken; more must come.
    More,
    /// The protocol was broken: flush and close.
    Broken(MqttError),
}

/// How a publish is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Durable,
    /// Kept, but as undecodable.
    Undecodable,
    NotAuthorized,
}

/// How a filter is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    AtMostOnce,
    AtLeastOnce,
    NotAuthorized,
    Identified,
}

/// What CONNACK promises.
pub struct Welcome {
    pub session_present: bool,
    pub receive_maximum: u16,
    /// `None` leaves the client's own.
    pub server_keep_alive_s: Option<u16>,
    pub session_expiry_s: Option<u32>,
}

pub struct Wire {
    engine: Connection<role::Server>,
    /// Bytes to be written to the peer.
    pub out: BytesMut,
    wants_reasons: bool,
}

impl Wire {
    pub fn new(max_packet_bytes: u32) -> Self {
        let options = ConnectionOptions::new().maximum_packet_size_recv(max_packet_bytes);
        let engine = Connection::with_options(Version::Undetermined, options);
        Self { engine, out: BytesMut::new(), wants_reasons: true }
    }

    pub fn is_v5(&self) -> bool {
        self.engine.get_protocol_version() == Version::V5_0
    }

    /// Takes one packet out of `input`.
    pub fn next(&mut self, input: &mut BytesMut) -> Next {
        while !input.is_empty() {
            let mut cursor = Cursor::new(&input[..]);
            let events = self.engine.recv(&mut cursor);
            let taken = usize::try_from(cursor.position()).unwrap_or(input.len());
            input.advance(taken);
            match self.perform(events) {
                Ok(None) => {}
                Ok(Some(packet)) => {
                    let input = self.translate(packet);
                    return if input.has_valid_id() {
                        Next::Input(input)
                    } else {
                        Next::Broken(MqttError::MalformedPacket)
                    };
                }
                Err(error) => return Next::Broken(error),
            }
        }
        Next::More
    }

    /// False when the peer takes only packets smaller than our first one.
    pub fn welcome(&mut self, welcome: &Welcome) -> bool {
        let packet: Packet = if self.is_v5() {
            let connack = v5_0::Connack::builder().session_present(welcome.session_present);
            built(connack.reason_code(ConnectReasonCode::Success).props(capabilities(welcome)).build())
        } else {
            let connack = v3_1_1::Connack::builder().session_present(welcome.session_present);
            built(connack.return_code(ConnectReturnCode::Accepted).build())
        };
        self.send(packet)
    }

    pub fn turn_away(&mut self, denied: Denied) {
        let packet: Packet = if self.is_v5() {
            built(v5_0::Connack::builder().session_present(false).reason_code(denied_v5(denied)).build())
        } else {
            built(v3_1_1::Connack::builder().session_present(false).return_code(denied_v3(denied)).build())
        };
        self.send(packet);
    }

    /// 3.1.1 has one answer: callers close instead of answering `NotAuthorized` there.
    pub fn puback(&mut self, packet_id: u16, answer: Answer, reason: Option<&str>) {
        let packet: Packet = if self.is_v5() {
            let puback = v5_0::Puback::builder().packet_id(packet_id);
            let puback = match answer {
                Answer::Durable => puback,
                Answer::Undecodable => puback.reason_code(PubackReasonCode::PayloadFormatInvalid),
                Answer::NotAuthorized => puback.reason_code(PubackReasonCode::NotAuthorized),
            };
            let told = reason.filter(|_| self.wants_reasons && answer != Answer::Durable);
            built(match told.and_then(reason_string) {
                Some(reason) => puback.props(vec![reason]).build(),
                None => puback.build(),
            })
        } else {
            built(v3_1_1::Puback::builder().packet_id(packet_id).build())
        };
        if !self.send(packet) && reason.is_some() {
            // A peer that takes no packet as large as the reason still has to hear the answer.
            self.puback(packet_id, answer, None);
        }
    }

    pub fn suback(&mut self, packet_id: u16, granted: &[Granted]) {
        let packet: Packet = if self.is_v5() {
            let codes = granted.iter().map(|granted| granted_v5(*granted)).collect();
            built(v5_0::Suback::builder().packet_id(packet_id).reason_codes(codes).build())
        } else {
            let codes = granted.iter().map(|granted| granted_v3(*granted)).collect();
            built(v3_1_1::Suback::builder().packet_id(packet_id).return_codes(codes).build())
        };
        self.send(packet);
    }

    /// `existed` says for each filter whether there was such a subscription.
    pub fn unsuback(&mut self, packet_id: u16, existed: &[bool]) {
        let packet: Packet = if self.is_v5() {
            let code = |existed: &bool| match existed {
                true => UnsubackReasonCode::Success,
                false => UnsubackReasonCode::NoSubscriptionExisted,
            };
            let codes = existed.iter().map(code).collect();
            built(v5_0::Unsuback::builder().packet_id(packet_id).reason_codes(codes).build())
        } else {
            built(v3_1_1::Unsuback::builder().packet_id(packet_id).build())
        };
        self.send(packet);
    }

    pub fn pong(&mut self) {
        let packet = if self.is_v5() { v5_0::Pingresp::new().into() } else { v3_1_1::Pingresp::new().into() };
        self.send(packet);
    }

    /// Last words; 3.1.1 knows none, there the connection just closes.
    pub fn disconnect(&mut self, code: DisconnectReasonCode) {
        if self.is_v5() {
            self.send(built(v5_0::Disconnect::builder().reason_code(code).build()));
        }
    }

    /// Whether the peer takes another QoS 1 publish (its Receive Maximum).
    pub fn has_vacancy(&self) -> bool {
        self.engine.get_receive_maximum_vacancy_for_send().is_none_or(|vacancy| vacancy > 0)
    }

    /// False when it did not go out: larger than the peer takes, or no packet id is free.
    pub fn publish(&mut self, topic: &str, payload: &[u8], qos: Qos, correlation: Option<&[u8]>) -> bool {
        let packet_id = match qos {
            Qos::AtMostOnce => None,
            _ => match self.engine.acquire_packet_id() {
                Ok(id) => Some(id),
                Err(_) => return false,
            },
        };
        let events = match self.outgoing(topic, payload, qos, packet_id, correlation) {
            Ok(packet) => self.engine.send(packet),
            Err(error) => vec![Event::NotifyError(error)],
        };
        let sent = self.perform(events).is_ok();
        if let (false, Some(id)) = (sent, packet_id) {
            self.engine.release_packet_id(id);
        }
        sent
    }

    fn outgoing(
        &self,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        packet_id: Option<u16>,
        correlation: Option<&[u8]>,
    ) -> Result<Packet, MqttError> {
        if self.is_v5() {
            let mut props = Properties::new();
            if let Some(data) = correlation {
                props.push(Property::CorrelationData(CorrelationData::new(data.to_vec())?));
            }
            let publish = v5_0::Publish::builder().topic_name(topic)?.qos(qos).payload(payload).props(props);
            let publish = if let Some(id) = packet_id { publish.packet_id(id) } else { publish };
            publish.build().map(Packet::from)
        } else {
            let publish = v3_1_1::Publish::builder().topic_name(topic)?.qos(qos).payload(payload);
            let publish = if let Some(id) = packet_id { publish.packet_id(id) } else { publish };
            publish.build().map(Packet::from)
        }
    }

    /// False when the engine did not send: the packet is larger than the peer takes, or the connection is over.
    fn send(&mut self, packet: Packet) -> bool {
        let events = self.engine.send(packet);
        self.perform(events).is_ok()
    }

    fn perform(&mut self, events: Vec<Event>) -> Result<Option<Packet>, MqttError> {
        let mut received = None;
        let mut broken = None;
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => received = Some(packet),
                Event::RequestSendPacket { packet, .. } => self.out.extend_from_slice(&packet.to_continuous_buffer()),
                Event::NotifyError(error) => broken = Some(error),
                // Closing follows from the error or from whoever sent the last packet.
                Event::RequestClose
                | Event::NotifyPacketIdReleased(_)
                | Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_) => {}
            }
        }
        broken.map_or(Ok(received), Err)
    }

    fn translate(&mut self, packet: Packet) -> Input {
        match packet {
            Packet::V3_1_1Connect(connect) => Input::Connect(hello_v3(&connect)),
            Packet::V5_0Connect(connect) => {
                let hello = hello_v5(&connect);
                self.wants_reasons = hello.wants_reasons;
                Input::Connect(hello)
            }
            Packet::V3_1_1Publish(publish) => Input::Publish(Incoming {
                topic: publish.topic_name().to_owned(),
                payload: publish.payload().clone(),
                qos: publish.qos(),
                packet_id: publish.packet_id(),
                correlation: None,
            }),
            Packet::V5_0Publish(publish) => Input::Publish(Incoming {
                topic: publish.topic_name().to_owned(),
                payload: publish.payload().clone(),
                qos: publish.qos(),
                packet_id: publish.packet_id(),
                correlation: publish.props.iter().find_map(|property| match property {
                    Property::CorrelationData(data) => Some(data.val().to_vec()),
                    _ => None,
                }),
            }),
            Packet::V3_1_1Subscribe(subscribe) => Input::Subscribe {
                packet_id: subscribe.packet_id(),
                filters: subscribe.entries().iter().map(filter).collect(),
                identified: false,
            },
            Packet::V5_0Subscribe(subscribe) => Input::Subscribe {
                packet_id: subscribe.packet_id(),
                filters: subscribe.entries().iter().map(filter).collect(),
                identified: subscribe
                    .props
                    .iter()
                    .any(|property| matches!(property, Property::SubscriptionIdentifier(_))),
            },
            Packet::V3_1_1Unsubscribe(unsubscribe) => Input::Unsubscribe {
                packet_id: unsubscribe.packet_id(),
                filters: unsubscribe.entries().iter().map(|filter| filter.as_str().to_owned()).collect(),
            },
            Packet::V5_0Unsubscribe(unsubscribe) => Input::Unsubscribe {
                packet_id: unsubscribe.packet_id(),
                filters: unsubscribe.entries().iter().map(|filter| filter.as_str().to_owned()).collect(),
            },
            Packet::V3_1_1Pingreq(_) | Packet::V5_0Pingreq(_) => Input::Ping,
            Packet::V3_1_1Puback(_) | Packet::V5_0Puback(_) => Input::Acknowledged,
            Packet::V3_1_1Disconnect(_) => Input::Disconnect { with_will: false },
            Packet::V5_0Disconnect(disconnect) => Input::Disconnect {
                with_will: disconnect
                    .reason_code()
                    .is_some_and(|code| code != DisconnectReasonCode::NormalDisconnection),
            },
            _ => Input::OutOfPlace,
        }
    }
}

fn filter(entry: &mqtt_protocol_core::mqtt::packet::SubEntry) -> (String, Qos) {
    (entry.topic_filter().to_owned(), entry.sub_opts().qos())
}

fn hello_v3(connect: &v3_1_1::Connect) -> Hello {
    Hello {
        client_id: connect.client_id().to_owned(),
        user: connect.user_name().map(str::to_owned),
        password: connect.password().map(<[u8]>::to_vec),
        keep_alive_s: connect.keep_alive(),
        clean_start: connect.clean_session(),
        session_expiry_s: if connect.clean_session() { 0 } else { u32::MAX },
        will: will(connect.will_topic(), connect.will_payload(), connect.will_qos()),
        wants_auth_exchange: false,
        wants_reasons: false,
    }
}

fn hello_v5(connect: &v5_0::Connect) -> Hello {
    let mut hello = Hello {
        client_id: connect.client_id().to_owned(),
        user: connect.user_name().map(str::to_owned),
        password: connect.password().map(<[u8]>::to_vec),
        keep_alive_s: connect.keep_alive(),
        clean_start: connect.clean_start(),
        session_expiry_s: 0,
        will: will(connect.will_topic(), connect.will_payload(), connect.will_qos()),
        wants_auth_exchange: false,
        wants_reasons: true,
    };
    for property in &connect.props {
        match property {
            Property::SessionExpiryInterval(interval) => hello.session_expiry_s = interval.val(),
            Property::AuthenticationMethod(_) => hello.wants_auth_exchange = true,
            Property::RequestProblemInformation(wanted) => hello.wants_reasons = wanted.val() != 0,
            _ => {}
        }
    }
    hello
}

fn will(topic: Option<&str>, payload: Option<&[u8]>, qos: Qos) -> Option<Will> {
    let topic = topic?.to_owned();
    Some(Will { topic, payload: payload.unwrap_or_default().to_vec(), exactly_once: qos == Qos::ExactlyOnce })
}

fn capabilities(welcome: &Welcome) -> Properties {
    let mut props = Properties::new();
    let mut announce = |property: Result<Property, MqttError>| props.push(built(property));
    announce(ReceiveMaximum::new(welcome.receive_maximum).map(Property::ReceiveMaximum));
    announce(MaximumQos::new(1).map(Property::MaximumQos));
    announce(RetainAvailable::new(0).map(Property::RetainAvailable));
    announce(TopicAliasMaximum::new(TOPIC_ALIASES).map(Property::TopicAliasMaximum));
    announce(WildcardSubscriptionAvailable::new(0).map(Property::WildcardSubscriptionAvailable));
    announce(SubscriptionIdentifierAvailable::new(0).map(Property::SubscriptionIdentifierAvailable));
    announce(SharedSubscriptionAvailable::new(0).map(Property::SharedSubscriptionAvailable));
    if let Some(seconds) = welcome.server_keep_alive_s {
        announce(ServerKeepAlive::new(seconds).map(Property::ServerKeepAlive));
    }
    if let Some(seconds) = welcome.session_expiry_s {
        announce(SessionExpiryInterval::new(seconds).map(Property::SessionExpiryInterval));
    }
    props
}

/// Reasons reach a person's log: bounded, and printable by the protocol's rules or left out.
fn reason_string(reason: &str) -> Option<Property> {
    let text: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
    ReasonString::new(text).map(Property::ReasonString).ok()
}

const fn denied_v5(denied: Denied) -> ConnectReasonCode {
    match denied {
        Denied::BadCredentials => ConnectReasonCode::BadUserNameOrPassword,
        Denied::NotYourClientId | Denied::NotYourTopic => ConnectReasonCode::NotAuthorized,
        Denied::WillQos => ConnectReasonCode::QosNotSupported,
        Denied::AuthExchange => ConnectReasonCode::BadAuthenticationMethod,
        Denied::WillMalformed => ConnectReasonCode::PayloadFormatInvalid,
    }
}

const fn denied_v3(denied: Denied) -> ConnectReturnCode {
    match denied {
        Denied::BadCredentials => ConnectReturnCode::BadUserNameOrPassword,
        _ => ConnectReturnCode::NotAuthorized,
    }
}

const fn granted_v5(granted: Granted) -> SubackReasonCode {
    match granted {
        Granted::AtMostOnce => SubackReasonCode::GrantedQos0,
        Granted::AtLeastOnce => SubackReasonCode::GrantedQos1,
        Granted::NotAuthorized => SubackReasonCode::NotAuthorized,
        Granted::Identified => SubackReasonCode::SubscriptionIdentifiersNotSupported,
    }
}

const fn granted_v3(granted: Granted) -> SubackReturnCode {
    match granted {
        Granted::AtMostOnce => SubackReturnCode::SuccessMaximumQos0,
        Granted::AtLeastOnce => SubackReturnCode::SuccessMaximumQos1,
        Granted::NotAuthorized | Granted::Identified => SubackReturnCode::Failure,
    }
}

/// What we send is built from constants and checked values.
fn built<T, P: From<T>>(packet: Result<T, MqttError>) -> P {
    P::from(packet.expect("a packet of our own is well formed"))
}
