//! Streams: how much may be unanswered, what a gateway learns when it comes back, and how a stream ends.

use painwatch_ingest::{GrpcLimits, IngestLimits};
use painwatch_proto::ingest::v1::ReadingBatch;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request};

use crate::grpc::{authorized, batch, client};
use crate::support::journal::Mode;
use crate::support::{A_WHILE, House, SOON, eventually};

fn number(metadata: &MetadataMap, name: &str) -> Option<usize> {
    metadata.get(name).map(|value| value.to_str().unwrap().parse().unwrap())
}

/// A stream of `gw-1` that names where it left off.
fn resuming<T>(house: &House, batches: T, name: &'static str, value: &str) -> Request<T> {
    let mut request = authorized(&house.token, batches);
    request.metadata_mut().insert("painwatch-gateway", "gw-1".parse().unwrap());
    request.metadata_mut().insert(name, value.parse().unwrap());
    request
}

#[tokio::test]
async fn a_stream_says_its_window_and_holds_back_what_exceeds_it_without_losing_any() {
    const WINDOW: usize = 3;
    const SENT: usize = 10;
    let grpc = GrpcLimits { stream_batches: WINDOW, ..GrpcLimits::default() };
    let house = House::with(IngestLimits { verdict_timeout: A_WHILE, grpc, ..IngestLimits::default() }).await;
    house.journal.set(Mode::Held);
    let (sender, receiver) = mpsc::channel::<ReadingBatch>(SENT);
    let request = authorized(&house.token, ReceiverStream::new(receiver));
    let answer = client(&house).await.stream(request).await.unwrap();
    assert_eq!(number(answer.metadata(), "painwatch-window-batches"), Some(WINDOW));
    assert_eq!(number(answer.metadata(), "painwatch-window-bytes"), Some(GrpcLimits::default().stream_bytes));
    assert_eq!(number(answer.metadata(), "painwatch-resumed"), None);
    for nth in 0..SENT {
        sender.send(batch(nth as i64)).await.unwrap();
    }
    drop(sender);
    let mut verdicts = answer.into_inner();
    eventually("the window is full", || house.journal.held() == WINDOW).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(house.journal.held(), WINDOW, "no more than the window is read");
    for nth in 0..SENT {
        eventually("the next is being appended", || house.journal.held() > 0).await;
        house.journal.release(0);
        let verdict = timeout(SOON, verdicts.message()).await.unwrap().unwrap().unwrap();
        assert_eq!(verdict.batch_id, format!("b/{nth}"));
    }
    assert!(verdicts.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_that_is_closed_from_one_side_ends_when_every_verdict_has_left() {
    let house = House::open().await;
    house.journal.set(Mode::Held);
    let request = authorized(&house.token, tokio_stream::iter([batch(0), batch(1), batch(2)]));
    let mut verdicts = client(&house).await.stream(request).await.unwrap().into_inner();
    eventually("all are being appended", || house.journal.held() == 3).await;
    // The client has long said that it sends no more.
    assert!(timeout(A_WHILE, verdicts.message()).await.is_err());
    (0..3).for_each(|_| house.journal.release(0));
    for nth in 0..3 {
        let verdict = timeout(SOON, verdicts.message()).await.unwrap().unwrap().unwrap();
        assert_eq!(verdict.batch_id, format!("b/{nth}"));
    }
    assert!(timeout(SOON, verdicts.message()).await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn a_gateway_that_comes_back_hears_what_became_durable_since_before_anything_new() {
    let house = House::with(IngestLimits::default()).await;
    let _intake = house.judge_everything();
    let mut client = client(&house).await;
    let mut offsets = Vec::new();
    for nth in 0..4 {
        offsets.push(client.submit(authorized(&house.token, batch(nth))).await.unwrap().into_inner().offset);
    }
    let foreign = ReadingBatch { gateway: "gw-2".into(), ..batch(8) };
    client.submit(authorized(&house.token, foreign)).await.unwrap();
    let marks =
        [("painwatch-resume-after", "b/1".to_owned()), ("painwatch-resume-after-offset", offsets[1].to_string())];
    for (name, mark) in marks {
        let again = tokio_stream::iter([batch(9)]);
        let answer = client.stream(resuming(&house, again, name, &mark)).await.unwrap();
        let resumed = number(answer.metadata(), "painwatch-resumed").unwrap();
        let mut verdicts = answer.into_inner();
        let mut heard = Vec::new();
        while let Some(verdict) = timeout(SOON, verdicts.message()).await.unwrap().unwrap() {
            heard.push(verdict.batch_id);
        }
        // What the first round sent last is told to the second.
        assert_eq!(heard.len(), resumed + 1, "{heard:?}");
        assert_eq!((&heard[..2], heard.last().unwrap().as_str()), (&["b/2".to_owned(), "b/3".to_owned()][..], "b/9"));
    }
}

#[tokio::test]
async fn a_gateway_that_comes_back_is_told_what_is_durable_and_not_judged_and_what_it_asks_wrongly() {
    let house = House::open().await;
    let mut client = client(&house).await;
    for nth in 0..2 {
        client.submit(authorized(&house.token, batch(nth))).await.unwrap();
    }
    let none = || tokio_stream::empty::<ReadingBatch>();
    let answer = client.stream(resuming(&house, none(), "painwatch-resume-after", "b/0")).await.unwrap();
    assert_eq!(number(answer.metadata(), "painwatch-resumed"), Some(1));
    let verdict = answer.into_inner().message().await.unwrap().unwrap();
    assert_eq!((verdict.batch_id.as_str(), verdict.r#final), ("b/1", false));
    let unknown = client.stream(resuming(&house, none(), "painwatch-resume-after", "b/7")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let wrong = client.stream(resuming(&house, none(), "painwatch-resume-after-offset", "x")).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
    let mut nameless = resuming(&house, none(), "painwatch-resume-after", "b/0");
    nameless.metadata_mut().remove("painwatch-gateway");
    assert_eq!(client.stream(nameless).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_stream_ends_at_its_callers_deadline_after_the_verdicts_on_what_is_durable() {
    let house = House::with(IngestLimits { verdict_timeout: SOON * 10, ..IngestLimits::default() }).await;
    let (sender, receiver) = mpsc::channel::<ReadingBatch>(1);
    let mut request = authorized(&house.token, ReceiverStream::new(receiver));
    request.metadata_mut().insert("grpc-timeout", "800m".parse().unwrap());
    let mut verdicts = client(&house).await.stream(request).await.unwrap().into_inner();
    sender.send(batch(0)).await.unwrap();
    let verdict = timeout(SOON, verdicts.message()).await.unwrap().unwrap().unwrap();
    assert_eq!((verdict.batch_id.as_str(), verdict.r#final), ("b/0", false));
    let end = timeout(SOON, verdicts.message()).await.unwrap().unwrap_err();
    assert_eq!(end.code(), Code::DeadlineExceeded);
}
