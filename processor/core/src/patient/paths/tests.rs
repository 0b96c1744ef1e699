use super::*;

const NONE: &[GatewayId] = &[];

fn online(gateway: &str, backlog: u64) -> GatewayState<'_> {
    GatewayState { gateway, online: true, backlog, oldest_pending: None }
}

#[test]
fn a_gateway_is_away_from_its_will_until_it_speaks_or_brings_something() {
    let mut paths = Paths::default();
    paths.brought("gw-1", "watch", 0);
    assert!(paths.says(&GatewayState { gateway: "gw-1", ..GatewayState::default() }, 100));
    assert_eq!(paths.waits(&[("watch", NONE)], 200), Wait::ForGateway);
    assert!(paths.brought("gw-1", "watch", 300) && !paths.brought("gw-1", "watch", 301));
    assert_eq!(paths.gateway_down(("watch", NONE), 0), [(100, 300)]);
    assert_eq!(paths.waits(&[("watch", NONE)], 400), Wait::Until(300 + GRACE_MS));
    assert_eq!(paths.waits(&[("watch", NONE)], 300 + GRACE_MS), Wait::No);
}

#[test]
fn a_backlog_reaches_back_to_the_oldest_reading_that_waits() {
    let mut paths = Paths::default();
    paths.brought("gw-1", "cap", 0);
    assert!(!paths.says(&online("gw-1", 0), 10));
    assert!(paths.says(&GatewayState { oldest_pending: Some(500), ..online("gw-1", 3) }, 900));
    assert!(!paths.says(&GatewayState { oldest_pending: Some(500), ..online("gw-1", 2) }, 950));
    assert_eq!(paths.waits(&[("cap", NONE)], 1_000), Wait::ForGateway);
    assert!(paths.says(&online("gw-1", 0), 2_000));
    assert_eq!(paths.gateway_down(("cap", NONE), 0), [(500, 2_000)]);
}

#[test]
fn one_gateway_of_two_is_enough_and_a_device_nobody_brought_waits_for_none() {
    let mut paths = Paths::default();
    let listed = ["gw-1", "gw-2"].map(|id| GatewayId::parse(id).unwrap());
    for gateway in ["gw-1", "gw-2"] {
        paths.says(&online(gateway, 0), 0);
    }
    paths.says(&GatewayState { gateway: "gw-1", ..GatewayState::default() }, 100);
    assert_eq!(paths.waits(&[("watch", &listed)], 150), Wait::No);
    paths.says(&GatewayState { gateway: "gw-2", ..GatewayState::default() }, 200);
    assert_eq!(paths.waits(&[("watch", &listed)], 250), Wait::ForGateway);
    assert_eq!(paths.gateway_down(("watch", &listed), 0), [(200, i64::MAX)]);
    assert_eq!(paths.waits(&[("band", NONE)], 250), Wait::No);
}

#[test]
fn our_own_pause_holds_back_whatever_the_gateways_say() {
    let mut paths = Paths::default();
    paths.paused(1_000, 5_000);
    paths.paused(200, 100);
    assert_eq!(paths.own(), [(100, 200), (1_000, 5_000)]);
    assert_eq!(paths.waits(&[], 5_000), Wait::Until(5_000 + GRACE_MS));
    assert_eq!(paths.waits(&[], 5_000 + GRACE_MS), Wait::No);
    assert_eq!(Paths::decode(&paths.encode()).unwrap(), paths);
    assert!(Paths::decode(&[9, 0]).is_err() && Paths::decode(&[]).is_err());
}

#[test]
fn a_gateway_that_comes_and_goes_for_ever_is_remembered_within_a_limit() {
    let mut paths = Paths::default();
    paths.brought("gw-1", "watch", 0);
    for round in 0..2_000 {
        paths.says(&GatewayState { gateway: "gw-1", ..GatewayState::default() }, round * 10);
        paths.says(&online("gw-1", 0), round * 10 + 5);
        paths.says_of_device("watch", Some(round % 2 == 0), None, round * 10);
        paths.paused(round * 10, round * 10 + 1);
    }
    assert_eq!(paths.gateway_down(("watch", NONE), 0).len(), KEPT_MAX);
    assert_eq!((paths.states_of("watch").worn.len(), paths.own().len()), (KEPT_MAX, KEPT_MAX));
}

/// What this program writes; changing it needs another [`FORMAT`] and a reader of this one.
const GOLDEN: &str = "01011428010467772d31016478000146780001057761746368010467772d31018c0100018c0101";

#[test]
fn the_form_of_what_stands_between_is_pinned() {
    let mut paths = Paths::default();
    paths.paused(10, 20);
    paths.brought("gw-1", "watch", 30);
    paths.says(&GatewayState { gateway: "gw-1", oldest_pending: Some(35), ..online("gw-1", 3) }, 40);
    paths.says(&GatewayState { gateway: "gw-1", ..GatewayState::default() }, 50);
    paths.says(&online("gw-1", 0), 60);
    paths.says_of_device("watch", Some(false), Some(true), 70);
    let written: String = paths.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(written, GOLDEN);
}
