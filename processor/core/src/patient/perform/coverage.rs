//! The coverage ledger (semantics 15): what each rule could see on a day that is over, and why not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use painwatch_domain::roster::Patient;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{DeviceId, Flags, JournalTime, Measure};

use super::super::calendar::Calendar;
use super::super::combine::{self, Seen};
use super::super::compiled::{Compiled, Kind, Ruled};
use super::super::coverage::{self, Causes, Interval};
use super::super::daily::{self, Book};
use super::super::day::{DailyValue, Frame, Group, Observation};
use super::super::derived::Facts;
use super::super::hold::HoldRule;
use super::super::past::Past;
use super::super::{Clinic, closes_after_ms};
use super::absent::unlinked;
use super::combine::{Episodes, combined};
use super::daily::group_of;
use super::{CoverageOut, Performed, states_of};
use crate::rules::Condition;

/// What each rule could see, by rule: intervals with an empty cause are covered.
type Told = BTreeMap<String, Vec<(i64, i64, &'static str)>>;

impl Clinic {
    /// What each rule over measures or other rules could see on the day, from the readings themselves.
    pub(super) fn hold_coverage(
        &self,
        person: &Patient,
        past: &Past,
        frame: &Frame,
        history: &[Observation],
        now: JournalTime,
        out: &mut Performed,
    ) {
        if !frame.closed {
            return;
        }
        let (window, mut told) = ((frame.start, frame.end), Told::new());
        for rule in self.rules_of(&person.id).iter().filter(|rule| rule.applies_to(person)) {
            let Some(version) = rule.at(frame.end - 1) else { continue };
            let intervals = match &version.kind {
                Kind::Hold(..) => self.seen_by_hold(person, (rule, version), window, history, out),
                Kind::Absent(measure, _) => self.seen_by_absence(person, rule, *measure, frame, history, out),
                Kind::Daily(_) | Kind::Combined => continue,
            };
            told.insert(rule.id().to_owned(), intervals);
        }
        self.seen_by_combinations(person, past, (frame, history, now), &mut told, out);
        for rule in self.rules_of(&person.id).iter().filter(|rule| rule.is_told() && rule.applies_to(person)) {
            let Some((version, intervals)) = rule.at(frame.end - 1).zip(told.remove(rule.id())) else { continue };
            if !matches!(version.kind, Kind::Daily(_)) {
                out.coverage.push(self::told(person, version, self.replaced(person, frame), intervals));
            }
        }
    }

    pub(in super::super) fn seen_by_hold(
        &self,
        person: &Patient,
        (rule, version): (&Ruled, &Compiled),
        window: Interval,
        history: &[Observation],
        out: &mut Performed,
    ) -> Vec<(i64, i64, &'static str)> {
        let Kind::Hold(measure, HoldRule { max_gap_ms, .. }) = version.kind else { return Vec::new() };
        // As the fold has it, a sample from before the rule was in force is judged by nothing.
        let judged = history.iter().filter(|seen| seen.time >= rule.begins());
        let of_measure = judged.filter(|seen| seen.reading.measure == measure);
        let seen = of_measure.filter(|seen| version.number(measure, &seen.reading.value).is_some());
        let (unusable, usable): (Vec<_>, Vec<_>) = seen.partition(|seen| seen.reading.flags.has(Flags::UNUSABLE));
        let times: Vec<i64> = usable.iter().map(|seen| seen.time).collect();
        let covered = coverage::covered(&times, max_gap_ms, window);
        let blind = coverage::blind(&times, max_gap_ms, window);
        out.coverage_defects += u32::from(!coverage::adds_up(&covered, &blind, window));
        let mut causes = self.causes(person, measure, window, history);
        let doubtful: Vec<i64> = unusable.iter().map(|seen| seen.time).collect();
        causes.add("quality", coverage::covered(&doubtful, max_gap_ms, window));
        together(covered, blind.into_iter().flat_map(|gap| causes.within(gap)))
    }

    /// An absence rule sees while what it waits for could arrive.
    fn seen_by_absence(
        &self,
        person: &Patient,
        rule: &Ruled,
        measure: Measure,
        frame: &Frame,
        history: &[Observation],
        out: &mut Performed,
    ) -> Vec<(i64, i64, &'static str)> {
        let window = (frame.start, frame.end);
        let since = self.patients.get(&person.id).and_then(|state| state.watch.since.get(rule.id()).copied());
        let mut causes = self.path_causes(person, measure, window, history);
        let unwatched = (i64::MIN, since.unwrap_or(i64::MAX));
        let down: Vec<Interval> = causes.intervals().chain([unwatched]).collect();
        let covered = coverage::outside(&down, window);
        let blind = super::super::coverage::both(&coverage::merged(down), &[window]);
        out.coverage_defects += u32::from(!coverage::adds_up(&covered, &blind, window));
        causes.add("unknown", vec![unwatched]);
        together(covered, blind.into_iter().flat_map(|gap| causes.within(gap)))
    }

    /// What kept a measure from us: the devices that brought some of it within the day, or else those that should.
    pub(in super::super) fn causes(
        &self,
        person: &Patient,
        measure: Measure,
        window: Interval,
        history: &[Observation],
    ) -> Causes {
        let mut causes = self.path_causes(person, measure, window, history);
        let near = history.partition_point(|seen| seen.time < window.0 - DAY_MS);
        for device in self.bringers(person, measure, window, history) {
            for states in states_of(&self.paths, &history[near..], &device) {
                causes.add_device(&states, window.1);
            }
        }
        causes
    }

    /// Our own pauses, and when no gateway or link could bring anything of a measure.
    pub(in super::super) fn path_causes(
        &self,
        person: &Patient,
        measure: Measure,
        window: Interval,
        history: &[Observation],
    ) -> Causes {
        let mut causes = Causes::default();
        causes.add("self", self.paths.own().to_vec());
        let devices: Vec<DeviceId> = self.bringers(person, measure, window, history).into_iter().collect();
        let all = |of: &dyn Fn(&DeviceId) -> Vec<Interval>| {
            let each = devices.iter().map(of);
            each.reduce(|one, other| super::super::coverage::both(&one, &other)).unwrap_or_default()
        };
        causes.add("gateway", all(&|device| self.paths.gateway_down(self.carried(device), 0)));
        let near = history.partition_point(|seen| seen.time < window.0 - DAY_MS);
        causes.add("link", all(&|device| unlinked(&history[near..], device.as_str(), window.1)));
        causes
    }

    fn bringers(
        &self,
        person: &Patient,
        measure: Measure,
        (from, to): Interval,
        history: &[Observation],
    ) -> BTreeSet<DeviceId> {
        let brought = history.iter().filter(|seen| seen.reading.measure == measure);
        let brought: BTreeSet<DeviceId> = brought.map(|seen| seen.reading.device.clone()).collect();
        if !brought.is_empty() {
            return brought;
        }
        let worn = self.worn.get(&person.id).into_iter().flatten();
        let worn = worn.filter(|pairing| pairing.from.0 < to && pairing.until.is_none_or(|until| from < until.0));
        let devices: BTreeSet<DeviceId> = worn.map(|pairing| pairing.device.clone()).collect();
        let prescribes = |device: &&DeviceId| {
            let known = self.roster.devices.get(*device);
            known.is_some_and(|known| known.streams.iter().any(|stream| stream.measure == measure))
        };
        let named: BTreeSet<DeviceId> = devices.iter().filter(prescribes).cloned().collect();
        if named.is_empty() { devices } else { named }
    }

    /// Puts what combinations could see beside what the rules they look at could.
    fn seen_by_combinations(
        &self,
        person: &Patient,
        past: &Past,
        (frame, history, now): (&Frame, &[Observation], JournalTime),
        told: &mut Told,
        out: &mut Performed,
    ) {
        let combinations: Vec<&Ruled> =
            self.rules_of(&person.id).iter().filter(|rule| rule.is_combined() && rule.applies_to(person)).collect();
        if combinations.is_empty() {
            return;
        }
        self.seen_by_days(person, past, frame, now, told);
        let open_from = Calendar::of(person).day_of(now.0 - closes_after_ms(&person.id));
        let mut episodes = self.child_episodes(person, past, history, (now, open_from));
        for rule in &combinations {
            combined(self.rules_of(&person.id), person, rule.id(), &mut episodes, &mut BTreeSet::new(), now.0);
        }
        for rule in combinations {
            self.seen_together(person, rule.id(), frame, (&episodes, told), &mut BTreeSet::new(), out);
        }
    }

    fn seen_together(
        &self,
        person: &Patient,
        id: &str,
        frame: &Frame,
        (episodes, told): (&Episodes, &mut Told),
        visiting: &mut BTreeSet<String>,
        out: &mut Performed,
    ) {
        let rule = self.rules_of(&person.id).iter().find(|rule| rule.id() == id);
        let Some((rule, version)) = rule.and_then(|rule| Some((rule, rule.at(frame.end - 1)?))) else { return };
        let Condition::Combined { n, within_ms } = version.rule.condition else { return };
        if told.contains_key(id) || !visiting.insert(id.to_owned()) {
            return;
        }
        let window = (frame.start, frame.end);
        let mut children = Vec::new();
        for part in version.rule.parts.iter().map(|part| part.id().as_str()) {
            self.seen_together(person, part, frame, (episodes, told), visiting, out);
            // A rule that does not look at this patient sees nothing.
            let unseen = vec![(window.0, window.1, "unknown")];
            let intervals = told.get(part).unwrap_or(&unseen);
            children.push(Seen::new(intervals, episodes.get(part).map_or(&[][..], Vec::as_slice), within_ms));
        }
        // Before it was in force it saw nothing, whatever its parts did.
        let since = rule.begins().max(window.0);
        let covered = coverage::both(&combine::covered(&children, n, window), &[(since, window.1)]);
        let mut blind = combine::blind(&children, n, (since, window.1));
        blind.extend((window.0 < since).then_some((window.0, since, "unknown")));
        let gaps: Vec<Interval> = blind.iter().map(|(from, to, _)| (*from, *to)).collect();
        out.coverage_defects += u32::from(!coverage::adds_up(&covered, &gaps, window));
        told.insert(id.to_owned(), together(covered, blind.into_iter()));
        visiting.remove(id);
    }

    /// What the daily rules could see on a day, for the combinations that look at them.
    fn seen_by_days(&self, person: &Patient, past: &Past, frame: &Frame, now: JournalTime, told: &mut Told) {
        let children = |rule: &&Ruled| self.is_child(rule) && rule.applies_to(person) && rule.metric().is_some();
        let children: Vec<&Ruled> = self.rules_of(&person.id).iter().filter(children).collect();
        let facts = Facts::of(&self.roster, person);
        if children.is_empty() {
            return;
        }
        let of_rules = |name: &str| children.iter().any(|rule| rule.metric() == Some(name));
        let derived = daily::derive(&past.kept(&facts), frame.day.0, of_rules);
        let book = self.book(person, &past.days, &derived, &facts, now);
        for rule in children {
            let Some((version, metric)) = rule.at(frame.end - 1).zip(rule.metric()) else { continue };
            let cause = cause_of(version, book.value(frame.day.0, metric));
            told.insert(rule.id().to_owned(), vec![(frame.start, frame.end, cause)]);
        }
    }

    fn book<'a>(
        &self,
        person: &'a Patient,
        days: &'a daily::Days,
        derived: &'a daily::DerivedDays,
        facts: &'a Facts,
        now: JournalTime,
    ) -> Book<'a> {
        let calendar = Calendar::of(person);
        let open_from = calendar.day_of(now.0 - closes_after_ms(&person.id));
        Book { calendar, days, derived, frozen: &facts.frozen, open_from, watched_from: open_from }
    }

    /// What of the ledger the day takes the place of: before the first watched day there is nothing, but what an earlier
    /// zone of the patient may have left.
    fn replaced(&self, person: &Patient, frame: &Frame) -> (i64, i64) {
        let first = self.watched_from(person) == Some(frame.day.0);
        (if first { frame.start - 2 * DAY_MS } else { frame.start }, frame.end)
    }

    /// A daily rule saw the day iff its metric has a value. Later days that are over are told again: what they derive from
    /// this one may have come or gone with it.
    pub(super) fn daily_coverage(
        &self,
        person: &Patient,
        past: &Past,
        group: Group,
        frame: &Frame,
        now: JournalTime,
        out: &mut Performed,
    ) {
        let facts = Facts::of(&self.roster, person);
        let all = Arc::clone(self.rules_of(&person.id));
        let judged_here = |metric: &str| group_of(metric) == Some(group);
        let told_here = |rule: &&Ruled| rule.is_told() && rule.applies_to(person);
        let rules = all.iter().filter(told_here).filter(|rule| rule.metric().is_some_and(judged_here));
        let rules: Vec<_> = rules.filter_map(|rule| Some((rule, rule.metric()?))).collect();
        let of_rules = |name: &str| rules.iter().any(|(_, metric)| *metric == name);
        let derived = daily::derive(&past.kept(&facts), frame.day.0, of_rules);
        let calendar = Calendar::of(person);
        let book = self.book(person, &past.days, &derived, &facts, now);
        let first_open = calendar.day_of(now.0 - closes_after_ms(&person.id));
        let first_later = self.watched_from(person).map_or(first_open, |watched| watched.max(frame.day.0 + 1));
        for day in std::iter::once(frame.day.0).chain(first_later..first_open) {
            let window = calendar.bounds(day);
            let replaced = if day == frame.day.0 { self.replaced(person, frame) } else { window };
            for (rule, metric) in &rules {
                let Some(version) = rule.at(window.1 - 1) else { continue };
                let intervals = vec![(window.0, window.1, cause_of(version, book.value(day, metric)))];
                out.coverage.push(told(person, version, replaced, intervals));
            }
        }
    }
}

/// Empty where the rule could see; one that looks for days without a value sees every day.
pub(in super::super) fn cause_of(version: &Compiled, value: Option<&DailyValue>) -> &'static str {
    match value {
        _ if matches!(version.rule.condition, Condition::Absent { .. }) => "",
        Some(value) if value.value.is_some() => "",
        Some(value) if value.reason == "not_worn" || value.reason == "zero_without_wear" => "not_worn",
        _ => "unknown",
    }
}

fn told(
    person: &Patient,
    version: &Compiled,
    window: (i64, i64),
    intervals: Vec<(i64, i64, &'static str)>,
) -> CoverageOut {
    CoverageOut { patient: person.id.clone(), rule: version.face.id.clone(), window, intervals }
}

fn together(
    covered: Vec<Interval>,
    blind: impl Iterator<Item = (i64, i64, &'static str)>,
) -> Vec<(i64, i64, &'static str)> {
    let mut all: Vec<_> = covered.into_iter().map(|(from, to)| (from, to, "")).chain(blind).collect();
    all.sort_unstable();
    all
}
