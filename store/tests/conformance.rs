//! One suite for every implementation of the store.

mod support;

use std::sync::Arc;

use painwatch_domain::*;
use painwatch_store::*;
use support::*;

macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(std::sync::Arc::new(painwatch_store::MemoryStore::new())).await;
            })+
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                let directory = tempfile::tempdir().unwrap();
                super::$case(crate::support::sqlite(directory.path()).await).await;
            })+
        }

        /// One server for all of them: starting it is what takes time.
        #[tokio::test]
        async fn every_case_holds_on_postgresql() {
            let server = Postgres::start();
            let lake = tempfile::tempdir().unwrap();
            $({
                println!("{}", stringify!($case));
                let store = server.store(stringify!($case), &lake.path().join(stringify!($case))).await;
                $case(store).await;
            })+
        }
    };
}

cases! {
    a_commit_is_all_or_nothing,
    semantics_23_an_older_owner_is_fenced,
    a_position_never_goes_back,
    a_commit_whose_answer_was_lost_is_not_made_twice,
    semantics_22_a_replaced_reading_moves_to_history,
    a_version_that_does_not_rank_and_a_conflict_go_to_history_at_once,
    versions_of_one_commit_follow_each_other,
    rows_that_do_not_say_that_they_replace_leave_what_stood_in_history,
    a_replaced_metric_moves_to_history,
    a_coverage_day_replaces_what_began_in_it,
    an_episode_can_go,
    alerts_are_filtered_and_paged_without_loss,
    an_alerts_story_evidence_and_attempts_are_kept,
    a_series_spans_hot_rows_and_the_lake,
    a_reading_in_the_lake_can_be_replaced,
    books_are_sums_and_counts_are_counted,
    semantics_1_an_item_that_is_submitted_again_leaves_the_book_that_counted_it,
    a_clock_has_one_row_and_it_is_the_newest_estimate,
    semantics_3_a_verdict_is_its_gateways_own_and_is_forgotten_by_journal_time,
    sequences_are_replaced_listed_by_gateway_and_can_go,
    a_ledger_adds_up_over_commits_and_within_one,
    blobs_are_kept_replaced_and_removed,
    a_roster_replaces_the_one_before,
    every_version_of_a_rule_is_told_once_as_it_came_last,
    the_ends_of_time_survive,
    every_table_gives_the_columns_it_declares,
    semantics_10_the_canonical_hash_is_the_same_everywhere,
}

async fn owned(store: &Arc<dyn Store>) -> u64 {
    store.take_ownership().await.unwrap()
}

async fn all_readings(store: &dyn Store) -> Vec<ReadingRow> {
    let (from, to) = (EventTime(START - 1_000_000_000), EventTime(START + 1_000_000_000));
    store.series(tenant(), patient(1), "heart_rate".into(), from, to, usize::MAX).await.unwrap()
}

async fn rows_of(store: &dyn Store, table: &'static str) -> usize {
    store.table_batches(table).await.unwrap().iter().map(|batch| batch.num_rows()).sum()
}

fn readings(rows: Vec<ReadingRow>) -> Rows {
    Rows { readings: rows, ..Rows::default() }
}

async fn a_commit_is_all_or_nothing(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let at = |next| Some((Consumer::Processor, Applied { next: Offset(next), journal_time: JournalTime(START) }));
    write(&*store, epoch, Rows::default()).await;
    store.commit(&Commit { epoch, applied: at(5), ..Commit::default() }).await.unwrap();
    let blob = Blob { kind: "patient", key: "p-1".into(), bytes: Some(vec![1]) };
    let refused = Commit { epoch, applied: at(4), rows: readings(vec![reading(1, 3)]), blobs: vec![blob] };
    assert!(matches!(store.commit(&refused).await, Err(StoreError::Failed(_))));
    assert!(all_readings(&*store).await.is_empty());
    assert_eq!(store.blob("patient", "p-1".into()).await.unwrap(), None);
    assert_eq!(store.applied(Consumer::Processor).await.unwrap().unwrap().next, Offset(5));
}

async fn semantics_23_an_older_owner_is_fenced(store: Arc<dyn Store>) {
    assert!(matches!(store.commit(&Commit::default()).await, Err(StoreError::Fenced { .. })));
    let old = owned(&store).await;
    let new = owned(&store).await;
    assert!(new > old);
    let stale = Commit { epoch: old, rows: readings(vec![reading(1, 1)]), ..Commit::default() };
    match store.commit(&stale).await {
        Err(StoreError::Fenced { ours, current }) => assert_eq!((ours, current), (old, new)),
        other => panic!("{other:?}"),
    }
    assert!(all_readings(&*store).await.is_empty());
    write(&*store, new, readings(vec![reading(1, 1)])).await;
    assert_eq!(all_readings(&*store).await.len(), 1);
}

async fn a_position_never_goes_back(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    assert_eq!(store.applied(Consumer::Alerts).await.unwrap(), None);
    for next in [3, 3, 9] {
        let applied = Applied { next: Offset(next), journal_time: JournalTime(START + next as i64) };
        store.commit(&Commit { epoch, applied: Some((Consumer::Alerts, applied)), ..Commit::default() }).await.unwrap();
        assert_eq!(store.applied(Consumer::Alerts).await.unwrap(), Some(applied));
    }
    assert_eq!(store.applied(Consumer::Processor).await.unwrap(), None);
}

