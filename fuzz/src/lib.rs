//! What the fuzz targets drive: any bytes are judged, and what comes out must balance.
//!
//! Never: a decoder of its own; an input that depends on a clock or a machine.

#[cfg(feature = "doors")]
pub mod doors;
pub mod exports;

use painwatch_domain::time::parse_stamp;
use painwatch_domain::{DeviceId, GatewayId, ReceivedAt, Roster, TenantId, Zone};
use painwatch_ingest_core::{Envelope, Format, Limits, Protocol, Submission, judge_bytes};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::decode_series;
use prost::Message as _;

/// Judges a payload as a door would.
///
/// # Panics
/// When the books of the submission do not balance, or its own record cannot be read back.
pub fn judge(payload: &[u8], format: Format) {
    let (tenant, gateway) = (TenantId::default(), GatewayId::parse("gw-17").expect("an id"));
    let received_at = parse_stamp("2026-03-01T12:00:00Z", &Zone::utc()).expect("a time").utc_ms;
    let paris = Zone::parse("Europe/Paris").expect("a zone");
    let envelope = Envelope {
        tenant: &tenant,
        gateway: &gateway,
        protocol: Protocol::Mqtt,
        received_at: ReceivedAt(received_at),
        number: 0,
        device_zone: &|device, _| device.as_str().starts_with("paris").then(|| paris.clone()),
        device_clock: &|_| None,
        may_speak_for: &|device| !device.as_str().starts_with("other"),
        roster: &Roster::default(),
        takes_orders: &|| true,
        limits: &Limits::default(),
    };
    if let Ok(submission) = judge_bytes(payload, format, &envelope) {
        audit(&submission);
    }
}

fn audit(submission: &Submission) {
    let admitted: usize = submission.batch.sections.iter().map(samples).sum();
    assert_eq!(submission.admitted, admitted as u64, "admitted");
    let quarantined: u64 = submission.batch.quarantined.iter().map(|item| item.count).sum();
    assert_eq!(submission.quarantined, quarantined, "quarantined");
    assert_eq!(submission.problems.len(), submission.batch.quarantined.len(), "problems");
}

fn samples(section: &pb::DeviceSection) -> usize {
    let device = DeviceId::parse(&section.device).expect("an admitted device");
    let readings = pb::DeviceReadings::decode(section.readings.clone()).expect("our own bytes");
    let entries = decode_series(&device, &readings).expect("our own series");
    entries.iter().map(|entry| entry.series.samples.len()).sum()
}

/// Reads bytes as the payload of a journal record: damage must be an error, not a panic.
pub fn read_record(payload: &[u8]) {
    let Ok(batch) = pb::Batch::decode(payload) else { return };
    for section in &batch.sections {
        let Ok(device) = DeviceId::parse(&section.device) else { continue };
        let Ok(readings) = pb::DeviceReadings::decode(section.readings.clone()) else { continue };
        let _ = decode_series(&device, &readings);
    }
}
