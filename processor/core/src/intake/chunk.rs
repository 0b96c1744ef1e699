//! Up to a few hundred regular readings in a few hundred bytes: runs that share their circumstances and their spacing,
//! then one difference per value.
//!
//! Packed series, and single readings sent one by one, come out at 1 to 4 bytes a reading: a series costs a dozen bytes
//! once and then a byte or two per value.

use super::codec::{BlockError, Reader, Result, Writer};

/// A reading without a discriminator, an id or a second version, whose value is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub value: i64,
    pub sent_at: i64,
    /// Device time since the UTC day began.
    pub at_ms: u32,
    pub length_ms: i32,
    /// Corrected time minus device time.
    pub shift_ms: i32,
    /// Which of the block's strands it belongs to.
    pub strand: u16,
}

/// `length_ms` of a reading at an instant; it sorts before every interval, as `None` does in an identity.
pub(super) const INSTANT: i32 = -1;
/// `sent_at` of a submission that did not say.
pub(super) const UNSAID: i64 = i64::MIN;
/// Shortest stretch of equal spacing that pays for a run of its own.
const REGULAR_MIN: usize = 4;

mod token {
    pub const LONG: u8 = 1;
    pub const STRAND: u8 = 1 << 1;
    pub const SENT: u8 = 1 << 2;
    pub const LENGTH: u8 = 1 << 3;
    pub const SHIFT: u8 = 1 << 4;
    pub const PERIOD: u8 = 1 << 5;
    pub const GAP: u8 = 1 << 6;
    pub const IRREGULAR: u8 = 1 << 7;
}

impl Row {
    pub const fn key(&self) -> (u32, i32) {
        (self.at_ms, self.length_ms)
    }

    const fn circumstances(&self) -> (u16, i64, i32, i32) {
        (self.strand, self.sent_at, self.length_ms, self.shift_ms)
    }
}

/// What the next run is expected to look like: what differs is written.
#[derive(Default)]
struct Expected {
    at: i64,
    period: i64,
    strand: u16,
    /// Sent this long after the claimed time of the run's first reading.
    lag: Option<i64>,
    last_lag: i64,
    length: i32,
    shift: i32,
    value: i64,
}

pub(super) fn encode(rows: &[Row], day_start_ms: i64) -> Box<[u8]> {
    let unit = common_unit(rows);
    let mut out = Writer(Vec::with_capacity(rows.len() * 2 + 24));
    out.unsigned(unit as u64);
    let mut expected = Expected::default();
    let mut rest = rows;
    while !rest.is_empty() {
        let (length, regular) = next_run(rest);
        write_run(&mut out, &mut expected, &rest[..length], regular, unit, day_start_ms);
        rest = &rest[length..];
    }
    out.0.into_boxed_slice()
}