async fn a_commit_whose_answer_was_lost_is_not_made_twice(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let book = LedgerRow {
        tenant: tenant(),
        day: EventTime(START),
        gateway: "gw-1".into(),
        reason: String::new(),
        submitted: 3,
        stored: 3,
        duplicate: 0,
        conflict: 0,
        quarantined: 0,
        refused: 0,
    };
    let version = |revision| ReadingRow { revision, supersedes: revision > 0, ..reading(1, 7) };
    let rows = Rows { ledger: vec![book.clone()], ..readings(vec![version(0), version(1)]) };
    let applied = Applied { next: Offset(8), journal_time: JournalTime(START) };
    let commit = Commit { epoch, applied: Some((Consumer::Processor, applied)), rows, ..Commit::default() };
    for _ in 0..3 {
        store.commit(&commit).await.unwrap();
    }
    assert_eq!(store.ledger(tenant()).await.unwrap(), [book]);
    assert_eq!(store.counts(tenant()).await.unwrap().versions, 2);
}

/// One under another time, one in the same place.
async fn rows_that_do_not_say_that_they_replace_leave_what_stood_in_history(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    write(&*store, epoch, readings(vec![reading(1, 1), reading(2, 1)])).await;
    let moved = ReadingRow { time: EventTime(START + 500), revision: 1, ..reading(1, 4) };
    let same = ReadingRow { revision: 1, ..reading(2, 4) };
    write(&*store, epoch, readings(vec![moved.clone(), same.clone(), reading(3, 4)])).await;
    assert_eq!(all_readings(&*store).await, [moved, same, reading(3, 4)]);
    let counts = store.counts(tenant()).await.unwrap();
    assert_eq!((counts.identities, counts.versions), (3, 5));
    let history = &store.table_batches("readings_history").await.unwrap()[0];
    let known = |name: &str| -> Vec<i64> {
        let column = history.column_by_name(name).unwrap();
        arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(column).values().to_vec()
    };
    assert_eq!((known("known_from"), known("known_to")), (vec![1, 1], vec![4, 4]));
}

async fn semantics_22_a_replaced_reading_moves_to_history(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let other = reading(2, 1);
    write(&*store, epoch, readings(vec![reading(1, 1), other.clone()])).await;
    let mut corrected = ReadingRow { value: Some(61.5), status: "corrected", revision: 1, ..reading(1, 4) };
    corrected.supersedes = true;
    // A clock correction moves the time and keeps the identity.
    corrected.time = EventTime(START + 500);
    write(&*store, epoch, readings(vec![corrected.clone()])).await;
    corrected.supersedes = false;
    assert_eq!(all_readings(&*store).await, [corrected, other]);
    let history = &store.table_batches("readings_history").await.unwrap()[0];
    assert_eq!(history.num_rows(), 1);
    let column = |name: &str| history.column_by_name(name).unwrap().clone();
    let integer =
        |name: &str| arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&column(name)).value(0);
    assert_eq!((integer("known_from"), integer("known_to")), (1, 4));
    // A row that fails to say that it replaces another is found by its key and time.
    write(&*store, epoch, readings(vec![ReadingRow { revision: 2, ..reading(2, 6) }])).await;
    assert_eq!(rows_of(&*store, "readings_history").await, 2);
    assert_eq!(rows_of(&*store, "readings").await, 2);
}

async fn a_version_that_does_not_rank_and_a_conflict_go_to_history_at_once(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let outranked = ReadingRow { effective: false, revision: -1, supersedes: true, ..reading(1, 2) };
    let conflict = ReadingRow { conflict: true, value: Some(1.0), supersedes: true, ..reading(1, 3) };
    write(&*store, epoch, readings(vec![reading(1, 1), outranked])).await;
    write(&*store, epoch, readings(vec![conflict])).await;
    assert_eq!(all_readings(&*store).await, [reading(1, 1)]);
    let counts = store.counts(tenant()).await.unwrap();
    assert_eq!(counts, Counts { identities: 1, versions: 2, conflicts: 1, quarantined: 0 });
}

async fn versions_of_one_commit_follow_each_other(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let version = |revision| ReadingRow { revision, supersedes: revision > 0, ..reading(1, 7) };
    write(&*store, epoch, readings(vec![version(0), version(1), version(2)])).await;
    let current = all_readings(&*store).await;
    assert_eq!(current.iter().map(|row| row.revision).collect::<Vec<_>>(), [2]);
    assert_eq!(store.counts(tenant()).await.unwrap().versions, 3);
}

async fn a_replaced_metric_moves_to_history(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let rows = |metrics| Rows { metrics, ..Rows::default() };
    write(&*store, epoch, rows(vec![metric(0, 1, 10.0), metric(1, 1, 20.0)])).await;
    write(&*store, epoch, rows(vec![metric(0, 2, 11.0), metric(0, 3, 12.5)])).await;
    let ask = |patient, name: Option<&str>, from, to| {
        store.metrics(tenant(), patient, name.map(Into::into), EventTime(from), EventTime(to))
    };
    let all = ask(None, None, i64::MIN, i64::MAX).await.unwrap();
    assert_eq!(all, [metric(0, 3, 12.5), metric(1, 1, 20.0)]);
    assert_eq!(rows_of(&*store, "metrics_history").await, 2);
    assert_eq!(ask(Some(patient(1)), Some("step_count.daily_sum"), START + 1, i64::MAX).await.unwrap().len(), 1);
    assert!(ask(Some(patient(2)), None, i64::MIN, i64::MAX).await.unwrap().is_empty());
    assert!(ask(None, Some("other"), i64::MIN, i64::MAX).await.unwrap().is_empty());
}

