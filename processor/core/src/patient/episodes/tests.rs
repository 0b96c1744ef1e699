use super::*;

fn face() -> RuleFace {
    RuleFace {
        id: RuleId::parse("r").unwrap(),
        version: "v1".into(),
        title: String::new(),
        action: String::new(),
        domain: RuleDomain::Safety,
        kind: AlertKind::Physiological,
        stale_after_ms: 1_000,
        refractory_ms: 100,
        shadow: false,
    }
}

fn span(start: i64, last_held: i64, end: Option<i64>) -> Span {
    Span { start, last_held, fresh_from: last_held, end, evidence: vec![], why: String::new(), historical: false }
}

fn publish_since(reports: &mut Reports, now: i64, since: i64, spans: &[Span]) -> EpisodeChanges {
    let (tenant, patient, face) = (TenantId::default(), PatientId::parse("p").unwrap(), face());
    let mut out = EpisodeChanges::default();
    let subject = Subject { tenant: &tenant, patient: &patient, now: JournalTime(now) };
    let judged = spans.iter().map(|span| Judged { span: span.clone(), peak: Priority::Medium, face: &face });
    reports.publish(&subject, &face, since, judged.collect(), &mut out);
    out
}

fn publish(reports: &mut Reports, now: i64, spans: &[Span]) -> EpisodeChanges {
    publish_since(reports, now, i64::MIN, spans)
}

