//! A disk that has no room: under the tables and under the lake. Readings wait, nothing is lost, and it goes on by itself.

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use painwatch_store::*;
use support::*;

/// Names the directory of the small disk to the part that runs on it.
const DISK: &str = "PAINWATCH_SMALL_DISK";
const ROWS: u64 = 200;

/// Runs the part on a disk of a few megabytes, in a mount namespace of its own.
fn on_a_small_disk(part: &str) {
    let place = tempfile::tempdir().unwrap();
    let mut namespace = Command::new("unshare");
    namespace.args(["--map-root-user", "--mount", "sh", "-c"]);
    namespace.arg("mount -t tmpfs -o size=4m tmpfs \"$0\" || exit 77; exec \"$@\"").arg(place.path());
    namespace.arg(std::env::current_exe().unwrap()).args(["--exact", part, "--ignored", "--nocapture"]);
    let done = namespace.env(DISK, place.path()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.code() == Some(77) || said.starts_with("unshare:") {
        println!("skipped: no small disk can be mounted here: {said}");
        return;
    }
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

fn disk() -> PathBuf {
    std::env::var_os(DISK).expect("started by the test of the same name").into()
}

/// Takes all the room there is.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("somebody-elses");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
    path
}

/// A store with its first rows on the disk.
async fn begun(disk: &Path) -> (Arc<dyn Store>, u64) {
    let store = sqlite(disk).await;
    let epoch = store.take_ownership().await.unwrap();
    write(&*store, epoch, rows(0)).await;
    (store, epoch)
}

fn rows(from: u64) -> Rows {
    Rows { readings: (from..from + ROWS).map(|n| reading(n, from)).collect(), ..Rows::default() }
}

#[test]
fn f6_a_full_disk_under_the_tables_is_waited_for_and_nothing_of_a_commit_is_there_before() {
    on_a_small_disk("tables_on_a_full_disk");
}

#[tokio::test]
#[ignore = "run by the tests beside it"]
async fn tables_on_a_full_disk() {
    let disk = disk();
    let (store, epoch) = begun(&disk).await;
    let filler = fill(&disk);
    let commit = || Commit { epoch, rows: rows(ROWS), ..Commit::default() };
    for attempt in 0..3 {
        let refused = store.commit(&commit()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "attempt {attempt}: {refused:?}");
        assert_eq!(store.counts(tenant()).await.unwrap().identities, ROWS, "what was there can be read");
    }
    std::fs::remove_file(filler).unwrap();
    store.commit(&commit()).await.unwrap();
    assert_eq!(store.counts(tenant()).await.unwrap().identities, 2 * ROWS);
}

#[test]
fn f6_a_store_is_opened_on_a_full_disk_once_there_is_room() {
    on_a_small_disk("opened_on_a_full_disk");
}

#[tokio::test]
#[ignore = "run by the tests beside it"]
async fn opened_on_a_full_disk() {
    let disk = disk();
    drop(begun(&disk).await);
    let filler = fill(&disk);
    let url = format!("sqlite:{}", disk.join("painwatch.db").display());
    let refused = match open(&url, &disk.join("lake")).await {
        Ok(store) => store.take_ownership().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    std::fs::remove_file(filler).unwrap();
    assert_eq!(sqlite(&disk).await.counts(tenant()).await.unwrap().identities, ROWS);
}

#[test]
fn f6_a_full_disk_under_the_lake_leaves_the_rows_hot_and_no_half_file() {
    on_a_small_disk("lake_on_a_full_disk");
}

#[tokio::test]
#[ignore = "run by the tests beside it"]
async fn lake_on_a_full_disk() {
    let (disk, tables) = (disk(), tempfile::tempdir().unwrap());
    let lake = disk.join("lake");
    let url = format!("sqlite:{}", tables.path().join("painwatch.db").display());
    let store = open(&url, &lake).await.unwrap();
    let epoch = store.take_ownership().await.unwrap();
    write(&*store, epoch, rows(0)).await;
    let filler = fill(&disk);
    let refused = store.flush_lake(true).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    assert!(std::fs::read_dir(lake.join("main/readings")).unwrap().next().is_none(), "no half file");
    assert_eq!(store.counts(tenant()).await.unwrap().identities, ROWS);
    std::fs::remove_file(filler).unwrap();
    assert_eq!(store.flush_lake(true).await.unwrap().rows, ROWS);
    assert_eq!(store.counts(tenant()).await.unwrap().identities, ROWS);
}