async fn a_coverage_day_replaces_what_began_in_it(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let rows = |coverage| Rows { coverage, ..Rows::default() };
    let days = vec![
        coverage_day(0, 100, vec![interval(0, 40, ""), interval(40, 120, "link")]),
        coverage_day(100, 200, vec![interval(120, 200, "")]),
    ];
    write(&*store, epoch, rows(days)).await;
    // Within one commit the later day counts, also for starts that both claim.
    let again = vec![
        coverage_day(0, 100, vec![interval(0, 10, "self"), interval(60, 70, "self")]),
        coverage_day(50, 100, vec![interval(50, 120, "charging")]),
    ];
    write(&*store, epoch, rows(again)).await;
    let all = store.coverage(tenant(), None, EventTime(0), EventTime(1_000)).await.unwrap();
    let spans: Vec<_> = all.iter().map(|row| (row.start.0, row.end.0, row.cause.as_str())).collect();
    assert_eq!(spans, [(0, 10, "self"), (50, 120, "charging"), (120, 200, "")]);
    let touching = store.coverage(tenant(), Some(patient(1)), EventTime(110), EventTime(120)).await.unwrap();
    assert_eq!(touching.len(), 1);
    assert!(store.coverage(tenant(), Some(patient(2)), EventTime(0), EventTime(1_000)).await.unwrap().is_empty());
}

async fn an_episode_can_go(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let (low, high) = (episode(START, Priority::Low), episode(START + 9, Priority::High));
    write(&*store, epoch, Rows { episodes: vec![low.clone(), high.clone()], ..Rows::default() }).await;
    let gone = vec![(tenant(), patient(1), rule("r"), EventTime(START))];
    let ended = EpisodeRow { end: Some(EventTime(START + 10)), ..high };
    write(&*store, epoch, Rows { episodes: vec![ended.clone()], episodes_gone: gone, ..Rows::default() }).await;
    assert_eq!(store.episodes(tenant()).await.unwrap(), [ended]);
    assert!(store.episodes(TenantId::parse("other").unwrap()).await.unwrap().is_empty());
}

async fn alerts_are_filtered_and_paged_without_loss(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    // Three alerts of one record among seven: a page may not be cut between them.
    let changes = [1, 2, 5, 5, 5, 8, 9];
    let mut alerts: Vec<_> = (0..7).map(|n| alert(n, changes[n as usize])).collect();
    alerts[1].state = AlertState::Resolved;
    alerts[2].priority = Priority::High;
    alerts[3].patient = None;
    alerts[4].rule = rule("other");
    alerts[5].condition = Condition::Cleared;
    write(&*store, epoch, Rows { alerts: alerts.clone(), ..Rows::default() }).await;
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store.alerts(AlertFilter { before, limit: 3, ..AlertFilter::default() }).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.changed_at);
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(|row| row.changed_at.0).collect::<Vec<_>>(), [9, 8, 5, 5, 5, 2, 1]);
    let all = store.alerts(AlertFilter::default()).await.unwrap();
    assert_eq!(all, seen);
    let count = async |filter: AlertFilter| store.alerts(filter).await.unwrap().len();
    let any = AlertFilter::default;
    assert_eq!(count(AlertFilter { states: vec![AlertState::Open], ..any() }).await, 6);
    assert_eq!(count(AlertFilter { states: vec![AlertState::Open, AlertState::Resolved], ..any() }).await, 7);
    assert_eq!(count(AlertFilter { condition: Some(Condition::Cleared), ..any() }).await, 1);
    assert_eq!(count(AlertFilter { priority: Some(Priority::High), ..any() }).await, 1);
    assert_eq!(count(AlertFilter { patient: Some(patient(1)), ..any() }).await, 6);
    assert_eq!(count(AlertFilter { rule: Some(rule("other")), ..any() }).await, 1);
    assert_eq!(count(AlertFilter { since: Some(JournalTime(START + 5)), ..any() }).await, 2);
    assert_eq!(count(AlertFilter { tenant: TenantId::parse("other").unwrap(), ..any() }).await, 0);
    assert_eq!(store.alert(tenant(), id(3)).await.unwrap(), Some(alerts[3].clone()));
    assert_eq!(store.alert(tenant(), id(99)).await.unwrap(), None);
    let resolved = AlertRow {
        state: AlertState::Resolved,
        disposition: Some(Disposition::Actionable),
        changed_at: Offset(20),
        ..alert(3, 0)
    };
    write(&*store, epoch, Rows { alerts: vec![alert(3, 19), resolved.clone()], ..Rows::default() }).await;
    assert_eq!(store.alert(tenant(), id(3)).await.unwrap(), Some(resolved));
}