fn kinds(changes: &EpisodeChanges) -> Vec<FindingKind> {
    changes.findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn semantics_11_an_episode_that_late_data_moves_keeps_its_alert() {
    let mut reports = Reports::default();
    let first = publish(&mut reports, 500, &[span(100, 500, None)]);
    let moved = publish(&mut reports, 600, &[span(50, 600, None)]);
    assert_eq!((kinds(&first), kinds(&moved)), (vec![FindingKind::Opened], vec![FindingKind::Changed]));
    assert_eq!(first.findings[0].alert_id, moved.findings[0].alert_id);
    assert_eq!(moved.gone.len(), 1);
}

#[test]
fn semantics_11_late_data_that_break_an_open_episode_late_in_its_course_keep_its_alert() {
    let mut reports = Reports::default();
    let first = publish(&mut reports, 500, &[span(100, 500, None)]);
    let later = publish(&mut reports, 900, &[span(600, 900, None)]);
    assert_eq!(kinds(&later), [FindingKind::Changed]);
    assert_eq!(first.findings[0].alert_id, later.findings[0].alert_id);
}

#[test]
fn semantics_11_two_episodes_that_late_data_join_are_one_alert_and_the_other_is_retracted() {
    let mut reports = Reports::default();
    publish(&mut reports, 1_000, &[span(100, 200, Some(200)), span(600, 700, Some(700))]);
    let joined = publish(&mut reports, 1_000, &[span(100, 700, Some(700))]);
    assert_eq!(kinds(&joined), [FindingKind::Changed, FindingKind::Retracted]);
}

#[test]
fn semantics_11_late_data_that_join_a_past_episode_to_one_that_lasts_keep_the_alert_that_lasts() {
    let mut reports = Reports::default();
    let apart = [span(100, 200, Some(200)), span(600, 900, None)];
    let told = publish(&mut reports, 1_000, &apart);
    let [past, lasting] = [0, 1].map(|nth| told.findings[nth].alert_id);
    let joined = publish(&mut reports, 1_000, &[span(100, 950, None)]);
    let about = |changes: &EpisodeChanges, id| -> Vec<_> {
        let own = changes.findings.iter().filter(|finding| finding.alert_id == id);
        own.map(|finding| (finding.kind, finding.episode.start.0)).collect()
    };
    assert_eq!(about(&joined, lasting), [(FindingKind::Changed, 100)]);
    assert_eq!(about(&joined, past), [(FindingKind::Retracted, 100)]);
    assert_eq!((joined.rows.len(), joined.rows[0].start, &joined.gone[..]), (1, 100, &[(face().id, 600)][..]));
    assert!(publish(&mut reports, 1_000, &[span(100, 950, None)]).findings.is_empty());
    // Taken apart again: the alert that lasts is never let go of.
    let again = publish(&mut reports, 1_000, &apart);
    assert_eq!(about(&again, lasting), [(FindingKind::Changed, 600)]);
}

#[test]
fn semantics_13_what_is_joined_across_the_horizon_keeps_its_start_and_the_alert_that_lasts() {
    let mut reports = Reports::default();
    let told = publish(&mut reports, 1_000, &[span(100, 500, Some(500)), span(700, 900, None)]);
    let joined = publish_since(&mut reports, 1_000, 400, &[span(110, 1_000, None)]);
    let lasting = joined.findings.iter().find(|finding| finding.alert_id == told.findings[1].alert_id).unwrap();
    assert_eq!((lasting.kind, lasting.episode.start), (FindingKind::Changed, EventTime(100)));
}

#[test]
fn semantics_13_what_was_told_to_last_and_turns_out_to_have_ended_behind_the_horizon_is_cleared() {
    let mut reports = Reports::default();
    publish(&mut reports, 500, &[span(100, 500, None)]);
    let (ended, forgotten) = (span(100, 500, Some(500)), span(10, 20, Some(20)));
    let told = publish_since(&mut reports, 5_000, 1_000, &[forgotten, ended.clone()]);
    assert_eq!((kinds(&told), told.rows.len(), told.gone.len()), (vec![FindingKind::Cleared], 1, 0));
    assert!(publish_since(&mut reports, 5_001, 1_000, &[ended]).findings.is_empty());
}

#[test]
fn semantics_13_an_episode_that_never_was_is_retracted() {
    let mut reports = Reports::default();
    publish(&mut reports, 500, &[span(100, 500, None)]);
    assert_eq!(kinds(&publish(&mut reports, 600, &[])), [FindingKind::Retracted]);
}

#[test]
fn semantics_12_an_old_episode_is_retrospective_until_it_reaches_the_live_edge() {
    let mut reports = Reports::default();
    assert!(publish(&mut reports, 10_000, &[span(100, 500, None)]).findings[0].retrospective);
    assert!(reports.is_dormant("r"));
    let live = publish(&mut reports, 10_100, &[span(100, 10_050, None)]);
    assert!(!live.findings[0].retrospective && !reports.is_dormant("r"));
}

#[test]
fn the_same_truth_told_twice_is_no_finding() {
    let mut reports = Reports::default();
    publish(&mut reports, 500, &[span(100, 500, Some(500))]);
    assert!(publish(&mut reports, 90_000, &[span(100, 500, Some(500))]).findings.is_empty());
    publish(&mut reports, 90_000, &[span(100, 500, Some(500)), span(89_000, 89_500, None)]);
    let longer = publish(&mut reports, 90_100, &[span(100, 500, Some(500)), span(89_000, 90_100, None)]);
    assert!(longer.findings.is_empty() && longer.rows.is_empty(), "that it lasts is no news");
}

#[test]
fn semantics_13_beyond_the_horizon_nothing_is_retracted_and_what_lasts_keeps_its_start() {
    let mut reports = Reports::default();
    publish(&mut reports, 500, &[span(100, 150, Some(150)), span(300, 500, None)]);
    let later = publish_since(&mut reports, 9_000, 400, &[span(310, 9_000, None)]);
    assert!(later.findings.is_empty() && later.gone.is_empty(), "{later:?}");
    let ended = publish_since(&mut reports, 9_500, 400, &[span(310, 9_100, Some(9_100))]);
    assert_eq!((kinds(&ended), ended.findings[0].episode.start), (vec![FindingKind::Cleared], EventTime(300)));
    let never_told = publish_since(&mut Reports::default(), 9_500, 400, &[span(310, 9_100, None)]);
    assert!(never_told.findings.is_empty());
}

#[test]
fn an_episode_within_the_refractory_time_belongs_to_the_alert_before_it() {
    let mut reports = Reports::default();
    let first = publish(&mut reports, 500, &[span(100, 500, Some(500))]);
    let soon = publish(&mut reports, 650, &[span(100, 500, Some(500)), span(600, 650, None)]);
    assert_eq!((kinds(&soon), soon.rows.len()), (vec![FindingKind::Changed], 1), "two episodes, one alert");
    assert_eq!(first.findings[0].alert_id, soon.findings[0].alert_id);
    let unsaid = publish(&mut reports, 660, &[span(600, 650, None)]);
    assert_eq!(
        (kinds(&unsaid), unsaid.gone.len()),
        (vec![], 1),
        "the alert stands as long as one of its episodes does"
    );
    let late = publish(&mut reports, 2_000, &[span(600, 650, Some(650)), span(1_900, 2_000, None)]);
    assert_eq!(kinds(&late), [FindingKind::Cleared, FindingKind::Opened]);
}

#[test]
fn semantics_11_a_retired_rule_ends_what_lasts() {
    let mut reports = Reports::default();
    publish(&mut reports, 500, &[span(100, 500, None)]);
    let (tenant, patient, mut out) = (TenantId::default(), PatientId::parse("p").unwrap(), EpisodeChanges::default());
    reports.retire(&Subject { tenant: &tenant, patient: &patient, now: JournalTime(800) }, &face(), &mut out);
    assert_eq!((kinds(&out), out.rows[0].end), (vec![FindingKind::Cleared], Some(800)));
}
