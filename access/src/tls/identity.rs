//! Whom a client certificate names.

use painwatch_domain::GatewayId;
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AttributeTypeAndValue;

use super::Origin;
use crate::secret::digest_of;

/// ASN.1 tags of the string types whose bytes are UTF-8: UTF8String, PrintableString, IA5String.
const UTF8_TAGS: [u32; 3] = [12, 19, 22];

/// Why a certificate names no gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    #[error("the certificate cannot be read")]
    Unreadable,
    #[error("the certificate has several URIs: which one is the gateway cannot be told")]
    SeveralUris,
    #[error("the certificate has no URI and not exactly one common name")]
    NoName,
    #[error("the certificate's name is no gateway id: {0}")]
    NotAnId(String),
}

/// The certificate of a peer, proven in a handshake and vouched for by an authority.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    pub chain: Vec<CertificateDer<'static>>,
    pub sha256: [u8; 32],
    /// The gateway it names, if it names one.
    pub identity: Option<GatewayId>,
    /// End of its validity, UTC milliseconds since 1970.
    pub not_after_ms: i64,
    pub origin: Origin,
}

impl std::fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sha256 = hex::encode(self.sha256);
        f.debug_struct("PeerCertificate")
            .field("identity", &self.identity)
            .field("sha256", &sha256)
            .finish_non_exhaustive()
    }
}

impl PeerCertificate {
    /// `None` for a chain whose first certificate cannot be read.
    pub fn read(chain: Vec<CertificateDer<'static>>, origin: Origin) -> Option<Self> {
        let first = chain.first()?;
        let (_, parsed) = X509Certificate::from_der(first).ok()?;
        let not_after_ms = parsed.validity().not_after.timestamp().saturating_mul(1_000);
        let identity = named_by(&parsed).inspect_err(|error| tracing::info!(%error, "a certificate names no gateway"));
        Some(Self { sha256: digest_of(first), identity: identity.ok(), not_after_ms, origin, chain })
    }
}

/// The gateway a certificate names: its SAN URI, else its common name, byte by byte. Nothing is trimmed, folded or
/// decoded: whatever is not exactly an id is nobody.
///
/// # Errors
/// [`NoIdentity`].
pub fn identity_of(certificate: &[u8]) -> Result<GatewayId, NoIdentity> {
    let (rest, parsed) = X509Certificate::from_der(certificate).map_err(|_| NoIdentity::Unreadable)?;
    if rest.is_empty() { named_by(&parsed) } else { Err(NoIdentity::Unreadable) }
}

fn named_by(certificate: &X509Certificate<'_>) -> Result<GatewayId, NoIdentity> {
    let names = certificate.subject_alternative_name().map_err(|_| NoIdentity::Unreadable)?;
    let names = names.map_or(&[][..], |extension| &extension.value.general_names);
    // An unreadable name might be the URI: falling back to the common name would choose for the issuer.
    if names.iter().any(|name| matches!(name, GeneralName::Invalid(..))) {
        return Err(NoIdentity::Unreadable);
    }
    let uris: Vec<&str> =
        names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None }).collect();
    let name = match uris[..] {
        [] => common_name(certificate)?,
        [uri] => uri.to_owned(),
        _ => return Err(NoIdentity::SeveralUris),
    };
    GatewayId::parse(&name).map_err(|error| NoIdentity::NotAnId(error.to_string()))
}

fn common_name(certificate: &X509Certificate<'_>) -> Result<String, NoIdentity> {
    let names: Vec<&AttributeTypeAndValue<'_>> = certificate.subject().iter_common_name().collect();
    let [name] = names[..] else { return Err(NoIdentity::NoName) };
    let value = name.attr_value();
    if !UTF8_TAGS.contains(&value.tag().0) {
        return Err(NoIdentity::NoName);
    }
    String::from_utf8(value.data.to_vec()).map_err(|_| NoIdentity::NoName)
}