/// Greatest number that divides every value: heart rate at scale 3 moves in steps of 1000.
fn common_unit(rows: &[Row]) -> i64 {
    let mut unit = 0;
    for row in rows {
        let value = row.value.unsigned_abs();
        if unit == 0 || value % unit != 0 {
            unit = greatest_common_divisor(unit, value);
        }
        if unit == 1 {
            return 1;
        }
    }
    i64::try_from(unit.max(1)).unwrap_or(1)
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Length of the next run, and whether its readings are equally spaced.
fn next_run(rows: &[Row]) -> (usize, bool) {
    let circumstances = rows[0].circumstances();
    let alike = rows.iter().take_while(|row| row.circumstances() == circumstances).count();
    let regular = stretch(&rows[..alike]);
    if regular == alike || regular >= REGULAR_MIN {
        return (regular, true);
    }
    let next_regular = (1..alike).find(|&start| stretch(&rows[start..alike]) >= REGULAR_MIN);
    (next_regular.unwrap_or(alike), false)
}

/// How many of the first rows are equally spaced.
fn stretch(rows: &[Row]) -> usize {
    if rows.len() < 3 {
        return rows.len();
    }
    let step = rows[1].at_ms - rows[0].at_ms;
    1 + rows.windows(2).take_while(|pair| pair[1].at_ms - pair[0].at_ms == step).count()
}

fn write_run(out: &mut Writer, expected: &mut Expected, run: &[Row], regular: bool, unit: i64, day_start_ms: i64) {
    let first = run[0];
    let at = i64::from(first.at_ms);
    let lag = (first.sent_at != UNSAID).then(|| first.sent_at - day_start_ms - at);
    let period = match run {
        [_, second, ..] if regular => i64::from(second.at_ms) - at,
        _ => at - expected.at,
    };
    let gap = at - expected.at - period;
    let mut token = 0;
    let mut mark = |bit, differs: bool| token |= if differs { bit } else { 0 };
    mark(token::LONG, run.len() > 1);
    mark(token::STRAND, first.strand != expected.strand);
    mark(token::SENT, lag != expected.lag);
    mark(token::LENGTH, first.length_ms != expected.length);
    mark(token::SHIFT, first.shift_ms != expected.shift);
    mark(token::PERIOD, period != expected.period);
    mark(token::GAP, gap != 0);
    mark(token::IRREGULAR, !regular);
    out.byte(token);
    let has = |bit| token & bit != 0;
    if has(token::LONG) {
        out.unsigned(run.len() as u64);
    }
    if has(token::STRAND) {
        out.unsigned(u64::from(first.strand));
    }
    if has(token::SENT) {
        // Lags are bounded by `Row`'s makers to 2^42 ms, so that one can be added.
        out.unsigned(lag.map_or(0, |lag| super::codec::zigzag(lag - expected.last_lag) + 1));
    }
    if has(token::LENGTH) {
        out.signed(i64::from(first.length_ms) - i64::from(expected.length));
    }
    if has(token::SHIFT) {
        out.signed(i64::from(first.shift_ms) - i64::from(expected.shift));
    }
    if has(token::PERIOD) {
        out.signed(period);
    }
    if has(token::GAP) {
        out.signed(gap);
    }
    let mut before = at;
    for (position, row) in run.iter().enumerate() {
        if !regular && position > 0 {
            out.unsigned((i64::from(row.at_ms) - before) as u64);
        }
        before = i64::from(row.at_ms);
        let value = row.value / unit;
        out.signed(value.wrapping_sub(expected.value));
        expected.value = value;
    }
    let last_lag = lag.unwrap_or(expected.last_lag);
    let value = expected.value;
    let (strand, length, shift) = (first.strand, first.length_ms, first.shift_ms);
    *expected = Expected { at: before, period, strand, lag, last_lag, length, shift, value };
}

/// Appends the `count` rows of `bytes` to `rows`.
pub(super) fn decode(bytes: &[u8], count: usize, day_start_ms: i64, rows: &mut Vec<Row>) -> Result<()> {
    let mut reader = Reader(bytes);
    let unit = i64::try_from(reader.unsigned()?).map_err(|_| BlockError::Damaged("a unit is out of range"))?;
    let mut expected = Expected::default();
    let end = rows.len() + count;
    while rows.len() < end {
        let room = end - rows.len();
        read_run(&mut reader, &mut expected, unit, day_start_ms, room, rows)?;
    }
    if reader.0.is_empty() { Ok(()) } else { Err(BlockError::Damaged("a chunk is longer than its rows")) }
}

fn read_run(
    reader: &mut Reader<'_>,
    expected: &mut Expected,
    unit: i64,
    day_start_ms: i64,
    room: usize,
    rows: &mut Vec<Row>,
) -> Result<()> {
    const OUT_OF_DAY: BlockError = BlockError::Damaged("a time is outside the day");
    let token = reader.byte()?;
    let has = |bit| token & bit != 0;
    let length = if has(token::LONG) { reader.count()? } else { 1 };
    if length == 0 || length > room {
        return Err(BlockError::Damaged("a run is longer than its chunk"));
    }
    if has(token::STRAND) {
        expected.strand = u16::try_from(reader.unsigned()?).map_err(|_| BlockError::Damaged("a strand is missing"))?;
    }
    if has(token::SENT) {
        expected.lag = match reader.unsigned()? {
            0 => None,
            coded => Some(expected.last_lag.wrapping_add(super::codec::unzigzag(coded - 1))),
        };
        expected.last_lag = expected.lag.unwrap_or(expected.last_lag);
    }
    if has(token::LENGTH) {
        expected.length = reader.moved(expected.length)?;
    }
    if has(token::SHIFT) {
        expected.shift = reader.moved(expected.shift)?;
    }
    if has(token::PERIOD) {
        expected.period = reader.signed()?;
    }
    let gap = if has(token::GAP) { reader.signed()? } else { 0 };
    let step = expected.period.wrapping_add(gap);
    let first = expected.at.wrapping_add(step);
    let sent_at = expected.lag.map_or(UNSAID, |lag| day_start_ms.wrapping_add(first).wrapping_add(lag));
    for position in 0..length {
        let step = match position {
            0 => step,
            _ if has(token::IRREGULAR) => i64::try_from(reader.unsigned()?).map_err(|_| OUT_OF_DAY)?,
            _ => expected.period,
        };
        expected.at = expected.at.wrapping_add(step);
        expected.value = expected.value.wrapping_add(reader.signed()?);
        let at_ms = u32::try_from(expected.at).map_err(|_| OUT_OF_DAY)?;
        let value = expected.value.wrapping_mul(unit);
        let (length_ms, shift_ms, strand) = (expected.length, expected.shift, expected.strand);
        rows.push(Row { value, sent_at, at_ms, length_ms, shift_ms, strand });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> impl Strategy<Value = Row> {
        let at = prop_oneof![Just(5_000_u32), 0..20_000_u32];
        let value = prop_oneof![60_000..90_000_i64, (60..90_i64).prop_map(|bpm| bpm * 1_000), any::<i64>()];
        let sent = prop_oneof![Just(UNSAID), 86_400_000..86_500_000_i64, Just(86_400_000_i64)];
        let length = prop_oneof![Just(INSTANT), Just(60_000), 0..90_000_i32];
        let shift = prop_oneof![Just(0), -3_000..3_000_i32];
        (value, sent, at, length, shift, 0..3_u16).prop_map(|(value, sent_at, at_ms, length_ms, shift_ms, strand)| {
            Row { value, sent_at, at_ms, length_ms, shift_ms, strand }
        })
    }

    proptest! {
        #[test]
        fn a_chunk_gives_back_the_rows_it_was_made_of(mut rows in prop::collection::vec(row(), 1..200)) {
            let mut at = 0;
            for row in &mut rows {
                at += row.at_ms;
                row.at_ms = at;
            }
            let bytes = encode(&rows, 86_400_000);
            let mut back = Vec::new();
            decode(&bytes, rows.len(), 86_400_000, &mut back).unwrap();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn damaged_bytes_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), n in 0..300_usize) {
            let _ = decode(&bytes, n, 86_400_000, &mut Vec::new());
        }
    }
}
