//! What intake is given and what it says.

use std::ops::Range;
use std::sync::Arc;

use painwatch_domain::reading::Mode;
use painwatch_domain::{Class, DeviceId, Measure, Meta, PatientId, ReadingId, Sample, Series, TenantId, Value};

use super::cache::BlockKey;
use super::codec::essentials;
use super::reading::EffectiveReading;
use super::version::Version;

/// One admitted series of one submission.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    pub tenant: &'a TenantId,
    pub series: &'a Series,
    pub sent_at: Option<i64>,
    pub mode: Mode,
    /// Position of the entry in the submitted batch.
    pub index: u32,
    /// Submitted as a packed series: problems name the sample.
    pub packed: bool,
    /// Position of each sample within the packed series as submitted; empty for 0, 1, 2, …
    pub positions: &'a [u32],
}

impl Incoming<'_> {
    /// The readings of a [`Change::Fresh`].
    pub fn readings(&self, samples: Range<u32>) -> impl Iterator<Item = EffectiveReading> {
        let about = Arc::new(essentials(&self.series.meta));
        let samples = &self.series.samples[samples.start as usize..samples.end as usize];
        samples.iter().map(move |sample| {
            let version = self.version(sample, &about);
            EffectiveReading::of(&self.series.device, &version, false, self.series.meta.id.as_deref())
        })
    }

    pub(super) fn version(&self, sample: &Sample, about: &Arc<Meta>) -> Version {
        Version {
            measure: self.series.measure,
            device_time: sample.device_time,
            end: sample.end,
            time: sample.time,
            value: sample.value.clone(),
            flags: sample.flags,
            status: self.series.meta.status,
            revision: self.series.meta.revision,
            sent_at: self.sent_at,
            mode: self.mode,
            about: Arc::clone(about),
        }
    }

    pub(super) fn position(&self, sample: usize) -> Option<u32> {
        self.packed.then(|| self.positions.get(sample).copied().unwrap_or(sample as u32))
    }

    pub(super) fn day_key(&self, measure: Measure, day: i32) -> BlockKey {
        BlockKey::day(self.tenant, &self.series.device, measure, day)
    }

    pub(super) fn device(&self) -> &DeviceId {
        &self.series.device
    }
}

/// What a series changed. Repetitions that change nothing are only counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// New identities, stored, standing exactly as they came: consecutive samples of the series.
    Fresh { samples: Range<u32>, wearer: Option<PatientId> },
    /// Everything else.
    Judged(Box<Judged>),
}

impl Change {
    /// The samples that are stored and stand, and whose they are; `None` where none is.
    pub fn now_standing(&self) -> Option<(Range<u32>, Option<&PatientId>)> {
        match self {
            Self::Fresh { samples, wearer } => Some((samples.clone(), wearer.as_ref())),
            Self::Judged(judged) => {
                let stands = judged.verdict == Class::Stored && judged.takes_over && judged.after.is_some();
                stands.then(|| (judged.sample..judged.sample + 1, judged.wearer.as_ref()))
            }
        }
    }
}

/// One sample that met earlier versions of its identity, or that takes back what was never seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub sample: u32,
    pub reading_id: ReadingId,
    pub verdict: Class,
    pub new_identity: bool,
    /// The version that arrived is now the effective one, even if it is one that contributes nothing.
    pub takes_over: bool,
    /// What stood before, and who wore the device then.
    pub before: Option<EffectiveReading>,
    pub wearer_before: Option<PatientId>,
    /// What stands now (`None`: it was entered in error), and who wore the device then. Where nothing stands, the
    /// wearer at the time that the arrived version claims.
    pub after: Option<EffectiveReading>,
    pub wearer: Option<PatientId>,
}

impl Judged {
    /// Whether any patient's history has to take notice.
    pub fn effective_changed(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => !before.means_the_same_as(after),
            (before, after) => before.is_some() != after.is_some(),
        }
    }
}

/// Blocks that must be loaded first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} blocks are not loaded", .0.len())]
pub struct NotLoaded(pub Vec<BlockKey>);

/// A value as a verdict shows it.
pub(super) fn shown(measure: Measure, value: &Value) -> String {
    let unit = measure.spec().unit;
    let text = match value {
        Value::Number(number) => format!("{} {unit}", measure.to_canonical(*number)),
        Value::Pressure { systolic, diastolic } => {
            format!("{}/{} {unit}", measure.to_canonical(*systolic), measure.to_canonical(*diastolic))
        }
        Value::Code(code) => code.chars().take(40).collect(),
        Value::Dose { amount: Some(amount), unit } => format!("{} {unit}", *amount as f64 / 1000.0),
        Value::Dose { amount: None, .. } => "no amount".to_owned(),
    };
    text.trim_end().to_owned()
}
