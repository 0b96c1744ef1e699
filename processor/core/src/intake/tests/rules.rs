use super::*;

fn judged(changes: &[Change]) -> &Judged {
    match changes {
        [Change::Judged(judged)] => judged,
        other => panic!("one judged change expected, not {other:?}"),
    }
}

#[test]
fn semantics_2_a_clock_correction_changes_the_time_and_not_the_identity() {
    let mut bench = Bench::default();
    let first = heart_rate(0, &[71]);
    bench.take(&first, Some(10));
    let mut corrected = with(first.clone(), |meta| meta.revision = 1);
    corrected.samples[0].time = EventTime(DAY_START + 300);
    let change = judged(bench.take(&corrected, Some(20))).clone();
    assert_eq!((change.verdict, change.new_identity, change.effective_changed()), (Class::Duplicate, false, true));
    assert_eq!(change.before.unwrap().time, EventTime(DAY_START));
    assert_eq!(bench.effective(&first, DAY_START, DAY_START + 1_000)[0].time, EventTime(DAY_START + 300));
    assert_eq!(bench.counts(), (1, 1, 0));
}

#[test]
fn semantics_2_body_site_medication_and_end_tell_readings_apart() {
    let mut bench = Bench::default();
    let pain = |site: &str| {
        with(series(Measure::PainNrs, vec![sample(0, Value::Number(7_000))]), |meta| meta.body_site = Some(site.into()))
    };
    let mut steps = series(Measure::StepCount, vec![sample(0, Value::Number(43)), sample(0, Value::Number(50))]);
    steps.samples[0].end = Some(DAY_START + 60_000);
    steps.samples[1].end = Some(DAY_START + 120_000);
    for series in [pain("knee"), pain("hand"), dose(0, 1_000), steps.clone()] {
        bench.take(&series, None);
    }
    assert_eq!(bench.counts(), (5, 0, 0));
    bench.restart();
    let stood = bench.effective(&pain("knee"), DAY_START, DAY_START + 1);
    assert_eq!(
        stood.iter().map(|reading| reading.about.body_site.as_deref()).collect::<Vec<_>>(),
        [Some("hand"), Some("knee")]
    );
    assert_eq!(
        stood[1].reading_id(&TenantId::default()),
        pain("knee").reading_id(&TenantId::default(), &pain("knee").samples[0])
    );
    let ends: Vec<_> = bench.effective(&steps, DAY_START, DAY_START + 1).iter().map(|reading| reading.end).collect();
    assert_eq!(ends, [Some(DAY_START + 60_000), Some(DAY_START + 120_000)]);
}

#[test]
fn semantics_2_an_id_is_the_identity_whatever_measure_and_day_its_versions_claim() {
    let mut bench = Bench::default();
    let with_id = |series, revision| with(series, |meta| (meta.id, meta.revision) = (Some("r-1".into()), revision));
    let first = with_id(heart_rate(0, &[71]), 0);
    let moved = with_id(heart_rate(3 * DAY_MS, &[72]), 1);
    let other = with_id(series(Measure::RestingHeartRate, vec![sample(DAY_MS, Value::Number(60_000))]), 2);
    bench.take(&first, Some(1));
    bench.restart();
    assert_eq!(judged(bench.take(&moved, Some(2))).verdict, Class::Stored);
    bench.restart();
    assert_eq!(bench.effective(&first, DAY_START, DAY_START + DAY_MS), []);
    assert_eq!(bench.effective(&moved, DAY_START + 3 * DAY_MS, DAY_START + 4 * DAY_MS).len(), 1);
    bench.restart();
    let change = judged(bench.take(&other, Some(3))).clone();
    assert_eq!(change.before.unwrap().measure, Measure::HeartRate);
    assert_eq!(change.after.unwrap().reading_id(&TenantId::default()), change.reading_id);
    bench.restart();
    assert!(bench.take(&first, Some(9)).is_empty());
    assert_eq!(bench.counts(), (3, 1, 0));
    assert_eq!(bench.effective(&moved, DAY_START, DAY_START + 9 * DAY_MS), []);
    assert_eq!(bench.effective(&other, DAY_START, DAY_START + 9 * DAY_MS).len(), 1);
    assert!(bench.take(&with(heart_rate(0, &[71]), |_| ()), None).len() == 1, "without the id it is another reading");
}

#[test]
fn semantics_4_conflicting_doses_contribute_nothing_until_someone_decides() {
    let mut bench = Bench::default();
    bench.take(&dose(0, 1_000), Some(1));
    let change = judged(bench.take(&dose(0, 2_000), Some(2))).clone();
    assert_eq!(change.verdict, Class::Conflict);
    let undecided = change.after.unwrap();
    assert!(undecided.undecided && !undecided.counts_in_sums());
    let problem = bench.tally.problems.last().unwrap();
    assert_eq!((problem.code, problem.result, problem.sample), (ProblemCode::ValueDiffers, Class::Conflict, None));
    assert_eq!(problem.detail, "medication_event 2 {tablet}, but 1 {tablet} came before with the same revision 0");
    let decision = with(dose(0, 1_000), |meta| meta.status = Status::Corrected);
    let decided = judged(bench.take(&decision, Some(3))).after.clone().unwrap();
    assert!(decided.counts_in_sums() && decided.value == dose(0, 1_000).samples[0].value);
    assert_eq!(bench.counts(), (1, 1, 1));
}

