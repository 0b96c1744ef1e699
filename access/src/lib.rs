//! The one answer to "may they?", behind the gateways' door, the clinicians' and the analysts'.
//!
//! Never: a secret in a `Debug` output, an error or a log line; a comparison whose duration tells how much of a token was
//! right; a clock (times are arguments).

mod credentials;
mod durable;
mod gateways;
mod leases;
mod principal;
pub mod registry;
mod secret;
mod sessions;
pub mod tls;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use painwatch_domain::{GatewayId, TenantId};

pub use credentials::{CredentialsError, FILE_NAME};
pub use leases::Lease;
pub use principal::{GatewayCredential, GatewayPrincipal, Principal, Role};
pub use registry::{RegistryError, RegistryFile};
pub use secret::{Secret, digest};
pub use sessions::{Login, SessionLimits};
pub use tls::Peer;
pub use watch::watch;

use credentials::Credentials;
use gateways::Gateways;
use principal::Source;
use sessions::Sessions;

/// As many as those of an installation's own secrets.
const CANARY_TOKEN_BYTES: usize = 32;

/// Who may do what, as decided by the credentials file of this installation.
#[derive(Debug)]
pub struct Access {
    path: PathBuf,
    credentials: Credentials,
    tenant: TenantId,
    sessions: Mutex<Sessions>,
    gateways: Gateways,
    /// Of this process alone, and gone with it.
    canary_token: Secret,
}

