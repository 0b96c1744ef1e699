//! The records a log writes by itself: tick, gap, clock step.
//!
//! Their payloads are `painwatch.journal.v1.Gap` and `.ClockStep`, encoded here by hand: two messages of two zigzag
//! varints each do not justify a dependency of the log on the generated wire code. A test pins the bytes.

use bytes::Bytes;
use painwatch_domain::{JournalTime, TenantId};

use crate::record::{Class, NewRecord};

/// The log itself was not running, or did not know the time (semantics 15, 18).
const CAUSE: &str = "self";

pub(crate) fn tick() -> NewRecord {
    own(Class::Tick, Bytes::new())
}

pub(crate) fn gap(from: JournalTime, to: JournalTime) -> NewRecord {
    let mut payload = Vec::with_capacity(32);
    put_sint64(1, from.0, &mut payload);
    put_sint64(2, to.0, &mut payload);
    payload.extend([3 << 3 | 2, CAUSE.len() as u8]);
    payload.extend(CAUSE.as_bytes());
    own(Class::Gap, payload.into())
}

pub(crate) fn clock_step(wall_ms: i64, expected_ms: i64) -> NewRecord {
    let mut payload = Vec::with_capacity(24);
    put_sint64(1, wall_ms, &mut payload);
    put_sint64(2, expected_ms, &mut payload);
    own(Class::ClockStep, payload.into())
}

fn own(class: Class, payload: Bytes) -> NewRecord {
    NewRecord { class, tenant: TenantId::default(), key_id: 0, logic_version: 0, payload }
}

/// proto3 leaves out a field that is zero.
fn put_sint64(field: u8, value: i64, out: &mut Vec<u8>) {
    if value == 0 {
        return;
    }
    out.push(field << 3);
    let mut rest = (value.wrapping_shl(1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gap_and_clock_step_are_protobuf_with_zigzag_varints() {
        assert_eq!(gap(JournalTime(1), JournalTime(150)).payload[..], *b"\x08\x02\x10\xac\x02\x1a\x04self");
        assert_eq!(clock_step(-1, 0).payload[..], *b"\x08\x01");
        assert_eq!(clock_step(0, i64::MIN).payload[..], *b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    }
}
