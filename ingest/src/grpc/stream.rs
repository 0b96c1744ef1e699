//! Many batches on their way at once, one verdict for each, in the order the batches came.

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, Stream, StreamExt as _};
use painwatch_proto::ingest::v1::{BatchVerdict, ReadingBatch};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::deadline::AnswerBy;
use super::{Caller, Service, details};

/// Verdicts written ahead of a client that reads slowly; beyond that its batches are not read either.
const VERDICTS_AHEAD: usize = 64;

type Verdict = Result<BatchVerdict, Status>;

/// A verdict to come, and the bytes its batch counts for until then.
type Pending = BoxFuture<'static, (Verdict, usize)>;

/// Runs until the client has sent all and heard all, or one batch failed: nothing behind it is answered then.
pub fn pump(
    service: Service,
    caller: Caller,
    batches: Streaming<ReadingBatch>,
) -> impl Stream<Item = Verdict> + Send + 'static {
    let (verdicts, receiver) = mpsc::channel(VERDICTS_AHEAD);
    tokio::spawn(async move {
        let revoked = tokio::select! {
            biased;
            // What has had its turn is appended all the same; the gateway, once let in again, finds it a duplicate.
            () = caller.lease.ended() => true,
            // The receiver is gone when the client is: nobody is left to tell.
            _ = run(&service, &caller, batches, &verdicts) => false,
        };
        caller.open.ends();
        if revoked {
            let _ = verdicts.send(Err(details::unauthenticated("the credential holds no longer"))).await;
        }
    });
    ReceiverStream::new(receiver)
}

async fn run(
    service: &Service,
    caller: &Caller,
    mut batches: Streaming<ReadingBatch>,
    verdicts: &mpsc::Sender<Verdict>,
) -> Result<(), mpsc::error::SendError<Verdict>> {
    let mut pending: FuturesOrdered<Pending> = FuturesOrdered::new();
    let mut pending_bytes = 0;
    let (mut reading, mut late) = (true, false);
    while reading || !pending.is_empty() {
        let has_room = pending.len() < service.window.batches && pending_bytes < service.window.bytes;
        tokio::select! {
            Some((verdict, bytes)) = pending.next() => {
                pending_bytes -= bytes;
                let failed = verdict.is_err();
                verdicts.send(verdict).await?;
                if failed {
                    return Ok(());
                }
            }
            batch = batches.message(), if reading && has_room => {
                reading = matches!(batch, Ok(Some(_)));
                if let Some(next) = batch.transpose() {
                    let (future, bytes) = enter(service, caller, next);
                    pending_bytes += bytes;
                    pending.push_back(future);
                }
            }
            () = passed(caller.by), if reading => (reading, late) = (false, true),
        }
    }
    if late {
        verdicts.send(Err(details::late())).await?;
    }
    Ok(())
}

async fn passed(by: AnswerBy) {
    match by.durable {
        Some(by) => tokio::time::sleep_until(by).await,
        None => std::future::pending().await,
    }
}

/// A batch that cannot be taken fails in its turn, after the verdicts on those before it.
fn enter(service: &Service, caller: &Caller, batch: Result<ReadingBatch, Status>) -> (Pending, usize) {
    let taken = batch.and_then(|batch| Ok((service.take(caller, &batch)?, batch.encoded_len())));
    match taken {
        Ok((verdict, bytes)) => (verdict.map(move |verdict| (verdict, bytes)).boxed(), bytes),
        Err(status) => (std::future::ready((Err(status), 0)).boxed(), 0),
    }
}
