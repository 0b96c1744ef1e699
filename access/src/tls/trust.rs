//! Whose client certificates are believed.

use std::sync::Arc;
use std::time::Duration;

use painwatch_domain::TenantId;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

/// Which authority vouches for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Our own: each certificate it issued stands in the register.
    Own,
    /// One that somebody else runs, for the gateways of this tenant.
    Tenant(TenantId),
}

/// All authorities. A certificate is optional: a token over TLS is as good.
#[derive(Debug)]
pub struct Trust {
    authorities: Vec<(Origin, Arc<dyn ClientCertVerifier>)>,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    pub fn new(provider: &CryptoProvider) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { authorities: Vec::new(), hints: Vec::new(), algorithms }
    }

    /// Adds an authority: any of its `roots` vouches, which is what lets one replace another without a gap.
    ///
    /// # Errors
    /// A certificate or list that cannot be used, in words.
    pub fn believe(
        &mut self,
        origin: Origin,
        roots: Vec<CertificateDer<'static>>,
        revoked: &[CertificateRevocationListDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<(), String> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root).map_err(|error| error.to_string())?;
        }
        self.hints.extend(store.subjects());
        // An authority that publishes no list revokes nothing this way.
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
            .with_crls(revoked.iter().cloned())
            .allow_unknown_revocation_status();
        let verifier = verifier.build().map_err(|error| error.to_string())?;
        self.authorities.push((origin, verifier));
        Ok(())
    }

    /// Who vouches for the chain at this time.
    pub fn origin_of(&self, chain: &[CertificateDer<'_>], now_ms: i64) -> Option<Origin> {
        let (first, others) = chain.split_first()?;
        let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now_ms).ok()?));
        let mut vouching = self.authorities.iter().filter(|(_, by)| by.verify_client_cert(first, others, now).is_ok());
        vouching.next().map(|(origin, _)| origin.clone())
    }
}

impl ClientCertVerifier for Trust {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn offer_client_auth(&self) -> bool {
        !self.authorities.is_empty()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        first: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut why = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        for (_, authority) in &self.authorities {
            match authority.verify_client_cert(first, others, now) {
                Ok(verified) => return Ok(verified),
                // "Expired" and "revoked" tell more than that another authority does not know it.
                Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
