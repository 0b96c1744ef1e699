//! What the demo prints.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use painwatch_domain::TenantId;
use painwatch_store::{AlertFilter, AlertRow, Books, Counts, canonical_hash};

use super::latency::Arrivals;
use super::receiver::Receiver;
use crate::compose::System;

/// The end of a demo in figures.
pub struct Summary {
    pub books: Books,
    pub counts: Counts,
    pub refused: u64,
    pub alerts: BTreeMap<String, u64>,
    /// Those among them that are in shadow: kept, shown on request, sent to nobody.
    pub shadow: u64,
    /// Attempts and distinct pages that the demo's receiver saw.
    pub pages: (u64, usize),
    pub latency_ms: Option<(f64, f64)>,
    pub canonical_hash: String,
    pub balanced: bool,
}

/// What is about to be replayed.
pub fn introduce(notes: &[String], data: &Path) {
    println!(
        "painwatch demo. Not a medical device; not for emergencies. Thresholds are defaults that a named clinician must"
    );
    println!("confirm; here a synthetic clinician has accepted them all.\n");
    notes.iter().for_each(|note| println!("  {note}"));
    println!("  data in {}\n", data.display());
}

/// One line for an alert that has just opened; those in shadow, which no clinician sees, are counted at the end.
pub fn alert(row: &AlertRow) {
    if row.shadow {
        return;
    }
    let marks = [(row.retrospective, "retrospective"), (row.historical, "historical")];
    let marks: Vec<&str> = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).collect();
    let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
    let patient = row.patient.as_ref().map_or("-", |patient| patient.as_str());
    println!("{}  {:<6} {:<24} {}{marks}: {}", row.onset_at, row.priority.as_str(), patient, row.rule, row.why);
}

/// Gathers the figures once everything is processed.
///
/// # Errors
/// The store cannot be read.
pub async fn summary(system: &System, refused: u64, arrivals: &Arrivals, receiver: &Receiver) -> Result<Summary> {
    let tenant = TenantId::default();
    let books = system.store.books(tenant.clone()).await?;
    let counts = system.store.counts(tenant.clone()).await?;
    let everything = AlertFilter { tenant: tenant.clone(), limit: usize::MAX / 2, ..AlertFilter::default() };
    let (mut alerts, mut shadow) = (BTreeMap::new(), 0);
    for alert in system.store.alerts(everything).await? {
        shadow += u64::from(alert.shadow);
        *alerts.entry(alert.rule.to_string()).or_insert(0) += 1;
    }
    let sum = books.stored + books.duplicate + books.conflict + books.quarantined;
    Ok(Summary {
        balanced: books.submitted == sum && counts.versions == books.stored,
        books,
        counts,
        refused,
        alerts,
        shadow,
        pages: receiver.counts(),
        latency_ms: arrivals.percentiles(),
        canonical_hash: canonical_hash(&*system.store, &tenant).await?,
    })
}

/// Prints the figures; with `json` as one last line.
///
/// # Errors
/// Never in practice: the figures are plain numbers.
pub fn print(summary: &Summary, json: bool) -> Result<()> {
    let books = &summary.books;
    if json {
        let latency = summary.latency_ms.map(|(p50, p99)| serde_json::json!({"p50": p50, "p99": p99}));
        println!(
            "{}",
            serde_json::json!({
                "books": {"submitted": books.submitted, "stored": books.stored, "duplicate": books.duplicate,
                    "conflict": books.conflict, "quarantined": books.quarantined, "refused": summary.refused},
                "identities": summary.counts.identities,
                "alerts": summary.alerts,
                "shadow": summary.shadow,
            "pages": {"attempts": summary.pages.0, "distinct": summary.pages.1},
                "latency_ms": latency.unwrap_or(serde_json::json!({"p50": null, "p99": null})),
                "canonical_hash": summary.canonical_hash,
            })
        );
        return Ok(());
    }
    println!(
        "\nbooks      {} submitted = {} stored + {} duplicate + {} conflict + {} quarantined: {}",
        books.submitted,
        books.stored,
        books.duplicate,
        books.conflict,
        books.quarantined,
        if summary.balanced { "balanced" } else { "NOT BALANCED" }
    );
    println!(
        "           {} refused before they were durable, {} distinct identities",
        summary.refused, summary.counts.identities
    );
    println!("alerts");
    for (rule, count) in &summary.alerts {
        println!("  {count:>6}  {rule}");
    }
    println!("           {} of these in shadow: counted, sent to nobody", summary.shadow);
    println!("pages      {} sent to the demo's receiver, {} distinct", summary.pages.0, summary.pages.1);
    match summary.latency_ms {
        Some((p50, p99)) => println!("latency    reading durable to alert open: p50 {p50:.1} ms, p99 {p99:.1} ms"),
        None => println!("latency    no alert opened"),
    }
    println!("history    {}", summary.canonical_hash);
    Ok(())
}
