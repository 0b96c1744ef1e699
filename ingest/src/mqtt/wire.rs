//! Both protocol versions behind one set of words. The protocol engine does no I/O: bytes in, packets and bytes out.
//!
//! Never: a timer (keep-alive is the connection's), an answer nobody here asked for except the engine's own DISCONNECT
//! for a protocol fault.

use bytes::{Buf as _, BytesMut};
use mqtt_protocol_core::mqtt::common::{Cursor, HashSet};
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event};
use mqtt_protocol_core::mqtt::packet::{CorrelationData, Packet, Properties, Property, Qos, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::prelude::*;
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, PubackReasonCode, PubcompReasonCode,
    PubrecReasonCode, UnsubackReasonCode,
};
use mqtt_protocol_core::mqtt::{Connection, Version, role};

use super::codes::{built, capabilities, denied_v3, denied_v5, granted_v3, granted_v5, reason_string};
use super::door::Denied;
use super::words::{Answer, Granted, Input, Welcome, translate, user_properties};

pub enum Next {
    Input(Input),
    /// All bytes are taken; more must come.
    More,
    /// The protocol was broken: flush and close.
    Broken(MqttError),
}

pub struct Wire {
    engine: Connection<role::Server>,
    /// Bytes to be written to the peer.
    pub out: BytesMut,
    wants_reasons: bool,
    max_user_properties: usize,
}

impl Wire {
    pub fn new(max_packet_bytes: u32, max_user_properties: usize) -> Self {
        let options = ConnectionOptions::new().maximum_packet_size_recv(max_packet_bytes);
        let engine = Connection::with_options(Version::Undetermined, options);
        Self { engine, out: BytesMut::new(), wants_reasons: true, max_user_properties }
    }

    pub fn is_v5(&self) -> bool {
        self.engine.get_protocol_version() == Version::V5_0
    }

    /// Takes one packet out of `input`.
    pub fn next(&mut self, input: &mut BytesMut) -> Next {
        while !input.is_empty() {
            let mut cursor = Cursor::new(&input[..]);
            // The engine would answer a QoS 2 publish that comes again at once, durable or not: it is not to know any.
            self.engine.restore_qos2_publish_handled(HashSet::default());
            let events = self.engine.recv(&mut cursor);
            let taken = usize::try_from(cursor.position()).unwrap_or(input.len());
            input.advance(taken);
            match self.perform(events) {
                Ok(None) => {}
                Ok(Some(packet)) => {
                    let oversized = user_properties(&packet) > self.max_user_properties;
                    let input = if oversized { Input::Oversized } else { translate(packet) };
                    if let Input::Connect(hello) = &input {
                        self.wants_reasons = hello.wants_reasons;
                    }
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
            let code = match answer {
                Answer::Durable => PubackReasonCode::Success,
                Answer::Undecodable => PubackReasonCode::PayloadFormatInvalid,
                Answer::NotAuthorized => PubackReasonCode::NotAuthorized,
            };
            let told = reason.filter(|_| self.wants_reasons);
            built(match told.and_then(reason_string) {
                // Properties need a reason code before them.
                Some(reason) => puback.reason_code(code).props(vec![reason]).build(),
                None if answer == Answer::Durable => puback.build(),
                None => puback.reason_code(code).build(),
            })
        } else {
            built(v3_1_1::Puback::builder().packet_id(packet_id).build())
        };
        if !self.send(packet) && reason.is_some() {
            // A peer that takes no packet as large as the reason still has to hear the answer.
            self.puback(packet_id, answer, None);
        }
    }

    /// The answer to a QoS 2 publish. One that says no ends the exchange; in 3.1.1 there is none.
    pub fn pubrec(&mut self, packet_id: u16, answer: Answer, reason: Option<&str>) {
        let packet: Packet = if self.is_v5() {
            let pubrec = v5_0::Pubrec::builder().packet_id(packet_id);
            let code = match answer {
                Answer::Durable => PubrecReasonCode::Success,
                Answer::Undecodable => PubrecReasonCode::PayloadFormatInvalid,
                Answer::NotAuthorized => PubrecReasonCode::NotAuthorized,
            };
            let told = reason.filter(|_| self.wants_reasons);
            built(match told.and_then(reason_string) {
                // Properties need a reason code before them.
                Some(reason) => pubrec.reason_code(code).props(vec![reason]).build(),
                None if answer == Answer::Durable => pubrec.build(),
                None => pubrec.reason_code(code).build(),
            })
        } else {
            built(v3_1_1::Pubrec::builder().packet_id(packet_id).build())
        };
        if !self.send(packet) && reason.is_some() {
            self.pubrec(packet_id, answer, None);
        }
    }

    /// The end of a QoS 2 exchange; `known` says whether there was one.
    pub fn pubcomp(&mut self, packet_id: u16, known: bool) {
        let packet: Packet = if self.is_v5() {
            let pubcomp = v5_0::Pubcomp::builder().packet_id(packet_id);
            let pubcomp =
                if known { pubcomp } else { pubcomp.reason_code(PubcompReasonCode::PacketIdentifierNotFound) };
            built(pubcomp.build())
        } else {
            built(v3_1_1::Pubcomp::builder().packet_id(packet_id).build())
        };
        self.send(packet);
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
}
