use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const MINUTE_MS: i64 = 60_000;

fn install() -> (tempfile::TempDir, Access, toml::Table) {
    let dir = tempfile::tempdir().unwrap();
    let access = Access::open(dir.path()).unwrap();
    let table = fs::read_to_string(dir.path().join(FILE_NAME)).unwrap().parse().unwrap();
    (dir, access, table)
}

fn entry<'a>(table: &'a toml::Table, section: &str, key: &str) -> &'a str {
    table[section][key].as_str().unwrap()
}

/// Who a gateway is by its token alone.
fn gateway(access: &Access, token: &str, claimed: &str, is_local: bool) -> Option<GatewayPrincipal> {
    let peer = Peer { is_local, ..Peer::plain("192.0.2.7:40000".parse().unwrap()) };
    access.gateway(&peer, Some(token), 0)?.speaking_for(claimed)
}

#[test]
fn the_file_is_readable_by_its_owner_only_and_leaves_no_draft_behind() {
    let (dir, _, _) = install();
    let mode = fs::metadata(dir.path().join(FILE_NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn each_install_has_its_own_secrets_and_keeps_them() {
    let (first_dir, _, first) = install();
    let (_second_dir, _, second) = install();
    for (section, key) in [
        ("gateway", "token"),
        ("clinician", "password"),
        ("clinician", "token"),
        ("analyst", "token"),
        ("operator", "token"),
    ] {
        assert_ne!(entry(&first, section, key), entry(&second, section, key));
    }
    let again = Access::open(first_dir.path()).unwrap();
    assert!(again.bearer(entry(&first, "analyst", "token")).is_some());
    assert!(again.bearer(entry(&second, "analyst", "token")).is_none());
}

#[test]
fn each_token_opens_its_own_door_only() {
    let (_dir, access, table) = install();
    for (section, role) in [("clinician", Role::Clinician), ("analyst", Role::Analyst), ("operator", Role::Operator)] {
        let token = entry(&table, section, "token");
        assert_eq!(access.bearer(token).map(|who| who.role), Some(role));
        assert_eq!(gateway(&access, token, "gw-1", true), None);
    }
    assert!(access.bearer(entry(&table, "gateway", "token")).is_none());
    assert!(access.bearer(entry(&table, "clinician", "password")).is_none());
}

#[test]
fn the_built_in_gateway_token_speaks_for_any_gateway_from_loopback_only() {
    let (_dir, access, table) = install();
    let token = entry(&table, "gateway", "token");
    let who = gateway(&access, token, "gw-17", true).unwrap();
    assert_eq!((who.tenant.as_str(), who.gateway.as_str()), ("main", "gw-17"));
    assert_eq!(gateway(&access, token, "gw-17", false), None);
    assert_eq!(gateway(&access, token, "gw/17", true), None);
    assert_eq!(gateway(&access, token, "", true), None);
}

#[test]
fn near_miss_tokens_are_refused() {
    let (_dir, access, table) = install();
    let token = entry(&table, "gateway", "token").to_owned();
    let mut misses =
        vec![String::new(), format!("{token} "), format!(" {token}"), format!("{token}\0"), token.to_uppercase() + "x"];
    misses.extend((0..token.len()).map(|at| {
        let mut changed = token.clone().into_bytes();
        changed[at] ^= 1;
        String::from_utf8(changed).unwrap()
    }));
    misses.extend((0..token.len()).map(|end| token[..end].to_owned()));
    for miss in misses {
        assert_eq!(gateway(&access, &miss, "gw-1", true), None, "{miss:?}");
    }
    assert!(gateway(&access, &token, "gw-1", true).is_some());
}

#[test]
fn debug_output_shows_no_secret() {
    let (_dir, access, table) = install();
    let login = access.login("clinician", entry(&table, "clinician", "password"), 0).unwrap();
    let link = access.issue_link(0, MINUTE_MS);
    let shown = format!("{access:?} {login:?} {link:?}");
    let secrets = [
        ("gateway", "token"),
        ("clinician", "password"),
        ("clinician", "token"),
        ("analyst", "token"),
        ("operator", "token"),
    ];
    for secret in secrets.map(|(section, key)| entry(&table, section, key)).into_iter().chain([
        login.token.reveal(),
        login.csrf.reveal(),
        link.reveal(),
    ]) {
        assert!(!shown.contains(secret));
    }
}

#[test]
fn a_file_others_can_read_and_a_malformed_one_are_refused_without_quoting_it() {
    let (dir, _, table) = install();
    let path = dir.path().join(FILE_NAME);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(Access::open(dir.path()).unwrap_err().to_string().contains("chmod 600"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let token = entry(&table, "gateway", "token");
    fs::write(&path, format!("[gateway]\ntoken = \"{token}\" oops\n")).unwrap();
    let complaint = format!("{:?}", Access::open(dir.path()).unwrap_err());
    assert!(complaint.contains("form") && !complaint.contains(token), "{complaint}");
    fs::write(&path, "[gateway]\ntoken=\"short\"\n[clinician]\nuser=\"c\"\npassword=\"p\"\ntoken=\"t\"\n[analyst]\ntoken=\"\"\n[operator]\ntoken=\"\"\n").unwrap();
    assert!(Access::open(dir.path()).unwrap_err().to_string().contains("gateway.token"));
}

#[test]
fn a_link_opens_one_session_once_and_in_time() {
    let (_dir, access, _) = install();
    let code = access.issue_link(1_000, MINUTE_MS);
    assert!(access.exchange_link("guess", 1_000).is_none());
    let login = access.exchange_link(code.reveal(), 1_000 + MINUTE_MS - 1).unwrap();
    assert_eq!(login.principal.role, Role::Clinician);
    assert!(access.exchange_link(code.reveal(), 1_001).is_none());
    let late = access.issue_link(0, MINUTE_MS);
    assert!(access.exchange_link(late.reveal(), MINUTE_MS).is_none());
    assert!(access.exchange_link(late.reveal(), 0).is_none(), "a late attempt burns the code");
}

#[test]
fn a_session_lives_while_used_and_ends_idle_or_by_logout() {
    let (_dir, access, table) = install();
    let password = entry(&table, "clinician", "password");
    assert!(access.login("clinician", "wrong", 0).is_none());
    assert!(access.login("nobody", password, 0).is_none());
    let login = access.login("clinician", password, 0).unwrap();
    let token = login.token.reveal();
    assert!(access.session(token, 29 * MINUTE_MS).is_some());
    assert!(access.session(token, 58 * MINUTE_MS).is_some());
    assert!(access.session(token, 88 * MINUTE_MS).is_none());
    assert!(access.session(token, 58 * MINUTE_MS).is_none(), "an ended session stays ended");

    let second = access.login("clinician", password, 0).unwrap();
    access.logout(second.token.reveal());
    assert!(access.session(second.token.reveal(), 1).is_none());
}

#[test]
fn a_change_needs_the_csrf_token_of_its_own_session() {
    let (_dir, access, table) = install();
    let password = entry(&table, "clinician", "password");
    let (one, two) = (access.login("clinician", password, 0).unwrap(), access.login("clinician", password, 0).unwrap());
    assert!(access.csrf_fits(one.token.reveal(), one.csrf.reveal(), 1));
    assert!(!access.csrf_fits(one.token.reveal(), two.csrf.reveal(), 1));
    assert!(!access.csrf_fits(one.token.reveal(), "", 1));
    assert!(access.csrf_of(one.token.reveal(), 1).unwrap().matches(one.csrf.reveal()));
}

#[test]
fn sessions_and_links_are_bounded_and_the_stalest_makes_room() {
    let limits = SessionLimits { idle_ms: 1_000_000, sessions: 2, links: 2 };
    let who = Principal { user: "clinician".into(), role: Role::Clinician, tenant: TenantId::default() };
    let mut sessions = sessions::Sessions::new(limits);
    let logins: Vec<Login> = (0..3).map(|now| sessions.begin(who.clone(), now)).collect();
    assert!(sessions.principal(logins[0].token.reveal(), 4).is_none());
    assert!(sessions.principal(logins[2].token.reveal(), 4).is_some());
    let links: Vec<Secret> = (0..3).map(|extra| sessions.issue_link(who.clone(), 0, 100 + extra)).collect();
    assert!(sessions.exchange_link(links[0].reveal(), 1).is_none());
    assert!(sessions.exchange_link(links[2].reveal(), 1).is_some());
}
