//! Weight lost over weeks and months (clinical catalogue A7).

use super::{Book, like};
use crate::metrics::weight_loss::loss_pct;

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
                book.put(day, name, like(value, lost, 1), (None, None));
            }
        }
    }
}
