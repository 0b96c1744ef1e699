//! The disk that durable figures stand on.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

/// Synced writes measured.
const ROUNDS: usize = 500;

/// File system, and p50 and p99 of fdatasync after a 4 KiB write into written space.
///
/// # Errors
/// The directory cannot be written.
pub fn describe(dir: &Path) -> Result<String> {
    let path = dir.join("fdatasync.probe");
    let mut file = std::fs::File::create(&path)?;
    file.write_all(&vec![1; ROUNDS * 4096])?;
    file.sync_all()?;
    let mut file = std::fs::OpenOptions::new().write(true).open(&path)?;
    let mut taken_us = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        file.write_all(&[round as u8; 4096])?;
        let start = Instant::now();
        file.sync_data()?;
        taken_us.push(start.elapsed().as_secs_f64() * 1e6);
    }
    std::fs::remove_file(&path)?;
    taken_us.sort_by(f64::total_cmp);
    let (p50, p99) = (taken_us[ROUNDS / 2], taken_us[ROUNDS * 99 / 100]);
    Ok(format!("disk    {}, fdatasync p50 {p50:.0} us, p99 {p99:.0} us", file_system(dir)))
}

fn file_system(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (_, at, kind) = (words.next()?, words.next()?, words.next()?);
        dir.starts_with(at).then(|| (at.len(), kind.to_owned()))
    });
    mounted.max().map_or_else(|| "unknown file system".to_owned(), |(_, kind)| kind)
}
