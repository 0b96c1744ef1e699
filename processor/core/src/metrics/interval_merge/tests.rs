use proptest::prelude::*;

use super::*;

fn interval(start: i64, length: i64, count: i64, source_priority: u32, device: &str) -> Interval<'_> {
    Interval { span: Span { start, end: start + length }, count, source_priority, device }
}

fn counts(intervals: &[Interval<'_>]) -> Vec<i64> {
    merge(intervals).iter().map(|contribution| contribution.count).collect()
}

#[test]
fn semantics_9_a_coarse_total_adds_only_what_the_finer_ones_inside_it_leave() {
    let fine = [interval(0, 60, 40, 0, "watch"), interval(60, 60, 50, 0, "watch")];
    assert_eq!(counts(&[fine[0], fine[1], interval(0, 3600, 100, 0, "watch")]), [40, 50, 10]);
    let smaller = merge(&[fine[0], fine[1], interval(0, 3600, 80, 0, "phone")]);
    assert_eq!((total(&smaller), smaller[2]), (Some(90), Contribution { count: 0, reduced: true }));
    assert_eq!(total(&merge(&[])), None);
}

#[test]
fn semantics_9_among_equally_fine_ones_the_source_priority_then_the_device_owns_the_instant() {
    let by_priority = [interval(0, 60, 10, 1, "a"), interval(0, 60, 30, 0, "b")];
    assert_eq!(counts(&by_priority), [0, 30]);
    let by_name = [interval(0, 60, 10, 0, "b"), interval(0, 60, 30, 0, "a")];
    assert_eq!(counts(&by_name), [0, 30]);
    let shifted = [interval(0, 60, 10, 0, "a"), interval(30, 60, 31, 0, "b")];
    assert_eq!(counts(&shifted), [10, 15]);
}

#[test]
fn semantics_9_levels_nest_day_over_hour_over_minute_and_an_edge_counts_in_proportion() {
    let day = interval(0, 86_400, 1_000, 0, "scale");
    assert_eq!(counts(&[day, interval(0, 3_600, 100, 0, "phone"), interval(0, 60, 70, 0, "watch")]), [900, 30, 70]);
    assert_eq!(counts(&[interval(0, 900, 100, 0, "a"), interval(870, 60, 20, 0, "b")]), [90, 20]);
    assert_eq!(counts(&[interval(5, 0, 3, 1, "a"), interval(5, 0, 4, 0, "b"), interval(0, 10, 6, 0, "c")]), [0, 4, 2]);
}

fn any_intervals() -> impl Strategy<Value = Vec<(i64, usize, i64, u32, usize)>> {
    prop::collection::vec((0i64..12, 0usize..3, 0i64..200, 0u32..3, 0usize..3), 0..24)
}

const LENGTHS: [i64; 3] = [1, 4, 12];
const DEVICES: [&str; 3] = ["a", "b", "c"];

/// Aligned intervals, so that ownership is all or nothing: the definition without arithmetic on shares.
fn aligned(raw: &[(i64, usize, i64, u32, usize)]) -> Vec<Interval<'static>> {
    let make = |(slot, length, count, priority, device): &(i64, usize, i64, u32, usize)| {
        let length = LENGTHS[*length];
        interval(slot / length * length, length, *count, *priority, DEVICES[*device])
    };
    raw.iter().map(make).collect()
}

fn by_definition(intervals: &[Interval<'_>]) -> i64 {
    let mut ranked: Vec<_> = intervals.iter().collect();
    ranked.sort_by_key(|i| (i.span.ms(), i.source_priority, i.device, -i.count));
    let (mut sum_at, mut seen) = (Vec::<(Span, i64)>::new(), BTreeSet::new());
    for interval in ranked {
        if !seen.insert(interval.span) {
            continue;
        }
        let inside = |span: &Span| interval.span.start <= span.start && span.end <= interval.span.end;
        let finer: i64 = sum_at.iter().filter(|(span, _)| inside(span)).map(|(_, count)| count).sum();
        sum_at.push((interval.span, (interval.count - finer).max(0)));
    }
    sum_at.iter().map(|(_, count)| count).sum()
}

proptest! {
    #[test]
    fn semantics_9_the_total_is_that_of_the_definition_and_no_order_changes_it(raw in any_intervals(), seed in any::<usize>()) {
        let intervals = aligned(&raw);
        let expected = by_definition(&intervals);
        prop_assert_eq!(total(&merge(&intervals)).unwrap_or(0), expected);
        let mut turned = intervals;
        if !turned.is_empty() {
            let by = seed % turned.len();
            turned.rotate_left(by);
            turned.reverse();
        }
        prop_assert_eq!(total(&merge(&turned)).unwrap_or(0), expected);
    }

    #[test]
    fn semantics_9_nothing_contributes_more_than_it_claims(raw in prop::collection::vec((0i64..500, 0i64..90, 0i64..200, 0u32..3, 0usize..3), 0..30)) {
        let intervals: Vec<_> = raw.iter().map(|(s, l, c, p, d)| interval(*s, *l, *c, *p, DEVICES[*d])).collect();
        for (interval, contribution) in intervals.iter().zip(merge(&intervals)) {
            prop_assert!((0..=interval.count).contains(&contribution.count));
            prop_assert_eq!(contribution.reduced, contribution.count < interval.count);
        }
    }
}
