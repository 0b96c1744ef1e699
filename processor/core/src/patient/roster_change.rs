//! A new roster: pairings, zones and prescriptions may be back-dated, and that is late data for each patient concerned
//! (semantics 8).

use std::collections::BTreeSet;
use std::sync::Arc;

use painwatch_domain::roster::{Pairing, Patient};
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{DeviceId, EventTime, JournalTime, Measure, PatientId, Roster};

use super::calendar::Calendar;
use super::day::Group;
use super::signal::{FoldedHours, hour_of};
use super::state::Work;
use super::{Clinic, SnapshotError, closes_after_ms};

/// Which days of which measures of a device are stored, in UTC.
pub type Stored<'a> = &'a dyn Fn(&DeviceId) -> BTreeSet<(Measure, i32)>;

impl Clinic {
    /// Puts a new roster in force. Patients who are new to it begin to be watched today; what it changes about the past,
    /// as far as the horizon, is computed again.
    ///
    /// # Errors
    /// [`SnapshotError`] when what is kept of a patient cannot be unpacked.
    pub fn set_roster(&mut self, roster: Arc<Roster>, stored: Stored, now: JournalTime) -> Result<(), SnapshotError> {
        let old = std::mem::replace(&mut self.roster, Arc::clone(&roster));
        self.set_own_numbers(&roster, now);
        self.worn = super::worn_by(&roster);
        for person in roster.patients.values() {
            let calendar = Calendar::of(person);
            let horizon = self.horizon(calendar, now);
            let state = self.patients.entry(person.id.clone()).or_default();
            (state.today, state.quiet) = (None, None);
            self.watch(person, (calendar.day_of(now.0), now.0), horizon, now);
            self.owe_close(person, now);
            if let Some(before) = old.patients.get(&person.id) {
                self.changed_person(before, person, &old, stored, now)?;
            }
            self.expect(person, now);
            self.owe_next_numbers(person, now);
        }
        for device in devices_of([&old, &roster]) {
            self.changed_pairings(&old, device, stored, now);
        }
        Ok(())
    }

    fn changed_person(
        &mut self,
        before: &Patient,
        person: &Patient,
        old: &Roster,
        stored: Stored,
        now: JournalTime,
    ) -> Result<(), SnapshotError> {
        let roster = Arc::clone(&self.roster);
        let prescribed = |roster: &Roster| -> Vec<_> { roster.prescriptions.of_patient(&person.id).cloned().collect() };
        let told = |roster: &Roster| -> (Vec<_>, Vec<_>) {
            let dispenses = roster.dispenses.of_patient(&person.id).cloned();
            let events = roster.patient_events.of_patient(&person.id).cloned();
            (dispenses.collect(), events.collect())
        };
        let orders_changed = prescribed(old) != prescribed(&roster) || old.medications != roster.medications;
        let told_changed = told(old) != told(&roster);
        let own = |roster: &Roster| -> Vec<_> { roster.overrides.of_patient(&person.id).cloned().collect() };
        let rules_changed = before.packs != person.packs || own(old) != own(&roster);
        if before.zones != person.zones {
            self.count_days_anew(person, now);
        }
        if before.zones != person.zones || before.packs != person.packs {
            let own = roster.pairings.of_patient(&person.id);
            let devices: BTreeSet<&DeviceId> = own.map(|pairing| &pairing.device).collect();
            for device in devices {
                self.notice_stored(&person.id, device, (i64::MIN, i64::MAX), stored, now);
            }
        }
        if before != person || orders_changed || told_changed || old.devices != roster.devices {
            self.mark_all(person, now)?;
        }
        if before.conditions != person.conditions || rules_changed || orders_changed || told_changed {
            self.owe(&person.id, now, Work::Republish);
        }
        Ok(())
    }

    /// The zone changed: a day that was over may not be any more.
    fn count_days_anew(&mut self, person: &Patient, now: JournalTime) {
        let open = Calendar::of(person).day_of(now.0 - closes_after_ms(&person.id));
        if let Some(state) = self.patients.get_mut(&person.id) {
            state.agenda.next_close = state.agenda.next_close.map(|next| next.min(open));
        }
        self.owe_close(person, now);
    }

