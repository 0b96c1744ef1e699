//! Configuration: defaults < file < environment < flags. An unknown key is an error that names the nearest known one.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use painwatch_ingest::GrpcLimits;
use painwatch_ingest::http::HttpLimits;
use painwatch_proto::json::nearest;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::canary::CanaryConfig;
use crate::security::{Listen, TlsConfig};

/// The defaults, as a file a person can read.
const DEFAULTS: &str = include_str!("config.default.toml");

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Config {
    pub data: PathBuf,
    pub ingest: Ingest,
    pub http: Http,
    pub admin: Listener,
    pub listen: Listen,
    pub tls: TlsConfig,
    pub canary: CanaryConfig,
    pub journal: Journal,
    pub store: Url,
    pub lake: Url,
    pub processor: Processor,
    pub alerts: Alerts,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Ingest {
    pub verdict_timeout_ms: u64,
    pub patience_ms: u64,
    pub max_payload_bytes: usize,
    pub limits: Limits,
    pub payload: Payload,
    pub mqtt: Mqtt,
    pub grpc: Grpc,
}

/// What one payload may hold; what each is for says the file of defaults.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Payload {
    pub readings: usize,
    pub samples_per_series: usize,
    pub depth: usize,
    pub foreign_depth: usize,
}

impl Payload {
    /// As ingest takes them. Never more than as shipped: together they keep a journal record within its limit.
    pub fn limits(&self) -> painwatch_ingest_core::Limits {
        let most = painwatch_ingest_core::Limits::default();
        painwatch_ingest_core::Limits {
            max_readings: self.readings.min(most.max_readings),
            max_samples_per_series: self.samples_per_series.min(most.max_samples_per_series),
            max_depth: self.depth.min(most.max_depth),
            max_foreign_depth: self.foreign_depth.min(most.max_foreign_depth),
            ..most
        }
    }
}

/// Limits of the gRPC listener; what each is for says the file of defaults.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Grpc {
    pub listen: SocketAddr,
    pub max_message_bytes: usize,
    pub compression_ratio: usize,
    pub concurrent_streams: u32,
    pub header_list_bytes: u32,
    pub pending_resets: usize,
    pub error_resets: usize,
    pub keepalive_ms: u64,
    pub keepalive_timeout_ms: u64,
    pub first_call_deadline_ms: u64,
    pub idle_timeout_ms: u64,
    pub call_deadline_ms: u64,
    pub connections: usize,
    pub connections_per_address: usize,
    pub connects_per_s: NonZeroU32,
    pub open_calls: usize,
    pub stream_batches: usize,
    pub stream_bytes: usize,
}

