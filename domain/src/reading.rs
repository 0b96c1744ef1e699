//! A reading, and the series in which readings travel: samples that share a device, a measure and their circumstances.

use std::fmt;

use crate::ids::{DeviceId, Hash128, MedicationId, ReadingId, TenantId};
use crate::measure::{Discriminator, Measure};
use crate::time::EventTime;

/// Whether a submission may page (semantics 12): historical ones never do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    #[default]
    Live,
    Historical,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    #[default]
    Final,
    Corrected,
    EnteredInError,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Corrected => "corrected",
            Self::EnteredInError => "entered_in_error",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Final, Self::Corrected, Self::EnteredInError].into_iter().find(|status| status.as_str() == text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DoseEvent {
    Taken,
    Skipped,
    Dispensed,
    /// A cap was opened. Opened is not taken.
    Opened,
    Applied,
    Removed,
    Refused,
}

impl DoseEvent {
    pub const ALL: [Self; 7] =
        [Self::Taken, Self::Skipped, Self::Dispensed, Self::Opened, Self::Applied, Self::Removed, Self::Refused];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Skipped => "skipped",
            Self::Dispensed => "dispensed",
            Self::Opened => "opened",
            Self::Applied => "applied",
            Self::Removed => "removed",
            Self::Refused => "refused",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

/// What was measured. Numbers are integers at the measure's scale.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Number(i64),
    Pressure {
        systolic: i64,
        diastolic: i64,
    },
    Code(Box<str>),
    /// Amount in thousandths of `unit` (UCUM, as sent after aliasing, e.g. `{tablet}` or `mg`).
    Dose {
        amount: Option<i64>,
        unit: Box<str>,
    },
}

impl Value {
    /// The number of a numeric reading; `None` for panels, codes and doses.
    pub const fn number(&self) -> Option<i64> {
        match self {
            Self::Number(scaled) => Some(*scaled),
            _ => None,
        }
    }

    /// Bytes whose order breaks the last tie between two versions (semantics 4).
    pub fn canonical_bytes(&self) -> Vec<u8> {
        // Order-preserving for numbers: the sign bit is flipped so that byte order is numeric order.
        let ordered = |value: i64| (value as u64 ^ (1 << 63)).to_be_bytes();
        match self {
            Self::Number(value) => [&[0][..], &ordered(*value)].concat(),
            Self::Pressure { systolic, diastolic } => [&[1][..], &ordered(*systolic), &ordered(*diastolic)].concat(),
            Self::Code(code) => [&[2][..], code.as_bytes()].concat(),
            Self::Dose { amount, unit } => [&[3][..], &ordered(amount.unwrap_or(i64::MIN)), unit.as_bytes()].concat(),
        }
    }
}

/// Marks that travel with a reading; a set of bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// The stamp carried no offset; the reading's or the device's zone was used.
    pub const ZONE_ASSUMED: Self = Self(1);
    /// 5 min to 24 h ahead of receipt (semantics 7): no daily metric and no baseline uses it.
    pub const CLOCK_AHEAD: Self = Self(1 << 1);
    /// Older than 30 days at receipt.
    pub const BACKDATED: Self = Self(1 << 2);
    /// Plausible but unusual, or doubted by its source: alerts run, with the text "verify sensor".
    pub const VERIFY: Self = Self(1 << 3);
    /// A daily total without wear data.
    pub const WEAR_UNKNOWN: Self = Self(1 << 4);
    /// Only the local date is known: the reading spans its local day.
    pub const DATE_ONLY: Self = Self(1 << 5);
    /// The device's clock is known to be wrong: its event time was corrected by a journalled estimate (semantics 7).
    pub const CLOCK_CORRECTED: Self = Self(1 << 6);
    /// The source itself says that nobody can rely on the value: poor signal, motion, off the finger. Threshold rules run, and
    /// it proves nothing to be calm.
    pub const UNUSABLE: Self = Self(1 << 7);

    pub const NAMED: [(Self, &'static str); 8] = [
        (Self::ZONE_ASSUMED, "zone_assumed"),
        (Self::CLOCK_AHEAD, "clock_ahead"),
        (Self::BACKDATED, "backdated"),
        (Self::VERIFY, "verify"),
        (Self::WEAR_UNKNOWN, "wear_unknown"),
        (Self::DATE_ONLY, "date_only"),
        (Self::CLOCK_CORRECTED, "clock_corrected"),
        (Self::UNUSABLE, "unusable"),
    ];

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Flags {
    /// Names joined by commas; empty for none. This is the column `quality`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (_, name) in Self::NAMED.into_iter().filter(|(flag, _)| self.has(*flag)) {
            if !first {
                f.write_str(",")?;
            }
            f.write_str(name)?;
            first = false;
        }
        Ok(())
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({self})")
    }
}

/// Circumstances that all samples of a series share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Meta {
    pub body_site: Option<Box<str>>,
    pub laterality: Option<Box<str>>,
    /// `self_reported`, `sensed`, …
    pub modality: Option<Box<str>>,
    /// `now`, `24h`, `7d`: the period a recalled score speaks of.
    pub recall: Option<Box<str>>,
    /// Instrument or symptom; for sleep stages the algorithm.
    pub instrument: Option<Box<str>>,
    pub algorithm: Option<Box<str>>,
    pub posture: Option<Box<str>>,
    pub prompted: Option<bool>,
    pub status: Status,
    /// Greater supersedes smaller for the same identity (semantics 4).
    pub revision: i64,
    /// The gateway's own id for the reading: replaces measure, time, end and discriminator in the identity.
    pub id: Option<Box<str>>,
    pub boot_id: Option<u32>,
    pub seq: Option<u64>,
    /// IANA name of the zone the stamp was read in, when it was assumed.
    pub zone: Option<Box<str>>,
    pub dose: Option<Dose>,
}

