//! A connection that ends by itself: when no gateway has called for long, and when we have stopped and it has not.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::transport::server::Connected;

/// The calls of gateways on one connection. What is asked without a token keeps no connection open.
#[derive(Clone, Debug)]
pub struct Calls {
    open: Arc<watch::Sender<Open>>,
    /// How long a call may take that does not last.
    limit: Duration,
}

#[derive(Debug, Default)]
struct Open {
    /// A gateway has shown who it is.
    known: bool,
    /// Calls that last.
    lasting: usize,
    /// Calls that do not …
    limited: usize,
    /// … and when the last of them has to be over: from then on they count no more, even if nobody takes their answers.
    until: Option<Instant>,
}

impl Calls {
    /// One that lasts is open until it ends, or its connection does.
    pub fn open(&self, lasts: bool) -> OpenCall {
        self.open.send_modify(|open| {
            open.known = true;
            if lasts { open.lasting += 1 } else { open.begin(self.limit) }
        });
        OpenCall { calls: self.clone(), lasts: AtomicBool::new(lasts) }
    }
}

impl Open {
    fn begin(&mut self, limit: Duration) {
        self.limited += 1;
        self.until = self.until.max(Instant::now().checked_add(limit));
    }
}

/// A call until its answer has left or its caller is gone.
#[derive(Debug)]
pub struct OpenCall {
    calls: Calls,
    lasts: AtomicBool,
}

impl OpenCall {
    /// All that is left of the call is what its caller has not taken yet: it lasts no longer than any other.
    pub fn ends(&self) {
        if self.lasts.swap(false, Ordering::SeqCst) {
            self.calls.open.send_modify(|open| {
                open.lasting -= 1;
                open.begin(self.calls.limit);
            });
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let lasts = *self.lasts.get_mut();
        self.calls.open.send_modify(|open| if lasts { open.lasting -= 1 } else { open.limited -= 1 });
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

/// How long a connection stays on which nobody calls.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From its beginning to the first call of a gateway …
    pub first_call: Duration,
    /// … and no longer than later.
    pub idle: Duration,
    /// How long a call counts that does not last.
    pub call: Duration,
}

impl<IO> Watched<IO> {
    /// Ends when nobody has called for as long as `patience` says, or when `cut` does.
    pub fn new(io: IO, patience: Patience, cut: impl Future<Output = ()> + Send + 'static) -> Self {
        let (open, watched) = watch::channel(Open::default());
        let calls = Calls { open: Arc::new(open), limit: patience.call };
        let end = Box::pin(async move {
            tokio::select! {
                () = unused(watched, patience) => {}
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

async fn unused(mut open: watch::Receiver<Open>, patience: Patience) {
    let begun = Instant::now();
    loop {
        let end = {
            let open = open.borrow_and_update();
            match *open {
                Open { known: false, .. } => begun.checked_add(patience.first_call.min(patience.idle)),
                Open { lasting: 1.., .. } => None,
                Open { limited: 1.., until: Some(until), .. } => until.checked_add(patience.idle),
                Open { .. } => Instant::now().checked_add(patience.idle),
            }
        };
        let changed = open.changed();
        let changed = match end {
            Some(end) => tokio::time::timeout_at(end, changed).await,
            None => Ok(changed.await),
        };
        // Too late, or the last who could call is gone.
        if !matches!(changed, Ok(Ok(()))) {
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
