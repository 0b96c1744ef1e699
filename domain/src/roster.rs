//! The clinic as declared: who is watched, with what, on which prescriptions, by whom. A control record carries the whole
//! roster; what it means at an event time is answered here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alert::Priority;
use crate::ids::{DeviceId, GatewayId, MedicationId, PatientId, RuleId, TenantId};
pub use crate::listed::{AboutPatient, Listed};
use crate::measure::Measure;
pub use crate::pairings::Pairings;
use crate::time::{EventTime, Zone};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    pub id: PatientId,
    pub mrn: Option<String>,
    pub birth_date: Option<String>,
    pub sex: Option<String>,
    /// Zones by the event time from which they hold; the first also holds before it. Never empty.
    pub zones: Vec<(EventTime, Zone)>,
    pub care_team: Option<String>,
    pub packs: Vec<String>,
    pub conditions: Vec<String>,
    pub opioid_naive: bool,
    /// A clinician has set hypercapnic failure: NEWS2 reads oxygen saturation on scale 2 (target 88 to 92 %).
    pub spo2_scale_2: bool,
    /// Nobody real: shown as synthetic wherever it appears.
    pub synthetic: bool,
    /// From when research may use the data; `None` is never.
    pub research_consent: Option<EventTime>,
}

impl Patient {
    /// Somebody of whom nothing is known but where they live.
    pub fn new(id: PatientId, zone: Zone) -> Self {
        Self {
            id,
            mrn: None,
            birth_date: None,
            sex: None,
            zones: vec![(EventTime::MIN, zone)],
            care_team: None,
            packs: Vec::new(),
            conditions: Vec::new(),
            opioid_naive: false,
            spo2_scale_2: false,
            synthetic: false,
            research_consent: None,
        }
    }

    pub fn zone_at(&self, time: EventTime) -> &Zone {
        let dated = self.zones.iter().rev().find(|(from, _)| *from <= time);
        &dated.unwrap_or(&self.zones[0]).1
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub id: DeviceId,
    pub kind: String,
    pub serial: Option<String>,
    pub streams: Vec<Stream>,
    /// Gateways that may speak for it; empty means any of its tenant.
    pub gateways: Vec<GatewayId>,
    /// Smaller wins where two devices measure the same thing at the same instant.
    pub source_priority: u32,
}

/// A stream that is prescribed, and how often it should speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub measure: Measure,
    pub every_ms: i64,
    /// After how long a silence it is told; `None`: after a day.
    pub alert_after_ms: Option<i64>,
    /// When it is expected; `None`: always.
    pub hours: Option<Hours>,
}

/// Hours of each local day of a patient, half-open; over midnight where they end before they begin. Never the same minute twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes of the local day.
    pub from_min: u32,
    pub until_min: u32,
}

/// `patient` wears `device` in `[from, until)` of event time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairing {
    pub device: DeviceId,
    pub patient: PatientId,
    pub from: EventTime,
    pub until: Option<EventTime>,
}

