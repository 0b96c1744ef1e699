//! Tenants, gateways, devices and verbs, every one with every other: nobody writes or reads across.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::SinkExt as _;
use painwatch_access::{Access, GatewayCredential, GatewayPrincipal, Peer};
use painwatch_domain::roster::Device;
use painwatch_domain::{DeviceId, GatewayId, Roster, SequenceRanges, TenantId};
use painwatch_ingest::{IngestLimits, Outcome};
use painwatch_ingest_core::{Format, Protocol, Refused};
use painwatch_journal::Class;
use painwatch_proto::ingest::v1::get_verdict_request::By;
use painwatch_proto::ingest::v1::{GapsRequest, GetVerdictRequest, ReadingBatch};
use painwatch_store::{Rows, SequenceRow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tonic::{Code, Request};

use crate::grpc::{authorized, batch, client};
use crate::support::raw::{CONNACK, Connect, Raw, SUBACK, Version, confirmed, publish, subscribe};
use crate::support::secure::{gateway, register_token};
use crate::support::{House, NOW_MS, batch_json, batch_json_of};
use crate::websocket;

const TENANTS: usize = 5;
const GATEWAYS: usize = 10;
const DEVICES: usize = 20;

/// Every gateway there is, with its token. The same ten ids in each tenant.
fn everybody(house: &House) -> Vec<(GatewayPrincipal, String)> {
    let tenants = ["main", "clinic-1", "clinic-2", "clinic-3", "clinic-4"];
    assert_eq!(tenants.len(), TENANTS);
    let all =
        tenants.into_iter().flat_map(|tenant| (0..GATEWAYS).map(move |nth| gateway(tenant, &format!("gw-{nth}"))));
    all.map(|who| (who.clone(), register_token(house.data.path(), &who))).collect()
}

fn credential(access: &Access, token: &str) -> GatewayCredential {
    access.gateway(&Peer::plain("192.0.2.7:1".parse().unwrap()), Some(token), NOW_MS).unwrap()
}

/// Whose device `nth` is, in the clinics that say so: any gateway may speak for the last two of it.
fn owner(tenant: &TenantId, nth: usize) -> Option<String> {
    let shift = match tenant.as_str() {
        "main" => 0,
        "clinic-1" => 1,
        _ => return None,
    };
    (nth < DEVICES - 2).then(|| format!("gw-{}", (nth + shift) % GATEWAYS))
}

fn roster(tenant: &TenantId) -> Roster {
    let device = |nth: usize| Device {
        id: DeviceId::parse(&format!("watch-{nth}")).unwrap(),
        kind: String::new(),
        serial: None,
        streams: Vec::new(),
        gateways: owner(tenant, nth).iter().map(|own| GatewayId::parse(own).unwrap()).collect(),
        source_priority: 0,
    };
    let devices = (0..DEVICES).map(device).map(|device| (device.id.clone(), device)).collect();
    Roster { tenant: tenant.clone(), devices, ..Roster::default() }
}

#[tokio::test]
async fn a_token_speaks_for_its_own_gateway_of_its_own_tenant_and_for_no_other() {
    let house = House::open().await;
    let everybody = everybody(&house);
    for (own, token) in &everybody {
        let credential = credential(&house.access, token);
        for (other, _) in &everybody {
            let speaks = credential.speaking_for(other.gateway.as_str());
            // The id decides whether it may speak, the credential for which tenant it does.
            assert_eq!(speaks, (own.gateway == other.gateway).then(|| own.clone()), "{own:?} as {other:?}");
        }
    }
}

#[tokio::test]
async fn whatever_a_gateway_sends_for_whichever_device_lands_in_its_own_tenant_or_nowhere() {
    let house = House::with(IngestLimits::default()).await;
    let declaring = ["main", "clinic-1"].map(|tenant| Arc::new(roster(&TenantId::parse(tenant).unwrap())));
    house.rosters.send_replace(Arc::new(declaring.into_iter().collect()));
    let everybody = everybody(&house);
    let admission = house.handle.admission();
    let (mut taken, mut refused) = (0, 0);
    for (who, _) in &everybody {
        for nth in 0..DEVICES {
            let batch = batch_json_of(&format!("watch-{nth}"), 1);
            let outcome = admission.submit_bytes(who, Protocol::Mqtt, batch.as_bytes(), Format::Json).await;
            // A device of another clinic with the same id is another device.
            let expected = owner(&who.tenant, nth).is_none_or(|own| who.gateway.as_str() == own);
            match outcome {
                Outcome::Durable(_) => taken += usize::from(expected),
                Outcome::Refused(Refused::NotYourDevice { .. }) => refused += usize::from(!expected),
                other => panic!("{other:?}"),
            }
            if expected {
                let records = house.journal.records();
                assert_eq!(records.last().unwrap().tenant, who.tenant, "{who:?} watch-{nth}");
            }
        }
    }
    assert_eq!(taken + refused, TENANTS * GATEWAYS * DEVICES);
    assert_eq!(house.journal.records().len(), taken);
    assert_eq!(refused, 2 * (GATEWAYS - 1) * (DEVICES - 2), "each owned device, by everybody else of two clinics");
}

/// Every verb over the wire, by one gateway in each tenant, at each gateway's topics.
#[tokio::test]
async fn over_the_wire_a_gateway_writes_and_reads_under_its_own_name_only() {
    let house = House::open().await;
    let everybody = everybody(&house);
    for (who, token) in everybody.iter().step_by(GATEWAYS + 1) {
        let own = who.gateway.as_str();
        for other in (0..GATEWAYS).map(|nth| format!("gw-{nth}")) {
            let mine = other == own;
            let connect = Connect { user: Some(own.to_owned()), ..Connect::new(Version::V5, &other, token) };
            let (_, connack) = Raw::connect_with(&house.doors, &connect).await;
            assert_eq!((connack.head, connack.body[1] == 0), (CONNACK, mine), "{who:?} as {other}");
            let (mut raw, connack) = Raw::connect_with(&house.doors, &Connect::new(Version::V5, own, token)).await;
            assert_eq!(connack.body[1], 0);
            let before = house.journal.records().len();
            let payload = batch_json_of("watch-0", 1);
            for (packet_id, (topic, payload)) in (1..).zip([
                ("readings/json", payload.as_str()),
                ("readings/protobuf", ""),
                ("status", r#"{"online": true}"#),
            ]) {
                let topic = format!("painwatch/v1/{other}/{topic}");
                raw.send(&publish(Version::V5, &topic, 1, packet_id, payload.as_bytes())).await;
                let (_, code) = confirmed(&raw.receive().await);
                assert_eq!(code == 0x87, !mine, "{who:?} at {topic}");
            }
            raw.send(&subscribe(Version::V5, 9, &[(&format!("painwatch/v1/{other}/verdicts"), 1)])).await;
            let suback = raw.receive().await;
            assert_eq!((suback.head, *suback.body.last().unwrap() >= 0x80), (SUBACK, !mine), "{who:?} reads {other}");
            let records = house.journal.records();
            assert_eq!(records.len() > before, mine);
            assert!(records[before..].iter().all(|record| record.tenant == who.tenant));
        }
    }
}

/// The same over gRPC: submitting, streaming, asking for verdicts and for gaps.
#[tokio::test]
async fn over_grpc_a_gateway_writes_and_reads_under_its_own_name_only() {
    let house = House::open().await;
    let everybody = everybody(&house);
    let _intake = house.judge_everything();
    for (who, token) in everybody.iter().step_by(GATEWAYS + 1) {
        let mut client = client(&house).await;
        let own = who.gateway.as_str();
        for other in (0..GATEWAYS).map(|nth| format!("gw-{nth}")) {
            let mine = other == own;
            let before = house.journal.records().len();
            let named = ReadingBatch { gateway: other.clone(), ..batch(1) };
            let code = |told: Result<_, tonic::Status>| told.map_or_else(|status| status.code(), |()| Code::Ok);
            let submitted = client.submit(authorized(token, named.clone())).await.map(drop);
            let stream = client.stream(authorized(token, tokio_stream::iter([named]))).await;
            let streamed = match stream {
                Ok(verdicts) => verdicts.into_inner().message().await.map(drop),
                Err(status) => Err(status),
            };
            let by = Some(By::BatchId("b/1".to_owned()));
            let verdict = client.get_verdict(authorized(token, GetVerdictRequest { gateway: other.clone(), by })).await;
            house.catch_up();
            let gaps = GapsRequest { gateway: other.clone(), ..GapsRequest::default() };
            let gaps = client.gaps(authorized(token, gaps)).await.map(drop);
            for (verb, told) in [("submit", submitted), ("stream", streamed), ("gaps", gaps)] {
                let expected = if mine { Code::Ok } else { Code::PermissionDenied };
                assert_eq!(code(told), expected, "{verb} by {who:?} as {other}");
            }
            let told = verdict.map(drop).map_err(|status| status.code());
            assert_eq!(told, if mine { Ok(()) } else { Err(Code::PermissionDenied) }, "verdict of {other} by {who:?}");
            let records = house.journal.records();
            let batches = records[before..].iter().filter(|record| record.class == Class::Batch);
            assert!(batches.clone().count() == if mine { 2 } else { 0 }, "{who:?} as {other}");
            assert!(batches.into_iter().all(|record| record.tenant == who.tenant));
        }
    }
}

/// What HTTP answers: the status and what comes with it.
async fn ask(address: SocketAddr, what: &str, token: &str, gateway: &str, body: &str) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{what} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\nx-painwatch-gateway: {gateway}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// A stream of nothing that asks for the verdicts after a batch.
fn resume(token: &str, gateway: &str, after: &str) -> Request<tokio_stream::Empty<ReadingBatch>> {
    let mut request = authorized(token, tokio_stream::empty());
    for (name, value) in [("painwatch-gateway", gateway), ("painwatch-resume-after", after)] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    request
}

/// Whether a publish on a gateway's topic is taken.
async fn taken_over_websocket(address: SocketAddr, own: &str, token: &str, other: &str) -> bool {
    let mut socket = websocket::open(address, Some("mqtt")).await.unwrap();
    let topic = format!("painwatch/v1/{other}/readings/json");
    let said = [
        Connect::new(Version::V5, own, token).bytes(),
        publish(Version::V5, &topic, 1, 1, batch_json(2).as_bytes()),
        publish(Version::V5, "painwatch/v1/nobody/status", 1, 2, b"{}"),
    ];
    socket.send(Message::Binary(said.concat().into())).await.unwrap();
    // The second is refused in any case, and answered after the first.
    let said = websocket::until(&mut socket, &[0, 2, 0x87]).await;
    let taken = said.windows(4).any(|said| said == [0x40, 2, 0, 1]);
    assert_ne!(taken, said.windows(3).any(|said| said == [0, 1, 0x87]), "{said:x?}");
    taken
}

/// The same over HTTP and over WebSocket, and where a stream is resumed.
#[tokio::test]
async fn over_http_and_websocket_a_gateway_writes_and_reads_under_its_own_name_only() {
    let house = House::open().await;
    let everybody = everybody(&house);
    let _intake = house.judge_everything();
    let address = websocket::serve(&house).await;
    for (who, token) in everybody.iter().step_by(GATEWAYS + 1) {
        let (mut client, own) = (client(&house).await, who.gateway.as_str());
        ask(address, "POST /api/v1/readings", token, own, &batch_json(1)).await;
        for other in (0..GATEWAYS).map(|nth| format!("gw-{nth}")) {
            let mine = other == own;
            let before = house.journal.records().len();
            let status = if mine { 200 } else { 403 };
            for (what, body) in [("POST /api/v1/readings", &*batch_json(1)), ("GET /api/v1/verdicts/b/1", "")] {
                assert_eq!(ask(address, what, token, &other, body).await.0, status, "{what} by {who:?} as {other}");
            }
            let resumed = client.stream(resume(token, &other, "b/1")).await;
            let expected = if mine { Code::Ok } else { Code::PermissionDenied };
            assert_eq!(resumed.map_or_else(|status| status.code(), |_| Code::Ok), expected, "{who:?} as {other}");
            assert_eq!(taken_over_websocket(address, own, token, &other).await, mine, "{who:?} as {other}");
            let mut stranger = websocket::open(address, Some("mqtt")).await.unwrap();
            let claimed = Connect::new(Version::V5, &other, token).bytes();
            stranger.send(Message::Binary(claimed.into())).await.unwrap();
            let connack = websocket::receive(&mut stranger, 4).await;
            assert_eq!((connack[0], connack[3] == 0), (CONNACK, mine), "{who:?} as {other}");
            let records = house.journal.records();
            let batches = || records[before..].iter().filter(|record| record.class == Class::Batch);
            assert_eq!(batches().count(), if mine { 2 } else { 0 }, "{who:?} as {other}");
            assert!(batches().all(|record| record.tenant == who.tenant));
        }
    }
}

/// A device whose numbers have a gap that tells whose it is.
fn sequence(tenant: &TenantId, missing: usize) -> SequenceRow {
    SequenceRow {
        tenant: tenant.clone(),
        device: DeviceId::parse("watch-0001").unwrap(),
        boot_id: 1,
        gateway: GatewayId::parse("gw-0").unwrap(),
        first_seq: 1,
        last_seq: 40,
        missing: SequenceRanges::parse(&missing.to_string()).unwrap(),
        told_from: 0,
    }
}

#[tokio::test]
async fn what_has_the_same_names_in_another_tenant_is_told_to_nobody_by_any_verb() {
    let house = House::open().await;
    let everybody = everybody(&house);
    let namesakes: Vec<_> = everybody.iter().step_by(GATEWAYS).collect();
    let intake = house.judge_everything();
    let (address, mut client) = (websocket::serve(&house).await, client(&house).await);
    let mut told = Vec::new();
    // Gateway, device and names of batches are the same; how many readings a batch has says whose it is.
    for (nth, (_, token)) in namesakes.iter().enumerate() {
        for name in ["b/1", "b/2"] {
            let readings = (0..=nth).flat_map(|second| batch(second as i64).readings).collect();
            let named =
                ReadingBatch { gateway: "gw-0".into(), batch_id: name.into(), readings, ..ReadingBatch::default() };
            told.push(client.submit(authorized(token, named)).await.unwrap().into_inner());
        }
    }
    intake.abort();
    let sequences = namesakes.iter().enumerate().map(|(nth, (who, _))| sequence(&who.tenant, 2 + nth)).collect();
    house.write(Rows { sequences, ..Rows::default() }).await;
    house.catch_up();
    for (nth, (who, token)) in namesakes.iter().enumerate() {
        let (own, readings) = (&told[2 * nth..2 * nth + 2], nth as u64 + 1);
        assert!(own.iter().all(|verdict| verdict.stored == readings));
        let asked = |by| authorized(token, GetVerdictRequest { gateway: "gw-0".into(), by: Some(by) });
        let again = client.get_verdict(asked(By::BatchId("b/1".into()))).await.unwrap().into_inner();
        assert_eq!(again, own[0], "{who:?}");
        for verdict in &told {
            let found = client.get_verdict(asked(By::Offset(verdict.offset))).await;
            let expected = if own.contains(verdict) { Ok(verdict.clone()) } else { Err(Code::NotFound) };
            assert_eq!(found.map(tonic::Response::into_inner).map_err(|status| status.code()), expected, "{who:?}");
        }
        let (status, verdict) = ask(address, "GET /api/v1/verdicts/b/1", token, "gw-0", "").await;
        assert_eq!((status, &verdict["stored"]), (200, &readings.into()), "{who:?}");
        let mut resumed = client.stream(resume(token, "gw-0", "b/1")).await.unwrap().into_inner();
        assert_eq!(resumed.message().await.unwrap().as_ref(), Some(&own[1]), "{who:?}");
        assert_eq!(resumed.message().await.unwrap(), None, "{who:?}");
        for devices in [vec!["watch-0001".to_owned()], Vec::new()] {
            let gaps = GapsRequest { gateway: "gw-0".into(), devices, ..GapsRequest::default() };
            let told = client.gaps(authorized(token, gaps)).await.unwrap().into_inner();
            let missing: Vec<_> = told.boots.iter().flat_map(|boot| &boot.missing).map(|gap| gap.first).collect();
            assert_eq!(missing, [2 + nth as u64], "{who:?}");
        }
    }
}
