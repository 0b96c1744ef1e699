//! The work itself: folding, evaluating, publishing.

use std::collections::BTreeMap;
use std::sync::Arc;

use painwatch_domain::roster::Patient;
use painwatch_domain::{EventTime, JournalTime, LocalDay, Measure, PatientId, Priority, Roster};

use super::compiled::{Compiled, Kind};
use super::coverage::{self, DeviceStates};
use super::daily::{self, Derived};
use super::day::{self, DOSE_LATENESS_MS, DailyValue, Frame, Group, Observation, Values};
use super::episodes::{EpisodeChanges, Span, Subject};
use super::hold::{FoldedDay, HoldSample};
use super::state::{MissedDose, OpioidDose, Work};
use super::{CLOSES_AFTER_MS, Clinic, FINAL_AFTER_MS};
use crate::metrics::catalogue;
use crate::metrics::dose_adherence::Status;
use crate::rules::ingredients::is_of_class;

/// What a task led to.
#[derive(Debug, Default)]
pub struct Performed {
    pub metrics: Vec<MetricOut>,
    pub coverage: Vec<CoverageOut>,
    pub episodes: EpisodeChanges,
    /// Covered and blind intervals that did not fill a day: a defect of ours, counted and shown.
    pub coverage_defects: u32,
}

/// A metric row to write.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricOut {
    pub patient: PatientId,
    pub metric: String,
    pub unit: &'static str,
    pub window: (i64, i64),
    pub told: Derived,
    pub is_final: bool,
    pub revision: i64,
}

/// What one rule could see on one day: intervals with an empty cause are covered.
#[derive(Clone, Debug, PartialEq)]
pub struct CoverageOut {
    pub patient: PatientId,
    pub rule: painwatch_domain::RuleId,
    pub window: (i64, i64),
    pub intervals: Vec<(i64, i64, &'static str)>,
}

impl Clinic {
    /// Folds the oldest stale day of a measure under every hold rule on it, and publishes what changed.
    pub(super) fn fold(&mut self, person: &Patient, measure_name: &str, history: &[Observation], now: JournalTime, out: &mut Performed) {
        let Some(measure) = Measure::parse(measure_name) else { return };
        let rules = Arc::clone(&self.rules);
        let on_measure = |compiled: &&Compiled| matches!(&compiled.kind, Kind::Hold(on, _) if *on == measure) && compiled.applies_to(person);
        let Some(signal) = self.patients.get_mut(&person.id).and_then(|state| state.holds.get_mut(measure_name)) else { return };
        let Some(day) = signal.stale.pop_first() else { return };
        let mut next_differs = false;
        for compiled in rules.iter().filter(on_measure) {
            let Kind::Hold(_, rule) = &compiled.kind else { continue };
            let sample = |seen: &Observation| {
                let value = compiled.number(measure, &seen.value)?;
                Some(HoldSample { time: seen.time, value, id: seen.id, historical: seen.historical })
            };
            let samples: Vec<HoldSample> = history.iter().filter_map(sample).collect();
            let mut state = signal.state_before(day, compiled.id(), rule);
            let spans = rule.fold(measure, &mut state, &samples, now.0);
            next_differs |= signal.set(day, compiled.id(), FoldedDay { end: state, spans });
        }
        if next_differs && let Some(next) = signal.folded.range(day + 1..).next().map(|(day, _)| *day) {
            signal.stale.insert(next);
        }
        if !signal.stale.is_empty() {
            self.owe(&person.id, now, Work::Fold(measure_name.to_owned()));
        }
        for compiled in rules.iter().filter(on_measure) {
            self.publish_hold(person, compiled, measure_name, now, out);
        }
    }

    fn publish_hold(&mut self, person: &Patient, compiled: &Compiled, measure: &str, now: JournalTime, out: &mut Performed) {
        let since = self.horizon_start(person, now);
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let Some(signal) = state.holds.get(measure) else { return };
        let exposure = if compiled.depends_on_exposure() { state.exposure() } else { Vec::new() };
        let exposed = |span: &Span| exposure.iter().any(|window| window.start <= span.last_held && span.start < window.end);
        let spans = signal.spans(compiled.id()).into_iter().map(|span| {
            let peak = compiled.peak(person, exposed(&span));
            (span, peak)
        });
        let spans: Vec<(Span, Priority)> = spans.collect();
        let subject = Subject { tenant: &self.tenant, patient: &person.id, now };
        state.reports.publish(&subject, &compiled.face, since, spans, &mut out.episodes);
    }

    fn horizon_start(&self, person: &Patient, now: JournalTime) -> i64 {
        person.zone_at(EventTime(now.0)).day_start(LocalDay(self.horizon(person, now))).0
    }

