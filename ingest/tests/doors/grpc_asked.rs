//! What gateways ask about what they sent before: verdicts, and sequence numbers that never arrived.

use std::sync::Arc;
use std::time::Duration;

use painwatch_domain::roster::Device;
use painwatch_domain::{DeviceId, GatewayId, Roster, SequenceRanges, TenantId};
use painwatch_ingest::grpc::{BadRequest, ErrorInfo, RichStatus};
use painwatch_ingest::{IngestLimits, Refusal};
use painwatch_proto::ingest::v1::get_verdict_request::By;
use painwatch_proto::ingest::v1::{GapsRequest, GetVerdictRequest, SequenceRange};
use painwatch_proto::journal::v1::control::Action;
use painwatch_proto::journal::v1::{Control, RefusalCount};
use painwatch_store::{Rows, SequenceRow};
use prost::Message as _;
use tonic::{Code, Status};

use crate::grpc::{authorized, batch, client};
use crate::support::journal::Mode;
use crate::support::raw::{Raw, Version, confirmed, subscribe};
use crate::support::secure::gateway;
use crate::support::{A_WHILE, House, NOW_MS, SOON};

fn by_batch(gateway: &str, batch_id: &str) -> GetVerdictRequest {
    GetVerdictRequest { gateway: gateway.into(), by: Some(By::BatchId(batch_id.into())) }
}

fn by_offset(gateway: &str, offset: u64) -> GetVerdictRequest {
    GetVerdictRequest { gateway: gateway.into(), by: Some(By::Offset(offset)) }
}

/// The field that a refusal names.
fn field_of(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let rich = RichStatus::decode(status.details()).unwrap();
    assert_eq!(rich.details[0].type_url, "type.googleapis.com/google.rpc.BadRequest");
    BadRequest::decode(&rich.details[0].value[..]).unwrap().field_violations[0].field.clone()
}

#[tokio::test]
async fn semantics_3_a_verdict_can_be_asked_for_later_by_the_gateway_it_was_given_to() {
    let house = House::with(IngestLimits::default()).await;
    let _intake = house.judge_everything();
    let mut client = client(&house).await;
    let told = client.submit(authorized(&house.token, batch(1))).await.unwrap().into_inner();
    client.submit(authorized(&house.token, batch(2))).await.unwrap();
    for ask in [by_batch("gw-1", "b/1"), by_offset("gw-1", told.offset)] {
        let again = client.get_verdict(authorized(&house.token, ask)).await.unwrap().into_inner();
        assert_eq!(again, told);
    }
    for ask in [by_batch("gw-2", "b/1"), by_offset("gw-2", told.offset), by_batch("gw-1", "b/9")] {
        let refusal = client.get_verdict(authorized(&house.token, ask)).await.unwrap_err();
        assert_eq!(refusal.code(), Code::NotFound);
    }
}

