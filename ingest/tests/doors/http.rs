//! `POST /api/v1/readings`, spoken by hand.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use painwatch_access::tls::{Door, Security};
use painwatch_domain::roster::{Pairing, Patient};
use painwatch_domain::time::HOUR_MS;
use painwatch_domain::{DeviceId, EventTime, PatientId, Roster, Zone};
use painwatch_ingest::http::{HttpLimits, HttpListener};
use painwatch_ingest::{IngestLimits, Outcome, Refusal};
use painwatch_ingest_core::{Format, Protocol};
use painwatch_proto::journal::v1::DeviceReadings;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::journal::Mode;
use crate::support::secure::{gateway, register_token, revoke};
use crate::support::{A_WHILE, House, NOW_MS, SOON, batch_json, eventually};

type Headers<'a> = &'a [(&'a str, &'a str)];

struct Answer {
    status: u16,
    head: String,
    body: serde_json::Value,
}

async fn open(house: &House) -> SocketAddr {
    open_with(house, HttpLimits::default()).await
}

async fn open_with(house: &House, limits: HttpLimits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = HttpListener::new(listener, Security::default().gate(Door::Http));
    tokio::spawn(listener.serve(house.handle.http_router.clone(), limits, house.stop.clone()));
    address
}

async fn post(address: SocketAddr, headers: Headers<'_>, body: &[u8]) -> Answer {
    ask(address, "POST /api/v1/readings", headers, body).await
}

async fn ask(address: SocketAddr, what: &str, headers: Headers<'_>, body: &[u8]) -> Answer {
    let mut request = format!("{what} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    // A server that refuses a large body need not read it.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: serde_json::from_str(body).unwrap(),
    }
}

#[tokio::test]
async fn semantics_7_a_stamp_without_an_offset_is_read_in_the_zone_of_who_wore_the_device_then() {
    let (house, who) = (House::open().await, gateway("main", "gw-1"));
    let patients = [("p-1", "Europe/Paris"), ("p-2", "Asia/Tokyo")].map(|(id, zone)| {
        let (id, zone) = (PatientId::parse(id).unwrap(), Zone::parse(zone).unwrap());
        (id.clone(), Patient::new(id, zone))
    });
    let changed_hands = EventTime(NOW_MS - HOUR_MS);
    let pairings = [(0, EventTime::MIN, Some(changed_hands)), (1, changed_hands, None)].map(|(nth, from, until)| {
        let (device, patient) = (DeviceId::parse("cuff-1").unwrap(), patients[nth].0.clone());
        Pairing { device, patient, from, until }
    });
    house.declare(Roster { patients: patients.into(), pairings: pairings.to_vec().into(), ..Roster::default() });
    let mood = r#"{"device": "cuff-1", "measure": "mood", "value": 1, "time": "2026-03-01T09:00:00"}"#;
    house.handle.admission().submit_bytes(&who, Protocol::Http, mood.as_bytes(), Format::Json).await;
    let readings = DeviceReadings::decode(&house.batches()[0].sections[0].readings[..]).unwrap();
    assert_eq!(readings.series[0].device_time_ms, [1_772_352_000_000], "08:00 in UTC");
}

#[tokio::test]
async fn semantics_1_what_is_refused_twice_in_one_millisecond_is_two_items_in_quarantine() {
    let (house, who) = (House::open().await, gateway("main", "gw-1"));
    for _ in 0..2 {
        let outcome = house.handle.admission().submit_bytes(&who, Protocol::Http, b"{", Format::Json).await;
        assert!(matches!(outcome, Outcome::Durable(accepted) if accepted.quarantined == 1));
    }
    let batches = house.batches();
    assert_eq!(batches[0].received_at_ms, batches[1].received_at_ms, "the clock stands still");
    assert_ne!(batches[0].quarantined[0].id, batches[1].quarantined[0].id);
}

#[tokio::test]
async fn a_posted_batch_is_durable_and_answered_with_its_verdict() {
    let house = House::with(IngestLimits::default()).await;
    let _intake = house.judge_everything();
    let address = open(&house).await;
    let bearer = format!("Bearer {}", house.token);
    let basic = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("gw-2:{}", house.token)));
    let ways: [(Headers, &str); 3] = [
        (&[("authorization", &bearer)], "http"),
        (&[("authorization", &bearer), ("x-painwatch-gateway", "gw-1")], "gw-1"),
        (&[("authorization", &basic), ("content-type", "application/json; charset=utf-8")], "gw-2"),
    ];
    for (nth, (headers, gateway)) in ways.into_iter().enumerate() {
        let answer = post(address, headers, batch_json(nth).as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!((&answer.body["batch_id"], &answer.body["final"]), (&format!("b/{nth}").into(), &true.into()));
        assert_eq!((&answer.body["stored"], &answer.body["problems"]), (&1.into(), &serde_json::json!([])));
        let batch = house.batches().pop().unwrap();
        assert_eq!((batch.gateway.as_str(), batch.protocol.as_str()), (gateway, "http"));
    }
}

