//! `painwatch/v1/{gateway}/…`: the only topics there are.

use painwatch_domain::GatewayId;
use painwatch_ingest_core::Format;

/// What a gateway may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Readings(Format),
    Status,
}

/// `None` for every topic that is not this gateway's own.
pub fn parse(text: &str, gateway: &GatewayId) -> Option<Topic> {
    match own(text, gateway)? {
        "status" => Some(Topic::Status),
        other => other.strip_prefix("readings/").and_then(Format::parse).map(Topic::Readings),
    }
}

/// Whose topic it is, as far as the text says.
pub fn gateway_of(text: &str) -> Option<GatewayId> {
    let (gateway, _) = text.strip_prefix("painwatch/v1/")?.split_once('/')?;
    GatewayId::parse(gateway).ok()
}

/// The one filter a gateway may subscribe to.
pub fn is_own_verdicts(filter: &str, gateway: &GatewayId) -> bool {
    own(filter, gateway) == Some("verdicts")
}

pub fn verdicts(gateway: &GatewayId) -> String {
    format!("painwatch/v1/{gateway}/verdicts")
}

fn own<'a>(text: &'a str, gateway: &GatewayId) -> Option<&'a str> {
    text.strip_prefix("painwatch/v1/")?.strip_prefix(gateway.as_str())?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gateways_own_topics_are_topics() {
        let gateway = GatewayId::parse("gw-1").unwrap();
        for format in Format::ALL {
            let topic = format!("painwatch/v1/gw-1/readings/{}", format.as_str());
            assert_eq!(parse(&topic, &gateway), Some(Topic::Readings(format)));
        }
        assert!(matches!(parse("painwatch/v1/gw-1/status", &gateway), Some(Topic::Status)));
        for foreign in [
            "painwatch/v1/gw-2/readings/json",
            "painwatch/v1/gw-10/readings/json",
            "painwatch/v1/gw-/readings/json",
            "painwatch/v1/GW-1/readings/json",
            "painwatch/v1//gw-1/readings/json",
            "painwatch/v1/gw-1/readings/",
            "painwatch/v1/gw-1/readings/csv",
            "painwatch/v1/gw-1/readings/JSON",
            "painwatch/v1/gw-1/readings/json/",
            "painwatch/v1/gw-1/verdicts",
            "/painwatch/v1/gw-1/status",
            "$SYS/broker",
            "",
        ] {
            assert!(parse(foreign, &gateway).is_none(), "{foreign}");
        }
    }

    #[test]
    fn a_topic_says_whose_it_is() {
        assert_eq!(gateway_of("painwatch/v1/gw-1/readings/json"), GatewayId::parse("gw-1").ok());
        for nobody in ["painwatch/v1/gw-1", "painwatch/v1//status", "painwatch/v2/gw-1/status", "$SYS/a/b/c"] {
            assert_eq!(gateway_of(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn only_a_gateways_own_verdicts_can_be_subscribed_to() {
        let gateway = GatewayId::parse("gw-1").unwrap();
        assert!(is_own_verdicts(&verdicts(&gateway), &gateway));
        for foreign in [
            "painwatch/v1/+/verdicts",
            "#",
            "painwatch/v1/gw-1/#",
            "$share/g/painwatch/v1/gw-1/verdicts",
            "painwatch/v1/gw-2/verdicts",
        ] {
            assert!(!is_own_verdicts(foreign, &gateway), "{foreign}");
        }
    }
}
