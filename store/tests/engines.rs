//! What is particular to one engine: restarts, schemas of another version, what an analyst sees.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use painwatch_store::*;
use support::*;

#[tokio::test]
async fn a_pool_recovers_by_itself_when_postgresql_restarts() {
    let server = Postgres::start();
    let lake = tempfile::tempdir().unwrap();
    let store = open(&server.url, lake.path()).await.unwrap();
    let epoch = store.take_ownership().await.unwrap();
    let commit =
        |n| Commit { epoch, rows: Rows { readings: vec![reading(n, n)], ..Rows::default() }, ..Commit::default() };
    store.commit(&commit(1)).await.unwrap();
    server.restart();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match store.commit(&commit(2)).await {
            Ok(()) => break,
            // Connections of before the restart may still be handed out; each is replaced.
            Err(StoreError::Unavailable(_)) => assert!(Instant::now() < deadline, "not back within 5 s"),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(store.counts(tenant()).await.unwrap().identities, 2);
}

#[tokio::test]
async fn a_postgresql_that_is_away_is_unavailable_and_a_wrong_url_is_a_failure() {
    let lake = tempfile::tempdir().unwrap();
    // Port 9 of loopback: nobody listens there.
    let away = open("postgres://nobody@127.0.0.1:9/none", lake.path()).await;
    assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
    let wrong = open("mysql://x", lake.path()).await;
    assert!(matches!(wrong, Err(StoreError::Failed(_))), "{wrong:?}");
}

#[tokio::test]
async fn opening_again_keeps_everything_and_takes_a_greater_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let first = sqlite(directory.path()).await;
    let epoch = first.take_ownership().await.unwrap();
    write(&*first, epoch, Rows { readings: vec![reading(1, 1)], batches: vec![batch(1, 1)], ..Rows::default() }).await;
    drop(first);
    let second = sqlite(directory.path()).await;
    assert_eq!(second.counts(tenant()).await.unwrap().identities, 1);
    assert!(second.take_ownership().await.unwrap() > epoch);
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(sqlite(directory.path()).await);
    let url = format!("sqlite:{}", directory.path().join("painwatch.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("UPDATE meta SET value = 99 WHERE key = 'schema_version'").execute(&pool).await.unwrap();
    pool.close().await;
    let refused = open(&url, &directory.path().join("lake")).await;
    assert!(matches!(&refused, Err(StoreError::Failed(text)) if text.contains("99")), "{refused:?}");
}

#[tokio::test]
async fn an_analyst_sees_utc_timestamps_in_postgresql() {
    let server = Postgres::start();
    let lake = tempfile::tempdir().unwrap();
    let store = open(&server.url, lake.path()).await.unwrap();
    let epoch = store.take_ownership().await.unwrap();
    write(&*store, epoch, Rows { readings: vec![reading(1, 1)], ..Rows::default() }).await;
    let sql = "SELECT time AT TIME ZONE 'UTC', value, pg_typeof(time) FROM readings";
    let out = Command::new("psql").args([server.url.as_str(), "-At", "-c", sql]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(text.trim(), "2026-03-01 00:00:01|60.125|timestamp with time zone");
}
