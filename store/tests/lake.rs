//! The lake as files and as others see it.

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use painwatch_domain::*;
use painwatch_store::*;
use parquet::file::reader::{FileReader, SerializedFileReader};
use support::*;

fn listed_and_present(store_files: &[PathBuf], lake: &Path) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    let present = parquet_files(&lake.canonicalize().unwrap());
    (store_files.iter().cloned().collect(), present.into_iter().collect())
}

#[tokio::test]
async fn a_new_owner_sweeps_files_that_no_snapshot_lists_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let lake = directory.path().join("lake");
    let store = sqlite(directory.path()).await;
    let epoch = store.take_ownership().await.unwrap();
    write(&*store, epoch, Rows { readings: (0..9).map(|n| reading(n, 1)).collect(), ..Rows::default() }).await;
    store.flush_lake(true).await.unwrap();
    let table = lake.join("main/readings");
    for name in ["readings-1-9-0-0123.parquet", "readings-1-9-1.tmp", "notes-of-a-person.txt"] {
        std::fs::write(table.join(name), "x").unwrap();
    }
    store.take_ownership().await.unwrap();
    let (listed, present) = listed_and_present(&store.lake_files().await.unwrap(), &lake);
    let foreign: Vec<_> = present.difference(&listed).map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!((listed.len(), foreign), (1, vec!["notes-of-a-person.txt".into()]));
    assert!(listed.is_subset(&present));
}

#[tokio::test]
async fn f8_every_damaged_lake_file_is_known_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(directory.path()).await;
    let epoch = store.take_ownership().await.unwrap();
    write(&*store, epoch, Rows { readings: (0..99).map(|n| reading(n, 1)).collect(), ..Rows::default() }).await;
    store.flush_lake(true).await.unwrap();
    let file = store.lake_files().await.unwrap().remove(0);
    assert_eq!(check_lake_file(&file), LakeFileState::AsWritten);
    let whole = std::fs::read(&file).unwrap();
    let damaged = |bytes: &[u8], how: &str| {
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(check_lake_file(&file), LakeFileState::Damaged, "{how}");
    };
    for bit in (0..whole.len() * 8).step_by(31) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        damaged(&bytes, &format!("bit {bit}"));
    }
    for length in 0..whole.len() {
        damaged(&whole[..length], &format!("cut to {length}"));
    }
    for at in (0..whole.len()).step_by(512) {
        let mut bytes = whole.clone();
        let end = (at + 512).min(bytes.len());
        bytes[at..end].fill(0);
        damaged(&bytes, &format!("a zeroed sector at {at}"));
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(check_lake_file(&file), LakeFileState::Unreadable(_)));
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(check_lake_file(&file), LakeFileState::AsWritten);
}

#[tokio::test]
async fn a_flush_without_ownership_is_fenced_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let old = sqlite(directory.path()).await;
    let epoch = old.take_ownership().await.unwrap();
    write(&*old, epoch, Rows { readings: vec![reading(1, 1)], ..Rows::default() }).await;
    let new = sqlite(directory.path()).await;
    new.take_ownership().await.unwrap();
    assert!(matches!(old.flush_lake(true).await, Err(StoreError::Fenced { .. })));
    assert!(parquet_files(&directory.path().join("lake")).is_empty());
    assert_eq!(new.flush_lake(true).await.unwrap().rows, 1);
}

#[tokio::test]
async fn few_rows_stay_hot_unless_all_must_go() {
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(directory.path()).await;
    let epoch = store.take_ownership().await.unwrap();
    write(&*store, epoch, Rows { readings: vec![reading(1, 1)], ..Rows::default() }).await;
    assert_eq!(store.flush_lake(false).await.unwrap(), LakeReport::default());
    assert_eq!(store.flush_lake(true).await.unwrap().rows, 1);
    assert_eq!(store.flush_lake(true).await.unwrap(), LakeReport::default());
}

#[tokio::test]
async fn the_lake_moves_with_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (before, after) = (directory.path().join("before"), directory.path().join("after"));
    std::fs::create_dir(&before).unwrap();
    {
        let store = sqlite(&before).await;
        let epoch = store.take_ownership().await.unwrap();
        write(&*store, epoch, Rows { readings: vec![reading(1, 1)], ..Rows::default() }).await;
        store.flush_lake(true).await.unwrap();
    }
    std::fs::rename(&before, &after).unwrap();
    let store = sqlite(&after).await;
    assert!(store.lake_files().await.unwrap()[0].starts_with(after.canonicalize().unwrap()));
    let rows =
        store.series(tenant(), patient(1), "heart_rate".into(), EventTime::MIN, EventTime::MAX, 9).await.unwrap();
    assert_eq!(rows, [reading(1, 1)]);
}

/// Fills a lake in three flushes: hot rows, rows of another month and nobody's, then a replaced one.
async fn fill(store: &dyn Store) {
    let epoch = store.take_ownership().await.unwrap();
    let flush = async |readings: Vec<ReadingRow>| {
        write(store, epoch, Rows { readings, ..Rows::default() }).await;
        store.flush_lake(true).await.unwrap();
    };
    flush((0..30).map(|n| reading(n, 1)).collect()).await;
    let later = ReadingRow { time: EventTime(START + 40 * 86_400_000), ..reading(30, 2) };
    flush(vec![later, ReadingRow { patient: None, ..reading(31, 2) }]).await;
    let newer = |n, revision| ReadingRow { value: Some(100.0), revision, supersedes: true, ..reading(n, 3) };
    flush(vec![newer(12, 1), newer(13, 2)]).await;
}

