use painwatch_domain::{GatewayId, TenantId};

use super::super::exchanges::{Taking, digest};
use super::*;

const HOUR_S: u32 = 3600;
const LASTING: Asked = Asked { clean_start: false, expiry_s: HOUR_S };
const PASSING: Asked = Asked { clean_start: false, expiry_s: 0 };
const CLEAN: Asked = Asked { clean_start: true, expiry_s: 0 };

fn gateway(id: &str) -> GatewayPrincipal {
    GatewayPrincipal { tenant: TenantId::default(), gateway: GatewayId::parse(id).unwrap() }
}

fn at_most(all: usize) -> Limit {
    Limit { all, of_gateway: all }
}

fn nobody(all: usize) -> (Sessions, GatewayPrincipal, Instant) {
    (Sessions::new(at_most(all), Vec::new(), 0, Instant::now()), gateway("gw-1"), Instant::now())
}

fn hour() -> Duration {
    Duration::from_secs(u64::from(HOUR_S))
}

#[test]
fn a_second_connection_takes_the_session_over_and_the_first_cannot_end_it() {
    let (sessions, who, now) = nobody(10);
    let first = sessions.enter(&who, "gw-1", CLEAN, now).unwrap();
    let second = sessions.enter(&who, "gw-1", PASSING, now).unwrap();
    assert!(first.taken_over.is_cancelled() && !second.taken_over.is_cancelled());
    assert!(second.session_present && !first.session_present);
    sessions.leave(&who, "gw-1", first.generation, 0, (now, 0));
    let third = sessions.enter(&who, "gw-1", PASSING, now).unwrap();
    assert!(second.taken_over.is_cancelled() && third.session_present);
}

#[test]
fn a_session_is_kept_as_long_as_was_agreed_with_its_subscription() {
    let (sessions, who, now) = nobody(10);
    let first = sessions.enter(&who, "gw-1", LASTING, now).unwrap();
    sessions.subscribe(&who, "gw-1", first.generation, Some(Qos::AtLeastOnce));
    sessions.leave(&who, "gw-1", first.generation, HOUR_S, (now, 0));
    let second = sessions.enter(&who, "gw-1", LASTING, now + hour() / 2).unwrap();
    assert!(second.session_present && second.subscription == Some(Qos::AtLeastOnce));
    sessions.leave(&who, "gw-1", second.generation, HOUR_S, (now, 0));
    let late = sessions.enter(&who, "gw-1", LASTING, now + hour()).unwrap();
    assert!(!late.session_present && late.subscription.is_none());
}

#[test]
fn a_stranger_with_the_same_client_id_has_another_session_and_cannot_end_this_one() {
    let (sessions, who, now) = nobody(10);
    let first = sessions.enter(&who, "gw-1", LASTING, now).unwrap();
    let stranger = sessions.enter(&gateway("gw-2"), "gw-1", CLEAN, now).unwrap();
    assert!(!first.taken_over.is_cancelled() && !stranger.session_present);
    assert!(sessions.enter(&who, "gw-1", LASTING, now).unwrap().session_present);
}

#[test]
fn only_a_session_that_outlives_its_connection_is_written_down() {
    let (sessions, who, now) = nobody(10);
    let passing = sessions.enter(&who, "gw-1", CLEAN, now).unwrap();
    assert!(passing.record.is_none() && passing.number == 0);
    assert!(sessions.subscribe(&who, "gw-1", passing.generation, Some(Qos::AtMostOnce)).is_none());
    assert!(sessions.leave(&who, "gw-1", passing.generation, 0, (now, 7)).is_none());

    let lasting = sessions.enter(&who, "gw-1", LASTING, now).unwrap();
    let begun = lasting.record.unwrap();
    assert_eq!((begun.number, begun.expiry_s, begun.left_ms), (lasting.number, HOUR_S, None));
    let subscribed = sessions.subscribe(&who, "gw-1", lasting.generation, Some(Qos::AtLeastOnce)).unwrap();
    assert!(subscribed.revision > begun.revision && subscribed.verdicts_qos == Some(1));
    let left = sessions.leave(&who, "gw-1", lasting.generation, HOUR_S, (now, 7)).unwrap();
    assert_eq!((left.number, left.left_ms), (begun.number, Some(7)));
    let ended = sessions.enter(&who, "gw-1", CLEAN, now).unwrap().record.unwrap();
    assert!(ended.number == 0 && ended.revision > left.revision, "a clean start ends it in the journal too");
    assert_eq!(sessions.survey().len(), 1, "and in the next survey");
    assert!(sessions.survey().is_empty());
}

