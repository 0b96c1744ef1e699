use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use painwatch_domain::{GatewayId, TenantId};
use proptest::prelude::*;

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn gateway(tenant: &str, id: &str) -> GatewayPrincipal {
    GatewayPrincipal { tenant: TenantId::parse(tenant).unwrap(), gateway: GatewayId::parse(id).unwrap() }
}

fn token(nth: u8, from_ms: i64) -> Grant {
    Grant { kind: Kind::Token, digest: [nth; 32], from_ms, until_ms: None, revoked_ms: None }
}

fn with_tokens(who: &GatewayPrincipal, count: u8) -> Registry {
    let mut registry = Registry::default();
    registry.add(who, 0);
    (0..count).for_each(|nth| registry.issue(who, token(nth, 0)).unwrap());
    registry
}

#[test]
fn a_rotated_token_holds_beside_the_new_one_until_the_stated_time() {
    let who = gateway("main", "gw-1");
    let mut registry = with_tokens(&who, 1);
    assert_eq!(registry.expire(&who, Kind::Token, HOUR_MS, 2 * HOUR_MS), Ok(1));
    registry.issue(&who, token(1, HOUR_MS)).unwrap();
    let holds = |nth, now| registry.holder(Kind::Token, &[nth; 32], now).is_some();
    assert!(holds(0, 2 * HOUR_MS - 1) && holds(1, HOUR_MS), "both, until then");
    assert!(!holds(0, 2 * HOUR_MS) && holds(1, 1_000 * HOUR_MS));
}

#[test]
fn a_second_rotation_does_not_lengthen_the_life_of_the_first_token() {
    let who = gateway("main", "gw-1");
    let mut registry = with_tokens(&who, 1);
    registry.expire(&who, Kind::Token, 0, HOUR_MS).unwrap();
    registry.expire(&who, Kind::Token, 1, 5 * HOUR_MS).unwrap();
    assert!(registry.holder(Kind::Token, &[0; 32], HOUR_MS).is_none());
}

#[test]
fn a_revoked_gateway_has_nothing_left_and_its_tokens_do_not_return_with_it() {
    let (who, other) = (gateway("main", "gw-1"), gateway("clinic-b", "gw-1"));
    let mut registry = with_tokens(&who, 2);
    registry.add(&other, 0);
    registry.issue(&other, token(9, 0)).unwrap();
    registry.revoke(&who, HOUR_MS).unwrap();
    assert!((0..2).all(|nth| registry.holder(Kind::Token, &[nth; 32], HOUR_MS).is_none()));
    assert!(!registry.is_admitted(&who));
    assert_eq!(registry.issue(&who, token(3, HOUR_MS)), Err(ChangeError::Revoked("gw-1".into())));
    assert_eq!(
        registry.holder(Kind::Token, &[9; 32], HOUR_MS),
        Some(&other),
        "the same id of another tenant is another"
    );
    assert!(registry.add(&who, HOUR_MS) && registry.is_admitted(&who));
    assert!(registry.holder(Kind::Token, &[0; 32], HOUR_MS).is_none());
}

#[test]
fn an_enrolment_code_works_once_and_in_time() {
    let who = gateway("main", "gw-1");
    let mut registry = with_tokens(&who, 0);
    let code = |nth| Grant { kind: Kind::Enrolment, until_ms: Some(HOUR_MS), ..token(nth, 0) };
    registry.issue(&who, code(1)).unwrap();
    registry.issue(&who, code(2)).unwrap();
    assert_eq!(registry.holder(Kind::Token, &[1; 32], 0), None, "a code is no token");
    assert_eq!(registry.redeem(&[1; 32], HOUR_MS - 1), Some(who));
    assert_eq!(registry.redeem(&[1; 32], HOUR_MS - 1), None);
    assert_eq!(registry.redeem(&[2; 32], HOUR_MS), None);
    assert_eq!(registry.redeem(&[3; 32], 0), None);
}

