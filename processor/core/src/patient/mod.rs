//! What the readings mean for each patient: rules, daily values, episodes, coverage (semantics 10–18).
//!
//! The clinic is told of readings as they are judged, and owes work at points in journal time: fold a day again, compute
//! a day's values, close a day. Whoever drives it asks for the next due [`Task`], fetches the history it names from the
//! day blocks, and has it performed. Truth comes only from that history, never from the order of arrival.

pub mod compiled;
pub mod coverage;
pub mod daily;
pub mod day;
pub mod episodes;
pub mod hold;
mod perform;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use painwatch_domain::roster::Patient;
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, JournalTime, LocalDay, Measure, PatientId, Roster, TenantId, Value, Zone};

use crate::rules::Rule;
use compiled::{Compiled, Kind};
use day::{Group, Observation};
use hold::{Live, Look};
pub use perform::{CoverageOut, MetricOut, Performed};
use state::{PatientState, Work};
pub use state::SnapshotError;

/// A day is provisional this long after its end, final later (clinical catalogue section 0).
pub const CLOSES_AFTER_MS: i64 = 6 * HOUR_MS;
pub const FINAL_AFTER_MS: i64 = 48 * HOUR_MS;
/// Late readings of one day are folded together after this long (semantics 13).
const GATHER_MS: i64 = MINUTE_MS;
/// Event age beyond which alerts no longer change (semantics 13).
pub const HORIZON_DAYS: i32 = 35;
/// Daily values kept: the horizon, the baseline before its first day, and the day itself.
const KEPT_DAYS: i32 = HORIZON_DAYS + 28 + 1;

/// Work that is due, and the history it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub due: JournalTime,
    pub patient: PatientId,
    work: Work,
    /// Which effective readings to fetch: (measure, from, to), half-open event time in milliseconds.
    pub needs: Vec<(Measure, i64, i64)>,
}

/// A change to what stands of one reading, as intake decided it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    pub measure: Measure,
    pub time: EventTime,
    /// The value that stands now; `None` when nothing stands any more.
    pub value: Option<&'a Value>,
    /// No version of this identity stood before.
    pub new: bool,
}

/// All patients of one tenant.
#[derive(Debug)]
pub struct Clinic {
    tenant: TenantId,
    roster: Arc<Roster>,
    rules: Arc<Vec<Compiled>>,
    patients: BTreeMap<PatientId, PatientState>,
    /// Every owed piece of work, in (due, patient, work) order: the order in which deadlines fire (semantics 18).
    owed: BTreeSet<(JournalTime, PatientId, Work)>,
    changed: BTreeSet<PatientId>,
}