impl Meta {
    /// What tells apart readings of one device, measure and instant: a canonical text, empty where nothing does.
    pub fn discriminator(&self, measure: Measure) -> String {
        let text = |part: &Option<Box<str>>| part.as_deref().unwrap_or("").to_owned();
        match measure.spec().discriminator {
            Discriminator::None => String::new(),
            Discriminator::Pain => {
                let parts = [text(&self.body_site), text(&self.laterality), text(&self.recall)];
                if parts.iter().all(String::is_empty) { String::new() } else { parts.join("|") }
            }
            Discriminator::Instrument => {
                self.instrument.as_deref().or(self.algorithm.as_deref()).unwrap_or("").to_owned()
            }
            Discriminator::Dose => self
                .dose
                .as_ref()
                .map_or_else(String::new, |dose| format!("{}|{}", dose.medication, dose.event.as_str())),
        }
    }
}

/// The part of a medication event that is not its amount.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dose {
    pub medication: MedicationId,
    pub event: DoseEvent,
    pub scheduled_for: Option<EventTime>,
}

/// One value of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Corrected event time: what rules and metrics use.
    pub time: EventTime,
    /// UTC milliseconds as the device claimed them: part of the identity, never corrected.
    pub device_time: i64,
    /// End by the device's claim, for intervals.
    pub end: Option<i64>,
    pub value: Value,
    pub flags: Flags,
}

/// Readings of one device and one measure that share their circumstances. A single reading is a series of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub device: DeviceId,
    pub measure: Measure,
    pub meta: Meta,
    pub samples: Vec<Sample>,
}

impl Series {
    /// What tells apart readings of one device, measure and instant: a canonical text, empty where nothing does.
    pub fn discriminator(&self) -> String {
        self.meta.discriminator(self.measure)
    }

    /// The identity of one of its samples (semantics 2).
    pub fn reading_id(&self, tenant: &TenantId, sample: &Sample) -> ReadingId {
        let identity = Identity {
            device_time: sample.device_time,
            end: sample.end,
            discriminator: self.discriminator(),
            id: self.meta.id.as_deref().map(str::to_owned),
        };
        identity.reading_id(tenant, &self.device, self.measure)
    }
}

/// Identity of a reading within its device and measure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    pub device_time: i64,
    pub end: Option<i64>,
    pub discriminator: String,
    /// The gateway's own id, which then alone is the identity within tenant and device.
    pub id: Option<String>,
}

impl Identity {
    pub fn reading_id(&self, tenant: &TenantId, device: &DeviceId, measure: Measure) -> ReadingId {
        let (tenant, device) = (tenant.as_str().as_bytes(), device.as_str().as_bytes());
        if let Some(id) = &self.id {
            return Hash128::of(&[b"id", tenant, device, id.as_bytes()]);
        }
        let end = self.end.map_or([0xff; 8], i64::to_le_bytes);
        Hash128::of(&[
            b"at",
            tenant,
            device,
            measure.name().as_bytes(),
            &self.device_time.to_le_bytes(),
            &end,
            self.discriminator.as_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pain(site: &str) -> Series {
        Series {
            device: DeviceId::parse("phone-01").unwrap(),
            measure: Measure::PainNrs,
            meta: Meta { body_site: Some(site.into()), ..Meta::default() },
            samples: vec![Sample {
                time: EventTime(1_000),
                device_time: 1_000,
                end: None,
                value: Value::Number(7_000),
                flags: Flags::default(),
            }],
        }
    }

    #[test]
    fn semantics_2_the_body_site_makes_another_reading_and_a_clock_correction_does_not() {
        let tenant = TenantId::default();
        let knee = pain("knee");
        assert_ne!(knee.reading_id(&tenant, &knee.samples[0]), pain("hand").reading_id(&tenant, &knee.samples[0]));
        let mut corrected = knee.clone();
        corrected.samples[0].time = EventTime(9_999);
        assert_eq!(knee.reading_id(&tenant, &knee.samples[0]), corrected.reading_id(&tenant, &corrected.samples[0]));
    }

    #[test]
    fn semantics_2_a_gateway_id_replaces_all_but_tenant_and_device() {
        let tenant = TenantId::default();
        let (mut knee, mut hand) = (pain("knee"), pain("hand"));
        knee.meta.id = Some("r-1".into());
        hand.meta.id = Some("r-1".into());
        assert_eq!(knee.reading_id(&tenant, &knee.samples[0]), hand.reading_id(&tenant, &hand.samples[0]));
    }

    #[test]
    fn canonical_bytes_order_numbers_numerically() {
        assert!(Value::Number(-5).canonical_bytes() < Value::Number(3).canonical_bytes());
    }

    #[test]
    fn flags_print_as_the_quality_column() {
        assert_eq!(Flags::CLOCK_AHEAD.with(Flags::VERIFY).to_string(), "clock_ahead,verify");
    }
}