#[test]
fn one_token_is_revoked_by_its_first_digits_unless_they_begin_two() {
    let who = gateway("main", "gw-1");
    let mut registry = with_tokens(&who, 2);
    let mut twin = token(0, 0);
    twin.digest[31] = 1;
    registry.issue(&who, twin).unwrap();
    assert_eq!(registry.revoke_grant("0000", 1), Err(ChangeError::Ambiguous("0000".into())));
    assert_eq!(registry.revoke_grant("", 1), Err(ChangeError::NoSuchGrant(String::new())));
    assert_eq!(registry.revoke_grant("0101", 1), Ok((who.clone(), Kind::Token)));
    assert!(registry.holder(Kind::Token, &[1; 32], 1).is_none() && registry.holder(Kind::Token, &[0; 32], 1).is_some());
    assert_eq!(registry.revoke_grant("0101", 2), Err(ChangeError::NoSuchGrant("0101".into())));
}

#[test]
fn credentials_are_bounded_and_those_that_ended_long_ago_are_forgotten() {
    let who = gateway("main", "gw-1");
    let mut registry = with_tokens(&who, GRANTS_MAX as u8);
    assert_eq!(registry.issue(&who, token(99, 0)), Err(ChangeError::TooMany("gw-1".into())));
    registry.expire(&who, Kind::Token, 0, 1).unwrap();
    registry.issue(&who, token(99, REMEMBERED_MS)).unwrap();
    assert_eq!(registry.entry(&who).unwrap().grants.len(), GRANTS_MAX + 1, "still remembered");
    registry.issue(&who, token(100, REMEMBERED_MS + 2)).unwrap();
    assert_eq!(registry.entry(&who).unwrap().grants.len(), 2);
}

#[test]
fn a_digest_that_is_known_belongs_to_nobody_else() {
    let (one, two) = (gateway("main", "gw-1"), gateway("main", "gw-2"));
    let mut registry = with_tokens(&one, 1);
    registry.add(&two, 0);
    assert_eq!(registry.issue(&two, token(0, 0)), Err(ChangeError::Known));
    assert_eq!(registry.issue(&gateway("main", "gw-3"), token(7, 0)), Err(ChangeError::Unknown("gw-3".into())));
}

#[test]
fn the_file_is_its_owners_alone_and_survives_reopening_and_a_malformed_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (file, who) = (RegistryFile::of(dir.path()), gateway("main", "gw-1"));
    assert_eq!(file.read().unwrap(), Registry::default());
    file.change::<_, RegistryError>(|registry| {
        registry.add(&who, 5);
        Ok(registry.issue(&who, token(1, 5))?)
    })
    .unwrap();
    assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no draft is left behind: {names:?}");
    assert_eq!(file.read().unwrap().holder(Kind::Token, &[1; 32], 5), Some(&who));

    let refused = file.change::<(), RegistryError>(|registry| {
        registry.revoke(&who, 6)?;
        Err(ChangeError::Known.into())
    });
    assert!(refused.is_err() && file.read().unwrap().is_admitted(&who), "a change that fails changes nothing");

    fs::write(file.path(), "format = 2\n").unwrap();
    assert!(file.read().unwrap_err().to_string().contains("format 2"));
    fs::write(file.path(), "format = 1\n[[gateway]]\ntenant = \"main\"\nid = \"gw/1\"\nadded_ms = 0\n").unwrap();
    assert!(file.read().unwrap_err().to_string().contains("gateway"));
}

#[test]
fn the_golden_file_is_read_and_written_as_it_stands() {
    let golden = include_str!("../../tests/golden/gateways.toml");
    let registry = Registry::parse(golden).unwrap();
    assert_eq!(
        registry.to_toml().unwrap().split_whitespace().collect::<Vec<_>>(),
        golden.split_whitespace().collect::<Vec<_>>()
    );
    assert_eq!(registry.gateways().count(), 2);
    assert_eq!(registry.holder(Kind::Certificate, &[2; 32], 1_803_902_404_999), Some(&gateway("main", "gw-17")));
    assert_eq!(registry.holder(Kind::Enrolment, &[3; 32], 1_772_366_405_000), None, "used up");
}

