//! One record: header (semantics 17) and payload.

use painwatch_domain::{JournalTime, Offset, TenantId};

/// Largest payload in bytes of one record: a gateway's largest packet with room for what we add.
pub const MAX_PAYLOAD_BYTES: usize = 16 << 20;

macro_rules! classes {
    ($($variant:ident = $code:literal),+ $(,)?) => {
        /// What a payload is. The numbers are on disk: never reuse one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Class { $($variant = $code),+ }

        impl Class {
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

classes! {
    Batch = 1, Attributed = 2, Finding = 3, Verdict = 4, Control = 5, Tick = 6, Gap = 7, ClockStep = 8,
    LogicVersion = 9, Decision = 10, Tombstone = 11,
}

/// A record as handed to the log: offset and journal time are the log's to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    pub class: Class,
    pub tenant: TenantId,
    /// Key that seals the payload; 0 is clear.
    pub key_id: u32,
    /// Version of the logic that wrote it.
    pub logic_version: u32,
    pub payload: bytes::Bytes,
}

/// A record as read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: Offset,
    pub journal_time: JournalTime,
    pub class: Class,
    pub tenant: TenantId,
    pub key_id: u32,
    pub logic_version: u32,
    pub payload: bytes::Bytes,
}
