//! National Early Warning Score 2 (clinical catalogue A1; Royal College of Physicians 2017, table unmodified).
//!
//! Definition: respirations, SpO2, pulse and systolic pressure are rounded half-up to whole numbers and temperature to one
//! decimal, on the decimal text of the value; then the table gives 0 to 3 points an item. The total is null when an item is
//! missing; the band then rests on the partial sum, a lower bound, and is unknown if that triggers nothing. Scale 2 of SpO2
//! only where a clinician has set hypercapnic failure. A set is the latest valid value of each item within 60 min of the
//! newest one (engineering choice: the score assumes one bedside set).
//!
//! Built for hospital bedside sets: wrist skin temperature never feeds it, and alertness is asked, never inferred from
//! sleep. Reproduced with acknowledgement: Royal College of Physicians. National Early Warning Score (NEWS) 2. London, 2017.

use painwatch_domain::time::HOUR_MS;
use serde::Serialize;

/// How far behind the newest item of a set an older one may lie.
pub const SET_WITHIN_MS: i64 = HOUR_MS;

/// The seven items; `None` is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Items {
    /// Breaths a minute.
    pub respirations: Option<f64>,
    /// Percent.
    pub saturation: Option<f64>,
    /// Target 88 to 92 %: only where a clinician has set hypercapnic failure.
    pub scale_2: bool,
    pub on_oxygen: Option<bool>,
    /// Millimetres of mercury.
    pub systolic: Option<f64>,
    /// Beats a minute.
    pub pulse: Option<f64>,
    /// Alert; `false` is new confusion or a response to voice, to pain, or none.
    pub alert: Option<bool>,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Band {
    Unknown,
    Low,
    LowMedium,
    Medium,
    High,
}

impl Band {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Low => "low",
            Self::LowMedium => "low-medium",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// 0 for unknown to 4 for high, as rules compare it.
    pub fn rank(self) -> f64 {
        f64::from(self as u8)
    }
}

/// Points by item, in the order of [`Items`]: respirations, SpO2, oxygen, systolic, pulse, consciousness, temperature.
pub type Points = [Option<u8>; 7];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News2 {
    pub points: Points,
    pub missing: u8,
    pub partial_sum: u8,
    pub any_red: bool,
    pub total: Option<u8>,
    pub band: Band,
}

pub fn score(items: &Items) -> News2 {
    let whole = |value: Option<f64>| value.and_then(|value| half_up(value, 0));
    let points: Points = [
        whole(items.respirations).map(respirations),
        saturation(items),
        items.on_oxygen.map(|on| if on { 2 } else { 0 }),
        whole(items.systolic).map(systolic),
        whole(items.pulse).map(pulse),
        items.alert.map(|alert| if alert { 0 } else { 3 }),
        items.temperature.and_then(|value| half_up(value, 1)).map(temperature),
    ];
    let known = points.iter().flatten();
    let (partial_sum, any_red) = (known.clone().sum(), known.clone().any(|points| *points == 3));
    let missing = (points.len() - known.count()) as u8;
    let total = (missing == 0).then_some(partial_sum);
    News2 { points, missing, partial_sum, any_red, total, band: band(partial_sum, any_red, missing == 0) }
}

const fn band(sum: u8, any_red: bool, complete: bool) -> Band {
    match (sum, any_red, complete) {
        (7.., ..) => Band::High,
        (5..7, ..) => Band::Medium,
        (_, true, _) => Band::LowMedium,
        (.., true) => Band::Low,
        _ => Band::Unknown,
    }
}

/// Points for breaths a minute.
pub const fn respirations(rate: i64) -> u8 {
    match rate {
        ..=8 | 25.. => 3,
        9..=11 => 1,
        12..=20 => 0,
        21..=24 => 2,
    }
}

fn saturation(items: &Items) -> Option<u8> {
    let percent = items.saturation.and_then(|value| half_up(value, 0))?;
    if !items.scale_2 {
        return Some(saturation_1(percent));
    }
    Some(match (percent, items.on_oxygen) {
        (..=83, _) => 3,
        (84..=85, _) => 2,
        (86..=87, _) => 1,
        (88..=92, _) | (_, Some(false)) => 0,
        // Whether 93 % and more is too much depends on the oxygen.
        (_, None) => return None,
        (93..=94, Some(true)) => 1,
        (95..=96, Some(true)) => 2,
        (_, Some(true)) => 3,
    })
}

