//! What a finding does to an alert.

use painwatch_domain::{Condition, Finding, FindingKind, Priority};

use crate::lifecycle::{Transition, latches};
use crate::turn::{SYSTEM, Turn};

impl Turn<'_> {
    /// `known` is false for the finding that made the alert.
    pub fn finding(&mut self, finding: &Finding, known: bool) {
        if finding.kind == FindingKind::Retracted {
            return self.retract(finding);
        }
        if !known {
            self.event("opened", SYSTEM, finding.episode.why.clone());
        }
        self.absorb(finding);
        self.reinstate();
        self.follow_condition(finding);
        self.follow_priority(finding, known);
        self.settle();
    }

    fn retract(&mut self, finding: &Finding) {
        if self.go(Transition::Retract) {
            self.alert.view.condition = Condition::Cleared;
            self.alert.view.cleared_at = Some(finding.episode.last_held);
            self.event("retracted", SYSTEM, finding.episode.why.clone());
        }
    }

    /// The newest account of the episode replaces the one before. What was once live stays live.
    fn absorb(&mut self, finding: &Finding) {
        let view = &mut self.alert.view;
        view.rule_version.clone_from(&finding.rule_version);
        view.title.clone_from(&finding.title);
        view.action.clone_from(&finding.action);
        view.why.clone_from(&finding.episode.why);
        view.onset_at = finding.episode.start;
        view.last_held_at = finding.episode.last_held;
        view.retrospective &= finding.retrospective;
        view.historical &= finding.historical;
        view.shadow &= finding.shadow;
    }

    fn reinstate(&mut self) {
        let Some(before) = self.alert.before_retraction.take() else { return };
        if self.go(Transition::Reinstate { before }) {
            self.event("reinstated", SYSTEM, "");
        }
    }

    fn follow_condition(&mut self, finding: &Finding) {
        let ended = finding.kind == FindingKind::Cleared || finding.episode.end.is_some();
        let was_cleared = self.is_cleared();
        if ended {
            self.alert.view.condition = Condition::Cleared;
            self.alert.view.cleared_at = finding.episode.end.or(Some(finding.episode.last_held));
        } else {
            self.alert.view.condition = Condition::Active;
            self.alert.view.cleared_at = None;
        }
        match (was_cleared, ended) {
            (false, true) => self.event("cleared", SYSTEM, ""),
            (true, false) => self.active_again(),
            _ => {}
        }
    }

    fn active_again(&mut self) {
        if !self.alert.resolved_by_person {
            self.go(Transition::Recur);
        }
        self.event("active_again", SYSTEM, "");
    }

    /// Semantics 11 and 12: one page when the alert is first live, and one more for each rise above what was told.
    fn follow_priority(&mut self, finding: &Finding, known: bool) {
        let (before, peak) = (self.alert.view.priority, finding.episode.peak);
        self.alert.view.priority = peak;
        let silent = finding.shadow || finding.retrospective || finding.historical;
        if silent || peak == Priority::Info || self.alert.raised >= Some(peak) {
            if before != peak {
                self.event("priority_changed", SYSTEM, format!("{before} to {peak}"));
            }
            if !silent {
                self.page_what_is_owed();
            }
            return;
        }
        if known {
            let how = if self.alert.raised.is_none() { "live now".to_owned() } else { format!("{before} to {peak}") };
            self.go(Transition::Raise);
            self.alert.resolved_by_person = false;
            self.event("raised", SYSTEM, how);
        }
        self.alert.raised = Some(peak);
        self.page(self.alert.seq);
    }

    fn settle(&mut self) {
        let view = &self.alert.view;
        let waits = latches(view.priority, view.shadow, view.historical);
        if self.is_cleared() && !waits && self.go(Transition::Settle) {
            self.alert.resolved_by_person = false;
            self.event("settled", SYSTEM, "cleared by itself");
        }
    }
}
