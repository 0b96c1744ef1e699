//! TLS of all doors: what the server shows, whose client certificates it believes, and the accept layer the doors share.
//!
//! TLS 1.3, or 1.2 with its AEAD suites; no 0-RTT, because a replayed first flight would be a second submission.

mod accept;
mod authority;
mod identity;
mod local;
mod material;
mod trust;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use painwatch_domain::{Clock, TenantId};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

pub use accept::{Arrival, Gate, Peer, Security, Stream};
pub use authority::{Authority, AuthorityError, Issued};
pub use identity::{NoIdentity, PeerCertificate, identity_of};
pub use local::{Tunnel, pinned_client, tunnel};
pub use material::{TlsError, certificates_in};
pub use trust::Origin;

use material::Material;

/// A listener, by what is spoken on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Mqtt,
    Grpc,
    Http,
}

impl Door {
    /// What the handshake agrees on. MQTT has no registered name: nothing is asked for.
    const fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Self::Mqtt => &[],
            Self::Grpc => &[b"h2"],
            Self::Http => &[b"http/1.1"],
        }
    }
}

/// An authority that is not ours, and the tenant for whose gateways it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthority {
    pub file: PathBuf,
    pub tenant: TenantId,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// PEM: the server's chain, leaf first.
    pub certificate: PathBuf,
    /// PEM: its private key; may be the same file.
    pub key: PathBuf,
    /// PEM: certificates of our own authority, several while it is being replaced. Need not exist.
    pub own_authority: PathBuf,
    pub client_authorities: Vec<ClientAuthority>,
    /// PEM revocation lists of any of these authorities.
    pub revoked: Vec<PathBuf>,
    /// Refuse TLS 1.2.
    pub only_13: bool,
}

/// What is in force, and replaced while the server runs: new handshakes use what is newest.
pub struct Tls {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    in_force: RwLock<Arc<Material>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// # Errors
    /// [`TlsError`] names the file that cannot be used, and why.
    pub fn open(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let material = Material::load(&files, &clock)?;
        Ok(Self { files, clock, in_force: RwLock::new(Arc::new(material)) })
    }

    /// Takes replaced files into force; true when there were some. What cannot be used leaves the last in force.
    ///
    /// # Errors
    /// As [`Tls::open`].
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        if material::stamps(&self.files) == self.material().stamps {
            return Ok(false);
        }
        let material = Arc::new(Material::load(&self.files, &self.clock)?);
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = material;
        Ok(true)
    }

    /// SHA-256 of the server's certificate, as hexadecimal pairs: what a person compares.
    pub fn fingerprint(&self) -> String {
        let hex = hex::encode_upper(self.material().fingerprint);
        hex.as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(":")
    }

    /// The authority that vouches for a chain at this time, unless it revoked it.
    pub fn vouches_for(&self, chain: &[CertificateDer<'_>], now_ms: i64) -> Option<Origin> {
        self.material().trust.origin_of(chain, now_ms)
    }

    fn server(&self, door: Door) -> Arc<ServerConfig> {
        self.material().server(door)
    }

    fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    fn material(&self) -> Arc<Material> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
