//! What packets mean, whichever version of the protocol they came in.

use std::num::NonZeroU16;

use mqtt_protocol_core::mqtt::ArcPayload;
use mqtt_protocol_core::mqtt::packet::{Packet, Property, Qos, SubEntry, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::DisconnectReasonCode;

use super::door::{Hello, Will};

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
    /// A PUBREL: the sender will not send that QoS 2 publish again.
    Release {
        packet_id: u16,
    },
    Disconnect {
        with_will: bool,
        /// How long the session is to outlive the connection, if that changed.
        expiry_s: Option<u32>,
    },
    /// An acknowledgement of a publish of ours.
    Acknowledged,
    /// A packet that has no business here.
    OutOfPlace,
    /// A packet with more user properties than anybody needs.
    Oversized,
}

impl Input {
    /// The engine lets a packet id of 0 pass, which the protocol forbids and no answer could carry.
    pub fn has_valid_id(&self) -> bool {
        match self {
            Self::Publish(publish) => publish.packet_id != Some(0),
            Self::Subscribe { packet_id, .. } | Self::Unsubscribe { packet_id, .. } | Self::Release { packet_id } => {
                *packet_id != 0
            }
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
    pub response_topic: Option<String>,
}

/// How a publish is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Durable,
    /// Kept, but as undecodable.
    Undecodable,
    NotAuthorized,
}

impl Answer {
    /// MQTT 5 has a reason code for it, which ends the exchange; 3.1.1 knows one answer only.
    pub fn is_failure(self) -> bool {
        self != Self::Durable
    }
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
    pub receive_maximum: NonZeroU16,
    pub topic_aliases: u16,
    /// `None` leaves the client's own.
    pub server_keep_alive_s: Option<u16>,
    pub session_expiry_s: Option<u32>,
}

/// What a packet of either version means.
pub fn translate(packet: Packet) -> Input {
    match packet {
        Packet::V3_1_1Connect(connect) => Input::Connect(hello_v3(&connect)),
        Packet::V5_0Connect(connect) => Input::Connect(hello_v5(&connect)),
        Packet::V3_1_1Publish(publish) => Input::Publish(Incoming {
            topic: publish.topic_name().to_owned(),
            payload: publish.payload().clone(),
            qos: publish.qos(),
            packet_id: publish.packet_id(),
            correlation: None,
            response_topic: None,
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
            response_topic: publish.props.iter().find_map(|property| match property {
                Property::ResponseTopic(topic) => Some(topic.val().to_owned()),
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
            identified: subscribe.props.iter().any(|property| matches!(property, Property::SubscriptionIdentifier(_))),
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
        Packet::V3_1_1Pubrel(pubrel) => Input::Release { packet_id: pubrel.packet_id() },
        Packet::V5_0Pubrel(pubrel) => Input::Release { packet_id: pubrel.packet_id() },
        Packet::V3_1_1Disconnect(_) => Input::Disconnect { with_will: false, expiry_s: None },
        Packet::V5_0Disconnect(disconnect) => Input::Disconnect {
            with_will: disconnect.reason_code().is_some_and(|code| code != DisconnectReasonCode::NormalDisconnection),
            expiry_s: disconnect.props.iter().flatten().find_map(expiry_of),
        },
        _ => Input::OutOfPlace,
    }
}

/// User properties of a packet after the CONNECT: nobody here reads them, so they only cost.
pub fn user_properties(packet: &Packet) -> usize {
    match packet {
        Packet::V5_0Publish(publish) => count(&publish.props),
        Packet::V5_0Subscribe(subscribe) => count(&subscribe.props),
        Packet::V5_0Unsubscribe(unsubscribe) => count(&unsubscribe.props),
        Packet::V5_0Pubrel(pubrel) => count(pubrel.props.iter().flatten()),
        Packet::V5_0Puback(puback) => count(puback.props.iter().flatten()),
        Packet::V5_0Disconnect(disconnect) => count(disconnect.props.iter().flatten()),
        _ => 0,
    }
}

fn count<'a>(properties: impl IntoIterator<Item = &'a Property>) -> usize {
    properties.into_iter().filter(|property| matches!(property, Property::UserProperty(_))).count()
}

fn expiry_of(property: &Property) -> Option<u32> {
    match property {
        Property::SessionExpiryInterval(interval) => Some(interval.val()),
        _ => None,
    }
}

fn filter(entry: &SubEntry) -> (String, Qos) {
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
        will: will(connect.will_topic(), connect.will_payload()),
        wants_auth_exchange: false,
        wants_reasons: false,
        user_properties: 0,
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
        will: will(connect.will_topic(), connect.will_payload()),
        wants_auth_exchange: false,
        wants_reasons: true,
        user_properties: count(&connect.props) + count(&connect.will_props),
    };
    if let Some(will) = &mut hello.will {
        will.delay_s = connect.will_props.iter().find_map(delay_of).unwrap_or_default();
    }
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

fn delay_of(property: &Property) -> Option<u32> {
    match property {
        Property::WillDelayInterval(interval) => Some(interval.val()),
        _ => None,
    }
}

fn will(topic: Option<&str>, payload: Option<&[u8]>) -> Option<Will> {
    Some(Will { topic: topic?.to_owned(), payload: payload.unwrap_or_default().to_vec(), delay_s: 0 })
}
