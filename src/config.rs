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
    pub public_url: String,
    pub head_deadline_ms: u64,
    pub max_body_bytes: usize,
    pub body_deadline_ms: u64,
    pub connections: usize,
    pub connections_per_address: usize,
    pub connects_per_s: NonZeroU32,
}

impl Http {
    /// Where people reach the console, for links in pages; `address` is where we listen.
    pub fn link(&self, address: SocketAddr, tls: bool) -> String {
        if self.public_url.is_empty() {
            format!("{}://{address}", if tls { "https" } else { "http" })
        } else {
            self.public_url.clone()
        }
    }

    /// Nobody was told how people reach the console, and the address we listen on need not lead there.
    pub const fn link_is_a_guess(&self) -> bool {
        self.public_url.is_empty() && !self.listen.ip().is_loopback()
    }

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
                let given = nested(&path.to_lowercase(), &value, &merged);
                merge(&mut merged, given, "").with_context(|| format!("environment {name}"))?;
            }
        }
        let config: Self = Value::Table(merged).try_into().context("configuration")?;
        config.check_urls()?;
        Ok(config)
    }

    /// What no engine of this version opens would otherwise be the name of a directory.
    fn check_urls(&self) -> Result<()> {
        let (files, tables) = (&["file"][..], &["sqlite", "postgres", "postgresql"][..]);
        let (journal, lake, store) = (&self.journal.url, &self.lake.url, &self.store.url);
        for (key, url, known) in
            [("journal.url", journal, files), ("lake.url", lake, files), ("store.url", store, tables)]
        {
            if let Some(scheme) = scheme(url).filter(|scheme| !known.contains(scheme)) {
                let (shown, expected) = (masked(url), known.join(": or "));
                bail!("{key} = {shown:?}: {scheme}: is not supported by this version, expected {expected}:");
            }
        }
        if !store.is_empty() && scheme(store).is_none() {
            bail!("store.url = {store:?}: expected sqlite:FILE or postgres://…");
        }
        let public = &self.http.public_url;
        if !public.is_empty() && !["http", "https"].contains(&scheme(public).unwrap_or_default()) {
            bail!("http.public_url = {public:?}: expected an address such as https://painwatch.clinic.example");
        }
        Ok(())
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

/// `file` of `file:journal`. A name before a colon is one where it has two letters or more.
fn scheme(url: &str) -> Option<&str> {
    let (name, _) = url.split_once(':')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    (name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fits)).then_some(name)
}

/// `ingest__mqtt__listen` = `x` as a nested table, of the type that the key has in `base`. What cannot be that stays a text, and
/// is refused as one.
fn nested(path: &str, text: &str, base: &Table) -> Table {
    let mut keys = path.split("__");
    let slot = keys.next().and_then(|key| base.get(key));
    let slot = keys.fold(slot, |slot, key| slot.and_then(Value::as_table).and_then(|table| table.get(key)));
    let as_text = || Value::String(text.to_owned());
    let mut value = match slot {
        Some(Value::Integer(_)) => text.parse().map_or_else(|_| as_text(), Value::Integer),
        Some(Value::Boolean(_)) => text.parse().map_or_else(|_| as_text(), Value::Boolean),
        _ => as_text(),
    };
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
    fn a_text_of_digits_or_a_truth_is_a_text_where_the_key_is_one() {
        let config = with_environment(&[
            ("PAINWATCH__DATA", "2026"),
            ("PAINWATCH__INGEST__MQTT__BROKER_CLIENT_ID", "17"),
            ("PAINWATCH__TLS__NAMES", "true"),
            ("PAINWATCH__JOURNAL__FSYNC", "false"),
            ("PAINWATCH__CANARY__EVERY_MS", "17"),
        ])
        .unwrap();
        assert_eq!((config.data, config.ingest.mqtt.broker_client_id.as_str()), (PathBuf::from("2026"), "17"));
        assert_eq!((config.tls.names.as_str(), config.journal.fsync), ("true", false));
        let error = format!("{:#}", with_environment(&[("PAINWATCH__CANARY__EVERY_MS", "often")]).unwrap_err());
        assert!(error.contains("canary.every_ms is a string, expected a integer"), "{error}");
    }

    #[test]
    fn an_engine_that_this_version_does_not_have_is_refused_by_the_name_of_its_key() {
        for (key, url, said) in [
            ("JOURNAL", "nats://hub:4222", "journal.url = \"nats://hub:4222\": nats: is not supported by this version"),
            ("LAKE", "s3://bucket/lake", "lake.url = \"s3://bucket/lake\": s3: is not supported by this version"),
            ("STORE", "mysql://u:secret@hub/db", "store.url = \"mysql://u:…@hub/db\": mysql: is not supported"),
            ("STORE", "painwatch.db", "store.url = \"painwatch.db\": expected sqlite:FILE"),
        ] {
            let error = format!("{:#}", with_environment(&[(&format!("PAINWATCH__{key}__URL"), url)]).unwrap_err());
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
        for (key, url) in [
            ("JOURNAL", "file:journal"),
            ("JOURNAL", "/var/lib/painwatch/journal"),
            ("LAKE", "lake/2026:03"),
            ("STORE", "sqlite:painwatch.db"),
            ("STORE", "postgresql://hub/db"),
        ] {
            with_environment(&[(&format!("PAINWATCH__{key}__URL"), url)]).expect(url);
        }
    }

    #[test]
    fn pages_lead_where_people_reach_the_console_and_without_that_to_where_we_listen() {
        let address = "10.0.0.7:8080".parse().unwrap();
        let config = with_environment(&[("PAINWATCH__HTTP__LISTEN", "0.0.0.0:8080")]).unwrap();
        assert!(config.http.link_is_a_guess());
        assert_eq!(config.http.link(address, true), "https://10.0.0.7:8080");
        assert!(!with_environment(&[]).unwrap().http.link_is_a_guess());
        let public = ("PAINWATCH__HTTP__PUBLIC_URL", "https://painwatch.clinic.example");
        let config = with_environment(&[("PAINWATCH__HTTP__LISTEN", "0.0.0.0:8080"), public]).unwrap();
        assert!(!config.http.link_is_a_guess());
        assert_eq!(config.http.link(address, false), "https://painwatch.clinic.example");
        let error = with_environment(&[("PAINWATCH__HTTP__PUBLIC_URL", "painwatch.clinic.example")]).unwrap_err();
        assert!(error.to_string().contains("http.public_url"), "{error}");
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