impl Grpc {
    /// As ingest takes them. What is 0 would stop everything: it is 1.
    pub fn limits(&self) -> GrpcLimits {
        GrpcLimits {
            max_message_bytes: self.max_message_bytes,
            compression_ratio: self.compression_ratio.max(1),
            concurrent_streams: self.concurrent_streams.max(1),
            header_list_bytes: self.header_list_bytes,
            pending_resets: self.pending_resets,
            error_resets: self.error_resets,
            keepalive_interval: Duration::from_millis(self.keepalive_ms.max(1)),
            keepalive_timeout: Duration::from_millis(self.keepalive_timeout_ms.max(1)),
            first_call_deadline: Duration::from_millis(self.first_call_deadline_ms.max(1)),
            idle_timeout: Duration::from_millis(self.idle_timeout_ms.max(1)),
            call_deadline: Duration::from_millis(self.call_deadline_ms.max(1)),
            connections: self.connections.max(1),
            connections_per_address: self.connections_per_address.max(1),
            connects_per_s: self.connects_per_s,
            open_calls: self.open_calls,
            stream_batches: self.stream_batches.max(1),
            stream_bytes: self.stream_bytes.max(1),
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Mqtt {
    pub listen: SocketAddr,
    pub broker: String,
    pub broker_client_id: String,
    pub broker_password_file: PathBuf,
    pub broker_ca_file: PathBuf,
    pub broker_packet_bytes: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Limits {
    pub connections: usize,
    pub connect_deadline_ms: u64,
    pub session_bytes: usize,
    #[serde(flatten)]
    pub mqtt: painwatch_ingest::mqtt::MqttLimits,
}

/// Listener of the console, the API and `POST /api/v1/readings`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Http {
    pub listen: SocketAddr,
    pub head_deadline_ms: u64,
    pub body_deadline_ms: u64,
    pub connections: usize,
    pub connections_per_address: usize,
    pub connects_per_s: NonZeroU32,
}

impl Http {
    /// As ingest takes them. What is 0 would stop everything: it is 1.
    pub fn limits(&self) -> HttpLimits {
        HttpLimits {
            head_deadline: Duration::from_millis(self.head_deadline_ms.max(1)),
            body_deadline: Duration::from_millis(self.body_deadline_ms.max(1)),
            connections: self.connections.max(1),
            connections_per_address: self.connections_per_address.max(1),
            connects_per_s: self.connects_per_s,
        }
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Listener {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Journal {
    pub url: String,
    pub segment_bytes: u64,
    pub byte_limit: u64,
    pub tick_ms: u64,
    pub fsync: bool,
}

#[derive(Clone, Deserialize, Serialize)]
pub struct Url {
    pub url: String,
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Url").field("url", &masked(&self.url)).finish()
    }
}

/// A URL without what only its reader's machine should know: `postgres://user:…@host/database`. The last `@` before the path
/// ends the password, which may hold others.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let query = path.split_once('?').filter(|(_, query)| query.contains("password="));
    let path = query.map_or_else(|| path.to_owned(), |(path, _)| format!("{path}?…"));
    let authority = match authority.rsplit_once('@') {
        Some((who, host)) => format!("{}:…@{host}", who.split(':').next().unwrap_or_default()),
        None => authority.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Processor {
    pub block_cache_bytes: usize,
    pub checkpoint_ms: i64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Alerts {
    pub webhook_timeout_ms: u64,
}

impl Config {
    /// Reads the defaults, `file` (or `painwatch.toml` where it exists) and `environment`.
    ///
    /// # Errors
    /// Unreadable or malformed file, unknown key, value of the wrong type: each named.
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let mut merged: Table = DEFAULTS.parse().context("built-in defaults")?;
        let implicit = Path::new("painwatch.toml");
        if let Some(path) = file.or_else(|| implicit.exists().then_some(implicit)) {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let given: Table = text.parse().with_context(|| format!("{}", path.display()))?;
            merge(&mut merged, given, "").with_context(|| format!("{}", path.display()))?;
        }
        for (name, value) in environment {
            if let Some(path) = name.strip_prefix("PAINWATCH__") {
                merge(&mut merged, nested(&path.to_lowercase(), &value), "")
                    .with_context(|| format!("environment {name}"))?;
            }
        }
        Value::Table(merged).try_into().context("configuration")
    }

    /// As it may be shown: passwords in URLs are masked.
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        for url in [&mut shown.store.url, &mut shown.lake.url, &mut shown.journal.url] {
            *url = masked(url);
        }
        shown
    }

    pub fn journal_dir(&self) -> PathBuf {
        self.located(&self.journal.url, "file:", "journal")
    }

    pub fn lake_dir(&self) -> PathBuf {
        self.located(&self.lake.url, "file:", "lake")
    }

    pub fn store_url(&self) -> String {
        if self.store.url.is_empty() {
            format!("sqlite:{}", self.data.join("painwatch.db").display())
        } else {
            self.store.url.clone()
        }
    }

    fn located(&self, url: &str, scheme: &str, default: &str) -> PathBuf {
        if url.is_empty() { self.data.join(default) } else { PathBuf::from(url.strip_prefix(scheme).unwrap_or(url)) }
    }
}

/// `ingest__mqtt__listen` = `x` as a nested table; numbers and booleans become what they look like.
fn nested(path: &str, text: &str) -> Table {
    let leaf = text.parse::<i64>().map(Value::Integer).or_else(|_| text.parse::<bool>().map(Value::Boolean));
    let mut value = leaf.unwrap_or_else(|_| Value::String(text.to_owned()));
    for key in path.rsplit("__") {
        value = Value::Table(Table::from_iter([(key.to_owned(), value)]));
    }
    match value {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}

/// Lays `given` over `base`, whose keys are all there are.
fn merge(base: &mut Table, given: Table, at: &str) -> Result<()> {
    for (key, value) in given {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (base.get_mut(&key), value) {
            (None, _) => match nearest(&key, base.keys().map(String::as_str)) {
                Some(known) => bail!("unknown key {path:?}; did you mean {known:?}?"),
                None => {
                    bail!("unknown key {path:?}; known here: {}", base.keys().cloned().collect::<Vec<_>>().join(", "))
                }
            },
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value, &path)?,
            (Some(Value::Table(_)), _) => bail!("{path} is a section, not a value"),
            (Some(slot), value) => {
                if slot.type_str() != value.type_str() {
                    bail!("{path} is a {}, expected a {}", value.type_str(), slot.type_str());
                }
                *slot = value;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn with_environment(pairs: &[(&str, &str)]) -> Result<Config> {
        Config::load(None, pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_environment_wins_over_the_defaults() {
        let config = with_environment(&[("PAINWATCH__INGEST__MQTT__LISTEN", "127.0.0.1:0")]).unwrap();
        assert_eq!(config.ingest.mqtt.listen.port(), 0);
        assert_eq!(config.ingest.grpc.listen.port(), 50051);
        assert_eq!(config.ingest.grpc.limits(), GrpcLimits::default());
    }

    #[test]
    fn a_password_in_a_url_is_shown_to_nobody() {
        let given = "postgres://painwatch:s3cr@t:x@db.example/painwatch?sslmode=verify-full";
        let config = with_environment(&[("PAINWATCH__STORE__URL", given)]).unwrap();
        let shown = toml::to_string(&config.shown()).unwrap();
        let debug = format!("{config:?}");
        assert!(shown.contains("postgres://painwatch:…@db.example/painwatch?sslmode=verify-full"), "{shown}");
        assert!(!shown.contains("s3cr") && !debug.contains("s3cr") && !debug.contains("t:x"));
        assert_eq!(config.store_url(), given);
        for plain in ["", "file:journal", "sqlite:painwatch.db", "nats://hub:4222", "s3://bucket/lake"] {
            assert_eq!(masked(plain), plain);
        }
        assert_eq!(masked("postgres://h/db?user=u&password=p"), "postgres://h/db?…");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_nearest_known_one() {
        let error = format!("{:#}", with_environment(&[("PAINWATCH__INGEST__MQTT__LISTN", "x")]).unwrap_err());
        assert!(error.contains("ingest.mqtt.listn") && error.contains("\"listen\""), "{error}");
    }

    #[test]
    fn the_limits_of_the_file_are_those_of_the_code_and_none_may_be_zero_that_would_stop_everything() {
        let limits = with_environment(&[]).unwrap().ingest.limits;
        let code = painwatch_ingest::IngestLimits::default();
        assert_eq!(toml::to_string(&limits.mqtt).unwrap(), toml::to_string(&code.mqtt).unwrap());
        assert_eq!((limits.connections, limits.session_bytes), (code.connections, code.session_bytes));
        let payload = with_environment(&[]).unwrap().ingest.payload;
        assert_eq!(payload.limits(), code.payload);
        assert_eq!(Payload { readings: 10_001, ..payload.clone() }.limits(), code.payload);
        assert_eq!(Payload { readings: 9_999, ..payload }.limits().max_readings, 9_999);
        assert_eq!(with_environment(&[]).unwrap().http.limits(), HttpLimits::default());
        assert_eq!(u128::from(limits.connect_deadline_ms), code.connect_deadline.as_millis());
        for key in ["RECEIVE_MAXIMUM", "KEEP_ALIVE_S", "CONNECTS_PER_S", "DEVICE_MESSAGES_PER_S"] {
            assert!(with_environment(&[(&format!("PAINWATCH__INGEST__LIMITS__{key}"), "0")]).is_err(), "{key}");
        }
    }
}
