use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::*;

const WORDS: &[&str] = &[
    "SELECT",
    "*",
    "FROM",
    "readings",
    "clinic.metrics",
    "WHERE",
    "value",
    ">",
    "+",
    "0",
    "'x'",
    "NULL",
    "(",
    ")",
    ",",
    "GROUP BY",
    "1",
    "ORDER BY",
    "LIMIT",
    "count(*)",
    "as_of('readings',",
    "CASE",
    "WHEN",
    "END",
    "NOT",
    "::int",
    "INTERVAL '1 day'",
    "UNION ALL",
    "JOIN",
    "ON",
    "AS",
    "a",
    "WITH",
    "OVER (",
    "EXPLAIN",
    "SHOW",
    "[1,2]",
    ";",
    "\"",
    "$1",
];

const LEAVES: &[&str] = &[
    "time",
    "end_time",
    "value",
    "value_code",
    "seq",
    "measure",
    "zone",
    "attributes",
    "NULL",
    "true",
    "0",
    "-1",
    "7",
    "2.5",
    "1e308",
    "-9223372036854775808",
    "9223372036854775807",
    "''",
    "'x'",
    "'é✓'",
    "'('",
    "'%Q'",
    "'Europe/Paris'",
    "'1 day'",
    "'[1]'",
    "INTERVAL '1 month'",
    "DATE '2026-03-01'",
    "TIMESTAMP '2026-03-01 03:10Z'",
    "now()",
    "[1, NULL]",
    "[]",
    "[[time]]",
    "{'a': value}",
    "X'00ff'",
    "time_bucket('5 min', time)",
    "local_day(time, zone)",
];

const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "||",
    "=",
    "<>",
    "<",
    ">=",
    "AND",
    "OR",
    "LIKE",
    "~",
    "IS DISTINCT FROM",
    "&",
    "|",
    "<<",
    ">>",
];

const TYPES: &[&str] = &[
    "int",
    "smallint",
    "bigint",
    "double",
    "decimal(38,10)",
    "text",
    "date",
    "timestamp",
    "boolean",
    "interval",
    "bytea",
];

fn expression(functions: Vec<String>) -> impl Strategy<Value = String> + Clone {
    let leaf = select(LEAVES).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, move |part| {
        let arguments = proptest::collection::vec(part.clone(), 0..4);
        prop_oneof![
            2 => (part.clone(), select(OPERATORS), part.clone()).prop_map(|(a, by, b)| format!("({a} {by} {b})")),
            2 => (part.clone(), select(TYPES)).prop_map(|(a, to)| format!("CAST({a} AS {to})")),
            5 => (select(functions.clone()), arguments)
                .prop_map(|(name, arguments)| format!("\"{name}\"({})", arguments.join(", "))),
            1 => (part.clone(), part.clone()).prop_map(|(a, b)| format!("CASE WHEN {a} IS NULL THEN {b} ELSE {a} END")),
            1 => (part.clone(), part).prop_map(|(a, b)| format!("{a} IN ({b}, {a})")),
        ]
    })
}

fn question(functions: Vec<String>, folds: Vec<String>) -> impl Strategy<Value = String> {
    let one = expression(functions);
    let fold =
        (select(folds), proptest::collection::vec(one.clone(), 0..3), select(&["", " OVER (ORDER BY time)"][..]))
            .prop_map(|(name, arguments, over)| format!("SELECT {name}({}){over} FROM readings", arguments.join(", ")));
    let table = select(
        &["readings", "as_of('readings', 5)", "(SELECT * FROM readings LIMIT 3) r", "generate_series(1, 3)"][..],
    );
    prop_oneof![
        one.clone().prop_map(|a| format!("SELECT {a} FROM readings LIMIT 3")),
        (one.clone(), one.clone())
            .prop_map(|(a, b)| format!("SELECT {a} AS a, count(*) FROM readings WHERE {b} GROUP BY 1")),
        (one.clone(), table).prop_map(|(a, from)| format!("SELECT * FROM {from} ORDER BY {a} LIMIT 2")),
        one.clone().prop_map(|a| format!(
            "SELECT count(*) FROM readings r JOIN alerts s ON {}",
            a.replace("measure", "r.measure")
        )),
        one.prop_map(|a| format!("EXPLAIN SELECT unnest({a}) FROM readings")),
        fold,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_whatever_makes_the_engine_panic() {
    let options = Options { max_rows: 10_000, timeout: std::time::Duration::from_secs(20), ..Options::default() };
    let house = House::furnished(options).await;
    let functions = house.engine.functions();
    let folds = house.engine.folds();
    let sentence = proptest::collection::vec(select(WORDS), 1..14).prop_map(|words| words.join(" "));
    let text = prop_oneof![1 => any::<String>(), 1 => sentence, 8 => question(functions, folds)];
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(Config { cases: 600, failure_persistence: None, ..Config::default() });
        let unharmed = |text: String| {
            let answer = handle.block_on(house.engine.sql(&text));
            prop_assert!(!matches!(answer, Err(QueryError::Panicked)), "{text}");
            Ok(())
        };
        runner.run(&text, unharmed).unwrap();
    });
    assert_eq!(house.line("SELECT count(*) FROM readings").await, "300");
}
