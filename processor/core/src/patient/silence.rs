//! What arrives and what stood in its way, as absence rules and prescribed streams need it: noted here, told in
//! `perform/absent.rs` and `perform/streams.rs`.

use std::sync::Arc;

use painwatch_domain::roster::{Patient, Stream};
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{DeviceId, EventTime, GatewayId, JournalTime, Measure, PatientId, Value};

use super::Clinic;
use super::calendar::Calendar;
use super::coverage::Interval;
use super::observe::Sight;
use super::paths::{Carried, GatewayState};
use super::runs::Runs;
use super::state::Work;
use super::watch::{StreamSeen, stream_key};

/// A stream without any data for longer than this is told (clinical catalogue G4).
const SILENT_MS: i64 = 24 * HOUR_MS;
/// And for longer than this while the patient is exposed to an opioid, of what shows breathing.
const LOST_MS: i64 = 2 * HOUR_MS;
/// Nothing is a gap before so many intervals of the stream, and before a minute.
const INTERVALS: i64 = 3;
const LEAST_MS: i64 = MINUTE_MS;
/// What stood between us and the devices is kept for longer than anything that may still change.
const KEPT_MS: i64 = (super::HORIZON_DAYS as i64 + 5) * DAY_MS;

/// The longest silence of a stream that is no gap.
fn least_ms(stream: &Stream) -> i64 {
    stream.every_ms.saturating_mul(INTERVALS).max(LEAST_MS)
}

/// The longest silence of a stream that is not told: a day, or what the roster says.
pub(super) fn silent_ms(stream: &Stream) -> i64 {
    stream.alert_after_ms.unwrap_or(SILENT_MS).max(least_ms(stream))
}

/// The longest silence of a stream that shows breathing which is not told during an exposure; `None` for another one.
pub(super) fn lost_ms(stream: &Stream) -> Option<i64> {
    let shows = matches!(stream.measure, Measure::OxygenSaturation | Measure::RespiratoryRate);
    shows.then(|| LOST_MS.min(stream.alert_after_ms.unwrap_or(LOST_MS)).max(least_ms(stream)))
}

/// The shortest silence of a stream that anything is said about, in time that counts: by the clock it is longer.
fn pause_ms(stream: &Stream) -> i64 {
    silent_ms(stream).min(lost_ms(stream).unwrap_or(i64::MAX))
}

/// Whether a silence may have been told: then any reading may end it, or show that it was none.
fn is_silent(runs: &Runs, pause_ms: i64, now: JournalTime) -> bool {
    runs.newest().is_none_or(|newest| now.0.saturating_sub(newest) > pause_ms)
}

impl Clinic {
    /// What absence rules and prescribed streams expect of the patient from `now` on, where they did not before.
    pub(super) fn expect(&mut self, person: &Patient, now: JournalTime) {
        let rules = Arc::clone(&self.rules);
        let watch = &mut self.patients.entry(person.id.clone()).or_default().watch;
        let before = watch.clone();
        let applying = |id: &str| rules.iter().any(|rule| rule.id() == id && rule.applies_to(person));
        watch.since.retain(|id, _| applying(id));
        let mut begun = Vec::new();
        for rule in rules.iter().filter(|rule| rule.applies_to(person)) {
            let Some(measure) = rule.measure_missed() else { continue };
            watch.since.entry(rule.id().to_owned()).or_insert(now.0);
            begun.push(measure);
        }
        let mut prescribed = Vec::new();
        for pairing in self.worn.get(&person.id).into_iter().flatten() {
            let streams = self.roster.devices.get(&pairing.device).into_iter().flat_map(|device| &device.streams);
            prescribed.extend(streams.map(|stream| stream_key(pairing.device.as_str(), stream.measure.name())));
        }
        watch.streams.retain(|key, _| prescribed.contains(key));
        for key in &prescribed {
            let new = || StreamSeen { since: now.0, ..StreamSeen::default() };
            watch.streams.entry(key.clone()).or_insert_with(new);
        }
        let (changed, watches) = (*watch != before, !prescribed.is_empty() || !watch.told.is_empty());
        if changed {
            self.changed_watch.insert(person.id.clone());
        }
        begun.into_iter().for_each(|measure| self.owe(&person.id, now, Work::Absent(measure.name().to_owned())));
        if watches {
            self.owe(&person.id, now, Work::Streams);
        }
    }

    /// Readings of a measure under absence rules.
    pub(super) fn note_seen(
        &mut self,
        person: &Patient,
        sight: Sight,
        seen: &[(i64, Option<&Value>)],
        now: JournalTime,
    ) {
        let Some(pause) = self.index.pauses.get(&sight.measure).copied() else { return };
        let missed = |rule: &&super::compiled::Ruled| rule.measure_missed() == Some(sight.measure);
        if !self.rules.iter().filter(missed).any(|rule| rule.applies_to(person)) {
            return;
        }
        let (name, calendar) = (sight.measure.name(), Calendar::of(person));
        let horizon = calendar.start(self.horizon(calendar, now));
        if !sight.new {
            // It may have been taken back, or be somebody else's now.
            for (time, _) in seen.iter().filter(|(time, _)| *time >= horizon) {
                self.owe(&person.id, now, Work::Recount(name.to_owned(), time.div_euclid(DAY_MS) as i32));
            }
            return;
        }
        self.note_watch_changed(&person.id);
        let Some(state) = self.patients.get_mut(&person.id) else { return };
        let runs = state.watch.seen.entry(name.to_owned()).or_default();
        let was_silent = is_silent(runs, pause, now);
        let mut changed = Vec::new();
        for (time, _) in seen.iter().filter(|(time, value)| *time >= horizon && value.is_some()) {
            changed.extend((runs.add(*time, pause) || was_silent).then_some(*time));
        }
        if let Some(first) = changed.first().copied() {
            self.owe(&person.id, now, Work::Absent(name.to_owned()));
            self.silence_moved(person, sight.measure, first, now);
        }
    }