async fn an_alerts_story_evidence_and_attempts_are_kept(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let event = |seq, event: &str| AlertEventRow {
        tenant: tenant(),
        alert_id: id(1),
        seq,
        at: JournalTime(START + i64::from(seq)),
        event: event.into(),
        actor: "nurse".into(),
        note: "It's \"noted\"; -- ünïcode".into(),
    };
    let attempt = |attempt, outcome: &str| NotificationRow {
        tenant: tenant(),
        notification_id: id(5),
        alert_id: id(1),
        channel: "webhook".into(),
        recipient: "n-1".into(),
        attempt,
        at: JournalTime(START + i64::from(attempt)),
        outcome: outcome.into(),
        detail: String::new(),
    };
    let evidence = vec![(tenant(), id(1), id(3)), (tenant(), id(1), id(4)), (tenant(), id(2), id(3))];
    let rows = || Rows {
        alert_events: vec![event(1, "opened"), event(0, "detected")],
        alert_evidence: evidence.clone(),
        notifications: vec![attempt(2, "pending"), attempt(1, "failed")],
        ..Rows::default()
    };
    write(&*store, epoch, rows()).await;
    // Again: nothing is doubled.
    write(&*store, epoch, rows()).await;
    write(&*store, epoch, Rows { notifications: vec![attempt(2, "delivered")], ..Rows::default() }).await;
    let story = store.alert_events(tenant(), id(1)).await.unwrap();
    assert_eq!(story, [event(0, "detected"), event(1, "opened")]);
    let mut expected = vec![id(3), id(4)];
    expected.sort();
    assert_eq!(store.alert_evidence(tenant(), id(1)).await.unwrap(), expected);
    let attempts = store.notifications(tenant(), Some(id(1))).await.unwrap();
    assert_eq!(attempts, [attempt(1, "failed"), attempt(2, "delivered")]);
    assert_eq!(store.notifications(tenant(), None).await.unwrap().len(), 2);
    assert!(store.notifications(tenant(), Some(id(9))).await.unwrap().is_empty());
}

async fn a_series_spans_hot_rows_and_the_lake(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let apart = |row: ReadingRow, n: u32| ReadingRow { patient: Some(patient(n)), ..row };
    let mut rows: Vec<_> = (0..50).map(|n| reading(n, 1)).collect();
    rows.push(apart(reading(100, 1), 2));
    rows.push(ReadingRow { patient: None, ..reading(101, 1) });
    rows.push(ReadingRow { measure: "step_count".into(), ..reading(102, 1) });
    // A month later: another file.
    rows.push(ReadingRow { time: EventTime(START + 40 * 86_400_000), ..reading(103, 1) });
    write(&*store, epoch, readings(rows)).await;
    let before = store.counts(tenant()).await.unwrap();
    let report = store.flush_lake(true).await.unwrap();
    if store.kind() != "memory" {
        assert_eq!((report.rows, rows_of(&*store, "readings").await), (54, 0));
        assert_eq!(store.lake_files().await.unwrap().len() as u64, report.files);
        assert_eq!(report.files, 2);
    }
    assert_eq!(store.counts(tenant()).await.unwrap(), before);
    write(&*store, epoch, readings((50..60).map(|n| reading(n, 2)).collect())).await;
    let ask = |from: i64, to: i64, limit| {
        store.series(tenant(), patient(1), "heart_rate".into(), EventTime(START + from), EventTime(START + to), limit)
    };
    let expected: Vec<_> = (0..60).map(|n| reading(n, if n < 50 { 1 } else { 2 })).collect();
    assert_eq!(ask(0, 60_000, usize::MAX).await.unwrap(), expected);
    assert_eq!(ask(10_000, 55_000, usize::MAX).await.unwrap(), expected[10..55]);
    assert_eq!(ask(45_000, 60_000, 7).await.unwrap(), expected[45..52]);
    assert_eq!(ask(0, 60_000, 0).await.unwrap(), []);
    let other =
        store.series(tenant(), patient(2), "heart_rate".into(), EventTime::MIN, EventTime::MAX, 9).await.unwrap();
    assert_eq!(other, [apart(reading(100, 1), 2)]);
    let elsewhere = TenantId::parse("other").unwrap();
    let none =
        store.series(elsewhere, patient(1), "heart_rate".into(), EventTime::MIN, EventTime::MAX, 9).await.unwrap();
    assert!(none.is_empty());
}

async fn a_reading_in_the_lake_can_be_replaced(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    write(&*store, epoch, readings((0..20).map(|n| reading(n, 1)).collect())).await;
    store.flush_lake(true).await.unwrap();
    let newer =
        |n, known_from| ReadingRow { value: Some(99.0), revision: 1, supersedes: true, ..reading(n, known_from) };
    // One keeps its time, one moves, one changes the patient.
    let moved = ReadingRow { time: EventTime(START - 5_000), ..newer(4, 3) };
    let handed_over = ReadingRow { patient: Some(patient(2)), ..newer(5, 3) };
    write(&*store, epoch, readings(vec![newer(3, 3), moved, handed_over])).await;
    let check = async || {
        let rows = all_readings(&*store).await;
        assert_eq!(rows.len(), 19);
        assert_eq!(rows.iter().filter(|row| row.revision == 1).count(), 2);
        assert_eq!(rows_of(&*store, "readings_history").await, 3);
        let counts = store.counts(tenant()).await.unwrap();
        assert_eq!(counts, Counts { identities: 20, versions: 23, conflicts: 0, quarantined: 0 });
    };
    check().await;
    if store.kind() != "memory" {
        assert_eq!(store.lake_superseded().await.unwrap().len(), 3);
    }
    store.flush_lake(true).await.unwrap();
    assert!(store.lake_superseded().await.unwrap().is_empty());
    check().await;
    // And once more, from the rewritten file.
    write(&*store, epoch, readings(vec![newer(3, 6), newer(9, 6)])).await;
    let rows = all_readings(&*store).await;
    assert_eq!((rows.len(), rows.iter().filter(|row| row.known_from == Offset(6)).count()), (19, 2));
    store.flush_lake(true).await.unwrap();
    assert_eq!(
        all_readings(&*store).await,
        rows.into_iter().map(|row| ReadingRow { supersedes: false, ..row }).collect::<Vec<_>>()
    );
    assert_eq!(rows_of(&*store, "readings_history").await, 5);
}

