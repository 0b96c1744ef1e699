//! Every door behind TLS, met by a real TLS client: who gets in, as whom, and what ends it.

use std::time::Duration;

use painwatch_access::registry::{Kind, RegistryError};
use painwatch_access::tls::{Authority, Door, Security};
use painwatch_access::{GatewayPrincipal, RegistryFile};
use painwatch_ingest::http::{HttpLimits, HttpListener};
use painwatch_ingest::{Refusal, Tally};
use painwatch_proto::ingest::v1::ingest_client::IngestClient;
use painwatch_proto::ingest::v1::{Reading, ReadingBatch};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use crate::support::raw::{BOTH, CONNACK, Connect, DISCONNECT, Raw, Version, confirmed, publish};
use crate::support::secure::{DAY_MS, ONLY_12, ONLY_13, Secure, Wallet, gateway, revoke};
use crate::support::{NOW_MS, SOON, batch_json, eventually};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";

/// A CONNECT that relies on the certificate alone.
fn bare(version: Version, client_id: &str) -> Connect {
    Connect { user: None, password: None, ..Connect::new(version, client_id, "") }
}

fn accepted(answer: Option<crate::support::raw::Packet>) -> bool {
    answer.is_some_and(|packet| packet.head == CONNACK && packet.body[1] == 0)
}

#[tokio::test]
async fn a_certificate_is_credential_enough_over_mqtt_in_both_tls_versions_and_brings_its_tenant() {
    let secure = Secure::open().await;
    let wallet = secure.wallet(&gateway("clinic-b", "gw-1"), DAY_MS);
    let mut nth = 0;
    for versions in [&ONLY_13[..], &ONLY_12] {
        for version in BOTH {
            let stream = secure.mqtt(&Wallet { versions, ..wallet.clone() }).await.unwrap();
            let (mut raw, answer) = Raw::greet(stream, &bare(version, "gw-1")).await;
            assert!(accepted(answer));
            nth += 1;
            raw.send(&publish(version, TOPIC, 1, 7, batch_json(nth).as_bytes())).await;
            assert_eq!(confirmed(&raw.receive().await), (7, 0));
        }
    }
    assert_eq!(secure.house.batches().len(), 4);
    assert!(secure.house.journal.records().iter().all(|record| record.tenant.as_str() == "clinic-b"));
}

#[tokio::test]
async fn a_registered_token_over_tls_brings_its_tenant_and_speaks_for_its_own_gateway_alone() {
    let secure = Secure::open().await;
    let token = secure.token(&gateway("clinic-b", "gw-1"));
    let stream = secure.mqtt(&secure.stranger()).await.unwrap();
    let (mut raw, answer) = Raw::greet(stream, &Connect::new(Version::V5, "gw-1", &token)).await;
    assert!(accepted(answer));
    raw.send(&publish(Version::V5, TOPIC, 1, 1, batch_json(1).as_bytes())).await;
    assert_eq!(confirmed(&raw.receive().await), (1, 0));
    assert_eq!(secure.house.journal.records()[0].tenant.as_str(), "clinic-b");
    let stream = secure.mqtt(&secure.stranger()).await.unwrap();
    let (_, answer) = Raw::greet(stream, &Connect::new(Version::V5, "gw-2", &token)).await;
    assert_eq!(answer.unwrap().body[1], 0x86);
}

/// Names that look like `gw-17`.
const NEAR_MISSES: [&str; 20] = [
    "GW-17",
    "Gw-17",
    "gw-17.",
    "gw-17 ",
    " gw-17",
    "gw-17\0",
    "\0gw-17",
    "gw-17\n",
    "gw-17/",
    "gw-1",
    "gw-170",
    "gw_17",
    "gw\u{2010}17",
    "ｇｗ-17",
    "gw-17\u{200b}",
    "\u{feff}gw-17",
    "gw-l7",
    "gw%2D17",
    "gw-17\u{301}",
    "",
];

