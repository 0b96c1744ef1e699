//! Several clinics in one journal: time passes for all of them with every record, and what it brings stays with its own.

use painwatch_domain::{Measure, Offset, TenantId};
use painwatch_store::canonical_hash;

use crate::rig::{Journal, Rig, Sent};
use crate::world::world;

#[tokio::test]
async fn what_becomes_due_by_a_record_of_another_clinic_stays_with_its_own() {
    let (main, other) = (TenantId::default(), TenantId::parse("clinic-2").unwrap());
    for seed in 0..3 {
        let alone = world(seed).in_order();
        let mut among = Journal::default();
        for record in &alone.records {
            let at = record.journal_time.0;
            among.batch_of(other.clone(), at, &[Sent::numbers("watch", Measure::HeartRate, [(at, 70.0)])]);
            let offset = Offset(among.records.len() as u64);
            among.records.push(painwatch_journal::Record { offset, ..record.clone() });
        }
        let (mut one, mut both) = (Rig::new().await, Rig::new().await);
        one.apply_all(&alone).await;
        let mut records = Vec::new();
        for record in &among.records {
            records.extend(both.findings_of(record).await);
        }
        // The other clinic's device is paired with nobody, which is all there is to be found about it.
        let of_others = records.iter().filter(|(tenant, _)| *tenant != main).map(|(_, findings)| findings.len());
        assert_eq!(of_others.sum::<usize>(), 1, "seed {seed}");
        let mine = records.iter().filter(|(tenant, _)| *tenant == main).flat_map(|(_, findings)| findings);
        assert!(
            mine.clone().count() > 0 && mine.into_iter().all(|finding| finding.rule != "technical-device-unpaired")
        );
        let hashes =
            (canonical_hash(&*one.store, &main).await.unwrap(), canonical_hash(&*both.store, &main).await.unwrap());
        assert_eq!(hashes.0, hashes.1, "seed {seed}");
    }
}
