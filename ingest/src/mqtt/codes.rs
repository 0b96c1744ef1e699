//! Our words as the numbers of each protocol version.

use mqtt_protocol_core::mqtt::packet::{
    Properties, Property, ReasonString, ReceiveMaximum, RetainAvailable, ServerKeepAlive, SessionExpiryInterval,
    SharedSubscriptionAvailable, SubscriptionIdentifierAvailable, TopicAliasMaximum, WildcardSubscriptionAvailable,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, MqttError, SubackReasonCode, SubackReturnCode,
};

use super::door::Denied;
use super::words::{Granted, Welcome};

/// What CONNACK of MQTT 5 announces.
pub fn capabilities(welcome: &Welcome) -> Properties {
    let mut props = Properties::new();
    let mut announce = |property: Result<Property, MqttError>| props.push(built(property));
    announce(ReceiveMaximum::new(welcome.receive_maximum.get()).map(Property::ReceiveMaximum));
    announce(RetainAvailable::new(0).map(Property::RetainAvailable));
    announce(TopicAliasMaximum::new(welcome.topic_aliases).map(Property::TopicAliasMaximum));
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
pub fn reason_string(reason: &str) -> Option<Property> {
    let text: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
    ReasonString::new(text).map(Property::ReasonString).ok()
}

pub const fn denied_v5(denied: Denied) -> ConnectReasonCode {
    match denied {
        Denied::BadCredentials => ConnectReasonCode::BadUserNameOrPassword,
        Denied::NotYourClientId | Denied::NotYourTopic => ConnectReasonCode::NotAuthorized,
        Denied::AuthExchange => ConnectReasonCode::BadAuthenticationMethod,
        Denied::WillMalformed => ConnectReasonCode::PayloadFormatInvalid,
        Denied::Oversized => ConnectReasonCode::ImplementationSpecificError,
        Denied::TooManySessions => ConnectReasonCode::ServerBusy,
        Denied::NotDurable => ConnectReasonCode::ServerUnavailable,
    }
}

pub const fn denied_v3(denied: Denied) -> ConnectReturnCode {
    match denied {
        Denied::BadCredentials => ConnectReturnCode::BadUserNameOrPassword,
        Denied::TooManySessions | Denied::NotDurable => ConnectReturnCode::ServerUnavailable,
        _ => ConnectReturnCode::NotAuthorized,
    }
}

pub const fn granted_v5(granted: Granted) -> SubackReasonCode {
    match granted {
        Granted::AtMostOnce => SubackReasonCode::GrantedQos0,
        Granted::AtLeastOnce => SubackReasonCode::GrantedQos1,
        Granted::NotAuthorized => SubackReasonCode::NotAuthorized,
        Granted::Identified => SubackReasonCode::SubscriptionIdentifiersNotSupported,
    }
}

pub const fn granted_v3(granted: Granted) -> SubackReturnCode {
    match granted {
        Granted::AtMostOnce => SubackReturnCode::SuccessMaximumQos0,
        Granted::AtLeastOnce => SubackReturnCode::SuccessMaximumQos1,
        Granted::NotAuthorized | Granted::Identified => SubackReturnCode::Failure,
    }
}

/// What we send is built from constants and checked values.
pub fn built<T, P: From<T>>(packet: Result<T, MqttError>) -> P {
    P::from(packet.expect("a packet of our own is well formed"))
}
