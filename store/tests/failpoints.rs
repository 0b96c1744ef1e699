//! The process dies at the points where dying is hardest; afterwards files, rows and position agree.

mod support;

use std::path::Path;
use std::process::Command;

use painwatch_domain::*;
use painwatch_store::*;
use support::*;

const DIRECTORY: &str = "PAINWATCH_TEST_DIRECTORY";
const POINT: &str = "PAINWATCH_TEST_POINT";

fn commit(epoch: u64, next: u64) -> Commit {
    let applied = Applied { next: Offset(next), journal_time: JournalTime(START) };
    let readings = (0..50).map(|n| reading(next * 100 + n, next - 1)).collect();
    Commit {
        epoch,
        applied: Some((Consumer::Processor, applied)),
        rows: Rows { readings, ..Rows::default() },
        blobs: vec![],
    }
}

/// Not a test: what the other tests start and see die.
#[tokio::test]
#[ignore = "run by the tests beside it, in a process of its own"]
async fn the_process_that_dies() {
    let directory = std::env::var(DIRECTORY).unwrap();
    let store = sqlite(Path::new(&directory)).await;
    let epoch = store.take_ownership().await.unwrap();
    store.commit(&commit(epoch, 1)).await.unwrap();
    store.flush_lake(true).await.unwrap();
    fail::cfg_callback(std::env::var(POINT).unwrap(), || std::process::abort()).unwrap();
    store.commit(&commit(epoch, 2)).await.unwrap();
    store.flush_lake(true).await.unwrap();
}

/// Dies at `point`, then opens again: the position, the hot rows, the rows of the lake.
async fn after_dying_at(point: &str) -> (u64, usize, u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "the_process_that_dies", "--ignored"]);
    let died = child.env(DIRECTORY, directory.path()).env(POINT, point).output().unwrap();
    assert!(!died.status.success(), "{point} was not reached");

    let store = sqlite(directory.path()).await;
    let epoch = store.take_ownership().await.unwrap();
    let mut listed = store.lake_files().await.unwrap();
    listed.sort();
    assert_eq!(parquet_files(&directory.path().canonicalize().unwrap().join("lake")), listed, "{point}");
    let applied = store.applied(Consumer::Processor).await.unwrap().unwrap().next.0;
    let hot = store.table_batches("readings").await.unwrap()[0].num_rows();
    let identities = store.counts(tenant()).await.unwrap().identities;
    // The rows are those of the position, whatever was in the way, and work goes on.
    assert_eq!(identities, applied * 50, "{point}");
    store.commit(&commit(epoch, applied + 1)).await.unwrap();
    store.flush_lake(true).await.unwrap();
    assert_eq!(store.counts(tenant()).await.unwrap().identities, identities + 50, "{point}");
    (applied, hot, identities - hot as u64)
}

#[tokio::test]
async fn semantics_23_a_crash_leaves_rows_files_and_position_agreed() {
    assert_eq!(after_dying_at("store::before_commit").await, (1, 0, 50));
    assert_eq!(after_dying_at("store::after_commit").await, (2, 50, 50));
    assert_eq!(after_dying_at("lake::file_written").await, (2, 50, 50));
    assert_eq!(after_dying_at("lake::after_commit").await, (2, 0, 100));
}

#[tokio::test]
async fn a_failed_flush_removes_its_files() {
    let scenario = fail::FailScenario::setup();
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(directory.path()).await;
    let epoch = store.take_ownership().await.unwrap();
    store.commit(&commit(epoch, 1)).await.unwrap();
    fail::cfg("lake::file_written", "1*return").unwrap();
    assert!(matches!(store.flush_lake(true).await, Err(StoreError::Unavailable(_))));
    assert!(parquet_files(&directory.path().join("lake")).is_empty());
    assert_eq!(store.flush_lake(true).await.unwrap().rows, 50);
    scenario.teardown();
}