#[tokio::test]
async fn nobody_who_is_nearly_the_gateway_gets_in_by_its_certificate() {
    let secure = Secure::open().await;
    let wallet = secure.wallet(&gateway("main", "gw-17"), DAY_MS);
    for near in NEAR_MISSES {
        for user in [None, Some("gw-17"), Some(near)] {
            let connect = Connect { user: user.map(str::to_owned), ..bare(Version::V5, near) };
            let (_, answer) = Raw::greet(secure.mqtt(&wallet).await.unwrap(), &connect).await;
            assert!(!accepted(answer), "client id {near:?}, user {user:?}");
        }
        let (_, answer) = Raw::greet(
            secure.mqtt(&wallet).await.unwrap(),
            &Connect { user: Some(near.to_owned()), ..bare(Version::V5, "gw-17") },
        )
        .await;
        assert!(!accepted(answer), "user {near:?}");
    }
    let connect = bare(Version::V5, "gw-17/uplink");
    let (mut raw, answer) = Raw::greet(secure.mqtt(&wallet).await.unwrap(), &connect).await;
    assert!(accepted(answer), "while the gateway itself does");
    for near in NEAR_MISSES.iter().filter(|near| !near.contains('\0')) {
        let topic = format!("painwatch/v1/{near}/readings/json");
        raw.send(&publish(Version::V5, &topic, 1, 5, batch_json(1).as_bytes())).await;
        assert_eq!(confirmed(&raw.receive().await), (5, 0x87), "{topic:?}");
    }
    assert!(secure.house.batches().is_empty());
}

#[tokio::test]
async fn another_gateways_certificate_is_told_that_it_is_not_authorized() {
    let secure = Secure::open().await;
    let wallet = secure.wallet(&gateway("main", "gw-1"), DAY_MS);
    let (_, answer) = Raw::greet(secure.mqtt(&wallet).await.unwrap(), &bare(Version::V5, "gw-2")).await;
    assert_eq!(answer.unwrap().body[1], 0x87);
    let other = secure.token(&gateway("main", "gw-2"));
    let (_, answer) = Raw::greet(secure.mqtt(&wallet).await.unwrap(), &Connect::new(Version::V5, "gw-2", &other)).await;
    assert_eq!(answer.unwrap().body[1], 0x86, "a token of one and a certificate of another are nobody's");
}

#[tokio::test]
async fn a_wrong_authority_an_ended_certificate_and_plain_bytes_are_turned_away() {
    let secure = Secure::open().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Authority::below(elsewhere.path());
    other.create(&["127.0.0.1".into()], NOW_MS).unwrap();
    let trusts_other = painwatch_access::tls::certificates_in(&other.certificates()).unwrap();
    let mistrusting = Wallet { trusted: trusts_other, ..secure.stranger() };
    assert!(secure.mqtt(&mistrusting).await.is_err(), "the client does not know our authority");

    let forged = {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let id = painwatch_domain::GatewayId::parse("gw-1").unwrap();
        let issued = other.issue(&request, &id, NOW_MS, DAY_MS).unwrap();
        Wallet { certificate: Some((issued.pem, key.serialize_pem())), ..secure.stranger() }
    };
    assert!(!gets_in(&secure, &forged).await, "we do not know its authority");

    let wallet = secure.wallet(&gateway("main", "gw-1"), DAY_MS);
    assert!(gets_in(&secure, &wallet).await);
    secure.house.clock.advance(DAY_MS + 1_000);
    assert!(!gets_in(&secure, &wallet).await, "ended");

    let plain = TcpStream::connect(secure.house.handle.mqtt_addr.unwrap()).await.unwrap();
    let (_, answer) = Raw::greet(plain, &Connect::new(Version::V5, "gw-1", &secure.house.token)).await;
    assert!(!accepted(answer), "plain");
    eventually("the failures are counted", || secure.house.handle.ledger.tally(Tally::HandshakesFailed) >= 3).await;
}

async fn gets_in(secure: &Secure, wallet: &Wallet) -> bool {
    // In TLS 1.3 the client is done before the server has judged its certificate.
    let Ok(stream) = secure.mqtt(wallet).await else { return false };
    accepted(Raw::greet(stream, &bare(Version::V5, "gw-1")).await.1)
}

fn change(secure: &Secure, change: impl FnOnce(&mut painwatch_access::registry::Registry, &GatewayPrincipal)) {
    let file = RegistryFile::of(secure.data());
    file.change::<_, RegistryError>(|registry| {
        change(registry, &gateway("main", "gw-1"));
        Ok(())
    })
    .unwrap();
}

