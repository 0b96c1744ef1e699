use painwatch_alerts_core::{AlertsCore, Input, Outcome, Verb, notification_id};
use painwatch_domain::{AlertState, FindingKind, Priority};

use crate::world::{SECOND, World, finding, id, opened, routing};

#[test]
fn semantics_11_a_known_alert_is_never_made_twice_nor_paged_twice_unless_its_priority_rises() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::Medium));
    world.finding(opened(1, Priority::Medium));
    world.finding(finding(FindingKind::Changed, 1, Priority::Low));
    world.finding(finding(FindingKind::Changed, 1, Priority::Medium));
    assert_eq!((world.all.opened.len(), world.all.pages.len()), (1, 1));
    world.finding(finding(FindingKind::Changed, 1, Priority::High));
    assert_eq!(world.all.pages.len(), 2);
    assert_ne!(world.all.pages[0].notification_id, world.all.pages[1].notification_id);
}

#[test]
fn semantics_11_a_notification_id_names_alert_transition_step_recipient_and_channel() {
    let base = notification_id(id(1), 1, 0, "nurse", "webhook");
    assert_eq!(base, notification_id(id(1), 1, 0, "nurse", "webhook"));
    let others = [
        notification_id(id(2), 1, 0, "nurse", "webhook"),
        notification_id(id(1), 2, 0, "nurse", "webhook"),
        notification_id(id(1), 1, 1, "nurse", "webhook"),
        notification_id(id(1), 1, 0, "doctor", "webhook"),
        notification_id(id(1), 1, 0, "nurse", "email"),
    ];
    assert!(others.iter().all(|other| *other != base));
}

#[test]
fn semantics_12_nothing_stale_historical_or_in_shadow_pages_and_shadow_is_shown() {
    let mut world = World::staffed();
    for (n, silence) in [(1, "retrospective"), (2, "historical"), (3, "shadow")] {
        let mut quiet = opened(n, Priority::High);
        quiet.retrospective = silence == "retrospective";
        quiet.historical = silence == "historical";
        quiet.shadow = silence == "shadow";
        world.finding(quiet);
        assert_eq!(world.view(id(n)).state, AlertState::Open);
    }
    assert!(world.all.pages.is_empty());
}

#[test]
fn semantics_12_a_retrospective_episode_that_reaches_the_live_edge_opens_and_pages_once() {
    let mut world = World::staffed();
    let mut late = opened(1, Priority::High);
    late.retrospective = true;
    world.finding(late);
    world.person(id(1), "ada", Verb::Acknowledge);
    world.finding(finding(FindingKind::Changed, 1, Priority::High));
    world.finding(finding(FindingKind::Changed, 1, Priority::High));
    assert_eq!((world.view(id(1)).state, world.all.pages.len()), (AlertState::Open, 1));
    assert!(!world.view(id(1)).retrospective);
}

#[test]
fn info_never_pages() {
    let mut world = World::new();
    world.apply(Input::Roster(routing(&[("nurse", "team-a", Priority::Info)])));
    world.finding(opened(1, Priority::Info));
    assert!(world.all.pages.is_empty());
    assert_eq!(world.events(id(1)), ["opened"]);
}

#[test]
fn an_alert_that_nobody_takes_says_so_and_is_paged_when_a_roster_names_someone() {
    let mut world = World::new();
    world.finding(opened(1, Priority::High));
    world.apply(Input::Roster(routing(&[("other", "team-b", Priority::Low)])));
    assert_eq!(world.events(id(1)), ["opened", "no_recipient"]);
    world.apply(Input::Roster(routing(&[("nurse", "team-a", Priority::Low)])));
    assert_eq!(world.events(id(1)), ["opened", "no_recipient", "paged"]);
    assert_eq!(world.all.pages.len(), 1);
    assert_eq!(world.view(id(1)).care_team.as_deref(), Some("team-a"));
}

#[test]
fn an_alert_of_no_team_goes_to_everyone_who_takes_its_priority() {
    let mut world = World::new();
    let contacts = [("nurse", "team-a", Priority::Low), ("doctor", "team-b", Priority::High)];
    world.apply(Input::Roster(routing(&contacts)));
    let mut ownerless = opened(1, Priority::Medium);
    ownerless.patient = None;
    world.finding(ownerless);
    let told: Vec<_> = world.all.pages.iter().map(|page| page.recipient.as_str()).collect();
    assert_eq!(told, ["nurse"]);
}

#[test]
fn a_failed_page_is_tried_again_under_one_id_until_it_is_given_up_aloud() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    let first = world.all.pages[0].clone();
    let mut waits = Vec::new();
    let mut page = first.clone();
    loop {
        world.outcome(&page, Outcome::Failed);
        let Some(due) = world.core.next_deadline() else { break };
        waits.push((due.0 - world.now.0) / SECOND);
        assert!(world.wait(due.0 - world.now.0 - 1).pages.is_empty());
        page = world.wait(1).pages[0].clone();
        assert_eq!(page.notification_id, first.notification_id);
    }
    assert_eq!(waits[..4], [5, 10, 15, 30]);
    assert_eq!(page.attempt as usize, waits.len() + 1);
    let story = world.events(id(1));
    assert_eq!(story, ["opened", "paged", "page_unconfirmed", "page_abandoned"]);
    assert_eq!(world.all.notifications.last().map(|row| row.outcome), Some("abandoned"));
}

#[test]
fn acknowledging_stops_further_attempts() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    let page = world.all.pages[0].clone();
    world.outcome(&page, Outcome::Failed);
    world.person(id(1), "ada", Verb::Acknowledge);
    assert!(world.wait(3_600 * SECOND).pages.is_empty());
}

#[test]
fn a_retraction_stops_further_attempts() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    let page = world.all.pages[0].clone();
    world.outcome(&page, Outcome::Failed);
    world.finding(finding(FindingKind::Retracted, 1, Priority::High));
    assert!(world.wait(3_600 * SECOND).pages.is_empty());
}

#[test]
fn a_repeated_or_overtaken_outcome_changes_nothing() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    let page = world.all.pages[0].clone();
    world.outcome(&page, Outcome::Failed);
    assert!(world.outcome(&page, Outcome::Failed).is_empty());
    world.wait(5 * SECOND);
    assert!(world.outcome(&page, Outcome::Failed).is_empty());
    world.outcome(&page, Outcome::Delivered);
    assert!(world.outcome(&page, Outcome::Delivered).is_empty());
    assert_eq!(world.core.next_deadline(), None);
}

#[test]
fn what_was_under_way_at_a_crash_is_known_afterwards() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    let parts = world.core.snapshot().into_iter().map(|(key, bytes)| (key, bytes.unwrap()));
    let restored = AlertsCore::restore(parts).unwrap();
    assert_eq!(restored.under_way(), world.all.pages);
}
