//! The writer broken at its named points (feature `failpoints`). Failpoints are global to the process: one test a process.

use fail::FailScenario;
use futures::executor::block_on;
use painwatch_domain::Offset;
use painwatch_journal::{Appended, FileJournal, Journal, Refusal};

use crate::rig::{HandClock, options, put, put_one, read_all, record};

fn open(dir: &tempfile::TempDir) -> FileJournal {
    FileJournal::open(dir.path(), options(HandClock::at(0))).unwrap()
}

fn breaks_and_recovers(point: &str, written: bool) {
    let (dir, scenario) = (tempfile::tempdir().unwrap(), FailScenario::setup());
    let journal = open(&dir);
    put_one(&journal, "safe");
    fail::cfg(point, "return").unwrap();
    assert_eq!(put(&journal, vec![record("in flight")]), Appended::Unknown);
    fail::remove(point);
    assert_eq!(put(&journal, vec![record("later")]), Appended::Refused(Refusal::Closed));
    assert_eq!(journal.next_offset(), Offset(1));
    drop(journal);
    let payloads: Vec<_> = read_all(&open(&dir)).into_iter().map(|record| record.payload).collect();
    assert_eq!(payloads[0], "safe");
    assert_eq!(payloads.contains(&"in flight".into()), written);
    assert!(!payloads.contains(&"later".into()));
    scenario.teardown();
}

#[test]
fn breaking_before_the_write_leaves_nothing() {
    breaks_and_recovers("journal::before_write", false);
}

#[test]
fn breaking_after_the_write_may_leave_it() {
    breaks_and_recovers("journal::after_write", true);
}

#[test]
fn breaking_after_the_sync_leaves_it() {
    breaks_and_recovers("journal::after_sync", true);
}

#[test]
fn breaking_while_a_segment_is_made_recovers() {
    let (dir, scenario) = (tempfile::tempdir().unwrap(), FailScenario::setup());
    let journal = open(&dir);
    put_one(&journal, [1; 900]);
    fail::cfg("journal::segment_created", "return").unwrap();
    assert!(!matches!(put(&journal, vec![record([2; 900])]), Appended::Durable { .. }));
    fail::remove("journal::segment_created");
    drop(journal);
    let journal = open(&dir);
    assert_eq!(read_all(&journal)[0].payload.len(), 900);
    put_one(&journal, "goes on");
    scenario.teardown();
}

#[test]
fn breaking_while_trimming_leaves_files_that_the_next_open_removes() {
    let (dir, scenario) = (tempfile::tempdir().unwrap(), FailScenario::setup());
    let journal = open(&dir);
    for _ in 0..5 {
        put_one(&journal, [1; 900]);
    }
    let segments = || {
        let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".seg")).count()
    };
    fail::cfg("journal::trim", "1*off->return").unwrap();
    assert!(block_on(journal.trim(Offset(4))).is_err());
    assert_eq!((journal.oldest_offset(), segments()), (Offset(4), 4));
    drop(journal);
    fail::remove("journal::trim");
    let journal = open(&dir);
    assert_eq!((journal.oldest_offset(), segments()), (Offset(4), 2));
    scenario.teardown();
}