#[tokio::test]
async fn every_format_comes_in_by_its_name_and_fhir_by_its_content_type() {
    let house = House::with(IngestLimits::default()).await;
    let _intake = house.judge_everything();
    let address = open(&house).await;
    let bearer = format!("Bearer {}", house.token);
    let gatt = r#"{"device": "d-1", "characteristic": "2a19", "received_at": "2026-03-01T11:00:00Z", "hex": "29"}"#;
    let observation = r#"{"resourceType": "Observation", "status": "final", "effectiveDateTime": "2026-03-01T11:00:00Z",
        "device": {"reference": "Device/d-1"}, "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "valueQuantity": {"value": 71, "system": "http://unitsofmeasure.org", "code": "/min"}}"#;
    let point = r#"{"header": {"uuid": "u-1", "schema_id": "omh:heart-rate:2.0", "device": "d-1"}, "body": {
        "heart_rate": {"value": 71, "unit": "beats/min"}, "effective_time_frame": {"date_time": "2026-03-01T11:00:01Z"}}}"#;
    for (query, content_type, body) in [
        ("?format=gatt", "application/json", gatt),
        ("?pretty&format=fhir", "application/json", observation),
        ("", "application/fhir+json", observation),
        ("?format=omh", "text/plain", point),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        let answer = ask(address, &format!("POST /api/v1/readings{query}"), &headers, body.as_bytes()).await;
        assert_eq!((answer.status, &answer.body["stored"]), (200, &1.into()), "{query}: {}", answer.body);
    }
    let headers = [("authorization", bearer.as_str())];
    let answer = ask(address, "POST /api/v1/readings?format=hl7v2", &headers, b"MSH").await;
    assert_eq!(answer.status, 415);
    assert!(answer.body["detail"].as_str().unwrap().contains("omh"), "{}", answer.body);
}

#[tokio::test]
async fn schemas_are_handed_out_to_everybody_and_name_every_format() {
    let house = House::open().await;
    let address = open(&house).await;
    let list = ask(address, "GET /api/v1/schemas", &[], b"").await;
    assert_eq!((list.status, list.body.as_array().map(Vec::len)), (200, Some(3)));
    let schema = ask(address, "GET /api/v1/schemas/batch.schema.json", &[], b"").await;
    assert!(schema.head.contains("application/schema+json") && schema.body["$defs"]["reading"].is_object());
    let topics = ask(address, "GET /api/v1/schemas/asyncapi.json", &[], b"").await.body;
    for format in painwatch_ingest_core::Format::ALL.map(painwatch_ingest_core::Format::as_str) {
        let topic = format!("painwatch/v1/{{gateway}}/readings/{format}");
        assert_eq!(topics["channels"][format!("readings_{format}")]["address"], topic);
    }
    assert_eq!(ask(address, "GET /api/v1/schemas/nothing", &[], b"").await.status, 404);
}

#[tokio::test]
async fn a_late_verdict_is_not_final_and_what_cannot_be_read_is_in_quarantine() {
    let house = House::open().await;
    let address = open(&house).await;
    let bearer = format!("Bearer {}", house.token);
    let answer = post(address, &[("authorization", &bearer)], b"{oops").await;
    assert_eq!((answer.status, &answer.body["final"], &answer.body["quarantined"]), (200, &false.into(), &1.into()));
    assert_eq!(answer.body["problems"][0]["code"], "decode_failed");
}

