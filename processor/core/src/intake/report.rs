//! What is said about a version: a count, a change, and where people should know why, a problem.

use painwatch_domain::{Class, Problem, ProblemCode, Value};

use super::change::{Change, Judged, shown};
use super::reading::EffectiveReading;
use super::visit::Visit;

/// Conflicts that a verdict names one by one, as ingest does with refused samples: enough to see what is wrong. Two days at 1 Hz,
/// sent again with other values, would otherwise make a verdict that is larger than a record of the journal may be.
pub(super) const CONFLICTS_LISTED: u64 = 1_000;

/// How a version fared, before it is told.
pub(super) struct Outcome {
    pub class: Class,
    pub new_identity: bool,
    pub takes_over: bool,
    pub before: Option<EffectiveReading>,
    pub after: Option<EffectiveReading>,
    /// The kept value that a conflicting one differs from.
    pub rival: Option<Value>,
}

impl Visit<'_> {
    pub(super) fn tell(&mut self, index: usize, outcome: Outcome) {
        let Outcome { class, new_identity, takes_over, before, after, rival } = outcome;
        match class {
            Class::Stored => self.tally.stored += 1,
            Class::Conflict => self.tally.conflict += 1,
            Class::Duplicate | Class::Quarantined => self.tally.duplicate += 1,
        }
        if let Some(rival) = rival {
            self.report_conflict(index, &rival);
        } else if class == Class::Stored && self.unknown_medication {
            self.report_medication(index);
        }
        if class == Class::Duplicate && before == after {
            return;
        }
        let (series, sample) = (self.incoming.series, self.sample(index));
        let worn_at = |time| self.roster.wearer(&series.device, time).cloned();
        let wearer_before = before.as_ref().and_then(|before| worn_at(before.time));
        let wearer = worn_at(after.as_ref().map_or(sample.time, |after| after.time));
        let reading_id = series.reading_id(self.incoming.tenant, sample);
        let (sample, verdict) = (index as u32, class);
        let told =
            Judged { sample, reading_id, verdict, new_identity, takes_over, before, wearer_before, after, wearer };
        self.out.push(Change::Judged(Box::new(told)));
    }

    fn report(&mut self, index: usize, result: Class, code: ProblemCode, detail: String) {
        let (index, sample) = (self.incoming.index, self.incoming.position(index));
        self.tally.problems.push(Problem { index, sample, result, code, detail, quarantine_id: None });
    }

    /// The first one beyond the listed stands for those that follow as well.
    fn report_conflict(&mut self, index: usize, rival: &Value) {
        if self.tally.conflict > CONFLICTS_LISTED + 1 {
            return;
        }
        let series = self.incoming.series;
        let [came, kept] = [&self.sample(index).value, rival].map(|value| shown(series.measure, value));
        let revision = series.meta.revision;
        let detail =
            format!("{} {came}, but {kept} came before with the same revision {revision}", series.measure.name());
        self.report(index, Class::Conflict, ProblemCode::ValueDiffers, detail);
    }

    /// Says how many conflicts the last one stands for.
    pub(super) fn sum_up(&mut self) {
        let more = self.tally.conflict.saturating_sub(CONFLICTS_LISTED);
        let last = self.tally.problems.iter_mut().rfind(|problem| problem.result == Class::Conflict);
        if let Some(last) = last.filter(|_| more > 1) {
            last.detail = format!("and {more} more from here on differ from what came before with the same revision");
        }
    }

    pub(super) fn report_medication(&mut self, index: usize) {
        let Some(dose) = &self.incoming.series.meta.dose else { return };
        let detail = format!("medication {} is not in the roster", dose.medication);
        self.report(index, Class::Stored, ProblemCode::UnknownMedication, detail);
    }
}
