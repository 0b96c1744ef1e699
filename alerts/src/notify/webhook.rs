//! A page as a signed HTTP request.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use painwatch_alerts_core::{Outcome, Page};
use painwatch_domain::Clock;
use reqwest::{Url, redirect};

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

/// A page as it leaves the house: whoever carries it adds nothing.
#[derive(Clone, Debug)]
pub struct SignedPage {
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// The status of the answer, or what kind of failure it was.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<u16, &'static str>> + Send + 'a>>;

/// What carries a page to its receiver: HTTP in service, a simulated network in simulations.
pub trait Carrier: Send + Sync {
    fn post(&self, page: SignedPage) -> Answer<'_>;
}

pub struct Http(reqwest::Client);

impl Http {
    /// # Errors
    /// When TLS cannot be set up: no provider installed, no root certificates.
    pub fn new(config: &WebhookConfig) -> Result<Self, AlertsError> {
        // A redirect would carry the page to an address nobody configured; a proxy from the environment likewise.
        let builder = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy();
        let builder = builder.timeout(config.timeout).connect_timeout(CONNECT_TIMEOUT.min(config.timeout));
        builder.user_agent("painwatch").build().map(Self).map_err(|e| AlertsError::Webhook(e.to_string()))
    }
}

impl Carrier for Http {
    fn post(&self, page: SignedPage) -> Answer<'_> {
        let request = self.0.post(page.url).body(page.body);
        let request = page.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        // The answer's body is dropped unread: nothing in it concerns us, and nothing in it can fill our memory.
        Box::pin(async move {
            let answer = request.send().await;
            answer.map(|answer| answer.status().as_u16()).map_err(|error| failure(&error))
        })
    }
}

#[derive(Clone)]
pub struct Webhook {
    carrier: Arc<dyn Carrier>,
    secret: WebhookSecret,
    link_base: LinkBase,
    allow_plain_loopback: bool,
    clock: Arc<dyn Clock>,
}

/// To connect, apart from the time to answer: a dead host must not use up the whole attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Webhook {
    pub fn new(config: &WebhookConfig, carrier: Arc<dyn Carrier>, clock: Arc<dyn Clock>) -> Self {
        Self {
            carrier,
            secret: config.secret.clone(),
            link_base: config.link_base.clone(),
            allow_plain_loopback: config.allow_plain_loopback,
            clock,
        }
    }

    /// One attempt. The detail says what kind of failure it was, never what the receiver answered.
    pub async fn post(&self, page: &Page) -> (Outcome, String) {
        let Some(url) = self.allowed(&page.url) else {
            return (Outcome::Abandoned, "address not allowed: https, or http on this machine".to_owned());
        };
        let body = body(page, &self.link_base);
        let timestamp_s = self.clock.wall_ms().div_euclid(1_000);
        let id = page.notification_id.to_string();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-signature", self.secret.sign(&id, timestamp_s, &body)),
            ("webhook-id", id),
            ("webhook-timestamp", timestamp_s.to_string()),
            ("painwatch-attempt", page.attempt.to_string()),
        ];
        match self.carrier.post(SignedPage { url, headers, body }).await {
            Ok(status) => judge(status),
            Err(failure) => (Outcome::Failed, failure.to_owned()),
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

fn judge(status: u16) -> (Outcome, String) {
    let outcome = match status {
        200..=299 => Outcome::Delivered,
        // Gone, in Standard Webhooks: the receiver wants nothing more at this address.
        410 => Outcome::Abandoned,
        _ => Outcome::Failed,
    };
    (outcome, format!("HTTP {status}"))
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
