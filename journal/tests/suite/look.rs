//! Reading a journal that another process holds.

use std::os::unix::fs::FileExt as _;

use futures::executor::block_on;
use painwatch_domain::Offset;
use painwatch_journal::{FileJournal, Journal as _, JournalError, JournalReader, Record};
use proptest::prelude::*;

use crate::rig::{HandClock, options, put_one, read_all};

fn looked_at(reader: &JournalReader) -> Vec<Record> {
    let (mut from, mut all) = (reader.oldest_offset(), Vec::new());
    while from < reader.next_offset() {
        let some = reader.read(from, 200).expect("readable");
        from = some.last().expect("at least one").offset.next();
        all.extend(some);
    }
    all
}

#[test]
fn a_reader_beside_the_writer_sees_what_was_durable_when_it_looked_and_no_more() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::at(1_000));
    let journal = FileJournal::open(dir.path(), options(clock.clone())).unwrap();
    for number in 0..40 {
        clock.run(10);
        put_one(&journal, format!("{number}").repeat(20));
    }
    let reader = JournalReader::open(dir.path()).unwrap();
    let durable = read_all(&journal);
    put_one(&journal, "later");
    assert_eq!(looked_at(&reader), durable, "several segments of it");
    assert_eq!((reader.next_offset(), reader.last_journal_time()), (Offset(40), durable[39].journal_time));
    assert_eq!(JournalReader::open(dir.path()).unwrap().next_offset(), Offset(41));
    put_one(&journal, "it held no lock and closed nothing");
}

#[test]
fn what_retention_removed_is_not_missed_and_what_the_mark_does_not_vouch_for_is_not_seen() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::at(1_000));
    let journal = FileJournal::open(dir.path(), options(clock)).unwrap();
    for number in 0..60 {
        put_one(&journal, format!("{number}").repeat(20));
    }
    block_on(journal.trim(Offset(30))).unwrap();
    let durable = read_all(&journal);
    drop(journal);
    let mut segments: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|suffix| suffix == "seg"));
    segments.sort();
    // A write under way, where the next record will stand.
    let last = std::fs::OpenOptions::new().read(true).write(true).open(segments.last().unwrap()).unwrap();
    let mut bytes = vec![0; last.metadata().unwrap().len() as usize];
    last.read_exact_at(&mut bytes, 0).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 / 8 * 8 + 16;
    if end + 8 < bytes.len() as u64 {
        last.write_all_at(&[0xab; 8], end).unwrap();
    }
    let reader = JournalReader::open(dir.path()).unwrap();
    assert!(reader.oldest_offset() > Offset(0));
    assert_eq!(looked_at(&reader), durable);
    assert!(matches!(reader.read(Offset(0), 200), Err(JournalError::Trimmed { .. })));
}

#[test]
fn a_directory_that_is_not_there_is_an_error_and_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("journal");
    assert!(matches!(JournalReader::open(&missing), Err(JournalError::Io { .. })));
    assert!(!missing.exists());
    std::fs::create_dir(&missing).unwrap();
    assert_eq!(JournalReader::open(&missing).unwrap().next_offset(), Offset(0));
}

#[test]
fn damage_before_the_mark_is_named() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::at(1_000));
    let journal = FileJournal::open(dir.path(), options(clock)).unwrap();
    for number in 0..3 {
        put_one(&journal, format!("{number}").repeat(20));
    }
    drop(journal);
    let segment = dir.path().join("00000000000000000000.seg");
    let file = std::fs::OpenOptions::new().write(true).open(&segment).unwrap();
    file.write_all_at(&[0xff], 120).unwrap();
    assert!(matches!(JournalReader::open(dir.path()), Err(JournalError::Corrupt { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_appended_and_trimmed_a_reader_sees_what_the_writer_shows(
        steps in prop::collection::vec((0usize..90, prop::option::weighted(0.1, 0u64..60)), 1..50)
    ) {
        let (dir, clock) = (tempfile::tempdir().unwrap(), HandClock::at(1_000));
        let journal = FileJournal::open(dir.path(), options(clock)).unwrap();
        for (length, trim) in steps {
            put_one(&journal, vec![7; length]);
            if let Some(before) = trim {
                block_on(journal.trim(Offset(before.min(journal.next_offset().0)))).unwrap();
            }
            let reader = JournalReader::open(dir.path()).unwrap();
            prop_assert_eq!(reader.oldest_offset(), journal.oldest_offset());
            prop_assert_eq!(looked_at(&reader), read_all(&journal));
        }
    }
}
