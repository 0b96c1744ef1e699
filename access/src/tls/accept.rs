//! The accept layer all doors share: from a TCP connection to a stream and a known peer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Door, PeerCertificate, Tls};

/// A peer that has not finished its handshake by then is closed: one that trickles bytes must not hold a place.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// Who is at the other end, before it has said anything.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// On this machine, and not passed on by a proxy.
    pub is_local: bool,
    pub certificate: Option<Arc<PeerCertificate>>,
}

impl Peer {
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, is_local: address.ip().to_canonical().is_loopback(), certificate: None }
    }
}

/// How connections reach the doors of this installation.
#[derive(Clone, Debug, Default)]
pub struct Security {
    pub tls: Option<Arc<Tls>>,
    /// Proxies that end TLS for us: whoever comes from one is never of this machine.
    pub trusted_proxies: Arc<[IpAddr]>,
    /// As many connections as all doors together may hold; `None` where nothing limits the process. What the journal and the
    /// tables open must never find the process out of file descriptors.
    pub sockets: Option<Arc<Semaphore>>,
}

impl Security {
    pub fn gate(&self, door: Door) -> Gate {
        Gate {
            door,
            tls: self.tls.clone(),
            trusted_proxies: Arc::clone(&self.trusted_proxies),
            sockets: self.sockets.clone(),
        }
    }
}

/// What a door asks of a connection before it is one.
#[derive(Clone, Debug)]
pub struct Gate {
    door: Door,
    tls: Option<Arc<Tls>>,
    trusted_proxies: Arc<[IpAddr]>,
    sockets: Option<Arc<Semaphore>>,
}

impl Gate {
    pub const fn door(&self) -> Door {
        self.door
    }

    /// Addresses that bring the connections of many.
    pub fn trusted_proxies(&self) -> Arc<[IpAddr]> {
        Arc::clone(&self.trusted_proxies)
    }

    /// A place among the connections of all doors, held as long as the connection.
    fn socket(&self) -> io::Result<Option<OwnedSemaphorePermit>> {
        let none_left = |_| io::Error::new(io::ErrorKind::QuotaExceeded, "as many connections as open files allow");
        self.sockets.as_ref().map(|sockets| Arc::clone(sockets).try_acquire_owned().map_err(none_left)).transpose()
    }

    /// Plain bytes come from this machine, which may call itself by the address that it was called at, or from a proxy that is
    /// known to have ended TLS.
    fn may_be_plain(&self, peer: &Peer, called_at: Option<IpAddr>) -> bool {
        let from_here = called_at == Some(peer.address.ip());
        peer.is_local || from_here || self.is_proxy(peer)
    }

    fn is_proxy(&self, peer: &Peer) -> bool {
        self.trusted_proxies.contains(&peer.address.ip().to_canonical())
    }

    /// Shakes hands where TLS is spoken.
    ///
    /// # Errors
    /// The handshake failed or took too long, plain bytes came from where they may not, or no socket is left.
    pub async fn open(&self, stream: TcpStream, address: SocketAddr) -> io::Result<Arrival> {
        let place = self.socket()?;
        let mut peer = Peer::plain(address);
        // Answers are small and awaited; without the option they still arrive, later.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            let called_at = stream.local_addr().ok().map(|address| address.ip());
            if !self.may_be_plain(&peer, called_at) {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "plain, and not from a trusted proxy"));
            }
            peer.is_local &= !self.is_proxy(&peer);
            return Ok(Arrival { stream: Stream { bytes: Bytes::Plain(stream), _place: place }, peer });
        };
        let shaking = TlsAcceptor::from(tls.server(self.door)).accept(stream);
        let stream = timeout(HANDSHAKE_DEADLINE, shaking).await.map_err(|_| io::ErrorKind::TimedOut)??;
        peer.is_local &= !self.is_proxy(&peer);
        peer.certificate = certificate_of(&stream, tls)?.map(Arc::new);
        Ok(Arrival { stream: Stream { bytes: Bytes::Tls(Box::new(stream)), _place: place }, peer })
    }
}

/// Verified once more against what is in force now: a resumed session brings the chain of the first handshake.
fn certificate_of(stream: &TlsStream<TcpStream>, tls: &Tls) -> io::Result<Option<PeerCertificate>> {
    let Some(chain) = stream.get_ref().1.peer_certificates() else { return Ok(None) };
    let chain: Vec<_> = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let refused = || io::Error::new(io::ErrorKind::PermissionDenied, "the certificate is not vouched for any more");
    let origin = tls.vouches_for(&chain, tls.now_ms()).ok_or_else(refused)?;
    PeerCertificate::read(chain, origin).map(Some).ok_or_else(refused)
}

/// A connection that may be spoken on.
#[derive(Debug)]
pub struct Arrival {
    pub stream: Stream,
    pub peer: Peer,
}

/// A connection, and its place among those of all doors.
#[derive(Debug)]
pub struct Stream {
    bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

/// Either kind of connection.
#[derive(Debug)]
enum Bytes {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Bytes::Tls(stream) => {
                let before = buffer.filled().len();
                let read = ready!(Pin::new(stream).poll_read(cx, buffer));
                Poll::Ready(read.or_else(|error| end_without_goodbye(error, buffer.filled().len() == before)))
            }
        }
    }
}

/// Many devices close the socket without TLS's goodbye. Every protocol here knows by itself whether a message is whole.
fn end_without_goodbye(error: io::Error, nothing_read: bool) -> io::Result<()> {
    if error.kind() == io::ErrorKind::UnexpectedEof && nothing_read { Ok(()) } else { Err(error) }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Bytes::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Bytes::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(stream) => stream.is_write_vectored(),
            Bytes::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Bytes::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().bytes {
            Bytes::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Bytes::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