    /// Reports everything of the patient again, under the rules as they are now.
    pub(super) fn republish(&mut self, person: &Patient, now: JournalTime, out: &mut Performed) {
        let rules = Arc::clone(&self.rules);
        for compiled in rules.iter().filter(|compiled| compiled.applies_to(person)) {
            match &compiled.kind {
                Kind::Hold(measure, _) => self.publish_hold(person, compiled, measure.name(), now, out),
                Kind::Daily(_) => {}
            }
        }
        self.publish_daily(person, None, now, out);
    }

    /// Computes one group's values of one day.
    pub(super) fn evaluate(
        &mut self, person: &Patient, group: Group, day: i32, history: &[Observation], now: JournalTime, out: &mut Performed,
    ) {
        let zone = person.zone_at(EventTime(i64::from(day) * painwatch_domain::time::DAY_MS)).clone();
        let (start, end) = (zone.day_start(LocalDay(day)).0, zone.day_start(LocalDay(day + 1)).0);
        let closed = end + CLOSES_AFTER_MS <= now.0;
        let roster = Arc::clone(&self.roster);
        let frame = Frame { day: LocalDay(day), start, end, zone: &zone, now: now.0, closed, roster: &roster };
        if group == Group::Coverage {
            return self.hold_coverage(person, &frame, history, out);
        }
        let mut values = day::evaluate(group, &frame, history);
        if group == Group::Medication {
            values = self.medication(person, &frame, history, now, out);
        }
        if day < self.horizon(person, now) {
            return tell_old_day(person, &frame, values, out);
        }
        self.keep(person, group, day, values);
        self.tell(person, group, &frame, now, out);
        self.publish_daily(person, Some(group), now, out);
        if closed {
            self.daily_coverage(person, group, &frame, out);
        }
    }

    /// Replaces the group's values of the day.
    fn keep(&mut self, person: &Patient, group: Group, day: i32, values: Values) {
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let kept = state.days.entry(day).or_default();
        kept.retain(|name, _| group_of(name) != Some(group));
        kept.extend(values);
        if kept.is_empty() {
            state.days.remove(&day);
        }
    }

    /// Tells every value of the group that differs from what was told: this day's, and what derives from it later.
    fn tell(&mut self, person: &Patient, group: Group, frame: &Frame, now: JournalTime, out: &mut Performed) {
        let horizon = self.horizon(person, now);
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let mut all: BTreeMap<(i32, String), Derived> = BTreeMap::new();
        for (name, value) in state.days.get(&frame.day.0).into_iter().flatten() {
            all.insert((frame.day.0, name.clone()), Derived { value: value.clone(), baseline: None, deviation: None });
        }
        for ((day, name), derived) in daily::derive(&state.days, horizon.max(frame.day.0)) {
            all.insert((day, name.to_owned()), derived);
        }
        let vanished = state.told.keys().filter(|(day, name)| *day == frame.day.0 && !all.contains_key(&(*day, name.clone())));
        for key in vanished.cloned().collect::<Vec<_>>() {
            let nothing = DailyValue { reason: "insufficient".to_owned(), held_at: frame.end, ..DailyValue::default() };
            all.insert(key, Derived { value: nothing, baseline: None, deviation: None });
        }
        all.retain(|(_, name), _| group_of(name) == Some(group));
        for ((day, metric), told) in all {
            let Some(revision) = state.revise(day, &metric, &told) else { continue };
            let window = (frame.zone.day_start(LocalDay(day)).0, frame.zone.day_start(LocalDay(day + 1)).0);
            let is_final = window.1 + FINAL_AFTER_MS <= now.0;
            let unit = catalogue::find(&metric).map_or("", |info| info.unit);
            out.metrics.push(MetricOut { patient: person.id.clone(), metric, unit, window, told, is_final, revision });
        }
        state.told = state.told.split_off(&(horizon - 1, String::new()));
    }

    /// Judges every daily rule (of the group) over all kept days.
    fn publish_daily(&mut self, person: &Patient, group: Option<Group>, now: JournalTime, out: &mut Performed) {
        let since = self.horizon_start(person, now);
        let horizon = self.horizon(person, now);
        let rules = Arc::clone(&self.rules);
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let derived = daily::derive(&state.days, horizon);
        let exposure = state.exposure();
        let subject = Subject { tenant: &self.tenant, patient: &person.id, now };
        for compiled in rules.iter().filter(|compiled| compiled.applies_to(person)) {
            let Kind::Daily(metric) = compiled.kind else { continue };
            if group.is_some_and(|group| group_of(metric) != Some(group)) {
                continue;
            }
            let spans = daily::episodes(compiled, metric, &state.days, &derived);
            let exposed = |span: &Span| exposure.iter().any(|window| window.start <= span.last_held && span.start < window.end);
            let judged = spans.into_iter().map(|span| {
                let peak = compiled.peak(person, exposed(&span));
                (span, peak)
            });
            state.reports.publish(&subject, &compiled.face, since, judged.collect(), &mut out.episodes);
        }
    }

