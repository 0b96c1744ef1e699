//! Probes of our own among the readings of a clinic, and what they find.

use std::collections::BTreeSet;

use painwatch_domain::{FindingKind, Measure, TenantId};
use painwatch_store::{Store as _, canonical_hash};

use crate::rig::{Journal, Rig, Sent};
use crate::world::world;

const START: i64 = 1_772_323_200_000;
const MINUTE: i64 = 60_000;

fn sung() -> Sent {
    Sent::numbers("canary-mqtt", Measure::DeviceBattery, [(START, 100.0)]).historical()
}

#[tokio::test]
async fn semantics_1_a_canary_leaves_a_verdict_and_its_own_book_and_nothing_else() {
    let mut journal = Journal::default();
    for minute in 0..3 {
        journal.batch_of(TenantId::canary(), START + minute * MINUTE, &[sung()]);
    }
    let mut rig = Rig::new().await;
    rig.apply_all(&journal).await;
    let judged: Vec<_> = rig.verdicts.iter().map(|verdict| (verdict.stored, verdict.duplicate)).collect();
    assert_eq!(judged, [(1, 0), (0, 1), (0, 1)], "the same reading all day");
    assert!(rig.findings.is_empty() && rig.decisions.is_empty());
    for tenant in [TenantId::canary(), TenantId::default()] {
        let (books, counts) = (rig.store.books(tenant.clone()).await.unwrap(), rig.store.counts(tenant).await.unwrap());
        assert_eq!((books.submitted, counts.versions, counts.identities), (0, 0, 0));
    }
    let book = rig.store.ledger(TenantId::canary()).await.unwrap();
    assert_eq!((book.len(), book[0].submitted, book[0].stored, book[0].duplicate), (1, 3, 1, 2));
    assert!(rig.store.ledger(TenantId::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_input_that_died_is_found_once_and_is_over_when_it_answers_also_across_a_restart() {
    let mut journal = Journal::default();
    journal.input(START, "mqtt", true, START);
    journal.input(START + 5 * MINUTE, "mqtt", false, START + 4 * MINUTE);
    journal.input(START + 6 * MINUTE, "mqtt", false, START + 4 * MINUTE);
    journal.input(START + 7 * MINUTE, "grpc", true, START + 7 * MINUTE);
    let mut rig = Rig::new().await;
    rig.apply_all(&journal).await;
    rig.checkpoint().await;
    rig.crash().await;
    journal.input(START + 9 * MINUTE, "mqtt", true, START + 8 * MINUTE);
    journal.input(START + 20 * MINUTE, "mqtt", false, START + 19 * MINUTE);
    rig.apply_all(&journal).await;
    let told: Vec<_> = rig
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.episode.start.0, finding.episode.end.map(|end| end.0)))
        .collect();
    assert_eq!(
        told,
        [
            (FindingKind::Opened, START + 4 * MINUTE, None),
            (FindingKind::Cleared, START + 4 * MINUTE, Some(START + 8 * MINUTE)),
            (FindingKind::Opened, START + 19 * MINUTE, None),
        ]
    );
    assert_eq!(rig.findings[0].alert_id, rig.findings[1].alert_id);
    assert_ne!(rig.findings[0].alert_id, rig.findings[2].alert_id);
    let whose = rig.findings.iter().all(|finding| finding.tenant == TenantId::default() && finding.patient.is_none());
    assert!(whose && rig.findings[0].episode.why == "input mqtt: no verdict");
}

/// Time passes with every record, whoever sent it.
#[tokio::test]
async fn what_becomes_due_by_a_record_of_another_tenant_stays_with_its_own_clinic() {
    for seed in 0..3 {
        let alone = world(seed).in_order();
        let mut among = Journal::default();
        for record in &alone.records {
            let mut record = record.clone();
            among.batch_of(TenantId::canary(), record.journal_time.0, &[sung()]);
            record.offset = painwatch_domain::Offset(among.records.len() as u64);
            among.records.push(record);
        }
        let (mut one, mut other) = (Rig::new().await, Rig::new().await);
        one.apply_all(&alone).await;
        let mut journalled = BTreeSet::new();
        for record in &among.records {
            let known = other.findings.len();
            other.apply(record).await;
            journalled.extend(other.findings[known..].iter().map(|finding| finding.tenant.clone()));
        }
        assert!(journalled.iter().eq([&TenantId::default()]), "{journalled:?}");
        let main = TenantId::default();
        let hashes =
            (canonical_hash(&*one.store, &main).await.unwrap(), canonical_hash(&*other.store, &main).await.unwrap());
        assert_eq!(hashes.0, hashes.1, "seed {seed}");
    }
}
