use super::*;

const BY_MEASURE: &str = "SELECT measure, count(*), sum(value), min(time) FROM readings GROUP BY 1 ORDER BY 1";

#[tokio::test]
async fn an_answer_does_not_depend_on_what_has_moved_to_the_lake() {
    let house = House::furnished(Options::default()).await;
    let hot = house.lines(BY_MEASURE).await;
    let steps = "step_count,100,14850.0,2026-03-01T00:00:00Z";
    assert_eq!(hot, ["heart_rate,200,30000.0,2026-03-01T00:01:00Z", steps]);

    assert!(house.store.flush_lake(true).await.unwrap().files > 0);
    assert!(house.store.readings_view().await.unwrap().hot.iter().all(|batch| batch.num_rows() == 0));
    assert_eq!(house.lines(BY_MEASURE).await, hot);

    house.write(Rows { readings: (300..330).map(|number| reading(number, 2)).collect(), ..Rows::default() }).await;
    assert_eq!(house.line("SELECT count(*), count(DISTINCT reading_id) FROM readings").await, "330,330");
}

#[tokio::test]
async fn a_replaced_row_of_the_lake_is_seen_once_in_its_newest_version() {
    let house = House::furnished(Options::default()).await;
    house.store.flush_lake(true).await.unwrap();
    house.replace(10..20, 7, 1_000.0).await;

    let view = house.store.readings_view().await.unwrap();
    assert_eq!(view.superseded.len(), 10, "the case that this test is about");
    let counts = "SELECT count(*), count(DISTINCT reading_id), count(*) FILTER (WHERE value = 1000) FROM readings";
    let expected = "300,300,10";
    assert_eq!(house.line(counts).await, expected);
    let newest = "SELECT value FROM readings WHERE time >= '2026-03-01T00:10:00Z' AND time < '2026-03-01T00:12:00Z'";
    assert_eq!(house.line(newest).await, "1000.0|1000.0");

    house.store.flush_lake(true).await.unwrap();
    assert!(house.store.readings_view().await.unwrap().superseded.is_empty());
    assert_eq!(house.line(counts).await, expected);
}

#[tokio::test]
async fn semantics_22_as_of_an_offset_shows_what_was_known_then() {
    let house = House::furnished(Options::default()).await;
    house.replace(10..20, 7, 1_000.0).await;
    house.store.flush_lake(true).await.unwrap();
    house.replace(10..15, 9, 2_000.0).await;

    let at =
        async |offset: u64| house.line(&format!("SELECT count(*), max(value) FROM as_of('readings', {offset})")).await;
    assert_eq!(at(0).await, "0,");
    assert_eq!(at(1).await, "300,299.0");
    assert_eq!(at(6).await, "300,299.0");
    assert_eq!(at(7).await, "300,1000.0");
    assert_eq!(at(8).await, "300,1000.0");
    assert_eq!(at(9).await, "300,2000.0");
    let narrowed = "SELECT DISTINCT value FROM as_of('readings', 8) WHERE revision = 1";
    assert_eq!(house.line(narrowed).await, "1000.0");
    assert_eq!(house.line("SELECT count(*) FROM as_of('metrics', 8)").await, "0");

    let refusal = house.refusal("SELECT * FROM as_of('readings', TIMESTAMP '2026-03-01 03:10Z')").await;
    assert!(refusal.to_string().contains("as_of at a time is not available yet"), "{refusal}");
    let refusal = house.refusal("SELECT * FROM as_of('alerts', 3)").await;
    assert!(refusal.to_string().contains("readings and metrics"), "{refusal}");
    house.refusal("SELECT * FROM as_of('readings')").await;
    house.refusal("SELECT * FROM as_of(NULL, NULL)").await;
}

#[tokio::test]
async fn rows_of_another_tenant_cannot_be_reached() {
    let house = House::furnished(Options::default()).await;
    for flushed in [false, true] {
        if flushed {
            house.store.flush_lake(true).await.unwrap();
        }
        assert_eq!(house.line("SELECT DISTINCT tenant_id FROM readings").await, "main");
        assert_eq!(house.line("SELECT count(*) FROM readings WHERE tenant_id = 'elsewhere' OR true").await, "300");
        assert_eq!(house.line("SELECT count(*) FROM as_of('readings', 99)").await, "300");
        let theirs = house.engine.sql_for(elsewhere(), "SELECT * FROM readings").await.unwrap();
        assert_eq!(theirs.rows(), 10);
        let alerts = house.engine.sql_for(elsewhere(), "SELECT * FROM alerts").await.unwrap();
        assert_eq!(alerts.rows(), 0);
    }
    let measures = house.engine.sql_for(elsewhere(), "SELECT * FROM measures WHERE tenant_id = 'elsewhere'").await;
    assert_eq!(measures.unwrap().rows(), Measure::ALL.len());
}

#[tokio::test]
async fn every_table_of_the_store_is_there_with_its_columns_in_schema_clinic() {
    let house = House::furnished(Options::default()).await;
    for def in tables() {
        let expected: Vec<_> = def.columns.iter().map(|column| column.name).collect();
        for name in [def.name.to_owned(), format!("clinic.{}", def.name), format!("painwatch.clinic.{}", def.name)] {
            let result = house.rows(&format!("SELECT * FROM {name}")).await;
            let found: Vec<_> = result.schema.fields().iter().map(|field| field.name().as_str()).collect();
            assert_eq!(found, expected, "{name}");
        }
    }
    let listed = house.lines("SELECT table_name FROM information_schema.tables WHERE table_schema = 'clinic'").await;
    assert_eq!(listed.len(), tables().len());
    assert!(house.rows("SHOW TABLES").await.rows() >= tables().len());
    assert_eq!(house.rows("DESCRIBE alerts").await.rows(), table("alerts").unwrap().columns.len());
}