/// Why the doors stay shut: what decides who may come in cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Access {
    /// Reads `<data_dir>/credentials.toml`, or writes it with fresh random secrets when there is none.
    ///
    /// # Errors
    /// [`OpenError`] names the file and what is wrong with it, never its content.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let path = data_dir.join(FILE_NAME);
        let credentials = credentials::load_or_create(data_dir, &path)?;
        let sessions = Mutex::new(Sessions::new(SessionLimits::default()));
        let gateways = Gateways::open(RegistryFile::of(data_dir))?;
        let canary_token = Secret::random(CANARY_TOKEN_BYTES);
        Ok(Self { path, credentials, tenant: TenantId::default(), sessions, gateways, canary_token })
    }

    /// Where the secrets are, for telling a person where to look.
    pub fn credentials_path(&self) -> &Path {
        &self.path
    }

    /// For commands on the same machine, which could read the file themselves.
    pub const fn gateway_token(&self) -> &Secret {
        &self.credentials.gateway_token
    }

    /// By which the probes of this process come in, as the gateway [`GatewayId::canary`] of the tenant [`TenantId::canary`].
    pub const fn canary_token(&self) -> &Secret {
        &self.canary_token
    }

    /// For commands on the same machine, which could read the file themselves.
    pub const fn operator_token(&self) -> &Secret {
        &self.credentials.operator_token
    }

    /// What a gateway's token and certificate allow, whichever it brings; where it brings both, both must name the same
    /// gateway. The built-in token speaks for any gateway id, but only from this machine.
    pub fn gateway(&self, peer: &Peer, token: Option<&str>, now_ms: i64) -> Option<GatewayCredential> {
        let certified = peer.certificate.as_ref().map(|certificate| self.gateways.by_certificate(certificate, now_ms));
        let tokened = token.map(|token| self.by_token(token, peer.is_local, now_ms));
        match (tokened, certified) {
            (Some(one), None) | (None, Some(one)) => one,
            (Some(by_token), Some(by_certificate)) => agreed(by_token?, by_certificate?),
            (None, None) => None,
        }
    }

    fn by_token(&self, token: &str, peer_is_local: bool, now_ms: i64) -> Option<GatewayCredential> {
        if self.credentials.gateway_token.matches(token) & peer_is_local {
            return Some(GatewayCredential { tenant: self.tenant.clone(), gateway: None, source: Source::BuiltIn });
        }
        if self.canary_token.matches(token) {
            let gateway = Some(GatewayId::canary());
            return Some(GatewayCredential { tenant: TenantId::canary(), gateway, source: Source::BuiltIn });
        }
        self.gateways.by_token(token, now_ms)
    }

    /// Whether the register lets a gateway write orders and fills: change what is prescribed.
    pub fn may_order(&self, who: &GatewayPrincipal) -> bool {
        self.gateways.may_order(who)
    }

    /// To be held for as long as the session runs that was opened with this credential.
    pub fn lease(&self, credential: &GatewayCredential) -> Lease {
        self.gateways.lease(credential)
    }

    /// Sessions that hold a lease.
    pub fn leases(&self) -> usize {
        self.gateways.leases()
    }

    /// Ends the leases of credentials that were revoked or have expired by now; returns how many. With `tls`, which
    /// authorities vouch for a certificate is asked again as well.
    pub fn expel(&self, now_ms: i64, tls: Option<&tls::Tls>) -> usize {
        self.gateways.expel(now_ms, tls)
    }

    /// Who holds an API token.
    pub fn bearer(&self, token: &str) -> Option<Principal> {
        let holders = [
            (&self.credentials.clinician_token, Role::Clinician),
            (&self.credentials.analyst_token, Role::Analyst),
            (&self.credentials.operator_token, Role::Operator),
        ];
        // Every token is compared, whichever fits, so that the duration does not tell the role.
        let fitting = holders.map(|(secret, role)| (secret.matches(token), role));
        let (_, role) = fitting.into_iter().find(|(fits, _)| *fits)?;
        Some(self.principal(role))
    }

    /// A person's console login.
    pub fn login(&self, user: &str, password: &str, now_ms: i64) -> Option<Login> {
        let user_fits = Secret::new(self.credentials.clinician_user.clone()).matches(user);
        let password_fits = self.credentials.clinician_password.matches(password);
        (user_fits & password_fits).then(|| self.sessions().begin(self.principal(Role::Clinician), now_ms))
    }

    /// A code that opens one console session, once, within `valid_ms`.
    pub fn issue_link(&self, now_ms: i64, valid_ms: i64) -> Secret {
        let clinician = self.principal(Role::Clinician);
        self.sessions().issue_link(clinician, now_ms, valid_ms)
    }

    /// Trades the code of a one-time link for a session. The second attempt with the same code fails.
    pub fn exchange_link(&self, code: &str, now_ms: i64) -> Option<Login> {
        self.sessions().exchange_link(code, now_ms)
    }

    /// Who a session belongs to, while it is in use; being asked keeps it alive.
    pub fn session(&self, token: &str, now_ms: i64) -> Option<Principal> {
        self.sessions().principal(token, now_ms)
    }

    /// Whether a request that changes something carries the session's own CSRF token.
    pub fn csrf_fits(&self, session_token: &str, csrf: &str, now_ms: i64) -> bool {
        self.sessions().csrf_fits(session_token, csrf, now_ms)
    }

    /// The CSRF token to print into the pages of a session.
    pub fn csrf_of(&self, session_token: &str, now_ms: i64) -> Option<Secret> {
        self.sessions().csrf_of(session_token, now_ms)
    }

    pub fn logout(&self, session_token: &str) {
        self.sessions().end(session_token);
    }

    fn principal(&self, role: Role) -> Principal {
        let user = match role {
            Role::Clinician => self.credentials.clinician_user.clone(),
            Role::Analyst | Role::Operator => role.as_str().to_owned(),
        };
        Principal { user, role, tenant: self.tenant.clone() }
    }

    /// A panic elsewhere while the lock was held leaves a map that is still a map.
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two credentials of one gateway. The built-in token adds nothing to a certificate.
fn agreed(by_token: GatewayCredential, by_certificate: GatewayCredential) -> Option<GatewayCredential> {
    let same = by_token.tenant == by_certificate.tenant && by_token.gateway == by_certificate.gateway;
    match (by_token.source, by_certificate.source.clone()) {
        (Source::BuiltIn, _) => Some(by_certificate),
        (Source::Token(digest), Source::Certificate(by)) if same => {
            Some(GatewayCredential { source: Source::Both(digest, by), ..by_certificate })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
