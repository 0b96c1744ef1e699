//! The bytes of a judged batch are in journals for years. A change here is a change of the format: readers of the old
//! bytes must be shown to still understand them before the expectation is replaced.

use painwatch_domain::time::parse_stamp;
use painwatch_domain::{GatewayId, ReceivedAt, Roster, TenantId, Zone};
use painwatch_ingest_core::{Envelope, Format, Limits, Protocol, judge_bytes};
use prost::Message as _;

fn hexadecimal(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(48).map(|bytes| line(bytes) + "\n").collect()
}

#[test]
fn the_journal_bytes_of_a_fixed_batch_stay_as_they_were() {
    let (tenant, gateway) = (TenantId::default(), GatewayId::parse("gw-17").unwrap());
    let received_at = ReceivedAt(parse_stamp("2026-03-01T12:00:06Z", &Zone::utc()).unwrap().utc_ms);
    let envelope = Envelope {
        tenant: &tenant,
        gateway: &gateway,
        protocol: Protocol::Mqtt,
        received_at,
        number: 0,
        device_zone: &|_, _| Some(Zone::parse("Europe/Paris").unwrap()),
        device_clock: &|_| None,
        may_speak_for: &|_| true,
        roster: &Roster::default(),
        takes_orders: &|| false,
        limits: &Limits::default(),
    };
    let submission = judge_bytes(include_bytes!("golden/batch.json"), Format::Json, &envelope).unwrap();
    assert_eq!((submission.admitted, submission.quarantined), (12, 2));
    let actual = hexadecimal(&submission.batch.encode_to_vec());
    assert!(actual == include_str!("golden/batch.hex"), "the journal bytes have changed; they are now:\n{actual}");
}
