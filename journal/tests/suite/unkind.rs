//! The unkindness of the journal in memory.

use futures::FutureExt;
use painwatch_domain::Offset;
use painwatch_journal::memory::{Fate, Mood};
use painwatch_journal::{AppendOptions, Appended, Journal, MemoryJournal, Refusal};

use crate::rig::{HandClock, put, put_one, read_all, record};

#[test]
fn unknown_means_some_all_or_none_and_the_tail_tells() {
    let journal = MemoryJournal::new(1, HandClock::at(0));
    for written in 0..=2 {
        journal.next_fates([Fate::LoseAck { written }]);
        let before = journal.next_offset();
        assert_eq!(put(&journal, vec![record("a"), record("b")]), Appended::Unknown);
        assert_eq!(journal.next_offset().0 - before.0, written as u64);
    }
}

#[test]
fn a_delayed_append_is_unseen_until_released_and_keeps_its_place_in_the_order() {
    let journal = MemoryJournal::new(1, HandClock::at(0));
    journal.next_fates([Fate::Delay]);
    let mut first = journal.append(vec![record("first")], AppendOptions::default());
    let second = journal.append(vec![record("second")], AppendOptions::default());
    assert_eq!(first.as_mut().now_or_never(), None);
    assert_eq!(journal.next_offset(), Offset(0));
    journal.release();
    assert!(matches!(first.now_or_never(), Some(Appended::Durable { first: Offset(0), .. })));
    assert!(matches!(second.now_or_never(), Some(Appended::Durable { first: Offset(1), .. })));
    let payloads: Vec<_> = read_all(&journal).into_iter().map(|record| record.payload).collect();
    assert_eq!(payloads, ["first", "second"]);
}

#[test]
fn a_restart_answers_unknown_to_what_was_delayed() {
    let journal = MemoryJournal::new(1, HandClock::at(0));
    put_one(&journal, "kept");
    journal.next_fates([Fate::Delay]);
    let delayed = journal.append(vec![record("gone")], AppendOptions::default());
    journal.restart();
    assert_eq!(delayed.now_or_never(), Some(Appended::Unknown));
    assert_eq!(read_all(&journal).len(), 2, "the kept one and the gap");
}

#[test]
fn a_refusal_writes_nothing_and_a_closed_journal_refuses_all() {
    let journal = MemoryJournal::new(1, HandClock::at(0));
    journal.next_fates([Fate::Refuse(Refusal::Full)]);
    assert_eq!(put(&journal, vec![record("x")]), Appended::Refused(Refusal::Full));
    journal.close();
    assert_eq!(put(&journal, vec![record("x")]), Appended::Refused(Refusal::Closed));
    assert_eq!(journal.next_offset(), Offset(0));
}

#[test]
fn the_same_seed_treats_the_same_appends_the_same() {
    let play = |seed| {
        let journal = MemoryJournal::new(seed, HandClock::at(0));
        journal.set_mood(Mood { lose_ack_per_mille: 200, refuse_per_mille: 100, delay_per_mille: 50 });
        let answers: Vec<_> = (0..200u32)
            .map(|n| {
                let answer = journal.append(vec![record(n.to_le_bytes()), record("b")], AppendOptions::default());
                journal.release();
                answer.now_or_never()
            })
            .collect();
        (answers, read_all(&journal))
    };
    assert_eq!(play(5), play(5));
    assert_ne!(play(5), play(6));
}