#[test]
fn semantics_4_entered_in_error_takes_the_reading_out_and_a_greater_revision_brings_it_back() {
    let mut bench = Bench::default();
    let reading = heart_rate(0, &[70, 71, 72]);
    let error = with(heart_rate(5_000, &[71]), |meta| meta.status = Status::EnteredInError);
    bench.take(&reading, Some(1));
    let change = judged(bench.take(&error, Some(2))).clone();
    assert_eq!((change.verdict, change.takes_over, change.after.is_none()), (Class::Stored, true, true));
    assert!(bench.take(&reading, Some(3)).is_empty());
    assert_eq!(bench.effective(&reading, DAY_START, DAY_START + 20_000).len(), 2);
    bench.take(&with(heart_rate(5_000, &[71]), |meta| meta.revision = 1), Some(4));
    assert_eq!(bench.effective(&reading, DAY_START, DAY_START + 20_000).len(), 3);
}

#[test]
fn semantics_4_a_retraction_that_comes_first_keeps_the_reading_out() {
    let mut bench = Bench::default();
    let error = with(heart_rate(0, &[71]), |meta| meta.status = Status::EnteredInError);
    let change = judged(bench.take(&error, Some(2))).clone();
    assert!(change.new_identity && change.after.is_none());
    bench.restart();
    bench.take(&heart_rate(0, &[71]), Some(1));
    assert_eq!((bench.counts(), bench.effective(&error, DAY_START, DAY_START + 1).len()), ((1, 1, 0), 0));
}

#[test]
fn semantics_4_an_export_with_a_later_end_supersedes_the_partial_day() {
    let mut bench = Bench::default();
    let steps = |count, revision| {
        with(series(Measure::StepCount, vec![sample(0, Value::Number(count))]), |meta| meta.revision = revision)
    };
    for (count, revision) in [(4_000, 20_514), (9_000, 20_600), (4_000, 20_514)] {
        bench.take(&steps(count, revision), None);
    }
    let stood = bench.effective(&steps(0, 0), DAY_START, DAY_START + 1);
    assert_eq!((stood[0].value.number(), stood[0].undecided, bench.counts()), (Some(9_000), false, (2, 1, 0)));
}

#[test]
fn semantics_5_repetitions_in_any_order_and_after_a_restart_are_duplicates_and_change_nothing() {
    let mut bench = Bench::default();
    let batches: Vec<_> = (0..40).map(|batch| heart_rate(batch * 60_000, &[70 + batch; 12])).collect();
    for batch in batches.iter().rev().chain(&batches) {
        bench.take(batch, Some(batch.samples[0].device_time));
    }
    bench.restart();
    let before = bench.effective(&batches[0], DAY_START, DAY_START + DAY_MS);
    for batch in batches.iter().step_by(3).chain(batches.iter().rev()) {
        assert!(bench.take(batch, Some(DAY_START + DAY_MS)).is_empty());
    }
    assert_eq!(bench.counts(), (480, 480 + 168 + 480, 0));
    assert!(bench.cache.take_changed().is_empty());
    assert_eq!(bench.effective(&batches[0], DAY_START, DAY_START + DAY_MS), before);
}

#[test]
fn semantics_5_a_day_is_found_again_by_event_time_however_far_a_correction_moved_it() {
    let mut bench = Bench::default();
    let mut far = heart_rate(0, &[71, 72]);
    far.samples.iter_mut().for_each(|sample| sample.time = sample.time.plus(400 * DAY_MS));
    bench.take(&far, None);
    bench.restart();
    let start = DAY_START + 400 * DAY_MS;
    assert_eq!(bench.effective(&far, start, start + DAY_MS).len(), 2);
    assert_eq!(bench.effective(&far, DAY_START, DAY_START + DAY_MS), []);
}

#[test]
fn semantics_6_a_device_nobody_wears_is_stored_without_a_patient() {
    let mut bench = Bench::default();
    assert_eq!(bench.take(&heart_rate(0, &[71, 72]), None), [Change::Fresh { samples: 0..2, wearer: None }]);
    assert!(bench.tally.problems.is_empty());
}

#[test]
fn semantics_6_an_unknown_medication_is_stored_and_named() {
    let mut bench = Bench::default();
    bench.take(&dose(0, 1_000), None);
    bench.take(&dose(0, 1_000), None);
    let [problem] = &bench.tally.problems[..] else { panic!("{:?}", bench.tally.problems) };
    assert_eq!((problem.result, problem.code), (Class::Stored, ProblemCode::UnknownMedication));
    assert_eq!(problem.detail, "medication oxycodone-5mg is not in the roster");
}

