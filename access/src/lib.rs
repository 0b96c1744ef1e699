//! The one answer to "may they?", behind the gateways' door, the clinicians' and the analysts'.
//!
//! Never: a secret in a `Debug` output, an error or a log line; a comparison whose duration tells how much of a token was
//! right; a clock (times are arguments).

mod credentials;
mod principal;
mod secret;
mod sessions;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use painwatch_domain::TenantId;

pub use credentials::{CredentialsError, FILE_NAME};
pub use principal::{GatewayCredential, GatewayPrincipal, Principal, Role};
pub use secret::Secret;
pub use sessions::{Login, SessionLimits};

use credentials::Credentials;
use sessions::Sessions;

/// Who may do what, as decided by the credentials file of this installation.
#[derive(Debug)]
pub struct Access {
    path: PathBuf,
    credentials: Credentials,
    tenant: TenantId,
    sessions: Mutex<Sessions>,
}

impl Access {
    /// Reads `<data_dir>/credentials.toml`, or writes it with fresh random secrets when there is none.
    ///
    /// # Errors
    /// [`CredentialsError`] names the file and what is wrong with it, never its content.
    pub fn open(data_dir: &Path) -> Result<Self, CredentialsError> {
        let path = data_dir.join(FILE_NAME);
        let credentials = credentials::load_or_create(data_dir, &path)?;
        let sessions = Mutex::new(Sessions::new(SessionLimits::default()));
        Ok(Self { path, credentials, tenant: TenantId::default(), sessions })
    }

    /// Where the secrets are, for telling a person where to look.
    pub fn credentials_path(&self) -> &Path {
        &self.path
    }

    /// For commands on the same machine, which could read the file themselves.
    pub const fn gateway_token(&self) -> &Secret {
        &self.credentials.gateway_token
    }

    /// For commands on the same machine, which could read the file themselves.
    pub const fn operator_token(&self) -> &Secret {
        &self.credentials.operator_token
    }

    /// Who a gateway is, when its token speaks for it.
    pub fn gateway(&self, token: &str, gateway: &str, peer_is_loopback: bool) -> Option<GatewayPrincipal> {
        self.gateway_credential(token, peer_is_loopback)?.speaking_for(gateway)
    }

    /// What a gateway's token allows. The built-in one speaks for any gateway id, but only from this machine.
    pub fn gateway_credential(&self, token: &str, peer_is_loopback: bool) -> Option<GatewayCredential> {
        let fits = self.credentials.gateway_token.matches(token) & peer_is_loopback;
        fits.then(|| GatewayCredential { tenant: self.tenant.clone(), gateway: None })
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

#[cfg(test)]
mod tests;