fn check_what_duckdb_sees(catalog: &str) {
    let python = duckdb_python();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lake_duckdb.py");
    // From another directory: the catalog's paths do not depend on where the reader stands.
    let out = Command::new(python).arg(script).arg(catalog).current_dir("/").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let seen: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(seen["rows"], 32, "{seen}");
    assert_eq!(seen["distinct"], 32);
    assert_eq!(seen["revised"], 2);
    assert_eq!(seen["without_patient"], 1);
    let sum: f64 = (10..20).map(|n| if n == 12 || n == 13 { 100.0 } else { 60.0 + f64::from(n) / 8.0 }).sum();
    let expected = serde_json::json!([10, sum, "2026-03-01 00:00:10+00", "2026-03-01 00:00:19+00"]);
    assert_eq!(seen["one_patient"], expected);
    assert_eq!(seen["rows_by_snapshot"], serde_json::json!({"1": 0, "2": 30, "3": 32, "4": 32}));
    let columns = seen["columns"].as_array().unwrap();
    let names: Vec<_> = columns.iter().map(|column| column[0].as_str().unwrap()).collect();
    let ours: Vec<_> = table("readings").unwrap().columns.iter().map(|column| column.name).collect();
    assert_eq!(names, ours);
    assert_eq!(columns[1][1], "TIMESTAMP WITH TIME ZONE");
}

/// A Python with DuckDB and its extensions, in a private environment of the build directory. Cannot be installed: fails.
fn duckdb_python() -> PathBuf {
    const PACKAGES: [&str; 4] = [
        "duckdb==1.4.4",
        "duckdb-ext-ducklake==1.4.4.20260205",
        "duckdb-ext-sqlite==1.4.4.20260205",
        "duckdb-ext-postgres==1.4.4.20260205",
    ];
    let ready = Path::new(env!("CARGO_TARGET_TMPDIR")).join("duckdb-1.4.4");
    let python = ready.join("bin/python");
    let complete = ready.join("complete");
    // Tests run beside each other, each in a process of its own: the first one installs, the others wait.
    let lock = File::create(ready.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !complete.exists() {
        let venv = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&ready).status().unwrap();
        assert!(venv.success(), "python3 -m venv failed");
        let pip = Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES).status().unwrap();
        assert!(pip.success(), "pip could not install DuckDB");
        File::create(complete).unwrap();
    }
    python
}

#[tokio::test]
async fn duckdb_reads_the_lake_of_a_sqlite_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(directory.path()).await;
    fill(&*store).await;
    check_what_duckdb_sees(&format!("sqlite:{}", directory.path().join("painwatch.db").display()));
}

#[tokio::test]
async fn duckdb_reads_the_lake_of_a_postgresql_store() {
    let server = Postgres::start();
    let lake = tempfile::tempdir().unwrap();
    let store = open(&server.url, lake.path()).await.unwrap();
    fill(&*store).await;
    let (address, database) = server.url.trim_start_matches("postgres://painwatch@").split_once('/').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    check_what_duckdb_sees(&format!("postgres:dbname={database} host={host} port={port} user=painwatch"));
}

#[tokio::test]
async fn the_layout_of_a_file_is_the_pinned_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = sqlite(directory.path()).await;
    fill(&*store).await;
    let mut text = String::new();
    for file in store.lake_files().await.unwrap() {
        describe(&file, &mut text);
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lake_layout.txt");
    if std::env::var_os("PAINWATCH_BLESS").is_some() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, &text).unwrap();
    }
    let pinned = std::fs::read_to_string(&golden).unwrap();
    assert_eq!(text, pinned, "readers of existing files rely on this layout; PAINWATCH_BLESS=1 pins a new one");
}

/// Schema with column ids, order, encodings and filters, without what depends on the versions of libraries.
fn describe(path: &Path, out: &mut String) {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    // Its digest is that of bytes that versions of libraries decide.
    let name = path.file_name().unwrap().to_string_lossy();
    let name = name.rsplit_once('-').unwrap().0;
    let footer = reader.metadata();
    let schema = footer.file_metadata().schema_descr();
    writeln!(out, "{name}: {} rows", footer.file_metadata().num_rows()).unwrap();
    for group in footer.row_groups() {
        let sorted: Vec<_> =
            group.sorting_columns().unwrap().iter().map(|by| (by.column_idx, by.descending, by.nulls_first)).collect();
        writeln!(out, "  group of {} rows sorted by {sorted:?}", group.num_rows()).unwrap();
        for (column, kind) in group.columns().iter().zip(schema.columns()) {
            let info = kind.self_type().get_basic_info();
            // The level is not kept in the file.
            let compression = column.compression().to_string().chars().take_while(|c| *c != '(').collect::<String>();
            let encodings: BTreeSet<_> = column.encodings().map(|encoding| format!("{encoding:?}")).collect();
            writeln!(
                out,
                "    {} {} {:?} {:?} {:?} {} {encodings:?}{}",
                info.id(),
                kind.name(),
                info.repetition(),
                kind.physical_type(),
                kind.logical_type_ref(),
                compression,
                if column.bloom_filter_offset().is_some() { " bloom" } else { "" },
            )
            .unwrap();
        }
    }
}
