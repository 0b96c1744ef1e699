//! Calls that need no token: what somebody whom nobody knows may hold.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;
use tonic::body::Body;

use crate::gate::Gate;

/// Largest message: the name of a service or of a file.
pub const MESSAGE_BYTES: usize = 4 << 10;
/// Everything that is said in one call.
const CALL_BYTES: usize = 16 << 10;
/// What a piece counts at least: it is held with its place in a list.
const PIECE_BYTES: usize = 64;

/// So many calls at once, an eighth of them from one address.
pub fn places(calls: usize, proxies: Arc<[IpAddr]>) -> Arc<Gate> {
    let gate = Gate::new(calls, calls.div_ceil(8), NonZeroU32::MAX, Instant::now());
    Arc::new(gate.not_counting(proxies))
}

/// The same body, read as it comes and no further than a stranger may speak: what nobody reads, the transport keeps, up to a
/// megabyte a call.
pub fn sparing(body: Body) -> Body {
    let (pieces, taken) = unbounded_channel();
    tokio::spawn(async move {
        tokio::select! {
            () = pieces.closed() => {}
            () = read(body, &pieces) => {}
        }
    });
    Body::new(axum::body::Body::from_stream(UnboundedReceiverStream::new(taken)))
}

async fn read(body: Body, pieces: &UnboundedSender<Result<Bytes, Status>>) {
    let mut left = CALL_BYTES;
    let mut data = axum::body::Body::new(body).into_data_stream();
    while let Some(piece) = data.next().await {
        let piece = piece.map_err(|error| Status::from_error(Box::new(error))).and_then(|piece| {
            let share = piece.len().max(PIECE_BYTES);
            left =
                left.checked_sub(share).ok_or_else(|| Status::resource_exhausted("that is too much for one call"))?;
            // Not a part of a larger piece of memory.
            Ok(Bytes::copy_from_slice(&piece))
        });
        let ends = piece.is_err();
        // The receiver is gone when the call is over.
        if pieces.send(piece).is_err() || ends {
            return;
        }
    }
}