#[test]
fn semantics_8_a_reading_belongs_to_whoever_wore_the_device_at_its_event_time() {
    let mut bench = Bench::default();
    bench.roster.pairings = vec![pairing("p-1", 5_000, Some(10_000)), pairing("p-2", 15_000, None)].into();
    let range = |samples, name: Option<&str>| Change::Fresh { samples, wearer: name.map(patient) };
    let changes = bench.take(&heart_rate(0, &[70, 71, 72, 73, 74]), None).to_vec();
    assert_eq!(changes, [range(0..1, None), range(1..2, Some("p-1")), range(2..3, None), range(3..5, Some("p-2"))]);
}

#[test]
fn semantics_8_a_corrected_time_may_change_the_wearer() {
    let mut bench = Bench::default();
    bench.roster.pairings = vec![pairing("p-1", 0, Some(10_000)), pairing("p-2", 10_000, None)].into();
    let reading = heart_rate(5_000, &[70]);
    bench.take(&reading, None);
    let mut corrected = with(reading, |meta| meta.revision = 1);
    corrected.samples[0].time = EventTime(DAY_START + 12_000);
    let change = judged(bench.take(&corrected, None)).clone();
    assert_eq!((change.wearer_before, change.wearer), (Some(patient("p-1")), Some(patient("p-2"))));
}

#[test]
fn a_packed_series_names_the_sample_by_its_submitted_position() {
    let mut bench = Bench::default();
    bench.take(&heart_rate(0, &[70, 71]), None);
    let (tenant, other) = (TenantId::default(), heart_rate(0, &[70, 75]));
    let incoming = Incoming { index: 4, positions: &[0, 7], ..incoming(&tenant, &other, None) };
    handle(&mut bench.cache, &bench.roster, &incoming, &mut bench.changes, &mut bench.tally).unwrap();
    let problem = &bench.tally.problems[0];
    assert_eq!((problem.index, problem.sample), (4, Some(7)));
    assert_eq!(problem.detail, "heart_rate 75 /min, but 71 /min came before with the same revision 0");
}

#[test]
fn of_very_many_conflicts_a_thousand_are_named_and_all_are_counted() {
    let mut bench = Bench::default();
    let nights = |bpm: i64| [0, 20_000_000].map(|at| heart_rate(at, &[bpm; 1_500]));
    for night in nights(70) {
        bench.take(&night, None);
    }
    let again = nights(75);
    bench.take(&again[0], None);
    assert_eq!(bench.tally.problems.len(), 1_001);
    let told = bench.tally.problems.last().unwrap();
    assert_eq!(told.detail, "and 500 more from here on differ from what came before with the same revision");
    bench.take(&again[1], None);
    let (told, listed) = bench.tally.problems.split_last().unwrap();
    assert_eq!((bench.counts(), listed.len()), ((3_000, 0, 3_000), 1_000));
    assert!(listed.iter().all(|problem| problem.detail.starts_with("heart_rate 75 /min, but 70 /min")));
    assert_eq!((told.result, told.code, told.sample), (Class::Conflict, ProblemCode::ValueDiffers, Some(1_000)));
    assert_eq!(told.detail, "and 2000 more from here on differ from what came before with the same revision");
}

#[test]
fn a_verdict_names_each_of_a_thousand_and_one_conflicts() {
    let mut bench = Bench::default();
    bench.take(&heart_rate(0, &[70; 1_001]), None);
    bench.take(&heart_rate(0, &[75; 1_001]), None);
    assert!(bench.tally.problems.iter().all(|problem| problem.detail.starts_with("heart_rate 75 /min")));
    assert_eq!(bench.tally.problems.len(), 1_001);
}

#[test]
fn a_series_across_midnight_reaches_both_days() {
    let mut bench = Bench::default();
    let night = heart_rate(DAY_MS - 10_000, &[60, 61, 62, 63]);
    assert_eq!(bench.take(&night, None), [Change::Fresh { samples: 0..4, wearer: None }]);
    let days: Vec<_> = bench.cache.take_changed().into_iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(days, ["main/watch-0001/heart_rate/20513", "main/watch-0001/heart_rate/20514"]);
}

#[test]
fn nothing_is_done_while_a_block_is_missing() {
    let (mut cache, mut changes, mut tally) = (BlockCache::default(), Vec::new(), BatchVerdict::default());
    let (tenant, series) = (TenantId::default(), heart_rate(0, &[71]));
    let NotLoaded(keys) =
        handle(&mut cache, &Roster::default(), &incoming(&tenant, &series, None), &mut changes, &mut tally)
            .unwrap_err();
    assert_eq!(keys.iter().map(ToString::to_string).collect::<Vec<_>>(), ["main/watch-0001/heart_rate/20513"]);
    assert!(changes.is_empty() && tally.submitted() == 0);
}

#[test]
fn fresh_readings_are_told_as_they_are_found_again() {
    let mut bench = Bench::default();
    let (tenant, reading) = (TenantId::default(), heart_rate(0, &[70, 71, 72]));
    bench.take(&reading, Some(5));
    let told: Vec<_> = incoming(&tenant, &reading, Some(5)).readings(0..3).collect();
    bench.restart();
    assert_eq!(bench.effective(&reading, DAY_START, DAY_START + DAY_MS), told);
}
