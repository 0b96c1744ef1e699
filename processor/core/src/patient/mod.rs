//! What the readings mean for each patient: rules, daily values, episodes, coverage (semantics 10–18).
//!
//! The clinic is told of readings as they are judged, and owes work at points in journal time: fold an hour again, compute
//! a day's values, close a day. Whoever drives it asks for the next due [`Task`], fetches the history it names from the
//! day blocks, and has it performed. Truth comes only from that history, never from the order of arrival.

mod absence;
mod anew;
mod by_metric;
pub mod calendar;
pub mod circumstances;
mod combine;
pub mod compiled;
pub mod coverage;
pub mod daily;
pub mod day;
pub mod derived;
pub mod episodes;
mod expected;
pub mod explain;
mod frozen;
pub mod hold;
mod needs;
mod observe;
mod own;
mod pack;
mod past;
mod paths;
mod perform;
mod prune;
mod roster_change;
mod runs;
pub mod signal;
mod silence;
mod state;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use painwatch_domain::roster::{Pairing, Patient};
use painwatch_domain::time::{HOUR_MS, MINUTE_MS};
use painwatch_domain::{JournalTime, Measure, PatientId, Roster, TenantId};

use crate::rules::Rule;
use calendar::Calendar;
use compiled::{Compiled, Ruled};
use day::{Group, Observation};
pub use observe::Sight;
pub use own::{OwnNumbers, SetBy};
use past::Past;
use paths::Paths;
pub use paths::{GRACE_MS, GatewayState};
pub use perform::{CoverageOut, MetricOut, Performed};
pub use roster_change::Stored;
pub use state::{Part, SnapshotError};
use state::{PatientState, Shelf, Work};

/// A day is provisional this long after its end, final later (clinical catalogue section 0). Each patient adds a moment
/// of their own, below [`CLOSES_WITHIN_MS`]: a clinic in one zone would close all its days in one instant, and every
/// alert of that instant would wait for them.
pub const CLOSES_AFTER_MS: i64 = 6 * HOUR_MS;
pub const CLOSES_WITHIN_MS: i64 = 30 * MINUTE_MS;
pub const FINAL_AFTER_MS: i64 = 48 * HOUR_MS;
/// Late readings of one day are folded together after this long (semantics 13).
const GATHER_MS: i64 = MINUTE_MS;
/// Event age beyond which alerts no longer change (semantics 13).
pub const HORIZON_DAYS: i32 = 35;
/// Days before a day that metrics of every patient look back on: the reference of a control chart and its run. A week
/// against the four before it is shorter.
const BASELINE_DAYS: i32 = daily::trends::LOOKBACK_DAYS;
/// Patients whose past stays unpacked, some 200 KiB each.
const OPEN_MAX: usize = 32;

/// How long after its end a day of this patient is closed.
fn closes_after_ms(patient: &PatientId) -> i64 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = patient.as_str().bytes().fold(0x811c_9dc5, mix);
    CLOSES_AFTER_MS + i64::from(hash) % CLOSES_WITHIN_MS
}

/// Work that is due, and the history it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub due: JournalTime,
    pub patient: PatientId,
    work: Work,
    /// Which effective readings to fetch: (measure, from, to), half-open event time in milliseconds.
    pub needs: Vec<(Measure, i64, i64)>,
}

/// One part of one patient's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub patient: PatientId,
    pub part: Part,
    pub bytes: Vec<u8>,
}

/// All patients of one tenant.
#[derive(Debug)]
pub struct Clinic {
    tenant: TenantId,
    roster: Arc<Roster>,
    rules: Arc<Vec<Ruled>>,
    own_numbers: Vec<OwnNumbers>,
    /// The rules of patients with numbers of their own.
    own_rules: BTreeMap<PatientId, Arc<Vec<Ruled>>>,
    /// How far verdicts look back, over all rules and metrics.
    lookback_days: i32,
    patients: BTreeMap<PatientId, PatientState>,
    /// Every owed piece of work, in (due, patient, work) order: the order in which deadlines fire (semantics 18).
    owed: BTreeSet<(JournalTime, PatientId, Work)>,
    /// Whose snapshot differs from what was last taken, by part.
    changed: BTreeSet<PatientId>,
    changed_past: BTreeSet<PatientId>,
    /// Whose past is unpacked, the one used last at the end.
    open: VecDeque<PatientId>,
    changed_watch: BTreeSet<PatientId>,
    /// What stands between us and the devices, and whether it differs from what was last taken.
    paths: Paths,
    changed_paths: bool,
    /// Who has something held back until a gateway says otherwise.
    held: BTreeSet<PatientId>,
    /// Who is paired with what, by patient.
    worn: BTreeMap<PatientId, Vec<Pairing>>,
    index: RuleIndex,
}

