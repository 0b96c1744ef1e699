//! Torn writes, flipped bits, cut, zeroed, missing and swapped files.

use std::sync::Arc;

use painwatch_domain::Offset;
use painwatch_journal::{AppendOptions, FileJournal, InlineJournal, Journal, JournalError, Record, SimDisk};

use crate::rig::{HandClock, options, put_one, read_all, record};

const MARK: &str = "mark";

fn open(disk: &SimDisk) -> Result<InlineJournal, JournalError> {
    InlineJournal::open(Arc::new(disk.clone()), options(HandClock::at(0)))
}

fn segments(disk: &SimDisk) -> Vec<String> {
    use painwatch_journal::file::Disk;
    disk.names().unwrap().into_iter().filter(|name| name.ends_with(".seg")).collect()
}

/// A closed log of `records` over several segments, and its records.
fn log(records: u64) -> (SimDisk, Vec<Record>) {
    let disk = SimDisk::new(1);
    let journal = open(&disk).unwrap();
    for n in 0..records {
        put_one(&journal, [n as u8; 90]);
    }
    let all = read_all(&journal);
    drop(journal);
    (disk, all)
}

/// Reads as far as it goes; what is given must be true, and less than all of it must be an error.
fn serves_only_truth(disk: &SimDisk, truth: &[Record], what: &str) {
    let Ok(journal) = open(disk) else { return };
    let mut from = journal.oldest_offset();
    while let Ok(some) = futures::executor::block_on(journal.read(from, 500)) {
        let Some(last) = some.last() else {
            assert!(from.0 as usize >= truth.len(), "{what}: acknowledged records vanished without an error");
            return;
        };
        let own = some.iter().filter(|record| (record.offset.0 as usize) < truth.len());
        assert!(own.into_iter().all(|record| *record == truth[record.offset.0 as usize]), "{what}: a wrong value");
        from = last.offset.next();
    }
}

#[test]
fn a_torn_last_record_is_removed_wherever_it_was_torn_and_the_log_goes_on() {
    let before = log(9).0;
    let journal = open(&before).unwrap();
    let name = segments(&before).pop().unwrap();
    let (truth, base) = (read_all(&journal), before.copy(1));
    let old = base.content(&name).unwrap();
    put_one(&journal, [9; 200]);
    let new = before.content(&name).unwrap();
    assert_eq!(segments(&before).len(), segments(&base).len(), "the torn record needs no new segment");
    let (from, to) = differing(&old, &new);
    for torn_at in from..to {
        let disk = base.copy(3);
        disk.put(&name, &[&new[..torn_at], &old[torn_at..]].concat());
        let journal = open(&disk).unwrap_or_else(|error| panic!("torn at {torn_at}: {error}"));
        assert_eq!(read_all(&journal)[..truth.len()], truth);
        let rest = disk.content(&name).unwrap().split_off(from + 100);
        assert!(rest.iter().all(|byte| *byte == 0), "torn at {torn_at}: something of the torn write was left behind");
        let next = journal.next_offset();
        assert_eq!(put_one(&journal, "goes on"), next);
    }
}

fn differing(old: &[u8], new: &[u8]) -> (usize, usize) {
    let differs = |(a, b): (&u8, &u8)| a != b;
    let from = old.iter().zip(new).position(differs).unwrap();
    (from, old.iter().zip(new).rposition(differs).unwrap() + 1)
}

#[test]
fn a_torn_group_may_leave_its_later_records_and_lose_its_first() {
    let (disk, truth) = log(3);
    let name = segments(&disk).pop().unwrap();
    let old = disk.content(&name).unwrap();
    let grown = disk.copy(1);
    let journal = open(&grown).unwrap();
    let gap = grown.content(&name).unwrap();
    let mark = grown.content(MARK).unwrap();
    journal.append_group(vec![(vec![record([1; 90]), record([2; 90])], AppendOptions::default())]);
    let mut torn = grown.content(&name).unwrap();
    let (from, _) = differing(&gap, &torn);
    torn[from..from + 64].copy_from_slice(&old[from..from + 64]);
    disk.put(&name, &torn);
    disk.put(MARK, &mark);
    let journal = open(&disk).unwrap();
    assert_eq!(read_all(&journal)[..truth.len()], truth);
}

#[test]
fn an_acknowledged_last_record_that_is_damaged_is_an_error_not_a_torn_tail() {
    let (disk, truth) = log(3);
    let name = segments(&disk).pop().unwrap();
    let mut bytes = disk.content(&name).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last] ^= 1;
    disk.put(&name, &bytes);
    let error = open(&disk).unwrap_err();
    assert!(
        matches!(&error, JournalError::Corrupt { file, byte, .. } if *file == name && *byte < last as u64),
        "{error}"
    );
    assert_eq!(truth.len(), 3);
}

