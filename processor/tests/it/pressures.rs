//! One blood pressure under two stamps, through the whole engine: flagged, not merged.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, Roster, TenantId};
use painwatch_store::Store;

use crate::clinic::{self, PACKS};
use crate::history;
use crate::rig::{Journal, Rig, Sent};

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const MORNING: i64 = DAY + 7 * HOUR_MS + 12 * MINUTE_MS + 34_000;

/// The cuff tells 07:12:34 UTC; the phone's export of it, two zones on, 09:12:34. What else there is, is no copy.
fn told() -> Vec<Sent> {
    vec![
        Sent::pressure("cuff", MORNING, 142.0, 88.0, "sitting"),
        Sent::pressure("phone", MORNING + 2 * HOUR_MS, 142.0, 88.0, "sitting"),
        Sent::pressure("cuff", MORNING + 3 * HOUR_MS, 142.0, 89.0, "sitting"),
        Sent::pressure("cuff", MORNING + 4 * HOUR_MS + 1_000, 142.0, 88.0, "sitting"),
        Sent::pressure("cuff", MORNING + 17 * HOUR_MS, 142.0, 88.0, "sitting"),
    ]
}

async fn applied(sent: &[Sent]) -> Rig {
    let roster = clinic::with_patient(Roster::default(), clinic::patient("ann", "UTC", &PACKS));
    let roster = clinic::paired(roster, "cuff", "ann", DAY - DAY_MS, None);
    let mut journal = Journal::default();
    journal.roster(DAY - DAY_MS, &clinic::publish(clinic::paired(roster, "phone", "ann", DAY - DAY_MS, None)));
    for (nth, sent) in (1..).zip(sent) {
        journal.batch(DAY + DAY_MS + nth * MINUTE_MS, std::slice::from_ref(sent));
    }
    journal.tick(DAY + 2 * DAY_MS);
    let mut rig = Rig::new().await;
    rig.apply_all(&journal).await;
    rig
}

/// Minutes after `MORNING` and quality of what is marked as a copy.
async fn marked(rig: &Rig) -> Vec<(i64, String)> {
    let (patient, measure) = (clinic::patient_id("ann"), "blood_pressure_systolic".to_owned());
    let stored = rig.store.series(TenantId::default(), patient, measure, EventTime::MIN, EventTime::MAX, 100);
    let rows = stored.await.unwrap().into_iter();
    let marked = rows.filter(|row| row.quality.contains("copy"));
    marked.map(|row| ((row.time.0 - MORNING) / MINUTE_MS, row.quality)).collect()
}

fn asked(rig: &Rig) -> usize {
    rig.findings.iter().filter(|finding| finding.rule.as_str() == "technical-pressure-shifted").count()
}

#[tokio::test]
async fn a_blood_pressure_that_stands_again_whole_hours_later_is_marked_and_asked_about_in_either_order() {
    let one = applied(&told()).await;
    assert_eq!(marked(&one).await, [(120, "possible_copy_2h".to_owned())]);
    assert_eq!(asked(&one), 1);
    let mut backwards = told();
    backwards.reverse();
    let other = applied(&backwards).await;
    assert_eq!(marked(&other).await, [(0, "possible_copy_2h".to_owned())], "the one that came second");
    assert_eq!(asked(&other), 1);
    assert_eq!(
        history::difference(&history::canonical(&one.store).await, &history::canonical(&other.store).await),
        None
    );
}

#[tokio::test]
async fn a_blood_pressure_that_was_withdrawn_is_nobodys_copy() {
    let mut sent = told();
    sent.truncate(1);
    let mut withdrawn = told().swap_remove(0);
    withdrawn.series.meta.status = painwatch_domain::Status::EnteredInError;
    withdrawn.series.meta.revision = 1;
    sent.extend([withdrawn, told().swap_remove(1)]);
    let rig = applied(&sent).await;
    assert_eq!((marked(&rig).await, asked(&rig)), (Vec::new(), 0));
}

#[tokio::test]
async fn an_import_is_marked_and_nobody_is_asked_since_its_report_has_said_so() {
    let historical = told().into_iter().map(|sent| Sent { historical: true, ..sent });
    let rig = applied(&historical.collect::<Vec<_>>()).await;
    assert_eq!((marked(&rig).await.len(), asked(&rig)), (1, 0));
}

#[tokio::test]
async fn of_two_copies_in_one_packed_series_the_second_is_marked() {
    let mut packed = told().swap_remove(0);
    let mut second = packed.series.samples[0].clone();
    second.device_time += HOUR_MS;
    second.time = EventTime(second.device_time);
    packed.series.samples.push(second);
    let rig = applied(&[packed]).await;
    assert_eq!(marked(&rig).await, [(60, "possible_copy_1h".to_owned())]);
}

#[tokio::test]
async fn a_pressure_that_is_sent_once_more_asks_nothing_anew() {
    let mut sent: Vec<Sent> = told().into_iter().take(2).map(|sent| Sent { historical: true, ..sent }).collect();
    sent.extend(told().into_iter().take(2));
    let rig = applied(&sent).await;
    assert_eq!((marked(&rig).await.len(), asked(&rig)), (1, 0), "live after history, the same values");
}
