//! Weight lost over weeks and months (clinical catalogue A7), and weights that are to be verified (G1).

use painwatch_domain::Measure;

use super::{Book, like};
use crate::intake::scale::{distance, median};
use crate::metrics::weight_loss::loss_pct;
use crate::patient::day::DailyValue;

/// Days whose median a weight is compared with.
const PAST_DAYS: i32 = 28;

/// Whether a day's weight lies more than 7 % off the median of the 28 days before it; `weights` in ascending order of their
/// days. Whose it is, is asked elsewhere: sooner, and of the reading (A7).
pub fn is_to_be_verified(weights: &[(i32, f64)], (day, kg): (i32, f64)) -> bool {
    let before = |day: i32| weights.partition_point(|(of, _)| *of < day);
    let past = &weights[before(day - PAST_DAYS)..before(day)];
    let scaled = |kg: f64| Measure::BodyWeight.to_scaled(kg);
    median(past.iter().map(|(_, kg)| scaled(*kg)).collect())
        .is_some_and(|median| distance(median, scaled(kg)).is_none())
}

const LOSSES: [(&str, i32); 2] = [("body_weight.loss_30d", 30), ("body_weight.loss_180d", 180)];

pub(super) fn derive(book: &mut Book) {
    if !book.wants(&LOSSES.map(|(name, _)| name)) {
        return;
    }
    let weights = book.numbers("body_weight.day_value");
    for (day, value) in book.each("body_weight.day_value") {
        for (name, days) in LOSSES {
            // Too few weighings yet is no row a day that says nothing.
            let lost = loss_pct(&weights, day, days).filter(|_| day >= book.since);
            if lost.is_some() {
                let verify = value.verify || value.value.is_some_and(|kg| is_to_be_verified(&weights, (day, kg)));
                book.put(day, name, DailyValue { verify, ..like(value, lost, 1) }, (None, None));
            }
        }
    }
}
