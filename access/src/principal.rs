//! Who somebody turned out to be.

use std::sync::Arc;

use painwatch_domain::{GatewayId, TenantId};

use crate::tls::PeerCertificate;

/// What a person or program may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Alerts, patients, rules.
    Clinician,
    /// Tables, without names.
    Analyst,
    /// Devices, quarantine, backups.
    Operator,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clinician => "clinician",
            Self::Analyst => "analyst",
            Self::Operator => "operator",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub user: String,
    pub role: Role,
    pub tenant: TenantId,
}

/// The tenant comes with the credential, never from a topic or a payload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayPrincipal {
    pub tenant: TenantId,
    pub gateway: GatewayId,
}

/// By what a gateway was let in; what has to hold for as long as it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The token of `credentials.toml`.
    BuiltIn,
    /// The digest of a token out of the register.
    Token([u8; 32]),
    Certificate(Arc<PeerCertificate>),
    /// A token and a certificate of one gateway: both must hold.
    Both([u8; 32], Arc<PeerCertificate>),
}

/// What a gateway's credential says by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayCredential {
    pub tenant: TenantId,
    /// The one gateway it speaks for; `None` where it speaks for any.
    pub gateway: Option<GatewayId>,
    pub(crate) source: Source,
}

impl GatewayCredential {
    /// The gateway it speaks for as `claimed`, or nobody when it may not. Names are compared byte by byte.
    pub fn speaking_for(&self, claimed: &str) -> Option<GatewayPrincipal> {
        let gateway = GatewayId::parse(claimed).ok()?;
        let allowed = self.gateway.as_ref().is_none_or(|own| *own == gateway);
        allowed.then(|| GatewayPrincipal { tenant: self.tenant.clone(), gateway })
    }
}