    /// Everything of the patient within the horizon is computed again.
    fn mark_all(&mut self, person: &Patient, now: JournalTime) -> Result<(), SnapshotError> {
        let calendar = Calendar::of(person);
        let today = calendar.day_of(now.0);
        for day in self.horizon(calendar, now)..=today {
            Group::ALL.into_iter().for_each(|group| self.mark(person, group, day, now));
        }
        let (past, judged_from) = (self.open(&person.id)?, self.judged_from(calendar, now));
        if let Some(state) = self.patients.get_mut(&person.id) {
            for (measure, signal) in &mut state.holds {
                let hours = past.folded.get(measure).into_iter().flat_map(FoldedHours::hours);
                signal.stale.extend(hours.filter(|hour| *hour >= judged_from));
            }
        }
        self.shelve(&person.id, past);
        self.fold_stale(person, now);
        Ok(())
    }

    /// The first hour that may be folded again. What is kept of those before it is where the fold begins: they cannot be
    /// folded from nothing (semantics 13).
    fn judged_from(&self, calendar: Calendar, now: JournalTime) -> i32 {
        hour_of(calendar.start(self.horizon(calendar, now)))
    }

    /// Where the wearer of a device changed, whoever won or lost its readings has late data.
    fn changed_pairings(&mut self, old: &Roster, device: &DeviceId, stored: Stored, now: JournalTime) {
        let roster = Arc::clone(&self.roster);
        let edges = edges_of([old, &roster], device);
        let mut moved = false;
        for edge in edges.windows(2).filter(|edge| edge[0] <= now.0) {
            let at = EventTime(edge[0]);
            let (before, after) = (old.wearers(device, at), roster.wearers(device, at));
            // Whose a shared scale's weights are follows from what was whose before.
            moved |= before != after;
            let shared = before.len() > 1 || after.len() > 1;
            if before == after && !(moved && shared) {
                continue;
            }
            for winner in &after {
                self.notice_stored(winner, device, (edge[0], edge[1]), stored, now);
            }
            for person in before.iter().filter_map(|loser| roster.patients.get(*loser)) {
                self.lose(person, device, (edge[0], edge[1]), stored, now);
            }
        }
    }

    /// Owes a look at each stored day of a device within `window`: which readings there are decides what is late.
    fn notice_stored(
        &mut self,
        patient: &PatientId,
        device: &DeviceId,
        window: (i64, i64),
        stored: Stored,
        now: JournalTime,
    ) {
        if !self.roster.patients.contains_key(patient) {
            return;
        }
        for (measure, day) in stored(device).into_iter().filter(|(_, day)| overlaps(*day, window)) {
            self.owe(patient, now, Work::Notice(measure.name().to_owned(), day));
        }
    }

    /// Readings of the window are the patient's no more.
    fn lose(&mut self, person: &Patient, device: &DeviceId, window: (i64, i64), stored: Stored, now: JournalTime) {
        let calendar = Calendar::of(person);
        let judged_from = self.judged_from(calendar, now);
        for (measure, utc_day) in stored(device).into_iter().filter(|(_, day)| overlaps(*day, window)) {
            let (from, to) = (i64::from(utc_day) * DAY_MS, i64::from(utc_day + 1) * DAY_MS);
            for day in calendar.day_of(from)..=calendar.day_of(to) {
                Group::ALL.into_iter().for_each(|group| self.mark(person, group, day, now));
                self.mark_day(person, measure, day, now);
            }
            self.mark_held_over(person, measure, (from, to - 1), now);
            if measure == Measure::DeviceLink {
                self.link_moved(person, from, now);
            }
            if self.index.pauses.contains_key(&measure) {
                self.owe(&person.id, now, Work::Recount(measure.name().to_owned(), utc_day));
            }
            let Some(signal) = self.patients.get_mut(&person.id).and_then(|state| state.holds.get_mut(measure.name()))
            else {
                continue;
            };
            signal.stale.extend(hour_of(from).max(judged_from)..=hour_of(to - 1));
        }
        self.fold_stale(person, now);
    }
}

fn overlaps(utc_day: i32, (from, to): (i64, i64)) -> bool {
    let start = i64::from(utc_day) * DAY_MS;
    start < to && from < start + DAY_MS
}

fn devices_of(rosters: [&Roster; 2]) -> BTreeSet<&DeviceId> {
    rosters.into_iter().flat_map(|roster| &roster.pairings).map(|pairing| &pairing.device).collect()
}

/// Between two neighbours of these instants the wearer does not change, before or after.
fn edges_of(rosters: [&Roster; 2], device: &DeviceId) -> Vec<i64> {
    let pairings = rosters.into_iter().flat_map(|roster| roster.pairings.of_device(device));
    let ends = |pairing: &Pairing| [Some(pairing.from), pairing.until];
    let mut edges: Vec<i64> =
        pairings.flat_map(ends).flatten().map(EventTime::ms).chain([i64::MIN, i64::MAX]).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}
