use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use painwatch_gateway::client::{Client, ClientOptions, GrpcClient, Outcome};
use painwatch_proto::ingest::v1::ingest_server::{Ingest, IngestServer};
use painwatch_proto::ingest::v1::{BatchVerdict, GapsRequest, GapsResponse, GetVerdictRequest, ReadingBatch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

/// Ends each of the first two streams after three batches, one of them seen but unanswered.
#[derive(Clone, Default)]
struct Flaky {
    streams: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl Ingest for Flaky {
    async fn submit(&self, _: Request<ReadingBatch>) -> Result<Response<BatchVerdict>, Status> {
        Err(Status::unimplemented("not needed here"))
    }

    type StreamStream = ReceiverStream<Result<BatchVerdict, Status>>;

    async fn stream(&self, request: Request<Streaming<ReadingBatch>>) -> Result<Response<Self::StreamStream>, Status> {
        if request.metadata().get("authorization").is_none_or(|header| header != "Bearer secret") {
            return Err(Status::unauthenticated("who are you?"));
        }
        let number = self.streams.fetch_add(1, Ordering::SeqCst);
        let seen = self.seen.clone();
        let (answers, stream) = tokio::sync::mpsc::channel(64);
        let mut batches = request.into_inner();
        tokio::spawn(async move {
            let mut count = 0;
            while let Some(Ok(batch)) = batches.next().await {
                count += 1;
                seen.lock().unwrap().push(batch.batch_id.clone());
                if number < 2 && count == 3 {
                    let _ = answers.send(Err(Status::unavailable("gone"))).await;
                    return;
                }
                let verdict =
                    BatchVerdict { batch_id: batch.batch_id, r#final: true, stored: 1, ..BatchVerdict::default() };
                let _ = answers.send(Ok(verdict)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_verdict(&self, _: Request<GetVerdictRequest>) -> Result<Response<BatchVerdict>, Status> {
        Err(Status::unimplemented("not needed here"))
    }

    async fn gaps(&self, _: Request<GapsRequest>) -> Result<Response<GapsResponse>, Status> {
        Err(Status::unimplemented("not needed here"))
    }
}

async fn serve(flaky: Flaky) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(IngestServer::new(flaky))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    address
}

fn options(address: String, token: &str) -> ClientOptions {
    ClientOptions { address, gateway: "gw-1".into(), token: token.into(), window: 8 }
}

#[tokio::test]
async fn every_batch_gets_its_own_verdict_though_the_stream_breaks_twice() {
    let flaky = Flaky::default();
    let client = Client::Grpc(GrpcClient::connect(&options(serve(flaky.clone()).await, "secret")).unwrap());
    let mut receipts = Vec::new();
    for number in 0..20 {
        receipts.push(client.send(&super::batch(number)).await.unwrap());
    }
    let mut resent = 0;
    for (number, receipt) in receipts.into_iter().enumerate() {
        let ack = receipt.ack().await.unwrap();
        let Outcome::Judged(verdict) = ack.outcome else { panic!("{:?}", ack.outcome) };
        assert_eq!(verdict.batch_id, format!("gw-1/{number}"));
        resent += usize::from(ack.attempts > 1);
    }
    client.close().await;
    assert!(resent > 0);
    assert!(flaky.seen.lock().unwrap().len() > 20, "what was unanswered came again");
}

#[tokio::test]
async fn a_wrong_token_is_a_refusal_and_not_a_loop() {
    let client = Client::Grpc(GrpcClient::connect(&options(serve(Flaky::default()).await, "wrong")).unwrap());
    let receipt = client.send(&super::batch(0)).await.unwrap();
    assert_eq!(receipt.ack().await.unwrap().outcome, Outcome::Refused("Unauthenticated".into()));
}