#[tokio::test]
async fn refusals_are_problem_json() {
    let house = House::open().await;
    let address = open(&house).await;
    let bearer = format!("Bearer {}", house.token);
    let json = batch_json(0);
    let large = vec![b' '; (1 << 20) + 1];
    let cases: [(Headers, &[u8], u16); 7] = [
        (&[], json.as_bytes(), 401),
        (&[("authorization", "Bearer nonsense")], json.as_bytes(), 401),
        (&[("authorization", "Basic !!!")], json.as_bytes(), 401),
        (&[("authorization", &bearer), ("x-forwarded-for", "10.0.0.9")], json.as_bytes(), 401),
        (&[("authorization", &bearer), ("x-painwatch-gateway", "gw/1")], json.as_bytes(), 403),
        (&[("authorization", &bearer), ("content-type", "text/csv")], json.as_bytes(), 415),
        (&[("authorization", &bearer)], &large, 413),
    ];
    for (headers, body, status) in cases {
        let answer = post(address, headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(answer.head.contains("application/problem+json"));
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.head.contains("www-authenticate"), status == 401);
    }
    let wrong = ask(address, "DELETE /api/v1/readings", &[], b"").await;
    assert_eq!((wrong.status, &wrong.body["status"]), (405, &405.into()));
    assert!(wrong.head.contains("application/problem+json") && wrong.head.contains("allow: post"), "{}", wrong.head);
    assert!(house.journal.records().is_empty());
    assert_eq!(house.handle.ledger.refused(Refusal::Authentication), 4);
}

#[tokio::test]
async fn what_is_not_durable_is_503_with_a_time_to_come_back() {
    let house = House::open().await;
    let address = open(&house).await;
    let bearer = format!("Bearer {}", house.token);
    for mode in [Mode::Full, Mode::UnknownButWritten] {
        house.journal.set(mode);
        let answer = post(address, &[("authorization", &bearer)], batch_json(0).as_bytes()).await;
        assert_eq!(answer.status, 503);
        assert!(answer.head.contains("retry-after: 5"), "{}", answer.head);
    }
}

#[tokio::test]
async fn a_verdict_is_told_again_over_http_to_the_gateway_it_was_given_to() {
    let house = House::with(IngestLimits::default()).await;
    let _intake = house.judge_everything();
    let address = open(&house).await;
    let bearer = format!("Bearer {}", house.token);
    let mine = [("authorization", bearer.as_str()), ("x-painwatch-gateway", "gw-1")];
    let named = batch_json(1).replace("b/1", "gw-1/42");
    let told = post(address, &mine, named.as_bytes()).await.body;
    let again = ask(address, "GET /api/v1/verdicts/gw-1/42", &mine, b"").await;
    assert_eq!((again.status, &again.body["final"]), (200, &true.into()));
    assert_eq!((&again.body["batch_id"], &again.body["stored"]), (&told["batch_id"], &told["stored"]));
    let other = [("authorization", bearer.as_str()), ("x-painwatch-gateway", "gw-2")];
    for (headers, path, status) in [
        (&mine[..], "gw-1/43", 404),
        (&other[..], "gw-1/42", 404),
        (&[][..], "gw-1/42", 401),
        (&[("authorization", "Bearer nonsense")][..], "gw-1/42", 401),
    ] {
        let answer = ask(address, &format!("GET /api/v1/verdicts/{path}"), headers, b"").await;
        assert_eq!(answer.status, status, "{path} {headers:?}: {}", answer.body);
    }
}

/// Sends a byte a moment until the peer closes; what it said, and how long it had patience.
async fn trickle(address: SocketAddr, begin: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    let begun = tokio::time::Instant::now();
    let (mut reader, mut writer) = stream.split();
    let mut said = Vec::new();
    let dripping = async {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(A_WHILE / 10).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = reader.read_to_end(&mut said) => {}
        () = dripping => {}
        () = tokio::time::sleep(A_WHILE * 20) => panic!("it still has patience"),
    }
    (String::from_utf8(said).unwrap(), begun.elapsed())
}

#[tokio::test]
async fn f13_a_request_that_comes_a_byte_a_moment_is_given_up_at_its_deadline() {
    let house = House::open().await;
    let head = HttpLimits { head_deadline: A_WHILE, ..HttpLimits::default() };
    let body = HttpLimits { body_deadline: A_WHILE, ..HttpLimits::default() };
    let post = format!(
        "POST /api/v1/readings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 4000\r\n\r\n",
        house.token
    );
    for (limits, begin, answer) in [
        (head, "POST /api/v1/readings HTTP/1.1\r\nhost: ", ""),
        (head, "", ""),
        (body, post.as_str(), "the body broke off, or took too long"),
    ] {
        let address = open_with(&house, limits).await;
        let (said, patience) = trickle(address, begin).await;
        assert!(patience >= A_WHILE, "{begin}: {patience:?}");
        assert!(said.contains(answer) && (said.is_empty() == answer.is_empty() || said.contains("408")), "{said}");
        // It was about that peer alone.
        assert_eq!(ask(address, "GET /api/v1/schemas", &[], b"").await.status, 200);
    }
    assert_eq!(house.handle.ledger.refused(Refusal::Malformed), 1);
    assert!(house.journal.records().is_empty());
}

