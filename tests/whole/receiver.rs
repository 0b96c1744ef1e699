//! A pager: takes webhooks and remembers under which ids they came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::Value;
use tokio::runtime::Runtime;

type Pages = Arc<Mutex<BTreeMap<String, Vec<Value>>>>;

/// Dropped, it hangs up.
pub struct Receiver {
    pub url: String,
    pages: Pages,
    _runtime: Runtime,
}

impl Receiver {
    pub fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let pages = Pages::default();
        let router = Router::new().route("/page", post(take)).with_state(Arc::clone(&pages));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}/page", listener.local_addr().expect("an address"));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, pages, _runtime: runtime }
    }

    /// What arrived, by the id that tells a repetition.
    pub fn pages(&self) -> BTreeMap<String, Vec<Value>> {
        self.pages.lock().expect("the pages").clone()
    }
}

async fn take(State(pages): State<Pages>, headers: HeaderMap, body: Bytes) {
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let page = serde_json::from_slice(&body).unwrap_or_default();
    pages.lock().expect("the pages").entry(id).or_default().push(page);
}
