use super::*;

/// Steps of a random walk that needs no generator: a multiplicative hash of the position.
fn noise(position: i64, spread: i64) -> i64 {
    (position.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> 33).rem_euclid(2 * spread + 1) - spread
}

fn heart_rate_day(batch: i64, jitter_ms: i64) -> Bench {
    let mut bench = Bench::default();
    let mut bpm = 70;
    for start in (0..17_280).step_by(batch as usize) {
        let beats = (start..(start + batch).min(17_280)).map(|position| {
            bpm = (bpm + noise(position, 3)).clamp(48, 160);
            bpm
        });
        let series = heart_rate(start * 5_000, &beats.collect::<Vec<_>>());
        let sent_at = DAY_START + (start + batch) * 5_000 + 400 + noise(start, 1) * jitter_ms;
        bench.take(&series, Some(sent_at));
    }
    bench
}

fn bytes_a_reading(mut bench: Bench) -> f64 {
    let bytes: usize = bench.cache.take_changed().iter().map(|(_, bytes)| bytes.len()).sum();
    bytes as f64 / bench.tally.stored as f64
}

#[test]
fn semantics_5_a_day_of_heart_rate_every_five_seconds_takes_at_most_four_bytes_a_reading() {
    let packed_by_the_hour = bytes_a_reading(heart_rate_day(720, 300));
    let packed_by_the_minute = bytes_a_reading(heart_rate_day(12, 300));
    let one_by_one = bytes_a_reading(heart_rate_day(1, 300));
    println!("{packed_by_the_hour:.2} {packed_by_the_minute:.2} {one_by_one:.2}");
    assert!(packed_by_the_hour < 1.5 && packed_by_the_minute < 2.0 && one_by_one <= 4.0);
}

#[test]
fn semantics_5_memory_is_about_what_is_stored() {
    let mut bench = heart_rate_day(12, 300);
    bench.cache.take_changed();
    assert!(bench.cache.memory_bytes() < 4 * 17_280, "{}", bench.cache.memory_bytes());
}

/// What is on disk is read for years: whoever changes these bytes adds a format beside this one.
#[test]
fn a_block_has_these_bytes() {
    let mut bench = Bench::default();
    bench.take(&heart_rate(1_000, &[70, 71, 73]), Some(DAY_START + 20_000));
    bench.take(&with(heart_rate(1_000, &[69]), |meta| meta.status = Status::Corrected), Some(DAY_START + 30_000));
    let changed = bench.cache.take_changed();
    let [(_, bytes)] = &changed[..] else { panic!("one block") };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
    let block = Block::decode(Measure::HeartRate, 20_513, bytes).unwrap();
    assert_eq!(block.encode(), *bytes);
}

const GOLDEN: &str = "010100000001000000000000f09b90eb946701f02e8827020fe8076d02e1da0101904ed00f8e0104010200d00f00000090b608000100000190c5030000d00f000000e0c5080000000001f0a80200";

#[test]
fn a_block_cut_short_or_of_another_format_is_refused() {
    let mut bench = Bench::default();
    bench.take(&heart_rate(0, &[70; 20]), Some(DAY_START));
    bench.take(&with(heart_rate(0, &[60]), |meta| meta.revision = 2), None);
    let bytes = bench.cache.take_changed().remove(0).1;
    for end in 0..bytes.len() {
        assert!(Block::decode(Measure::HeartRate, 20_513, &bytes[..end]).is_err(), "{end}");
    }
    let mut later = bytes.clone();
    later[0] = 2;
    assert_eq!(Block::decode(Measure::HeartRate, 20_513, &later), Err(BlockError::Format(2)));
    for (place, bit) in (0..bytes.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << bit;
        if let Ok(block) = Block::decode(Measure::HeartRate, 20_513, &damaged) {
            block.encode();
        }
    }
}
