//! What comes of the canaries: verdicts and a book of their own, and a finding when an input of ours is dead.

use anyhow::Result;
use painwatch_domain::JournalTime;
use painwatch_journal::Record;
use painwatch_proto::journal::v1 as pb;

use crate::engine::{Engine, Output};

impl Engine {
    /// Judged like any other batch. What it leaves is its verdict and its line in the canaries' book: no row, no finding and no
    /// clock, because nobody wears a canary (semantics 1).
    pub(crate) async fn canary(&mut self, record: &Record, out: &mut Output) -> Result<()> {
        let mut own = Output { cause: out.cause, tenant: out.tenant.clone(), ..Output::default() };
        self.batch(record, &mut own).await?;
        out.verdict = own.verdict;
        out.rows.ledger.append(&mut own.rows.ledger);
        Ok(())
    }

    /// An input of ours answered its canary again, or has not for too long.
    pub(crate) fn input(&mut self, record: &Record, state: &pb::InputState, out: &mut Output) {
        let JournalTime(now) = record.journal_time;
        // Never later than what makes it known, whatever the wall clock did.
        let since = state.since_ms.min(now);
        let finding = if state.alive {
            self.raised.input_is_back(&record.tenant, &state.input, since, record.journal_time)
        } else {
            self.raised.input_is_dead(&record.tenant, &state.input, since, record.journal_time, &state.detail)
        };
        out.findings.extend(finding);
    }
}