    /// Readings of a prescribed stream arrived, whatever becomes of their values: the device is alive.
    pub fn alive(
        &mut self,
        patient: &PatientId,
        device: &DeviceId,
        measure: Measure,
        times: impl Iterator<Item = i64>,
        now: JournalTime,
    ) {
        let streams = self.roster.devices.get(device).into_iter().flat_map(|device| &device.streams);
        let Some(pause) = streams.filter(|stream| stream.measure == measure).map(pause_ms).min() else { return };
        let Some(state) = self.patients.get_mut(patient) else { return };
        let Some(seen) = state.watch.streams.get_mut(&stream_key(device.as_str(), measure.name())) else { return };
        let mut changed = is_silent(&seen.runs, pause, now);
        for time in times {
            changed |= seen.runs.add(time, pause);
        }
        self.note_watch_changed(patient);
        if changed {
            self.owe(patient, now, Work::Streams);
        }
    }

    fn note_watch_changed(&mut self, patient: &PatientId) {
        if !self.changed_watch.contains(patient) {
            self.changed_watch.insert(patient.clone());
        }
    }

    /// Stretches of event time in which the patient wore the same devices, ascending. The one that holds `now` has no end: what
    /// keeps something from us now does so until it is said to be over.
    pub(super) fn stretches(&self, person: &Patient, now: i64) -> Vec<Interval> {
        let worn = self.worn.get(&person.id).into_iter().flatten();
        let edges = worn.flat_map(|pairing| [Some(pairing.from), pairing.until]).flatten().map(EventTime::ms);
        let mut starts: Vec<i64> = edges.filter(|edge| *edge <= now).chain([i64::MIN]).collect();
        starts.sort_unstable();
        starts.dedup();
        let ends = starts.iter().skip(1).copied().chain([i64::MAX]);
        starts.iter().copied().zip(ends).collect()
    }

    /// Devices that may bring a measure of the patient at a moment: those whose streams the roster prescribes, or else all.
    pub(super) fn carriers(&self, person: &Patient, measure: Measure, at: i64) -> Vec<Carried<'_>> {
        let worn = self.worn.get(&person.id).into_iter().flatten();
        let worn = worn.filter(|pairing| pairing.covers(EventTime(at)));
        let devices: Vec<&DeviceId> = worn.map(|pairing| &pairing.device).collect();
        let prescribes = |device: &&&DeviceId| {
            let known = self.roster.devices.get(**device);
            known.is_some_and(|known| known.streams.iter().any(|stream| stream.measure == measure))
        };
        let named: Vec<&DeviceId> = devices.iter().filter(prescribes).copied().collect();
        let chosen = if named.is_empty() { devices } else { named };
        chosen.into_iter().map(|device| self.carried(device)).collect()
    }

    pub(super) fn carried<'a>(&'a self, device: &'a DeviceId) -> Carried<'a> {
        let listed = self.roster.devices.get(device).map_or(&[][..], |known| &known.gateways);
        (device.as_str(), listed)
    }

    /// We were not watching in `[from, to)`: a start of the program, or a step of the clock. To be told before deadlines of
    /// that time fire.
    pub fn paused(&mut self, from: i64, to: i64) {
        self.paths.paused(from, to);
        self.paths.forget_before(to - KEPT_MS);
        self.changed_paths = true;
    }

    /// A gateway says how it is.
    pub fn gateway_says(&mut self, state: &GatewayState<'_>, now: JournalTime) {
        let news = self.paths.says(state, now.0);
        self.paths.forget_before(now.0 - KEPT_MS);
        self.changed_paths = true;
        if news {
            self.let_go(now);
        }
    }

    /// What a gateway says of one of its devices.
    pub fn device_is_said(&mut self, device: &str, worn: Option<bool>, charging: Option<bool>, now: JournalTime) {
        self.paths.says_of_device(device, worn, charging, now.0);
        self.changed_paths = true;
    }

    /// A gateway sent something.
    pub fn came(&mut self, gateway: &GatewayId, now: JournalTime) {
        if self.paths.came(gateway.as_str(), now.0) {
            self.changed_paths = true;
            self.let_go(now);
        }
    }

    /// A gateway brought something of a device.
    pub fn brought(&mut self, gateway: &GatewayId, device: &DeviceId, now: JournalTime) {
        if self.paths.brought(gateway.as_str(), device.as_str(), now.0) {
            self.changed_paths = true;
            self.let_go(now);
        }
    }

    /// Whoever has something held back looks again.
    fn let_go(&mut self, now: JournalTime) {
        for patient in std::mem::take(&mut self.held) {
            if let Some(state) = self.patients.get_mut(&patient) {
                state.watch.held = false;
            }
            self.note_watch_changed(&patient);
            self.owe(&patient, now, Work::Resume);
        }
    }

    /// Something about the patient is not told until a gateway says otherwise.
    pub(super) fn hold_back(&mut self, patient: &PatientId) {
        if let Some(state) = self.patients.get_mut(patient) {
            state.watch.held = true;
        }
        self.note_watch_changed(patient);
        self.held.insert(patient.clone());
    }
}
