//! A page as a signed HTTP request.

use std::sync::Arc;
use std::time::Duration;

use painwatch_alerts_core::{Outcome, Page};
use painwatch_domain::Clock;
use reqwest::{StatusCode, Url, redirect};

use super::WebhookSecret;
use crate::run::{AlertsError, WebhookConfig};

/// Where the console is, as the care team reaches it: `https://painwatch.clinic.example`.
#[derive(Clone, Debug)]
pub struct LinkBase(pub String);

impl LinkBase {
    fn alert(&self, page: &Page) -> String {
        format!("{}/alerts/{}", self.0.trim_end_matches('/'), page.alert_id)
    }
}

#[derive(Clone)]
pub struct Webhook {
    client: reqwest::Client,
    secret: WebhookSecret,
    link_base: LinkBase,
    allow_plain_loopback: bool,
    clock: Arc<dyn Clock>,
}

/// To connect, apart from the time to answer: a dead host must not use up the whole attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Webhook {
    /// # Errors
    /// When TLS cannot be set up: no provider installed, no root certificates.
    pub fn new(config: &WebhookConfig, clock: Arc<dyn Clock>) -> Result<Self, AlertsError> {
        // A redirect would carry the page to an address nobody configured; a proxy from the environment likewise.
        let builder = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy();
        let builder = builder.timeout(config.timeout).connect_timeout(CONNECT_TIMEOUT.min(config.timeout));
        let client = builder.user_agent("painwatch").build().map_err(|e| AlertsError::Webhook(e.to_string()))?;
        Ok(Self {
            client,
            secret: config.secret.clone(),
            link_base: config.link_base.clone(),
            allow_plain_loopback: config.allow_plain_loopback,
            clock,
        })
    }

    /// One attempt. The detail says what kind of failure it was, never what the receiver answered.
    pub async fn post(&self, page: &Page) -> (Outcome, String) {
        let Some(url) = self.allowed(&page.url) else {
            return (Outcome::Abandoned, "address not allowed: https, or http on this machine".to_owned());
        };
        let body = body(page, &self.link_base);
        let timestamp_s = self.clock.wall_ms().div_euclid(1_000);
        let id = page.notification_id.to_string();
        let signature = self.secret.sign(&id, timestamp_s, &body);
        let request = self.client.post(url).header("content-type", "application/json").header("webhook-id", id);
        let request = request.header("webhook-timestamp", timestamp_s).header("webhook-signature", signature);
        // The answer's body is dropped unread: nothing in it concerns us, and nothing in it can fill our memory.
        match request.header("painwatch-attempt", page.attempt).body(body).send().await {
            Ok(response) => judge(response.status()),
            Err(error) => (Outcome::Failed, failure(&error).to_owned()),
        }
    }

    fn allowed(&self, url: &str) -> Option<Url> {
        let url = Url::parse(url).ok()?;
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        match url.scheme() {
            "https" if !loopback || self.allow_plain_loopback => Some(url),
            "http" if loopback && self.allow_plain_loopback => Some(url),
            _ => None,
        }
    }
}

/// All that leaves the house: that there is something to see, how urgent, whose it is and where to log in.
fn body(page: &Page, link_base: &LinkBase) -> Vec<u8> {
    let body = serde_json::json!({
        "type": "alert.raised",
        "timestamp": page.raised_at.to_string(),
        "data": {
            "alert_id": page.alert_id.to_string(),
            "priority": page.priority.as_str(),
            "care_team": page.care_team,
            "url": link_base.alert(page),
        },
    });
    body.to_string().into_bytes()
}

fn judge(status: StatusCode) -> (Outcome, String) {
    let outcome = match status {
        status if status.is_success() => Outcome::Delivered,
        // Standard Webhooks: the receiver wants nothing more at this address.
        StatusCode::GONE => Outcome::Abandoned,
        _ => Outcome::Failed,
    };
    (outcome, format!("HTTP {}", status.as_u16()))
}

fn failure(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "broken exchange"
    }
}
