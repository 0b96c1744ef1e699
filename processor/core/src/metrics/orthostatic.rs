//! Orthostatic blood pressure (clinical catalogue A5; 2011 consensus, Freeman et al.).
//!
//! Definition, from a supine reading and readings at so many seconds after standing up: classic, a fall of >= 20 systolic
//! or >= 10 diastolic after 15 s and within 3 min (>= 30 or >= 15 where supine pressure is >= 140 or >= 90); initial, above 40
//! or 20 within 15 s; delayed, the classic fall after 3 min and no classic one. Standing systolic < 90, and the rise of the
//! pulse within 10 min (>= 30 without a classic fall is POTS-like), leave out the first 15 s. At the largest systolic fall of
//! a classic one, rise of the pulse / fall < 0.5 is a neurogenic pattern (Norcliffe-Kaufmann 2018; to be confirmed). The
//! consensus says "sustained": `sustained` also asks the last reading within 3 min to show the fall, where there are two or
//! more.

use serde::Serialize;

const INITIAL_UNTIL_S: f64 = 15.0;
const CLASSIC_UNTIL_S: f64 = 180.0;
const PULSE_UNTIL_S: f64 = 600.0;
const LOW_SYSTOLIC: f64 = 90.0;
const POTS_RISE: f64 = 30.0;
const NEUROGENIC_BELOW: f64 = 0.5;

/// Pressures in millimetres of mercury, pulse a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub systolic: f64,
    pub diastolic: f64,
    pub pulse: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Orthostatic {
    pub initial: bool,
    pub classic: bool,
    pub delayed: bool,
    pub standing_sbp_lt90: bool,
    pub hr_rise_max: Option<f64>,
    pub pots_hr_criterion: bool,
    pub dhr_dsbp: Option<f64>,
    pub neurogenic_pattern: Option<bool>,
}

impl Orthostatic {
    pub const fn is_hypotension(&self) -> bool {
        self.initial || self.classic || self.delayed
    }

    /// A fall of pressure, or a standing pressure below 90 from wherever it fell: each counts by itself.
    pub const fn is_low(&self) -> bool {
        self.is_hypotension() || self.standing_sbp_lt90
    }
}

/// Judges standing readings, each with its seconds since standing up, in any order.
pub fn judge(supine: Reading, standing: &[(f64, Reading)], sustained: bool) -> Orthostatic {
    let mut standing = standing.to_vec();
    standing.sort_by(|a, b| a.0.total_cmp(&b.0));
    let fall = |reading: &Reading| (supine.systolic - reading.systolic, supine.diastolic - reading.diastolic);
    let high = supine.systolic >= 140.0 || supine.diastolic >= 90.0;
    let (systolic_fall, diastolic_fall) = if high { (30.0, 15.0) } else { (20.0, 10.0) };
    let falls = |reading: &Reading| {
        let (systolic, diastolic) = fall(reading);
        systolic >= systolic_fall || diastolic >= diastolic_fall
    };
    let between = |from: f64, until: f64| {
        standing.iter().filter(move |(at, _)| from < *at && *at <= until).map(|(_, reading)| reading)
    };
    let initial = between(f64::NEG_INFINITY, INITIAL_UNTIL_S)
        .map(&fall)
        .any(|(systolic, diastolic)| systolic > 40.0 || diastolic > 20.0);
    let within: Vec<&Reading> = between(INITIAL_UNTIL_S, CLASSIC_UNTIL_S).collect();
    let lasts = !sustained || within.len() < 2 || within.last().is_some_and(|last| falls(last));
    let classic = lasts && within.iter().any(|reading| falls(reading));
    let rises = between(INITIAL_UNTIL_S, PULSE_UNTIL_S).filter_map(|reading| Some(reading.pulse? - supine.pulse?));
    let hr_rise_max = rises.max_by(f64::total_cmp);
    let dhr_dsbp = if classic { pulse_by_pressure(supine, &within, systolic_fall) } else { None };
    Orthostatic {
        initial,
        classic,
        delayed: !classic && between(CLASSIC_UNTIL_S, f64::INFINITY).any(falls),
        standing_sbp_lt90: between(INITIAL_UNTIL_S, f64::INFINITY).any(|reading| reading.systolic < LOW_SYSTOLIC),
        hr_rise_max,
        pots_hr_criterion: !classic && hr_rise_max.is_some_and(|rise| rise >= POTS_RISE),
        dhr_dsbp,
        neurogenic_pattern: dhr_dsbp.map(|ratio| ratio < NEUROGENIC_BELOW),
    }
}

/// At the largest systolic fall, of several equal ones the first; a fall of diastolic pressure alone has no ratio.
fn pulse_by_pressure(supine: Reading, within: &[&Reading], least_fall: f64) -> Option<f64> {
    let mut largest: Option<&Reading> = None;
    for reading in within {
        if largest.is_none_or(|known| reading.systolic < known.systolic) {
            largest = Some(reading);
        }
    }
    let reading = largest.filter(|reading| supine.systolic - reading.systolic >= least_fall)?;
    Some((reading.pulse? - supine.pulse?) / (supine.systolic - reading.systolic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(systolic: f64, diastolic: f64, pulse: f64) -> Reading {
        Reading { systolic, diastolic, pulse: Some(pulse) }
    }

    #[test]
    fn a_fall_that_recovers_within_three_minutes_is_not_a_sustained_one() {
        let standing = [(170.0, reading(118.0, 74.0, 70.0)), (60.0, reading(99.0, 72.0, 75.0))];
        let supine = reading(120.0, 75.0, 65.0);
        assert!(judge(supine, &standing, false).classic && !judge(supine, &standing, true).classic);
        assert!(
            judge(supine, &standing[1..], true).classic,
            "one reading cannot show that it lasts, nor that it does not"
        );
    }

    #[test]
    fn a_standing_pressure_below_90_is_low_without_a_fall() {
        let low = |standing: f64| judge(reading(96.0, 60.0, 70.0), &[(60.0, reading(standing, 58.0, 75.0))], false);
        assert!(low(88.0).is_low() && !low(88.0).is_hypotension() && !low(90.0).is_low());
    }
}