#[tokio::test]
async fn f29_a_revoked_gateway_is_cut_off_in_the_middle_of_its_session_and_does_not_come_back() {
    let secure = Secure::open().await;
    let wallet = secure.wallet(&gateway("main", "gw-1"), DAY_MS);
    let other = secure.wallet(&gateway("main", "gw-2"), DAY_MS);
    let (mut cut, answer) = Raw::greet(secure.mqtt(&wallet).await.unwrap(), &bare(Version::V5, "gw-1")).await;
    assert!(accepted(answer));
    let (mut stays, answer) = Raw::greet(secure.mqtt(&other).await.unwrap(), &bare(Version::V5, "gw-2")).await;
    assert!(accepted(answer));
    revoke(secure.data(), &gateway("main", "gw-1"));
    assert_eq!(secure.house.access.expel(NOW_MS, None), 1);
    let last = cut.until_closed().await;
    assert_eq!((last.len(), last[0].head, last[0].body[0]), (1, DISCONNECT, 0x87));
    assert!(!gets_in(&secure, &wallet).await);
    stays.send(&publish(Version::V5, "painwatch/v1/gw-2/readings/json", 1, 1, batch_json(1).as_bytes())).await;
    assert_eq!(confirmed(&stays.receive().await), (1, 0));
}

#[tokio::test]
async fn f29_a_rotation_with_overlap_loses_nothing() {
    let secure = Secure::open().await;
    let who = gateway("main", "gw-1");
    let (old, hour) = (secure.token(&who), 3_600_000);
    let with = |token: &str, suffix: &str| {
        let client_id = format!("gw-1/{suffix}");
        Connect { client_id, ..Connect::new(Version::V5, "gw-1", token) }
    };
    let (mut first, answer) = Raw::greet(secure.mqtt(&secure.stranger()).await.unwrap(), &with(&old, "a")).await;
    assert!(accepted(answer));
    change(&secure, |registry, who| assert_eq!(registry.expire(who, Kind::Token, NOW_MS, NOW_MS + hour), Ok(1)));
    let new = secure.token(&who);
    let (mut second, answer) = Raw::greet(secure.mqtt(&secure.stranger()).await.unwrap(), &with(&new, "b")).await;
    assert!(accepted(answer), "the new one holds at once");
    for nth in 0..50 {
        let raw = if nth % 2 == 0 { &mut first } else { &mut second };
        raw.send(&publish(Version::V5, TOPIC, 1, 1, batch_json(nth).as_bytes())).await;
        assert_eq!(confirmed(&raw.receive().await), (1, 0));
        assert_eq!(secure.house.access.expel(NOW_MS + hour - 1, None), 0);
    }
    secure.house.clock.advance(hour);
    assert_eq!(secure.house.access.expel(NOW_MS + hour, None), 1);
    assert_eq!(first.until_closed().await[0].body[0], 0x87);
    let (_, answer) = Raw::greet(secure.mqtt(&secure.stranger()).await.unwrap(), &with(&old, "a")).await;
    assert_eq!(answer.unwrap().body[1], 0x86);
    assert_eq!(secure.house.batches().len(), 50);
}

#[tokio::test]
async fn f29_the_authority_is_replaced_under_running_gateways_without_a_gap() {
    let secure = Secure::open().await;
    let who = gateway("main", "gw-1");
    let mut wallet = secure.wallet(&who, DAY_MS);
    assert!(gets_in(&secure, &wallet).await);
    secure.authority.begin_replacing(NOW_MS).unwrap();
    assert!(secure.tls.reload_if_changed().unwrap());
    assert!(gets_in(&secure, &wallet).await, "the old certificate, and the old trust");
    let renewed = secure.wallet(&who, DAY_MS);
    assert!(gets_in(&secure, &renewed).await, "the new certificate");
    wallet.trusted.clone_from(&renewed.trusted);
    secure.authority.end_replacing(&["127.0.0.1".into()], NOW_MS).unwrap();
    assert!(secure.tls.reload_if_changed().unwrap());
    assert!(gets_in(&secure, &renewed).await);
    assert!(!gets_in(&secure, &wallet).await, "the old authority vouches for nobody any more");
}

async fn grpc(secure: &Secure, wallet: &Wallet) -> Result<IngestClient<Channel>, tonic::transport::Error> {
    let (to, wallet) = (secure.house.handle.grpc_addr.unwrap(), wallet.clone());
    let connector = tower::service_fn(move |_| {
        let wallet = wallet.clone();
        async move { wallet.connect(to, &[b"h2"]).await.map(hyper_util::rt::TokioIo::new) }
    });
    Ok(IngestClient::new(Endpoint::from_static("http://painwatch").connect_with_connector(connector).await?))
}

