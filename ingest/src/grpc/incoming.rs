//! Connections of the gRPC listener, each with its peer beside every request that comes over it.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use painwatch_access::Peer;
use painwatch_access::tls;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::transport::server::Connected;

use super::GrpcLimits;
use crate::admission::Admission;
use crate::gate::{Gate, Guest, guests};
use crate::ledger::Refusal;

/// What the server accepts from.
#[derive(Debug)]
pub struct Incoming {
    guests: mpsc::Receiver<Guest>,
    proxies: Arc<[IpAddr]>,
}

impl Incoming {
    pub fn new(listener: TcpListener, door: tls::Gate, limits: &GrpcLimits, admission: Arc<Admission>) -> Self {
        let gate = Gate::new(limits.connections, limits.connections_per_address, limits.connects_per_s, Instant::now());
        let proxies = door.trusted_proxies();
        let gate = Arc::new(gate.not_counting(Arc::clone(&proxies)));
        let guests = guests(listener, door, gate, move || admission.ledger().refuse(Refusal::Busy));
        Self { guests, proxies }
    }

    /// Addresses that bring the connections of many.
    pub(super) fn proxies(&self) -> Arc<[IpAddr]> {
        Arc::clone(&self.proxies)
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.guests.poll_recv(cx).map(|guest| guest.map(|guest| Ok(Connection(guest))))
    }
}

/// One connection, and its place.
#[derive(Debug)]
pub struct Connection(Guest);

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.0.arrival.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.arrival.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.arrival.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.arrival.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.arrival.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.arrival.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.arrival.stream).poll_shutdown(cx)
    }
}
