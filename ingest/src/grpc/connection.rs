//! A connection that ends by itself: when nobody has called for long, and when we have stopped and it has not.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tonic::transport::server::Connected;

/// How many calls are open on one connection.
#[derive(Clone, Debug)]
pub struct Calls(Arc<watch::Sender<usize>>);

impl Calls {
    pub fn open(&self) -> OpenCall {
        self.0.send_modify(|open| *open += 1);
        OpenCall(self.clone())
    }
}

/// A call until its answer has left or its caller is gone.
#[derive(Debug)]
pub struct OpenCall(Calls);

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.0.send_modify(|open| *open -= 1);
    }
}

/// What a call knows of its connection: what the transport says, and the calls beside it.
#[derive(Clone, Debug)]
pub struct ConnectionInfo<I> {
    pub transport: I,
    pub calls: Calls,
}

/// A transport that is at its end once `end` is.
pub struct Watched<IO> {
    io: IO,
    calls: Calls,
    end: BoxFuture<'static, ()>,
    ended: bool,
}

impl<IO> Watched<IO> {
    /// Ends after `idle_timeout` without a call, or when `cut` does.
    pub fn new(io: IO, idle_timeout: Duration, cut: impl Future<Output = ()> + Send + 'static) -> Self {
        let calls = Calls(Arc::new(watch::Sender::new(0)));
        let open = calls.0.subscribe();
        let end = Box::pin(async move {
            tokio::select! {
                () = idle(open, idle_timeout) => {}
                () = cut => {}
            }
        });
        Self { io, calls, end, ended: false }
    }

    fn has_ended(&mut self, cx: &mut Context<'_>) -> bool {
        self.ended = self.ended || self.end.as_mut().poll(cx).is_ready();
        self.ended
    }
}

async fn idle(mut open: watch::Receiver<usize>, limit: Duration) {
    loop {
        if open.wait_for(|open| *open == 0).await.is_err() {
            return;
        }
        if tokio::time::timeout(limit, open.wait_for(|open| *open > 0)).await.is_err() {
            return;
        }
    }
}

impl<IO: Connected> Connected for Watched<IO> {
    type ConnectInfo = ConnectionInfo<IO::ConnectInfo>;

    fn connect_info(&self) -> Self::ConnectInfo {
        ConnectionInfo { transport: self.io.connect_info(), calls: self.calls.clone() }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // An end of the stream, as if the peer had gone.
        if self.has_ended(cx) { Poll::Ready(Ok(())) } else { Pin::new(&mut self.io).poll_read(cx, buffer) }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.has_ended(cx) { gone() } else { Pin::new(&mut self.io).poll_write(cx, bytes) }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_ended(cx) { gone() } else { Pin::new(&mut self.io).poll_flush(cx) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_ended(cx) { Poll::Ready(Ok(())) } else { Pin::new(&mut self.io).poll_shutdown(cx) }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.has_ended(cx) { gone() } else { Pin::new(&mut self.io).poll_write_vectored(cx, slices) }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

fn gone<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}
