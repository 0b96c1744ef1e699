use super::*;
use proptest::prelude::*;

const SPO2: Measure = Measure::OxygenSaturation;

fn low_saturation() -> HoldRule {
    HoldRule {
        enter: Comparison::Below(90.0),
        enter_for_ms: 180_000,
        clear: Comparison::AtLeast(92.0),
        clear_for_ms: 300_000,
        max_gap_ms: 90_000,
        min_samples: 1,
    }
}

fn always(rule: HoldRule) -> HoldVersions {
    HoldVersions::new([(i64::MIN, rule)])
}

fn samples(values: &[(i64, f64)]) -> Vec<HoldSample<'static>> {
    let id = |time: i64| Hash128::of(&[&time.to_le_bytes()]);
    let sample = |&(s, value): &(i64, f64)| {
        let (time, id) = (s * 1000, SampleId::Known(id(s)));
        HoldSample { time, value, id, historical: false, verify: value < 80.0 }
    };
    values.iter().map(sample).collect()
}

fn every_30_s(from: i64, to: i64, value: f64) -> Vec<(i64, f64)> {
    (from..to).step_by(30).map(|s| (s, value)).collect()
}

/// Everything told about the samples at `now`.
fn told(versions: &HoldVersions, values: &[(i64, f64)], now: i64) -> Vec<Span> {
    let (state, mut spans) = fold(versions, SPO2, None, &samples(values));
    spans.extend(state.iter().flat_map(|state| state.ahead(versions, SPO2, now)));
    spans
}

#[test]
fn an_episode_lasts_until_the_clear_condition_has_held_and_not_before() {
    let values =
        [every_30_s(0, 300, 85.0), every_30_s(300, 420, 93.0), every_30_s(420, 450, 88.0), every_30_s(450, 900, 95.0)];
    let spans = told(&always(low_saturation()), &values.concat(), i64::MAX / 2);
    assert_eq!(spans.iter().map(|span| (span.start, span.end)).collect::<Vec<_>>(), [(0, Some(450_000))]);
}

#[test]
fn a_gap_never_clears_an_episode() {
    assert_eq!(told(&always(low_saturation()), &every_30_s(0, 300, 85.0), i64::MAX / 2)[0].end, None);
}

#[test]
fn an_open_episode_shows_the_evidence_it_opened_with_and_an_ended_one_its_worst() {
    let versions = always(low_saturation());
    let long = [every_30_s(0, 30_000, 85.0), every_30_s(30_000, 30_030, 70.0)].concat();
    let open = told(&versions, &long, 30_030_000);
    assert_eq!(open[0].evidence.len(), 6, "3 min of samples at 30 s");
    let ended = told(&versions, &[long, every_30_s(30_030, 31_000, 95.0)].concat(), 40_000_000);
    let worst = Hash128::of(&[&30_000i64.to_le_bytes()]).0;
    assert_eq!((ended[0].evidence.len(), ended[0].evidence.contains(&worst)), (EVIDENCE_MAX, true));
}

#[test]
fn an_episode_asks_to_verify_the_sensor_where_its_worst_sample_does() {
    let why = |values: &[i64]| {
        let values: Vec<_> = (0..10).map(|nth| (30 * nth as i64, values[nth % values.len()] as f64)).collect();
        told(&always(low_saturation()), &values, 300_000).pop().unwrap().why
    };
    let (doubted, plain) = (why(&[85, 65]), why(&[85, 80]));
    assert!(doubted.ends_with("worst 65 %; verify sensor"), "{doubted}");
    assert!(plain.ends_with("worst 80 %"), "{plain}");
}

#[test]
fn semantics_11_a_rule_edited_while_an_episode_lasts_continues_it() {
    let stricter = HoldRule { clear: Comparison::AtLeast(95.0), ..low_saturation() };
    let versions = HoldVersions::new([(i64::MIN, low_saturation()), (400_000, stricter)]);
    let values = [every_30_s(0, 600, 85.0), every_30_s(600, 1_200, 93.0), every_30_s(1_200, 1_800, 96.0)].concat();
    let spans = told(&versions, &values, 2_000_000);
    assert_eq!(spans.iter().map(|span| (span.start, span.end)).collect::<Vec<_>>(), [(0, Some(600_000))]);
    let only_until_93 = told(&versions, &values[..40], 1_200_000);
    assert_eq!(only_until_93[0].end, None, "93 % clears under the old version only");
}

#[test]
fn semantics_11_what_time_proved_before_an_edit_is_the_same_with_and_without_a_later_sample() {
    let longer = HoldRule { enter_for_ms: 1_200_000, ..low_saturation() };
    let edited_at = |at: i64| HoldVersions::new([(i64::MIN, low_saturation()), (at, longer.clone())]);
    let held = every_30_s(0, 120, 85.0);
    for (at, episodes) in [(181_000, 1), (179_000, 0)] {
        let versions = edited_at(at);
        assert_eq!(told(&versions, &held, 190_000).len(), episodes, "by time alone, edited at {at}");
        let longer = [held.clone(), every_30_s(195, 225, 85.0)].concat();
        assert_eq!(told(&versions, &longer, 230_000).len(), episodes, "with a sample, edited at {at}");
    }
}

#[test]
fn a_sample_before_the_first_version_is_judged_by_none() {
    let versions = HoldVersions::new([(1_000_000, low_saturation())]);
    assert!(told(&versions, &every_30_s(0, 990, 85.0), 1_000_000).is_empty());
}

proptest! {
    #[test]
    fn folding_in_parts_gives_what_folding_it_whole_gives(
        values in prop::collection::vec((1i64..120, 80u32..100), 1..120), cuts in prop::collection::vec(0usize..120, 0..6),
        changed_at in 0i64..7_000_000
    ) {
        let rule = HoldRule { enter_for_ms: 60_000, min_samples: 2, clear_for_ms: 90_000, ..low_saturation() };
        let other = HoldRule { enter: Comparison::Below(88.0), max_gap_ms: 60_000, ..low_saturation() };
        let versions = HoldVersions::new([(i64::MIN, rule), (changed_at, other)]);
        let mut at = 0;
        let values: Vec<_> = values.into_iter().map(|(step, value)| { at += step; (at, f64::from(value)) }).collect();
        let whole = told(&versions, &values, at * 1000 + 50_000);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(values.len())).chain([0, values.len()]).collect();
        cuts.sort_unstable();
        let (mut state, mut parts) = (None, Vec::new());
        for cut in cuts.windows(2) {
            let (after, ended) = fold(&versions, SPO2, state, &samples(&values[cut[0]..cut[1]]));
            state = after;
            parts.extend(ended);
        }
        parts.extend(state.iter().flat_map(|state| state.ahead(&versions, SPO2, at * 1000 + 50_000)));
        prop_assert_eq!(parts, whole);
    }
}
