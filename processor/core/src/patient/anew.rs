//! A rule that from some moment on looks at something else, or in another way, begins anew there: what it told before ends with
//! that cause and stays as it was told (decision 0091).

use painwatch_domain::JournalTime;
use painwatch_domain::roster::Patient;

use super::Clinic;
use super::compiled::Ruled;
use super::episodes::Subject;
use super::past::Past;
use super::perform::Performed;
use super::signal::hour_of;

const WHY: &str = "the rule looks at something else now";

impl Clinic {
    /// What a rule that begins anew had come to of a patient so far leads to nothing.
    pub(super) fn begin_anew(&mut self, rule: &str, now: JournalTime) {
        let ruled = self.rules.iter().find(|known| known.id() == rule);
        let held = ruled.and_then(Ruled::measure_held).map(|(measure, _)| measure.name());
        for (patient, state) in &mut self.patients {
            if state.watch.since.remove(rule).is_some() {
                self.changed_watch.insert(patient.clone());
            }
            for signal in state.holds.values_mut() {
                signal.live.remove(rule);
            }
            if let Some(signal) = held.and_then(|held| state.holds.get_mut(held)) {
                // Until now the hour was folded under what the rule was before.
                signal.stale.insert(hour_of(now.0));
            }
        }
    }

    /// Ends what was told of a patient by rules that have begun anew since, before anything is told by what they are now.
    pub(super) fn end_earlier(&self, person: &Patient, past: &mut Past, now: JournalTime, out: &mut Performed) {
        let subject = Subject { tenant: &self.tenant, patient: &person.id, now };
        for rule in self.rules.iter() {
            let Some((from, face)) = rule.begun() else { continue };
            let hours = rule.measure_held().and_then(|(measure, _)| past.folded.get_mut(measure.name()));
            for (_, rules) in hours.into_iter().flat_map(|hours| hours.0.range_mut(..hour_of(from))) {
                rules.remove(rule.id());
            }
            if past.reports.spans(rule.id()).all(|span| span.start >= from) {
                continue;
            }
            let told = out.episodes.findings.len();
            past.reports.retire(&subject, face, &mut out.episodes);
            out.episodes.findings[told..].iter_mut().for_each(|found| WHY.clone_into(&mut found.episode.why));
            // All of it is over: forgotten here, untouched in the tables.
            past.reports.publish(&subject, face, i64::MAX, Vec::new(), &mut out.episodes);
        }
    }
}
