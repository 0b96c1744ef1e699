//! gRPC: one bidirectional stream, verdicts in the order of the batches.

use std::collections::VecDeque;
use std::time::Duration;

use painwatch_proto::ingest::v1::ingest_client::IngestClient;
use painwatch_proto::ingest::v1::{BatchVerdict, ReadingBatch};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status, Streaming};
use tracing::{debug, warn};

use super::{Backoff, ClientError, ClientOptions, InFlight, Outcome, Receipt, Window};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

type Pending = VecDeque<InFlight<ReadingBatch>>;

pub struct GrpcClient {
    inbox: mpsc::Sender<InFlight<ReadingBatch>>,
    window: Window,
    task: JoinHandle<()>,
}

impl GrpcClient {
    /// Connects in the background; batches wait until it has.
    ///
    /// # Errors
    /// [`ClientError::Address`], or [`ClientError::NotLetIn`] for a token that no header can hold.
    pub fn connect(options: &ClientOptions) -> Result<Self, ClientError> {
        let address = || ClientError::Address(options.address.clone());
        let endpoint = Endpoint::from_shared(format!("http://{}", options.address)).map_err(|_| address())?;
        let bearer = format!("Bearer {}", options.token).parse::<MetadataValue<Ascii>>();
        let bearer = bearer.map_err(|_| ClientError::NotLetIn("the token cannot stand in a header".to_owned()))?;
        let window = Window::new(options.window);
        let (inbox, outbox) = mpsc::channel(usize::from(window.size));
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
        let line = Line { endpoint, bearer, gateway: options.gateway.clone(), room: usize::from(window.size) };
        let task = tokio::spawn(run(line, outbox, window.clone()));
        Ok(Self { inbox, window, task })
    }

    /// # Errors
    /// [`ClientError::Closed`] when the client has ended.
    pub async fn send(&self, batch: ReadingBatch) -> Result<Receipt, ClientError> {
        let room = self.window.enter().await?;
        let (entry, receipt) = InFlight::new(batch, room);
        self.inbox.send(entry).await.map_err(|_| ClientError::Closed)?;
        Ok(receipt)
    }

    pub async fn close(self) {
        self.window.wait_until_empty().await;
        drop(self.inbox);
        let _ = self.task.await;
    }
}

struct Line {
    endpoint: Endpoint,
    bearer: MetadataValue<Ascii>,
    gateway: String,
    /// As many batches as the window has room for, so that handing one over never waits.
    room: usize,
}

/// Why a stream ended.
enum End {
    /// Nobody sends any more.
    Done,
    Lost(Status),
}

async fn run(line: Line, mut outbox: mpsc::Receiver<InFlight<ReadingBatch>>, window: Window) {
    let mut pending = Pending::new();
    let mut backoff = Backoff::of(&line.gateway);
    loop {
        // A server may answer the call only after its first message: open a stream only with something to say.
        if pending.is_empty() {
            match outbox.recv().await {
                Some(entry) => pending.push_back(entry),
                None => return,
            }
        }
        let before = pending.len();
        match converse(&line, &mut outbox, &mut pending, &mut backoff).await {
            End::Done => return,
            End::Lost(status) => {
                debug!(code = ?status.code(), unanswered = before, "stream lost");
                if is_final(status.code()) {
                    warn!(code = ?status.code(), "a batch was refused");
                    if let Some(entry) = pending.pop_front() {
                        entry.answer(Outcome::Refused(format!("{:?}", status.code())));
                    }
                } else {
                    backoff.wait().await;
                }
            }
        }
        for entry in &mut pending {
            entry.attempts += 1;
        }
        if outbox.is_closed() && pending.is_empty() {
            window.shut();
            return;
        }
    }
}

/// One stream from its opening to its end. Cancelling either wait loses nothing: both keep their state.
async fn converse(
    line: &Line,
    outbox: &mut mpsc::Receiver<InFlight<ReadingBatch>>,
    pending: &mut Pending,
    backoff: &mut Backoff,
) -> End {
    let (batches, wire) = mpsc::channel::<ReadingBatch>(line.room);
    for entry in pending.iter() {
        if batches.try_send(entry.payload.clone()).is_err() {
            return End::Lost(Status::internal("the window is larger than the stream's room"));
        }
    }
    let mut verdicts = match open(line, wire).await {
        Ok(verdicts) => verdicts,
        Err(status) => return End::Lost(status),
    };
    let mut batches = Some(batches);
    loop {
        tokio::select! {
            entry = outbox.recv(), if batches.is_some() => match (entry, &batches) {
                (Some(entry), Some(wire)) => {
                    let batch = entry.payload.clone();
                    pending.push_back(entry);
                    if wire.send(batch).await.is_err() {
                        return End::Lost(Status::unavailable("the stream has ended"));
                    }
                }
                // Nobody sends any more: say so to the server and wait for the last verdicts.
                _ => batches = None,
            },
            verdict = verdicts.message() => match verdict {
                Ok(Some(verdict)) => {
                    backoff.reset();
                    answer(pending, verdict);
                }
                Ok(None) if batches.is_none() && pending.is_empty() => return End::Done,
                Ok(None) => return End::Lost(Status::unavailable("the server ended the stream")),
                Err(status) => return End::Lost(status),
            },
        }
    }
}

async fn open(line: &Line, wire: mpsc::Receiver<ReadingBatch>) -> Result<Streaming<BatchVerdict>, Status> {
    let channel = line.endpoint.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut request = Request::new(ReceiverStream::new(wire));
    request.metadata_mut().insert("authorization", line.bearer.clone());
    Ok(IngestClient::new(channel).stream(request).await?.into_inner())
}

fn answer(pending: &mut Pending, verdict: BatchVerdict) {
    if let Some(entry) = pending.pop_front() {
        entry.answer(Outcome::Judged(verdict));
    }
}

/// Refusals of the first unanswered batch that sending it again cannot change.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument | Code::Unimplemented | Code::OutOfRange
    )
}
