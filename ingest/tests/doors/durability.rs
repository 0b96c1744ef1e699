//! Promise 1 of the house, on the real journal: what was acknowledged is there after a power cut.

use std::collections::HashSet;
use std::sync::Arc;

use painwatch_domain::Offset;
use painwatch_ingest::IngestLimits;
use painwatch_journal::file::Options;
use painwatch_journal::memory::Mood;
use painwatch_journal::{Class, FileJournal, Journal, MemoryJournal, SimDisk};
use painwatch_proto::journal::v1::Batch;
use prost::Message as _;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::support::raw::{PUBACK, Raw, Version, confirmed, publish};
use crate::support::{Doors, SOON, batch_json, clock};

const TOPIC: &str = "painwatch/v1/gw-1/readings/json";
const MESSAGES: u16 = 300;

async fn batch_ids(journal: &dyn Journal) -> HashSet<String> {
    let mut ids = HashSet::new();
    let mut position = journal.oldest_offset();
    while position < journal.next_offset() {
        for record in journal.read(position, 1 << 20).await.unwrap() {
            position = record.offset.next();
            if record.class == Class::Batch {
                ids.insert(Batch::decode(record.payload).unwrap().batch_id);
            }
        }
    }
    ids
}

fn options(fsync: bool) -> Options {
    Options { segment_bytes: 64 << 10, fsync, tick_after_ms: None, ..Options::new(clock()) }
}

/// Publishes until the disk dies under the journal; returns the batch ids that were acknowledged.
async fn publish_until_the_disk_dies(disk: &SimDisk, operations: u64, fsync: bool) -> HashSet<String> {
    let journal = Arc::new(FileJournal::open_on(Arc::new(disk.clone()), options(fsync)).unwrap());
    let doors = Doors::open(Arc::clone(&journal) as Arc<dyn Journal>, IngestLimits::default()).await;
    let mut raw = Raw::connect(&doors, Version::V5, "gw-1").await;
    disk.die_after(operations);
    for chunk in (1..=MESSAGES).collect::<Vec<_>>().chunks(7) {
        let publishes =
            chunk.iter().map(|id| publish(Version::V5, TOPIC, 1, *id, batch_json(usize::from(*id)).as_bytes()));
        if raw.stream.write_all(&publishes.collect::<Vec<_>>().concat()).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    raw.stream.shutdown().await.ok();
    let answers = raw.until_closed().await;
    let acknowledged = answers.iter().filter(|packet| packet.head == PUBACK).map(|packet| {
        let (id, code) = confirmed(packet);
        assert_eq!(code, 0);
        format!("b/{id}")
    });
    let acknowledged = acknowledged.collect();
    doors.stop.cancel();
    timeout(SOON, doors.handle.stopped()).await.unwrap();
    acknowledged
}

/// How many acknowledged batches are missing after the power came back.
async fn lost_by_power_cut(seed: u64, fsync: bool) -> (usize, usize) {
    let disk = SimDisk::new(seed);
    let acknowledged = publish_until_the_disk_dies(&disk, 3 + seed * 2, fsync).await;
    disk.power_cut();
    let journal = FileJournal::open_on(Arc::new(disk), options(true));
    let Ok(journal) = journal else {
        assert!(!fsync, "a synced journal opens after a power cut: {journal:?}");
        return (acknowledged.len(), acknowledged.len());
    };
    let there = batch_ids(&journal).await;
    (acknowledged.len(), acknowledged.difference(&there).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_1_what_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let mut acknowledged_in_all = 0;
    for seed in 0..40 {
        let (acknowledged, lost) = lost_by_power_cut(seed, true).await;
        assert_eq!(lost, 0, "seed {seed}: {lost} of {acknowledged} lost");
        acknowledged_in_all += acknowledged;
    }
    assert!(acknowledged_in_all > 1_000, "the test has to acknowledge something: {acknowledged_in_all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_power_cut_test_sees_a_journal_that_does_not_sync() {
    for seed in 0..40 {
        if lost_by_power_cut(seed, false).await.1 > 0 {
            return;
        }
    }
    panic!("a journal that never syncs lost nothing: the test proves nothing");
}

#[tokio::test]
async fn a_real_client_gets_everything_through_a_journal_that_loses_acknowledgements_and_refuses() {
    let journal = Arc::new(MemoryJournal::new(7, clock()));
    journal.set_mood(Mood { lose_ack_per_mille: 20, refuse_per_mille: 20, ..Mood::default() });
    let doors = Doors::open(Arc::clone(&journal) as Arc<dyn Journal>, IngestLimits::default()).await;
    let mut options = MqttOptions::new("gw-1", "127.0.0.1", doors.mqtt_port());
    options.set_credentials("gw-1", &doors.token).set_clean_session(false).set_inflight(20);
    let (client, mut events) = AsyncClient::new(options, 10);
    tokio::spawn(async move {
        for id in 1..=MESSAGES {
            client.publish(TOPIC, QoS::AtLeastOnce, false, batch_json(usize::from(id))).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let (mut acknowledged, mut reconnects) = (0, 0);
    let all = async {
        while acknowledged < MESSAGES {
            match events.poll().await {
                Ok(Event::Incoming(Packet::PubAck(_))) => acknowledged += 1,
                Ok(_) => {}
                Err(_) => reconnects += 1,
            }
        }
    };
    timeout(SOON * 3, all).await.expect("everything is acknowledged in the end");
    let there = batch_ids(&*journal).await;
    let sent: HashSet<_> = (1..=MESSAGES).map(|id| format!("b/{id}")).collect();
    assert!(reconnects > 0, "the journal was to be unkind");
    assert_eq!(there, sent);
    assert!(
        journal.next_offset() > Offset(u64::from(MESSAGES)),
        "what was sent twice is there twice, for intake to find"
    );
}