#[tokio::test]
async fn semantics_3_what_is_durable_is_told_before_it_is_judged_and_what_is_not_is_not_found() {
    let house = House::open().await;
    let mut client = client(&house).await;
    let mut bad = batch(1);
    bad.readings[0].measure = "heartrate".into();
    let told = client.submit(authorized(&house.token, bad)).await.unwrap().into_inner();
    for ask in [by_batch("gw-1", "b/1"), by_offset("gw-1", told.offset)] {
        let again = client.get_verdict(authorized(&house.token, ask)).await.unwrap().into_inner();
        assert!(!again.r#final);
        assert_eq!(again, told);
    }
    for ask in [by_batch("gw-1", "b/2"), by_batch("gw-2", "b/1")] {
        let refusal = client.get_verdict(authorized(&house.token, ask)).await.unwrap_err();
        assert_eq!(refusal.code(), Code::NotFound);
    }
}

#[tokio::test]
async fn a_question_without_what_it_is_about_names_the_field() {
    let house = House::open().await;
    let mut client = client(&house).await;
    let nothing = GetVerdictRequest { gateway: "gw-1".into(), by: None };
    for ask in [nothing, by_batch("gw-1", "")] {
        assert_eq!(field_of(&client.get_verdict(authorized(&house.token, ask)).await.unwrap_err()), "by");
    }
    let nobody = client.get_verdict(authorized(&house.token, by_batch("", "b/1"))).await.unwrap_err();
    assert_eq!(field_of(&nobody), "gateway");
    let gaps = |devices: Vec<String>| GapsRequest { gateway: "gw-1".into(), devices, ..GapsRequest::default() };
    let unnameable = client.gaps(authorized(&house.token, gaps(vec!["a/b".into()]))).await.unwrap_err();
    assert_eq!(field_of(&unnameable), "devices");
    let many = (0..101).map(|n| format!("d-{n}")).collect();
    assert_eq!(field_of(&client.gaps(authorized(&house.token, gaps(many))).await.unwrap_err()), "devices");
}

fn sequence(device: &str, boot_id: u32, gateway: &str, missing: &str) -> SequenceRow {
    SequenceRow {
        tenant: TenantId::default(),
        device: DeviceId::parse(device).unwrap(),
        boot_id,
        gateway: GatewayId::parse(gateway).unwrap(),
        first_seq: 1,
        last_seq: 40,
        missing: SequenceRanges::parse(missing).unwrap(),
        told_from: 0,
    }
}

fn registered(device: &str, gateway: &str) -> Roster {
    let id = DeviceId::parse(device).unwrap();
    let gateways = vec![GatewayId::parse(gateway).unwrap()];
    let kind = "watch".into();
    let device = Device { id: id.clone(), kind, serial: None, streams: Vec::new(), gateways, source_priority: 0 };
    Roster { devices: [(id, device)].into(), ..Roster::default() }
}

#[tokio::test]
async fn gaps_are_told_by_device_and_boot_to_the_gateways_that_may_speak_for_it() {
    let house = House::open().await;
    house.declare(registered("cuff-0001", "gw-2"));
    let sequences = vec![
        sequence("cuff-0001", 1, "gw-2", "7"),
        sequence("watch-0001", 3, "gw-1", "2-3 31-38"),
        sequence("watch-0001", 4, "gw-1", ""),
    ];
    house.write(Rows { sequences, ..Rows::default() }).await;
    house.catch_up();
    let mut client = client(&house).await;
    let ask = |gateway: &str, devices: &[&str]| GapsRequest {
        gateway: gateway.into(),
        devices: devices.iter().map(|device| (*device).to_owned()).collect(),
        after_device: String::new(),
    };
    for devices in [&["watch-0001"][..], &[]] {
        let told = client.gaps(authorized(&house.token, ask("gw-1", devices))).await.unwrap().into_inner();
        let boots: Vec<u32> = told.boots.iter().map(|boot| boot.boot_id).collect();
        assert_eq!((boots, told.next_device.as_str()), (vec![3, 4], ""));
        assert_eq!(told.boots[0].missing, [SequenceRange { first: 2, last: 3 }, SequenceRange { first: 31, last: 38 }]);
        assert_eq!((told.boots[0].first_seq, told.boots[0].last_seq, told.boots[1].missing.len()), (1, 40, 0));
    }
    let foreign = client.gaps(authorized(&house.token, ask("gw-1", &["cuff-0001"]))).await.unwrap_err();
    assert_eq!(foreign.code(), Code::PermissionDenied);
    let rich = RichStatus::decode(foreign.details()).unwrap();
    let info = ErrorInfo::decode(&rich.details[0].value[..]).unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("not_your_device", "painwatch"));
    let own = client.gaps(authorized(&house.token, ask("gw-2", &["cuff-0001"]))).await.unwrap().into_inner();
    assert_eq!(own.boots[0].missing, [SequenceRange { first: 7, last: 7 }]);
}

#[tokio::test]
async fn gaps_are_not_told_while_something_durable_has_not_been_looked_at() {
    let house = House::open().await;
    let mut client = client(&house).await;
    client.submit(authorized(&house.token, batch(1))).await.unwrap();
    let ask = || GapsRequest { gateway: "gw-1".into(), ..GapsRequest::default() };
    let refusal = client.gaps(authorized(&house.token, ask())).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable);
    house.catch_up();
    assert!(client.gaps(authorized(&house.token, ask())).await.unwrap().into_inner().boots.is_empty());
}

