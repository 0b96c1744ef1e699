//! What is known about one moment, put together: what the rules saw, the ledger, the alerts.

use anyhow::Result;
use painwatch_domain::{EventTime, JournalTime, PatientId, RuleId, TenantId};
use painwatch_processor::rerun::Rerun;
use painwatch_processor_core::patient::explain::{Explained, InForce, Standing};
use painwatch_store::{AlertRow, CoverageRow, EpisodeRow, Store};

use super::Told;

pub struct Answer {
    pub patient: PatientId,
    pub at: EventTime,
    /// Journal time up to which late data were taken into account.
    pub known_at: JournalTime,
    /// Event time of the patient's first reading; `None`: there is none.
    pub first_reading: Option<EventTime>,
    /// Readings of the hours around the moment that came too late to change any alert.
    pub too_late: usize,
    pub rules: Vec<RuleAnswer>,
}

pub struct RuleAnswer {
    pub now: Explained,
    /// `None`: nothing was known of the patient then.
    pub then: Option<Explained>,
    pub monitoring: Monitoring,
    /// The episode that holds the moment, by what is known now.
    pub episode: Option<EpisodeRow>,
    /// What became of it.
    pub alert: Option<AlertRow>,
    /// An alert that an episode at this moment would only go on with, and until when.
    pub refractory: Option<(EpisodeRow, i64)>,
}

/// Whether the rule could see.
pub struct Monitoring {
    /// Empty where it could.
    pub cause: String,
    /// The interval of the ledger; `None` where the day is not over, and the answer is that of the readings.
    pub interval: Option<(EventTime, EventTime)>,
    /// Where there is none: what was seen of the day so far, (from, until, cause), and provisional.
    pub so_far: Vec<(i64, i64, &'static str)>,
}

impl Monitoring {
    /// How much of the day so far was monitored, of how much; `None` where the ledger answers, or the rule judges whole days.
    pub fn provisional(&self) -> Option<(i64, i64)> {
        let length = |is: fn(&str) -> bool| -> i64 {
            self.so_far.iter().filter(|(.., cause)| is(cause)).map(|(from, until, _)| until - from).sum()
        };
        (!self.so_far.is_empty()).then(|| (length(str::is_empty), length(|_| true)))
    }
}

impl Answer {
    pub async fn of(
        told: Told,
        rerun: &Rerun,
        store: &dyn Store,
        (patient, at): (&PatientId, EventTime),
    ) -> Result<Self> {
        let Told { then, now, known_at, later } = told;
        let tenant = TenantId::default();
        let episodes = rerun.store().episodes(tenant.clone()).await?;
        let ledger = rerun.store().coverage(tenant.clone(), Some(patient.clone()), at, at.plus(1)).await?;
        let mut rules = Vec::new();
        for now in now {
            let own: Vec<&EpisodeRow> = episodes.iter().filter(|row| row.rule == now.rule).collect();
            let episode = holding(&own, &now, at);
            let alert = match &episode {
                Some(episode) => store.alert(tenant.clone(), episode.alert_id).await?,
                None => None,
            };
            let refractory = if episode.is_none() { refractory(&own, &now, at) } else { None };
            let monitoring = monitoring(&ledger, &now);
            let then = then.iter().find(|then| then.rule == now.rule).cloned();
            rules.push(RuleAnswer { now, then, monitoring, episode, alert, refractory });
        }
        let first_reading = rerun.seen().get(patient).map(|(first, _)| *first).into_iter().chain(later.first).min();
        Ok(Self { patient: patient.clone(), at, known_at, first_reading, too_late: later.around, rules })
    }

    /// The moment lies before anything was measured.
    pub fn is_too_early(&self) -> bool {
        self.first_reading.is_none_or(|first| self.at < first)
    }
}

impl RuleAnswer {
    pub fn id(&self) -> &RuleId {
        &self.now.rule
    }

    /// Whether what was known then differs from what is known now.
    pub fn learned_later(&self) -> bool {
        let saw = |explained: &Explained| {
            let saw = explained.in_force.as_ref().map(|in_force| &in_force.saw);
            saw.map(|saw| {
                (saw.standing, saw.cause, saw.values.iter().map(|value| (value.number, value.from)).collect::<Vec<_>>())
            })
        };
        self.then.as_ref().is_none_or(|then| saw(then) != saw(&self.now))
    }
}

/// The episode that lasted at the moment. One that waits to be cleared has held for the last time before.
fn holding(own: &[&EpisodeRow], now: &Explained, at: EventTime) -> Option<EpisodeRow> {
    let begun = own.iter().filter(|row| row.start <= at).max_by_key(|row| row.start)?;
    let rings = now.in_force.as_ref().is_some_and(|in_force| in_force.saw.standing == Standing::Rings);
    let lasts = begun.end.is_none_or(|end| at < end);
    (lasts || rings).then(|| (*begun).clone())
}

fn refractory(own: &[&EpisodeRow], now: &Explained, at: EventTime) -> Option<(EpisodeRow, i64)> {
    let InForce { rule, .. } = now.in_force.as_ref()?;
    let ended = own.iter().filter_map(|row| Some((row, row.end?))).filter(|(_, end)| *end <= at);
    let (last, end) = ended.max_by_key(|(_, end)| *end)?;
    let until = end.0.saturating_add(rule.refractory_ms);
    (at.0 <= until).then(|| ((*last).clone(), until))
}

fn monitoring(ledger: &[CoverageRow], now: &Explained) -> Monitoring {
    if let Some(row) = ledger.iter().find(|row| row.rule == now.rule) {
        let interval = Some((row.start, row.end));
        return Monitoring { cause: row.cause.clone(), interval, so_far: Vec::new() };
    }
    let saw = now.in_force.as_ref().map(|in_force| &in_force.saw);
    let cause = match saw {
        Some(saw) if saw.sees => "",
        Some(saw) if !saw.cause.is_empty() => saw.cause,
        _ => "unknown",
    };
    let so_far = now.in_force.as_ref().map(|in_force| in_force.so_far.clone()).unwrap_or_default();
    Monitoring { cause: cause.to_owned(), interval: None, so_far }
}
