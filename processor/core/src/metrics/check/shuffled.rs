//! The second pass over a case: its readings come one at a time and in another order, and what comes of them is the same.
//!
//! What production takes in any order is given to it in another. What it folds in order of time is taken in by its own
//! [`intake::handle`], one reading at a time and shuffled, and computed as the day blocks give it back.

use painwatch_domain::reading::Mode;
use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{
    BatchVerdict, DeviceId, EventTime, Flags, Measure, Meta, Roster, Sample, Series, TenantId, Value as Stored,
};
use serde_json::Value;

use super::cases::Input;
use crate::intake::{self, BlockCache, Incoming};

#[derive(Clone, Copy)]
enum Order {
    Any,
    OfTime,
}

/// Lists of a golden file's input whose elements come in any order or are told by their time; those that go together
/// element by element are joined by a space. What is not named is one reading, or a few that each have a place of their own.
const LISTS: &[(&str, Order, &[&str])] = &[
    ("summary_stats", Order::Any, &["x"]),
    ("robust_z", Order::Any, &["baseline"]),
    ("step_cadence", Order::Any, &["steps"]),
    ("nightsignal", Order::Any, &["nights"]),
    ("theil_sen", Order::Any, &["t y"]),
    ("rank_association", Order::Any, &["x y"]),
    ("cosinor", Order::Any, &["t_h y"]),
    ("mme_daily", Order::Any, &["items"]),
    ("pdc_mpr", Order::Any, &["fills"]),
    ("opioid_benzo_overlap", Order::Any, &["opioid", "benzodiazepine"]),
    ("rolling_24h_dose", Order::Any, &["events"]),
    ("dose_adherence", Order::Any, &["scheduled_min", "taken_min"]),
    ("orthostatic", Order::OfTime, &["standing"]),
    ("sustained_threshold", Order::OfTime, &["samples"]),
    ("weight_gain", Order::OfTime, &["days weight_kg"]),
    ("pain_intensity_summary", Order::OfTime, &["t_min nrs"]),
    ("ewma_chart", Order::OfTime, &["x"]),
    ("cusum_tabular", Order::OfTime, &["x"]),
    ("page_hinkley", Order::OfTime, &["x"]),
    ("mann_kendall", Order::OfTime, &["x"]),
    ("changepoint_pelt", Order::OfTime, &["x"]),
    ("sedentary_bouts", Order::OfTime, &["cpm"]),
    ("choi_nonwear", Order::OfTime, &["counts"]),
    ("troiano_nonwear", Order::OfTime, &["counts"]),
    ("cole_kripke", Order::OfTime, &["counts"]),
    ("sadeh", Order::OfTime, &["counts"]),
    ("sleep_summary", Order::OfTime, &["states"]),
    ("sleep_regularity_index", Order::OfTime, &["states"]),
    ("circadian_nonparametric", Order::OfTime, &["values"]),
    ("hrv_time", Order::OfTime, &["nn_ms"]),
    ("hrv_artefact", Order::OfTime, &["rr_ms"]),
    ("pain_flare", Order::OfTime, &["daily_nrs"]),
    ("return_to_baseline", Order::OfTime, &["pre", "post"]),
];

/// The input as it is after its readings came in another order; `None` where there is no other.
///
/// # Errors
/// Intake lost a reading, or took one for another.
pub fn shuffled(metric: &str, input: &Input) -> Result<Option<Input>, String> {
    let Some((_, order, groups)) = LISTS.iter().find(|(name, ..)| *name == metric) else { return Ok(None) };
    let (mut again, mut moved) = (input.0.clone(), false);
    for keys in groups.iter().map(|group| group.split(' ').collect::<Vec<_>>()) {
        // A table holds a list for each night.
        let places: Vec<String> = match again.get(keys[0]) {
            Some(Value::Object(nights)) => nights.keys().map(|night| format!("/{night}")).collect(),
            _ => vec![String::new()],
        };
        for place in &places {
            let mut lists: Vec<&mut Vec<Value>> = again
                .iter_mut()
                .filter(|(key, _)| keys.contains(&key.as_str()))
                .filter_map(|(_, value)| value.pointer_mut(place)?.as_array_mut())
                .collect();
            let count = lists.iter().map(|list| list.len()).min().unwrap_or(0);
            let arrival = another_order(count);
            moved |= count > 1;
            match order {
                Order::Any => lists.iter_mut().for_each(|list| **list = permuted(list, &arrival)),
                Order::OfTime => come_in(&mut lists, &arrival)?,
            }
        }
    }
    Ok(moved.then_some(Input(again)))
}

fn permuted(list: &[Value], order: &[usize]) -> Vec<Value> {
    order.iter().map(|nth| list[*nth].clone()).chain(list[order.len()..].iter().cloned()).collect()
}

