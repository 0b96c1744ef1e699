//! A house behind TLS, with an authority of its own, and clients that know it or do not.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use painwatch_access::registry::{Grant, Kind, RegistryError};
use painwatch_access::tls::{Authority, Security, Tls, TlsFiles, certificates_in};
use painwatch_access::{GatewayPrincipal, RegistryFile, digest};
use painwatch_domain::{Clock, GatewayId, TenantId};
use painwatch_ingest::IngestLimits;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{A_WHILE, House, NOW_MS, TestClock};

pub static ONLY_13: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
pub static ONLY_12: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
static EITHER: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

pub const DAY_MS: i64 = 24 * 3_600_000;

pub struct Secure {
    pub house: House,
    pub authority: Authority,
    pub tls: Arc<Tls>,
}

/// What a client shows, and whom it trusts.
#[derive(Clone)]
pub struct Wallet {
    pub certificate: Option<(String, String)>,
    pub trusted: Vec<CertificateDer<'static>>,
    pub versions: &'static [&'static SupportedProtocolVersion],
}

pub fn gateway(tenant: &str, id: &str) -> GatewayPrincipal {
    GatewayPrincipal { tenant: TenantId::parse(tenant).unwrap(), gateway: GatewayId::parse(id).unwrap() }
}

/// Puts a token for the gateway into the register and returns it.
pub fn register_token(data: &Path, who: &GatewayPrincipal) -> String {
    let token = painwatch_access::Secret::random(32).reveal().to_owned();
    register(data, who, Kind::Token, digest(&token), None);
    token
}

/// Takes back all that lets the gateway in.
pub fn revoke(data: &Path, who: &GatewayPrincipal) {
    let file = RegistryFile::of(data);
    file.change::<_, RegistryError>(|registry| {
        registry.revoke(who, NOW_MS)?;
        Ok(())
    })
    .unwrap();
}

fn register(data: &Path, who: &GatewayPrincipal, kind: Kind, digest: [u8; 32], until_ms: Option<i64>) {
    let grant = Grant { kind, digest, from_ms: NOW_MS, until_ms, revoked_ms: None };
    let file = RegistryFile::of(data);
    file.change::<_, RegistryError>(|registry| {
        registry.add(who, NOW_MS);
        Ok(registry.issue(who, grant)?)
    })
    .unwrap();
}

impl Secure {
    pub async fn open() -> Self {
        let data = tempfile::tempdir().unwrap();
        let authority = Authority::below(data.path());
        authority.create(&["127.0.0.1".into()], NOW_MS).unwrap();
        let files = TlsFiles {
            certificate: authority.server(),
            key: authority.server(),
            own_authority: authority.certificates(),
            client_authorities: Vec::new(),
            revoked: Vec::new(),
            only_13: false,
        };
        let clock = Arc::new(TestClock::at(NOW_MS));
        let tls = Arc::new(Tls::open(files, Arc::clone(&clock) as Arc<dyn Clock>).unwrap());
        let security = Security { tls: Some(Arc::clone(&tls)), ..Security::default() };
        let limits = IngestLimits { verdict_timeout: A_WHILE, ..IngestLimits::default() };
        let house = House::open_in(data, limits, clock, security).await;
        Self { house, authority, tls }
    }

    pub fn data(&self) -> &Path {
        self.house.data.path()
    }

    pub fn token(&self, who: &GatewayPrincipal) -> String {
        register_token(self.data(), who)
    }

    /// A certificate of our authority for the gateway, registered, and its key.
    pub fn wallet(&self, who: &GatewayPrincipal, valid_ms: i64) -> Wallet {
        let wallet = self.unregistered(who.gateway.as_str(), valid_ms);
        let issued = &wallet.1;
        register(self.data(), who, Kind::Certificate, issued.sha256, Some(issued.not_after_ms));
        wallet.0
    }

    fn unregistered(&self, id: &str, valid_ms: i64) -> (Wallet, painwatch_access::tls::Issued) {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let issued = self.authority.issue(&request, &GatewayId::parse(id).unwrap(), NOW_MS, valid_ms).unwrap();
        (Wallet { certificate: Some((issued.pem.clone(), key.serialize_pem())), ..self.stranger() }, issued)
    }

    /// Trusts the server and shows nothing.
    pub fn stranger(&self) -> Wallet {
        let trusted = certificates_in(&self.authority.certificates()).unwrap();
        Wallet { certificate: None, trusted, versions: &EITHER }
    }

    pub async fn mqtt(&self, wallet: &Wallet) -> std::io::Result<TlsStream<TcpStream>> {
        wallet.connect(self.house.handle.mqtt_addr.unwrap(), &[]).await
    }
}

impl Wallet {
    pub fn client(&self, protocols: &[&[u8]]) -> ClientConfig {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        self.trusted.iter().for_each(|root| roots.add(root.clone()).unwrap());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let config = ClientConfig::builder_with_details(provider, Arc::new(Then))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_webpki_verifier(verifier);
        let mut config = match &self.certificate {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }

    pub async fn connect(
        &self,
        to: std::net::SocketAddr,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(to).await?;
        let connector = TlsConnector::from(Arc::new(self.client(protocols)));
        connector.connect(ServerName::from(to.ip()), stream).await
    }
}

/// The client lives in the time of the house.
#[derive(Debug)]
struct Then;

impl TimeProvider for Then {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(NOW_MS as u64)))
    }
}