async fn books_are_sums_and_counts_are_counted(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let quarantined = |id: &str, count| QuarantineRow {
        tenant: tenant(),
        id: id.into(),
        cause: Offset(1),
        received_at: ReceivedAt(START),
        gateway: GatewayId::parse("gw-17").unwrap(),
        device: "watch-0001".into(),
        code: "value_out_of_range".into(),
        detail: "heart_rate 412 > 300".into(),
        format: "json".into(),
        payload: vec![0, 255, 7],
        count,
    };
    let pressure = |measure: &str| ReadingRow { measure: measure.into(), ..reading(500, 1) };
    let rows = Rows {
        readings: vec![
            reading(1, 1),
            reading(2, 1),
            pressure("blood_pressure_systolic"),
            pressure("blood_pressure_diastolic"),
        ],
        batches: vec![batch(1, 3), batch(2, 0)],
        quarantine: vec![quarantined("q-1", 3), quarantined("q-2", 1)],
        ..Rows::default()
    };
    write(&*store, epoch, rows).await;
    write(&*store, epoch, Rows { batches: vec![batch(2, 4)], ..Rows::default() }).await;
    let books = store.books(tenant()).await.unwrap();
    assert_eq!(books, Books { submitted: 13, stored: 7, duplicate: 2, conflict: 0, quarantined: 4 });
    // A pressure panel is one reading in two rows.
    let counts = Counts { identities: 3, versions: 3, conflicts: 0, quarantined: 4 };
    assert_eq!(store.counts(tenant()).await.unwrap(), counts);
    store.flush_lake(true).await.unwrap();
    assert_eq!(store.counts(tenant()).await.unwrap(), counts);
    assert_eq!(store.quarantine(tenant(), None).await.unwrap(), [quarantined("q-1", 3), quarantined("q-2", 1)]);
    assert_eq!(store.quarantine(tenant(), Some("q-2".into())).await.unwrap(), [quarantined("q-2", 1)]);
    assert_eq!(store.books(TenantId::parse("other").unwrap()).await.unwrap(), Books::default());
}

async fn semantics_1_an_item_that_is_submitted_again_leaves_the_book_that_counted_it(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let item = |id: &str, count| QuarantineRow {
        tenant: tenant(),
        id: id.into(),
        cause: Offset(1),
        received_at: ReceivedAt(START),
        gateway: GatewayId::parse("gw-17").unwrap(),
        device: "watch-0001".into(),
        code: "time_in_future".into(),
        detail: String::new(),
        format: "json".into(),
        payload: vec![7],
        count,
    };
    let gone = |id: &str, count| QuarantineGone { tenant: tenant(), id: id.into(), cause: Offset(1), count };
    // Came and left within one commit, as a catch-up after a crash has it.
    let rows = Rows {
        batches: vec![batch(1, 0), BatchRow { quarantined: 0, ..batch(2, 1) }],
        readings: vec![reading(1, 2)],
        quarantine: vec![item("q-1", 1), item("q-2", 1)],
        quarantine_gone: vec![gone("q-1", 1)],
        ..Rows::default()
    };
    write(&*store, epoch, rows).await;
    let books = store.books(tenant()).await.unwrap();
    assert_eq!(books, Books { submitted: 4, stored: 1, duplicate: 2, conflict: 0, quarantined: 1 });
    assert_eq!(store.quarantine(tenant(), None).await.unwrap(), [item("q-2", 1)]);
    let rows = Rows { quarantine_gone: vec![gone("q-2", 1)], ..Rows::default() };
    write(&*store, epoch, rows).await;
    assert_eq!(store.counts(tenant()).await.unwrap().quarantined, 0);
    assert_eq!(store.books(tenant()).await.unwrap().quarantined, 0);
}

async fn a_clock_has_one_row_and_it_is_the_newest_estimate(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let clock = |subject: &str, kind, ahead_ms, known_from| ClockRow {
        tenant: tenant(),
        kind,
        subject: subject.into(),
        ahead_ms,
        boot_id: (ahead_ms > 0).then_some(3),
        sightings: 3,
        seen_from: ReceivedAt(START),
        seen_to: ReceivedAt(START + 1),
        spread_ms: 1,
        known_from: Offset(known_from),
    };
    let first = vec![clock("watch-1", "device", 7_200_000, 4), clock("gw-17", "gateway", -7_200_000, 4)];
    write(&*store, epoch, Rows { clocks: first, ..Rows::default() }).await;
    let second = vec![clock("watch-1", "device", 0, 9)];
    write(&*store, epoch, Rows { clocks: second, ..Rows::default() }).await;
    let clocks = store.clocks(tenant()).await.unwrap();
    assert_eq!(clocks, [clock("watch-1", "device", 0, 9), clock("gw-17", "gateway", -7_200_000, 4)]);
}

