//! Single cosinor (clinical catalogue B10; Nelson 1979). Shown, never alerted on.
//!
//! Definition: ordinary least squares of y on 1, cos and sin at the period; amplitude = sqrt(a² + b²), acrophase = clock hour
//! of the fitted peak in [0, period), r² = 1 - SSR/SST. Null where the times do not tell the three apart (fewer than three
//! of them within a period); r² null for a constant. Shown for 24 h from 3 days of at least 12 points on.

pub const PERIOD_H: f64 = 24.0;
pub const MIN_DAYS: usize = 3;
pub const MIN_POINTS_A_DAY: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosinor {
    pub mesor: f64,
    pub amplitude: f64,
    pub acrophase_h: f64,
    pub r2: Option<f64>,
}

type Row = [f64; 4];

/// Points (hours, y) in any order; whole periods may lie between them.
pub fn cosinor(points: &[(f64, f64)], period_h: f64) -> Option<Cosinor> {
    let mut points = points.to_vec();
    points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mean = points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64;
    let turn = std::f64::consts::TAU / period_h;
    let row = |&(t, y): &(f64, f64)| [1.0, libm::cos(turn * t), libm::sin(turn * t), y - mean];
    let rows: Vec<Row> = points.iter().map(row).collect();
    let [offset, a, b] = solve(normal_equations(&rows), points.len() as f64)?;
    let fitted = |row: &Row| offset + a * row[1] + b * row[2];
    let left: f64 = rows.iter().map(|row| (row[3] - fitted(row)) * (row[3] - fitted(row))).sum();
    let total: f64 = rows.iter().map(|row| row[3] * row[3]).sum();
    Some(Cosinor {
        mesor: mean + offset,
        amplitude: libm::sqrt(a * a + b * b),
        acrophase_h: clock_hour(libm::atan2(b, a) / turn, period_h),
        r2: (total > CONSTANT * rows.len() as f64 * (mean * mean).max(1.0)).then(|| 1.0 - left / total),
    })
}

fn clock_hour(hour: f64, period_h: f64) -> f64 {
    let wrapped = if hour < 0.0 { hour + period_h } else { hour };
    if wrapped < period_h { wrapped } else { 0.0 }
}

fn normal_equations(rows: &[Row]) -> [Row; 3] {
    let product = |i: usize, j: usize| rows.iter().map(|row| row[i] * row[j]).sum::<f64>();
    std::array::from_fn(|i| std::array::from_fn(|j| product(i, j)))
}

/// Squares about the mean below this fraction of the squares of the values are no variation but rounding: the mean of equal
/// numbers is not always that number.
const CONSTANT: f64 = 1e-20;

/// A pivot below this fraction of the number of points is no information but rounding.
const SINGULAR: f64 = 1e-10;

/// Elimination with the greatest pivot.
fn solve(mut rows: [Row; 3], scale: f64) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot = (column..3).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let lead = rows[column];
        if lead[column].abs() <= SINGULAR * scale {
            return None;
        }
        for row in &mut rows[column + 1..] {
            let factor = row[column] / lead[column];
            row.iter_mut().zip(lead).for_each(|(value, lead)| *value -= factor * lead);
        }
    }
    let mut solution = [0.0; 3];
    for at in (0..3).rev() {
        let known: f64 = (at + 1..3).map(|j| rows[at][j] * solution[j]).sum();
        solution[at] = (rows[at][3] - known) / rows[at][at];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_hour_of_the_clock_and_two_times_a_day_tell_nothing() {
        let wave = |hour: f64| 10.0 + 3.0 * libm::cos(std::f64::consts::TAU * (hour - 15.0) / 24.0);
        let points: Vec<_> = (0..72).map(|hour| (f64::from(hour), wave(f64::from(hour)))).collect();
        let fit = cosinor(&points, PERIOD_H).unwrap();
        assert!((fit.acrophase_h - 15.0).abs() < 1e-9 && (fit.amplitude - 3.0).abs() < 1e-9);
        assert!((fit.mesor - 10.0).abs() < 1e-9 && fit.r2.is_some_and(|r2| r2 > 0.999_999));
        let twice: Vec<_> = points.iter().filter(|(hour, _)| hour % 12.0 == 0.0).copied().collect();
        assert_eq!((cosinor(&twice, PERIOD_H), cosinor(&[], PERIOD_H)), (None, None));
    }

    #[test]
    fn a_constant_has_no_explained_part() {
        let flat = |y: f64| cosinor(&(0..24).map(|hour| (f64::from(hour), y)).collect::<Vec<_>>(), PERIOD_H).unwrap();
        let fit = flat(7.0);
        assert_eq!((fit.mesor, fit.amplitude, fit.r2), (7.0, 0.0, None));
        assert_eq!([36.6, 0.1, 7.3, 71.1, 1e9 + 0.1].map(|y| flat(y).r2), [None; 5]);
        let nearly: Vec<_> = (0..24).map(|hour| (f64::from(hour), 36.6 + f64::from(hour % 2) * 1e-6)).collect();
        assert!(cosinor(&nearly, PERIOD_H).unwrap().r2.is_some());
    }
}
