//! What a gateway says of itself, and what its will says when it no longer can.

use painwatch_domain::time::parse_stamp;
use painwatch_domain::{DeviceId, GatewayId, Zone};
use painwatch_proto::journal::v1::{DeviceStatus, GatewayStatus};
use serde::Deserialize;

/// Longest firmware name kept.
const FIRMWARE_CHARS: usize = 64;
/// Devices of one status: a ward behind one gateway.
const DEVICES: usize = 256;

/// Fields we do not keep yet may come along: a newer gateway is no malformed one.
#[derive(Deserialize)]
struct Form {
    online: bool,
    #[serde(default)]
    firmware: Option<String>,
    #[serde(default)]
    backlog: Option<u64>,
    #[serde(default)]
    oldest_pending: Option<String>,
    #[serde(default)]
    devices: Vec<DeviceForm>,
}

#[derive(Deserialize)]
struct DeviceForm {
    device: String,
    #[serde(default)]
    battery_pct: Option<u8>,
    #[serde(default)]
    worn: Option<bool>,
    #[serde(default)]
    charging: Option<bool>,
    #[serde(default)]
    rssi_dbm: Option<i16>,
}

pub fn parse(payload: &[u8], gateway: &GatewayId) -> Option<GatewayStatus> {
    let form: Form = serde_json::from_slice(payload).ok()?;
    let oldest_pending = form.oldest_pending.map(|text| parse_stamp(&text, &Zone::utc()));
    let oldest_pending = oldest_pending.transpose().ok()?.filter(|stamp| !stamp.zone_assumed);
    if form.devices.len() > DEVICES {
        return None;
    }
    Some(GatewayStatus {
        gateway: gateway.to_string(),
        online: form.online,
        firmware: form.firmware.unwrap_or_default().chars().take(FIRMWARE_CHARS).collect(),
        backlog: form.backlog.unwrap_or_default(),
        oldest_pending_ms: oldest_pending.map(|stamp| stamp.utc_ms),
        devices: form.devices.into_iter().map(device_status).collect::<Option<_>>()?,
    })
}

fn device_status(form: DeviceForm) -> Option<DeviceStatus> {
    let DeviceForm { device, battery_pct, worn, charging, rssi_dbm } = form;
    let plausible = DeviceId::parse(&device).is_ok() && battery_pct.is_none_or(|percent| percent <= 100);
    plausible.then(|| DeviceStatus {
        device,
        battery_pct: battery_pct.map(u32::from),
        worn,
        charging,
        rssi_dbm: rssi_dbm.map(i32::from),
    })
}

/// The devices that a status speaks of.
pub fn devices(status: &GatewayStatus) -> impl Iterator<Item = DeviceId> {
    status.devices.iter().filter_map(|device| DeviceId::parse(&device.device).ok())
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
    #[test]
    fn what_a_gateway_says_of_its_devices_is_kept_and_an_impossible_word_is_refused() {
        let gateway = GatewayId::parse("gw-1").unwrap();
        let full = br#"{"online": true, "oldest_pending": "2026-03-01T12:00:05Z", "devices": [
            {"device": "watch-0001", "battery_pct": 41, "worn": true, "charging": false, "rssi_dbm": -71, "mood": "fine"},
            {"device": "scale-0042"}]}"#;
        let status = parse(full, &gateway).unwrap();
        assert_eq!(status.oldest_pending_ms, Some(1_772_366_405_000));
        let watch = DeviceStatus {
            device: "watch-0001".to_owned(),
            battery_pct: Some(41),
            worn: Some(true),
            charging: Some(false),
            rssi_dbm: Some(-71),
        };
        let scale = DeviceStatus { device: "scale-0042".to_owned(), ..DeviceStatus::default() };
        assert_eq!(status.devices, [watch, scale]);
        for bad in [
            r#"{"online": true, "oldest_pending": "yesterday"}"#,
            r#"{"online": true, "devices": [{"battery_pct": 41}]}"#,
            r#"{"online": true, "devices": [{"device": "watch 1"}]}"#,
            r#"{"online": true, "devices": [{"device": "watch-1", "battery_pct": 101}]}"#,
            r#"{"online": true, "devices": [{"device": "watch-1", "worn": "yes"}]}"#,
        ] {
            assert!(parse(bad.as_bytes(), &gateway).is_none(), "{bad}");
        }
        let many = |count: usize| {
            let devices = vec![r#"{"device": "watch-1"}"#; count].join(",");
            parse(format!(r#"{{"online": true, "devices": [{devices}]}}"#).as_bytes(), &gateway)
        };
        assert!(many(DEVICES).is_some() && many(DEVICES + 1).is_none());
    }
}
