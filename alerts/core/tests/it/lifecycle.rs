use painwatch_alerts_core::{Input, Verb};
use painwatch_domain::{AlertState, Condition, Disposition, FindingKind, Priority, TenantId};

use crate::world::{World, command, finding, id, opened};

#[test]
fn a_second_acknowledgement_changes_nothing_and_the_alert_says_who_was_first() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    world.person(id(1), "ada", Verb::Acknowledge);
    let second = world.person(id(1), "ben", Verb::Acknowledge);
    assert!(second.is_empty());
    assert_eq!(world.view(id(1)).acknowledged_by.as_deref(), Some("ada"));
    assert_eq!(world.view(id(1)).state, AlertState::Acknowledged);
}

#[test]
fn high_and_medium_that_clear_by_themselves_stay_open_until_a_person_acts() {
    for priority in [Priority::High, Priority::Medium] {
        let mut world = World::staffed();
        world.finding(opened(1, priority));
        world.finding(finding(FindingKind::Cleared, 1, priority));
        assert_eq!((world.view(id(1)).state, world.view(id(1)).condition), (AlertState::Open, Condition::Cleared));
        world.person(id(1), "ada", Verb::Resolve);
        assert_eq!(world.view(id(1)).state, AlertState::Resolved);
    }
}

#[test]
fn low_and_info_resolve_by_themselves_and_come_back_without_a_second_page() {
    for priority in [Priority::Low, Priority::Info] {
        let mut world = World::staffed();
        world.finding(opened(1, priority));
        let pages = world.all.pages.len();
        world.finding(finding(FindingKind::Cleared, 1, priority));
        assert_eq!(world.view(id(1)).state, AlertState::Resolved);
        world.finding(finding(FindingKind::Changed, 1, priority));
        assert_eq!((world.view(id(1)).state, world.view(id(1)).condition), (AlertState::Open, Condition::Active));
        assert_eq!(world.all.pages.len(), pages);
    }
}

#[test]
fn what_a_person_resolved_stays_resolved_until_its_priority_rises() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::Medium));
    world.person(id(1), "ada", Verb::Resolve);
    world.finding(finding(FindingKind::Changed, 1, Priority::Medium));
    assert_eq!((world.view(id(1)).state, world.all.pages.len()), (AlertState::Resolved, 1));
    world.finding(finding(FindingKind::Changed, 1, Priority::High));
    assert_eq!((world.view(id(1)).state, world.all.pages.len()), (AlertState::Open, 2));
    assert_eq!(world.view(id(1)).resolved_at, None);
}

#[test]
fn what_had_cleared_when_a_person_resolved_it_is_open_again_when_it_holds_again_without_a_page() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    world.finding(finding(FindingKind::Cleared, 1, Priority::High));
    world.person(id(1), "ada", Verb::Resolve);
    world.finding(finding(FindingKind::Changed, 1, Priority::High));
    let view = world.view(id(1));
    assert_eq!((view.state, view.condition, view.resolved_at), (AlertState::Open, Condition::Active, None));
    assert_eq!(world.all.pages.len(), 1);
    // Done with it while it lasts: now it stays.
    world.person(id(1), "ada", Verb::Resolve);
    world.finding(finding(FindingKind::Cleared, 1, Priority::High));
    world.finding(finding(FindingKind::Changed, 1, Priority::High));
    assert_eq!(world.view(id(1)).state, AlertState::Resolved);
}

#[test]
fn a_retraction_is_one_event_and_a_reinstated_alert_has_the_state_it_had() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    world.person(id(1), "ada", Verb::Acknowledge);
    let retracted = world.finding(finding(FindingKind::Retracted, 1, Priority::High));
    assert_eq!(retracted.events.iter().map(|event| event.event).collect::<Vec<_>>(), ["retracted"]);
    assert!(world.finding(finding(FindingKind::Retracted, 1, Priority::High)).is_empty());
    world.finding(opened(1, Priority::High));
    assert_eq!(world.view(id(1)).state, AlertState::Acknowledged);
    assert_eq!(world.all.pages.len(), 1);
}

#[test]
fn a_retraction_of_something_never_seen_makes_no_alert() {
    let mut world = World::staffed();
    assert!(world.finding(finding(FindingKind::Retracted, 1, Priority::High)).is_empty());
}

#[test]
fn an_idempotency_key_is_honoured_once() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    let mut comment = command(id(1), "ada", Verb::Comment);
    comment.idempotency_key = "k-1".to_owned();
    assert_eq!(world.apply(Input::Command(comment.clone())).events.len(), 1);
    assert!(world.apply(Input::Command(comment)).is_empty());
}

#[test]
fn another_tenants_command_finds_no_alert() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    let mut stranger = command(id(1), "eve", Verb::Resolve);
    stranger.tenant = TenantId::parse("elsewhere").unwrap();
    assert!(world.apply(Input::Command(stranger)).is_empty());
}

#[test]
fn people_assign_comment_and_say_what_it_was() {
    let mut world = World::staffed();
    world.finding(opened(1, Priority::High));
    world.person(id(1), "ada", Verb::Assign);
    let mut judged = command(id(1), "ada", Verb::Disposition);
    judged.disposition = Some(Disposition::FalseSensor);
    world.apply(Input::Command(judged));
    world.person(id(1), "ada", Verb::Comment);
    assert_eq!(world.view(id(1)).assignee.as_deref(), Some("a note"));
    assert_eq!(world.view(id(1)).disposition, Some(Disposition::FalseSensor));
    let told = world.events(id(1));
    assert_eq!(told, ["opened", "paged", "assigned", "disposition", "commented"]);
}

#[test]
fn an_alert_that_is_over_is_forgotten_only_after_late_data_can_no_longer_speak_of_it() {
    const DAY: i64 = 24 * 3_600_000;
    let mut world = World::new();
    let mut settled = finding(FindingKind::Cleared, 1, Priority::Low);
    settled.shadow = true;
    world.finding(settled.clone());
    world.wait(39 * DAY);
    assert_eq!(world.finding(settled.clone()).opened.len(), 0);
    world.wait(41 * DAY);
    assert!(world.core.snapshot().is_empty());
    assert_eq!(world.core.next_deadline(), None);
}