async fn semantics_3_a_verdict_is_its_gateways_own_and_is_forgotten_by_journal_time(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let gateway = |name: &str| GatewayId::parse(name).unwrap();
    let row = |cause: u64, from: &str, batch_id: &str| VerdictRow {
        tenant: tenant(),
        cause: Offset(cause),
        gateway: gateway(from),
        batch_id: batch_id.into(),
        at: JournalTime(START + cause as i64),
        verdict: vec![cause as u8, 0, 255],
    };
    let rows = vec![row(1, "gw-1", "a"), row(2, "gw-2", "a"), row(3, "gw-1", "b"), row(4, "gw-1", "a")];
    write(&*store, epoch, Rows { verdicts: rows, ..Rows::default() }).await;
    // The same again, as after a restart.
    write(&*store, epoch, Rows { verdicts: vec![row(4, "gw-1", "a")], ..Rows::default() }).await;
    let ask = async |from: &str, key: VerdictKey| store.verdict(tenant(), gateway(from), key).await.unwrap();
    let by_batch = |name: &str| VerdictKey::Batch(name.into());
    assert_eq!(ask("gw-1", by_batch("a")).await, Some(row(4, "gw-1", "a")));
    assert_eq!(ask("gw-2", by_batch("a")).await, Some(row(2, "gw-2", "a")));
    assert_eq!(ask("gw-2", by_batch("b")).await, None);
    assert_eq!(ask("gw-1", VerdictKey::Cause(Offset(1))).await, Some(row(1, "gw-1", "a")));
    assert_eq!(ask("gw-1", VerdictKey::Cause(Offset(2))).await, None, "another gateway's");
    let elsewhere = TenantId::parse("other").unwrap();
    assert_eq!(store.verdict(elsewhere.clone(), gateway("gw-1"), by_batch("a")).await.unwrap(), None);
    // The same names in another tenant are somebody else's.
    let foreign = VerdictRow { tenant: elsewhere.clone(), ..row(5, "gw-1", "a") };
    write(&*store, epoch, Rows { verdicts: vec![foreign.clone()], ..Rows::default() }).await;
    assert_eq!(ask("gw-1", by_batch("a")).await, Some(row(4, "gw-1", "a")));
    assert_eq!(ask("gw-1", VerdictKey::Cause(Offset(5))).await, None, "another tenant's");
    for (key, told) in [(by_batch("a"), Some(foreign.clone())), (VerdictKey::Cause(Offset(4)), None)] {
        assert_eq!(store.verdict(elsewhere.clone(), gateway("gw-1"), key).await.unwrap(), told);
    }
    let after = async |cause, limit| {
        let rows = store.verdicts_after(tenant(), gateway("gw-1"), Offset(cause), limit).await.unwrap();
        rows.into_iter().map(|row| row.cause.0).collect::<Vec<_>>()
    };
    assert_eq!((after(1, 9).await, after(0, 2).await, after(4, 9).await), (vec![3, 4], vec![1, 3], vec![]));
    assert_eq!(store.verdicts_after(elsewhere, gateway("gw-1"), Offset(0), 9).await.unwrap(), [foreign]);
    let gone = Rows { verdicts_gone_before: Some(JournalTime(START + 3)), ..Rows::default() };
    assert!(!gone.is_empty());
    write(&*store, epoch, gone).await;
    assert_eq!(after(0, 9).await, [3, 4]);
}

async fn sequences_are_replaced_listed_by_gateway_and_can_go(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let device = |name: &str| DeviceId::parse(name).unwrap();
    let row = |name: &str, boot_id: u32, from: &str, missing: &str| SequenceRow {
        tenant: tenant(),
        device: device(name),
        boot_id,
        gateway: GatewayId::parse(from).unwrap(),
        first_seq: 1,
        last_seq: 9,
        missing: SequenceRanges::parse(missing).unwrap(),
        told_from: 1,
    };
    let high = SequenceRow { boot_id: u32::MAX, last_seq: u64::MAX, told_from: u64::MAX, ..row("b", 0, "gw-2", "") };
    let first = vec![row("a", 1, "gw-1", "2-3"), row("b", 7, "gw-2", "4"), row("c", 1, "gw-1", "9"), high.clone()];
    write(&*store, epoch, Rows { sequences: first, ..Rows::default() }).await;
    write(&*store, epoch, Rows { sequences: vec![row("a", 1, "gw-1", "2-3 5")], ..Rows::default() }).await;
    let of = async |filter: SequenceFilter| store.sequences(tenant(), filter).await.unwrap();
    let b = SequenceFilter { device: Some(device("b")), ..SequenceFilter::default() };
    assert_eq!(of(b.clone()).await, [row("b", 7, "gw-2", "4"), high]);
    let first = GatewayId::parse("gw-1").unwrap();
    let mine = SequenceFilter { gateway: Some(first), ..SequenceFilter::default() };
    assert_eq!(of(mine.clone()).await, [row("a", 1, "gw-1", "2-3 5"), row("c", 1, "gw-1", "9")]);
    assert_eq!(of(SequenceFilter { limit: 1, ..mine.clone() }).await.len(), 1);
    assert_eq!(of(SequenceFilter { after: Some(device("a")), ..mine }).await, [row("c", 1, "gw-1", "9")]);
    let elsewhere = TenantId::parse("other").unwrap();
    assert!(store.sequences(elsewhere.clone(), SequenceFilter::default()).await.unwrap().is_empty());
    let foreign = SequenceRow { tenant: elsewhere.clone(), ..row("b", 7, "gw-2", "5-6") };
    write(&*store, epoch, Rows { sequences: vec![foreign.clone()], ..Rows::default() }).await;
    assert_eq!(of(b.clone()).await[0], row("b", 7, "gw-2", "4"), "the same device of another tenant is another device");
    assert_eq!(store.sequences(elsewhere, b.clone()).await.unwrap(), [foreign]);
    let gone = vec![(tenant(), device("b"), u32::MAX)];
    write(&*store, epoch, Rows { sequences_gone: gone, ..Rows::default() }).await;
    assert_eq!(of(b).await, [row("b", 7, "gw-2", "4")]);
}