/// Fisher and Yates with a fixed seed; never the order that was.
fn another_order(count: usize) -> Vec<usize> {
    let (mut order, mut dice): (Vec<usize>, u64) = ((0..count).collect(), 0x9e37_79b9_7f4a_7c15);
    for last in (1..count).rev() {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, ((dice >> 33) % (last as u64 + 1)) as usize);
    }
    if order.is_sorted() {
        order.reverse();
    }
    order
}

/// 2026-03-01T00:00:00Z, and a minute for each element.
const START: i64 = 20_513 * 1440 * MINUTE_MS;

/// Sends the elements as readings that say which element they are, in the order of `arrival`, and puts each where it is read
/// back. What is missing is not sent.
fn come_in(lists: &mut [&mut Vec<Value>], arrival: &[usize]) -> Result<(), String> {
    let refused = |error: &dyn std::fmt::Display| format!("intake: {error}");
    let (tenant, roster, measure) = (TenantId::default(), Roster::default(), Measure::HeartRate);
    let device = DeviceId::parse("golden").map_err(|error| refused(&error))?;
    let (mut cache, mut changes, mut tally) = (BlockCache::default(), Vec::new(), BatchVerdict::default());
    let there = |nth: &&usize| lists.iter().any(|list| !list[**nth].is_null());
    let sent: Vec<usize> = arrival.iter().filter(there).copied().collect();
    for &nth in &sent {
        let time = START + nth as i64 * MINUTE_MS;
        let (value, flags) = (Stored::Number(nth as i64), Flags::default());
        let samples = vec![Sample { time: EventTime(time), device_time: time, end: None, value, flags }];
        let series = Series { device: device.clone(), measure, meta: Meta::default(), samples };
        for key in intake::missing(&cache, &tenant, &series) {
            cache.load(key, None).map_err(|error| refused(&error))?;
        }
        let (series, mode, positions) = (&series, Mode::Live, &[][..]);
        let incoming = Incoming { tenant: &tenant, series, sent_at: None, mode, index: 0, packed: false, positions };
        intake::handle(&mut cache, &roster, &incoming, &mut changes, &mut tally).map_err(|error| refused(&error))?;
    }
    let until = START + arrival.len() as i64 * MINUTE_MS;
    let read = cache.effective(&tenant, &device, measure, EventTime(START), EventTime(until));
    if read.len() != sent.len() {
        return Err(format!("intake: {} readings of {}", read.len(), sent.len()));
    }
    for list in lists {
        let mut back = list.clone();
        back[..arrival.len()].fill(Value::Null);
        for reading in &read {
            let place = usize::try_from((reading.time.0 - START) / MINUTE_MS);
            let nth = reading.value.number().and_then(|nth| usize::try_from(nth).ok());
            let (Ok(place), Some(nth)) = (place, nth) else { return Err(refused(&"another reading")) };
            back[place] = list[nth].clone();
        }
        **list = back;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn input(fields: Value) -> Input {
        Input(fields.as_object().unwrap().clone().into_iter().collect())
    }

    #[test]
    fn lists_that_belong_together_stay_so_and_what_is_folded_in_time_comes_back_in_its_order() {
        let points = input(json!({ "t": [1, 2, 3, 4], "y": [10, 20, 30, 40], "z": 5 }));
        let again = shuffled("theil_sen", &points).unwrap().unwrap();
        let (t, y) = (again.integers("t").unwrap(), again.integers("y").unwrap());
        assert!(!t.is_sorted() && t.iter().zip(&y).all(|(t, y)| 10 * t == *y), "{t:?} {y:?}");
        let days = input(json!({ "x": [4.5, null, 1.0, 9.0] }));
        assert_eq!(shuffled("ewma_chart", &days).unwrap().unwrap().0, days.0);
        assert!(another_order(2) == [1, 0] && another_order(1) == [0]);
    }

    #[test]
    fn one_reading_has_no_other_order_and_each_night_has_its_own() {
        assert!(shuffled("bp_category", &input(json!({ "sbp": 120 }))).unwrap().is_none());
        assert!(shuffled("summary_stats", &input(json!({ "x": [1] }))).unwrap().is_none());
        let nights = input(json!({ "nights": { "2026-01-01": [61, 62], "2026-01-02": [70, 71, 72] } }));
        let again = shuffled("nightsignal", &nights).unwrap().unwrap();
        assert_eq!(again.0["nights"]["2026-01-01"], json!([62, 61]));
        assert_ne!(again.0["nights"]["2026-01-02"], nights.0["nights"]["2026-01-02"]);
    }

    #[test]
    fn every_file_that_is_named_can_be_recomputed() {
        for (metric, ..) in LISTS {
            assert!(crate::metrics::check::supported().any(|known| known == *metric), "{metric}");
        }
    }
}
