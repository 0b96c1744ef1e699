//! Which history a piece of work needs.

use std::collections::BTreeMap;

use painwatch_domain::roster::Patient;
use painwatch_domain::time::DAY_MS;
use painwatch_domain::{JournalTime, Measure};

use super::Clinic;
use super::calendar::Calendar;
use super::compiled::Ruled;
use super::day::orders::LOOK_BACK_MS;
use super::day::{AHEAD_MS, Group, SIGNS_BEFORE_MS, rhythm};
use super::signal::{HOUR, HoldSignal};
use super::state::Work;
use crate::metrics::dose_adherence::LONGEST_KEPT_MS;
use crate::metrics::news2::SET_WITHIN_MS;
use crate::metrics::severe_pain::{BEFORE_MS, OVER_MIDNIGHT_MS};

/// How long ago a device may have said what it is: longer than the longest silence that is told by default.
const STATES_LOOK_BACK_MS: i64 = 3 * DAY_MS;

type Windows = Vec<(Measure, i64, i64)>;

impl Clinic {
    pub(super) fn needs(&self, person: &Patient, work: &Work, due: JournalTime) -> Windows {
        match work {
            Work::Close | Work::Republish | Work::Look(_) | Work::Finish(_) | Work::Resume => Vec::new(),
            Work::Notice(measure, utc_day) => {
                let from = i64::from(*utc_day) * DAY_MS;
                Measure::parse(measure).map(|measure| (measure, from, from + DAY_MS)).into_iter().collect()
            }
            Work::Fold(measure) => self.stale_hours(person, measure),
            Work::Recount(measure, utc_day) => self.counted_day(measure, *utc_day),
            Work::Absent(_) | Work::Combine => {
                let calendar = Calendar::of(person);
                vec![(Measure::DeviceLink, calendar.start(self.horizon(calendar, due)), due.0 + 1)]
            }
            Work::Streams => {
                let device = [Measure::DeviceWorn, Measure::DeviceCharging, Measure::DeviceLink];
                device.map(|measure| (measure, due.0 - STATES_LOOK_BACK_MS, due.0 + 1)).to_vec()
            }
            Work::Evaluate(Group::Coverage, day) => self.coverage_windows(person, *day, due),
            Work::Evaluate(group, day) => group_windows(Calendar::of(person), *group, *day),
        }
    }

    fn stale_hours(&self, person: &Patient, measure: &str) -> Windows {
        let signal = self.patients.get(&person.id).and_then(|state| state.holds.get(measure));
        let window =
            |(first, last): (i32, i32), measure| (measure, i64::from(first) * HOUR, (i64::from(last) + 1) * HOUR);
        let hours = signal.and_then(HoldSignal::next_stale);
        hours.zip(Measure::parse(measure)).map(|(hours, measure)| window(hours, measure)).into_iter().collect()
    }

    /// A UTC day of a measure and what lies within the shortest silence around it.
    fn counted_day(&self, measure: &str, utc_day: i32) -> Windows {
        let from = i64::from(utc_day) * DAY_MS;
        let measure = Measure::parse(measure);
        let pause = measure.and_then(|measure| self.index.pauses.get(&measure)).copied();
        measure
            .zip(pause)
            .map(|(measure, pause)| (measure, from - pause, from + DAY_MS + pause + 1))
            .into_iter()
            .collect()
    }

    /// The day and, before it, the samples that are still held when it begins.
    fn coverage_windows(&self, person: &Patient, day: i32, due: JournalTime) -> Windows {
        let calendar = Calendar::of(person);
        let (from, to) = calendar.bounds(day);
        // What combinations see of a silence follows from all that kept it from being told.
        let silences =
            self.rules_of(&person.id).iter().any(|rule| self.is_child(rule) && rule.measure_missed().is_some());
        let since = |measure: Measure| match measure {
            Measure::DeviceLink if silences => calendar.start(self.horizon(calendar, due)).min(from - DAY_MS),
            _ => from - DAY_MS,
        };
        let device = Group::Coverage.measures().iter().map(|measure| (*measure, since(*measure), to));
        device.chain(self.held_measures(person).into_iter().map(|(measure, gap)| (measure, from - gap, to))).collect()
    }

    /// Measures under hold rules of this patient, with the longest time that any version of one holds a sample: a day is judged
    /// by the version that was in force.
    pub(super) fn held_measures(&self, person: &Patient) -> BTreeMap<Measure, i64> {
        let mut widest: BTreeMap<Measure, i64> = BTreeMap::new();
        for (measure, held_ms) in
            self.rules_of(&person.id).iter().filter(|rule| rule.applies_to(person)).filter_map(Ruled::longest_held)
        {
            let gap = widest.entry(measure).or_default();
            *gap = (*gap).max(held_ms);
        }
        widest
    }
}

fn group_windows(calendar: Calendar, group: Group, day: i32) -> Windows {
    let (from, to) = calendar.bounds(day);
    if !group.concerns(day) {
        return Windows::new();
    }
    let window = |measure: &Measure| match (group, measure) {
        (Group::Rescue, _) => (*measure, calendar.start(day - 6) - BEFORE_MS, to),
        // From noon before the first day: its night.
        (Group::Rhythm, _) => (*measure, calendar.start(day + 1 - rhythm::DAYS) - DAY_MS, to),
        (Group::Safety, Measure::MedicationEvent) => (*measure, from - LOOK_BACK_MS, to),
        (Group::Safety, Measure::RespiratoryRate | Measure::OxygenSaturation | Measure::BloodPressure) => {
            (*measure, from - SIGNS_BEFORE_MS, to)
        }
        // The set that begins before the day, and the order of a standing test.
        (Group::Safety, _) => (*measure, from - SET_WITHIN_MS, to),
        (Group::Pain, Measure::MedicationEvent) => (*measure, from - BEFORE_MS, to),
        // Reports of the evening before.
        (Group::Pain, Measure::PainNrs | Measure::SymptomSeverity) => (*measure, from - OVER_MIDNIGHT_MS, to),
        (Group::Counts, Measure::ActivityCount) => (*measure, from - DAY_MS, to + AHEAD_MS),
        // The night before, and the doses that may fill a neighbouring day's cell.
        (_, Measure::TotalSleepTime | Measure::SleepStage | Measure::ActivityCount) => (*measure, from - DAY_MS, to),
        // Sums look 24 hours back, also after a day of 23, and gaps between doses a quarter further.
        (_, Measure::MedicationEvent) => {
            (*measure, calendar.start(day - 1).min(from - LONGEST_KEPT_MS), calendar.start(day + 2))
        }
        _ => (*measure, from, to),
    };
    group.measures().iter().map(window).collect()
}
