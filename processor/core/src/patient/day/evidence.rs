//! Evidence that is not kept. A day's value is shown by readings that anybody can find again; only where an episode stands on
//! it are their ids kept. Everywhere else a mark says which value of which day to compute again for them.

use crate::metrics::numbers::Number;

/// No hash begins with so many ones: ids are the first bytes of a SHA-256.
const MARK: [u8; 10] = [0xff; 10];

/// What takes the place of the ids of a metric's value of a local day.
pub fn forgotten(metric: Number, day: i32) -> [u8; 16] {
    let mut mark = [0; 16];
    mark[..10].copy_from_slice(&MARK);
    mark[10..12].copy_from_slice(&metric.get().to_be_bytes());
    mark[12..].copy_from_slice(&day.to_be_bytes());
    mark
}

/// The metric and the day of a mark; `None` for an id.
pub fn is_forgotten(id: &[u8; 16]) -> Option<(Number, i32)> {
    let rest = id.strip_prefix(&MARK)?;
    let metric = Number::parse(u64::from(u16::from_be_bytes([rest[0], rest[1]])))?;
    Some((metric, i32::from_be_bytes([rest[2], rest[3], rest[4], rest[5]])))
}
