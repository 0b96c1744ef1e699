//! Wrong clocks, and what they kept in quarantine: estimated out of the journal's prefix, in force where the journal says
//! so, and submitted again once (semantics 1, 7; targets P16, F23).

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{DeviceId, EventTime, Flags, GatewayId, KnownClocks, Measure, Offset, Roster, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_proto::journal::v1 as pb;
use painwatch_store::{Books, Store as _, canonical_hash};
use prost::Message as _;

use crate::clinic;
use crate::rig::{Journal, Rig, Sent, batch};

const NOON: i64 = 20_614 * DAY_MS + 12 * HOUR_MS;

fn tenant() -> TenantId {
    TenantId::default()
}

/// A pulse that a watch puts `ahead_ms` too late.
fn pulse(device: &str, taken: i64, ahead_ms: i64) -> Sent {
    let mut sent = Sent::numbers(device, Measure::HeartRate, [(taken + ahead_ms, 70.0)]);
    if ahead_ms >= 5 * MINUTE_MS {
        sent.series.samples[0].time = EventTime(taken + 2_000);
        sent.series.samples[0].flags = Flags::CLOCK_AHEAD;
    }
    sent
}

/// What ingest keeps of a reading ten years ahead.
fn refused(id: &str, device: &str, claimed: i64) -> pb::Quarantined {
    pb::Quarantined {
        id: id.to_owned(),
        code: "time_in_future".to_owned(),
        format: "json".to_owned(),
        payload: vec![b'{', b'}'].into(),
        count: 1,
        device: device.to_owned(),
        device_time_ms: Some(claimed),
        ..pb::Quarantined::default()
    }
}

fn of_class(journal: &mut Journal, at: i64, class: Class, payload: Vec<u8>) {
    journal.tick(at);
    let last = journal.records.len() - 1;
    journal.records[last] = Record { class, payload: payload.into(), ..journal.records[last].clone() };
}

/// Applies a journal as the shell does: what is concluded is journalled behind it, and read back.
async fn follow(rig: &mut Rig, journal: &mut Journal) {
    let mut at = rig.engine.next().0 as usize;
    while at < journal.records.len() {
        let record = journal.records[at].clone();
        let cause = record.offset;
        rig.apply(&record).await;
        let clocks = std::mem::take(&mut rig.decisions);
        if !clocks.is_empty() {
            let decisions = pb::Decisions { cause_offset: cause.0, clocks };
            of_class(journal, record.journal_time.0, Class::Decision, decisions.encode_to_vec());
        }
        at += 1;
    }
}

fn known(rig: &Rig, device: &str) -> Option<i64> {
    let clocks: KnownClocks = rig.engine.known_clocks();
    clocks.of(&tenant(), &DeviceId::parse(device).unwrap()).map(|offset| offset.ahead_ms)
}

fn roster() -> String {
    let roster = clinic::with_patient(Roster::default(), clinic::patient("ann", "Europe/Paris", &[]));
    clinic::publish(clinic::paired(roster, "watch", "ann", 0, None))
}

#[tokio::test]
async fn semantics_7_an_estimate_is_in_force_from_its_own_record_on_and_is_shown() {
    let (mut rig, mut journal) = (Rig::new().await, Journal::default());
    journal.roster(NOON - DAY_MS, &roster());
    for minute in 0..6 {
        let taken = NOON + minute * MINUTE_MS;
        journal.batch(taken + 2_000, &[pulse("watch", taken, 2 * HOUR_MS), pulse("band", taken, 0)]);
    }
    for record in &journal.records {
        rig.apply(record).await;
    }
    assert_eq!(rig.decisions.len(), 1, "concluded once, although it was not read back");
    assert_eq!(known(&rig, "watch"), None, "what is not journalled is not in force");
    let decisions = pb::Decisions { cause_offset: 3, clocks: std::mem::take(&mut rig.decisions) };
    of_class(&mut journal, NOON + HOUR_MS, Class::Decision, decisions.encode_to_vec());
    follow(&mut rig, &mut journal).await;
    assert_eq!((known(&rig, "watch"), known(&rig, "band")), (Some(2 * HOUR_MS - 2_000), None));
    let [shown] = rig.store.clocks(tenant()).await.unwrap().try_into().unwrap();
    assert_eq!((shown.kind, shown.subject.as_str(), shown.ahead_ms), ("device", "watch", 2 * HOUR_MS - 2_000));
}

#[tokio::test]
async fn past_failure_35_a_device_whose_clock_is_off_is_told_of_once() {
    let (mut rig, mut journal) = (Rig::new().await, Journal::default());
    journal.roster(NOON - DAY_MS, &roster());
    for minute in 0..100 {
        let taken = NOON + minute * MINUTE_MS;
        journal.batch(taken + 2_000, &[pulse("watch", taken, -27 * HOUR_MS), pulse("band", taken, HOUR_MS)]);
    }
    follow(&mut rig, &mut journal).await;
    let told = rig.findings.iter().filter(|finding| finding.rule.as_str() == "technical-clock-wrong");
    let why: Vec<&str> = told.map(|finding| finding.episode.why.as_str()).collect();
    assert_eq!(
        why,
        ["device band: it claims a time that has not come yet", "device watch: its clock is 1 d 3 h behind"]
    );
}

#[tokio::test]
async fn semantics_7_clocks_and_what_left_quarantine_survive_a_restart() {
    let story = || {
        let mut journal = Journal::default();
        journal.roster(NOON - DAY_MS, &roster());
        for minute in 0..6 {
            let at = NOON + minute * MINUTE_MS;
            let mut submission = batch(minute as usize, at, &[pulse("band", at - 2_000, 0)]);
            submission.quarantined.push(refused(&format!("q-{minute}"), "watch", at + 3_650 * DAY_MS));
            of_class(&mut journal, at, Class::Batch, submission.encode_to_vec());
        }
        journal
    };
    let (mut whole, mut journal) = (Rig::new().await, story());
    follow(&mut whole, &mut journal).await;
    assert_eq!(known(&whole, "watch"), Some(3_650 * DAY_MS));
    again(&mut journal, 3, NOON + 3 * MINUTE_MS);
    follow(&mut whole, &mut journal).await;

    let mut cut = Rig::new().await;
    for record in &journal.records {
        cut.apply(record).await;
        cut.decisions.clear();
        cut.checkpoint().await;
        cut.crash().await;
    }
    assert_eq!(known(&cut, "watch"), known(&whole, "watch"));
    again(&mut journal, 3, NOON + 3 * MINUTE_MS);
    let twice = journal.records.last().unwrap().clone();
    cut.apply(&twice).await;
    whole.apply(&twice).await;
    for rig in [&cut, &whole] {
        let books = Books { submitted: 12, stored: 7, duplicate: 0, conflict: 0, quarantined: 5 };
        assert_eq!(rig.store.books(tenant()).await.unwrap(), books);
    }
}

/// Submits the item of minute `minute` again, its clock's error taken out.
fn again(journal: &mut Journal, minute: i64, received_at: i64) {
    let ahead = 3_650 * DAY_MS;
    let mut sent = Sent::numbers("watch", Measure::HeartRate, [(received_at + ahead, 71.0)]);
    sent.series.samples[0].time = EventTime(received_at);
    sent.series.samples[0].flags = Flags::CLOCK_CORRECTED;
    let mut submission = batch(minute as usize, received_at, &[sent]);
    let cause_offset = 1 + minute as u64;
    submission.redrives.push(pb::Redriven { id: format!("q-{minute}"), cause_offset, count: 1 });
    of_class(journal, NOON + HOUR_MS, Class::Batch, submission.encode_to_vec());
}

#[tokio::test]
async fn semantics_1_an_item_submitted_again_changes_its_class_once_and_keeps_its_receipt() {
    let (mut rig, mut journal) = (Rig::new().await, Journal::default());
    journal.roster(NOON - DAY_MS, &roster());
    let mut submission = batch(0, NOON, &[]);
    submission.quarantined.push(refused("q-0", "watch", NOON + 3_650 * DAY_MS));
    of_class(&mut journal, NOON, Class::Batch, submission.encode_to_vec());
    follow(&mut rig, &mut journal).await;
    let mut hashes = Vec::new();
    for _ in 0..3 {
        again(&mut journal, 0, NOON);
        follow(&mut rig, &mut journal).await;
        let books = Books { submitted: 1, stored: 1, duplicate: 0, conflict: 0, quarantined: 0 };
        assert_eq!(rig.store.books(tenant()).await.unwrap(), books);
        let [ledger] = rig.store.ledger(tenant()).await.unwrap().try_into().unwrap();
        assert_eq!((ledger.submitted, ledger.stored, ledger.quarantined), (1, 1, 0), "the books of gateway and day");
        hashes.push(canonical_hash(&*rig.store, &tenant()).await.unwrap());
    }
    assert_eq!(hashes[0], hashes[2]);
    assert!(rig.store.quarantine(tenant(), None).await.unwrap().is_empty());
    let gateway = GatewayId::parse("gw").unwrap();
    let verdicts = rig.store.verdicts_after(tenant(), gateway, Offset(0), 9).await.unwrap();
    assert_eq!(verdicts.len(), 1, "the gateway is told what became of what it sent, and of nothing else");
    let ann = clinic::patient_id("ann");
    let (from, to) = (EventTime(NOON - DAY_MS), EventTime(NOON + DAY_MS));
    let rows = rig.store.series(tenant(), ann, "heart_rate".to_owned(), from, to, 9).await.unwrap();
    let [row] = rows.try_into().unwrap();
    assert_eq!((row.received_at.0, row.time.0), (NOON, NOON));
    assert_eq!((row.device_time, row.quality.as_str()), (NOON + 3_650 * DAY_MS, "clock_corrected"));
}

#[tokio::test]
async fn past_failure_37_a_device_that_was_silent_wakes_without_loss_and_holds_nobody_back() {
    let run = |sleepers: bool| async move {
        let (mut rig, mut journal) = (Rig::new().await, Journal::default());
        journal.roster(NOON - DAY_MS, &roster());
        for minute in 0..180 {
            let taken = NOON + minute * MINUTE_MS;
            journal.batch(taken + 2_000, &[pulse("watch", taken, 0)]);
            if sleepers && (minute == 0 || minute == 179) {
                journal.batch(taken + 2_000, &[pulse("other", taken, 0), pulse("other", taken - HOUR_MS, 0)]);
            }
        }
        journal.tick(NOON + 3 * DAY_MS);
        follow(&mut rig, &mut journal).await;
        let stored = rig.store.books(tenant()).await.unwrap().stored;
        (stored, canonical_hash(&*rig.store, &tenant()).await.unwrap())
    };
    let ((alone, hash), (among, same)) = (run(false).await, run(true).await);
    assert_eq!((alone, among), (180, 184));
    assert_eq!(hash, same);
}
