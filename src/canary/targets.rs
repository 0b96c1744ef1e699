//! Which inputs there are, and how each is reached.

use painwatch_access::Access;
use rumqttc::MqttOptions;

use super::probe::{Probe, Target};
use super::watch::Input;
use crate::compose::Addresses;
use crate::config::Config;

/// A probe for every input that is open.
pub fn probes(config: &Config, addresses: &Addresses, access: &Access, broker: Option<MqttOptions>) -> Vec<Probe> {
    let listeners = [
        (Input::Mqtt, addresses.mqtt),
        (Input::Grpc, addresses.grpc),
        (Input::Http, addresses.http),
        (Input::WebSocket, addresses.http),
    ];
    let own = listeners.map(|(input, address)| {
        let certificate = addresses.tls.then(|| config.server_certificate());
        Probe { input, target: Target::Own { address, certificate, token: access.canary_token().clone() } }
    });
    let broker = broker
        .filter(|_| config.canary.broker)
        .map(|options| Probe { input: Input::Broker, target: Target::Broker(Box::new(options)) });
    own.into_iter().chain(broker).collect()
}
