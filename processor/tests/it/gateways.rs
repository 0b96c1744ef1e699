//! What is kept for gateways: verdicts, sequence numbers, and their books.

use painwatch_domain::{BatchVerdict, EventTime, GatewayId, JournalTime, Measure, Offset, TenantId};
use painwatch_journal::Class;
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::decode_verdict;
use painwatch_store::{LedgerRow, SequenceFilter, Store as _, VerdictKey};
use prost::Message as _;

use crate::clinic::device_id;
use crate::rig::{Journal, Rig, Sent, batch};

const START: i64 = 1_772_323_200_000;
const DAY: i64 = 86_400_000;

/// One heart rate with its place in the device's own count.
fn counted(device: &str, boot_id: u32, seq: u64) -> Sent {
    let mut sent = Sent::numbers(device, Measure::HeartRate, [(START + seq as i64 * 1_000, 60.0)]);
    (sent.series.meta.boot_id, sent.series.meta.seq) = (Some(boot_id), Some(seq));
    sent
}

async fn gaps(rig: &Rig, device: &str) -> Vec<(u32, u64, u64, String)> {
    let filter = SequenceFilter { device: Some(device_id(device)), ..SequenceFilter::default() };
    let rows = rig.store.sequences(TenantId::default(), filter).await.unwrap();
    rows.into_iter().map(|row| (row.boot_id, row.first_seq, row.last_seq, row.missing.to_string())).collect()
}

#[tokio::test]
async fn a_sequence_number_that_never_arrived_is_a_gap_until_it_arrives_late_after_a_restart_or_in_quarantine() {
    let mut journal = Journal::default();
    let at = |minute: i64| START + minute * 60_000;
    journal.batch(at(1), &[counted("watch", 3, 1), counted("watch", 3, 2), counted("watch", 3, 9)]);
    journal.batch(at(2), &[counted("watch", 4, 1), counted("cuff", 1, 5)]);
    let mut rig = Rig::new().await;
    rig.apply_all(&journal).await;
    let fresh = |missing: &str| vec![(3, 1, 9, missing.to_owned()), (4, 1, 1, String::new())];
    assert_eq!(gaps(&rig, "watch").await, fresh("3-8"));
    assert_eq!(gaps(&rig, "cuff").await, [(1, 5, 5, String::new())]);

    // Nothing was in a checkpoint: the records are applied again, and the rows are as they were.
    rig.crash().await;
    for record in &journal.records {
        rig.repeat(record).await;
    }
    assert_eq!(gaps(&rig, "watch").await, fresh("3-8"));

    journal.batch(at(3), &[counted("watch", 3, 5)]);
    let quarantined = pb::Quarantined {
        id: "q-1".into(),
        code: "value_out_of_range".into(),
        device: "watch".into(),
        count: 1,
        boot_id: Some(3),
        seq: Some(8),
        ..pb::Quarantined::default()
    };
    let mut refused = batch(3, at(4), &[]);
    refused.quarantined.push(quarantined);
    let mut record = journal.records[0].clone();
    (record.offset, record.class, record.payload) = (Offset(3), Class::Batch, refused.encode_to_vec().into());
    record.journal_time = JournalTime(at(4));
    journal.records.push(record);
    rig.apply_all(&journal).await;
    assert_eq!(gaps(&rig, "watch").await, fresh("3-4 6-7"));
}

#[tokio::test]
async fn semantics_3_a_verdict_is_kept_for_thirty_days_of_journal_time() {
    let mut journal = Journal::default();
    for days in [0, 1, 30, 31] {
        journal.batch(START + days * DAY, &[counted("watch", 1, days as u64)]);
    }
    let mut rig = Rig::new().await;
    let gateway = || GatewayId::parse("gw").unwrap();
    for (record, oldest) in journal.records.iter().zip([0, 0, 0, 1]) {
        rig.apply(record).await;
        let kept = rig.store.verdicts_after(TenantId::default(), gateway(), Offset(0), 9).await.unwrap();
        let first = rig.store.verdict(TenantId::default(), gateway(), VerdictKey::Cause(Offset(0))).await.unwrap();
        assert_eq!((first.is_some(), kept.len() as u64), (oldest == 0, record.offset.0));
    }
    let newest = VerdictKey::Batch("gw/3".into());
    let row = rig.store.verdict(TenantId::default(), gateway(), newest).await.unwrap().unwrap();
    let verdict = decode_verdict(&pb::Verdict::decode(&row.verdict[..]).unwrap()).unwrap();
    let expected = BatchVerdict { cause: Offset(3), batch_id: "gw/3".into(), stored: 1, ..BatchVerdict::default() };
    assert_eq!(verdict, expected);
}

#[tokio::test]
async fn semantics_1_each_gateway_and_day_has_its_own_books_and_refusals_stand_beside_them() {
    let mut journal = Journal::default();
    let two = [counted("watch", 1, 1), counted("watch", 1, 2)];
    journal.batch(START + DAY - 1, &two);
    journal.batch(START + DAY, &two);
    let count = |gateway: &str, reason: &str, count| pb::RefusalCount {
        gateway: gateway.into(),
        day_ms: START + DAY,
        reason: reason.into(),
        count,
    };
    let refusals = pb::Refusals { counts: vec![count("gw", "not_your_device", 4), count("", "authentication", 2)] };
    let action = Some(pb::control::Action::Refusals(refusals));
    let mut record = journal.records[0].clone();
    (record.offset, record.class) = (Offset(2), Class::Control);
    record.payload = pb::Control { action, ..pb::Control::default() }.encode_to_vec().into();
    record.journal_time = JournalTime(START + DAY);
    journal.records.push(record);
    let mut rig = Rig::new().await;
    rig.apply_all(&journal).await;
    let book = |day: i64, gateway: &str, reason: &str| LedgerRow {
        day: EventTime(START + day * DAY),
        gateway: gateway.into(),
        reason: reason.into(),
        ..LedgerRow::default()
    };
    let expected = [
        LedgerRow { submitted: 2, stored: 2, ..book(0, "gw", "") },
        LedgerRow { refused: 2, ..book(1, "", "authentication") },
        LedgerRow { submitted: 2, duplicate: 2, ..book(1, "gw", "") },
        LedgerRow { refused: 4, ..book(1, "gw", "not_your_device") },
    ];
    assert_eq!(rig.store.ledger(TenantId::default()).await.unwrap(), expected);
}
