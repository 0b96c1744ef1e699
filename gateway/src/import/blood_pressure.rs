//! The same measurement of blood pressure, twice: once by the cuff's wall time and once by UTC read as wall time. Which of
//! the two is right the file does not say, so both are sent, marked, and told to whoever imports: a person decides.

use std::collections::BTreeMap;

use painwatch_domain::time::HOUR_MS;

use super::collect::Row;
use super::report::FileReport;

/// Zones differ from UTC by at most this many hours.
const HOURS_MAX: i64 = 14;

/// A blood pressure out of a file: where it is wall time, as if it were UTC, in milliseconds.
#[derive(Clone, Copy)]
pub struct Stamped {
    pub ms: i64,
    pub line: u64,
    /// Place among the rows that it is about.
    pub row: usize,
}

/// Marks all rows of one person and one pressure whose stamps differ by whole hours, at most [`HOURS_MAX`]: two
/// measurements do not agree in both pressures, minute and second by chance. Returns how many rows were marked.
pub fn mark_shifted_copies(rows: &mut [Row], stamped: &[Stamped], report: &mut FileReport) -> usize {
    let mut alike: BTreeMap<(String, u64, u64, i64), Vec<Stamped>> = BTreeMap::new();
    for stamp in stamped {
        let row = &rows[stamp.row];
        let Some(panel) = row.reading.components else { continue };
        let pressures = (panel.systolic.to_bits(), panel.diastolic.to_bits());
        let key = (row.subject.clone(), pressures.0, pressures.1, stamp.ms.rem_euclid(HOUR_MS));
        alike.entry(key).or_default().push(*stamp);
    }
    let mut marked = 0;
    for group in alike.values() {
        for stamp in group {
            let shifts = group.iter().map(|other| (other.ms - stamp.ms).abs() / HOUR_MS);
            if let Some(hours) = shifts.filter(|hours| (1..=HOURS_MAX).contains(hours)).min() {
                rows[stamp.row].reading.quality = format!("possible_copy_{hours}h");
                report.remark(
                    stamp.line,
                    &format!("the same pressure stands {hours} h apart as well: both sent, marked"),
                );
                marked += 1;
            }
        }
    }
    marked
}
