//! Which history a piece of work needs.

use std::collections::BTreeMap;

use painwatch_domain::Measure;
use painwatch_domain::roster::Patient;
use painwatch_domain::time::DAY_MS;

use super::Clinic;
use super::calendar::Calendar;
use super::compiled::Ruled;
use super::day::{Group, rhythm};
use super::signal::{HOUR, HoldSignal};
use super::state::Work;

type Windows = Vec<(Measure, i64, i64)>;

impl Clinic {
    pub(super) fn needs(&self, person: &Patient, work: &Work) -> Windows {
        match work {
            Work::Close | Work::Republish | Work::Look(_) | Work::Finish(_) => Vec::new(),
            Work::Notice(measure, utc_day) => {
                let from = i64::from(*utc_day) * DAY_MS;
                Measure::parse(measure).map(|measure| (measure, from, from + DAY_MS)).into_iter().collect()
            }
            Work::Fold(measure) => self.stale_hours(person, measure),
            Work::Evaluate(Group::Coverage, day) => self.coverage_windows(person, *day),
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

    /// The day and, before it, the samples that are still held when it begins.
    fn coverage_windows(&self, person: &Patient, day: i32) -> Windows {
        let (from, to) = Calendar::of(person).bounds(day);
        let device = Group::Coverage.measures().iter().map(|measure| (*measure, from - DAY_MS, to));
        device.chain(self.held_measures(person).into_iter().map(|(measure, gap)| (measure, from - gap, to))).collect()
    }

    /// Measures under hold rules of this patient, with the longest time that a sample is held.
    pub(super) fn held_measures(&self, person: &Patient) -> BTreeMap<Measure, i64> {
        let mut widest: BTreeMap<Measure, i64> = BTreeMap::new();
        for (measure, hold) in self.rules.iter().filter(|rule| rule.applies_to(person)).filter_map(Ruled::measure_held)
        {
            let gap = widest.entry(measure).or_default();
            *gap = (*gap).max(hold.max_gap_ms);
        }
        widest
    }
}

fn group_windows(calendar: Calendar, group: Group, day: i32) -> Windows {
    let (from, to) = calendar.bounds(day);
    if !group.concerns(day) {
        return Windows::new();
    }
    if group == Group::Rhythm {
        // From noon before the first day: its night.
        let from = calendar.start(day + 1 - rhythm::DAYS) - DAY_MS;
        return group.measures().iter().map(|measure| (*measure, from, to)).collect();
    }
    let window = |measure: &Measure| match measure {
        // The night before, and the doses that may fill a neighbouring day's cell.
        Measure::TotalSleepTime | Measure::SleepStage | Measure::ActivityCount => (*measure, from - DAY_MS, to),
        Measure::MedicationEvent => (*measure, calendar.start(day - 1), calendar.start(day + 2)),
        _ => (*measure, from, to),
    };
    group.measures().iter().map(window).collect()
}
