//! `painwatch.ingest.v1.Ingest`: the answer is the verdict, and it never comes before the submission is durable.

mod incoming;
mod retry;
mod server;
mod stream;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::future::BoxFuture;
use painwatch_access::{Access, GatewayCredential, GatewayPrincipal, Peer};
use painwatch_ingest_core::{Protocol, Refused};
use painwatch_proto::ingest::v1::ingest_server::Ingest;
use painwatch_proto::ingest::v1::{BatchVerdict, ReadingBatch};
use prost::Message as _;
use tokio::sync::OwnedSemaphorePermit;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status, Streaming};

use crate::admission::{Admission, Outcome};
use crate::answer::Answers;
use crate::ledger::Refusal;

pub use incoming::Incoming;
pub use retry::{RetryInfo, RichStatus};
pub use server::serve;

/// How long a sender that was held back should wait.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long a submission waits for memory before its sender is held back.
const ROOM_PATIENCE: Duration = Duration::from_secs(2);

/// What the service needs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    pub admission: Arc<Admission>,
    pub access: Arc<Access>,
    pub answers: Answers,
    pub verdict_timeout: Duration,
    /// Bytes of one stream that may be on their way into the journal.
    pub stream_bytes: usize,
}

#[tonic::async_trait]
impl Ingest for Service {
    async fn submit(&self, request: Request<ReadingBatch>) -> Result<Response<BatchVerdict>, Status> {
        let credential = self.authenticate(request.metadata(), request.extensions())?;
        let batch = request.into_inner();
        let room = self.room(&batch).await?;
        let answer = self.take(&credential, batch, room)?;
        answer.await.map(Response::new)
    }

    type StreamStream = Pin<Box<dyn Stream<Item = Result<BatchVerdict, Status>> + Send>>;

    async fn stream(&self, request: Request<Streaming<ReadingBatch>>) -> Result<Response<Self::StreamStream>, Status> {
        let credential = self.authenticate(request.metadata(), request.extensions())?;
        let verdicts = stream::pump(self.clone(), credential, request.into_inner());
        Ok(Response::new(Box::pin(verdicts)))
    }
}

impl Service {
    /// By token, client certificate or both. A header that holds no token is a token that nobody has.
    fn authenticate(&self, metadata: &MetadataMap, connection: &Extensions) -> Result<GatewayCredential, Status> {
        let header = metadata.get("authorization").map(|value| value.to_str().ok().and_then(bearer_token));
        let token = header.map(Option::unwrap_or_default);
        let peer = connection.get::<Peer>();
        let credential = peer.and_then(|peer| self.access.gateway(peer, token, self.admission.now_ms()));
        credential.ok_or_else(|| {
            self.admission.ledger().refuse(Refusal::Authentication);
            Status::unauthenticated("authorization: Bearer <gateway token> or a client certificate is required")
        })
    }

    fn principal(&self, credential: &GatewayCredential, claimed: &str) -> Result<GatewayPrincipal, Status> {
        let name = match (&credential.gateway, claimed) {
            (None, "") => return Err(Status::invalid_argument("gateway is required: this token speaks for any")),
            (Some(own), "") => own.as_str(),
            (_, claimed) => claimed,
        };
        credential.speaking_for(name).ok_or_else(|| {
            self.admission.ledger().refuse(Refusal::Authorization);
            Status::permission_denied("this credential does not speak for that gateway")
        })
    }

    async fn room(&self, batch: &ReadingBatch) -> Result<OwnedSemaphorePermit, Status> {
        let room = self.admission.room(batch.encoded_len());
        tokio::time::timeout(ROOM_PATIENCE, room).await.map_err(|_| retry::held_back("too much is on its way"))
    }

    /// Judges now; the future appends, then waits for the verdict. `room` is held until the batch is durable.
    fn take(
        &self,
        credential: &GatewayCredential,
        batch: ReadingBatch,
        room: OwnedSemaphorePermit,
    ) -> Result<BoxFuture<'static, Result<BatchVerdict, Status>>, Status> {
        let from = self.principal(credential, &batch.gateway)?;
        let append = self.admission.submit_batch(&from, Protocol::Grpc, &batch);
        drop(batch);
        let (answers, verdict_timeout) = (self.answers.clone(), self.verdict_timeout);
        Ok(Box::pin(async move {
            let outcome = append.await;
            drop(room);
            match outcome {
                Outcome::Durable(accepted) => Ok(answers.to(&accepted, verdict_timeout).await),
                other => Err(status_of(&other)),
            }
        }))
    }
}

/// The contract's words for what did not become durable.
fn status_of(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::Refused(refused @ (Refused::NotYourDevice { .. } | Refused::GatewayMismatch { .. })) => {
            Status::permission_denied(refused.to_string())
        }
        Outcome::Refused(refused @ Refused::TooLarge { .. }) => Status::invalid_argument(refused.to_string()),
        Outcome::HeldBack => retry::held_back("the journal is full"),
        Outcome::Unsure => retry::unavailable("not known to be durable: send it again"),
        Outcome::Closed | Outcome::Durable(_) => retry::unavailable("shutting down"),
    }
}

/// The token of `Bearer …`; the scheme's case does not matter.
pub fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