#[test]
fn what_the_journal_remembers_of_a_session_is_there_again() {
    let (sessions, who, now) = nobody(10);
    let first = sessions.enter(&who, "gw-1", LASTING, now).unwrap();
    sessions.subscribe(&who, "gw-1", first.generation, Some(Qos::AtLeastOnce));
    let bytes = digest("topic", b"payload");
    first.exchanges.lock().unwrap().settle(5, bytes, 10);
    let (_, record) = sessions.survey().pop().unwrap();
    assert_eq!((record.open[0].packet_id, &record.open[0].digest[..]), (5, &bytes[..]));

    let mut exchanges = Exchanges::default();
    exchanges.recall(5, bytes);
    let recalled = Recalled { who: who.clone(), record, exchanges, remaining: hour() };
    let restarted = Sessions::new(at_most(10), vec![recalled], 100, now);
    let second = restarted.enter(&who, "gw-1", LASTING, now + hour() / 2).unwrap();
    assert!(second.session_present && second.subscription == Some(Qos::AtLeastOnce));
    assert_eq!((second.number, second.record.unwrap().revision), (first.number, 101));
    assert_eq!(second.exchanges.lock().unwrap().take(5, bytes, 10), Taking::Again);
}

#[test]
fn as_many_sessions_are_kept_as_may_be_and_none_that_is_connected_makes_room() {
    let (sessions, _, now) = nobody(2);
    let enter = |id: &str| sessions.enter(&gateway(id), id, LASTING, now);
    let first = enter("gw-1").unwrap();
    assert!(enter("gw-2").is_some(), "at the limit");
    assert!(enter("gw-3").is_none(), "both are connected");
    sessions.leave(&gateway("gw-1"), "gw-1", first.generation, HOUR_S, (now, 0));
    assert!(enter("gw-3").is_some(), "the idle one makes room");
    assert!(enter("gw-1").is_none());
}

#[test]
fn a_will_that_waits_is_withdrawn_when_the_client_comes_back() {
    let (sessions, who, now) = nobody(10);
    let first = sessions.enter(&who, "gw-1", LASTING, now).unwrap();
    let will = sessions.defer_will(&who, "gw-1", first.generation).unwrap();
    sessions.leave(&who, "gw-1", first.generation, HOUR_S, (now, 0));
    assert!(!will.is_cancelled());
    sessions.enter(&who, "gw-1", LASTING, now).unwrap();
    assert!(will.is_cancelled());
    assert!(sessions.defer_will(&who, "gw-1", first.generation).is_none(), "another one is there");
}

#[test]
fn a_gateway_with_as_many_sessions_as_it_may_have_makes_room_among_its_own() {
    let (now, limit) = (Instant::now(), Limit { all: 10, of_gateway: 2 });
    let (sessions, own, other) = (Sessions::new(limit, Vec::new(), 0, now), gateway("gw-1"), gateway("gw-2"));
    let away = |who: &GatewayPrincipal, client_id: &str, keep_s: u32| {
        let entry = sessions.enter(who, client_id, LASTING, now).unwrap();
        sessions.leave(who, client_id, entry.generation, keep_s, (now, 0));
    };
    let is_kept = |who: &GatewayPrincipal, client_id: &str| {
        sessions.lock().sessions.contains_key(&(who.clone(), client_id.to_owned()))
    };
    away(&other, "gw-2", 60);
    away(&own, "gw-1/a", 300);
    away(&own, "gw-1/b", 200);
    away(&own, "gw-1/c", 100);
    assert!(is_kept(&other, "gw-2"), "another gateway's ends sooner and stays");
    assert!(is_kept(&own, "gw-1/a") && !is_kept(&own, "gw-1/b"), "of its own the one that ended first went");
    for client_id in ["gw-1/a", "gw-1/c"] {
        assert!(sessions.enter(&own, client_id, LASTING, now).unwrap().session_present);
    }
    assert!(sessions.enter(&own, "gw-1/d", LASTING, now).is_none(), "both of its own are connected");
    assert!(sessions.enter(&other, "gw-2/b", LASTING, now).is_some());
}

#[test]
fn where_all_sessions_are_taken_a_gateway_gives_up_its_own_before_anothers() {
    let (now, limit) = (Instant::now(), Limit { all: 2, of_gateway: 2 });
    let (sessions, own, other) = (Sessions::new(limit, Vec::new(), 0, now), gateway("gw-1"), gateway("gw-2"));
    for (who, client_id, keep_s) in [(&other, "gw-2", 60), (&own, "gw-1/a", 300)] {
        let entry = sessions.enter(who, client_id, LASTING, now).unwrap();
        sessions.leave(who, client_id, entry.generation, keep_s, (now, 0));
    }
    assert!(sessions.enter(&own, "gw-1/b", LASTING, now).is_some());
    assert!(sessions.enter(&other, "gw-2", LASTING, now).unwrap().session_present);
    assert!(sessions.enter(&own, "gw-1/a", LASTING, now).is_none(), "it is gone, and all are connected");
}
