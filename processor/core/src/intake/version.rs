//! Semantics 4: the versions of one identity, and which of them stands.
//!
//! Every choice here is a maximum over a total order of what arrived, never "the last one to come", so that any order of
//! arrival ends in the same kept values and the same effective one. Of several submissions of one value with one
//! revision the *first sending* counts: a gateway that repeats an old value under a new `sent_at` must not outrank the
//! correction that was sent in between.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use painwatch_domain::reading::Mode;
use painwatch_domain::{Class, EventTime, Flags, Measure, Meta, Status, Value};

use super::codec::Writer;

/// Most distinct values an identity keeps.
pub(super) const VERSIONS_MAX: usize = 8;

/// One value as it was claimed, with the circumstances that later derivations need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub measure: Measure,
    pub device_time: i64,
    pub end: Option<i64>,
    pub time: EventTime,
    pub value: Value,
    pub flags: Flags,
    pub status: Status,
    pub revision: i64,
    pub sent_at: Option<i64>,
    pub mode: Mode,
    pub about: Arc<Meta>,
}

impl Version {
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.value == other.value && self.measure == other.measure
    }

    pub fn retracts(&self) -> bool {
        self.status == Status::EnteredInError
    }

    /// Effective order among different values. `Value` orders as its canonical bytes do. Where revision and `sent_at`
    /// cannot tell, what says of itself that it corrects goes before what does not.
    fn effective_order(&self, other: &Self) -> Ordering {
        let rank = |version: &Self| (version.revision, version.sent_at, version.status);
        rank(self).cmp(&rank(other)).then_with(|| (&self.value, self.measure).cmp(&(&other.value, other.measure)))
    }

    /// Which of two submissions of the *same* value is kept: the greatest revision, then the one that says more, then
    /// the first sending; what is left goes to the one that looks received earlier, and last to content alone.
    pub fn is_senior_to(&self, other: &Self) -> bool {
        let rank = |version: &Self| (version.revision, version.status, Reverse(version.sent_at));
        let receipt = |version: &Self| {
            let (ahead, backdated) = (version.flags.has(Flags::CLOCK_AHEAD), version.flags.has(Flags::BACKDATED));
            let times = (Reverse(version.time), Reverse(version.device_time), Reverse(version.end));
            (ahead, !backdated, version.mode == Mode::Live, times, version.flags)
        };
        let order = rank(self).cmp(&rank(other)).then_with(|| receipt(self).cmp(&receipt(other)));
        order.then_with(|| self.about_order(other)) == Ordering::Greater
    }

    fn about_order(&self, other: &Self) -> Ordering {
        if self.about == other.about {
            return Ordering::Equal;
        }
        let bytes = |meta: &Meta| {
            let mut out = Writer::default();
            out.meta(meta);
            out.0
        };
        bytes(&self.about).cmp(&bytes(&other.about))
    }
}

/// The kept versions of one identity, greatest in effective order first; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Versions(Vec<Version>);

impl Versions {
    pub fn new(first: Version) -> Self {
        Self(vec![first])
    }

    /// As read back: sorted again, so that damaged bytes cannot break the order.
    pub fn from_kept(mut kept: Vec<Version>) -> Option<Self> {
        kept.sort_by(|a, b| b.effective_order(a));
        (!kept.is_empty() && kept.len() <= VERSIONS_MAX).then_some(Self(kept))
    }

    pub fn kept(&self) -> &[Version] {
        &self.0
    }

    pub fn top(&self) -> &Version {
        &self.0[0]
    }

    /// Whether two plain values claim the same revision, so that only a person or a correction can decide.
    pub fn undecided(&self) -> bool {
        let top = self.top();
        let rival = |version: &Version| version.revision == top.revision && !version.retracts();
        top.status == Status::Final && self.0[1..].iter().any(rival)
    }

    /// Takes a version in and says what it is, and whether anything that is kept changed. What falls below the greatest is told as
    /// new each time it comes, because nothing remembers it (decision 0093).
    pub fn offer(&mut self, arrived: Version) -> (Class, bool) {
        let offered = match self.0.iter_mut().find(|kept| kept.says_the_same_as(&arrived)) {
            Some(kept) => Self::repeat(kept, arrived),
            None => self.differ(arrived),
        };
        self.0.sort_by(|a, b| b.effective_order(a));
        offered
    }

