//! What comes with a payload, and what leaves.

use std::fmt;

use painwatch_domain::{ClockOffset, DeviceId, GatewayId, Problem, ReceivedAt, Roster, TenantId, Zone};
use painwatch_proto::ingest::v1::Mode;
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::json::Header;

use painwatch_domain::order::{Fill, Order};

/// The encodings a payload can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    Protobuf,
    /// Open mHealth and IEEE 1752.1 data points.
    Omh,
    /// FHIR R4 as JSON.
    Fhir,
    /// Bytes of Bluetooth characteristics and advertisements, in hexadecimal.
    Gatt,
}

impl Format {
    pub const ALL: [Self; 5] = [Self::Json, Self::Protobuf, Self::Omh, Self::Fhir, Self::Gatt];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
            Self::Omh => "omh",
            Self::Fhir => "fhir",
            Self::Gatt => "gatt",
        }
    }

    /// Reads the last part of an MQTT topic, or the query parameter `format`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }
}

/// The door a payload came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Mqtt,
    Grpc,
    Http,
}

impl Protocol {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// What one submission may hold. Together they keep its journal record below the journal's limit, whatever is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// 1 MiB: gRPC's largest message after decompression; MQTT packets are kept smaller by their door.
    pub max_payload_bytes: usize,
    /// Entries of a batch. 10,000: a day of minute values on seven streams.
    pub max_readings: usize,
    /// 100,000: a day at 1 Hz has 86,400.
    pub max_samples_per_series: usize,
    /// Nesting of a JSON payload. 8: the deepest that means anything is 4 (batch, readings, reading, components).
    pub max_depth: usize,
    /// Nesting of a FHIR or Open mHealth payload. 32: a coding in an extension of a component in a bundle lies 14 deep.
    pub max_foreign_depth: usize,
    /// Bytes, as messages, of the readings that the entries of a payload in another format mean. 2 MiB: twice the payload.
    pub max_translated_bytes: usize,
    /// Samples of packed series refused one by one. 1,000: enough to see what is wrong; the rest of a series is
    /// refused as one item that says how many it stands for.
    pub max_listed_samples: usize,
    /// Bytes kept of one quarantined item. 256 KiB: the largest MQTT packet.
    pub max_quarantined_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_payload_bytes: 1 << 20,
            max_readings: 10_000,
            max_samples_per_series: 100_000,
            max_depth: 8,
            max_foreign_depth: 32,
            max_translated_bytes: 2 << 20,
            max_listed_samples: 1_000,
            max_quarantined_bytes: 256 << 10,
        }
    }
}

/// Everything about a payload that is not in the payload.
pub struct Envelope<'a> {
    pub tenant: &'a TenantId,
    /// Of the credential, never of the payload.
    pub gateway: &'a GatewayId,
    pub protocol: Protocol,
    pub received_at: ReceivedAt,
    /// Tells it apart from another submission of the same bytes in the same millisecond: what is quarantined of each is an item of
    /// its own.
    pub number: u64,
    /// The roster's zone of a device, for a stamp without an offset: what it says, in milliseconds as if that were UTC.
    pub device_zone: &'a dyn Fn(&DeviceId, i64) -> Option<Zone>,
    /// How far a device's clock is known to be off: a journalled decision, so that what was judged by it stands in the
    /// journal before what it judged.
    pub device_clock: &'a dyn Fn(&DeviceId) -> Option<ClockOffset>,
    /// Whether the roster lets this gateway send for a device.
    pub may_speak_for: &'a dyn Fn(&DeviceId) -> bool,
    /// By which codes people and medications are known here.
    pub roster: &'a Roster,
    /// Whether this gateway may write orders and fills. Where not, they are quarantined.
    pub takes_orders: &'a dyn Fn() -> bool,
    pub limits: &'a Limits,
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("tenant", self.tenant)
            .field("gateway", self.gateway)
            .field("protocol", &self.protocol)
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}

/// Bytes out of quarantine, and what the submission that brought them said of itself: an entry is kept without its header.
#[derive(Clone, Debug)]
pub struct Kept<'a> {
    pub payload: &'a [u8],
    pub format: Format,
    pub batch_id: &'a str,
    pub sent_at: Option<i64>,
    pub historical: bool,
}

impl Kept<'_> {
    /// What the payload's own header leaves open. Historical stays historical: what never paged must not begin to.
    pub(crate) fn complete(&self, own: Header) -> Header {
        let either = |own: String, first: &dyn Fn() -> String| if own.is_empty() { first() } else { own };
        Header {
            batch_id: either(own.batch_id, &|| self.batch_id.to_owned()),
            sent_at: either(own.sent_at, &|| self.sent_at.map(painwatch_domain::time::format_utc).unwrap_or_default()),
            mode: if self.historical { Mode::Historical } else { own.mode },
            gateway: own.gateway,
        }
    }
}

/// One payload, judged: every reading of it is in `admitted` or in `quarantined`.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The payload of the journal record (class batch).
    pub batch: pb::Batch,
    /// Readings that intake will call stored, duplicate or conflict.
    pub admitted: u64,
    /// Readings kept in quarantine.
    pub quarantined: u64,
    /// One for each item in quarantine.
    pub problems: Vec<Problem>,
    /// False when nothing in the payload could be read as a reading: MQTT answers 0x99.
    pub decodable: bool,
    /// Orders and fills of a gateway that may write them, counted in no book: the shell journals them as control records.
    pub orders: Vec<Order>,
    pub fills: Vec<Fill>,
}

impl Submission {
    /// Whether anything of it was taken: a reading, an order or a fill.
    pub const fn says_something(&self) -> bool {
        self.admitted > 0 || !self.orders.is_empty() || !self.fills.is_empty()
    }

    pub const fn submitted(&self) -> u64 {
        self.admitted + self.quarantined
    }
}

/// Why nothing of a payload is kept: it goes to the ledger `refused`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("not_your_device: {detail}")]
    NotYourDevice { detail: String },
    #[error("too large: {actual} {what}, at most {limit}")]
    TooLarge { what: &'static str, limit: usize, actual: usize },
    #[error("the payload names another gateway than the credential, which is {credential}")]
    GatewayMismatch { credential: GatewayId },
}
