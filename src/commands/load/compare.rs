//! What the books say of the simulated gateways, beside what is true.

use std::time::Duration;

use anyhow::Result;
use painwatch_domain::TenantId;
use painwatch_gateway::ledger::Books;
use painwatch_gateway::truth::GroundTruth;
use painwatch_store::{LedgerRow, Store};
use serde::Serialize;

/// How often the books are looked at while the server still counts.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Serialize)]
pub struct Comparison {
    truth: Books,
    books: Books,
    pub agree: bool,
}

/// Sums of the named gateways, over all days.
pub async fn books_of(store: &dyn Store, gateways: &[String]) -> Result<Books> {
    let rows = store.ledger(TenantId::default()).await?;
    let mut sum = LedgerRow::default();
    rows.iter().filter(|row| gateways.contains(&row.gateway)).for_each(|row| sum.add(row));
    Ok(Books {
        submitted: sum.submitted.max(0).unsigned_abs(),
        stored: sum.stored,
        duplicate: sum.duplicate,
        conflict: sum.conflict,
        quarantined: sum.quarantined.max(0).unsigned_abs(),
        identities: 0,
    })
}

/// Looks until as many readings were counted as were sent, at most for `patience`.
pub async fn compare(store: &dyn Store, truth: &GroundTruth, patience: Duration) -> Result<Comparison> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        let books = less(books_of(store, &truth.gateways).await?, truth.before);
        let expected = Books { identities: 0, ..truth.expected };
        let late = tokio::time::Instant::now() >= until;
        if books.submitted >= expected.submitted || late {
            return Ok(Comparison { truth: expected, books, agree: books == expected });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

const fn less(books: Books, before: Books) -> Books {
    Books {
        submitted: books.submitted.saturating_sub(before.submitted),
        stored: books.stored.saturating_sub(before.stored),
        duplicate: books.duplicate.saturating_sub(before.duplicate),
        conflict: books.conflict.saturating_sub(before.conflict),
        quarantined: books.quarantined.saturating_sub(before.quarantined),
        identities: 0,
    }
}

impl Comparison {
    pub fn print(&self) {
        let row = |name: &str, books: &Books| {
            println!(
                "{name}  {} submitted = {} stored + {} duplicate + {} conflict + {} quarantined",
                books.submitted, books.stored, books.duplicate, books.conflict, books.quarantined
            );
        };
        row("truth", &self.truth);
        row("books", &self.books);
        if self.agree {
            println!("the books say what is true");
        } else if self.books.submitted < self.truth.submitted {
            println!("NOT ALL ARRIVED: fewer readings were counted than were sent");
        } else {
            println!("THE BOOKS DIFFER from what is true");
        }
    }
}
