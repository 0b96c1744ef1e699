use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use painwatch_domain::GatewayId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, DnValue, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};

use super::*;
use crate::registry::{Grant, Kind, RegistryError};
use crate::{Access, GatewayPrincipal, Peer, RegistryFile};

/// 2026-03-01T12:00:05Z.
const NOW_MS: i64 = 1_772_366_405_000;
const DAY_MS: i64 = 24 * 3_600_000;

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn wall_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> i64 {
        self.wall_ms()
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(TestClock(AtomicI64::new(NOW_MS)))
}

/// A certificate with these names, signed by nobody in particular.
fn certificate(common_names: &[DnValue], uris: &[&str]) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for name in common_names {
        params.distinguished_name.push(DnType::CommonName, name.clone());
    }
    params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn utf8(name: &str) -> DnValue {
    DnValue::Utf8String(name.to_owned())
}

#[test]
fn a_certificate_names_its_uri_and_only_without_one_its_common_name() {
    let named = |names: &[DnValue], uris: &[&str]| identity_of(&certificate(names, uris)).map(|id| id.to_string());
    assert_eq!(named(&[utf8("gw-1")], &[]), Ok("gw-1".into()));
    assert_eq!(named(&[utf8("gw-1")], &["gw-2"]), Ok("gw-2".into()));
    assert_eq!(named(&[], &["gw-2"]), Ok("gw-2".into()));
    assert_eq!(named(&[utf8("gw-1")], &["gw-2", "gw-3"]), Err(NoIdentity::SeveralUris));
    assert_eq!(named(&[], &[]), Err(NoIdentity::NoName));
    assert!(
        matches!(named(&[utf8("gw-1")], &["https://gw-2/"]), Err(NoIdentity::NotAnId(_))),
        "no way back to the name"
    );
    assert_eq!(identity_of(b"nonsense"), Err(NoIdentity::Unreadable));
    let mut trailing = certificate(&[utf8("gw-1")], &[]);
    trailing.push(0);
    assert_eq!(identity_of(&trailing), Err(NoIdentity::Unreadable));
}

#[test]
fn a_common_name_that_is_not_utf8_by_its_type_names_nobody() {
    let bmp = DnValue::BmpString("gw-1".try_into().unwrap());
    let printable = DnValue::PrintableString("gw-1".try_into().unwrap());
    assert_eq!(identity_of(&certificate(&[bmp], &[])), Err(NoIdentity::NoName));
    assert_eq!(identity_of(&certificate(&[printable], &[])).unwrap().as_str(), "gw-1");
}

/// Names that look like `gw-17` to a person, a normaliser or a careless comparison.
const NEAR_MISSES: [&str; 24] = [
    "GW-17",
    "Gw-17",
    "gw-17.",
    "gw-17 ",
    " gw-17",
    "gw-17\0",
    "\0gw-17",
    "gw-17\n",
    "gw-17/",
    "gw-17/a",
    "gw-1",
    "gw-170",
    "gw_17",
    "gw\u{2010}17",
    "gw\u{2011}17",
    "ｇｗ-17",
    "gw-1７",
    "gw-17\u{200b}",
    "\u{feff}gw-17",
    "gw-l7",
    "gw%2D17",
    "gw-17,gw-18",
    "urn:gw-17",
    "gw-17\u{301}",
];

#[test]
fn names_that_nearly_are_the_gateways_speak_for_nobody_or_for_another() {
    for near in NEAR_MISSES {
        let by_name = identity_of(&certificate(&[utf8(near)], &[]));
        assert_ne!(by_name.as_ref().map(GatewayId::as_str), Ok("gw-17"), "{near:?}");
        if near.is_ascii() {
            let by_uri = identity_of(&certificate(&[utf8("gw-17")], &[near]));
            assert_ne!(by_uri.as_ref().map(GatewayId::as_str), Ok("gw-17"), "{near:?}");
        }
    }
}