async fn a_ledger_adds_up_over_commits_and_within_one(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let row = |gateway: &str, reason: &str, n: u64| LedgerRow {
        tenant: tenant(),
        day: EventTime(START),
        gateway: gateway.into(),
        reason: reason.into(),
        submitted: 10 * n.cast_signed(),
        stored: 4 * n,
        duplicate: 3 * n,
        conflict: 2 * n,
        quarantined: n.cast_signed(),
        refused: 7 * n,
    };
    let rows = vec![row("gw-1", "", 1), row("gw-1", "", 2), row("gw-1", "busy", 1), row("", "authentication", 1)];
    write(&*store, epoch, Rows { ledger: rows, ..Rows::default() }).await;
    write(&*store, epoch, Rows { ledger: vec![row("gw-1", "", 4)], ..Rows::default() }).await;
    let expected = [row("", "authentication", 1), row("gw-1", "", 7), row("gw-1", "busy", 1)];
    assert_eq!(store.ledger(tenant()).await.unwrap(), expected);
    assert_eq!(rows_of(&*store, "ledger").await, 3);
    assert!(store.ledger(TenantId::parse("other").unwrap()).await.unwrap().is_empty());
}

async fn blobs_are_kept_replaced_and_removed(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let put = async |kind, key: &str, bytes: Option<&[u8]>| {
        let blob = Blob { kind, key: key.into(), bytes: bytes.map(<[u8]>::to_vec) };
        store.commit(&Commit { epoch, blobs: vec![blob], ..Commit::default() }).await.unwrap();
    };
    put("snapshot", "b", Some(b"")).await;
    put("snapshot", "a", Some(b"1")).await;
    put("snapshot", "a", Some(b"\x002")).await;
    put("other", "a", Some(b"3")).await;
    put("snapshot", "c", Some(b"4")).await;
    put("snapshot", "c", None).await;
    put("snapshot", "never", None).await;
    let all = store.blobs("snapshot").await.unwrap();
    assert_eq!(all, [("a".to_owned(), b"\x002".to_vec()), ("b".to_owned(), Vec::new())]);
    assert_eq!(store.blob("other", "a".into()).await.unwrap(), Some(b"3".to_vec()));
    assert_eq!(store.blob("other", "b".into()).await.unwrap(), None);
}

async fn a_roster_replaces_the_one_before(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let person = |n| PatientRow {
        patient: patient(n),
        mrn: "m".into(),
        birth_date: "1970-01-01".into(),
        sex: "f".into(),
        zone: "Europe/Paris".into(),
        care_team: "pain".into(),
        packs: "opioid-safety,pain".into(),
        synthetic: true,
    };
    let device =
        DeviceRow { device: DeviceId::parse("watch-0001").unwrap(), kind: "watch".into(), serial: String::new() };
    let pairing = PairingRow { device: device.device.clone(), patient: patient(1), from: EventTime::MIN, until: None };
    let prescription = PrescriptionRow {
        patient: patient(1),
        medication: "oxycodone-5mg".into(),
        dose_milli: 1_000,
        start: EventTime(START),
        end: None,
        times: "08:00,20:00".into(),
    };
    let roster = |of: &str, patients: Vec<PatientRow>| RosterRows {
        tenant: TenantId::parse(of).unwrap(),
        patients,
        devices: vec![device.clone()],
        pairings: vec![pairing.clone()],
        prescriptions: vec![prescription.clone()],
        dispenses: vec![DispenseRow {
            patient: patient(1),
            medication: "oxycodone-5mg".into(),
            date: EventTime(START),
            days_supply: 30,
        }],
        patient_events: vec![PatientEventRow {
            patient: patient(1),
            kind: "surgery".into(),
            start: EventTime(START),
            end: None,
        }],
        conditions: ["I50.1", "liver_disease"]
            .map(|condition| ConditionRow { patient: patient(1), condition: condition.into() })
            .to_vec(),
        goals: vec![GoalRow {
            patient: patient(1),
            metric: "peg.score".into(),
            target: 3.5,
            unit: "{score}".into(),
            by: Some(EventTime(START)),
        }],
    };
    for (of, patients) in
        [("main", vec![person(1), person(2)]), ("other", vec![person(3)]), ("main", vec![person(4), person(2)])]
    {
        write(&*store, epoch, Rows { roster: Some(roster(of, patients)), ..Rows::default() }).await;
    }
    assert_eq!(store.patients(tenant()).await.unwrap(), [person(2), person(4)]);
    assert_eq!(store.patients(TenantId::parse("other").unwrap()).await.unwrap(), [person(3)]);
    assert_eq!(store.devices(tenant()).await.unwrap(), [device]);
    for (table, rows) in [
        ("pairings", 2),
        ("prescriptions", 2),
        ("dispenses", 2),
        ("patient_events", 2),
        ("conditions", 4),
        ("goals", 2),
    ] {
        assert_eq!(rows_of(&*store, table).await, rows, "{table}");
    }
}