#[tokio::test]
async fn http_connections_beyond_those_of_a_second_wait_for_their_turn() {
    let house = House::open().await;
    let connects_per_s = 2.try_into().unwrap();
    let address = open_with(&house, HttpLimits { connects_per_s, ..HttpLimits::default() }).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..4 {
        assert_eq!(ask(address, "GET /api/v1/schemas", &[], b"").await.status, 200);
    }
    assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn http_connections_beyond_the_limit_are_closed_and_one_that_ends_makes_room() {
    let house = House::open().await;
    let address = open_with(&house, HttpLimits { connections: 2, ..HttpLimits::default() }).await;
    let get = b"GET /api/v1/schemas HTTP/1.1\r\nhost: x\r\n\r\n";
    let enter = || async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut begin = [0; 12];
        // One that is not let in is closed before or while it speaks.
        let answered = stream.write_all(get).await.is_ok() && stream.read_exact(&mut begin).await.is_ok();
        answered.then_some(stream)
    };
    let (first, second) = (enter().await, enter().await);
    assert!(first.is_some() && second.is_some() && enter().await.is_none());
    drop(first);
    let mut third = None;
    for _ in 0..100 {
        third = enter().await;
        if third.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(third.is_some() && second.is_some());
}

#[tokio::test]
async fn s44_the_body_of_whoever_is_not_known_is_not_read() {
    let house = House::open().await;
    let address = open(&house).await;
    for header in ["", "authorization: Bearer nonsense\r\n"] {
        let mut strangers = Vec::new();
        for _ in 0..64 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = format!("POST /api/v1/readings HTTP/1.1\r\nhost: x\r\n{header}content-length: 1048575\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            strangers.push(stream);
        }
        for mut stream in strangers {
            let mut answer = String::new();
            let answered = timeout(SOON, stream.read_to_string(&mut answer)).await;
            answered.expect("an answer, and then the end, whatever is still to come").unwrap();
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        }
    }
    assert_eq!(house.handle.ledger.refused(Refusal::Authentication), 128);
}

#[tokio::test]
async fn s44_the_head_of_a_request_has_16_kib_at_most() {
    let house = House::open().await;
    let address = open(&house).await;
    for (bytes, fits) in [(16_000, true), (40_000, false)] {
        let filler = "x".repeat(bytes);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET /api/v1/schemas HTTP/1.1\r\nhost: x\r\nfiller: {filler}\r\n\r\n");
        // It need not be read to its end.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut begin = [0; 12];
        let answered = timeout(SOON, stream.read_exact(&mut begin)).await.unwrap().is_ok();
        assert_eq!(answered && &begin == b"HTTP/1.1 200", fits, "{bytes}: {}", String::from_utf8_lossy(&begin));
    }
}

/// A request whose body is still to come.
async fn announce(house: &House, address: SocketAddr, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let token = &house.token;
    let head = format!(
        "POST /api/v1/readings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn bodies_on_their_way_in_have_so_many_bytes_altogether() {
    let limits =
        IngestLimits { budget_bytes: 1_000, max_message_bytes: 1_000, verdict_timeout: A_WHILE, ..Default::default() };
    let house = House::with(limits).await;
    let address = open(&house).await;
    let slow = announce(&house, address, 600).await;
    eventually("its body is waited for", || house.access.leases() == 1).await;
    let mut begin = [0; 12];
    let mut beyond = announce(&house, address, 401).await;
    timeout(SOON, beyond.read_exact(&mut begin)).await.unwrap().unwrap();
    assert_eq!(&begin, b"HTTP/1.1 503");
    let body = format!("{:400}", batch_json(1));
    let mut within = announce(&house, address, body.len()).await;
    within.write_all(body.as_bytes()).await.unwrap();
    timeout(SOON, within.read_exact(&mut begin)).await.unwrap().unwrap();
    assert_eq!((body.len(), &begin), (400, b"HTTP/1.1 200"));
    drop(slow);
}

#[tokio::test]
async fn f29_a_request_that_began_before_its_credential_was_revoked_submits_nothing_after() {
    let house = House::open().await;
    let address = open(&house).await;
    let (data, who) = (house.data.path(), gateway("main", "gw-1"));
    let (token, body) = (register_token(data, &who), batch_json(1));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v1/readings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    eventually("the request holds a lease", || house.access.leases() == 1).await;
    revoke(data, &who);
    assert_eq!(house.access.expel(NOW_MS, None), 1);
    let _ = stream.write_all(body.as_bytes()).await;
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 401");
    assert!(house.journal.records().is_empty());
}