impl Clinic {
    pub fn new(tenant: TenantId, rules: Vec<Rule>) -> Self {
        let rules = Arc::new(rules.into_iter().map(Compiled::new).collect());
        let roster = Arc::new(Roster { tenant: tenant.clone(), ..Roster::default() });
        Self { tenant, roster, rules, patients: BTreeMap::new(), owed: BTreeSet::new(), changed: BTreeSet::new() }
    }

    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|compiled| &compiled.rule)
    }

    /// Puts a new roster in force. Patients who are new to it begin to be watched today.
    pub fn set_roster(&mut self, roster: Arc<Roster>, now: JournalTime) {
        self.roster = roster;
        let known: Vec<PatientId> = self.roster.patients.keys().cloned().collect();
        for patient in known {
            self.watch(&patient, EventTime(now.0), now);
        }
    }

    /// Puts a rule in force, replacing the one with its id; what was reported under it is told again.
    pub fn set_rule(&mut self, rule: Rule, now: JournalTime) {
        let compiled = Compiled::new(rule);
        let rules = Arc::make_mut(&mut self.rules);
        match rules.iter_mut().find(|known| known.id() == compiled.id()) {
            Some(known) => *known = compiled,
            None => rules.push(compiled),
        }
        for patient in self.patients.keys().cloned().collect::<Vec<_>>() {
            self.owe(&patient, now, Work::Republish);
        }
    }

    /// Takes a change to one patient's readings. The hot path: an in-order sample of a measure under no rule costs a look.
    pub fn observe(&mut self, patient: &PatientId, change: &Change, now: JournalTime) {
        let Some(person) = self.roster.patients.get(patient).cloned() else { return };
        self.watch(patient, change.time, now);
        let day = self.local_day(patient, person.zone_at(change.time), change.time);
        self.judge_samples(patient, &person, change, day, now);
        self.mark_day(patient, &person, change.measure, day, now);
    }

    /// Begins to close the patient's days, from the day of the first reading on but not beyond the horizon.
    fn watch(&mut self, patient: &PatientId, seen: EventTime, now: JournalTime) {
        let Some(person) = self.roster.patients.get(patient) else { return };
        let zone = person.zone_at(seen);
        let earliest = zone.local_day(EventTime(now.0)).plus(-HORIZON_DAYS);
        let first = zone.local_day(seen).max(earliest);
        let state = self.patients.entry(patient.clone()).or_default();
        if state.next_close.is_none_or(|next| first.0 < next && !state.closed_any) {
            let old = state.next_close.replace(first.0);
            let due = |day: i32| JournalTime(zone.day_start(LocalDay(day + 1)).0 + CLOSES_AFTER_MS);
            let (new_due, old_due) = (due(first.0), old.map(due));
            if let Some(old) = old_due {
                self.unowe(patient, old, &Work::Close);
            }
            self.owe(patient, new_due, Work::Close);
        }
    }

    fn local_day(&mut self, patient: &PatientId, zone: &Zone, time: EventTime) -> i32 {
        let state = self.patients.entry(patient.clone()).or_default();
        if let Some((day, start, end)) = state.today.filter(|(_, start, end)| (*start..*end).contains(&time.0)) {
            debug_assert_eq!((zone.day_start(LocalDay(day)).0, zone.day_start(LocalDay(day + 1)).0), (start, end));
            return day;
        }
        let day = zone.local_day(time);
        state.today = Some((day.0, zone.day_start(day).0, zone.day_start(day.plus(1)).0));
        day.0
    }

    fn judge_samples(&mut self, patient: &PatientId, person: &Patient, change: &Change, day: i32, now: JournalTime) {
        let rules = Arc::clone(&self.rules);
        let holds = rules.iter().filter_map(|compiled| match &compiled.kind {
            Kind::Hold(measure, rule) if *measure == change.measure && compiled.applies_to(person) => Some((compiled, rule)),
            _ => None,
        });
        let holds: Vec<_> = holds.collect();
        if holds.is_empty() || self.beyond_horizon(person, day, now) {
            return;
        }
        let Some(state) = self.patients.get_mut(patient) else { return };
        let signal = state.holds.entry(change.measure.name().to_owned()).or_default();
        let in_order = change.new && signal.newest.is_none_or(|newest| change.time.0 > newest);
        let mut due = None;
        let mut look = |at: i64| due = Some(due.map_or(at, |due: i64| due.min(at)));
        if in_order {
            signal.newest = Some(change.time.0);
        } else {
            look(now.0 + GATHER_MS);
        }
        let mut changes = Vec::new();
        for (compiled, rule) in holds {
            let Some(number) = change.value.and_then(|value| compiled.number(change.measure, value)) else {
                look(now.0);
                continue;
            };
            if !in_order {
                if rule.concerns(number) || !change.new {
                    look(now.0);
                }
                continue;
            }
            let live = signal.live.entry(compiled.id().to_owned()).or_insert_with(|| Live::new(rule));
            match live.handle(change.time.0, number, &mut changes) {
                Look::No => {}
                Look::Now => look(now.0),
                Look::At(time) => look(time.max(now.0)),
            }
        }
        signal.stale.insert(day);
        if let Some(due) = due {
            self.owe(patient, JournalTime(due), Work::Fold(change.measure.name().to_owned()));
        }
    }

    /// Marks what must be computed again because of a reading on `day`.
    fn mark_day(&mut self, patient: &PatientId, person: &Patient, measure: Measure, day: i32, now: JournalTime) {
        let zone = person.zone_at(EventTime(now.0));
        let ended = zone.day_start(LocalDay(day + 1)).0 + CLOSES_AFTER_MS <= now.0;
        for group in [Group::of(measure), ended.then_some(Group::Coverage)].into_iter().flatten() {
            let due = match (group.judged_on_arrival(), ended) {
                (true, _) => now.0,
                (false, true) => now.0 + GATHER_MS,
                (false, false) => continue,
            };
            let last = if group == Group::Medication { day + 1 } else { day };
            for day in day..=last {
                self.owe(patient, JournalTime(due), Work::Evaluate(group, day));
            }
        }
    }

    fn beyond_horizon(&self, person: &Patient, day: i32, now: JournalTime) -> bool {
        day < self.horizon(person, now)
    }

    /// First local day whose alerts may still change.
    fn horizon(&self, person: &Patient, now: JournalTime) -> i32 {
        let now = EventTime(now.0);
        person.zone_at(now).local_day(now).0 - HORIZON_DAYS
    }

    /// Owes `work` at `due` or, if it is owed already, at the earlier of the two.
    fn owe(&mut self, patient: &PatientId, due: JournalTime, work: Work) {
        let state = self.patients.entry(patient.clone()).or_default();
        self.changed.insert(patient.clone());
        let known = state.owed.get(&work).copied();
        if known.is_some_and(|known| known <= due.0) {
            return;
        }
        if let Some(known) = known {
            self.owed.remove(&(JournalTime(known), patient.clone(), work.clone()));
        }
        state.owed.insert(work.clone(), due.0);
        self.owed.insert((due, patient.clone(), work));
    }

    fn unowe(&mut self, patient: &PatientId, due: JournalTime, work: &Work) {
        self.owed.remove(&(due, patient.clone(), work.clone()));
        if let Some(state) = self.patients.get_mut(patient) {
            state.owed.remove(work);
        }
    }

    /// When the earliest owed work is due.
    pub fn next_deadline(&self) -> Option<JournalTime> {
        self.owed.first().map(|(due, ..)| *due)
    }

    /// Takes the earliest work due at or before `now`.
    pub fn next_task(&mut self, now: JournalTime) -> Option<Task> {
        while let Some((due, patient, work)) = self.owed.first().cloned().filter(|(due, ..)| *due <= now) {
            self.unowe(&patient, due, &work);
            if let Some(person) = self.roster.patients.get(&patient).cloned() {
                let needs = self.needs(&person, &work);
                return Some(Task { due, patient, work, needs });
            }
        }
        None
    }

    fn needs(&self, person: &Patient, work: &Work) -> Vec<(Measure, i64, i64)> {
        let bounds = |day: i32| {
            let zone = person.zone_at(EventTime(i64::from(day) * DAY_MS));
            (zone.day_start(LocalDay(day)).0, zone.day_start(LocalDay(day + 1)).0)
        };
        match work {
            Work::Close | Work::Republish => Vec::new(),
            Work::Fold(measure) => {
                let stale = self.patients.get(&person.id).and_then(|state| state.holds.get(measure)?.stale.first().copied());
                let measure = Measure::parse(measure);
                measure.zip(stale).map(|(measure, day)| (measure, bounds(day).0, bounds(day).1)).into_iter().collect()
            }
            Work::Evaluate(Group::Coverage, day) => {
                let (from, to) = bounds(*day);
                let device = Group::Coverage.measures().iter().map(|measure| (*measure, from - DAY_MS, to));
                let holds = self.rules.iter().filter(|compiled| compiled.applies_to(person));
                let mut widest: BTreeMap<Measure, i64> = BTreeMap::new();
                for compiled in holds {
                    if let Kind::Hold(measure, rule) = &compiled.kind {
                        let gap = widest.entry(*measure).or_default();
                        *gap = (*gap).max(rule.max_gap_ms);
                    }
                }
                device.chain(widest.into_iter().map(|(measure, gap)| (measure, from - gap, to))).collect()
            }
            Work::Evaluate(group, day) => {
                let (from, to) = bounds(*day);
                let beside = if *group == Group::Medication { DAY_MS } else { 0 };
                let night = |measure: Measure| if measure == Measure::TotalSleepTime { DAY_MS } else { 0 };
                let measures = group.measures().iter();
                measures.map(|measure| (*measure, from - beside - night(*measure), to + beside)).collect()
            }
        }
    }

    /// Does the work of `task` with the history it asked for, in (time, identity) order.
    pub fn perform(&mut self, task: Task, history: &[Observation]) -> Performed {
        let mut out = Performed::default();
        let Some(person) = self.roster.patients.get(&task.patient).cloned() else { return out };
        let now = task.due;
        match task.work {
            Work::Close => self.close(&person, now),
            Work::Republish => self.republish(&person, now, &mut out),
            Work::Fold(measure) => self.fold(&person, &measure, history, now, &mut out),
            Work::Evaluate(group, day) => self.evaluate(&person, group, day, history, now, &mut out),
        }
        self.changed.insert(task.patient);
        out
    }

    /// A day is over: everything about it is computed once, and the next close is owed.
    fn close(&mut self, person: &Patient, now: JournalTime) {
        let horizon = self.horizon(person, now);
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let Some(day) = state.next_close else { return };
        state.next_close = Some(day + 1);
        state.closed_any = true;
        state.days = state.days.split_off(&(horizon - KEPT_DAYS + HORIZON_DAYS));
        let measures: Vec<String> = state.holds.keys().cloned().collect();
        for signal in state.holds.values_mut() {
            signal.forget_before(horizon);
        }
        state.opioids = state.opioids.split_off(&(horizon - 8));
        for measure in measures {
            self.owe(&person.id, now, Work::Fold(measure));
        }
        for group in Group::ALL {
            self.owe(&person.id, now, Work::Evaluate(group, day));
        }
        let zone = person.zone_at(EventTime(now.0));
        let next = zone.day_start(LocalDay(day + 2)).0 + CLOSES_AFTER_MS;
        self.owe(&person.id, JournalTime(next), Work::Close);
    }

    /// Snapshots of the patients that changed since the last call: (patient, bytes).
    pub fn take_snapshots(&mut self) -> Vec<(PatientId, Vec<u8>)> {
        let changed = std::mem::take(&mut self.changed);
        let snapshot = |patient: PatientId| {
            let bytes = self.patients.get(&patient)?.encode();
            Some((patient, bytes))
        };
        changed.into_iter().filter_map(snapshot).collect()
    }

    /// Puts a patient back as `take_snapshots` gave it.
    ///
    /// # Errors
    /// [`SnapshotError`] when the bytes are of another version or damaged.
    pub fn restore(&mut self, patient: &PatientId, bytes: &[u8]) -> Result<(), SnapshotError> {
        let state = PatientState::decode(bytes)?;
        for (work, due) in &state.owed {
            self.owed.insert((JournalTime(*due), patient.clone(), work.clone()));
        }
        self.patients.insert(patient.clone(), state);
        Ok(())
    }

    /// Puts the roster back at restart, without consequences: the snapshots hold what followed from it.
    pub fn restore_roster(&mut self, roster: Arc<Roster>) {
        self.roster = roster;
    }
}
