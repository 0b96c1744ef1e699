//! One record on disk. The layout is in the module's opening; a golden file pins it.

use bytes::Bytes;
use painwatch_domain::{JournalTime, Offset, TenantId, ids};

use crate::record::{Class, MAX_PAYLOAD_BYTES, NewRecord, Record};

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 44;
/// Frames begin at multiples of this, so that a search for later frames has few places to try.
pub(crate) const ALIGN: usize = 8;
const LARGEST_BYTES: usize = (HEADER_BYTES + ids::MAX_LEN + MAX_PAYLOAD_BYTES).next_multiple_of(ALIGN);

/// What the log adds to a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub offset: Offset,
    pub journal_time: JournalTime,
    /// Records written before it with the same sync. Tells a torn write from damage to what was durable.
    pub in_group: u32,
    /// CRC of the record before.
    pub chain: u32,
}

/// Bytes a record takes on disk.
pub(crate) fn size(record: &NewRecord) -> usize {
    (HEADER_BYTES + record.tenant.as_str().len() + record.payload.len()).next_multiple_of(ALIGN)
}

/// Appends the frame to `out` and returns its CRC, the chain value of the next.
pub(crate) fn encode(record: &NewRecord, stamp: &Stamp, out: &mut Vec<u8>) -> u32 {
    let start = out.len();
    let tenant = record.tenant.as_str().as_bytes();
    let length = HEADER_BYTES + tenant.len() + record.payload.len();
    out.extend((length as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend(stamp.chain.to_le_bytes());
    out.extend([FORMAT, record.class as u8, tenant.len() as u8, 0]);
    out.extend(stamp.offset.0.to_le_bytes());
    out.extend(stamp.journal_time.0.to_le_bytes());
    out.extend(record.key_id.to_le_bytes());
    out.extend(record.logic_version.to_le_bytes());
    out.extend(stamp.in_group.to_le_bytes());
    out.extend(tenant);
    out.extend(&record.payload);
    out.resize(start + length.next_multiple_of(ALIGN), 0);
    let crc = checksum(&out[start..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    crc
}

fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..])
}

/// What stands at some place of a segment.
pub(crate) enum Parsed {
    Frame(Frame),
    /// Zeros: nothing was written here.
    Nothing,
    /// At least so many bytes are needed to say.
    Short(usize),
    Bad(&'static str),
}

pub(crate) struct Frame {
    pub record: Record,
    pub stamp: Stamp,
    pub crc: u32,
    pub bytes: usize,
}

/// Reads the frame at the start of `bytes`. `known` spares an allocation when the tenant is the same again.
pub(crate) fn parse(bytes: &Bytes, known: &TenantId) -> Parsed {
    if bytes.len() < ALIGN {
        return Parsed::Short(ALIGN);
    }
    let length = u32_at(bytes, 0) as usize;
    if length == 0 {
        return Parsed::Nothing;
    }
    let padded = length.next_multiple_of(ALIGN);
    if length < HEADER_BYTES || padded > LARGEST_BYTES {
        return Parsed::Bad("impossible length");
    }
    if bytes.len() < padded {
        return Parsed::Short(padded);
    }
    let crc = u32_at(bytes, 4);
    if checksum(&bytes[..padded]) != crc {
        return Parsed::Bad("checksum differs");
    }
    decode(bytes, length, crc, known)
}

/// Every byte has passed the checksum: what is wrong now was written wrong, or by a later program.
fn decode(bytes: &Bytes, length: usize, crc: u32, known: &TenantId) -> Parsed {
    let [format, class, tenant_bytes] = [bytes[12], bytes[13], bytes[14]];
    if format != FORMAT {
        return Parsed::Bad("record format unknown to this program");
    }
    let Some(class) = Class::from_code(class) else { return Parsed::Bad("record class unknown to this program") };
    let payload_at = HEADER_BYTES + usize::from(tenant_bytes);
    let tenant = bytes.get(HEADER_BYTES..payload_at.min(length)).and_then(|text| tenant_of(text, known));
    let Some(tenant) = tenant else { return Parsed::Bad("tenant is no identifier") };
    let offset = Offset(u64_at(bytes, 16));
    let journal_time = JournalTime(u64_at(bytes, 24) as i64);
    let stamp = Stamp { offset, journal_time, in_group: u32_at(bytes, 40), chain: u32_at(bytes, 8) };
    let payload = bytes.slice(payload_at..length);
    let (key_id, logic_version) = (u32_at(bytes, 32), u32_at(bytes, 36));
    let record = Record { offset, journal_time, class, tenant, key_id, logic_version, payload };
    Parsed::Frame(Frame { record, stamp, crc, bytes: length.next_multiple_of(ALIGN) })
}

fn tenant_of(text: &[u8], known: &TenantId) -> Option<TenantId> {
    if text == known.as_str().as_bytes() {
        return Some(known.clone());
    }
    TenantId::parse(std::str::from_utf8(text).ok()?).ok()
}

/// First frame in `bytes` that can only have been written after offset `lost` was durable: it is later, and so is the
/// first record of its group. Returns its place.
pub(crate) fn find_written_after(lost: Offset, bytes: &Bytes) -> Option<usize> {
    let known = TenantId::default();
    (0..bytes.len()).step_by(ALIGN).find(|at| {
        let plausible = bytes.len() - at >= HEADER_BYTES && u32_at(bytes, *at) != 0 && bytes[at + 12] == FORMAT;
        plausible
            && match parse(&bytes.slice(*at..), &known) {
                Parsed::Frame(frame) => frame.stamp.offset.0.saturating_sub(u64::from(frame.stamp.in_group)) > lost.0,
                _ => false,
            }
    })
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}