/// What the rules in force look at.
#[derive(Clone, Debug, Default)]
struct RuleIndex {
    /// Measures under absence rules, and the shortest silence that one of them tells.
    pauses: BTreeMap<Measure, i64>,
    /// Rules that a combination looks at.
    children: BTreeSet<String>,
}

impl Clinic {
    pub fn new(tenant: TenantId, rules: Vec<Rule>) -> Self {
        let roster = Arc::new(Roster { tenant: tenant.clone(), ..Roster::default() });
        let mut clinic = Self {
            tenant,
            roster,
            rules: Arc::default(),
            own_numbers: Vec::new(),
            own_rules: BTreeMap::new(),
            lookback_days: 0,
            patients: BTreeMap::new(),
            owed: BTreeSet::new(),
            changed: BTreeSet::new(),
            changed_past: BTreeSet::new(),
            open: VecDeque::new(),
            changed_watch: BTreeSet::new(),
            paths: Paths::default(),
            changed_paths: false,
            held: BTreeSet::new(),
            worn: BTreeMap::new(),
            index: RuleIndex::default(),
        };
        for rule in rules {
            clinic.put_rule(rule, i64::MIN);
        }
        clinic.index_rules();
        clinic
    }

    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// The rules in force now.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|ruled| ruled.is_told()).map(|ruled| &ruled.newest().rule)
    }

    /// Puts a rule in force from `now` on, after the one with its id; what is open is told again.
    pub fn set_rule(&mut self, rule: Rule, now: JournalTime) {
        let id = rule.id.clone();
        if self.put_rule(rule, now.0) {
            self.begin_anew(id.as_str(), now);
        }
        self.rule_patients();
        for patient in self.patients.keys().cloned().collect::<Vec<_>>() {
            self.owe(&patient, now, Work::Republish);
        }
        let roster = Arc::clone(&self.roster);
        roster.patients.values().for_each(|person| self.expect(person, now));
    }

    /// Puts a rule back at restart, without consequences: the snapshots hold what followed from it.
    pub fn restore_rule(&mut self, rule: Rule, from: JournalTime) {
        self.put_rule(rule, from.0);
        self.rule_patients();
    }

    /// Whether a rule began anew.
    fn put_rule(&mut self, rule: Rule, from: i64) -> bool {
        let rules = Arc::make_mut(&mut self.rules);
        for inline in Ruled::inline(&rule) {
            if rules.iter().all(|known| known.id() != inline.id()) {
                rules.push(inline);
            }
        }
        match rules.iter_mut().find(|known| known.id() == rule.id.as_str()) {
            Some(known) => known.put(rule, from),
            None => {
                rules.push(Ruled::new(rule, from));
                false
            }
        }
    }

    fn index_rules(&mut self) {
        let rules = self.own_rules.values().chain([&self.rules]).flat_map(|rules| rules.iter());
        let of_rules = rules.flat_map(Ruled::all).map(Compiled::lookback_days).max().unwrap_or(0);
        self.lookback_days = of_rules.max(BASELINE_DAYS) + 1;
        self.index = RuleIndex::default();
        let rules = self.own_rules.values().chain([&self.rules]).flat_map(|rules| rules.iter());
        for rule in rules {
            let parts = rule.all().flat_map(|compiled| &compiled.rule.parts).map(|part| part.id().to_string());
            self.index.children.extend(parts);
            for (measure, (_, limit)) in
                rule.measure_missed().into_iter().zip(rule.limits().into_iter().min_by_key(|(_, limit)| *limit))
            {
                let least = self.index.pauses.entry(measure).or_insert(limit);
                *least = limit.min(*least);
            }
        }
    }

    /// Whether a combination looks at it.
    fn is_child(&self, rule: &Ruled) -> bool {
        self.index.children.contains(rule.id())
    }

    /// First local day whose alerts may still change.
    fn horizon(&self, calendar: Calendar, now: JournalTime) -> i32 {
        calendar.day_of(now.0) - HORIZON_DAYS
    }

    fn watched_from(&self, person: &Patient) -> Option<i32> {
        self.patients.get(&person.id)?.watched_from(Calendar::of(person))
    }

    /// Owes `work` at `due` or, if it is owed already, at the earlier of the two.
    fn owe(&mut self, patient: &PatientId, due: JournalTime, work: Work) {
        self.note_changed(patient);
        let state = self.patients.entry(patient.clone()).or_default();
        let known = state.agenda.owed.get(&work).copied();
        if known.is_some_and(|known| known <= due.0) {
            return;
        }
        if let Some(known) = known {
            self.owed.remove(&(JournalTime(known), patient.clone(), work.clone()));
        }
        state.agenda.owed.insert(work.clone(), due.0);
        self.owed.insert((due, patient.clone(), work));
    }

    fn note_changed(&mut self, patient: &PatientId) {
        let known = self.patients.get_mut(patient).map(|state| &mut state.is_noted);
        if known.is_none_or(|noted| !std::mem::replace(noted, true)) {
            self.changed.insert(patient.clone());
        }
    }

    /// When the earliest owed work is due.
    pub fn next_deadline(&self) -> Option<JournalTime> {
        self.owed.first().map(|(due, ..)| *due)
    }

    /// Takes the earliest work due at or before `now`.
    pub fn next_task(&mut self, now: JournalTime) -> Option<Task> {
        while self.next_deadline()? <= now {
            let (due, patient, work) = self.owed.pop_first()?;
            self.note_changed(&patient);
            if let Some(state) = self.patients.get_mut(&patient) {
                state.agenda.owed.remove(&work);
            }
            if let Some(person) = self.roster.patients.get(&patient) {
                let needs = self.needs(person, &work, due);
                return Some(Task { due, patient, work, needs });
            }
        }
        None
    }

    /// Does the work of `task` with the history it asked for, in (time, identity) order.
    ///
    /// # Errors
    /// [`SnapshotError`] when what is kept of the patient cannot be unpacked; nothing was done then.
    pub fn perform(&mut self, task: Task, history: &[Observation]) -> Result<Performed, SnapshotError> {
        let mut out = Performed::default();
        let roster = Arc::clone(&self.roster);
        let Some(person) = roster.patients.get(&task.patient) else { return Ok(out) };
        let now = task.due;
        if matches!(task.work, Work::Recount(..) | Work::Absent(_) | Work::Streams | Work::Resume) {
            self.changed_watch.insert(task.patient.clone());
        }
        match &task.work {
            Work::Notice(..) => self.notice(person, history, now),
            Work::Look(measure) => self.look(person, measure, now),
            Work::Recount(measure, day) => self.recount(person, measure, *day, history, now),
            work => {
                let mut past = self.open(&person.id)?;
                self.work_on(person, &mut past, work, history, now, &mut out);
                self.shelve(&person.id, past);
            }
        }
        self.note_changed(&task.patient);
        Ok(out)
    }

    fn work_on(
        &mut self,
        person: &Patient,
        past: &mut Past,
        work: &Work,
        history: &[Observation],
        now: JournalTime,
        out: &mut Performed,
    ) {
        self.end_earlier(person, past, now, out);
        match work {
            Work::Fold(measure) => self.fold(person, past, measure, history, now, out),
            Work::Evaluate(group, day) => self.evaluate(person, past, (*group, *day), history, now, out),
            Work::Finish(day) => self.finish(person, past, *day, now, out),
            Work::Close => self.close(person, past, now),
            Work::Republish => self.republish(person, past, now, out),
            Work::Absent(measure) => self.absent(person, past, measure, history, now, out),
            Work::Streams => self.streams(person, past, history, now, out),
            Work::Resume => self.resume(person, past, now, out),
            Work::Combine => self.combine(person, past, history, now, out),
            Work::Notice(..) | Work::Look(_) | Work::Recount(..) => {}
        }
    }

    /// Takes a patient's past to work on it. Give it back by [`Self::shelve`].
    fn open(&mut self, patient: &PatientId) -> Result<Box<Past>, SnapshotError> {
        let past = self.patients.entry(patient.clone()).or_default().past.take()?;
        self.changed_past.insert(patient.clone());
        Ok(past)
    }

    /// Work on one patient comes in runs: the past stays at hand until others were worked on.
    fn shelve(&mut self, patient: &PatientId, past: Box<Past>) {
        if let Some(state) = self.patients.get_mut(patient) {
            state.past = Shelf::Open(past);
        }
        if self.open.back() != Some(patient) {
            self.open.retain(|other| other != patient);
            self.open.push_back(patient.clone());
        }
        while self.open.len() > OPEN_MAX {
            let oldest = self.open.pop_front();
            if let Some(state) = oldest.and_then(|oldest| self.patients.get_mut(&oldest)) {
                state.past.close();
            }
        }
    }

    /// A day is over: everything about it is computed once, and the next close is owed.
    fn close(&mut self, person: &Patient, past: &mut Past, now: JournalTime) {
        let calendar = Calendar::of(person);
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let Some(newest) = state.agenda.next_close else { return };
        let day = state.agenda.to_close.first().copied().unwrap_or(newest);
        if calendar.start(day + 1) + closes_after_ms(&person.id) <= now.0 {
            if !state.agenda.to_close.remove(&day) {
                state.agenda.next_close = Some(newest + 1);
            }
            self.prune(person, past, now);
            self.fold_stale(person, now);
            for group in Group::ALL.into_iter().filter(|group| group.concerns(day)) {
                self.owe(&person.id, now, Work::Evaluate(group, day));
            }
            // The doses of the day that has begun are missed without any reading.
            self.owe(&person.id, now, Work::Evaluate(Group::Medication, day + 1));
        }
        self.owe_close(person, now);
    }

    /// Owes the close of the earliest day that is not closed.
    fn owe_close(&mut self, person: &Patient, now: JournalTime) {
        let Some(state) = self.patients.get(&person.id) else { return };
        let Some(day) = state.agenda.to_close.first().copied().or(state.agenda.next_close) else { return };
        let over = Calendar::of(person).start(day + 1) + closes_after_ms(&person.id);
        self.owe(&person.id, JournalTime(over.max(now.0)), Work::Close);
    }

    fn fold_stale(&mut self, person: &Patient, now: JournalTime) {
        let Some(state) = self.patients.get(&person.id) else { return };
        let stale =
            state.holds.iter().filter(|(_, signal)| !signal.stale.is_empty()).map(|(measure, _)| measure.clone());
        for measure in stale.collect::<Vec<_>>() {
            self.owe(&person.id, now, Work::Fold(measure));
        }
    }

    /// Snapshots of what changed since the last call.
    pub fn take_snapshots(&mut self) -> Vec<Snapshot> {
        let now = std::mem::take(&mut self.changed).into_iter().map(|patient| (patient, Part::Now));
        let past = std::mem::take(&mut self.changed_past).into_iter().map(|patient| (patient, Part::Past));
        let watch = std::mem::take(&mut self.changed_watch).into_iter().map(|patient| (patient, Part::Watch));
        let snapshot = |(patient, part): (PatientId, Part)| {
            let state = self.patients.get_mut(&patient)?;
            state.is_noted &= part != Part::Now;
            let bytes = state.encode(part);
            Some(Snapshot { patient, part, bytes })
        };
        now.chain(past).chain(watch).filter_map(snapshot).collect()
    }

    /// What stands between us and the devices, if it changed since the last call.
    pub fn take_paths(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.changed_paths).then(|| self.paths.encode())
    }

    /// Puts back what `take_paths` gave.
    ///
    /// # Errors
    /// [`SnapshotError`] when the bytes are of another version or damaged.
    pub fn restore_paths(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.paths = Paths::decode(bytes)?;
        Ok(())
    }

    /// What a patient's state takes, packed, by part: `now` and the parts of the past.
    ///
    /// # Errors
    /// [`SnapshotError`] when it cannot be unpacked.
    pub fn sizes(&self, patient: &PatientId) -> Result<Vec<(&'static str, usize)>, SnapshotError> {
        let Some(state) = self.patients.get(patient) else { return Ok(Vec::new()) };
        let past = pack::sizes(&*state.past.clone().take()?);
        Ok(std::iter::once(("now", state.encode(Part::Now).len())).chain(past).collect())
    }

    /// Puts one part of a patient back as `take_snapshots` gave it.
    ///
    /// # Errors
    /// [`SnapshotError`] when the bytes are of another version or damaged.
    pub fn restore(&mut self, patient: &PatientId, part: Part, bytes: Vec<u8>) -> Result<(), SnapshotError> {
        let state = self.patients.entry(patient.clone()).or_default();
        state.restore(part, bytes)?;
        if part == Part::Now {
            let owed = state.agenda.owed.iter().map(|(work, due)| (JournalTime(*due), patient.clone(), work.clone()));
            self.owed.extend(owed);
        }
        if part == Part::Watch && state.watch.held {
            self.held.insert(patient.clone());
        }
        Ok(())
    }

    /// Puts the roster back at restart, without consequences: the snapshots hold what followed from it.
    pub fn restore_roster(&mut self, roster: Arc<Roster>) {
        self.worn = worn_by(&roster);
        self.roster = roster;
    }
}

/// Pairings by patient: a clinic has thousands, a patient a handful.
fn worn_by(roster: &Roster) -> BTreeMap<PatientId, Vec<Pairing>> {
    let mut worn: BTreeMap<PatientId, Vec<Pairing>> = BTreeMap::new();
    for pairing in &roster.pairings {
        worn.entry(pairing.patient.clone()).or_default().push(pairing.clone());
    }
    worn
}
