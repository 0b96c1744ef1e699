//! Sequence numbers against the plainest model: a set.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::intake::{Arrived, BOOTS, Boots, RANGES};

fn arrived(numbers: impl IntoIterator<Item = u64>) -> Arrived {
    let mut arrived = Arrived::default();
    numbers.into_iter().for_each(|seq| {
        arrived.note(seq);
    });
    arrived
}

fn missing(arrived: &Arrived) -> Vec<(u64, u64)> {
    arrived.missing().iter().collect()
}

#[test]
fn what_lies_between_is_missing_and_a_late_number_closes_its_gap() {
    let mut some = arrived([1, 2, 9, 5]);
    assert_eq!(missing(&some), [(3, 4), (6, 8)]);
    assert_eq!((some.span(), some.told_from()), (Some((1, 9)), 0));
    assert!(some.note(3) && some.note(4) && !some.note(4));
    assert_eq!(missing(&some), [(6, 8)]);
    assert!(missing(&Arrived::default()).is_empty());
}

#[test]
fn the_ends_of_numbers_are_numbers() {
    let ends = arrived([u64::MAX, 0, u64::MAX - 1, 1]);
    assert_eq!(missing(&ends), [(2, u64::MAX - 2)]);
    assert_eq!(Arrived::restored((0, u64::MAX), &ends.missing(), 0), ends);
}

#[test]
fn beyond_the_ranges_kept_the_oldest_gap_is_no_longer_told_and_it_says_so() {
    let most = RANGES as u64;
    let mut some = arrived((0..most).map(|n| 10 + 2 * n));
    assert_eq!((missing(&some).len(), some.told_from()), (RANGES - 1, 0));
    assert!(some.note(10 + 2 * most));
    assert_eq!((missing(&some).len(), some.told_from()), (RANGES - 1, 12));
    assert_eq!(some.span().map(|(first, _)| first), Some(12));
    // It is given up for good: what is below changes nothing any more.
    assert!(!some.note(11) && !some.note(10));
    assert_eq!(some.told_from(), 12);
}

#[test]
fn the_greatest_boots_are_kept_whatever_the_order() {
    let boots = BOOTS as u32;
    let note_all = |ids: &mut dyn Iterator<Item = u32>| {
        let mut device = Boots::default();
        let mut gone = BTreeSet::new();
        for boot_id in ids {
            device.note(boot_id, 7);
            gone.extend(device.take_surplus());
        }
        (device, gone)
    };
    let (up, gone) = note_all(&mut (0..boots + 3));
    let (down, none) = note_all(&mut (0..boots + 3).rev());
    assert_eq!(up, down);
    assert_eq!((gone, none), (BTreeSet::from([0, 1, 2]), BTreeSet::new()));
    assert!(up.get(2).is_none() && up.get(3).is_some());
}

proptest! {
    #[test]
    fn any_order_with_repetitions_gives_the_gaps_of_the_set(numbers in prop::collection::vec(0u64..300, 0..300)) {
        let set: BTreeSet<u64> = numbers.iter().copied().collect();
        let some = arrived(numbers.iter().copied());
        let (first, last) = (set.first().copied().unwrap_or(0), set.last().copied().unwrap_or(0));
        let absent: BTreeSet<u64> = (first..last).filter(|seq| !set.contains(seq)).collect();
        let told: BTreeSet<u64> = missing(&some).into_iter().flat_map(|(first, last)| first..=last).collect();
        prop_assert_eq!(told, absent);
        prop_assert_eq!(&arrived(set), &some);
        if let Some(span) = some.span() {
            prop_assert_eq!(Arrived::restored(span, &some.missing(), some.told_from()), some);
        }
    }
}
