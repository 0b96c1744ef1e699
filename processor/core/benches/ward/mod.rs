//! A ward for benches: simulated patients, and the two cores driven by hand, as the engine drives them, without its rows.

pub mod life;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use painwatch_domain::reading::Mode;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{
    BatchVerdict, DeviceId, EventTime, Finding, JournalTime, Measure, PatientId, Roster, Series, TenantId,
};
use painwatch_processor_core::intake::{self, BlockCache, Change, Incoming};
use painwatch_processor_core::patient::day::{Observation, in_order};
use painwatch_processor_core::patient::{Clinic, Sight, Task};
use painwatch_processor_core::rules;

/// Intake and patients, and what the engine keeps between them.
pub struct Ward {
    pub clinic: Clinic,
    pub cache: BlockCache,
    roster: Arc<Roster>,
    /// Devices by wearer.
    worn: BTreeMap<PatientId, Vec<DeviceId>>,
    changes: Vec<Change>,
    /// What was ever told by a device.
    told: BTreeSet<(DeviceId, Measure)>,
    pub readings: u64,
    pub tasks: u64,
    pub findings: Vec<Finding>,
}

impl Ward {
    /// All default packs in force.
    pub fn new(roster: Roster, now: i64) -> Self {
        let (mut clinic, roster) = (Clinic::new(TenantId::default(), rules::default_packs()), Arc::new(roster));
        clinic.set_roster(Arc::clone(&roster), &|_| BTreeSet::new(), JournalTime(now)).expect("a new ward");
        let mut worn: BTreeMap<PatientId, Vec<DeviceId>> = BTreeMap::new();
        for pairing in &roster.pairings {
            worn.entry(pairing.patient.clone()).or_default().push(pairing.device.clone());
        }
        let (cache, changes, told) = (BlockCache::default(), Vec::new(), BTreeSet::new());
        Self { clinic, cache, roster, worn, changes, told, readings: 0, tasks: 0, findings: Vec::new() }
    }

    /// What the engine does with one series of a batch.
    pub fn take(&mut self, at: i64, series: &Series) {
        let tenant = TenantId::default();
        for key in intake::missing(&self.cache, &tenant, series) {
            self.cache.load(key, None).expect("an empty block");
            self.told.insert((series.device.clone(), series.measure));
        }
        let (sent_at, packed) = (Some(at), series.samples.len() > 1);
        let incoming =
            Incoming { tenant: &tenant, series, sent_at, mode: Mode::Live, index: 0, packed, positions: &[] };
        let mut tally = BatchVerdict::default();
        self.changes.clear();
        intake::handle(&mut self.cache, &self.roster, &incoming, &mut self.changes, &mut tally).expect("blocks");
        self.readings += tally.stored;
        for change in &self.changes {
            let Change::Fresh { samples, wearer: Some(patient) } = change else { continue };
            let sight = Sight { measure: series.measure, new: true, historical: false };
            let samples = &series.samples[samples.start as usize..samples.end as usize];
            let seen = samples.iter().map(|sample| (sample.time, Some(&sample.value)));
            self.clinic.observe(patient, sight, seen, JournalTime(at));
        }
    }

    /// Everything that is due.
    pub fn fire(&mut self, now: i64) {
        while let Some(task) = self.clinic.next_task(JournalTime(now)) {
            let history = self.history(&task);
            let done = self.clinic.perform(task, &history).expect("a past");
            self.findings.extend(done.episodes.findings);
            self.tasks += 1;
        }
    }

    /// One record of the journal.
    pub fn apply(&mut self, at: i64, series: &[Series]) {
        self.fire(at);
        series.iter().for_each(|series| self.take(at, series));
        self.fire(at);
    }

    fn history(&mut self, task: &Task) -> Vec<Observation> {
        let (tenant, mut found) = (TenantId::default(), Vec::new());
        let devices = self.worn.get(&task.patient).map_or(&[][..], Vec::as_slice);
        for device in devices.iter().filter(|_| !task.needs.is_empty()) {
            for &(measure, from, to) in &task.needs {
                if !self.told.contains(&(device.clone(), measure)) {
                    continue;
                }
                let window = (EventTime(from), EventTime(to));
                for key in self.cache.missing_for(&tenant, device, measure, window.0, window.1) {
                    self.cache.load(key, None).expect("an empty block");
                }
                let standing = self.cache.effective(&tenant, device, measure, window.0, window.1);
                found.extend(standing.into_iter().map(Observation::new));
            }
        }
        in_order(found)
    }

    /// `days` days of every patient of the roster, as their hubs send them.
    pub fn live(&mut self, people: usize, days: std::ops::Range<i64>, streams: life::Streams) {
        for day in days {
            let mut sent: Vec<(i64, Series)> = (0..people).flat_map(|number| life::day(number, day, streams)).collect();
            sent.sort_by_key(|(at, _)| *at);
            for (at, series) in sent {
                self.apply(at, &[series]);
            }
        }
    }
}

/// Whole days since 1970 of the first day of a ward's life.
pub const FIRST_DAY: i64 = 20_480;

/// Start of a day of the ward's life.
pub const fn start_of(day: i64) -> i64 {
    (FIRST_DAY + day) * DAY_MS
}
