//! Rolling totals of doses (clinical catalogue E4).
//!
//! Definition: the sum over (t - 24 h, t] at each dose time t, doses of one instant summed first; more than the limit is a
//! breach, exactly the limit is none. Amounts are integer micrograms, so that 0.1 + 0.2 mg is 0.3 mg. A rule compares the
//! total's share of the limit with 1.

/// The length of the window that daily maxima speak of.
pub const DAY_WINDOW_MS: i64 = painwatch_domain::time::DAY_MS;

/// Milligrams as micrograms; `None` for what is negative, not finite or beyond any dose.
pub fn micrograms(milligrams: f64) -> Option<i64> {
    let micrograms = (milligrams * 1000.0).round();
    (0.0..1e15).contains(&micrograms).then_some(micrograms as i64)
}

pub fn milligrams(micrograms: i64) -> f64 {
    micrograms as f64 / 1000.0
}

/// A total as a share of the most that is allowed: 1 exactly on it.
pub fn share(total_micrograms: i64, most_mg: f64) -> f64 {
    milligrams(total_micrograms) / most_mg
}

/// A dose time and the total of the window that ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    pub time: i64,
    pub sum: i64,
}

/// The totals at each dose time, ascending; (time, amount) in any order.
pub fn totals(doses: &[(i64, i64)], window_ms: i64) -> Vec<Total> {
    let mut doses = doses.to_vec();
    doses.sort_unstable();
    let (mut first, mut sum) = (0, 0);
    let mut totals: Vec<Total> = Vec::new();
    for &(time, amount) in &doses {
        sum += amount;
        while doses[first].0 <= time - window_ms {
            sum -= doses[first].1;
            first += 1;
        }
        match totals.last_mut() {
            Some(last) if last.time == time => last.sum = sum,
            _ => totals.push(Total { time, sum }),
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tenth_and_two_tenths_are_three_tenths() {
        let doses = [0.1, 0.2].map(|mg| (0, micrograms(mg).unwrap()));
        assert_eq!(totals(&doses, DAY_WINDOW_MS), [Total { time: 0, sum: micrograms(0.3).unwrap() }]);
        assert_eq!(share(totals(&doses, DAY_WINDOW_MS)[0].sum, 0.3), 1.0);
        assert_eq!((micrograms(-1.0), micrograms(f64::NAN)), (None, None));
    }

    proptest! {
        #[test]
        fn each_total_is_the_sum_over_its_half_open_window_whatever_the_order(
            mut doses in prop::collection::vec((0i64..5_000, 0i64..1_000_000), 0..60), window in 1i64..2_000
        ) {
            let got = totals(&doses, window);
            for total in &got {
                let inside = doses.iter().filter(|(time, _)| total.time - window < *time && *time <= total.time);
                prop_assert_eq!(inside.map(|(_, amount)| amount).sum::<i64>(), total.sum);
            }
            doses.reverse();
            prop_assert_eq!(totals(&doses, window), got);
        }
    }
}
