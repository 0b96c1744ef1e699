//! Prescribed streams that fall silent (semantics 16, clinical catalogue G4): one finding a patient, whatever the number
//! of streams, because a phone that is off silences all of them.

use std::collections::BTreeMap;

use painwatch_domain::finding::alert_id;
use painwatch_domain::roster::{Hours, Patient, Stream};
use painwatch_domain::{
    AlertKind, DeviceId, Episode, EventTime, Finding, FindingKind, JournalTime, Measure, Priority, RuleDomain, RuleId,
};

use super::super::Clinic;
use super::super::calendar::Calendar;
use super::super::coverage::Causes;
use super::super::day::Observation;
use super::super::expected;
use super::super::past::Past;
use super::super::silence::{lost_ms, silent_ms};
use super::super::state::Work;
use super::super::watch::{StreamSeen, Told, stream_key};
use super::{Performed, states_of};
use crate::metrics::wear;
use crate::rules::format_duration;

/// A technical rule about streams.
struct Face {
    id: &'static str,
    title: &'static str,
    action: &'static str,
    priority: Priority,
}

const SILENT: Face = Face {
    id: "technical-stream-silent",
    title: "A prescribed stream is silent",
    action: "Ask whether the device is worn, charged and near its phone or hub; until it sends again, no alert means nothing. Not for emergencies.",
    priority: Priority::Low,
};
const LOST: Face = Face {
    id: "technical-monitoring-lost",
    title: "Monitoring lost while at risk",
    action: "Call: breathing is not monitored after an opioid dose. Ask how the patient is; restore the sensor. Not for emergencies.",
    priority: Priority::Medium,
};
/// Streams named in one sentence.
const NAMED_MAX: usize = 6;

/// A stream that somebody wears.
struct Worn {
    device: DeviceId,
    stream: Stream,
    /// The newest reading, or from when one was expected.
    last: i64,
    /// Whether it is expected now.
    expected: bool,
}

/// A stream that has been silent for too long: since `due`, by a limit.
#[derive(Clone, Copy)]
struct Overdue<'a> {
    one: &'a Worn,
    limit_ms: i64,
    due: i64,
}

impl Worn {
    fn key(&self) -> String {
        stream_key(self.device.as_str(), self.stream.measure.name())
    }
}

impl Clinic {
    pub(in super::super) fn streams(
        &mut self,
        person: &Patient,
        past: &Past,
        history: &[Observation],
        now: JournalTime,
        out: &mut Performed,
    ) {
        let (worn, mut wakes) = self.worn_streams(person, now.0);
        let exposure = past.exposure();
        let grace = self.paths.grace_until().filter(|until| *until > now.0);
        let calendar = Calendar::of(person);
        let mut silent: Vec<Overdue> = Vec::new();
        for one in &worn {
            let limit_ms = silent_ms(&one.stream);
            let due = expected::silent_until(&one.stream, calendar, one.last, limit_ms);
            if now.0 <= due {
                wakes.push(due + 1);
            } else if self.paths.is_uploading(self.carried(&one.device)) && !self.is_told(person, &SILENT) {
                self.held.insert(person.id.clone());
            } else {
                silent.push(Overdue { one, limit_ms, due });
            }
        }
        let lost = lost(&worn, calendar, &exposure, now.0, &mut wakes);
        for (face, found) in [(&SILENT, silent), (&LOST, lost)] {
            // What waited for us may still come: nothing new is told.
            if let (Some(until), false, false) = (grace, found.is_empty(), self.is_told(person, face)) {
                wakes.push(until);
                continue;
            }
            self.tell_streams(person, face, &found, (history, &exposure), now, out);
        }
        if self.held.contains(&person.id) {
            self.hold_back(&person.id);
        }
        if let Some(next) = wakes.into_iter().filter(|at| *at > now.0).min() {
            self.owe(&person.id, JournalTime(next), Work::Streams);
        }
    }

    /// The streams of the devices that the patient wears now, and when others begin or these end.
    fn worn_streams(&self, person: &Patient, now: i64) -> (Vec<Worn>, Vec<i64>) {
        let (mut worn, mut edges) = (Vec::new(), Vec::new());
        let Some(state) = self.patients.get(&person.id) else { return (worn, edges) };
        for pairing in self.worn.get(&person.id).into_iter().flatten() {
            edges.extend([Some(pairing.from.0), pairing.until.map(EventTime::ms)].into_iter().flatten());
            let device = self.roster.devices.get(&pairing.device).filter(|_| pairing.covers(EventTime(now)));
            for stream in device.into_iter().flat_map(|device| &device.streams) {
                let key = stream_key(pairing.device.as_str(), stream.measure.name());
                let Some(seen) = state.watch.streams.get(&key) else { continue };
                let expected = seen.since.max(pairing.from.0);
                let last = seen.runs.newest().unwrap_or(expected).max(expected);
                let (expected, edge) = expected::at(stream, Calendar::of(person), now);
                edges.extend(edge);
                worn.push(Worn { device: pairing.device.clone(), stream: stream.clone(), last, expected });
            }
        }
        (worn, edges)
    }