fn batch(gateway: &str) -> ReadingBatch {
    let reading = Reading {
        device: "watch-0001".into(),
        measure: "heart_rate".into(),
        time_ms: Some(NOW_MS - 60_000),
        value: Some(71.0),
        unit: "/min".into(),
        ..Reading::default()
    };
    ReadingBatch { gateway: gateway.into(), readings: vec![reading], ..ReadingBatch::default() }
}

#[tokio::test]
async fn grpc_takes_a_certificate_or_a_token_over_tls_and_nothing_else() {
    let secure = Secure::open().await;
    let wallet = secure.wallet(&gateway("clinic-b", "gw-1"), DAY_MS);
    let mut certified = grpc(&secure, &wallet).await.unwrap();
    certified.submit(batch("")).await.unwrap();
    certified.submit(batch("gw-1")).await.unwrap();
    assert_eq!(certified.submit(batch("gw-2")).await.unwrap_err().code(), Code::PermissionDenied);
    assert!(secure.house.journal.records().iter().all(|record| record.tenant.as_str() == "clinic-b"));
    let mut bare = grpc(&secure, &secure.stranger()).await.unwrap();
    assert_eq!(bare.submit(batch("gw-1")).await.unwrap_err().code(), Code::Unauthenticated);
    let token = secure.token(&gateway("main", "gw-3"));
    let mut request = Request::new(batch("gw-3"));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    bare.submit(request).await.unwrap();
}

#[tokio::test]
async fn f29_a_revoked_gateways_grpc_stream_ends_and_its_next_call_is_refused() {
    let secure = Secure::open().await;
    let wallet = secure.wallet(&gateway("main", "gw-1"), DAY_MS);
    let mut client = grpc(&secure, &wallet).await.unwrap();
    let (batches, wire) = tokio::sync::mpsc::channel(4);
    batches.send(batch("gw-1")).await.unwrap();
    let mut verdicts = client.stream(ReceiverStream::new(wire)).await.unwrap().into_inner();
    assert!(verdicts.message().await.unwrap().is_some());
    revoke(secure.data(), &gateway("main", "gw-1"));
    assert_eq!(secure.house.access.expel(NOW_MS, None), 1);
    let ended = tokio::time::timeout(SOON, verdicts.message()).await.unwrap();
    assert_eq!(ended.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(client.submit(batch("gw-1")).await.unwrap_err().code(), Code::Unauthenticated);
    eventually("the lease is given back", || secure.house.access.leases() == 0).await;
}

#[tokio::test]
async fn http_takes_a_certificate_or_a_token_over_tls_and_nothing_else() {
    let secure = Secure::open().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let security = Security { tls: Some(secure.tls.clone()), ..Security::default() };
    let listener = HttpListener::new(listener, security.gate(Door::Http));
    let router = secure.house.handle.http_router.clone();
    tokio::spawn(listener.serve(router, HttpLimits::default(), secure.house.stop.clone()));
    let wallet = secure.wallet(&gateway("main", "gw-1"), DAY_MS);
    let token = secure.token(&gateway("main", "gw-3"));
    let bearer = format!("authorization: Bearer {token}\r\n");
    for (wallet, headers, expected) in [
        (&wallet, "", "200"),
        (&wallet, "x-painwatch-gateway: gw-1\r\n", "200"),
        (&wallet, "x-painwatch-gateway: gw-2\r\n", "403"),
        (&wallet, &bearer, "401"),
        (&secure.stranger(), &bearer, "200"),
        (&secure.stranger(), "", "401"),
    ] {
        let mut stream = wallet.connect(to, &[b"http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let body = batch_json(1);
        let head =
            "POST /api/v1/readings HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
        let request = format!("{head}{headers}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(&String::from_utf8_lossy(&answer)[9..12], expected, "{headers:?}");
    }
    assert!(secure.house.handle.ledger.refused(Refusal::Authentication) >= 2);
}

#[tokio::test]
async fn f13_a_peer_that_never_finishes_its_handshake_holds_up_nobody() {
    let secure = Secure::open().await;
    let to = secure.house.handle.grpc_addr.unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(to).await.unwrap());
    }
    let wallet = secure.wallet(&gateway("main", "gw-1"), DAY_MS);
    let mut client = tokio::time::timeout(Duration::from_secs(5), grpc(&secure, &wallet)).await.unwrap().unwrap();
    client.submit(batch("gw-1")).await.unwrap();
}