    /// Scheduled doses of the day, the run of missed ones, and the exposure to opioids that follows from what was taken.
    fn medication(
        &mut self, person: &Patient, frame: &Frame, history: &[Observation], now: JournalTime, out: &mut Performed,
    ) -> Values {
        let roster = Arc::clone(&self.roster);
        let doses = day::doses(&person.id, frame, history);
        let opioids = opioid_doses(&roster, frame, history);
        let mut next_known = None;
        let mut today: BTreeMap<String, Vec<MissedDose>> = BTreeMap::new();
        let (mut scheduled, mut matched, mut on_time) = (0u32, 0u32, 0u32);
        for dose in &doses {
            for cell in day::cells_of_day(frame, dose) {
                let known_at = cell.closes + DOSE_LATENESS_MS + 1;
                if cell.matched.is_none() && known_at > now.0 {
                    next_known = Some(next_known.map_or(known_at, |next: i64| next.min(known_at)));
                    continue;
                }
                scheduled += 1;
                matched += u32::from(cell.matched.is_some());
                on_time += u32::from(cell.status == Status::OnTime);
                let list = today.entry(dose.medication.id.to_string()).or_default();
                list.push(MissedDose { scheduled: cell.scheduled, missed: cell.matched.is_none() });
            }
        }
        if let Some(at) = next_known {
            self.owe(&person.id, JournalTime(at), Work::Evaluate(Group::Medication, frame.day.0));
        }
        let rules = Arc::clone(&self.rules);
        let Some(state) = self.patients.get_mut(&person.id) else { return Values::new() };
        let exposure_changed = state.opioids.get(&frame.day.0).map_or(!opioids.is_empty(), |old| *old != opioids);
        state.opioids.insert(frame.day.0, opioids);
        let missed_changed = state.missed.get(&frame.day.0).map_or(!today.is_empty(), |old| *old != today);
        state.missed.insert(frame.day.0, today);
        let oldest = frame.day.0 - super::KEPT_DAYS;
        state.missed.retain(|day, _| *day >= oldest);
        let later = state.missed.range(frame.day.0 + 1..).next().map(|(day, _)| *day).filter(|_| missed_changed);
        let run = longest_run(&state.missed, frame.day.0);
        if let Some(later) = later {
            self.owe(&person.id, now, Work::Evaluate(Group::Medication, later));
        }
        if exposure_changed {
            for compiled in rules.iter().filter(|rule| rule.depends_on_exposure() && rule.applies_to(person)) {
                if let Kind::Hold(measure, _) = &compiled.kind {
                    self.publish_hold(person, compiled, measure.name(), now, out);
                }
            }
        }
        medication_values(frame, history, (scheduled, matched, on_time), run)
    }

    /// What each hold rule could see on the day, from the readings themselves.
    fn hold_coverage(&mut self, person: &Patient, frame: &Frame, history: &[Observation], out: &mut Performed) {
        if !frame.closed {
            return;
        }
        let states = device_states(history);
        let rules = Arc::clone(&self.rules);
        for compiled in rules.iter().filter(|compiled| compiled.applies_to(person)) {
            let Kind::Hold(measure, rule) = &compiled.kind else { continue };
            let seen = history.iter().filter(|seen| seen.measure == *measure && compiled.number(*measure, &seen.value).is_some());
            let times: Vec<i64> = seen.map(|seen| seen.time).collect();
            let window = (frame.start, frame.end);
            let covered = coverage::covered(&times, rule.max_gap_ms, window);
            let blind = coverage::blind(&times, rule.max_gap_ms, window);
            out.coverage_defects += u32::from(!coverage::adds_up(&covered, &blind, window));
            let mut intervals: Vec<_> = covered.into_iter().map(|(from, to)| (from, to, "")).collect();
            intervals.extend(blind.into_iter().map(|(from, to)| (from, to, states.cause_at(from))));
            intervals.sort_unstable();
            out.coverage.push(CoverageOut { patient: person.id.clone(), rule: compiled.face.id.clone(), window, intervals });
        }
    }

