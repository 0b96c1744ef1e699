//! The demo's care team: a webhook receiver on this machine that counts what it is told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

/// Pages as the receiver saw them.
#[derive(Clone, Default)]
pub struct Receiver(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    attempts: u64,
    ids: BTreeSet<String>,
}

impl Receiver {
    /// Starts to listen; returns the address to put into the roster.
    ///
    /// # Errors
    /// No port is free.
    pub async fn listen(&self) -> Result<String> {
        let seen = self.clone();
        let page = move |headers: HeaderMap| async move { seen.take(&headers) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/pages", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/pages", post(page))).await });
        Ok(url)
    }

    fn take(&self, headers: &HeaderMap) -> StatusCode {
        let Some(id) = headers.get("webhook-id").and_then(|id| id.to_str().ok()) else {
            return StatusCode::BAD_REQUEST;
        };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.attempts += 1;
        seen.ids.insert(id.to_owned());
        StatusCode::NO_CONTENT
    }

    /// (attempts, distinct pages).
    pub fn counts(&self) -> (u64, usize) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.attempts, seen.ids.len())
    }
}
