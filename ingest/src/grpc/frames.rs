//! The messages of a call as they come, each looked at before anything is built from it: what is small on the wire must not become large
//! in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, try_unfold};
use futures::{StreamExt as _, TryStreamExt as _};
use painwatch_access::GatewayPrincipal;
use painwatch_ingest_core::count_readings;
use painwatch_proto::ingest::v1::Reading;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tonic::body::Body;

use super::details;
use super::inflate::{Bounds, inflate, too_large};
use crate::admission::Admission;
use crate::ledger::Refusal;

/// A frame's flag and length.
pub const HEAD: usize = 5;
/// How long a batch waits for memory before its sender is held back.
const ROOM_PATIENCE: Duration = Duration::from_secs(2);

/// What the messages of one call may be.
pub struct Messages {
    pub bounds: Bounds,
    /// Whether they may be compressed, as the call's head said.
    pub gzip: bool,
    /// One, or as many as come.
    pub many: bool,
    /// What batches need; messages that are questions need nothing.
    pub batches: Option<Batches>,
}

/// Counts the readings of each batch and takes room for it.
pub struct Batches {
    pub admission: Arc<Admission>,
    /// Who sends, where the credential says it.
    pub from: Option<GatewayPrincipal>,
    pub rooms: Rooms,
}

/// Room taken for the batches that were let in and whose turn has not come, in their order.
#[derive(Clone, Debug, Default)]
pub struct Rooms(Arc<Mutex<VecDeque<OwnedSemaphorePermit>>>);

impl Rooms {
    /// The room of the batch that was let in first.
    pub fn next(&self) -> Option<OwnedSemaphorePermit> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<OwnedSemaphorePermit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batches {
    async fn let_in(&self, message: &[u8]) -> Result<(), Status> {
        let counted = count_readings(message, &self.admission.limits).map_err(|refused| {
            let ledger = self.admission.ledger();
            match &self.from {
                Some(from) => ledger.refuse_of(from, Refusal::TooLarge),
                None => ledger.refuse(Refusal::TooLarge),
            }
            details::invalid("readings", &refused.to_string())
        })?;
        let count = counted.ok_or_else(|| details::invalid("readings", "not a ReadingBatch"))?;
        // An empty reading is two bytes here and hundreds once it is built.
        let room = self.admission.room(message.len() + count * size_of::<Reading>());
        let room = tokio::time::timeout(ROOM_PATIENCE, room).await;
        let room = room.map_err(|_| details::held_back("too much is on its way"))?;
        self.rooms.lock().push_back(room);
        Ok(())
    }
}

/// The same messages, unpacked within bounds, whatever they are.
pub fn unpacked(body: Body, bounds: Bounds) -> Body {
    checked(body, Messages { bounds, gzip: true, many: true, batches: None })
}

/// The same messages, whole and none of them compressed; an error instead of the first that may not be.
pub fn checked(body: Body, messages: Messages) -> Body {
    let chunks = axum::body::Body::new(body).into_data_stream();
    let chunks = chunks.map_err(|error| Status::from_error(Box::new(error))).boxed();
    let frames = try_unfold(Frames { chunks, buffer: BytesMut::new(), messages, seen: 0 }, |mut frames| async move {
        let next = frames.next().await?;
        Ok::<_, Status>(next.map(|frame| (frame, frames)))
    });
    Body::new(axum::body::Body::from_stream(frames))
}

struct Frames {
    chunks: BoxStream<'static, Result<Bytes, Status>>,
    buffer: BytesMut,
    messages: Messages,
    seen: usize,
}

impl Frames {
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let bounds = self.messages.bounds;
        if !self.fill(HEAD).await? {
            // A head cut short is told by whoever decodes it.
            return Ok((!self.buffer.is_empty()).then(|| self.buffer.split().freeze()));
        }
        self.seen += 1;
        if self.seen > 1 && !self.messages.many {
            return Err(Status::invalid_argument("a call of this method has one message"));
        }
        let length = u32::from_be_bytes([self.buffer[1], self.buffer[2], self.buffer[3], self.buffer[4]]) as usize;
        if length > bounds.max_bytes {
            return Err(too_large(bounds));
        }
        let whole = self.fill(HEAD + length).await?;
        let frame = self.buffer.split_to(self.buffer.len().min(HEAD + length)).freeze();
        let frame = match frame[0] {
            0 if whole => frame,
            1 if whole && self.messages.gzip => inflate(&frame[HEAD..], bounds)?,
            // Never decoded, and why is told by whoever would.
            _ => return Ok(Some(frame)),
        };
        if let Some(batches) = &self.messages.batches {
            batches.let_in(&frame[HEAD..]).await?;
        }
        Ok(Some(frame))
    }

    /// Reads until there are so many bytes. False when the peer ended before.
    async fn fill(&mut self, bytes: usize) -> Result<bool, Status> {
        while self.buffer.len() < bytes {
            match self.chunks.next().await {
                Some(chunk) => self.buffer.extend_from_slice(&chunk?),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}
