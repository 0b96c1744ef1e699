use super::*;

#[tokio::test]
async fn what_does_not_read_is_refused_by_name() {
    let house = House::furnished(Options::default()).await;
    for (sql, named) in [
        ("CREATE TABLE copy AS SELECT * FROM readings", "CREATE TABLE"),
        ("CREATE VIEW v AS SELECT 1", "CREATE VIEW"),
        ("CREATE EXTERNAL TABLE t (a INT) STORED AS CSV LOCATION '/etc/passwd'", "CREATE EXTERNAL"),
        ("DROP TABLE readings", "DROP TABLE"),
        ("INSERT INTO alerts SELECT * FROM alerts", "INSERT INTO"),
        ("UPDATE alerts SET state = 'resolved'", "UPDATE"),
        ("DELETE FROM readings", "DELETE FROM"),
        ("TRUNCATE readings", "TRUNCATE"),
        ("COPY readings TO '/tmp/out.csv'", "COPY"),
        ("EXPLAIN ANALYZE COPY readings TO '/tmp/out.csv'", "COPY"),
        ("EXPLAIN DELETE FROM readings", "DELETE FROM"),
        ("SET datafusion.execution.batch_size = 1", "SET"),
        ("RESET datafusion.execution.batch_size", "RESET"),
        ("BEGIN", "BEGIN"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("SELECT 1 INTO copy", "CreateMemoryTable"),
    ] {
        match house.refusal(sql).await {
            QueryError::NotAllowed(what) => assert!(what.starts_with(named), "{sql}: {what}"),
            other => panic!("{sql}: {other}"),
        }
    }
    assert_eq!(house.line("SELECT count(*) FROM readings").await, "300");
}

#[tokio::test]
async fn neither_files_nor_functions_without_bounds_can_be_named() {
    let house = House::new().await;
    for sql in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM 'file:///etc/hosts.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT repeat('x', 1000000000)",
        "SELECT list_repeat(1, 1000000000)",
        "SELECT rpad('x', 1000000000, 'y')",
        "SELECT range(0, 1000000000)",
        "SELECT generate_series(0, 1000000000)",
        "SELECT 1; SELECT 2",
        "",
    ] {
        let refusal = house.refusal(sql).await;
        assert!(matches!(refusal, QueryError::Invalid(_)), "{sql}: {refusal:?}");
    }
}

#[tokio::test]
async fn a_mistake_is_explained() {
    let house = House::new().await;
    let said = async |sql: &str| house.refusal(sql).await.to_string();
    assert!(said("SELECT valeu FROM readings").await.contains("value"));
    assert!(said("SELECT * FROM reading").await.contains("reading"));
    assert!(said("SELEC 1").await.contains("SELEC"));
    assert!(said("SELECT nosuch(1)").await.contains("nosuch"));
    let research = said("SELECT * FROM research.readings").await;
    assert!(research.contains("schema research") && research.contains("not available yet"), "{research}");
}
