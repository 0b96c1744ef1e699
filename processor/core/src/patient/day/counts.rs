//! Activity counts a minute: wear, sedentary time, and the night they tell (clinical catalogue C2 to C5).

use std::ops::Range;

use painwatch_domain::time::{HOUR_MS, MINUTE_MS};
use painwatch_domain::{LocalDay, Measure};

use super::minutes::{self, speaker};
use super::stages::in_bed;
use super::{DailyValue, Frame, Observation, Values, value_of};
use crate::metrics::sleep_summary::summarise;
use crate::metrics::sleep_wake::State;
use crate::metrics::{choi, cole_kripke, sadeh, sedentary, step_day, troiano};

/// Zeros before midnight were no wear if enough zeros follow them: a period of Choi's, a spike in it and the zeros after that
/// lie within this time.
pub const AHEAD_MS: i64 = 3 * HOUR_MS;

pub(super) fn counts(frame: &Frame, seen: &[&Observation]) -> Values {
    let until_end: Vec<&Observation> = seen.iter().filter(|seen| seen.time < frame.end).copied().collect();
    let Some(device) = speaker(frame, &until_end, Measure::ActivityCount).filter(|_| frame.closed) else {
        return Values::new();
    };
    let own = |seen: &&&Observation| seen.reading.measure == Measure::ActivityCount && seen.reading.device == *device;
    let readings: Vec<&Observation> = seen.iter().filter(own).copied().collect();
    let (from, noon) = night_of(frame);
    let minutes = minutes::counts(&readings, from, frame.end + AHEAD_MS);
    let told = Told { frame, readings: &readings, minutes: &minutes, from };
    let mut values = Values::new();
    if minutes[told.at(frame.start)..told.at(frame.end)].iter().any(Option::is_some) {
        told.day(is_hip(frame, device), &mut values);
    }
    told.night(in_bed(&until_end, (from, noon)), &mut values);
    values
}

/// The cut points of counts are those of ActiGraph-type devices at the hip: the roster's kind of device must say both.
fn is_hip(frame: &Frame, device: &painwatch_domain::DeviceId) -> bool {
    let kind = frame.roster.devices.get(device).map_or_else(String::new, |known| known.kind.to_lowercase());
    kind.contains("actigraph") && kind.contains("hip")
}

struct Told<'a> {
    frame: &'a Frame<'a>,
    readings: &'a [&'a Observation],
    /// From this time on, beyond the day at both ends.
    minutes: &'a [Option<u32>],
    from: i64,
}

impl Told<'_> {
    fn value(&self, value: Option<f64>, reason: &str, n: usize) -> DailyValue {
        let reason = if value.is_some() { "" } else { reason };
        DailyValue { n: n as u32, evidence: Vec::new(), ..value_of(self.frame, self.readings, value, reason) }
    }

    fn at(&self, time: i64) -> usize {
        usize::try_from((time - self.from) / MINUTE_MS).unwrap_or(0).min(self.minutes.len())
    }

    fn day(&self, hip: bool, values: &mut Values) {
        let today = self.at(self.frame.start)..self.at(self.frame.end);
        let present = self.minutes[today.clone()].iter().flatten().count();
        let worn = &worn(self.minutes, &[])[today.clone()];
        let wear = worn.iter().flatten().count();
        let enough = wear as i64 * MINUTE_MS >= step_day::MIN_WEAR_MS;
        let coverage = Some(wear as f64 * MINUTE_MS as f64 / (self.frame.end - self.frame.start) as f64);
        let mut put = |method: &str, value: DailyValue| {
            values.insert(format!("activity_count.{method}"), DailyValue { coverage, ..value });
        };
        put("wear_minutes", self.value(Some(wear as f64), "", present));
        let of_today = |(from, to): &choi::Period| (*to).min(today.end).saturating_sub((*from).max(today.start));
        let troiano: usize = troiano::non_wear(self.minutes, troiano::DEFAULTS).iter().map(of_today).sum();
        put("non_wear_troiano", self.value(Some(troiano as f64), "", present));
        if hip {
            let told = sedentary::sedentary(worn);
            let valid = |value: Option<f64>| self.value(value.filter(|_| enough), "not_worn", wear);
            put("sedentary_minutes", valid(Some(f64::from(told.sedentary))));
            for (least, (bouts, minutes)) in ["20", "30", "60"].into_iter().zip(told.at_least) {
                put(&format!("sedentary_bouts_{least}"), valid(Some(f64::from(minutes))));
                put(&format!("sedentary_bouts_{least}_number"), valid(Some(f64::from(bouts))));
            }
            put("sedentary_breaks", valid(Some(f64::from(told.breaks))));
            put("mean_sedentary_bout", valid(told.mean_bout));
            put("p_sedentary_to_active", valid(told.p_sedentary_to_active));
            put("light_minutes", valid(Some(f64::from(told.light))));
            put("moderate_to_vigorous_minutes", valid(Some(f64::from(told.moderate_to_vigorous))));
            put("vigorous_minutes", valid(Some(f64::from(told.vigorous))));
        }
    }

    /// The night in bed, if somebody said when that was.
    fn night(&self, in_bed: Option<(i64, i64)>, values: &mut Values) {
        let bed = in_bed.map(|(start, end)| self.at(start)..self.at(end)).filter(|bed| !bed.is_empty());
        let Some(bed) = bed else { return };
        let worn = worn(self.minutes, std::slice::from_ref(&bed));
        let night = |states: Vec<Option<State>>| summarise(&states[bed.clone()]);
        let told = night(cole_kripke::states(&worn));
        if told.tib == 0 {
            return;
        }
        let coverage = Some(f64::from(told.tib) / bed.len() as f64);
        let mut put = |method: &str, value: Option<f64>| {
            let value = self.value(value, "insufficient", told.tib as usize);
            values.insert(format!("activity_count.{method}"), DailyValue { coverage, ..value });
        };
        put("total_sleep", Some(f64::from(told.tst)));
        put("total_sleep_sadeh", Some(f64::from(night(sadeh::states(&worn)).tst)));
        put("sleep_efficiency", told.se_pct);
        put("sleep_onset_latency", told.sol.map(f64::from));
        put("wake_after_sleep_onset", told.waso.map(f64::from));
        put("awakenings", told.awakenings.map(f64::from));
    }
}

/// The minutes without those that were not worn. People lie still in bed: there only a period of non-wear that holds all of
/// it says that the device lay elsewhere.
pub(super) fn worn(minutes: &[Option<u32>], in_bed: &[Range<usize>]) -> Vec<Option<u32>> {
    let not_worn = choi::non_wear(minutes, choi::DEFAULTS);
    let mut worn = minutes.to_vec();
    not_worn.iter().for_each(|(from, to)| worn[*from..*to].fill(None));
    for bed in in_bed {
        if !not_worn.iter().any(|(from, to)| *from <= bed.start && bed.end <= *to) {
            worn[bed.clone()].copy_from_slice(&minutes[bed.clone()]);
        }
    }
    worn
}

/// Noon before the day to its noon.
pub(super) fn night_of(frame: &Frame) -> (i64, i64) {
    let noon = |day: LocalDay| frame.zone.at(day, 12 * 60).0;
    (noon(frame.day.plus(-1)), noon(frame.day).max(noon(frame.day.plus(-1)) + HOUR_MS))
}
