//! What a gateway says of itself, and what its will says when it no longer can.

use painwatch_domain::GatewayId;
use painwatch_proto::journal::v1::GatewayStatus;
use serde::Deserialize;

/// Longest firmware name kept.
const FIRMWARE_CHARS: usize = 64;

/// Fields we do not keep yet may come along: a newer gateway is no malformed one.
#[derive(Deserialize)]
struct Form {
    online: bool,
    #[serde(default)]
    firmware: Option<String>,
    #[serde(default)]
    backlog: Option<u64>,
}

pub fn parse(payload: &[u8], gateway: &GatewayId) -> Option<GatewayStatus> {
    let form: Form = serde_json::from_slice(payload).ok()?;
    Some(GatewayStatus {
        gateway: gateway.to_string(),
        online: form.online,
        firmware: form.firmware.unwrap_or_default().chars().take(FIRMWARE_CHARS).collect(),
        backlog: form.backlog.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_and_a_will_are_read_and_anything_else_is_not() {
        let gateway = GatewayId::parse("gw-1").unwrap();
        let full = br#"{"online": true, "firmware": "1.4.2", "backlog": 3, "oldest_pending": null, "devices": [{"device": "watch-0001"}]}"#;
        let status = parse(full, &gateway).unwrap();
        assert_eq!((status.online, status.firmware.as_str(), status.backlog), (true, "1.4.2", 3));
        assert!(!parse(br#"{"online": false}"#, &gateway).unwrap().online);
        for bad in [&b"{}"[..], b"", b"\xff", br#"{"online": "yes"}"#, br#"{"online": true, "backlog": -1}"#] {
            assert!(parse(bad, &gateway).is_none());
        }
    }
}