    fn is_told(&self, person: &Patient, face: &Face) -> bool {
        let told = self.patients.get(&person.id).and_then(|state| state.watch.told.get(face.id));
        told.is_some_and(|told| told.end.is_none())
    }

    /// Says what changed between what was told under a face and what is silent now.
    fn tell_streams(
        &mut self,
        person: &Patient,
        face: &Face,
        found: &[Overdue],
        (history, exposure): (&[Observation], &[wear::Span]),
        now: JournalTime,
        out: &mut Performed,
    ) {
        let mut why = self.in_words(found, history, now.0);
        let asked_for = found.iter().any(|found| found.one.stream.alert_after_ms.is_some());
        let tenant = self.tenant.clone();
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let before = state.watch.told.get(face.id).cloned();
        let mut keys: Vec<String> = found.iter().map(|found| found.one.key()).collect();
        keys.sort();
        let start = found.iter().map(|found| found.due).min();
        let seen = Seen {
            streams: &state.watch.streams,
            roster: &self.roster,
            calendar: Calendar::of(person),
            face,
            now: now.0,
        };
        let remains = before.as_ref().and_then(|told| seen.remaining(told));
        let (kind, told) = match (before, start) {
            (Some(told), Some(_)) if told.end.is_none() && told.streams == keys => return,
            (Some(told), Some(_)) if told.end.is_none() => (FindingKind::Changed, Told { streams: keys, ..told }),
            (Some(told), None) if told.end.is_none() => match remains {
                Some(end) => (FindingKind::Cleared, Told { end: Some(end.unwrap_or(now.0)), ..told }),
                None => (FindingKind::Retracted, told),
            },
            (Some(told), None) if remains.is_none() => (FindingKind::Retracted, told),
            (_, None) => return,
            (_, Some(start)) => {
                let start = exposed_from(face, exposure, start);
                let shadow = face.id == LOST.id && !asked_for;
                (FindingKind::Opened, Told { start, end: None, streams: keys, shadow })
            }
        };
        if kind == FindingKind::Retracted {
            "what came since shows that no prescribed stream was silent for so long".clone_into(&mut why);
            state.watch.told.remove(face.id);
        } else {
            if kind == FindingKind::Cleared {
                why = ended_in_words(&told, |key| seen.still(key, &told));
            }
            state.watch.told.insert(face.id.to_owned(), told.clone());
        }
        out.episodes.findings.extend(
            finding(&tenant, person, face, kind, &told, why, now).map(|found| Finding { shadow: told.shadow, ..found }),
        );
    }

    /// Which streams are silent since when, and what is known about why.
    fn in_words(&self, found: &[Overdue], history: &[Observation], now: i64) -> String {
        let words = |&Overdue { one, limit_ms, .. }: &Overdue| {
            let mut causes = Causes::default();
            causes.add("gateway", self.paths.gateway_down(self.carried(&one.device), 0));
            states_of(&self.paths, history, &one.device)
                .into_iter()
                .for_each(|states| causes.add_device(&states, now + 1));
            let cause = match causes.at(now) {
                "unknown" => String::new(),
                cause => format!(", {}", cause.replace('_', " ")),
            };
            let hours = one.stream.hours.map(hours_in_words).unwrap_or_default();
            format!(
                "no {} from {} since {} (prescribed every {}{hours}; told after {}{cause})",
                one.stream.measure.name(),
                one.device,
                EventTime(one.last),
                format_duration(one.stream.every_ms),
                format_duration(limit_ms)
            )
        };
        in_one_sentence(found.iter().map(words).collect())
    }
}

fn hours_in_words(hours: Hours) -> String {
    let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!(" from {} to {}", clock(hours.from_min), clock(hours.until_min))
}

/// Streams that show breathing, where an exposed patient has no device left that shows the measure and is expected to.
fn lost<'a>(
    worn: &'a [Worn],
    calendar: Calendar,
    exposure: &[wear::Span],
    now: i64,
    wakes: &mut Vec<i64>,
) -> Vec<Overdue<'a>> {
    let mut lost = Vec::new();
    for measure in [Measure::OxygenSaturation, Measure::RespiratoryRate] {
        let of_measure = worn.iter().filter(|one| one.stream.measure == measure && one.expected);
        let overdue = |one: &'a Worn| {
            let limit_ms = lost_ms(&one.stream)?;
            let due = expected::silent_until(&one.stream, calendar, one.last, limit_ms);
            Some(Overdue { one, limit_ms, due })
        };
        let of_measure: Vec<Overdue> = of_measure.filter_map(overdue).collect();
        let Some(from) = of_measure.iter().map(|found| found.due.saturating_add(1)).max() else { continue };
        let exposed = exposure.iter().find(|window| window.start <= now && now < window.end);
        match exposed.filter(|_| from <= now) {
            Some(window) => {
                lost.extend(of_measure);
                wakes.push(window.end);
            }
            None => {
                let later = exposure.iter().filter(|window| window.end > now.max(from));
                wakes.extend(later.map(|window| window.start.max(from)).min());
            }
        }
    }
    lost
}

