//! How many readings a second does a store take, move to the lake, and give back? Budget: 100,000 rows a second of
//! processor into SQLite. The sum: 24 values bound at 0.1 µs, a row and three index entries at 1.5 µs, 1 µs to make the
//! columns: 9 µs a row. Measured: 114,000 in, 121,000 to the lake, at 20 bytes a row there.
//!
//! `cargo run --release -p painwatch-store --example insert_rate -- sqlite:DIR/painwatch.db DIR/lake [ROWS]`

use std::path::Path;
use std::time::Instant;

use painwatch_domain::*;
use painwatch_store::*;

const ROWS_PER_COMMIT: u64 = 10_000;
const START: i64 = 1_772_323_200_000;

fn reading(number: u64) -> ReadingRow {
    let (wearer, second) = (number % 50, (number / 50) as i64);
    ReadingRow {
        tenant: TenantId::default(),
        time: EventTime(START + second * 5_000),
        end_time: None,
        device_time: START + second * 5_000,
        zone: "Europe/Paris".into(),
        received_at: ReceivedAt(START + second * 5_000 + 900),
        patient: PatientId::parse(&format!("p-{wearer}")).ok(),
        device: DeviceId::parse(&format!("watch-{wearer:04}")).expect("an id"),
        gateway: GatewayId::parse("gw-17").expect("an id"),
        measure: "heart_rate".into(),
        value: Some(60.0 + (number % 40) as f64),
        value_code: None,
        unit: "/min".into(),
        body_site: None,
        laterality: None,
        modality: None,
        status: "final",
        revision: 0,
        quality: String::new(),
        seq: Some(number),
        reading_id: Hash128::of(&[&number.to_le_bytes()]),
        batch_id: format!("gw-17/{}", number / 720),
        known_from: Offset(number / 720),
        attributes: String::new(),
        effective: true,
        conflict: false,
        supersedes: false,
    }
}

/// Seconds of processor time so far: on a busy machine the only steady figure. Linux counts hundredths.
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

struct Watch(Instant, f64);

impl Watch {
    fn start() -> Self {
        Self(Instant::now(), processor_s())
    }

    fn report(&self, what: &str, rows: u64) {
        let (seconds, busy) = (self.0.elapsed().as_secs_f64(), processor_s() - self.1);
        println!(
            "{what}: {rows} rows in {seconds:.2} s ({:.0}/s), {busy:.2} s of processor ({:.0}/s)",
            rows as f64 / seconds,
            rows as f64 / busy
        );
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, lake, rest @ ..] = args.as_slice() else {
        eprintln!("usage: insert_rate URL LAKE_DIRECTORY [ROWS]");
        std::process::exit(2);
    };
    let rows: u64 = rest.first().and_then(|rows| rows.parse().ok()).unwrap_or(500_000);
    let store = open(url, Path::new(lake)).await?;
    let epoch = store.take_ownership().await?;
    let commits: Vec<Vec<ReadingRow>> = (0..rows / ROWS_PER_COMMIT)
        .map(|commit| (commit * ROWS_PER_COMMIT..(commit + 1) * ROWS_PER_COMMIT).map(reading).collect())
        .collect();
    let watch = Watch::start();
    for readings in commits {
        store.commit(&Commit { epoch, rows: Rows { readings, ..Rows::default() }, ..Commit::default() }).await?;
    }
    watch.report("commit", rows);
    let ask = || {
        let (from, to) = (EventTime(START), EventTime(START + 3_600_000));
        store.series(
            TenantId::default(),
            PatientId::parse("p-7").expect("an id"),
            "heart_rate".into(),
            from,
            to,
            10_000,
        )
    };
    let watch = Watch::start();
    watch.report("series, hot", ask().await?.len() as u64);
    let watch = Watch::start();
    let moved = store.flush_lake(true).await?;
    watch.report("flush", moved.rows);
    println!("lake: {} files, {:.1} bytes a row", moved.files, moved.bytes as f64 / moved.rows as f64);
    let watch = Watch::start();
    watch.report("series, lake", ask().await?.len() as u64);
    let watch = Watch::start();
    watch.report("counts", store.counts(TenantId::default()).await?.identities);
    let watch = Watch::start();
    let newer = (0..rows).step_by((rows / 1_000).max(1) as usize).map(|number| ReadingRow {
        revision: 1,
        supersedes: true,
        known_from: Offset(rows),
        ..reading(number)
    });
    let readings: Vec<_> = newer.collect();
    let replaced = readings.len() as u64;
    store.commit(&Commit { epoch, rows: Rows { readings, ..Rows::default() }, ..Commit::default() }).await?;
    watch.report("replace in the lake", replaced);
    let watch = Watch::start();
    watch.report("flush with a rewrite", store.flush_lake(true).await?.rows);
    Ok(())
}
