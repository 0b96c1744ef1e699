//! `painwatch.ingest.v1.Ingest`: the answer is the verdict, and it never comes before the submission is durable.

mod asked;
mod connection;
mod deadline;
mod details;
mod frames;
mod guard;
mod incoming;
mod inflate;
mod limits;
mod server;
mod strangers;
mod stream;
mod table;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _};
use painwatch_access::{Access, GatewayCredential, GatewayPrincipal, Lease};
use painwatch_ingest_core::{Protocol, Refused};
use painwatch_proto::ingest::v1::ingest_server::Ingest;
use painwatch_proto::ingest::v1::{BatchVerdict, GapsRequest, GapsResponse, GetVerdictRequest, ReadingBatch};
use tokio::time::Instant;
use tonic::{Extensions, Request, Response, Status, Streaming};

use crate::admission::{Admission, Outcome};
use crate::answer::Answers;
use crate::kept::Kept;
use crate::ledger::Refusal;
use connection::OpenCall;
use deadline::AnswerBy;
use frames::Rooms;

pub use details::{BadRequest, DOMAIN, ErrorInfo, FieldViolation, RetryInfo, RichStatus};
pub use frames::unpacked;
pub use incoming::Incoming;
pub use inflate::Bounds;
pub use limits::GrpcLimits;
pub use server::serve;

/// How long a sender that was held back should wait.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

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
        let caller = caller(request.extensions())?;
        let answer = self.take(&caller, &request.into_inner())?;
        in_time(caller.by, answer).await.map(Response::new)
    }

    type StreamStream = Pin<Box<dyn Stream<Item = Result<BatchVerdict, Status>> + Send>>;

    async fn stream(&self, request: Request<Streaming<ReadingBatch>>) -> Result<Response<Self::StreamStream>, Status> {
        let caller = caller(request.extensions())?;
        let metadata = request.metadata();
        let named = metadata.get(asked::GATEWAY_KEY).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let from = match (named, &caller.credential.gateway) {
            ("", None) => None,
            _ => Some(self.principal(&caller.credential, named)?),
        };
        let limit = caller.by.at_most(self.verdict_timeout, Instant::now());
        let resumed = self.resumed(from.as_ref(), metadata, limit).await?;
        let told = resumed.as_ref().map(Vec::len);
        let earlier = futures::stream::iter(resumed.unwrap_or_default().into_iter().map(Ok));
        let verdicts = stream::pump(self.clone(), caller, request.into_inner());
        let mut response: Response<Self::StreamStream> = Response::new(Box::pin(earlier.chain(verdicts)));
        let window = [("painwatch-window-batches", self.window.batches), ("painwatch-window-bytes", self.window.bytes)];
        let resumed = told.map(|told| ("painwatch-resumed", told));
        for (name, count) in window.into_iter().chain(resumed) {
            response.metadata_mut().insert(name, count.into());
        }
        Ok(response)
    }

    async fn get_verdict(&self, request: Request<GetVerdictRequest>) -> Result<Response<BatchVerdict>, Status> {
        let caller = caller(request.extensions())?;
        let request = request.into_inner();
        let from = self.principal(&caller.credential, &request.gateway)?;
        let limit = caller.by.at_most(self.verdict_timeout, Instant::now());
        in_time(caller.by, self.verdict_of(&from, request, limit)).await.map(Response::new)
    }

    async fn gaps(&self, request: Request<GapsRequest>) -> Result<Response<GapsResponse>, Status> {
        let caller = caller(request.extensions())?;
        let request = request.into_inner();
        let from = self.principal(&caller.credential, &request.gateway)?;
        let limit = caller.by.at_most(self.verdict_timeout, Instant::now());
        in_time(caller.by, self.gaps_of(&from, request, limit)).await.map(Response::new)
    }
}

/// Who calls, as the guard found, and what the call holds.
#[derive(Clone, Debug)]
struct Caller {
    credential: GatewayCredential,
    /// When they want an answer.
    by: AnswerBy,
    /// Ends with the credential.
    lease: Arc<Lease>,
    open: Arc<OpenCall>,
    rooms: Rooms,
}

fn caller(extensions: &Extensions) -> Result<Caller, Status> {
    let caller = extensions.get::<Caller>().cloned();
    caller.ok_or_else(|| details::unauthenticated("neither a gateway token nor a client certificate was shown"))
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

    /// Judges now; the future appends, then waits for the verdict. The room that was taken for the batch is held until it is durable.
    fn take(
        &self,
        caller: &Caller,
        batch: &ReadingBatch,
    ) -> Result<BoxFuture<'static, Result<BatchVerdict, Status>>, Status> {
        let room = caller.rooms.next();
        let from = self.principal(&caller.credential, &batch.gateway)?;
        let append = self.admission.submit_batch(&from, Protocol::Grpc, batch);
        let (answers, limit, by) = (self.answers.clone(), Answers::patience(&from, self.verdict_timeout), caller.by);
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