    /// A daily rule saw the day iff its metric has a value.
    fn daily_coverage(&self, person: &Patient, group: Group, frame: &Frame, out: &mut Performed) {
        let Some(state) = self.patients.get(&person.id) else { return };
        let derived = daily::derive(&state.days, frame.day.0);
        for compiled in self.rules.iter().filter(|compiled| compiled.applies_to(person)) {
            let Kind::Daily(metric) = compiled.kind else { continue };
            if group_of(metric) != Some(group) {
                continue;
            }
            let value = state.days.get(&frame.day.0).and_then(|values| values.get(metric));
            let value = value.or_else(|| derived.get(&(frame.day.0, metric)).map(|found| &found.value));
            let cause = match value {
                Some(value) if value.value.is_some() => "",
                Some(value) if value.reason == "not_worn" || value.reason == "zero_without_wear" => "not_worn",
                _ => "unknown",
            };
            let window = (frame.start, frame.end);
            let intervals = vec![(frame.start, frame.end, cause)];
            out.coverage.push(CoverageOut { patient: person.id.clone(), rule: compiled.face.id.clone(), window, intervals });
        }
    }
}

/// Beyond the horizon values are told once more and nothing else changes (semantics 13).
fn tell_old_day(person: &Patient, frame: &Frame, values: Values, out: &mut Performed) {
    for (metric, value) in values {
        let unit = catalogue::find(&metric).map_or("", |info| info.unit);
        let told = Derived { value, baseline: None, deviation: None };
        let window = (frame.start, frame.end);
        out.metrics.push(MetricOut { patient: person.id.clone(), metric, unit, window, told, is_final: true, revision: 0 });
    }
}

/// The group a metric is computed in.
fn group_of(metric: &str) -> Option<Group> {
    catalogue::find(metric).and_then(|info| Group::of(info.measure))
}

fn device_states(history: &[Observation]) -> DeviceStates {
    let changes = |measure: Measure| {
        let of_measure = history.iter().filter(move |seen| seen.measure == measure);
        of_measure.filter_map(|seen| match &seen.value {
            painwatch_domain::Value::Code(code) => Some((seen.time, &**code == "true")),
            _ => None,
        })
    };
    DeviceStates { worn: changes(Measure::DeviceWorn).collect(), charging: changes(Measure::DeviceCharging).collect() }
}

/// Doses missed one after the other up to the end of `day`: the most of any medication, its name, and the last one's time.
fn longest_run(missed: &BTreeMap<i32, BTreeMap<String, Vec<MissedDose>>>, day: i32) -> Option<(u32, String, i64)> {
    let medications = missed.get(&day)?.keys();
    let run_of = |medication: &String| {
        let doses = missed.range(..=day).rev().flat_map(|(_, by)| by.get(medication).into_iter().flat_map(|list| list.iter().rev()));
        let run: Vec<&MissedDose> = doses.take_while(|dose| dose.missed).collect();
        let last = missed[&day][medication].last().map_or(0, |dose| dose.scheduled);
        (run.len() as u32, medication.clone(), last)
    };
    medications.map(run_of).max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)))
}

/// What the day recorded of opioids, in time order.
fn opioid_doses(roster: &Roster, frame: &Frame, history: &[Observation]) -> Vec<OpioidDose> {
    let in_day = history.iter().filter(|seen| (frame.start..frame.end).contains(&seen.time));
    let dose = |seen: &Observation| {
        let dose = seen.dose.as_ref()?;
        let medication = roster.medications.get(&dose.medication).filter(|known| is_of_class(&known.ingredient, "opioid"))?;
        let (medication, release) = (medication.id.to_string(), medication.release.clone());
        Some(OpioidDose { medication, release, time: seen.time, event: dose.event.as_str().to_owned() })
    };
    in_day.filter_map(dose).collect()
}

fn medication_values(frame: &Frame, history: &[Observation], counts: (u32, u32, u32), run: Option<(u32, String, i64)>) -> Values {
    let (scheduled, matched, on_time) = counts;
    let mut values = Values::new();
    if scheduled == 0 {
        return values;
    }
    let in_day = history.iter().filter(|seen| (frame.start..frame.end).contains(&seen.time));
    let historical = {
        let mut seen = in_day.clone().peekable();
        seen.peek().is_some() && seen.all(|seen| seen.historical)
    };
    let evidence: Vec<[u8; 16]> = in_day.take(16).map(|seen| seen.id.0).collect();
    let value = |value: f64, held_at: i64, quality: &str| DailyValue {
        value: Some(value),
        n: scheduled,
        held_at,
        quality: quality.to_owned(),
        evidence: evidence.clone(),
        historical,
        ..DailyValue::default()
    };
    let percent = |part: u32| 100.0 * f64::from(part) / f64::from(scheduled);
    if frame.closed {
        values.insert("medication_event.taking_pct".to_owned(), value(percent(matched), frame.end, ""));
        values.insert("medication_event.timing_pct".to_owned(), value(percent(on_time), frame.end, ""));
    }
    if let Some((doses, medication, at)) = run {
        values.insert("medication_event.missed_in_a_row".to_owned(), value(f64::from(doses), at, &medication));
    }
    values
}
