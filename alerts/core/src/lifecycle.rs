//! Which state an alert may go to, and from where. The only place that decides it.

use painwatch_domain::{AlertState, Priority};

// Two axes: what people did (state) and what the data say (condition, which follows the findings alone).
//
//                ┌──────────────── Reopen (person), Raise ◀──────────────┐
//                ▼                                                       │
//   finding ─▶ open ──Acknowledge──▶ acknowledged ──Resolve──▶ resolved ─┘ ◀─┐
//                │ ▲ ──────────────Resolve (person)─────────────▶ ▲          │ Recur: what had cleared when it was
//                │ │                      │                       │          │ resolved (back to open)
//                │ └──────Raise───────────┘                       │          │
//                │ Settle: low, info, shadow and historical alerts whose condition cleared ─────┘
//                │
//                └──Retract (from any state)──▶ retracted ──Reinstate──▶ the state it had; Raise ──▶ open
//
//   snoozed behaves as acknowledged, and may still be acknowledged.
//   high and medium latch: cleared by itself, such an alert stays as it is ("cleared, not seen") until a person acts.

/// Something that may move an alert to another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A person has seen it and takes it.
    Acknowledge,
    /// A person is done with it.
    Resolve,
    /// A person wants it back.
    Reopen,
    /// It became more urgent, or reached the live edge, than anyone has been told.
    Raise,
    /// It cleared by itself and does not latch.
    Settle,
    /// What had cleared before it was resolved holds again.
    Recur,
    /// The data now say that it never was.
    Retract,
    /// The data say again that it was.
    Reinstate { before: AlertState },
}

/// The state after a transition; `None` where the transition is not legal or changes nothing.
pub fn next_state(from: AlertState, transition: Transition) -> Option<AlertState> {
    use AlertState::{Acknowledged, Open, Resolved, Retracted, Snoozed};
    let to = match (transition, from) {
        (Transition::Acknowledge, Open | Snoozed) => Acknowledged,
        (Transition::Resolve | Transition::Settle, Open | Acknowledged | Snoozed) => Resolved,
        (Transition::Reopen | Transition::Recur, Resolved) => Open,
        (Transition::Raise, Acknowledged | Snoozed | Resolved | Retracted) => Open,
        (Transition::Retract, Open | Acknowledged | Snoozed | Resolved) => Retracted,
        (Transition::Reinstate { before }, Retracted) if before != Retracted => before,
        _ => return None,
    };
    Some(to)
}

/// Whether an alert that cleared by itself waits for a person. Nobody is asked to look at what was never sent: shadow
/// and historical alerts settle.
pub fn latches(priority: Priority, shadow: bool, historical: bool) -> bool {
    priority >= Priority::Medium && !shadow && !historical
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Transition; 8] = [
        Transition::Acknowledge,
        Transition::Resolve,
        Transition::Reopen,
        Transition::Raise,
        Transition::Settle,
        Transition::Recur,
        Transition::Retract,
        Transition::Reinstate { before: AlertState::Acknowledged },
    ];

    #[test]
    fn no_transition_leaves_an_alert_where_it_was() {
        for &from in AlertState::ALL {
            for transition in ALL {
                assert_ne!(next_state(from, transition), Some(from), "{transition:?} from {from}");
            }
        }
    }

    #[test]
    fn a_retracted_alert_obeys_no_person() {
        for transition in [Transition::Acknowledge, Transition::Resolve, Transition::Reopen] {
            assert_eq!(next_state(AlertState::Retracted, transition), None);
        }
    }

    #[test]
    fn only_high_and_medium_that_were_really_sent_latch() {
        assert!(latches(Priority::High, false, false) && latches(Priority::Medium, false, false));
        assert!(!latches(Priority::Low, false, false) && !latches(Priority::High, true, false));
        assert!(!latches(Priority::High, false, true));
    }
}
