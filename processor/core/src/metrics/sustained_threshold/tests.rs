use proptest::prelude::*;

use super::*;

type Samples = Vec<(i64, Option<f64>)>;

fn engine(duration: i64, hold: i64) -> SustainedThreshold {
    SustainedThreshold::new(Comparison::AtMost(5.0), duration, hold)
}

fn run(mut engine: SustainedThreshold, samples: &[(i64, Option<f64>)]) -> Vec<Transition> {
    let mut out = Vec::new();
    for (time, value) in samples {
        engine.handle(*time, *value, &mut out);
    }
    engine.finish(&mut out);
    out
}

fn episodes(transitions: &[Transition]) -> Vec<(i64, i64)> {
    let closed = transitions.iter().filter_map(|transition| match transition {
        Transition::Closed { start, end, .. } => Some((*start, *end)),
        Transition::Opened { .. } => None,
    });
    closed.collect()
}

/// The definition, instant by instant.
fn by_grid(samples: &[(i64, Option<f64>)], duration: i64, hold: i64) -> Vec<(i64, i64)> {
    let present: Vec<_> = samples.iter().filter_map(|(time, value)| value.map(|value| (*time, value))).collect();
    let (Some(first), Some(last)) = (present.first(), present.last()) else { return Vec::new() };
    let holds = |instant: i64| {
        let (time, value) = present.iter().rev().find(|(time, _)| *time <= instant).unwrap();
        instant - time < hold && *value <= 5.0
    };
    let (mut found, mut start) = (Vec::new(), None);
    for instant in first.0..=last.0 {
        match (instant < last.0 && holds(instant), start) {
            (true, None) => start = Some(instant),
            (false, Some(from)) => {
                found.extend((instant - from >= duration).then_some((from, instant)));
                start = None;
            }
            _ => {}
        }
    }
    found
}

fn samples() -> impl Strategy<Value = Samples> {
    let value = prop_oneof![3 => Just(Some(4.0)), 1 => Just(Some(5.0)), 2 => Just(Some(6.0)), 1 => Just(None)];
    prop::collection::vec((1i64..40, value), 0..40).prop_map(|steps| {
        let mut time = 0;
        steps
            .into_iter()
            .map(|(step, value)| {
                time += step;
                (time, value)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn episodes_are_those_of_the_definition_instant_by_instant(samples in samples(), duration in 1i64..60, hold in 1i64..50) {
        prop_assert_eq!(episodes(&run(engine(duration, hold), &samples)), by_grid(&samples, duration, hold));
    }

    #[test]
    fn letting_time_pass_between_samples_and_restarting_anywhere_change_nothing(
        samples in samples(), duration in 1i64..60, hold in 1i64..50, pauses in prop::collection::vec(0i64..60, 40),
    ) {
        let (mut engine, mut out) = (engine(duration, hold), Vec::new());
        let expected = run(engine, &samples);
        for (index, (time, value)) in samples.iter().enumerate() {
            engine.handle(*time, *value, &mut out);
            let present = |(time, value): &(i64, Option<f64>)| value.map(|_| *time);
            let next = samples[index + 1..].iter().find_map(present).or(samples[..=index].iter().rev().find_map(present));
            let next = next.unwrap_or(*time);
            engine.advance((time + pauses[index]).min(next), &mut out);
            let snapshot = serde_json::to_vec(&engine).unwrap();
            engine = serde_json::from_slice(&snapshot).unwrap();
        }
        engine.finish(&mut out);
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn nothing_happens_before_the_deadline_and_something_at_it(samples in samples(), duration in 1i64..60, hold in 1i64..50) {
        let mut engine = engine(duration, hold);
        for (time, value) in &samples {
            engine.handle(*time, *value, &mut Vec::new());
        }
        while let Some(deadline) = engine.deadline() {
            let (before, mut out) = (engine, Vec::new());
            engine.advance(deadline - 1, &mut out);
            prop_assert_eq!((&engine, out.len()), (&before, 0));
            engine.advance(deadline, &mut out);
            prop_assert_ne!(&engine, &before);
        }
        prop_assert_eq!(engine.running(), None);
    }

    #[test]
    fn an_episode_opens_no_later_than_its_proof(samples in samples(), duration in 1i64..60, hold in 1i64..50) {
        for transition in run(engine(duration, hold), &samples) {
            if let Transition::Opened { start, qualified_at } = transition {
                prop_assert_eq!(qualified_at, start + duration);
            }
        }
    }
}

#[test]
fn an_episode_is_known_while_it_lasts_not_when_it_ends() {
    let (mut engine, mut out) = (engine(180, 90), Vec::new());
    for time in [0, 60, 120] {
        engine.handle(time, Some(5.0), &mut out);
    }
    assert_eq!((out.len(), engine.deadline()), (0, Some(180)));
    engine.advance(180, &mut out);
    assert_eq!(out, [Transition::Opened { start: 0, qualified_at: 180 }]);
    assert_eq!((engine.held_until(500), engine.deadline()), (Some(210), Some(211)));
    engine.advance(1_000, &mut out);
    assert_eq!(out[1], Transition::Closed { start: 0, end: 210, by_gap: true });
}

#[test]
fn one_sample_held_long_enough_is_not_two_samples() {
    let (mut engine, mut out) = (engine(60, 90).with_min_samples(2), Vec::new());
    engine.handle(0, Some(3.0), &mut out);
    engine.advance(80, &mut out);
    assert!(out.is_empty());
    engine.handle(85, Some(3.0), &mut out);
    assert_eq!(out, [Transition::Opened { start: 0, qualified_at: 85 }]);
}

#[test]
fn below_is_strict_and_at_most_is_not_on_decimals_as_written() {
    let stored = painwatch_domain::Measure::BodyTemperature.to_canonical(36_100);
    assert!(!Comparison::Below(36.1).holds(stored) && Comparison::AtMost(36.1).holds(stored));
    assert!(!Comparison::Above(36.1).holds(stored) && Comparison::AtLeast(36.1).holds(stored));
    let outside = Comparison::Outside { lo: 36.1, hi: 38.0 };
    assert!(!outside.holds(stored) && outside.holds(36.0) && outside.holds(38.001));
    assert_eq!(outside.worse(35.0, 40.0), 40.0);
}
