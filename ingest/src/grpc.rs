//! `painwatch.ingest.v1.Ingest`: the answer is the verdict, and it never comes before the submission is durable.

mod asked;
mod connection;
mod deadline;
mod details;
mod guard;
mod incoming;
mod inflate;
mod limits;
mod server;
mod stream;
mod table;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _};
use painwatch_access::{Access, GatewayCredential, GatewayPrincipal};
use painwatch_ingest_core::{Protocol, Refused};
use painwatch_proto::ingest::v1::ingest_server::Ingest;
use painwatch_proto::ingest::v1::{BatchVerdict, GapsRequest, GapsResponse, GetVerdictRequest, ReadingBatch};
use prost::Message as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tonic::{Extensions, Request, Response, Status, Streaming};

use crate::admission::{Admission, Outcome};
use crate::answer::Answers;
use crate::kept::Kept;
use crate::ledger::Refusal;
use deadline::AnswerBy;

pub use details::{BadRequest, DOMAIN, ErrorInfo, FieldViolation, RetryInfo, RichStatus};
pub use incoming::Incoming;
pub use limits::GrpcLimits;
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
    pub kept: Kept,
    pub verdict_timeout: Duration,
    /// What one stream may have unanswered.
    pub window: Window,
}

/// Batches and bytes of one stream that may be unanswered; what exceeds them is not read.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub batches: usize,
    pub bytes: usize,
}

#[tonic::async_trait]
impl Ingest for Service {
    async fn submit(&self, request: Request<ReadingBatch>) -> Result<Response<BatchVerdict>, Status> {
        let (credential, by) = caller(request.extensions())?;
        let batch = request.into_inner();
        let answered = async {
            let room = self.room(&batch).await?;
            self.take(&credential, &batch, room, by)?.await
        };
        in_time(by, answered).await.map(Response::new)
    }

    type StreamStream = Pin<Box<dyn Stream<Item = Result<BatchVerdict, Status>> + Send>>;

    async fn stream(&self, request: Request<Streaming<ReadingBatch>>) -> Result<Response<Self::StreamStream>, Status> {
        let (credential, by) = caller(request.extensions())?;
        let metadata = request.metadata();
        let named = metadata.get(asked::GATEWAY_KEY).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let from = match (named, &credential.gateway) {
            ("", None) => None,
            _ => Some(self.principal(&credential, named)?),
        };
        let limit = by.at_most(self.verdict_timeout, Instant::now());
        let resumed = self.resumed(from.as_ref(), metadata, limit).await?;
        let told = resumed.as_ref().map(Vec::len);
        let earlier = futures::stream::iter(resumed.unwrap_or_default().into_iter().map(Ok));
        let verdicts = stream::pump(self.clone(), credential, request.into_inner(), by);
        let mut response: Response<Self::StreamStream> = Response::new(Box::pin(earlier.chain(verdicts)));
        let window = [("painwatch-window-batches", self.window.batches), ("painwatch-window-bytes", self.window.bytes)];
        let resumed = told.map(|told| ("painwatch-resumed", told));
        for (name, count) in window.into_iter().chain(resumed) {
            response.metadata_mut().insert(name, count.into());
        }
        Ok(response)
    }

    async fn get_verdict(&self, request: Request<GetVerdictRequest>) -> Result<Response<BatchVerdict>, Status> {
        let (credential, by) = caller(request.extensions())?;
        let request = request.into_inner();
        let from = self.principal(&credential, &request.gateway)?;
        let limit = by.at_most(self.verdict_timeout, Instant::now());
        in_time(by, self.verdict_of(&from, request, limit)).await.map(Response::new)
    }

    async fn gaps(&self, request: Request<GapsRequest>) -> Result<Response<GapsResponse>, Status> {
        let (credential, by) = caller(request.extensions())?;
        let request = request.into_inner();
        let from = self.principal(&credential, &request.gateway)?;
        let limit = by.at_most(self.verdict_timeout, Instant::now());
        in_time(by, self.gaps_of(&from, request, limit)).await.map(Response::new)
    }
}

/// Who calls, as the guard found, and by when they want an answer.
fn caller(extensions: &Extensions) -> Result<(GatewayCredential, AnswerBy), Status> {
    let credential = extensions.get::<GatewayCredential>().cloned();
    let credential = credential
        .ok_or_else(|| details::unauthenticated("neither a gateway token nor a client certificate was shown"))?;
    Ok((credential, extensions.get().copied().unwrap_or_default()))
}

/// An answer that is not there when the caller stops waiting.
async fn in_time<T>(by: AnswerBy, answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let Some(by) = by.at_all else { return answer.await };
    tokio::time::timeout_at(by, answer).await.map_err(|_| details::late())?
}

impl Service {
    fn principal(&self, credential: &GatewayCredential, claimed: &str) -> Result<GatewayPrincipal, Status> {
        let name = match (&credential.gateway, claimed) {
            (None, "") => return Err(details::invalid("gateway", "required: this token speaks for any")),
            (Some(own), "") => own.as_str(),
            (_, claimed) => claimed,
        };
        credential.speaking_for(name).ok_or_else(|| {
            self.admission.ledger().refuse(Refusal::Authorization);
            details::denied("not_your_gateway", "this credential does not speak for that gateway")
        })
    }

    async fn room(&self, batch: &ReadingBatch) -> Result<OwnedSemaphorePermit, Status> {
        let room = self.admission.room(batch.encoded_len());
        tokio::time::timeout(ROOM_PATIENCE, room).await.map_err(|_| details::held_back("too much is on its way"))
    }

    /// Judges now; the future appends, then waits for the verdict. `room` is held until the batch is durable.
    fn take(
        &self,
        credential: &GatewayCredential,
        batch: &ReadingBatch,
        room: OwnedSemaphorePermit,
        by: AnswerBy,
    ) -> Result<BoxFuture<'static, Result<BatchVerdict, Status>>, Status> {
        let from = self.principal(credential, &batch.gateway)?;
        let append = self.admission.submit_batch(&from, Protocol::Grpc, batch);
        let (answers, limit) = (self.answers.clone(), Answers::patience(&from, self.verdict_timeout));
        Ok(Box::pin(async move {
            let outcome = append.await;
            drop(room);
            match outcome {
                Outcome::Durable(accepted) => Ok(answers.to(&accepted, by.at_most(limit, Instant::now())).await),
                other => Err(status_of(&other)),
            }
        }))
    }
}

/// The contract's words for what did not become durable.
fn status_of(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::Refused(refused @ Refused::NotYourDevice { .. }) => {
            details::denied("not_your_device", &refused.to_string())
        }
        Outcome::Refused(refused @ Refused::GatewayMismatch { .. }) => {
            details::denied("not_your_gateway", &refused.to_string())
        }
        Outcome::Refused(refused @ Refused::TooLarge { .. }) => details::invalid("readings", &refused.to_string()),
        Outcome::HeldBack => details::held_back("the journal is full"),
        Outcome::Unsure => details::unavailable("not known to be durable: send it again"),
        Outcome::Closed | Outcome::Durable(_) => details::unavailable("shutting down"),
    }
}

/// The token of `Bearer …`; the scheme's case does not matter.
pub fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
