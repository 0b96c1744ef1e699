//! Numbers that depend neither on the order in which readings come nor on the machine that computes them.

use std::path::{Path, PathBuf};

use painwatch_domain::Measure;
use painwatch_processor_core::metrics::interval_merge::{Interval, merge, total};
use painwatch_processor_core::metrics::mme::{Amount, Equivalents};
use painwatch_processor_core::metrics::normal::two_sided_p;
use painwatch_processor_core::metrics::rolling_dose::micrograms;
use painwatch_processor_core::metrics::summary_stats::{mean, sd, sorted_present};
use painwatch_processor_core::metrics::wear::Span;
use proptest::prelude::*;

/// What the standard library leaves to the machine or does not promise to the last bit.
const UNPORTABLE: [&str; 23] = [
    ".sqrt()",
    ".cbrt()",
    ".ln()",
    ".ln_1p()",
    ".log(",
    ".log2()",
    ".log10()",
    ".exp()",
    ".exp2()",
    ".exp_m1()",
    ".powf(",
    ".sin()",
    ".cos()",
    ".tan()",
    ".sin_cos()",
    ".asin()",
    ".acos()",
    ".atan()",
    ".atan2(",
    ".sinh()",
    ".cosh()",
    ".tanh()",
    ".hypot(",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

#[test]
fn semantics_14_transcendental_functions_come_from_one_portable_implementation() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "../../domain/src", "../../ingest/core/src", "../../alerts/core/src"] {
        sources(&here.join(folder), &mut files);
    }
    let text_of = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    assert!(files.iter().any(|path| text_of(path).contains("libm::sqrt")), "the portable one is in use");
    for path in &files {
        let text = text_of(path);
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let found = UNPORTABLE.iter().find(|name| line.contains(**name));
            assert_eq!(found, None, "{}: {line}", path.display());
        }
    }
}

/// The last bits of what it gives: they are the same wherever this runs.
#[test]
fn semantics_14_results_are_the_same_to_the_last_bit_on_every_machine() {
    let bits = [two_sided_p(1.0), two_sided_p(2.5), sd(&[1.0, 2.0, 4.5]).unwrap()].map(f64::to_bits);
    assert_eq!(bits, PINNED);
}

const PINNED: [u64; 3] = [4599387777857794572, 4578312878471552233, 4610797798862969331];

#[test]
fn semantics_14_values_enter_as_integers_at_the_fixed_scale_of_their_measure() {
    for &measure in Measure::ALL {
        let ten_to_the_scale: f64 = ["1", "1e1", "1e2", "1e3", "1e4", "1e5", "1e6", "1e7", "1e8"]
            [measure.spec().scale as usize]
            .parse()
            .unwrap();
        for scaled in [0_i64, 1, -1, 7, 81_400_000, 36_050, i64::from(i32::MAX)] {
            let canonical = measure.to_canonical(scaled);
            assert_eq!(canonical.to_bits(), (scaled as f64 / ten_to_the_scale).to_bits(), "{measure:?}");
            assert_eq!(measure.to_scaled(canonical), scaled, "{measure:?}: an integer comes back as it went");
        }
    }
}

/// A control: added up as they come, decimal fractions do depend on the order.
#[test]
fn sums_of_fractions_as_they_come_would_depend_on_their_order() {
    let forwards: f64 = [0.1, 0.2, 0.3].iter().sum();
    let backwards: f64 = [0.3, 0.2, 0.1].iter().sum();
    assert_ne!(forwards.to_bits(), backwards.to_bits());
}

proptest! {
    #[test]
    fn semantics_14_sums_do_not_depend_on_order(
        (doses, shuffled) in prop::collection::vec((0usize..3, 0.0f64..90.0), 0..40)
            .prop_flat_map(|doses| (Just(doses.clone()), Just(doses).prop_shuffle())),
    ) {
        let equivalents = |doses: &[(usize, f64)]| {
            let mut sum = Equivalents::default();
            for (opioid, mg) in doses {
                let opioid = ["oxycodone", "codeine", "methadone"][*opioid];
                sum.add(&Amount { opioid, micrograms: micrograms(*mg).unwrap(), doses_milli: 1500 });
            }
            sum.total_mg().to_bits()
        };
        prop_assert_eq!(equivalents(&doses), equivalents(&shuffled));
        let moments = |doses: &[(usize, f64)]| {
            let sorted = sorted_present(&doses.iter().map(|(_, mg)| Some(*mg)).collect::<Vec<_>>());
            (mean(&sorted).map(f64::to_bits), sd(&sorted).map(f64::to_bits))
        };
        prop_assert_eq!(moments(&doses), moments(&shuffled));
    }

    #[test]
    fn semantics_14_what_intervals_contribute_is_whole_and_does_not_depend_on_their_order(
        (intervals, shuffled) in prop::collection::vec((0i64..500, 1i64..200, 0i64..i64::MAX / 1_000_000), 0..30)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let sum = |intervals: &[(i64, i64, i64)]| {
            let interval = |(start, length, count): &(i64, i64, i64)| Interval {
                span: Span { start: *start, end: start + length }, count: *count, source_priority: 1, device: "watch",
            };
            total(&merge(&intervals.iter().map(interval).collect::<Vec<_>>()))
        };
        prop_assert_eq!(sum(&intervals), sum(&shuffled));
    }
}
