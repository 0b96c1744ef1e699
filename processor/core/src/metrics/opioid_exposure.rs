//! Exposure window after an opioid dose (clinical catalogue A2).
//!
//! Definition: 4 h from an immediate-release oral dose, 12 h from an extended-release one; a patch from its application
//! until 24 h after its removal. General knowledge, to be confirmed by a pharmacist. An alert says "within N min after a
//! dose", never "caused by".

use painwatch_domain::reading::DoseEvent;
use painwatch_domain::time::HOUR_MS;

use super::wear::{Span, union};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    Immediate,
    Extended,
    Patch,
}

impl Release {
    /// The roster's word; an unknown one is the widest oral window, because missing an exposure is the worse fault.
    pub fn of(word: &str) -> Self {
        match word {
            "ir" => Self::Immediate,
            "patch" => Self::Patch,
            _ => Self::Extended,
        }
    }

    const fn after_ms(self) -> i64 {
        match self {
            Self::Immediate => 4 * HOUR_MS,
            Self::Extended => 12 * HOUR_MS,
            Self::Patch => 24 * HOUR_MS,
        }
    }
}

/// The windows of one medication of that release out of its recorded events, in any order: disjoint, ascending, the last
/// one without an end while a patch is on. Dispensed or opened is not taken.
pub fn windows(release: Release, events: &[(i64, DoseEvent)]) -> Vec<Span> {
    let mut events = events.to_vec();
    events.sort_unstable();
    let given = |event: DoseEvent| matches!(event, DoseEvent::Taken | DoseEvent::Applied);
    if release != Release::Patch {
        let doses = events.into_iter().filter(|(_, event)| given(*event));
        return union(doses.map(|(time, _)| Span { start: time, end: time + release.after_ms() }).collect());
    }
    let mut on: Vec<i64> = Vec::new();
    let mut spans = Vec::new();
    for (time, event) in events {
        if given(event) {
            on.push(time);
        } else if event == DoseEvent::Removed && !on.is_empty() {
            spans.push(Span { start: on.remove(0), end: time + release.after_ms() });
        }
    }
    spans.extend(on.into_iter().map(|start| Span { start, end: i64::MAX }));
    union(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    const H: i64 = HOUR_MS;

    #[test]
    fn doses_overlap_into_one_window_and_an_opened_cap_is_no_dose() {
        let events = [(3 * H, DoseEvent::Taken), (0, DoseEvent::Taken), (20 * H, DoseEvent::Opened)];
        assert_eq!(windows(Release::Immediate, &events), [Span { start: 0, end: 7 * H }]);
        assert_eq!(windows(Release::of("er"), &events), [Span { start: 0, end: 15 * H }]);
        assert_eq!(windows(Release::of("drops"), &events), windows(Release::Extended, &events));
    }

    #[test]
    fn a_patch_works_until_a_day_after_its_removal() {
        let on = [(0, DoseEvent::Applied)];
        assert_eq!(windows(Release::Patch, &on), [Span { start: 0, end: i64::MAX }]);
        let off = [(0, DoseEvent::Applied), (72 * H, DoseEvent::Removed)];
        assert_eq!(windows(Release::Patch, &off), [Span { start: 0, end: 96 * H }]);
    }
}
