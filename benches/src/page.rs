//! Question: how long from a reading that calls for an alert to the first attempt to tell somebody?
//!
//! Budget: p99 of 2 s (promise P4). A reading passes two synced appends (batch, finding) and one store commit before the
//! webhook leaves: some milliseconds each.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::routing::post;
use painwatch_domain::roster::{Contact, Device, Pairing, Patient};
use painwatch_domain::time::format_utc;
use painwatch_domain::{DeviceId, EventTime, PatientId, Priority, Roster, TenantId, Zone};
use painwatch_gateway::client::{ClientOptions, MqttClient};
use painwatch_gateway::outgoing::Payload;
use painwatch_proto::ingest::v1::{Reading, ReadingBatch};
use painwatch_proto::journal::v1::{RosterApplied, RuleAccepted, control::Action};

use crate::system::{self, System};

/// Patients, each of whom has one episode.
const PATIENTS: usize = 200;
const RULE: &str = r#"
[[rule]]
id = "weight-above"
title = "Bench"
domain = "safety"
signal = "body_weight"
condition = { above = 100 }
priority = "high"
action = "None. Not for emergencies."
source = "bench"
accepted_by = "bench"
"#;

/// A clinic of [`PATIENTS`] patients with a scale each; the text is the address of the receiver.
///
/// # Errors
/// Never in practice: the ids are well formed.
pub fn roster(receiver: &str, tenant: &TenantId) -> Result<Roster> {
    let mut roster = Roster { tenant: tenant.clone(), source: receiver.to_owned(), ..Roster::default() };
    for number in 0..PATIENTS {
        let patient = PatientId::parse(&format!("synthetic-{number}"))?;
        let device = DeviceId::parse(&format!("scale-{number}"))?;
        roster.pairings.push(Pairing {
            device: device.clone(),
            patient: patient.clone(),
            from: EventTime(0),
            until: None,
        });
        roster.devices.insert(
            device.clone(),
            Device {
                id: device,
                kind: "scale".into(),
                serial: None,
                streams: vec![],
                gateways: vec![],
                source_priority: 1,
            },
        );
        let person = Patient {
            id: patient.clone(),
            mrn: None,
            birth_date: None,
            sex: None,
            zones: vec![(EventTime::MIN, Zone::utc())],
            care_team: Some("team".into()),
            packs: vec!["custom".into()],
            conditions: vec![],
            opioid_naive: true,
            spo2_scale_2: false,
            synthetic: true,
            research_consent: None,
        };
        roster.patients.insert(patient, person);
    }
    let webhook_url = Some(receiver.to_owned());
    roster.contacts.push(Contact {
        id: "nurse".into(),
        care_team: "team".into(),
        webhook_url,
        min_priority: Priority::Low,
    });
    Ok(roster)
}

/// Sends one reading at a time and waits for its page.
///
/// # Errors
/// Whatever does not run.
pub async fn run(dir: &Path) -> Result<()> {
    let system = system::start(dir, roster).await?;
    let arrived: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let (pages, mut told) = tokio::sync::mpsc::unbounded_channel();
    let seen = Arc::clone(&arrived);
    let receiver = Router::new().route(
        "/",
        post(move || {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            let _ = pages.send(());
            async { "ok" }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, receiver).await });
    system.control(Action::Roster(RosterApplied { toml: url })).await?;
    let accepted =
        RuleAccepted { rule: "weight-above".into(), by: "bench".into(), toml: RULE.into(), ..RuleAccepted::default() };
    system.control(Action::RuleAccepted(accepted)).await?;

    let options = ClientOptions {
        address: system.ingest.mqtt_addr.context("mqtt")?.to_string(),
        gateway: "bench".to_owned(),
        token: system.access.gateway_token().reveal().to_owned(),
        window: 16,
    };
    let client = MqttClient::connect(options)?;
    let mut taken_ms = Vec::new();
    for number in 0..PATIENTS {
        let start = Instant::now();
        let receipt = client.send(&Payload::Batch(weighing(&system, number))).await?;
        receipt.ack().await?;
        told.recv().await.context("receiver")?;
        let at = arrived.lock().unwrap_or_else(PoisonError::into_inner).last().copied().unwrap_or(start);
        taken_ms.push((at - start).as_secs_f64() * 1e3);
    }
    client.close().await;
    server.abort();
    taken_ms.sort_by(f64::total_cmp);
    println!(
        "page    reading sent to first attempt at the receiver: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms, {} pages",
        taken_ms[PATIENTS / 2],
        taken_ms[PATIENTS * 99 / 100],
        taken_ms[PATIENTS - 1],
        PATIENTS
    );
    system.stop().await
}

fn weighing(system: &System, number: usize) -> ReadingBatch {
    let reading = Reading {
        device: format!("scale-{number}"),
        measure: "body_weight".to_owned(),
        time: format_utc(system.clock.wall_ms()),
        value: Some(120.0),
        unit: "kg".to_owned(),
        ..Reading::default()
    };
    ReadingBatch {
        gateway: "bench".to_owned(),
        batch_id: format!("bench/{number}"),
        readings: vec![reading],
        ..ReadingBatch::default()
    }
}