/// Where monitoring is lost, it is so from the dose on.
fn exposed_from(face: &Face, exposure: &[wear::Span], start: i64) -> i64 {
    if face.id != LOST.id {
        return start;
    }
    let window = exposure.iter().filter(|window| window.end > start).min_by_key(|window| window.start);
    window.map_or(start, |window| window.start.max(start))
}

/// What was seen of the streams under a face.
#[derive(Clone, Copy)]
struct Seen<'a> {
    streams: &'a BTreeMap<String, StreamSeen>,
    roster: &'a painwatch_domain::Roster,
    calendar: Calendar<'a>,
    face: &'a Face,
    now: i64,
}

impl Seen<'_> {
    /// `None`: what came since shows that no stream of what was told was silent. Else when the last of them spoke again, if
    /// all did.
    fn remaining(&self, told: &Told) -> Option<Option<i64>> {
        let mut ends = Vec::new();
        for key in &told.streams {
            // A stream that is prescribed no more was silent when it was told.
            if !self.streams.contains_key(key) {
                ends.push(None);
                continue;
            }
            let still = self.still(key, told);
            let within = |last: i64| self.due(key, last) <= told.end.unwrap_or(i64::MAX).max(told.start);
            ends.extend(still.filter(|(last, _)| within(*last)).map(|(_, end)| end));
        }
        if ends.is_empty() {
            None
        } else {
            Some(ends.into_iter().collect::<Option<Vec<i64>>>().and_then(|ends| ends.into_iter().max()))
        }
    }

    /// The first silence of a stream that lasts beyond the start of what was told.
    fn still(&self, key: &str, told: &Told) -> Option<(i64, Option<i64>)> {
        let seen = self.streams.get(key)?;
        let silences = seen.runs.silences(0, seen.since, self.now);
        let too_long = |(last, end): &(i64, Option<i64>)| self.due(key, *last) < end.unwrap_or(self.now);
        silences.into_iter().find(|silence| silence.1.is_none_or(|end| end > told.start) && too_long(silence))
    }

    /// Until when a silence after `last` is no longer than it may be.
    fn due(&self, key: &str, last: i64) -> i64 {
        let stream = key.rsplit_once('/').and_then(|(device, measure)| {
            let device = self.roster.devices.get(&DeviceId::parse(device).ok()?)?;
            device.streams.iter().find(|stream| stream.measure.name() == measure)
        });
        let limit = |stream: &Stream| if self.face.id == LOST.id { lost_ms(stream) } else { Some(silent_ms(stream)) };
        let due = stream.and_then(|stream| Some(expected::silent_until(stream, self.calendar, last, limit(stream)?)));
        due.unwrap_or(i64::MAX)
    }
}

/// What was silent from when until when, once that is over.
fn ended_in_words(told: &Told, still: impl Fn(&str) -> Option<(i64, Option<i64>)>) -> String {
    let words = |key: &String| {
        let (device, measure) = key.rsplit_once('/').unwrap_or(("", key));
        match still(key) {
            Some((last, Some(back))) => {
                format!("no {measure} from {device} from {} to {}", EventTime(last), EventTime(back))
            }
            Some((last, None)) => format!("no {measure} from {device} since {}; no longer at risk", EventTime(last)),
            None => format!("{measure} from {device} is no longer expected"),
        }
    };
    in_one_sentence(told.streams.iter().map(words).collect())
}

/// The first of them, and how many more there are.
fn in_one_sentence(mut sentences: Vec<String>) -> String {
    let more = sentences.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        sentences.truncate(NAMED_MAX);
        sentences.push(format!("and {more} more"));
    }
    sentences.join("; ")
}

fn finding(
    tenant: &painwatch_domain::TenantId,
    person: &Patient,
    face: &Face,
    kind: FindingKind,
    told: &Told,
    why: String,
    now: JournalTime,
) -> Option<Finding> {
    let (rule, start) = (RuleId::parse(face.id).ok()?, EventTime(told.start));
    Some(Finding {
        kind,
        alert_id: alert_id(tenant, person.id.as_str(), &rule, start),
        tenant: tenant.clone(),
        patient: Some(person.id.clone()),
        rule,
        rule_version: "built-in".to_owned(),
        title: face.title.to_owned(),
        action: face.action.to_owned(),
        alert_kind: AlertKind::Technical,
        domain: RuleDomain::Technical,
        episode: Episode {
            start,
            last_held: told.end.map_or(EventTime(now.0), EventTime),
            end: told.end.map(EventTime),
            peak: face.priority,
            evidence: Vec::new(),
            why,
        },
        detected_at: now,
        retrospective: false,
        historical: false,
        shadow: false,
    })
}
