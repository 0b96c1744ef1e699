//! What looks at several groups at once: signals of a flare, and days with data (clinical catalogue F6, G5).

use std::collections::{BTreeMap, BTreeSet};

use super::{Book, like};
use crate::metrics::data_days;
use crate::metrics::flare_signals::{self, Count, HIGH_Z, LOW_Z, RESTING_RISE, Signal};
use crate::patient::daily::{self, Derived, DerivedDays};
use crate::patient::day::{DailyValue, reporting};

/// What the signals stand on; of the pulse at night the rise above its baseline counts, of the device's own resting value
/// where no night tells.
const SOURCES: [&str; 7] = [
    "heart_rate.night_signal",
    "medication_event.prn_escalation",
    "pain_nrs.robust_z",
    "resting_heart_rate.robust_z",
    "sleep_stage.efficiency_z",
    "sleep_stage.waso_z",
    "step_count.robust_z",
];
const DATA_DAYS: &str = "reporting.data_days_30d";
const COUNT: &str = "pain_nrs.flare_signals";
const CHECK_IN: &str = "pain_nrs.flare_check_in";

pub(super) fn derive(book: &mut Book) {
    if book.wants(&[COUNT, CHECK_IN]) {
        flare_signals(book);
    }
    if book.wants(&[DATA_DAYS]) {
        data_days(book);
    }
}

/// A plain count: no rule looks at it, and it is said of days with any data.
fn data_days(book: &mut Book) {
    let mut days: BTreeMap<i32, BTreeSet<&str>> = BTreeMap::new();
    for (day, value) in reporting::names().flat_map(|name| book.each(name)) {
        days.entry(day).or_default().extend(value.quality.split(',').filter(|device| !device.is_empty()));
    }
    let newest = |day: i32| {
        let of_day = reporting::names().filter_map(|name| book.days.get(&day)?.get(name));
        of_day.max_by_key(|value| value.held_at).cloned().unwrap_or_default()
    };
    let mut told = Vec::new();
    for day in days.range(book.since..).map(|(day, _)| *day) {
        let near = days.range(day - data_days::DAYS + 1..=day);
        let near = near.flat_map(|(at, devices)| devices.iter().map(move |device| (*at, *device)));
        let by_device = data_days::by_device(near, day);
        let most = by_device.values().max().copied().unwrap_or_default();
        let quality = by_device.iter().map(|(device, days)| format!("{device}={days}")).collect::<Vec<_>>().join(",");
        let value = DailyValue { quality, ..like(&newest(day), Some(f64::from(most)), by_device.len()) };
        told.push((day, value));
    }
    told.into_iter().for_each(|(day, value)| book.put(day, DATA_DAYS, value, (None, None)));
}

fn flare_signals(book: &mut Book) {
    let wanted = |name: &str| SOURCES.contains(&name);
    let kept = daily::Kept { facts: book.facts, ..daily::Kept::of(book.days) };
    // The check-in of the first day looks at the day before it.
    let derived = daily::derive(&kept, book.since.saturating_sub(1), wanted);
    let days: BTreeSet<i32> = derived.keys().map(|(day, _)| *day).collect();
    let mut before: Option<(i32, Option<Count>)> = None;
    for day in days {
        let of_day = OfDay { day, derived: &derived, book };
        let counted = flare_signals::count(&of_day.signals());
        let base = of_day.base();
        let number = counted.as_ref().map(|counted| counted.positive.len() as f64);
        let available = counted.as_ref().map_or(0, |counted| counted.available);
        let list = counted.as_ref().map(|counted| counted.positive.join(",")).unwrap_or_default();
        let yesterday = before.take().filter(|(at, _)| *at == day - 1).and_then(|(_, counted)| counted);
        let checks_in = flare_signals::checks_in(yesterday.as_ref(), counted.as_ref());
        let told = DailyValue { quality: list.clone(), ..like(&base, number, available) };
        book.put(day, COUNT, told, (None, None));
        let flag = checks_in.map(|yes| f64::from(u8::from(yes)));
        let quality = if checks_in == Some(true) { list } else { String::new() };
        book.put(day, CHECK_IN, DailyValue { quality, ..like(&base, flag, available) }, (None, None));
        before = Some((day, counted));
    }
}

/// The derived values of one day.
struct OfDay<'a, 'b> {
    day: i32,
    derived: &'a DerivedDays,
    book: &'a Book<'b>,
}

impl OfDay<'_, '_> {
    fn found(&self, name: &'static str) -> Option<&Derived> {
        self.derived.get(&(self.day, name))
    }

    fn number(&self, name: &'static str) -> Option<f64> {
        self.found(name).and_then(|found| found.value.value)
    }

    /// A minute above what is usual for this patient.
    fn pulse_rise(&self) -> Option<f64> {
        let night = self.found("heart_rate.night_signal").and_then(|night| night.deviation);
        night.or_else(|| {
            let usual = self.found("resting_heart_rate.robust_z")?.baseline?;
            let values = self.book.days.get(&self.day)?;
            Some(values.get("resting_heart_rate.daily_median")?.value? - usual)
        })
    }

    fn signals(&self) -> [Signal; 5] {
        let low = |name| self.number(name).map(|z| z <= LOW_Z);
        let high = |name| self.number(name).map(|z| z >= HIGH_Z);
        let sleep = [low("sleep_stage.efficiency_z"), high("sleep_stage.waso_z")];
        let signal = |name, positive| Signal { name, positive };
        [
            signal("steps", low("step_count.robust_z")),
            signal("resting_heart_rate", self.pulse_rise().map(|rise| rise >= RESTING_RISE)),
            signal("sleep", sleep.into_iter().flatten().reduce(|one, other| one || other)),
            signal("as_needed_doses", self.number("medication_event.prn_escalation").map(|escalates| escalates > 0.0)),
            signal("pain", high("pain_nrs.robust_z")),
        ]
    }

    /// When the newest of them held.
    fn base(&self) -> DailyValue {
        let of_day = self.derived.iter().filter(|((at, _), _)| *at == self.day).map(|(_, found)| &found.value);
        let held_at = of_day.clone().map(|value| value.held_at).max().unwrap_or_default();
        let historical = of_day.clone().all(|value| value.historical);
        DailyValue { held_at, historical, ..DailyValue::default() }
    }
}
