//! Commands on the same machine speak to the server whose certificate they can read: exactly that one, whatever its name.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// A client that accepts the server with this very certificate and no other.
///
/// # Errors
/// Only if the provider lacked the protocol versions it is built with.
pub fn pinned_client(certificate: CertificateDer<'static>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let pinned = Arc::new(Pinned { certificate, algorithms });
    Ok(config.dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth())
}

/// A plain way to a server for clients of this process: what comes to its loopback address goes on through TLS. Dropped, it
/// takes no more connections.
#[derive(Debug)]
pub struct Tunnel {
    pub address: SocketAddr,
    accepting: AbortHandle,
}

impl Tunnel {
    /// # Errors
    /// No socket can be had.
    pub async fn open(to: SocketAddr, client: ClientConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let connector = TlsConnector::from(Arc::new(client));
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(pass_on(near, to, connector.clone()));
            }
        });
        Ok(Self { address, accepting: accepting.abort_handle() })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A [`Tunnel`] that lives as long as the runtime.
///
/// # Errors
/// No socket can be had.
pub async fn tunnel(to: SocketAddr, client: ClientConfig) -> io::Result<SocketAddr> {
    let tunnel = Tunnel::open(to, client).await?;
    let address = tunnel.address;
    std::mem::forget(tunnel);
    Ok(address)
}

/// A connection that cannot be made ends the near side: the client sees what it would see without us.
async fn pass_on(mut near: TcpStream, to: SocketAddr, connector: TlsConnector) -> io::Result<()> {
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let mut far = connector.connect(ServerName::from(to.ip()), far).await?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await.map(|_| ())
}

#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        first: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_it = first.as_ref() == self.certificate.as_ref();
        let other = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        is_it.then(ServerCertVerified::assertion).ok_or(other)
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
