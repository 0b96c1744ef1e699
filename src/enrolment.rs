//! How gateways get what lets them in: the changes behind `painwatch gateway`, and the endpoint where a gateway trades its
//! one-time code for a certificate. Its private key never leaves it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use painwatch_access::registry::{Digest, Grant, Kind, Registry};
use painwatch_access::tls::{Authority, Issued};
use painwatch_access::{GatewayPrincipal, RegistryError, RegistryFile, Secret, digest};
use painwatch_domain::Clock;
use painwatch_ingest::http::Caller;
use serde::{Deserialize, Serialize};

/// Bytes of randomness in a token: beyond guessing, which is why a plain digest of it may be kept.
const TOKEN_BYTES: usize = 32;
pub const DAY_MS: i64 = 24 * 3_600_000;
/// How long a one-time code waits for its gateway.
const CODE_MS: i64 = DAY_MS;
/// Validity of a client certificate where nothing else is said.
pub const CERTIFICATE_DAYS: u32 = 365;
/// Longest request: a signing request, an id and a code.
const REQUEST_BYTES_MAX: usize = 32 << 10;
const ENROL: &str = "/api/v1/gateways/enrol";

/// The register and the authority of one installation.
#[derive(Clone, Debug)]
pub struct Enrolment {
    file: RegistryFile,
    authority: Authority,
}

/// A secret that was issued: shown now and never again.
pub struct Shown {
    pub secret: Secret,
    /// By what it is revoked.
    pub name: String,
    pub until_ms: Option<i64>,
}

impl Enrolment {
    pub fn of(data: &Path, authority: Authority) -> Self {
        Self { file: RegistryFile::of(data), authority }
    }

    /// # Errors
    /// The register cannot be read.
    pub fn registry(&self) -> Result<Registry> {
        Ok(self.file.read()?)
    }

    /// Changes the register; durable when this returns.
    ///
    /// # Errors
    /// The change is refused, or cannot be written.
    pub fn change<T>(&self, change: impl FnOnce(&mut Registry) -> Result<T, RegistryError>) -> Result<T> {
        Ok(self.file.change(change)?)
    }

    /// A token for the gateway. What it had before ends after `overlap_ms`, or stays where that is not given.
    ///
    /// # Errors
    /// The gateway is unknown or revoked.
    pub fn issue_token(&self, who: &GatewayPrincipal, now_ms: i64, lasts: Lasts) -> Result<Shown> {
        let secret = Secret::random(TOKEN_BYTES);
        let grant = grant(Kind::Token, digest(secret.reveal()), now_ms, lasts.until_ms);
        self.grant(who, grant, lasts.overlap_ms)?;
        Ok(Shown { secret, name: grant.name(), until_ms: grant.until_ms })
    }

    /// A code that the gateway trades for a certificate, once, within a day.
    ///
    /// # Errors
    /// The gateway is unknown or revoked, or there is no authority to sign for it.
    pub fn issue_code(&self, who: &GatewayPrincipal, now_ms: i64) -> Result<Shown> {
        if !self.authority.exists() {
            bail!("there is no authority that could sign: `painwatch tls init` makes one");
        }
        let secret = Secret::random(TOKEN_BYTES);
        let grant = grant(Kind::Enrolment, digest(secret.reveal()), now_ms, Some(now_ms + CODE_MS));
        self.grant(who, grant, None)?;
        Ok(Shown { secret, name: grant.name(), until_ms: grant.until_ms })
    }

    /// A certificate for the key of a signing request.
    ///
    /// # Errors
    /// The request is not one, there is no authority, or the gateway is unknown or revoked.
    pub fn issue_certificate(
        &self,
        who: &GatewayPrincipal,
        request: &str,
        now_ms: i64,
        lasts: Lasts,
    ) -> Result<Issued> {
        let valid_ms = lasts.until_ms.map_or(i64::from(CERTIFICATE_DAYS) * DAY_MS, |until| until - now_ms);
        let issued = self.authority.issue(request, &who.gateway, now_ms, valid_ms)?;
        let grant = grant(Kind::Certificate, issued.sha256, now_ms, Some(issued.not_after_ms));
        self.grant(who, grant, lasts.overlap_ms)?;
        Ok(issued)
    }

