//! Somebody who receives webhooks, checks them as Standard Webhooks says, and answers as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use painwatch_alerts::WebhookSecret;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Ok,
    Status(u16),
    Redirect,
    /// Takes the page, then lets the sender wait longer than it will.
    AcceptAndHang,
}

#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    pub attempt: u32,
    pub body: serde_json::Value,
    pub path: String,
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    secret: WebhookSecret,
    answers: Mutex<VecDeque<Answer>>,
    received: watch::Sender<Vec<Received>>,
}

impl Receiver {
    pub async fn start(secret: WebhookSecret) -> Self {
        let received = watch::Sender::new(Vec::new());
        let shared = Arc::new(Shared { secret, answers: Mutex::default(), received });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let app = Router::new().route("/{*path}", post(receive)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    /// For the next requests; after them everything is well.
    pub fn answer(&self, answers: &[Answer]) {
        self.shared.answers.lock().unwrap().extend(answers);
    }

    /// All requests so far, once there are at least `count`.
    pub async fn wait(&self, count: usize) -> Vec<Received> {
        let mut received = self.shared.received.subscribe();
        let enough = received.wait_for(|all| all.len() >= count);
        let enough = tokio::time::timeout(Duration::from_secs(20), enough).await;
        enough.unwrap_or_else(|_| panic!("fewer than {count} requests came")).unwrap().clone()
    }

    pub fn so_far(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }
}

async fn receive(State(shared): State<Arc<Shared>>, uri: axum::http::Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (id, timestamp) = (text("webhook-id"), text("webhook-timestamp").parse().unwrap_or(0));
    if shared.secret.sign(&id, timestamp, &body) != text("webhook-signature") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let attempt = text("painwatch-attempt").parse().unwrap();
    let body = serde_json::from_slice(&body).unwrap();
    let path = uri.path().to_owned();
    let answer = shared.answers.lock().unwrap().pop_front().unwrap_or(Answer::Ok);
    shared.received.send_modify(|all| all.push(Received { id, attempt, body, path }));
    match answer {
        Answer::Ok => StatusCode::NO_CONTENT.into_response(),
        Answer::Status(code) => StatusCode::from_u16(code).unwrap().into_response(),
        Answer::Redirect => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")]).into_response(),
        Answer::AcceptAndHang => std::future::pending().await,
    }
}
