//! A connection without a socket, for whoever says anything at all: `fuzz/` and the test below say it.

use futures::FutureExt as _;
use mqtt_protocol_core::mqtt::packet::Qos;
use painwatch_domain::GatewayId;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};

use super::limits::MqttLimits;
use super::link::Link;
use super::wire::{Next, Wire};
use super::words::{Answer, Granted, Incoming, Input, Welcome};
use super::{greet, topic};

const PACKET_BYTES: u32 = 256 << 10;

/// Greets whoever sends `bytes`, of which those from `cut` on arrive later, whatever its credentials, and answers each
/// packet as a connection does. Tells how many packets were understood.
pub fn converse(bytes: &[u8], cut: usize) -> usize {
    let (first, rest) = bytes.split_at(cut.min(bytes.len()));
    let limits = MqttLimits::default();
    let stream = tokio::io::join(first.chain(rest), tokio::io::sink());
    let link = Link::new(stream, PACKET_BYTES, limits.user_properties);
    // Bytes in memory are never waited for.
    talk(link, &limits).now_or_never().unwrap_or_default()
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut link: Link<S>, limits: &MqttLimits) -> usize {
    let Ok(Some(hello)) = greet::first_hello(&mut link, limits.first_packet_bytes).await else { return 0 };
    let welcome = Welcome {
        session_present: !hello.clean_start,
        receive_maximum: limits.receive_maximum,
        topic_aliases: limits.topic_aliases,
        server_keep_alive_s: Some(limits.keep_alive_s.get()),
        session_expiry_s: Some(hello.session_expiry_s),
    };
    if !link.wire.welcome(&welcome) {
        return 1;
    }
    let mut understood = 1;
    loop {
        match link.wire.next(&mut link.input) {
            Next::Input(input) => {
                understood += 1;
                if !answer(&mut link.wire, input) {
                    return understood;
                }
                link.wire.out.clear();
            }
            Next::Broken(_) => return understood,
            Next::More if matches!(link.read().await, Ok(1..)) => {}
            Next::More => return understood,
        }
    }
}

/// False at the end.
fn answer(wire: &mut Wire, input: Input) -> bool {
    match input {
        Input::Publish(publish) => answer_publish(wire, &publish),
        Input::Subscribe { packet_id, filters, identified } => {
            let granted = if identified { Granted::Identified } else { Granted::AtLeastOnce };
            wire.suback(packet_id, &vec![granted; filters.len()]);
        }
        Input::Unsubscribe { packet_id, filters } => wire.unsuback(packet_id, &vec![true; filters.len()]),
        Input::Ping => wire.pong(),
        Input::Release { packet_id } => wire.pubcomp(packet_id, packet_id % 2 == 0),
        Input::Acknowledged => {}
        Input::Connect(_) | Input::Disconnect { .. } | Input::OutOfPlace | Input::Oversized => return false,
    }
    true
}

/// With a verdict beside the acknowledgement, where the sender names itself.
fn answer_publish(wire: &mut Wire, publish: &Incoming) {
    let gateway = topic::gateway_of(&publish.topic);
    let own = |gateway: &GatewayId| topic::parse(&publish.topic, gateway).is_some();
    let taken = if gateway.as_ref().is_some_and(own) { Answer::Durable } else { Answer::NotAuthorized };
    match (publish.qos, publish.packet_id) {
        (Qos::AtLeastOnce, Some(id)) => wire.puback(id, taken, publish.response_topic.as_deref()),
        (Qos::ExactlyOnce, Some(id)) => wire.pubrec(id, taken, publish.response_topic.as_deref()),
        _ => {}
    }
    if let Some(gateway) = gateway.filter(|_| wire.has_vacancy()) {
        wire.publish(
            &topic::verdicts(&gateway),
            publish.payload.as_slice(),
            Qos::AtLeastOnce,
            publish.correlation.as_deref(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: [(&[u8], usize); 4] = [
        (include_bytes!("../../../fuzz/seeds/mqtt/v3"), 10),
        (include_bytes!("../../../fuzz/seeds/mqtt/v5"), 8),
        (include_bytes!("../../../fuzz/seeds/mqtt/v5-auth"), 2),
        (include_bytes!("../../../fuzz/seeds/mqtt/not-a-connect"), 0),
    ];

    #[test]
    fn the_seeds_of_the_fuzzer_are_understood_to_their_end_wherever_they_are_cut() {
        for (seed, packets) in SEEDS {
            let bytes = &seed[1..];
            for cut in 0..=bytes.len() {
                assert_eq!(converse(bytes, cut), packets, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_changed_byte_or_an_early_end_makes_no_connection_panic() {
        for (seed, packets) in SEEDS {
            let sound = &seed[1..];
            for at in 0..sound.len() {
                assert!(converse(&sound[..at], at / 2) <= packets);
                for flipped in [0x01, 0x80, 0xff] {
                    let mut bytes = sound.to_vec();
                    bytes[at] ^= flipped;
                    converse(&bytes, at);
                }
            }
        }
    }
}
