//! Random commits and flushes: SQLite with its lake answers every question as the memory store does.

mod support;

use std::collections::HashSet;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use painwatch_domain::*;
use painwatch_store::*;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use support::*;

#[derive(Clone, Debug)]
enum Step {
    Readings(Vec<(u64, u32, i64, bool, bool)>),
    Metrics(Vec<(i64, i64)>),
    Coverage(Vec<(i64, i64, Vec<i64>)>),
    Episodes(Vec<(i64, bool)>),
    Alerts(Vec<(u64, usize)>),
    Flush,
    NewOwner,
}

fn step() -> impl Strategy<Value = Step> {
    let version = (0..12_u64, 0..3_u32, 0..40_i64, prop::bool::weighted(0.8), prop::bool::weighted(0.1));
    prop_oneof![
        4 => prop::collection::vec(version, 0..12).prop_map(Step::Readings),
        1 => prop::collection::vec((0..4_i64, 0..9_i64), 0..6).prop_map(Step::Metrics),
        1 => prop::collection::vec((0..8_i64, 1..4_i64, prop::collection::vec(0..40_i64, 0..4)), 0..3).prop_map(Step::Coverage),
        1 => prop::collection::vec((0..5_i64, any::<bool>()), 0..4).prop_map(Step::Episodes),
        1 => prop::collection::vec((0..6_u64, 0..5_usize), 0..4).prop_map(Step::Alerts),
        2 => Just(Step::Flush),
        1 => Just(Step::NewOwner),
    ]
}

/// The commit of a step; `seen` are the identities committed as current before.
fn rows(step: &Step, offset: u64, seen: &mut HashSet<u64>) -> Rows {
    let mut rows = Rows::default();
    match step {
        Step::Readings(versions) => {
            for &(number, wearer, second, effective, conflict) in versions {
                let supersedes = seen.contains(&number);
                // A first version is always effective and undisputed.
                let (effective, conflict) = (effective || !supersedes, conflict && supersedes);
                if effective && !conflict {
                    seen.insert(number);
                }
                let time = EventTime(START + second * 86_400_000);
                let patient = (wearer > 0).then(|| patient(wearer));
                let revision = second;
                rows.readings.push(ReadingRow {
                    time,
                    patient,
                    revision,
                    effective,
                    conflict,
                    supersedes,
                    ..reading(number, offset)
                });
            }
        }
        Step::Metrics(values) => {
            let known_from = Offset(offset);
            rows.metrics = values
                .iter()
                .map(|&(day, value)| MetricRow { known_from, ..metric(day, value, value as f64 / 3.0) })
                .collect();
        }
        Step::Coverage(days) => {
            for (from, length, starts) in days {
                let (from, to) = (from * 10, (from + length) * 10);
                let inside: std::collections::BTreeSet<_> =
                    starts.iter().filter(|at| (from..to).contains(*at)).collect();
                let spans =
                    inside.into_iter().map(|&at| interval(at, at + 3, if at % 2 == 0 { "" } else { "link" })).collect();
                rows.coverage.push(coverage_day(from, to, spans));
            }
        }
        Step::Episodes(episodes) => {
            for &(start, gone) in episodes {
                match gone {
                    true => rows.episodes_gone.push((tenant(), patient(1), rule("r"), EventTime(start))),
                    false => rows
                        .episodes
                        .push(EpisodeRow { end: Some(EventTime(offset as i64)), ..episode(start, Priority::Low) }),
                }
            }
        }
        Step::Alerts(alerts) => {
            let changed =
                |&(number, state): &(u64, usize)| AlertRow { state: AlertState::ALL[state], ..alert(number, offset) };
            rows.alerts = alerts.iter().map(changed).collect();
        }
        Step::Flush | Step::NewOwner => {}
    }
    rows
}

/// Every row as text, sorted: tables are sets.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let mut out = Vec::new();
    for batch in batches {
        // The formatter knows no zone by name.
        let naive = |column: &ArrayRef| match column.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => cast(column, &DataType::Int64).unwrap(),
            _ => column.clone(),
        };
        let columns: Vec<_> = batch.columns().iter().map(naive).collect();
        let cells: Vec<_> = columns.iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        out.extend(
            (0..batch.num_rows())
                .map(|row| cells.iter().map(|cell| cell.value(row).to_string() + "|").collect::<String>()),
        );
    }
    out.sort();
    out
}

/// The current readings as the query engine would put them together.
async fn current(store: &dyn Store) -> Vec<String> {
    let view = store.readings_view().await.unwrap();
    let mut batches = view.hot;
    for path in view.files {
        let file = std::fs::File::open(path).unwrap();
        batches.extend(
            ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(|batch| batch.unwrap()),
        );
    }
    let mut rows = texts(&batches);
    let hidden = |row: &String| {
        view.superseded.iter().any(|gone| {
            let known_from = format!("|{}||", gone.known_from);
            row.contains(&gone.reading_id.to_string()) && row.ends_with(&known_from)
        })
    };
    rows.retain(|row| !hidden(row));
    rows
}

async fn compare(ours: &dyn Store, model: &dyn Store) {
    for def in tables().iter().filter(|def| def.name != "readings") {
        let (left, right) = (ours.table_batches(def.name).await.unwrap(), model.table_batches(def.name).await.unwrap());
        assert_eq!(texts(&left), texts(&right), "{}", def.name);
    }
    assert_eq!(current(ours).await, current(model).await);
    assert_eq!(ours.counts(tenant()).await.unwrap(), model.counts(tenant()).await.unwrap());
    let (from, to) = (EventTime(START + 5 * 86_400_000), EventTime(START + 30 * 86_400_000));
    for wearer in 1..3 {
        for limit in [3, 100] {
            let left = ours.series(tenant(), patient(wearer), "heart_rate".into(), from, to, limit).await.unwrap();
            let right = model.series(tenant(), patient(wearer), "heart_rate".into(), from, to, limit).await.unwrap();
            assert_eq!(left, right);
        }
    }
    let page = || AlertFilter { before: Some(Offset(9)), limit: 2, ..AlertFilter::default() };
    assert_eq!(ours.alerts(page()).await.unwrap(), model.alerts(page()).await.unwrap());
    let hash = canonical_hash(ours, &tenant()).await.unwrap();
    assert_eq!(hash, canonical_hash(model, &tenant()).await.unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_its_lake_answer_as_memory_does(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let (ours, model) = (sqlite(directory.path()).await, MemoryStore::new());
            let mut epoch = ours.take_ownership().await.unwrap();
            assert_eq!(model.take_ownership().await.unwrap(), epoch);
            let mut seen = HashSet::new();
            for (offset, step) in steps.iter().enumerate() {
                match step {
                    Step::Flush => drop(ours.flush_lake(true).await.unwrap()),
                    Step::NewOwner => {
                        epoch = ours.take_ownership().await.unwrap();
                        model.take_ownership().await.unwrap();
                    }
                    _ => {
                        let mut before = seen.clone();
                        write(&*ours, epoch, rows(step, offset as u64, &mut seen)).await;
                        write(&model, epoch, rows(step, offset as u64, &mut before)).await;
                    }
                }
            }
            compare(&*ours, &model).await;
        });
    }
}