#[test]
fn changes_made_at_once_lose_nothing_of_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let file = RegistryFile::of(dir.path());
    std::thread::scope(|scope| {
        for nth in 0..8 {
            let file = file.clone();
            scope.spawn(move || {
                let who = gateway("main", &format!("gw-{nth}"));
                file.change::<_, RegistryError>(|registry| Ok(registry.add(&who, 0))).unwrap();
            });
        }
    });
    assert_eq!(file.read().unwrap().gateways().count(), 8);
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize),
    Issue(usize, u8),
    Expire(usize, i64),
    Revoke(usize),
    RevokeGrant(u8),
}

fn steps() -> impl Strategy<Value = Vec<(Step, i64)>> {
    let step = prop_oneof![
        (0..3_usize).prop_map(Step::Add),
        (0..3_usize, 0..6_u8).prop_map(|(who, nth)| Step::Issue(who, nth)),
        (0..3_usize, 0..50_i64).prop_map(|(who, overlap)| Step::Expire(who, overlap)),
        (0..3_usize).prop_map(Step::Revoke),
        (0..6_u8).prop_map(Step::RevokeGrant),
    ];
    prop::collection::vec((step, 0..20_i64), 0..40)
}

/// The plainest model: per token its holder and the instant from which it no longer holds.
#[derive(Default)]
struct Model {
    admitted: [bool; 3],
    tokens: std::collections::BTreeMap<u8, (usize, i64)>,
}

impl Model {
    fn apply(&mut self, step: &Step, now: i64) {
        let end =
            |tokens: &mut std::collections::BTreeMap<u8, (usize, i64)>, of: &dyn Fn(u8, usize) -> bool, at: i64| {
                let ending = tokens.iter_mut().filter(|(nth, (who, ends))| of(**nth, *who) && now < *ends);
                ending.for_each(|(_, (_, ends))| *ends = (*ends).min(at));
            };
        match *step {
            Step::Add(who) => self.admitted[who] = true,
            Step::Issue(who, nth) if self.admitted[who] => {
                self.tokens.entry(nth).or_insert((who, i64::MAX));
            }
            Step::Expire(who, overlap) if self.admitted[who] => {
                end(&mut self.tokens, &|_, of| of == who, now + overlap)
            }
            Step::Revoke(who) => {
                self.admitted[who] = false;
                end(&mut self.tokens, &|_, of| of == who, now);
            }
            Step::RevokeGrant(nth) => end(&mut self.tokens, &|of, _| of == nth, now),
            Step::Issue(..) | Step::Expire(..) => {}
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_done_in_whatever_order_a_token_holds_exactly_as_the_plain_model_says(steps in steps()) {
        let who = [gateway("main", "gw-1"), gateway("main", "gw-2"), gateway("b", "gw-1")];
        let (mut registry, mut model, mut now) = (Registry::default(), Model::default(), 0);
        for (step, passed) in &steps {
            now += passed;
            let known = |at: usize| registry.entry(&who[at]).is_some();
            match *step {
                Step::Revoke(at) if !known(at) => continue,
                Step::Add(at) => { registry.add(&who[at], now); }
                Step::Issue(at, nth) => { let _ = registry.issue(&who[at], token(nth, now)); }
                Step::Expire(at, overlap) => { let _ = registry.expire(&who[at], Kind::Token, now, now + overlap); }
                Step::Revoke(at) => registry.revoke(&who[at], now).unwrap(),
                Step::RevokeGrant(nth) => { let _ = registry.revoke_grant(&hex::encode([nth; 32]), now); }
            }
            model.apply(step, now);
            registry = Registry::parse(&registry.to_toml().unwrap()).unwrap();
            for nth in 0..6 {
                let held = registry.holder(Kind::Token, &[nth; 32], now);
                let expected = model.tokens.get(&nth).filter(|(_, ends)| now < *ends).map(|(at, _)| &who[*at]);
                prop_assert_eq!(held, expected);
            }
        }
    }
}