/// An installation with an authority.
struct Home {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::below(dir.path());
        authority.create(&["localhost".into(), "127.0.0.1".into()], NOW_MS).unwrap();
        Self { dir, authority }
    }

    fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.authority.server(),
            key: self.authority.server(),
            own_authority: self.authority.certificates(),
            client_authorities: Vec::new(),
            revoked: Vec::new(),
            only_13: false,
        }
    }

    fn issue(&self, gateway: &str, valid_ms: i64) -> Issued {
        self.authority.issue(&request(), &GatewayId::parse(gateway).unwrap(), NOW_MS, valid_ms).unwrap()
    }

    fn register(&self, who: &GatewayPrincipal, issued: Option<&Issued>) {
        let grant = issued.map(|issued| Grant {
            kind: Kind::Certificate,
            digest: issued.sha256,
            from_ms: NOW_MS,
            until_ms: Some(issued.not_after_ms),
            revoked_ms: None,
        });
        let file = RegistryFile::of(self.dir.path());
        file.change::<_, RegistryError>(|registry| {
            registry.add(who, NOW_MS);
            Ok(grant.map(|grant| registry.issue(who, grant)).transpose()?)
        })
        .unwrap();
    }
}

/// A signing request that asks for far more than it gets.
fn request() -> String {
    let mut params = CertificateParams::new(vec!["root.example".into()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "somebody-else");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

fn gateway(tenant: &str, id: &str) -> GatewayPrincipal {
    GatewayPrincipal { tenant: TenantId::parse(tenant).unwrap(), gateway: GatewayId::parse(id).unwrap() }
}

/// A peer that proved this chain.
fn peer(tls: &Tls, pem: &str, now_ms: i64) -> Option<Peer> {
    let chain = chain(pem);
    let origin = tls.vouches_for(&chain, now_ms)?;
    let certificate = PeerCertificate::read(chain, origin).map(Arc::new);
    Some(Peer { certificate, ..Peer::plain("192.0.2.7:1".parse().unwrap()) })
}

#[test]
fn only_the_key_of_a_request_is_signed_and_name_use_and_time_are_ours() {
    let home = Home::new();
    let issued = home.issue("gw-17", DAY_MS);
    let chain = chain(&issued.pem);
    assert_eq!(identity_of(&chain[0]).unwrap().as_str(), "gw-17");
    assert!(!String::from_utf8_lossy(&chain[0]).contains("somebody-else"));
    let tls = Tls::open(home.files(), clock()).unwrap();
    assert_eq!(tls.vouches_for(&chain, NOW_MS), Some(Origin::Own));
    assert_eq!(tls.vouches_for(&chain, NOW_MS + DAY_MS + 1_000), None, "expired");
    assert_eq!(tls.vouches_for(&chain, NOW_MS - 2 * 3_600_000), None, "not yet valid");
    let forged = request().replacen('A', "B", 3);
    for wrong in [
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        &forged,
        &"x".repeat(20_000),
    ] {
        let refused = home.authority.issue(wrong, &GatewayId::parse("gw-17").unwrap(), NOW_MS, DAY_MS);
        assert!(matches!(refused, Err(AuthorityError::Request(_))), "{refused:?}");
    }
}

#[test]
fn keys_are_their_owners_alone_and_a_second_authority_is_not_made_over_the_first() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    for entry in std::fs::read_dir(home.dir.path().join("tls")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
    let dir = std::fs::metadata(home.dir.path().join("tls")).unwrap();
    assert_eq!(dir.permissions().mode() & 0o777, 0o700);
    assert!(matches!(home.authority.create(&[], NOW_MS), Err(AuthorityError::Exists(_))));
    let elsewhere = Authority::below(&home.dir.path().join("elsewhere"));
    assert!(matches!(elsewhere.begin_replacing(NOW_MS), Err(AuthorityError::Missing(_))));
}

#[test]
fn a_server_certificate_is_renewed_before_it_ends_and_not_sooner() {
    let home = Home::new();
    let names = ["localhost".to_owned()];
    let first = std::fs::read(home.authority.server()).unwrap();
    home.authority.ensure(&names, NOW_MS + 300 * DAY_MS).unwrap();
    assert_eq!(std::fs::read(home.authority.server()).unwrap(), first);
    home.authority.ensure(&names, NOW_MS + 380 * DAY_MS).unwrap();
    assert_ne!(std::fs::read(home.authority.server()).unwrap(), first);
}

#[test]
fn the_tenant_of_a_certificate_is_that_of_its_entry_and_an_unregistered_one_is_nobody() {
    let home = Home::new();
    let (one, two) = (home.issue("gw-17", DAY_MS), home.issue("gw-17", DAY_MS));
    home.register(&gateway("clinic-a", "gw-17"), Some(&one));
    let access = Access::open(home.dir.path()).unwrap();
    let tls = Tls::open(home.files(), clock()).unwrap();
    let admitted = |issued: &Issued, token, now| access.gateway(&peer(&tls, &issued.pem, NOW_MS).unwrap(), token, now);
    assert_eq!(admitted(&one, None, NOW_MS).unwrap().tenant.as_str(), "clinic-a");
    assert_eq!(admitted(&two, None, NOW_MS), None, "ours, but in no register");
    assert_eq!(admitted(&one, None, NOW_MS + DAY_MS), None, "expired");
    assert_eq!(admitted(&one, Some("wrong"), NOW_MS), None, "a wrong token is not mended by a right certificate");
    let speaks = admitted(&one, None, NOW_MS).unwrap();
    assert!(speaks.speaking_for("gw-17").is_some());
    assert!(NEAR_MISSES.iter().all(|near| speaks.speaking_for(near).is_none()));
}

#[test]
fn both_authorities_are_trusted_while_one_replaces_the_other_and_only_the_new_one_after_that() {
    let home = Home::new();
    let tls = Tls::open(home.files(), clock()).unwrap();
    let (before, old_server) = (home.issue("gw-1", 30 * DAY_MS), tls.fingerprint());
    home.authority.begin_replacing(NOW_MS).unwrap();
    assert!(matches!(home.authority.begin_replacing(NOW_MS), Err(AuthorityError::BeingReplaced(_))));
    let after = home.issue("gw-1", 30 * DAY_MS);
    assert_eq!(tls.vouches_for(&chain(&after.pem), NOW_MS), None, "not before the server has seen it");
    assert!(tls.reload_if_changed().unwrap());
    for issued in [&before, &after] {
        assert_eq!(tls.vouches_for(&chain(&issued.pem), NOW_MS), Some(Origin::Own));
    }
    assert_eq!(tls.fingerprint(), old_server, "gateways that know the old authority alone still reach the server");
    home.authority.end_replacing(&["localhost".into()], NOW_MS).unwrap();
    assert!(tls.reload_if_changed().unwrap() && !tls.reload_if_changed().unwrap());
    assert_eq!(tls.vouches_for(&chain(&before.pem), NOW_MS), None);
    assert_eq!(tls.vouches_for(&chain(&after.pem), NOW_MS), Some(Origin::Own));
    assert_ne!(tls.fingerprint(), old_server);
    assert!(matches!(home.authority.end_replacing(&[], NOW_MS), Err(AuthorityError::NotBeingReplaced(_))));
}

/// An authority that somebody else runs.
struct Foreign {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Foreign {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, gateway: &str, serial: u64) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, gateway);
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().pem()
    }

    fn revoke(&self, serial: u64, into: &Path) {
        let day = |day| rcgen::date_time_ymd(2026, 2, day);
        let params = CertificateRevocationListParams {
            this_update: day(1),
            next_update: rcgen::date_time_ymd(2027, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: day(2),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        std::fs::write(into, params.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
    }
}

#[test]
fn a_foreign_authority_speaks_for_its_own_tenant_alone_and_its_revocation_list_counts() {
    let home = Home::new();
    let (foreign, stranger) = (Foreign::new("clinic b"), Foreign::new("nobody"));
    let (ca, crl) = (home.dir.path().join("b.pem"), home.dir.path().join("b.crl"));
    std::fs::write(&ca, &foreign.pem).unwrap();
    foreign.revoke(99, &crl);
    let authority = ClientAuthority { file: ca, tenant: TenantId::parse("clinic-b").unwrap() };
    let tls = Tls::open(
        TlsFiles { client_authorities: vec![authority], revoked: vec![crl.clone()], ..home.files() },
        clock(),
    );
    let tls = tls.unwrap();
    home.register(&gateway("main", "gw-1"), None);
    home.register(&gateway("clinic-b", "gw-2"), None);
    let access = Access::open(home.dir.path()).unwrap();
    let admitted = |pem: &str| access.gateway(&peer(&tls, pem, NOW_MS)?, None, NOW_MS);
    assert_eq!(admitted(&foreign.issue("gw-1", 1)), None, "main's gateway is not clinic b's to name");
    let second = foreign.issue("gw-2", 2);
    assert_eq!(admitted(&second).unwrap().speaking_for("gw-2"), Some(gateway("clinic-b", "gw-2")));
    assert_eq!(admitted(&foreign.issue("gw-2", 99)), None, "revoked by its list");
    assert_eq!(admitted(&stranger.issue("gw-2", 3)), None, "an authority nobody named");

    let inside = access.gateway(&peer(&tls, &second, NOW_MS).unwrap(), None, NOW_MS).unwrap();
    let lease = access.lease(&inside);
    foreign.revoke(2, &crl);
    assert!(tls.reload_if_changed().unwrap());
    assert_eq!(access.expel(NOW_MS, None), 0, "without looking at the chains again");
    assert_eq!(access.expel(NOW_MS, Some(&tls)), 1);
    drop(lease);
    std::fs::write(&crl, "").unwrap();
    assert!(tls.reload_if_changed().is_err(), "an empty list would let revoked certificates in");
    assert_eq!(tls.vouches_for(&chain(&second), NOW_MS), None, "the last list stays in force");
}

/// Sessions of one installation, and the watch over them on a clock that tests drive.
#[tokio::test(start_paused = true)]
async fn a_revocation_ends_running_sessions_within_a_minute_and_others_go_on() {
    let home = Home::new();
    let (one, two) = (gateway("main", "gw-1"), gateway("main", "gw-2"));
    let (first, second) = (home.issue("gw-1", DAY_MS), home.issue("gw-2", DAY_MS));
    home.register(&one, Some(&first));
    home.register(&two, Some(&second));
    let access = Arc::new(Access::open(home.dir.path()).unwrap());
    let tls = Arc::new(Tls::open(home.files(), clock()).unwrap());
    let lease = |issued: &Issued| {
        access.lease(&access.gateway(&peer(&tls, &issued.pem, NOW_MS).unwrap(), None, NOW_MS).unwrap())
    };
    let (revoked, other) = (lease(&first), lease(&second));
    let clock = Arc::new(TestClock(AtomicI64::new(NOW_MS)));
    let stop = tokio_util::sync::CancellationToken::new();
    let every = std::time::Duration::from_secs(5);
    let watching = crate::watch(
        Arc::clone(&access),
        Some(Arc::clone(&tls)),
        Arc::clone(&clock) as Arc<dyn Clock>,
        every,
        stop.clone(),
    );
    let watching = tokio::spawn(watching);
    let minute = std::time::Duration::from_secs(60);
    assert!(tokio::time::timeout(minute, revoked.ended()).await.is_err(), "nothing ends what holds");
    let file = RegistryFile::of(home.dir.path());
    file.change::<_, RegistryError>(|registry| Ok(registry.revoke(&one, NOW_MS)?)).unwrap();
    assert!(tokio::time::timeout(minute, revoked.ended()).await.is_ok());
    assert!(tokio::time::timeout(minute, other.ended()).await.is_err());
    clock.0.store(NOW_MS + DAY_MS, Ordering::SeqCst);
    assert!(
        tokio::time::timeout(minute, other.ended()).await.is_ok(),
        "a certificate that ends mid-session ends the session"
    );
    drop((revoked, other));
    assert_eq!(access.leases(), 0);
    stop.cancel();
    watching.await.unwrap();
}

#[test]
fn a_register_that_cannot_be_read_any_more_leaves_the_last_one_in_force() {
    let home = Home::new();
    let issued = home.issue("gw-1", DAY_MS);
    home.register(&gateway("main", "gw-1"), Some(&issued));
    let access = Access::open(home.dir.path()).unwrap();
    let tls = Tls::open(home.files(), clock()).unwrap();
    let peer = peer(&tls, &issued.pem, NOW_MS).unwrap();
    std::fs::write(home.dir.path().join(RegistryFile::NAME), "format = 1\n[[gateway").unwrap();
    assert!(access.gateway(&peer, None, NOW_MS).is_some());
    assert!(Access::open(home.dir.path()).is_err(), "but nobody starts on it");
    std::fs::remove_file(home.dir.path().join(RegistryFile::NAME)).unwrap();
    assert!(access.gateway(&peer, None, NOW_MS).is_none());
}

#[test]
fn debug_output_shows_no_key_and_no_token() {
    let home = Home::new();
    let tls = Tls::open(home.files(), clock()).unwrap();
    let issued = home.issue("gw-1", DAY_MS);
    let peer = peer(&tls, &issued.pem, NOW_MS).unwrap();
    let shown = format!("{tls:?} {:?} {peer:?}", home.authority);
    let key = std::fs::read_to_string(home.authority.server()).unwrap();
    let lines = key.lines().filter(|line| line.len() > 40 && !line.starts_with("-----"));
    assert!(lines.count() > 2 && !key.lines().any(|line| line.len() > 40 && shown.contains(line)), "{shown}");
}
