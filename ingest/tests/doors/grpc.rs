//! `painwatch.ingest.v1.Ingest` through a tonic client.

use std::time::Duration;

use painwatch_domain::roster::Device;
use painwatch_domain::{DeviceId, GatewayId, Roster};
use painwatch_ingest::grpc::{ErrorInfo, RetryInfo, RichStatus};
use painwatch_ingest::{IngestLimits, Refusal};
use painwatch_proto::ingest::v1::ingest_client::IngestClient;
use painwatch_proto::ingest::v1::{GapsRequest, GetVerdictRequest, Reading, ReadingBatch};
use prost::Message as _;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::support::journal::Mode;
use crate::support::{A_WHILE, House, NOW_MS, SOON, admitted, eventually};

pub async fn channel(house: &House) -> Channel {
    Channel::from_shared(format!("http://{}", house.handle.grpc_addr.unwrap())).unwrap().connect().await.unwrap()
}

pub async fn client(house: &House) -> IngestClient<Channel> {
    IngestClient::new(channel(house).await)
}

pub fn batch(nth: i64) -> ReadingBatch {
    let reading = Reading {
        device: "watch-0001".into(),
        measure: "heart_rate".into(),
        time_ms: Some(NOW_MS - 3_600_000 + nth * 1_000),
        value: Some(71.0),
        unit: "/min".into(),
        ..Reading::default()
    };
    ReadingBatch {
        gateway: "gw-1".into(),
        batch_id: format!("b/{nth}"),
        readings: vec![reading],
        ..ReadingBatch::default()
    }
}

