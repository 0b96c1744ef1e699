//! A full disk, many senders at once, ticks of the real thread.

use std::sync::Arc;

use futures::executor::block_on;
use futures::future::join_all;
use painwatch_domain::{JournalTime, Offset};
use painwatch_journal::file::Options;
use painwatch_journal::{AppendOptions, Appended, Class, FileJournal, InlineJournal, Journal, Refusal, SimDisk};

use crate::rig::{HandClock, options, put, put_one, read_all, record};

#[test]
fn f6_a_full_disk_holds_back_readings_keeps_room_for_findings_and_resumes_by_itself() {
    let (disk, clock) = (SimDisk::new(1), HandClock::at(0));
    let options = Options { segment_bytes: 8 << 10, ..options(clock.clone()) };
    let journal = InlineJournal::open(Arc::new(disk.clone()), options.clone()).unwrap();
    disk.set_capacity_bytes(20 << 10);
    let accepted = (0..100).find(|_| put(&journal, vec![record([1; 400])]) == Appended::Refused(Refusal::Full));
    assert!(accepted.is_some_and(|count| count > 10), "{accepted:?}");
    let reserved = AppendOptions { reserved: true, expect: None };
    for _ in 0..8 {
        let finding = block_on(journal.append(vec![record([2; 400])], reserved));
        assert!(matches!(finding, Appended::Durable { .. }), "{finding:?}");
    }
    disk.set_capacity_bytes(1 << 20);
    clock.run(4_000);
    assert_eq!(put(&journal, vec![record("too early to ask again")]), Appended::Refused(Refusal::Full));
    clock.run(1_000);
    assert!(matches!(put(&journal, vec![record("room")]), Appended::Durable { .. }));
    let kept = read_all(&journal);
    drop(journal);
    assert_eq!(read_all(&InlineJournal::open(Arc::new(disk), options).unwrap())[..kept.len()], kept);
}

#[test]
fn a_log_opens_on_a_full_disk_and_writes_its_gap_when_there_is_room() {
    let (disk, clock) = (SimDisk::new(1), HandClock::at(0));
    let open = || InlineJournal::open(Arc::new(disk.clone()), options(clock.clone())).unwrap();
    let journal = open();
    put_one(&journal, vec![1; 1024 - 64 - 48]);
    drop(journal);
    disk.set_capacity_bytes(1_100);
    let journal = open();
    assert_eq!(journal.next_offset(), Offset(1), "no room even for the gap");
    assert_eq!(put(&journal, vec![record("x")]), Appended::Refused(Refusal::Full));
    disk.set_capacity_bytes(1 << 20);
    clock.run(5_000);
    put_one(&journal, "x");
    let classes: Vec<_> = read_all(&journal).iter().map(|record| record.class).collect();
    assert_eq!(classes, [Class::Batch, Class::Gap, Class::Batch]);
}

#[test]
fn a_thousand_senders_at_once_each_get_their_own_place() {
    let dir = tempfile::tempdir().unwrap();
    let journal =
        FileJournal::open(dir.path(), Options { segment_bytes: 64 << 10, ..options(HandClock::at(0)) }).unwrap();
    let appends = (0..1_000u32).map(|n| journal.append(vec![record(n.to_le_bytes())], AppendOptions::default()));
    let answers = block_on(join_all(appends));
    let all = read_all(&journal);
    for (n, answer) in answers.into_iter().enumerate() {
        let Appended::Durable { first, .. } = answer else { panic!("{answer:?}") };
        assert_eq!(first, Offset(n as u64), "appends keep the order in which they were called");
        assert_eq!(all[first.0 as usize].payload[..], (n as u32).to_le_bytes());
    }
}

#[test]
fn semantics_18_the_writer_ticks_after_real_silence() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock::at(77);
    let options = Options { tick_after_ms: Some(5), ..options(clock) };
    let journal = FileJournal::open(dir.path(), options).unwrap();
    block_on(journal.wait_beyond(Offset(1)));
    let all = read_all(&journal);
    assert!(all.iter().all(|record| record.class == Class::Tick && record.journal_time == JournalTime(77)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_follows_a_writer_inside_a_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Arc::new(FileJournal::open(dir.path(), options(HandClock::at(0))).unwrap());
    let follower = tokio::spawn({
        let journal = journal.clone();
        async move {
            let mut next = Offset(0);
            while next < Offset(300) {
                journal.wait_beyond(next).await;
                for record in journal.read(next, 1_000).await.unwrap() {
                    assert_eq!(record.payload[..], next.0.to_le_bytes());
                    next = next.next();
                }
            }
        }
    });
    for n in 0..300u64 {
        journal.append(vec![record(n.to_le_bytes())], AppendOptions::default()).await;
    }
    follower.await.unwrap();
}
