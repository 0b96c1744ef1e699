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
    /// Once by wall time and once by UTC, as it seems.
    ShiftedPressure,
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
            Self::ShiftedPressure => (
                "technical-pressure-shifted",
                "One blood pressure under two times, whole hours apart",
                "Ask when it was taken and send the other reading again as entered in error; until then both count.",
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
            Technical::Unassigned | Technical::DoubtfulWeight | Technical::ShiftedPressure => {
                format!("{}/{rule}/{}/{}", about.tenant, about.device, about.now.0 / DAY_MS)
            }
            _ => format!("{}/{rule}/{}", about.tenant, about.device),
        };
        if !self.0.insert(key) {
            return None;
        }
        let start = EventTime(about.now.0);
        let mut finding = finding(about.tenant, about.device.as_str(), (rule, title, action), start, about.now)?;
        finding.patient = about.patient.cloned();
        finding.episode.why = format!("device {}: {detail}", about.device);
        Some(finding)
    }

    /// The finding that an input of ours is dead since `since`, unless it was known.
    pub fn input_is_dead(
        &mut self,
        tenant: &TenantId,
        input: &str,
        since: i64,
        now: JournalTime,
        detail: &str,
    ) -> Option<Finding> {
        if self.dead_since(tenant, input).is_some() {
            return None;
        }
        self.0.insert(format!("{}{since}", dead_key(tenant, input)));
        about_input(tenant, input, since, now, detail)
    }

    /// The end of that finding.
    pub fn input_is_back(&mut self, tenant: &TenantId, input: &str, at: i64, now: JournalTime) -> Option<Finding> {
        let since = self.dead_since(tenant, input)?;
        self.0.remove(&format!("{}{since}", dead_key(tenant, input)));
        let mut finding = about_input(tenant, input, since, now, "it answers again")?;
        finding.kind = FindingKind::Cleared;
        let end = EventTime(at.max(since));
        (finding.episode.last_held, finding.episode.end) = (end, Some(end));
        Some(finding)
    }

    fn dead_since(&self, tenant: &TenantId, input: &str) -> Option<i64> {
        let prefix = dead_key(tenant, input);
        let known = self.0.range(prefix.clone()..).next()?;
        known.strip_prefix(&prefix)?.parse().ok()
    }
}

const INPUT_DEAD: (&str, &str, &str) = (
    "technical-input-dead",
    "An input of this server is dead",
    "Readings that come by this way do not arrive; the gateways keep them. Look at `painwatch status` and the log, then restart.",
);

fn dead_key(tenant: &TenantId, input: &str) -> String {
    format!("{tenant}/{}/{input}/", INPUT_DEAD.0)
}

fn about_input(tenant: &TenantId, input: &str, since: i64, now: JournalTime, detail: &str) -> Option<Finding> {
    let mut finding = finding(tenant, &format!("input:{input}"), INPUT_DEAD, EventTime(since), now)?;
    finding.episode.peak = Priority::Medium;
    finding.episode.last_held = EventTime(now.0);
    finding.episode.why = format!("input {input}: {detail}");
    Some(finding)
}

/// Something that began at `start`, in words that are the same for everybody it happens to.
fn finding(
    tenant: &TenantId,
    subject: &str,
    (rule, title, action): (&str, &str, &str),
    start: EventTime,
    now: JournalTime,
) -> Option<Finding> {
    let rule = RuleId::parse(rule).ok()?;
    let (last_held, peak) = (start, Priority::Low);
    Some(Finding {
        kind: FindingKind::Opened,
        alert_id: alert_id(tenant, subject, &rule, start),
        tenant: tenant.clone(),
        patient: None,
        rule,
        rule_version: "built-in".to_owned(),
        title: title.to_owned(),
        action: action.to_owned(),
        alert_kind: AlertKind::Technical,
        domain: RuleDomain::Technical,
        episode: Episode { start, last_held, end: None, peak, evidence: Vec::new(), why: String::new() },
        detected_at: now,
        retrospective: false,
        historical: false,
        shadow: false,
    })
}
