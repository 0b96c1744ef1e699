//! Findings about devices and data rather than patients: raised once per device and cause, until a person resolves them.

use std::collections::BTreeSet;

use painwatch_domain::finding::alert_id;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{
    AlertKind, DeviceId, Episode, EventTime, Finding, FindingKind, JournalTime, PatientId, Priority, ProblemCode,
    RuleDomain, RuleId, TenantId,
};
use serde::{Deserialize, Serialize};

/// What can be wrong with a device or its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Technical {
    /// Nobody wears it, as far as the roster knows.
    Unpaired,
    /// Several are paired with the scale, and the weight fits nobody's past, or more than one's.
    Unassigned,
    /// May be somebody else's: more than 7 % off within a day.
    DoubtfulWeight,
    UnknownMedication,
    ConflictingDose,
    ClockWrong,
}

impl Technical {
    /// What a problem code calls for, if anything.
    pub const fn of(code: ProblemCode) -> Option<Self> {
        match code {
            ProblemCode::TimeInFuture | ProblemCode::ClockNotSet => Some(Self::ClockWrong),
            ProblemCode::UnknownMedication => Some(Self::UnknownMedication),
            _ => None,
        }
    }

    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Unpaired => (
                "technical-device-unpaired",
                "A device that nobody wears sends readings",
                "Add a pairing to the roster; its readings are kept and will be attributed to whoever wore it.",
            ),
            Self::Unassigned => (
                "technical-weight-unassigned",
                "A weight on a shared scale that is nobody's for certain",
                "Ask who was on the scale and pair it with that person alone for that time; the weight is kept.",
            ),
            Self::DoubtfulWeight => (
                "technical-weight-doubtful",
                "A weight that may be somebody else's",
                "Ask whether somebody else was on the scale; if so, send the reading again as entered in error.",
            ),
            Self::UnknownMedication => (
                "technical-unknown-medication",
                "Doses of a medication that the roster does not know",
                "Add the medication to the roster; until then the doses count in no rule.",
            ),
            Self::ConflictingDose => (
                "technical-conflicting-dose",
                "Two different doses reported for one moment",
                "Ask which is right and send a correction; until then neither counts in any sum.",
            ),
            Self::ClockWrong => (
                "technical-clock-wrong",
                "A device's clock is wrong",
                "Set the device's clock; its readings are kept in quarantine and can be redriven.",
            ),
        }
    }
}

/// Which findings were raised already: `tenant/rule/device`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Raised(BTreeSet<String>);

/// Whom and what it is about.
pub struct About<'a> {
    pub tenant: &'a TenantId,
    pub device: &'a DeviceId,
    pub patient: Option<&'a PatientId>,
    pub now: JournalTime,
}

impl Raised {
    /// The finding, unless it was raised before.
    pub fn raise(&mut self, technical: Technical, about: &About, detail: &str) -> Option<Finding> {
        let (rule, title, action) = technical.words();
        let key = match technical {
            // A question about one reading: the next day's is another.
            Technical::Unassigned | Technical::DoubtfulWeight => {
                format!("{}/{rule}/{}/{}", about.tenant, about.device, about.now.0 / DAY_MS)
            }
            _ => format!("{}/{rule}/{}", about.tenant, about.device),
        };
        if !self.0.insert(key) {
            return None;
        }
        let rule = RuleId::parse(rule).ok()?;
        let start = EventTime(about.now.0);
        Some(Finding {
            kind: FindingKind::Opened,
            alert_id: alert_id(about.tenant, about.device.as_str(), &rule, start),
            tenant: about.tenant.clone(),
            patient: about.patient.cloned(),
            rule,
            rule_version: "built-in".to_owned(),
            title: title.to_owned(),
            action: action.to_owned(),
            alert_kind: AlertKind::Technical,
            domain: RuleDomain::Technical,
            episode: Episode {
                start,
                last_held: start,
                end: None,
                peak: Priority::Low,
                evidence: Vec::new(),
                why: format!("device {}: {detail}", about.device),
            },
            detected_at: about.now,
            retrospective: false,
            historical: false,
            shadow: false,
        })
    }
}
