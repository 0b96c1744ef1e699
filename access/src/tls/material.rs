//! What is read from the files, made ready for handshakes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use painwatch_domain::Clock;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::trust::{Origin, Trust};
use super::{Door, TlsFiles};
use crate::durable::Stamp;
use crate::secret::digest_of;

/// Why TLS cannot be spoken. Names the file, never its content.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct TlsError {
    pub path: PathBuf,
    pub what: String,
}

impl TlsError {
    pub(super) fn new(path: &Path, what: impl ToString) -> Self {
        Self { path: path.to_owned(), what: what.to_string() }
    }
}

pub struct Material {
    base: ServerConfig,
    pub trust: Arc<Trust>,
    pub fingerprint: [u8; 32],
    pub stamps: Vec<Stamp>,
}

/// One stamp a file, in a fixed order.
pub fn stamps(files: &TlsFiles) -> Vec<Stamp> {
    let own = [&files.certificate, &files.key, &files.own_authority];
    let others = files.client_authorities.iter().map(|authority| &authority.file).chain(&files.revoked);
    own.into_iter().chain(others).map(|path| Stamp::of(path)).collect()
}

impl Material {
    pub fn load(files: &TlsFiles, clock: &Arc<dyn Clock>) -> Result<Self, TlsError> {
        // Before reading: a file that is replaced meanwhile is read again the next time.
        let stamps = stamps(files);
        let provider = Arc::new(ring::default_provider());
        let trust = Arc::new(load_trust(files, &provider)?);
        let chain = certificates_in(&files.certificate)?;
        let fingerprint = digest_of(&chain[0]);
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| TlsError::new(&files.key, error))?;
        let versions: &[&SupportedProtocolVersion] = if files.only_13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
        let time = Arc::new(GivenTime(Arc::clone(clock)));
        let base = ServerConfig::builder_with_details(provider, time)
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::new(&files.certificate, error))?
            .with_client_cert_verifier(Arc::clone(&trust) as Arc<dyn ClientCertVerifier>)
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::new(&files.certificate, error))?;
        Ok(Self { base, trust, fingerprint, stamps })
    }

    pub fn server(&self, door: Door) -> Arc<ServerConfig> {
        let mut config = self.base.clone();
        config.alpn_protocols = door.protocols().iter().map(|name| name.to_vec()).collect();
        config.max_early_data_size = 0;
        Arc::new(config)
    }
}

fn load_trust(files: &TlsFiles, provider: &Arc<CryptoProvider>) -> Result<Trust, TlsError> {
    let mut revoked = Vec::new();
    for path in &files.revoked {
        revoked.extend(revocation_lists_in(path)?);
    }
    let mut trust = Trust::new(provider);
    let mut believe = |origin, path: &Path| {
        trust.believe(origin, certificates_in(path)?, &revoked, provider).map_err(|what| TlsError::new(path, what))
    };
    if files.own_authority.exists() {
        believe(Origin::Own, &files.own_authority)?;
    }
    for authority in &files.client_authorities {
        believe(Origin::Tenant(authority.tenant.clone()), &authority.file)?;
    }
    Ok(trust)
}

/// Every certificate of a PEM file, of which there is at least one.
///
/// # Errors
/// The file cannot be read or has none.
pub fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(certificates) if certificates.is_empty() => Err(TlsError::new(path, "no certificate in PEM form in it")),
        other => other.map_err(|error| TlsError::new(path, error)),
    }
}

/// A file without a list is a slip that would let revoked certificates in.
fn revocation_lists_in(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let found = CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(lists) if lists.is_empty() => Err(TlsError::new(path, "no revocation list in PEM form in it")),
        other => other.map_err(|error| TlsError::new(path, error)),
    }
}

/// The time by which certificates are judged is the one the rest of the program goes by.
struct GivenTime(Arc<dyn Clock>);

impl std::fmt::Debug for GivenTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GivenTime")
    }
}

impl TimeProvider for GivenTime {
    fn current_time(&self) -> Option<UnixTime> {
        let now_ms = u64::try_from(self.0.wall_ms()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(now_ms)))
    }
}