    fn grant(&self, who: &GatewayPrincipal, grant: Grant, overlap_ms: Option<i64>) -> Result<()> {
        self.change(|registry| {
            if let Some(overlap_ms) = overlap_ms {
                registry.expire(who, grant.kind, grant.from_ms, grant.from_ms + overlap_ms)?;
            }
            Ok(registry.issue(who, grant)?)
        })
    }

    /// Uses the code up and signs; the certificate stands in the register in the same change, so that a power cut leaves
    /// either both or neither.
    fn redeem(&self, asked: &Asked, now_ms: i64) -> Result<Issued, Refusal> {
        self.file.change(|registry| {
            let code = digest(&asked.code);
            let who = registry.redeem(&code, now_ms).filter(|who| who.gateway.as_str() == asked.gateway);
            let who = who.ok_or(Refusal::Code)?;
            let valid_ms = i64::from(CERTIFICATE_DAYS) * DAY_MS;
            let issued = self.authority.issue(&asked.csr, &who.gateway, now_ms, valid_ms);
            let issued = issued.map_err(|error| Refusal::Request(error.to_string()))?;
            let grant = grant(Kind::Certificate, issued.sha256, now_ms, Some(issued.not_after_ms));
            registry.issue(&who, grant).map_err(RegistryError::from)?;
            Ok(issued)
        })
    }

    /// What gateways have to trust, in PEM form.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn trusted(&self) -> std::io::Result<String> {
        std::fs::read_to_string(self.authority.certificates())
    }
}

/// From when on what is issued, and what it replaces, no longer holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lasts {
    pub until_ms: Option<i64>,
    pub overlap_ms: Option<i64>,
}

const fn grant(kind: Kind, digest: Digest, from_ms: i64, until_ms: Option<i64>) -> Grant {
    Grant { kind, digest, from_ms, until_ms, revoked_ms: None }
}

/// Why a code is not traded.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the code is not known, is used up or has expired, or is another gateway's")]
    Code,
    #[error("{0}")]
    Request(String),
    #[error("the register of gateways cannot be changed")]
    Registry(#[from] RegistryError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    gateway: String,
    code: String,
    csr: String,
}

#[derive(Serialize)]
struct Answer {
    certificate: String,
    ca: String,
    not_after_ms: i64,
}

#[derive(Clone)]
struct Desk {
    enrolment: Enrolment,
    clock: Arc<dyn Clock>,
}

/// `POST /api/v1/gateways/enrol`.
pub fn router(data: &Path, authority: Authority, clock: Arc<dyn Clock>) -> Router {
    let desk = Desk { enrolment: Enrolment::of(data, authority), clock };
    let limit = axum::extract::DefaultBodyLimit::max(REQUEST_BYTES_MAX);
    Router::new().route(ENROL, post(enrol)).layer(limit).with_state(desk)
}

/// The code is the credential; whoever has none learns nothing.
async fn enrol(
    State(desk): State<Desk>,
    caller: Caller,
    Json(asked): Json<Asked>,
) -> Result<Json<Answer>, (StatusCode, String)> {
    let (now_ms, address) = (desk.clock.wall_ms(), caller.0.address);
    // Waits for the lock and for the disk.
    let signed = tokio::task::spawn_blocking(move || -> Result<Answer, Refusal> {
        let issued = desk.enrolment.redeem(&asked, now_ms)?;
        let ca = desk.enrolment.trusted().map_err(|error| Refusal::Request(error.to_string()))?;
        Ok(Answer { certificate: issued.pem, ca, not_after_ms: issued.not_after_ms })
    });
    let signed = signed.await.map_err(|_| (StatusCode::INTERNAL_SERVER_ERROR, "a fault of ours".to_owned()))?;
    signed.map(Json).map_err(|refusal| {
        tracing::info!(%address, %refusal, "a gateway was not enrolled");
        let status = match refusal {
            Refusal::Code => StatusCode::FORBIDDEN,
            Refusal::Request(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Registry(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, refusal.to_string())
    })
}