pub fn authorized<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[tokio::test]
async fn semantics_3_submit_answers_with_the_verdict_of_intake() {
    let house = House::with(IngestLimits::default()).await;
    let _intake = house.judge_everything();
    let mut client = client(&house).await;
    let mut mixed = batch(1);
    mixed.readings.push(Reading { measure: "heartrate".into(), ..mixed.readings[0].clone() });
    let verdict = client.submit(authorized(&house.token, mixed)).await.unwrap().into_inner();
    assert!(verdict.r#final);
    assert_eq!((verdict.batch_id.as_str(), verdict.stored, verdict.quarantined), ("b/1", 1, 1));
    assert_eq!(verdict.server_time, "2026-03-01T12:00:05Z");
    assert_eq!(house.batches()[0].protocol, "grpc");
}

#[tokio::test]
async fn semantics_3_submit_says_not_final_when_intake_is_late() {
    let house = House::open().await;
    let mut client = client(&house).await;
    let mut bad = batch(1);
    bad.readings[0].measure = "heartrate".into();
    let verdict = client.submit(authorized(&house.token, bad)).await.unwrap().into_inner();
    assert!(!verdict.r#final);
    assert_eq!((verdict.stored, verdict.quarantined, verdict.problems.len()), (0, 1, 1));
    assert_eq!(verdict.problems[0].code, "unknown_measure");
}

#[tokio::test]
async fn submit_does_not_answer_before_the_batch_is_durable() {
    let house = House::open().await;
    house.journal.set(Mode::Held);
    let mut client = client(&house).await;
    let request = authorized(&house.token, batch(1));
    let call = tokio::spawn(async move { client.submit(request).await });
    eventually("it is being appended", || house.journal.held() == 1).await;
    tokio::time::sleep(A_WHILE * 2).await;
    assert!(!call.is_finished());
    house.journal.release(0);
    assert!(timeout(SOON, call).await.unwrap().unwrap().is_ok());
}

#[tokio::test]
async fn nobody_submits_without_a_token_that_fits_or_a_gateway_to_speak_for() {
    let house = House::open().await;
    let mut client = client(&house).await;
    let refusal = client.submit(batch(1)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unauthenticated);
    for token in ["", "x", &house.token[1..], &format!("{} ", &house.token[..10])] {
        let refusal = client.submit(authorized(token, batch(1))).await.unwrap_err();
        assert_eq!(refusal.code(), Code::Unauthenticated);
        let stream = tokio_stream::iter([batch(1)]);
        let refusal = client.stream(authorized(token, stream)).await.unwrap_err();
        assert_eq!(refusal.code(), Code::Unauthenticated);
        let refusal = client.get_verdict(authorized(token, GetVerdictRequest::default())).await.unwrap_err();
        assert_eq!(refusal.code(), Code::Unauthenticated);
        let refusal = client.gaps(authorized(token, GapsRequest::default())).await.unwrap_err();
        assert_eq!(refusal.code(), Code::Unauthenticated);
        let rich = RichStatus::decode(refusal.details()).unwrap();
        assert_eq!(rich.details[0].type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    }
    let anonymous = ReadingBatch { gateway: String::new(), ..batch(1) };
    assert_eq!(client.submit(authorized(&house.token, anonymous)).await.unwrap_err().code(), Code::InvalidArgument);
    let unnameable = ReadingBatch { gateway: "gw/1".into(), ..batch(1) };
    assert_eq!(client.submit(authorized(&house.token, unnameable)).await.unwrap_err().code(), Code::PermissionDenied);
    assert!(house.journal.records().is_empty());
    assert_eq!(house.handle.ledger.refused(Refusal::Authentication), 17);
}

#[tokio::test]
async fn a_full_journal_holds_the_sender_back_and_says_for_how_long() {
    let house = House::open().await;
    house.journal.set(Mode::Full);
    let refusal = client(&house).await.submit(authorized(&house.token, batch(1))).await.unwrap_err();
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    let rich = RichStatus::decode(refusal.details()).unwrap();
    assert_eq!((rich.code, rich.details[0].type_url.as_str()), (8, "type.googleapis.com/google.rpc.RetryInfo"));
    let info = RetryInfo::decode(&rich.details[0].value[..]).unwrap();
    assert!(info.retry_delay.unwrap().seconds > 0);
    house.journal.set(Mode::UnknownButWritten);
    let refusal = client(&house).await.submit(authorized(&house.token, batch(1))).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_device_of_another_gateway_is_permission_denied() {
    let house = House::open().await;
    let id = DeviceId::parse("watch-0001").unwrap();
    let gateways = vec![GatewayId::parse("gw-2").unwrap()];
    let device = Device {
        id: id.clone(),
        kind: "watch".into(),
        serial: None,
        streams: Vec::new(),
        gateways,
        source_priority: 0,
    };
    house.declare(Roster { devices: [(id, device)].into(), ..Roster::default() });
    let refusal = client(&house).await.submit(authorized(&house.token, batch(1))).await.unwrap_err();
    assert_eq!(refusal.code(), Code::PermissionDenied);
    let rich = RichStatus::decode(refusal.details()).unwrap();
    let info = ErrorInfo::decode(&rich.details[0].value[..]).unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("not_your_device", "painwatch"));
    assert!(house.journal.records().is_empty());
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_and_the_connection_goes_on() {
    let house = House::open().await;
    let mut client = client(&house).await;
    let huge = ReadingBatch { batch_id: "x".repeat(2 << 20), ..batch(1) };
    assert!(client.submit(authorized(&house.token, huge)).await.is_err());
    assert!(client.submit(authorized(&house.token, batch(2))).await.is_ok());
}

#[tokio::test]
async fn a_stream_has_many_batches_on_their_way_and_answers_in_their_order() {
    const BATCHES: i64 = 500;
    let house = House::with(IngestLimits::default()).await;
    let _intake = house.judge_everything();
    let mut client = client(&house).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        for nth in 0..BATCHES {
            sender.send(batch(nth)).await.unwrap();
        }
    });
    let request = authorized(&house.token, ReceiverStream::new(receiver));
    let mut verdicts = client.stream(request).await.unwrap().into_inner();
    for nth in 0..BATCHES {
        let verdict = timeout(SOON, verdicts.message()).await.unwrap().unwrap().unwrap();
        assert_eq!((verdict.batch_id, verdict.r#final, verdict.stored), (format!("b/{nth}"), true, 1));
    }
    assert!(verdicts.message().await.unwrap().is_none());
    assert_eq!(house.batches().iter().map(admitted).sum::<u64>(), BATCHES as u64);
}

#[tokio::test]
async fn a_batch_that_fails_ends_the_stream_after_the_verdicts_before_it() {
    let house = House::open().await;
    house.journal.set(Mode::Held);
    let mut client = client(&house).await;
    let batches = [batch(0), ReadingBatch { gateway: "gw/1".into(), ..batch(1) }, batch(2)];
    let request = authorized(&house.token, tokio_stream::iter(batches));
    let mut verdicts = client.stream(request).await.unwrap().into_inner();
    eventually("two are being appended", || house.journal.held() == 2).await;
    house.journal.release(1);
    assert!(timeout(A_WHILE, verdicts.message()).await.is_err(), "the first is not durable yet");
    house.journal.release(0);
    assert_eq!(verdicts.message().await.unwrap().unwrap().batch_id, "b/0");
    assert_eq!(verdicts.message().await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn health_and_reflection_answer_without_a_token() {
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ListServiceResponse, ServerReflectionRequest};
    let house = House::open().await;
    let service = "painwatch.ingest.v1.Ingest".to_owned();
    let mut health = HealthClient::new(channel(&house).await);
    let status = health.check(HealthCheckRequest { service: service.clone() }).await.unwrap().into_inner();
    assert_eq!(status.status, 1, "serving");
    let mut reflection = ServerReflectionClient::new(channel(&house).await);
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = reflection.server_reflection_info(tokio_stream::iter([list])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(ListServiceResponse { service: services })) = answer else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = services.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&service) && names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
}

#[tokio::test]
async fn an_open_stream_does_not_keep_the_house_from_closing() {
    let house = House::with(IngestLimits { stop_deadline: A_WHILE, ..IngestLimits::default() }).await;
    let mut client = client(&house).await;
    let (_sender, receiver) = tokio::sync::mpsc::channel::<ReadingBatch>(1);
    let call = client.stream(authorized(&house.token, ReceiverStream::new(receiver)));
    let mut verdicts = call.await.unwrap().into_inner();
    house.stop.cancel();
    assert!(timeout(Duration::from_secs(5), house.doors.handle.stopped()).await.unwrap());
    // Not only forgotten: the connection is cut.
    let end = timeout(SOON, verdicts.message()).await.expect("the connection is at its end");
    assert!(end.is_err(), "{end:?}");
}