#[test]
fn damage_before_the_tail_is_found_even_without_the_mark() {
    let (disk, _) = log(4);
    let name = segments(&disk).pop().unwrap();
    let mut bytes = disk.content(&name).unwrap();
    bytes[64 + 50] ^= 4;
    disk.put(&name, &bytes);
    disk.put(MARK, b"gone");
    let error = open(&disk).unwrap_err().to_string();
    assert!(error.contains("corrupt at byte 64") && error.contains("a later record stands at byte"), "{error}");
}

#[test]
fn f8_every_single_flipped_bit_is_detected_or_harmless() {
    let (disk, truth) = log(12);
    let names = [segments(&disk), vec![MARK.into()]].concat();
    for name in names {
        let sound = disk.content(&name).unwrap();
        for bit in 0..sound.len() * 8 {
            let damaged = disk.copy(1);
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            damaged.put(&name, &bytes);
            serves_only_truth(&damaged, &truth, &format!("{name} bit {bit}"));
        }
    }
}

#[test]
fn f8_every_truncation_and_every_zeroed_sector_is_detected_or_harmless() {
    let (disk, truth) = log(20);
    for name in segments(&disk) {
        let sound = disk.content(&name).unwrap();
        for cut in 0..sound.len() {
            let damaged = disk.copy(1);
            damaged.put(&name, &sound[..cut]);
            serves_only_truth(&damaged, &truth, &format!("{name} cut at {cut}"));
        }
        for from in (0..sound.len()).step_by(64) {
            let damaged = disk.copy(1);
            let mut bytes = sound.clone();
            bytes[from..(from + 64).min(sound.len())].fill(0);
            damaged.put(&name, &bytes);
            serves_only_truth(&damaged, &truth, &format!("{name} zeroed at {from}"));
        }
    }
}

#[test]
fn f8_a_missing_or_swapped_segment_is_named() {
    use painwatch_journal::file::Disk;
    let (disk, _) = log(40);
    let names = segments(&disk);
    assert!(names.len() > 3);
    for name in &names {
        let damaged = disk.copy(1);
        damaged.remove(name).unwrap();
        let error = open(&damaged).unwrap_err();
        assert!(matches!(&error, JournalError::Corrupt { file, .. } if file == name), "{error}");
        for other in names.iter().filter(|other| *other != name) {
            let damaged = disk.copy(1);
            damaged.put(name, &disk.content(other).unwrap());
            assert!(matches!(open(&damaged).unwrap_err(), JournalError::Corrupt { file, .. } if file == *name));
        }
    }
}

#[test]
fn a_segment_of_another_log_with_the_same_offsets_breaks_the_chain() {
    let (disk, truth) = log(30);
    let stranger = SimDisk::new(9);
    let journal = open(&stranger).unwrap();
    for n in 0..30u64 {
        put_one(&journal, [n as u8 + 1; 90]);
    }
    drop(journal);
    let name = segments(&disk).remove(1);
    disk.put(&name, &stranger.content(&name).unwrap());
    let journal = open(&disk).unwrap();
    let first = futures::executor::block_on(journal.read(Offset(0), usize::MAX)).unwrap();
    assert_eq!(first, truth[..first.len()]);
    let error = futures::executor::block_on(journal.read(Offset(first.len() as u64), usize::MAX)).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { .. }), "{error}");
}

#[test]
fn a_sound_record_of_another_log_at_the_same_offset_breaks_the_chain() {
    let (disk, _) = log(5);
    let stranger = SimDisk::new(9);
    let journal = open(&stranger).unwrap();
    for n in 0..5u8 {
        put_one(&journal, [n + 1; 90]);
    }
    let name = segments(&disk).remove(0);
    let (mut bytes, strange) = (disk.content(&name).unwrap(), stranger.content(&name).unwrap());
    let second = 64 + (44 + 4 + 90usize).next_multiple_of(8);
    let third = second + (second - 64);
    bytes[second..third].copy_from_slice(&strange[second..third]);
    disk.put(&name, &bytes);
    let error = open(&disk).unwrap_err().to_string();
    assert!(error.contains(&format!("byte {second}")) && error.contains("does not follow"), "{error}");
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = FileJournal::open(dir.path(), options(HandClock::at(0))).unwrap();
    let second = FileJournal::open(dir.path(), options(HandClock::at(0)));
    assert!(matches!(second, Err(JournalError::Locked { .. })));
    drop(first);
    FileJournal::open(dir.path(), options(HandClock::at(0))).unwrap();
}