    fn repeat(kept: &mut Version, arrived: Version) -> (Class, bool) {
        if !arrived.is_senior_to(kept) {
            return (Class::Duplicate, false);
        }
        let retraction = arrived.retracts() && !kept.retracts();
        *kept = arrived;
        (if retraction { Class::Stored } else { Class::Duplicate }, true)
    }

    fn differ(&mut self, arrived: Version) -> (Class, bool) {
        let rival = |kept: &Version| kept.revision == arrived.revision && !kept.retracts();
        let conflict = arrived.status == Status::Final && self.0.iter().any(rival);
        let class = if conflict { Class::Conflict } else { Class::Stored };
        let last = self.0.last().filter(|_| self.0.len() == VERSIONS_MAX);
        if last.is_some_and(|last| arrived.effective_order(last).is_le()) {
            return (class, false);
        }
        self.0.truncate(VERSIONS_MAX - 1);
        self.0.push(arrived);
        (class, true)
    }

    /// The kept value with the same revision that a conflicting one differs from.
    pub fn rival_of(&self, value: &Value, revision: i64) -> Option<&Version> {
        self.0.iter().find(|kept| kept.revision == revision && &kept.value != value && !kept.retracts())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn version(number: i64, revision: i64, sent_at: Option<i64>, status: Status) -> Version {
        Version {
            measure: Measure::BodyWeight,
            device_time: 0,
            end: None,
            time: EventTime(0),
            value: Value::Number(number),
            flags: Flags::default(),
            status,
            revision,
            sent_at,
            mode: Mode::Live,
            about: Arc::default(),
        }
    }

    fn plain(number: i64, revision: i64, sent_at: i64) -> Version {
        version(number, revision, Some(sent_at), Status::Final)
    }

    fn offered(versions: &[Version]) -> (Versions, Vec<Class>) {
        let mut kept = Versions::new(versions[0].clone());
        let classes = versions[1..].iter().map(|version| kept.offer(version.clone()).0).collect();
        (kept, classes)
    }

    #[test]
    fn semantics_4_a_value_already_kept_is_a_duplicate_whatever_its_revision_which_may_rise() {
        let (kept, classes) = offered(&[plain(80, 1, 10), plain(80, 1, 20), plain(80, 5, 30), plain(80, 2, 40)]);
        assert_eq!(classes, [Class::Duplicate; 3]);
        assert_eq!((kept.kept().len(), kept.top().revision), (1, 5));
    }

    #[test]
    fn semantics_4_another_revision_or_a_correction_is_stored_and_the_same_revision_is_a_conflict() {
        let corrected = version(82, 0, Some(30), Status::Corrected);
        let (kept, classes) = offered(&[plain(80, 0, 10), plain(81, 1, 20), plain(79, 0, 25), corrected]);
        assert_eq!(classes, [Class::Stored, Class::Conflict, Class::Stored]);
        assert_eq!((kept.top().value.number(), kept.undecided()), (Some(81), false));
    }

    #[test]
    fn semantics_4_an_identity_is_undecided_until_a_correction_or_a_greater_revision_decides() {
        let (mut kept, _) = offered(&[plain(80, 0, 10), plain(81, 0, 20)]);
        assert!(kept.undecided());
        assert_eq!(kept.offer(version(80, 0, Some(30), Status::Corrected)), (Class::Duplicate, true));
        assert_eq!((kept.top().value.number(), kept.undecided()), (Some(80), false));
        assert_eq!(kept.offer(plain(81, 3, 40)), (Class::Duplicate, true));
        assert_eq!((kept.top().value.number(), kept.undecided()), (Some(81), false));
    }

    #[test]
    fn semantics_4_a_repetition_under_a_new_sending_time_does_not_outrank_a_correction() {
        let corrected = version(81, 0, Some(20), Status::Corrected);
        let (kept, classes) = offered(&[plain(80, 0, 10), corrected, plain(80, 0, 30)]);
        assert_eq!(classes, [Class::Stored, Class::Duplicate]);
        assert_eq!(kept.top().value.number(), Some(81));
    }

    #[test]
    fn semantics_4_entered_in_error_is_a_version_of_the_value_it_takes_back() {
        let (kept, classes) =
            offered(&[plain(80, 0, 10), version(80, 0, Some(20), Status::EnteredInError), plain(80, 0, 10)]);
        assert_eq!(classes, [Class::Stored, Class::Duplicate]);
        assert!(kept.top().retracts() && !kept.undecided());
    }

    #[test]
    fn semantics_4_what_falls_below_the_eight_changes_nothing_each_time_it_comes() {
        let (mut kept, _) = offered(&(1..=8).map(|number| plain(number, number, 10)).collect::<Vec<_>>());
        let eight = kept.clone();
        for _ in 0..2 {
            assert_eq!(kept.offer(plain(99, 0, 20)), (Class::Stored, false));
            assert_eq!(kept, eight);
        }
        assert_eq!(kept.offer(plain(99, 9, 20)), (Class::Stored, true));
        assert_eq!((kept.kept().len(), kept.top().value.number()), (8, Some(99)));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Number),
            (any::<i64>(), any::<i64>()).prop_map(|(systolic, diastolic)| Value::Pressure { systolic, diastolic }),
            ".{0,3}".prop_map(|code| Value::Code(code.into())),
            (prop::option::of(0..3_i64), "[a-b]{0,2}")
                .prop_map(|(amount, unit)| Value::Dose { amount, unit: unit.into() }),
        ]
    }

    fn any_version(numbers: i64) -> impl Strategy<Value = Version> {
        let status =
            prop_oneof![3 => Just(Status::Final), 1 => Just(Status::Corrected), 1 => Just(Status::EnteredInError)];
        let flags = prop_oneof![Just(Flags::default()), Just(Flags::BACKDATED), Just(Flags::CLOCK_AHEAD)];
        let content = (0..3_i64, flags, any::<bool>(), prop::option::of("[a-c]"));
        (0..numbers, 0..3_i64, prop::option::of(0..4_i64), status, content).prop_map(
            |(number, revision, sent, status, content)| {
                let (time, flags, historical, posture) = content;
                let about = Arc::new(Meta { posture: posture.map(Into::into), ..Meta::default() });
                let mode = if historical { Mode::Historical } else { Mode::Live };
                Version { time: EventTime(time), flags, about, mode, ..version(number, revision, sent, status) }
            },
        )
    }

    proptest! {
        #[test]
        fn values_order_as_their_canonical_bytes_do(a in any_value(), b in any_value()) {
            prop_assert_eq!(a.cmp(&b), a.canonical_bytes().cmp(&b.canonical_bytes()));
        }

        #[test]
        fn semantics_4_any_arrival_order_keeps_the_same_versions_and_the_same_effective_one(
            (arrivals, shuffled) in prop::collection::vec(any_version(8), 1..24)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        ) {
            prop_assert_eq!(offered(&arrivals).0, offered(&shuffled).0);
        }

        /// Beyond eight values the order is free as long as one sending stands for one (value, revision, status).
        #[test]
        fn semantics_4_the_eight_greatest_stay_whatever_the_arrival_order(
            (arrivals, shuffled) in prop::collection::vec((0..30_i64, 0..4_i64), 1..60)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        ) {
            let sent = |&(number, revision): &(i64, i64)| plain(number, revision, number * 7 % 5);
            let all: Vec<_> = arrivals.iter().map(sent).collect();
            let (kept, _) = offered(&all);
            prop_assert_eq!(&kept, &offered(&shuffled.iter().map(sent).collect::<Vec<_>>()).0);
            let mut greatest: Vec<(i64, i64)> = (0..30).filter_map(|number| {
                arrivals.iter().filter(|arrival| arrival.0 == number).map(|arrival| arrival.1).max().map(|revision| (number, revision))
            }).collect();
            greatest.sort_by_key(|&(number, revision)| Reverse((revision, number * 7 % 5, number)));
            greatest.truncate(VERSIONS_MAX);
            let found: Vec<_> = kept.kept().iter().map(|kept| (kept.value.number().unwrap(), kept.revision)).collect();
            prop_assert_eq!(found, greatest);
        }
    }
}
