//! What holds for every journal.

use futures::FutureExt;
use futures::executor::block_on;
use painwatch_domain::{JournalTime, Offset, TenantId};
use painwatch_journal::record::MAX_PAYLOAD_BYTES;
use painwatch_journal::{AppendOptions, Appended, Class, Journal, JournalError, NewRecord, Refusal};

use crate::rig::{InMemory, OnFiles, OnSimDisk, Rig, put, put_one, read_all, record, same};

macro_rules! for_every_journal {
    ($($test:ident),+ $(,)?) => {
        mod on_files { use super::*; $(#[test] fn $test() { super::$test(OnFiles::new()); })+ }
        mod on_a_simulated_disk { use super::*; $(#[test] fn $test() { super::$test(OnSimDisk::new()); })+ }
        mod in_memory { use super::*; $(#[test] fn $test() { super::$test(InMemory::new()); })+ }
    };
}

for_every_journal!(
    offsets_are_consecutive_from_zero_and_the_answer_names_the_first,
    semantics_17_every_header_field_and_payload_reads_back_as_written,
    a_read_gives_at_least_one_record_and_about_as_many_bytes_as_asked_for,
    a_read_at_or_beyond_the_end_is_empty,
    an_append_with_another_position_than_expected_writes_nothing,
    a_record_that_is_too_large_takes_its_whole_append_with_it,
    an_empty_append_is_durable_and_writes_nothing,
    readings_stop_at_the_reserve_and_reserved_appends_at_the_limit,
    trimming_makes_room_again,
    waiting_ends_when_the_log_grows_beyond_the_offset,
    trimming_keeps_everything_from_the_offset_on,
    a_dropped_future_does_not_cancel_the_append,
    semantics_18_reopening_keeps_the_records_and_writes_a_gap,
    semantics_18_journal_time_never_decreases_even_if_the_clock_starts_earlier,
    semantics_18_a_step_of_the_wall_clock_is_recorded_once,
    semantics_18_hours_on_both_clocks_are_no_clock_step,
    semantics_18_a_tick_is_an_empty_record_that_carries_time,
    semantics_21_the_oldest_offset_survives_reopening_after_a_trim,
);

fn offsets_are_consecutive_from_zero_and_the_answer_names_the_first(mut rig: impl Rig) {
    let journal = rig.open();
    assert_eq!((journal.next_offset(), journal.oldest_offset()), (Offset(0), Offset(0)));
    assert_eq!(journal.last_journal_time(), JournalTime::MIN);
    for turn in 0..40 {
        let first = Offset(turn * 3);
        let journal_time = JournalTime(1_000_000);
        let answer = put(&journal, vec![record("a"), record("b"), record("c")]);
        assert_eq!(answer, Appended::Durable { first, journal_time });
        assert_eq!(journal.next_offset(), Offset(turn * 3 + 3));
    }
    let offsets: Vec<_> = read_all(&journal).iter().map(|record| record.offset.0).collect();
    assert_eq!(offsets, (0..120).collect::<Vec<_>>());
}

fn semantics_17_every_header_field_and_payload_reads_back_as_written(mut rig: impl Rig) {
    let journal = rig.open();
    let written: Vec<_> = (1..=11u8)
        .map(|code| NewRecord {
            class: Class::from_code(code).unwrap(),
            tenant: TenantId::parse(&format!("clinic-{}", code % 3)).unwrap(),
            key_id: u32::MAX - u32::from(code),
            logic_version: u32::from(code),
            payload: vec![code; usize::from(code) * 37].into(),
        })
        .collect();
    put(&journal, written.clone());
    let journal = rig.reopen(journal);
    let read = read_all(&journal);
    assert!(read.iter().zip(&written).all(|(read, new)| same(read, new)));
    assert_eq!(read.len(), written.len() + 1, "and a gap");
}

fn a_read_gives_at_least_one_record_and_about_as_many_bytes_as_asked_for(mut rig: impl Rig) {
    let journal = rig.open();
    for _ in 0..50 {
        put_one(&journal, [9; 100]);
    }
    let count = |max_bytes| block_on(journal.read(Offset(3), max_bytes)).unwrap().len();
    assert_eq!(count(0), 1);
    assert_eq!(count(1), 1);
    assert!((2..=11).contains(&count(1_000)), "{}", count(1_000));
    assert_eq!(count(usize::MAX), 47);
}

fn a_read_at_or_beyond_the_end_is_empty(mut rig: impl Rig) {
    let journal = rig.open();
    put_one(&journal, "x");
    assert_eq!(block_on(journal.read(Offset(1), 100)).unwrap(), []);
    assert_eq!(block_on(journal.read(Offset(99), 100)).unwrap(), []);
}

fn an_append_with_another_position_than_expected_writes_nothing(mut rig: impl Rig) {
    let journal = rig.open();
    let at = |expect| AppendOptions { expect: Some(Offset(expect)), reserved: false };
    for wrong in [1, 7] {
        let answer = block_on(journal.append(vec![record("x")], at(wrong)));
        assert_eq!(answer, Appended::Refused(Refusal::Position));
    }
    assert_eq!(journal.next_offset(), Offset(0));
    assert!(matches!(block_on(journal.append(vec![record("x")], at(0))), Appended::Durable { first: Offset(0), .. }));
    assert!(matches!(block_on(journal.append(vec![record("y")], at(1))), Appended::Durable { first: Offset(1), .. }));
}

fn a_record_that_is_too_large_takes_its_whole_append_with_it(mut rig: impl Rig) {
    let journal = rig.open();
    let answer = put(&journal, vec![record("small"), record(vec![0; MAX_PAYLOAD_BYTES + 1])]);
    assert_eq!(answer, Appended::Refused(Refusal::TooLarge));
    assert_eq!(journal.next_offset(), Offset(0));
    assert_eq!(put_one(&journal, vec![5; 100_000]), Offset(0), "a record may be larger than a segment");
    assert_eq!(read_all(&journal)[0].payload.len(), 100_000);
}

fn an_empty_append_is_durable_and_writes_nothing(mut rig: impl Rig) {
    let journal = rig.open();
    put_one(&journal, "x");
    assert!(matches!(put(&journal, vec![]), Appended::Durable { first: Offset(1), .. }));
    assert_eq!(journal.next_offset(), Offset(1));
}

fn fill(journal: &dyn Journal, options: AppendOptions) -> usize {
    let one = || block_on(journal.append(vec![record(vec![1; 10_000])], options));
    (0..1_000).find(|_| one() == Appended::Refused(Refusal::Full)).expect("a limit")
}

fn readings_stop_at_the_reserve_and_reserved_appends_at_the_limit(mut rig: impl Rig) {
    let journal = rig.open();
    let readings = fill(&journal, AppendOptions::default());
    assert!((90..=98).contains(&readings), "1 MiB less the reserve holds 97, not {readings}");
    let findings = fill(&journal, AppendOptions { reserved: true, expect: None });
    assert!((5..=8).contains(&findings), "a reserve of 64 KiB holds six, not {findings}");
    assert_eq!(read_all(&journal).len() as u64, journal.next_offset().0, "what was refused was not written");
}

fn trimming_makes_room_again(mut rig: impl Rig) {
    let journal = rig.open();
    fill(&journal, AppendOptions::default());
    block_on(journal.trim(journal.next_offset())).unwrap();
    assert!(matches!(put(&journal, vec![record(vec![1; 10_000])]), Appended::Durable { .. }));
}

fn waiting_ends_when_the_log_grows_beyond_the_offset(mut rig: impl Rig) {
    let journal = rig.open();
    let mut waiting = journal.wait_beyond(Offset(1));
    assert_eq!(waiting.as_mut().now_or_never(), None);
    put_one(&journal, "a");
    assert_eq!(waiting.as_mut().now_or_never(), None, "next is 1, not beyond 1");
    put_one(&journal, "b");
    assert_eq!(waiting.now_or_never(), Some(()));
    assert_eq!(journal.wait_beyond(Offset(0)).now_or_never(), Some(()));
}

fn trimming_keeps_everything_from_the_offset_on(mut rig: impl Rig) {
    let journal = rig.open();
    for n in 0..100u8 {
        put_one(&journal, [n; 60]);
    }
    block_on(journal.trim(Offset(57))).unwrap();
    let oldest = journal.oldest_offset();
    assert!(oldest > Offset(0) && oldest <= Offset(57), "{oldest}");
    let kept = read_all(&journal);
    assert_eq!(kept.len() as u64, 100 - oldest.0);
    assert!(kept.iter().all(|record| record.payload[..] == [record.offset.0 as u8; 60]));
    let asked = Offset(oldest.0 - 1);
    let too_old = block_on(journal.read(asked, 10));
    assert!(matches!(too_old, Err(JournalError::Trimmed { asked: a, oldest: o }) if (a, o) == (asked, oldest)));
    block_on(journal.trim(Offset(0))).unwrap();
    assert_eq!(journal.oldest_offset(), oldest, "trimming less does not bring anything back");
}

fn a_dropped_future_does_not_cancel_the_append(mut rig: impl Rig) {
    let journal = rig.open();
    drop(journal.append(vec![record("kept")], AppendOptions::default()));
    block_on(journal.wait_beyond(Offset(0)));
    assert_eq!(read_all(&journal)[0].payload, "kept");
}

fn semantics_18_reopening_keeps_the_records_and_writes_a_gap(mut rig: impl Rig) {
    let journal = rig.open();
    let journal = rig.reopen(journal);
    assert_eq!(journal.next_offset(), Offset(0), "an empty log has no gap");
    put_one(&journal, "before");
    rig.clock().run(60_000);
    let journal = rig.reopen(journal);
    let records = read_all(&journal);
    assert_eq!(records[0].payload, "before");
    assert_eq!((records[1].class, records[1].journal_time), (Class::Gap, JournalTime(1_060_000)));
    // painwatch.journal.v1.Gap { from_ms: 1_000_000, to_ms: 1_060_000, cause: "self" }
    assert_eq!(records[1].payload[..], *b"\x08\x80\x89\x7a\x10\xc0\xb2\x81\x01\x1a\x04self");
    assert_eq!(put_one(&journal, "after"), Offset(2));
}

fn semantics_18_journal_time_never_decreases_even_if_the_clock_starts_earlier(mut rig: impl Rig) {
    let journal = rig.open();
    put_one(&journal, "x");
    rig.clock().step_wall(-900_000);
    let mut journal = rig.reopen(journal);
    assert_eq!(journal.last_journal_time(), JournalTime(1_000_000));
    for _ in 0..20 {
        rig.clock().run(10_000);
        put_one(&journal, "y");
        rig.clock().step_wall(-10_000_000);
        put_one(&journal, "z");
        journal = rig.reopen(journal);
    }
    let times: Vec<_> = read_all(&journal).iter().map(|record| record.journal_time).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times.last() > times.first(), "a clock set back does not stop time for the deadlines");
}

fn semantics_18_a_step_of_the_wall_clock_is_recorded_once(mut rig: impl Rig) {
    let journal = rig.open();
    put_one(&journal, "a");
    rig.clock().step_wall(2_000);
    put_one(&journal, "two seconds are within tolerance");
    rig.clock().step_wall(3_600_000);
    put_one(&journal, "b");
    put_one(&journal, "c");
    let records = read_all(&journal);
    let classes: Vec<_> = records.iter().map(|record| record.class).collect();
    assert_eq!(classes, [Class::Batch, Class::Batch, Class::ClockStep, Class::Batch, Class::Batch]);
    assert_eq!(records[2].journal_time, JournalTime(1_000_000 + 3_602_000));
}

fn semantics_18_hours_on_both_clocks_are_no_clock_step(mut rig: impl Rig) {
    let journal = rig.open();
    for hours in 0..48 {
        assert_eq!(put_one(&journal, "x"), Offset(hours));
        rig.clock().run(3_600_000);
    }
    assert_eq!(journal.last_journal_time(), JournalTime(1_000_000 + 47 * 3_600_000));
}

fn semantics_18_a_tick_is_an_empty_record_that_carries_time(mut rig: impl Rig) {
    let journal = rig.open();
    rig.clock().run(1_000);
    let answer = block_on(journal.tick());
    assert_eq!(answer, Appended::Durable { first: Offset(0), journal_time: JournalTime(1_001_000) });
    let tick = &read_all(&journal)[0];
    assert_eq!((tick.class, tick.payload.len()), (Class::Tick, 0));
}

fn semantics_21_the_oldest_offset_survives_reopening_after_a_trim(mut rig: impl Rig) {
    let journal = rig.open();
    for n in 0..100u8 {
        put_one(&journal, [n; 60]);
    }
    block_on(journal.trim(Offset(80))).unwrap();
    let oldest = journal.oldest_offset();
    let journal = rig.reopen(journal);
    assert_eq!((journal.oldest_offset(), journal.next_offset()), (oldest, Offset(101)));
    assert_eq!(read_all(&journal)[0].offset, oldest);
}
