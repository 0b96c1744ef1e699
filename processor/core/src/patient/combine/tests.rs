use super::super::coverage::adds_up;
use super::*;
use proptest::prelude::*;

fn held(start: i64, end: Option<i64>) -> Span {
    let last_held = end.unwrap_or(start);
    let why = format!("from {start}");
    Span { start, last_held, fresh_from: last_held, end, evidence: vec![[start as u8; 16]], why, historical: false }
}

fn times(children: &[Vec<Span>], n: u32, within: i64, now: i64) -> Vec<(i64, Option<i64>)> {
    episodes(children, n, within, now).0.into_iter().map(|span| (span.start, span.end)).collect()
}

#[test]
fn any_is_the_union_and_all_is_what_they_share() {
    let children = [vec![held(0, Some(10)), held(50, Some(60))], vec![held(5, Some(20))]];
    assert_eq!(times(&children, 1, 0, 100), [(0, Some(20)), (50, Some(60))]);
    assert_eq!(times(&children, 2, 0, 100), [(5, Some(10))]);
    assert_eq!(times(&children, 2, 30, 100), [(5, Some(40)), (50, Some(50))]);
}

#[test]
fn one_that_lasts_has_no_end_and_one_that_ends_later_is_not_over_yet() {
    let children = [vec![held(0, Some(10))], vec![held(5, None)]];
    assert_eq!(times(&children, 1, 0, 100), [(0, None)]);
    let (told, next) = episodes(&children, 2, 30, 20);
    assert_eq!((told[0].start, told[0].end, next), (5, None, Some(41)));
    assert_eq!(times(&children, 2, 30, 41), [(5, Some(40))]);
    assert_eq!(told[0].evidence.len(), 2, "the evidence is the union");
    assert_eq!(told[0].why, "from 0; from 5");
}

fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    prop::collection::vec((0i64..200, prop::option::weighted(0.9, 0i64..40)), 0..5).prop_map(|spans| {
        let mut spans: Vec<Span> =
            spans.into_iter().map(|(start, length)| held(start, length.map(|length| start + length))).collect();
        spans.sort_by_key(|span| span.start);
        spans
    })
}

proptest! {
    #[test]
    fn a_combination_holds_when_a_look_at_every_instant_says_so(
        children in prop::collection::vec(any_spans(), 1..5), n in 1u32..5, within in 0i64..30, now in 0i64..300,
    ) {
        let told = episodes(&children, n, within, now).0;
        for at in 0..=now {
            let counts = |spans: &&Vec<Span>| spans.iter().any(|span| span.start <= at && span.end.is_none_or(|end| at <= end + within));
            let holds = children.iter().filter(counts).count() >= n as usize;
            let said = told.iter().any(|span| span.start <= at && span.end.is_none_or(|end| at <= end));
            prop_assert_eq!(holds, said, "at {}: {:?}", at, &told);
        }
    }

    #[test]
    fn the_order_of_the_children_changes_nothing(children in prop::collection::vec(any_spans(), 1..5), n in 1u32..4, within in 0i64..30) {
        let backwards: Vec<Vec<Span>> = children.iter().rev().cloned().collect();
        prop_assert_eq!(episodes(&children, n, within, 300), episodes(&backwards, n, within, 300));
    }

    #[test]
    fn semantics_15_a_combination_is_covered_when_enough_children_decide_and_else_blind(
        parts in prop::collection::vec((prop::collection::vec((0i64..100, 1i64..40), 0..4), any_spans()), 1..5), n in 1u32..5, within in 0i64..10,
    ) {
        let window = (0, 100);
        let n = n.min(parts.len() as u32);
        let children: Vec<Seen> = parts.iter().map(|(gaps, spans)| {
            let gaps: Vec<Interval> = gaps.iter().map(|(from, length)| (*from, (from + length).min(100))).collect();
            let gaps = super::super::coverage::merged(gaps);
            let mut intervals: Vec<_> = gaps.iter().map(|(from, to)| (*from, *to, "charging")).collect();
            intervals.extend(super::super::coverage::outside(&gaps, window).into_iter().map(|(from, to)| (from, to, "")));
            Seen::new(&intervals, spans, within)
        }).collect();
        let covered = covered(&children, n, window);
        let blind = blind(&children, n, window);
        let gaps: Vec<Interval> = blind.iter().map(|(from, to, _)| (*from, *to)).collect();
        prop_assert!(adds_up(&covered, &gaps, window), "{:?} {:?}", covered, gaps);
        for at in 0..100 {
            let holds = children.iter().filter(|seen| seen.holds.iter().any(|(from, to)| *from <= at && at < *to)).count() as u32;
            let unknown = children.iter().filter(|seen| {
                !seen.holds.iter().any(|(from, to)| *from <= at && at < *to) && seen.blind.iter().any(|(from, to, _)| *from <= at && at < *to)
            }).count() as u32;
            let decides = holds >= n || holds + unknown < n;
            prop_assert_eq!(covered.iter().any(|(from, to)| *from <= at && at < *to), decides, "at {}", at);
        }
    }
}