/// From so many percent on, scale 2 has two points and more for who is on oxygen.
pub const SCALE_2_HIGH: i64 = 95;

/// Points for percent on scale 1.
pub const fn saturation_1(percent: i64) -> u8 {
    match percent {
        ..=91 => 3,
        92..=93 => 2,
        94..=95 => 1,
        96.. => 0,
    }
}

const fn systolic(pressure: i64) -> u8 {
    match pressure {
        ..=90 | 220.. => 3,
        91..=100 => 2,
        101..=110 => 1,
        111..=219 => 0,
    }
}

/// Points for beats a minute.
pub const fn pulse(rate: i64) -> u8 {
    match rate {
        ..=40 | 131.. => 3,
        41..=50 | 91..=110 => 1,
        51..=90 => 0,
        111..=130 => 2,
    }
}

/// Points for tenths of a degree.
const fn temperature(tenths: i64) -> u8 {
    match tenths {
        ..=350 => 3,
        351..=360 | 381..=390 => 1,
        361..=380 => 0,
        391.. => 2,
    }
}

/// Rounded half-up on the decimal text of the value, times 10^`decimals`: 36.05 is 36.1, whatever its bits. `None` for what
/// is not finite or far outside any table.
pub fn half_up(value: f64, decimals: usize) -> Option<i64> {
    if !value.is_finite() || value.abs() >= 1e12 {
        return None;
    }
    if decimals == 0 {
        // A half is exact in binary, so there is nothing to see in the text that is not in the bits.
        return Some(value.round() as i64);
    }
    half_up_text(value, decimals)
}

fn half_up_text(value: f64, decimals: usize) -> Option<i64> {
    let text = format!("{}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut digits = String::from(whole);
    digits.extend(fraction.chars().chain(std::iter::repeat('0')).take(decimals));
    let up = fraction.as_bytes().get(decimals).is_some_and(|digit| *digit >= b'5');
    let rounded = digits.parse::<i64>().ok()? + i64::from(up);
    Some(if value < 0.0 { -rounded } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounding_looks_at_the_decimal_text() {
        for (value, decimals, rounded) in
            [(36.05, 1, 361), (36.04, 1, 360), (8.5, 0, 9), (8.49, 0, 8), (95.0, 0, 95), (-0.5, 0, -1), (1e-7, 0, 0)]
        {
            assert_eq!(half_up(value, decimals), Some(rounded), "{value}");
        }
        assert_eq!((half_up(f64::NAN, 0), half_up(1e300, 0)), (None, None));
    }

    #[test]
    fn on_scale_2_high_saturation_counts_only_on_oxygen_and_is_unknown_without_it() {
        let of = |saturation, on_oxygen| {
            let items = Items { saturation: Some(saturation), scale_2: true, on_oxygen, ..Items::default() };
            score(&items).points[1]
        };
        let got = [of(97.0, Some(true)), of(97.0, Some(false)), of(97.0, None), of(90.0, None), of(83.0, None)];
        assert_eq!(got, [Some(3), Some(0), None, Some(0), Some(3)]);
    }

    proptest! {
        #[test]
        fn whole_numbers_are_rounded_as_their_decimal_text_says(
            value in prop_oneof![-1e12f64..1e12, -300.0f64..300.0, (-600i32..600).prop_map(|halves| f64::from(halves) / 2.0)],
            ulps in -2i64..=2
        ) {
            let value = f64::from_bits(value.to_bits().saturating_add_signed(ulps));
            prop_assert_eq!(half_up(value, 0), half_up_text(value, 0).filter(|_| value.abs() < 1e12));
        }

        #[test]
        fn another_known_item_never_lowers_the_sum_nor_the_band(
            rr in prop::option::of(0.0f64..60.0), hr in prop::option::of(20.0f64..200.0), temperature in 33.0f64..42.0
        ) {
            let less = Items { respirations: rr, pulse: hr, ..Items::default() };
            let more = Items { temperature: Some(temperature), ..less };
            prop_assert!(score(&less).partial_sum <= score(&more).partial_sum && score(&less).band <= score(&more).band);
        }
    }
}
