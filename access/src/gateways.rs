//! Gateways at the door: the register in force, and who came in by it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use painwatch_domain::TenantId;

use crate::durable::Stamp;
use crate::leases::{Lease, Leases};
use crate::principal::{GatewayCredential, GatewayPrincipal, Source};
use crate::registry::{Kind, Registry, RegistryError, RegistryFile};
use crate::secret::digest;
use crate::tls::{Origin, PeerCertificate, Tls};

#[derive(Debug)]
struct InForce {
    registry: Registry,
    stamp: Stamp,
    /// A file that cannot be read was complained about already.
    complained: bool,
}

#[derive(Debug)]
pub struct Gateways {
    file: RegistryFile,
    in_force: Mutex<InForce>,
    leases: Leases,
}

impl Gateways {
    pub fn open(file: RegistryFile) -> Result<Self, RegistryError> {
        let stamp = file.stamp();
        let registry = file.read()?;
        let in_force = Mutex::new(InForce { registry, stamp, complained: false });
        Ok(Self { file, in_force, leases: Leases::default() })
    }

    /// Who holds the token, while it holds.
    pub fn by_token(&self, token: &str, now_ms: i64) -> Option<GatewayCredential> {
        let digest = digest(token);
        let in_force = self.current();
        let who = in_force.registry.holder(Kind::Token, &digest, now_ms)?;
        Some(credential(who.clone(), Source::Token(digest)))
    }

    /// Whom the certificate names, while it holds. A chain that no authority of ours vouches for never comes this far.
    pub fn by_certificate(
        &self,
        certificate: &std::sync::Arc<PeerCertificate>,
        now_ms: i64,
    ) -> Option<GatewayCredential> {
        let who = certified(&self.current().registry, certificate, now_ms)?;
        Some(credential(who, Source::Certificate(std::sync::Arc::clone(certificate))))
    }

    /// Whether the gateway may write orders and fills.
    pub fn may_order(&self, who: &GatewayPrincipal) -> bool {
        self.current().registry.may_order(who)
    }

    pub fn lease(&self, credential: &GatewayCredential) -> Lease {
        self.leases.take(credential)
    }

    pub fn leases(&self) -> usize {
        self.leases.count()
    }

    /// Ends the leases of credentials that no longer hold. With `tls` the chains are verified again, against the
    /// authorities and revocation lists that are in force by now.
    pub fn expel(&self, now_ms: i64, tls: Option<&Tls>) -> usize {
        let in_force = self.current();
        self.leases.end_unless(|credential| holds(&in_force.registry, credential, now_ms, tls))
    }

    /// The register, read again when its file was replaced. One that cannot be read leaves the last one in force: a slip
    /// of somebody's editor must not cut every gateway off.
    fn current(&self) -> MutexGuard<'_, InForce> {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        // Before reading: what is written in between is noticed the next time.
        let stamp = self.file.stamp();
        if stamp == in_force.stamp {
            return in_force;
        }
        match self.file.read() {
            Ok(registry) => *in_force = InForce { registry, stamp, complained: false },
            Err(error) if !in_force.complained => {
                tracing::error!(%error, "the register of gateways cannot be read; the last one stays in force");
                in_force.complained = true;
            }
            Err(_) => {}
        }
        in_force
    }
}

fn credential(who: GatewayPrincipal, source: Source) -> GatewayCredential {
    GatewayCredential { tenant: who.tenant, gateway: Some(who.gateway), source }
}

/// Ours are known one by one; one of a foreign authority names a gateway of the tenant whose authority it is.
fn certified(registry: &Registry, certificate: &PeerCertificate, now_ms: i64) -> Option<GatewayPrincipal> {
    let named = certificate.identity.as_ref()?;
    if now_ms >= certificate.not_after_ms {
        return None;
    }
    let foreign = |tenant: &TenantId| GatewayPrincipal { tenant: tenant.clone(), gateway: named.clone() };
    match &certificate.origin {
        Origin::Own => {
            let holder = registry.holder(Kind::Certificate, &certificate.sha256, now_ms)?;
            (holder.gateway == *named).then(|| holder.clone())
        }
        Origin::Tenant(tenant) => Some(foreign(tenant)).filter(|who| registry.is_admitted(who)),
    }
}

fn holds(registry: &Registry, credential: &GatewayCredential, now_ms: i64, tls: Option<&Tls>) -> bool {
    let token = |digest| registry.holder(Kind::Token, digest, now_ms).is_some();
    let certificate = |certificate: &PeerCertificate| {
        let vouched =
            tls.is_none_or(|tls| tls.vouches_for(&certificate.chain, now_ms).as_ref() == Some(&certificate.origin));
        vouched && certified(registry, certificate, now_ms).is_some()
    };
    match &credential.source {
        Source::BuiltIn => true,
        Source::Token(digest) => token(digest),
        Source::Certificate(by) => certificate(by),
        Source::Both(digest, by) => token(digest) && certificate(by),
    }
}