impl Pairing {
    pub fn covers(&self, time: EventTime) -> bool {
        self.from <= time && self.until.is_none_or(|until| time < until)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medication {
    pub id: MedicationId,
    pub ingredient: String,
    /// Milligrams of the ingredient in one `unit`; of a patch, micrograms an hour. Where `ingredient` names several, it may
    /// give each its own (`oxycodone 5 mg/acetaminophen 325 mg`); this one is of the one that has none.
    pub strength_mg: Option<F64Bits>,
    pub unit: String,
    /// `ir`, `er` or `patch`.
    pub release: String,
    pub rxnorm: Option<String>,
    pub atc: Option<String>,
}

impl Medication {
    /// Tablets of one ingredient that act at once.
    pub fn tablets(id: MedicationId, ingredient: &str, strength_mg: f64) -> Self {
        Self {
            id,
            ingredient: ingredient.to_owned(),
            strength_mg: Some(F64Bits::new(strength_mg)),
            unit: "{tablet}".to_owned(),
            release: "ir".to_owned(),
            rxnorm: None,
            atc: None,
        }
    }
}

/// A finite `f64` that can be compared for equality: its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct F64Bits(pub u64);

impl F64Bits {
    pub const fn new(value: f64) -> Self {
        Self(value.to_bits())
    }

    pub const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prescription {
    pub patient: PatientId,
    pub medication: MedicationId,
    /// Units of the medication per dose.
    pub dose: F64Bits,
    pub start: EventTime,
    pub end: Option<EventTime>,
    /// Minutes of the local day at which a dose is due, ascending; empty for as-needed.
    pub times_min: Vec<u32>,
    pub prn: Option<Prn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prn {
    pub max_per_day: u32,
    pub min_interval_ms: i64,
}

/// A supply that was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispense {
    pub patient: PatientId,
    pub medication: MedicationId,
    pub date: EventTime,
    /// For so many days it lasts.
    pub days_supply: u32,
}

/// What a person entered about a patient that readings do not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatientEvent {
    pub patient: PatientId,
    /// One of [`PatientEvent::KINDS`].
    pub kind: String,
    pub start: EventTime,
    /// `None` while it lasts, or for a moment.
    pub end: Option<EventTime>,
}

impl PatientEvent {
    pub const KINDS: [&str; 6] = ["surgery", "admission", "dose_change", "flare", "holiday", "therapy"];
}

/// Where a patient wants to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    pub patient: PatientId,
    /// A daily metric, in whose canonical unit the target is.
    pub metric: String,
    pub target: F64Bits,
    /// When it should be reached.
    pub by: Option<EventTime>,
}

/// Numbers of a rule that a clinician set for one patient, from a moment of event time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub patient: PatientId,
    pub rule: RuleId,
    pub from: EventTime,
    /// Keys of the rule and what stands there instead, as TOML: `condition` and `{ below = 86 }`.
    pub numbers: BTreeMap<String, String>,
    pub by: String,
    pub reason: String,
}

/// Someone who can be reached, and through what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub id: String,
    pub care_team: String,
    pub webhook_url: Option<String>,
    pub min_priority: Priority,
}

macro_rules! about_patient {
    ($($entry:ty),+) => { $(impl AboutPatient for $entry {
        fn patient(&self) -> &PatientId {
            &self.patient
        }
    })+ };
}

about_patient!(Pairing, Prescription, Dispense, PatientEvent, Goal, Override);

/// Everything declared for one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    pub tenant: TenantId,
    pub patients: BTreeMap<PatientId, Patient>,
    pub devices: BTreeMap<DeviceId, Device>,
    pub pairings: Pairings,
    pub medications: BTreeMap<MedicationId, Medication>,
    pub prescriptions: Listed<Prescription>,
    pub dispenses: Listed<Dispense>,
    pub patient_events: Listed<PatientEvent>,
    pub goals: Listed<Goal>,
    pub overrides: Listed<Override>,
    pub contacts: Vec<Contact>,
    /// The TOML it was read from: what the clinic declares, without what gateways ordered beside it.
    pub source: String,
}

/// The roster of every clinic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rosters {
    by_tenant: BTreeMap<TenantId, Arc<Roster>>,
    /// Of a clinic that has declared nothing.
    nothing: Arc<Roster>,
}

impl Rosters {
    pub fn of(&self, tenant: &TenantId) -> &Arc<Roster> {
        self.by_tenant.get(tenant).unwrap_or(&self.nothing)
    }

    /// Every clinic that anything is known of.
    pub fn tenants(&self) -> impl ExactSizeIterator<Item = &TenantId> {
        self.by_tenant.keys()
    }
}

impl FromIterator<Arc<Roster>> for Rosters {
    fn from_iter<I: IntoIterator<Item = Arc<Roster>>>(rosters: I) -> Self {
        let by_tenant = rosters.into_iter().map(|roster| (roster.tenant.clone(), roster)).collect();
        Self { by_tenant, nothing: Arc::default() }
    }
}

impl From<Roster> for Rosters {
    fn from(roster: Roster) -> Self {
        [Arc::new(roster)].into_iter().collect()
    }
}

impl Roster {
    /// Everybody who is paired with the device at that event time, by id: more than one share it.
    pub fn wearers(&self, device: &DeviceId, time: EventTime) -> Vec<&PatientId> {
        let covering = self.pairings.of_device(device).filter(|pairing| pairing.covers(time));
        let mut wearers: Vec<&PatientId> = covering.map(|pairing| &pairing.patient).collect();
        wearers.sort_unstable();
        wearers.dedup();
        wearers
    }