#[tokio::test]
async fn tables_can_be_joined_windowed_and_filled_with_a_calendar() {
    let house = House::furnished(Options::default()).await;
    house.store.flush_lake(true).await.unwrap();
    let joined = "SELECT a.priority, count(*) FROM alerts a JOIN clinic.readings r ON r.patient_id = a.patient_id \
                  AND r.time BETWEEN a.onset_at AND a.last_held_at GROUP BY 1";
    assert_eq!(house.line(joined).await, "high,2");
    let last = "SELECT measure, last_value(value ORDER BY time) FROM readings GROUP BY 1 ORDER BY 1";
    assert_eq!(house.lines(last).await, ["heart_rate,299.0", "step_count,297.0"]);
    let filled = "WITH hours AS (SELECT value AS hour FROM generate_series(TIMESTAMP '2026-03-01 00:00', \
                  TIMESTAMP '2026-03-01 06:00', INTERVAL '1 hour')), counts AS (SELECT time_bucket('1 hour', time) AS \
                  hour, count(*) AS n FROM readings GROUP BY 1) SELECT coalesce(n, 0) FROM hours LEFT JOIN counts \
                  ON hours.hour = counts.hour ORDER BY hours.hour";
    assert_eq!(house.line(filled).await, "60|60|60|60|60|0|0");
}

#[tokio::test]
async fn conditions_and_columns_reach_the_parquet_files() {
    let house = House::furnished(Options::default()).await;
    house.store.flush_lake(true).await.unwrap();
    let plan = house.line("EXPLAIN SELECT value FROM readings WHERE time > '2026-03-01T04:00:00Z'").await;
    assert!(plan.contains("parquet") && plan.contains("pruning_predicate") && plan.contains("time_max"), "{plan}");
    assert!(!plan.contains("batch_id"), "{plan}");
    house.rows("EXPLAIN ANALYZE SELECT count(*) FROM readings").await;
}

#[tokio::test]
async fn an_answer_is_written_as_table_csv_json_and_arrow() {
    let house = House::furnished(Options::default()).await;
    let result = house.rows("SELECT measure, value, end_time, time FROM readings ORDER BY time LIMIT 2").await;
    let text = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    let table = text(&|out| result.table(out).unwrap());
    assert!(table.contains("| step_count | 0.0   |          | 2026-03-01T00:00:00Z |"), "{table}");
    let csv = text(&|out| result.csv(out).unwrap());
    assert_eq!(csv.lines().nth(1), Some("step_count,0.0,,2026-03-01T00:00:00Z"));
    let json = text(&|out| result.json(out).unwrap());
    assert!(json.starts_with(r#"[{"measure":"step_count","value":0.0,"end_time":null,"time":"2026-03-01T00:00:00Z"}"#));

    let mut bytes = Vec::new();
    result.arrow_ipc(&mut bytes).unwrap();
    let read = arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
    assert_eq!(read.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);

    let none = house.rows("SELECT measure FROM readings WHERE false").await;
    assert_eq!(text(&|out| none.csv(out).unwrap()), "measure\n");
    assert_eq!(text(&|out| none.json(out).unwrap()), "[]\n");
    assert!(text(&|out| none.table(out).unwrap()).contains("measure"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_stay_right_while_files_are_being_rewritten() {
    let house = House::furnished(Options::default()).await;
    house.store.flush_lake(true).await.unwrap();
    let counts = "SELECT count(*), count(DISTINCT reading_id), count(measure) FROM readings";
    let flushing = async {
        for round in 0..12 {
            house.replace(round * 20..round * 20 + 20, 10 + round, -1.0).await;
            house.store.flush_lake(true).await.unwrap();
        }
    };
    let asking = async {
        for _ in 0..40 {
            assert_eq!(house.line(counts).await, "300,300,300");
        }
    };
    tokio::join!(flushing, asking);
    assert_eq!(house.line("SELECT count(*) FROM readings WHERE value = -1").await, "240");
}

#[tokio::test]
async fn a_file_that_is_lost_is_a_failure_and_not_a_shorter_answer() {
    let house = House::furnished(Options::default()).await;
    house.store.flush_lake(true).await.unwrap();
    for file in house.store.lake_files().await.unwrap() {
        std::fs::remove_file(file).unwrap();
    }
    let refusal = house.refusal("SELECT count(value) FROM readings").await;
    assert!(matches!(refusal, QueryError::Failed(_)), "{refusal:?}");
}

#[test]
fn a_file_that_went_away_is_recognised_wherever_it_is_noticed() {
    use datafusion::error::DataFusionError;
    use datafusion::object_store::Error;
    use datafusion::parquet::errors::ParquetError;

    let gone = || Error::NotFound { path: "a.parquet".into(), source: "gone".into() };
    let looked_up = DataFusionError::ObjectStore(Box::new(gone())).context("while listing");
    let read = DataFusionError::ParquetError(Box::new(ParquetError::External(Box::new(gone()))));
    let elsewhere = DataFusionError::External(Box::new(read));
    assert!(crate::error::is_moved_file(&looked_up));
    assert!(crate::error::is_moved_file(&elsewhere));
    assert!(!crate::error::is_moved_file(&DataFusionError::Execution("not found".into())));
}