async fn every_version_of_a_rule_is_told_once_as_it_came_last(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let rule = |tenant: &str, id: &str, version: &str, by: &str, known_from: u64| RuleRow {
        tenant: TenantId::parse(tenant).unwrap(),
        rule: RuleId::parse(id).unwrap(),
        version: version.into(),
        pack: "fluid".into(),
        accepted_by: by.into(),
        toml: "[[rule]]\n".into(),
        known_from: Offset(known_from),
    };
    let first = vec![rule("main", "b", "v2", "", 1), rule("main", "a", "v1", "", 1), rule("other", "a", "v9", "", 1)];
    for rules in [first, vec![rule("main", "b", "v1", "", 5)], vec![rule("main", "b", "v2", "Dr. A. Example", 7)]] {
        write(&*store, epoch, Rows { rules, ..Rows::default() }).await;
    }
    let told =
        [rule("main", "a", "v1", "", 1), rule("main", "b", "v1", "", 5), rule("main", "b", "v2", "Dr. A. Example", 7)];
    assert_eq!(store.rules(tenant()).await.unwrap(), told);
}

async fn the_ends_of_time_survive(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let ends = CoverageInterval { start: EventTime::MIN, end: EventTime::MAX, covered: true, cause: "" };
    let day = CoverageDay { from: EventTime::MIN, to: EventTime::MAX, ..coverage_day(0, 0, vec![ends]) };
    write(&*store, epoch, Rows { coverage: vec![day], ..Rows::default() }).await;
    let rows = store.coverage(tenant(), None, EventTime(0), EventTime(1)).await.unwrap();
    assert_eq!((rows[0].start, rows[0].end), (EventTime::MIN, EventTime::MAX));
    let early = ReadingRow { time: EventTime(-1), seq: Some(u64::MAX), value: None, ..reading(1, 1) };
    write(&*store, epoch, readings(vec![early.clone()])).await;
    let ask = || store.series(tenant(), patient(1), "heart_rate".into(), EventTime(-1), EventTime(0), 5);
    assert_eq!(ask().await.unwrap(), std::slice::from_ref(&early));
    store.flush_lake(true).await.unwrap();
    assert_eq!(ask().await.unwrap(), [early]);
}

async fn every_table_gives_the_columns_it_declares(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    write(&*store, epoch, readings(vec![reading(1, 1)])).await;
    for def in tables() {
        for batch in store.table_batches(def.name).await.unwrap() {
            assert_eq!(batch.schema(), def.schema(), "{}", def.name);
        }
    }
    assert_eq!(rows_of(&*store, "measures").await, Measure::ALL.len());
    let view = store.readings_view().await.unwrap();
    assert_eq!((view.hot[0].num_rows(), view.files.len(), view.superseded.len()), (1, 0, 0));
    assert!(matches!(store.table_batches("nothing").await, Err(StoreError::Failed(_))));
}

async fn semantics_10_the_canonical_hash_is_the_same_everywhere(store: Arc<dyn Store>) {
    let epoch = owned(&store).await;
    let rows = Rows {
        metrics: vec![metric(0, 1, 0.1 + 0.2), metric(1, 1, -0.0)],
        episodes: vec![episode(START, Priority::High)],
        coverage: vec![coverage_day(
            0,
            100,
            vec![interval(0, 40, ""), interval(40, 50, "link"), interval(50, 60, "charging")],
        )],
        ..Rows::default()
    };
    write(&*store, epoch, rows).await;
    let hash = canonical_hash(&*store, &tenant()).await.unwrap();
    assert_eq!(hash, "bb2dd4f1e91205466199663bc506a9e8c7d984622cc7217d002bfe66611abf48");
    // Operational: revision, time of computing, and blindness by our own doing.
    let later = MetricRow { definition_version: 9, ..metric(0, 7, 0.1 + 0.2) };
    let coverage = vec![coverage_day(40, 50, vec![interval(40, 50, "self")])];
    write(&*store, epoch, Rows { metrics: vec![later], coverage, ..Rows::default() }).await;
    assert_eq!(canonical_hash(&*store, &tenant()).await.unwrap(), hash);
    write(&*store, epoch, Rows { metrics: vec![metric(0, 8, 0.3)], ..Rows::default() }).await;
    assert_ne!(canonical_hash(&*store, &tenant()).await.unwrap(), hash);
}