    /// Who wore the device at that event time (semantics 8). Where pairings overlap, the one that began last.
    pub fn wearer(&self, device: &DeviceId, time: EventTime) -> Option<&PatientId> {
        Pairings::wearer(self.pairings.of_device(device), time)
    }

    /// The zone in which a stamp of a device without an offset is read (semantics 7): that in which whoever wore it then lived then.
    /// `civil_ms` is what the stamp says, as if that were UTC. When that was is known by a zone alone, so it is read in the present
    /// wearer's first; where nobody wore it then, that stays.
    pub fn zone_of_stamp(&self, device: &DeviceId, civil_ms: i64, now: EventTime) -> Option<Zone> {
        let zone_at = |time: EventTime| {
            let wearer = self.patients.get(self.wearer(device, time)?)?;
            Some(wearer.zone_at(time).clone())
        };
        let present = zone_at(now);
        let then = present.as_ref().map_or(EventTime(civil_ms), |zone| zone.instant_of(civil_ms));
        zone_at(then).or(present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_stamp;

    fn ms(stamp: &str) -> i64 {
        parse_stamp(stamp, &Zone::utc()).unwrap().utc_ms
    }

    /// Until noon of the second of March in Paris somebody who moved there from New York a day before, after it somebody in Tokyo,
    /// and since the third nobody.
    fn roster() -> Roster {
        let device = DeviceId::parse("cuff-1").unwrap();
        let person = |id: &str, zones: &[(i64, &str)]| {
            let id = PatientId::parse(id).unwrap();
            let zones = zones.iter().map(|(from, name)| (EventTime(*from), Zone::parse(name).unwrap())).collect();
            (id.clone(), Patient { zones, ..Patient::new(id, Zone::utc()) })
        };
        let worn = |id: &str, from: i64, until: &str| Pairing {
            device: device.clone(),
            patient: PatientId::parse(id).unwrap(),
            from: EventTime(from),
            until: Some(EventTime(ms(until))),
        };
        let (moved, noon) = (ms("2026-03-01T12:00:00Z"), ms("2026-03-02T11:00:00Z"));
        let one = person("p-1", &[(0, "America/New_York"), (moved, "Europe/Paris")]);
        let pairings = vec![
            worn("p-1", ms("2026-02-01T00:00:00Z"), "2026-03-02T11:00:00Z"),
            worn("p-2", noon, "2026-03-03T00:00:00Z"),
        ];
        Roster {
            patients: [one, person("p-2", &[(0, "Asia/Tokyo")])].into(),
            pairings: pairings.into(),
            ..Roster::default()
        }
    }

    #[test]
    fn semantics_7_a_stamp_without_an_offset_is_read_where_whoever_wore_it_then_lived_then() {
        let (roster, device) = (roster(), DeviceId::parse("cuff-1").unwrap());
        let zone = |stamp: &str, now: &str| {
            let zone = roster.zone_of_stamp(&device, ms(stamp), EventTime(ms(now)));
            zone.map(|zone| zone.name().to_owned())
        };
        let in_tokyo = "2026-03-02T20:00:00Z";
        for (stamp, now, expected) in [
            ("2026-03-03T04:00:00Z", in_tokyo, Some("Asia/Tokyo")),
            ("2026-03-02T09:00:00Z", in_tokyo, Some("Europe/Paris")),
            ("2026-02-28T09:00:00Z", in_tokyo, Some("America/New_York")),
            ("2026-02-28T09:00:00Z", "2026-03-02T09:00:00Z", Some("America/New_York")),
            ("2026-01-01T09:00:00Z", in_tokyo, Some("Asia/Tokyo")),
            ("2026-03-02T09:00:00Z", "2026-03-09T00:00:00Z", Some("Europe/Paris")),
            ("2026-03-08T09:00:00Z", "2026-03-09T00:00:00Z", None),
        ] {
            assert_eq!(zone(stamp, now).as_deref(), expected, "{stamp} at {now}");
        }
    }
}
