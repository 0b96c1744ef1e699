use std::time::{Duration, Instant};

use super::*;
use crate::guard::{MAX_OPERATORS, MAX_TEXT_BYTES};

/// Each in its own way busy for hours without reading a row.
const ENDLESS: [&str; 6] = [
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a.value < b.value",
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a.value + b.value < 0",
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    "SELECT count(*) FROM generate_series(1, 1000000) a JOIN generate_series(1, 1000000) b \
     ON a.value % 2 = b.value % 2 AND a.value + b.value < 0",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT count(*) FROM t",
    "SELECT max(sin(value)) FROM generate_series(1, 1000000000000)",
];

#[tokio::test]
async fn a_query_that_takes_too_long_is_abandoned_and_gives_its_place_back() {
    let timeout = Duration::from_millis(1_500);
    let house = House::with(Options { timeout, concurrent: 1, ..Options::default() }).await;
    for endless in ENDLESS {
        let started = Instant::now();
        let refusal = house.refusal(endless).await;
        assert!(matches!(refusal, QueryError::Timeout(_)), "{endless}: {refusal}");
        assert!(started.elapsed() < timeout * 4, "{endless}");
        // One that waits for the place would be out of time if the one before had kept it.
        let after = house.engine.sql("SELECT 1").await;
        assert!(after.is_ok(), "{endless} went on");
    }
}

#[tokio::test]
async fn tables_answers_and_operators_count_towards_the_memory_limit() {
    let small = |memory_bytes| Options { memory_bytes, spill_bytes: 0, ..Options::default() };
    let house = House::furnished(small(50_000)).await;
    assert!(matches!(house.refusal("SELECT count(*) FROM readings").await, QueryError::Memory { .. }));
    assert_eq!(house.line("SELECT 1").await, "1", "what a query held is given back");

    let house = House::with(small(4_000_000)).await;
    let numbers = "generate_series(1, 10000000)";
    let answer = house.refusal(&format!("SELECT value FROM {numbers}")).await;
    assert!(matches!(answer, QueryError::Memory { .. } | QueryError::TooManyRows(_)), "{answer:?}");
    let groups = house.refusal(&format!("SELECT count(*) FROM (SELECT DISTINCT value FROM {numbers}) t")).await;
    assert!(matches!(groups, QueryError::Memory { .. }), "{groups:?}");
    assert!(groups.to_string().contains("4000000 bytes"));
}

#[tokio::test]
async fn an_answer_with_too_many_rows_is_refused_rather_than_cut() {
    let house = House::furnished(Options { max_rows: 100, ..Options::default() }).await;
    let refusal = house.refusal("SELECT * FROM readings").await;
    assert!(matches!(refusal, QueryError::TooManyRows(100)));
    assert!(refusal.to_string().contains("LIMIT"));
    assert_eq!(house.rows("SELECT * FROM readings LIMIT 100").await.rows(), 100);
}

#[tokio::test]
async fn the_longest_chains_allowed_fit_the_stack_and_longer_ones_are_refused() {
    let house = House::furnished(Options::default()).await;
    let room = MAX_OPERATORS - 20;
    let sum = format!("SELECT value{} FROM readings LIMIT 1", " + value".repeat(room / 2));
    assert_eq!(house.rows(&sum).await.rows(), 1);
    let either = |count| format!("SELECT count(*) FROM readings WHERE seq = 1{}", " OR seq <> seq".repeat(count));
    assert_eq!(house.line(&either(room / 2)).await, "1");
    let arms = |count| format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(count));
    assert_eq!(house.rows(&arms(room / 3)).await.rows(), room / 3 + 1);
    for chain in [" IS NULL", "::int", " || 'x'", " AT TIME ZONE 'UTC'", "[1]", " COLLATE x"] {
        let _ = house.engine.sql(&format!("SELECT now(){}", chain.repeat(room / 4))).await;
    }
    for opening in ["(", "- ", "NOT ", "SELECT (", "CASE WHEN ", "coalesce(", "EXPLAIN ", "SELECT * FROM ("] {
        house.refusal(&opening.repeat(room)).await;
        house.refusal(&format!("SELECT {}1", opening.repeat(20_000))).await;
    }

    for too_long in [either(MAX_OPERATORS), format!("SELECT '{}'", "x".repeat(MAX_TEXT_BYTES))] {
        assert!(matches!(house.refusal(&too_long).await, QueryError::Invalid(_)));
    }
    let list: Vec<_> = (0..10_000).map(|number| number.to_string()).collect();
    assert_eq!(house.line(&format!("SELECT count(*) FROM readings WHERE seq IN ({})", list.join(","))).await, "300");
}