#[tokio::test]
async fn a_batch_that_is_durable_by_the_callers_deadline_is_answered_and_not_failed() {
    let house = House::with(IngestLimits { verdict_timeout: SOON * 10, ..IngestLimits::default() }).await;
    let mut client = client(&house).await;
    let mut request = authorized(&house.token, batch(1));
    request.set_timeout(A_WHILE * 2);
    let verdict = client.submit(request).await.unwrap().into_inner();
    assert!(!verdict.r#final);
    house.journal.set(Mode::Held);
    let mut request = authorized(&house.token, batch(2));
    request.set_timeout(A_WHILE * 2);
    let refusal = client.submit(request).await.unwrap_err();
    assert!(matches!(refusal.code(), Code::DeadlineExceeded), "{refusal:?}");
}

#[tokio::test]
async fn what_was_refused_is_journalled_by_gateway_and_reason_when_the_doors_close() {
    let house = House::open().await;
    house.declare(registered("watch-0001", "gw-2"));
    let mut client = client(&house).await;
    for _ in 0..2 {
        client.submit(authorized(&house.token, batch(1))).await.unwrap_err();
    }
    client.submit(authorized("wrong", batch(1))).await.unwrap_err();
    assert_eq!(house.handle.ledger.refused(Refusal::NotYourDevice), 2);
    house.stop.cancel();
    let journal = Arc::clone(&house.journal);
    tokio::time::timeout(Duration::from_secs(10), house.doors.handle.stopped()).await.unwrap();
    let day_ms = NOW_MS / 86_400_000 * 86_400_000;
    let count = |gateway: &str, reason: &str, count| RefusalCount {
        gateway: gateway.into(),
        day_ms,
        reason: reason.into(),
        count,
    };
    let [record] = &journal.records()[..] else { panic!("one record") };
    let control = Control::decode(record.payload.clone()).unwrap();
    let Some(Action::Refusals(refusals)) = control.action else { panic!("{control:?}") };
    assert_eq!(refusals.counts, [count("", "authentication", 1), count("gw-1", "not_your_device", 2)]);
}

#[tokio::test]
async fn what_a_gateway_is_refused_over_mqtt_stands_in_its_own_book() {
    let house = House::open().await;
    house.declare(registered("watch-0001", "gw-2"));
    let mut raw = Raw::connect(&house, Version::V5, "gw-1").await;
    let status = r#"{"online": true, "devices": [{"device": "watch-0001"}]}"#;
    for (packet_id, (topic, payload)) in (1..).zip([
        ("painwatch/v1/gw-2/readings/json", "{}"),
        ("painwatch/v1/gw-1/status", "no status"),
        ("painwatch/v1/gw-1/status", status),
    ]) {
        raw.publish(topic, 1, packet_id, payload.as_bytes()).await;
        assert_ne!(confirmed(&raw.receive().await).1, 0, "{topic}");
    }
    raw.send(&subscribe(Version::V5, 9, &[("#", 1)])).await;
    raw.receive().await;
    raw.publish(&"x".repeat(257), 1, 10, b"").await;
    raw.until_closed().await;
    house.stop.cancel();
    let journal = Arc::clone(&house.journal);
    tokio::time::timeout(Duration::from_secs(10), house.doors.handle.stopped()).await.unwrap();
    let last = journal.records().pop().unwrap();
    let Some(Action::Refusals(refusals)) = Control::decode(last.payload).unwrap().action else { panic!("no refusals") };
    let booked: Vec<_> = refusals.counts.into_iter().map(|count| (count.gateway, count.reason, count.count)).collect();
    let expected = [("authorization", 2), ("not_your_device", 1), ("too_large", 1), ("malformed", 1)];
    let expected = expected.map(|(reason, count)| ("gw-1".to_owned(), reason.to_owned(), count));
    assert_eq!(booked, expected);
}

#[tokio::test]
async fn refusals_of_other_tenants_are_not_lost_with_a_record_that_nobody_waits_for() {
    let house = House::open().await;
    for tenant in ["main", "north", "south"] {
        house.handle.ledger.refuse_of(&gateway(tenant, "gw-1"), Refusal::Busy);
    }
    house.journal.set(Mode::Held);
    let interrupted = tokio::time::timeout(A_WHILE, house.handle.admission().record_refusals()).await;
    assert!(interrupted.is_err() && house.journal.held() == 1);
    house.journal.set(Mode::Durable);
    house.journal.release(0);
    house.stop.cancel();
    let journal = Arc::clone(&house.journal);
    tokio::time::timeout(SOON, house.doors.handle.stopped()).await.unwrap();
    let mut tenants: Vec<_> = journal.records().iter().map(|record| record.tenant.to_string()).collect();
    tenants.sort_unstable();
    assert_eq!(tenants, ["main", "north", "south"]);
}
