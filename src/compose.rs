//! Puts the program together: the only file that names concrete engines.

mod listen;

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use painwatch_access::tls::Security;
use painwatch_access::{Access, Secret};
use painwatch_alerts::{Alerts, LinkBase, Opened, WebhookConfig, WebhookSecret};
use painwatch_console::Console;
use painwatch_domain::{Clock, JournalTime, Offset, TenantId};
use painwatch_ingest::{Admission, IngestHandle, IngestLimits, who_may_order};
use painwatch_journal::file::{FileJournal, Options};
use painwatch_journal::{AppendOptions, Appended, Class, Journal, NewRecord};
use painwatch_processor::ProcessorHandle;
use painwatch_proto::journal::v1 as pb;
use painwatch_store::Store;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::{Figures, JournalFigures};
use crate::canary;
use crate::clock::DrivenClock;
use crate::config::Config;
use crate::redrive::Redrive;
use crate::{roster, security};

/// Version of the logic that findings are written by (semantics 21).
pub const LOGIC_VERSION: u32 = 1;
/// How often hot rows are looked over for the lake.
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// How long a stop waits for what is durable to reach the tables; the rest is applied at the next start.
const DRAIN: Duration = Duration::from_secs(5);

/// Called once an alert that did not exist before is committed.
pub type OnOpened = Box<dyn Fn(&Opened) + Send + Sync>;

/// What the caller decides and the configuration does not.
pub struct Wiring {
    pub clock: Arc<dyn Clock>,
    pub on_opened: Option<OnOpened>,
    /// Doors and console; without them only the services behind the journal run.
    pub listen: bool,
    /// Appends ticks in real time; the demo drives its own.
    pub ticks: bool,
    /// Probes every input, if the configuration wants it. Not where the clock is driven: time would stand still between a
    /// probe and its verdict.
    pub canaries: bool,
}

/// Addresses of a running server, for commands on the same machine: `<data>/server.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Addresses {
    pub mqtt: SocketAddr,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    #[serde(default)]
    pub admin: Option<SocketAddr>,
    /// Whether they speak TLS; `admin` on loopback never does.
    #[serde(default)]
    pub tls: bool,
}

/// The running services.
pub struct System {
    pub journal: Arc<dyn Journal>,
    figures: Figures,
    pub store: Arc<dyn Store>,
    pub access: Arc<Access>,
    pub processor: ProcessorHandle,
    pub alerts_applied: watch::Receiver<Offset>,
    pub ingest: Option<IngestHandle>,
    pub addresses: Option<Addresses>,
    /// What a person compares: SHA-256 of the server certificate, where TLS is spoken.
    pub fingerprint: Option<String>,
    pub console: Option<Console>,
    /// What they saw; nothing where none are sent.
    pub canaries: Arc<canary::Report>,
    stop_processor: watch::Sender<bool>,
    stop: CancellationToken,
    tasks: Vec<Service>,
    data: PathBuf,
}

/// By its name, and what it ends with.
type Service = (&'static str, JoinHandle<Result<()>>);

/// Opens the engines, recovers, and starts every service.
///
/// # Errors
/// What cannot be opened, read or bound, and where.
pub async fn start(config: &Config, wiring: Wiring) -> Result<System> {
    create_private(&config.data).with_context(|| format!("cannot create {}", config.data.display()))?;
    let file_journal = open_journal(config, &wiring)?;
    let journal: Arc<dyn Journal> = Arc::clone(&file_journal) as _;
    let store = painwatch_store::open(&config.store_url(), &config.lake_dir()).await?;
    let epoch = store.take_ownership().await?;
    announce_logic(&*journal).await?;
    let begin = journal.next_offset();
    let access = Arc::new(Access::open(&config.data)?);
    let mut tasks: Vec<Service> = Vec::new();
    let stop = CancellationToken::new();

    let (stop_processor, stopped) = watch::channel(false);
    let deps = painwatch_processor::Deps {
        journal: Arc::clone(&journal),
        store: Arc::clone(&store),
        clock: Arc::clone(&wiring.clock),
        epoch,
        parse_roster: roster::parse,
    };
    let (processor, task) = painwatch_processor::run(deps, limits_of_processor(config), stopped).await?;
    tasks.push(("processor", task));
    // The doors open once everything that was durable before this start has been applied.
    wait_until(&mut processor.applied.clone(), begin, tasks.last_mut().map(|(_, task)| task)).await?;

    let security = if wiring.listen { security::open(config, &wiring.clock)? } else { Security::default() };
    let http = if wiring.listen { Some(bind("http.listen", config.http.listen)?) } else { None };
    let link = http.as_ref().and_then(|listener| listener.local_addr().ok()).unwrap_or(config.http.listen);
    let deps = painwatch_alerts::Deps {
        journal: Arc::clone(&journal),
        store: Arc::clone(&store),
        epoch,
        clock: Arc::clone(&wiring.clock),
        logic_version: LOGIC_VERSION,
        parse_roster: |text| roster::parse(text, &TenantId::default()).map_err(|error| format!("{error:#}")),
        webhook: webhook(config, link)?,
        on_opened: wiring.on_opened,
    };
    let (alerts, alerts_handle) = Alerts::recover(deps).await?;
    let stopping = stop.clone().cancelled_owned();
    tasks.push(("alerts", tokio::spawn(async move { Ok(alerts.run(stopping).await?) })));
    tasks.push(("lake", tokio::spawn(flush_regularly(Arc::clone(&store), stop.clone()))));

    let mut system = System {
        journal,
        figures: Arc::new(move || JournalFigures {
            writer: file_journal.figures(),
            used_bytes: file_journal.used_bytes(),
        }),
        store,
        access,
        processor,
        alerts_applied: alerts_handle.applied,
        ingest: None,
        addresses: None,
        fingerprint: security.tls.as_ref().map(|tls| tls.fingerprint()),
        console: None,
        canaries: Arc::new(canary::Report::below(&config.data)),
        stop_processor,
        stop,
        tasks,
        data: config.data.clone(),
    };
    if let Some(http) = http {
        tell_of_links(config, &system.processor);
        system.listen(config, (&wiring.clock, wiring.canaries), http, security).await?;
    }
    Ok(system)
}

const fn limits_of_processor(config: &Config) -> painwatch_processor::Config {
    painwatch_processor::Config {
        block_cache_bytes: config.processor.block_cache_bytes,
        checkpoint_ms: config.processor.checkpoint_ms,
    }
}

fn webhook(config: &Config, link: SocketAddr) -> Result<WebhookConfig> {
    Ok(WebhookConfig {
        secret: webhook_secret(&config.data)?,
        link_base: LinkBase(config.http.link(link, config.tls.is_on())),
        timeout: Duration::from_millis(config.alerts.webhook_timeout_ms),
        allow_plain_loopback: true,
    })
}

/// Pages that lead nowhere look like pages that do.
fn tell_of_links(config: &Config, processor: &ProcessorHandle) {
    let somebody = !processor.rosters.borrow().of(&TenantId::default()).contacts.is_empty();
    if somebody && config.http.link_is_a_guess() {
        tracing::warn!(
            "pages link to the address of http.listen: set http.public_url to where people reach the console"
        );
    }
}

/// The directory holds health data: nobody but its owner looks in.
pub fn create_private(data: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data)
}

fn open_journal(config: &Config, wiring: &Wiring) -> Result<Arc<FileJournal>> {
    let options = Options {
        segment_bytes: config.journal.segment_bytes,
        byte_limit: config.journal.byte_limit,
        fsync: config.journal.fsync,
        tick_after_ms: wiring.ticks.then_some(config.journal.tick_ms),
        ..Options::new(Arc::clone(&wiring.clock))
    };
    let journal = FileJournal::open(config.journal_dir(), options).context("journal")?;
    Ok(Arc::new(journal))
}

/// Journal time of the newest record of a data directory; `None` where there is no journal yet.
///
/// # Errors
/// The journal cannot be opened.
pub fn last_journal_time(config: &Config) -> Result<Option<JournalTime>> {
    if !config.journal_dir().exists() {
        return Ok(None);
    }
    let still: Arc<dyn Clock> = Arc::new(DrivenClock::at(0));
    let journal = FileJournal::open(config.journal_dir(), Options { tick_after_ms: None, ..Options::new(still) })?;
    Ok(Some(journal.last_journal_time()))
}

/// Each start says which logic writes from here on (semantics 21).
async fn announce_logic(journal: &dyn Journal) -> Result<()> {
    let message = pb::LogicVersion { logic: LOGIC_VERSION, program: env!("CARGO_PKG_VERSION").to_owned() };
    append(journal, Class::LogicVersion, message.encode_to_vec()).await.map(|_| ())
}

/// Appends one record of our own to the journal and returns its offset.
///
/// # Errors
/// The journal refuses it or cannot say.
pub async fn append(journal: &dyn Journal, class: Class, payload: Vec<u8>) -> Result<Offset> {
    append_of(journal, TenantId::default(), class, payload).await
}

/// Appends one record of a clinic.
///
/// # Errors
/// As [`append`].
pub async fn append_of(journal: &dyn Journal, tenant: TenantId, class: Class, payload: Vec<u8>) -> Result<Offset> {
    let record = NewRecord { class, tenant, key_id: 0, logic_version: LOGIC_VERSION, payload: payload.into() };
    match journal.append(vec![record], AppendOptions { reserved: true, expect: None }).await {
        Appended::Durable { first, .. } => Ok(first),
        other => bail!("the journal did not take a record: {other:?}"),
    }
}

fn bind(key: &str, address: SocketAddr) -> Result<TcpListener> {
    painwatch_ingest::run::listener(address).with_context(|| format!("cannot listen on {key} = {address}"))
}

/// A secret of this installation for signing webhooks, made at the first start: `<data>/webhook.secret` (0600).
fn webhook_secret(data: &Path) -> Result<WebhookSecret> {
    let path = data.join("webhook.secret");
    if !path.exists() {
        let fresh = WebhookSecret::format(&Secret::random(32).reveal().as_bytes()[..32]);
        write_secret(data, &path, &fresh).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    WebhookSecret::parse(text.trim()).with_context(|| format!("{}", path.display()))
}

/// Under its name it is whole, even if the power goes now.
fn write_secret(data: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    std::fs::File::open(data)?.sync_all()
}

async fn flush_regularly(store: Arc<dyn Store>, stop: CancellationToken) -> Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(FLUSH_EVERY) => {}
        }
        if let Err(error) = store.flush_lake(false).await {
            tracing::warn!(%error, "moving rows to the lake failed; trying again in a minute");
        }
    }
}

/// Returns once `applied` has reached `target`; with the task's error if it ends before.
async fn wait_until(
    applied: &mut watch::Receiver<Offset>,
    target: Offset,
    task: Option<&mut JoinHandle<Result<()>>>,
) -> Result<()> {
    let reached = applied.wait_for(|applied| *applied >= target);
    let Some(task) = task else { return reached.await.map(|_| ()).context("service ended") };
    tokio::select! {
        reached = reached => reached.map(|_| ()).context("service ended"),
        ended = task => ended?.and_then(|()| bail!("service ended")),
    }
}

impl System {
    fn redrive_with(&self, admission: Arc<Admission>) -> Redrive {
        Redrive { store: Arc::clone(&self.store), admission, applied: self.processor.applied.clone() }
    }

    /// Submits again what is in quarantine, where no server runs to be asked.
    pub fn redrive(&self, clock: Arc<dyn Clock>) -> Redrive {
        let (journal, rosters) = (Arc::clone(&self.journal), self.processor.rosters.clone());
        let admission = Admission::new(journal, clock, rosters, Arc::default(), IngestLimits::default().budget_bytes);
        let admission = admission.with_clocks(self.processor.clocks.clone());
        self.redrive_with(Arc::new(admission.with_orders_of(who_may_order(&self.access))))
    }

    /// Waits until everything that is durable now is in the tables, findings and alerts included.
    ///
    /// # Errors
    /// A service ended.
    pub async fn settle(&mut self) -> Result<()> {
        loop {
            let end = self.journal.next_offset();
            self.healthy()?;
            let reached = async {
                self.processor.applied.clone().wait_for(|applied| *applied >= end).await.context("processor ended")?;
                self.alerts_applied.clone().wait_for(|applied| *applied >= end).await.context("alerts ended")?;
                anyhow::Ok(())
            };
            reached.await?;
            if self.journal.next_offset() == end {
                return Ok(());
            }
        }
    }

    /// # Errors
    /// A service that ended by itself.
    pub fn healthy(&self) -> Result<()> {
        match self.tasks.iter().find(|(name, task)| *name != "lake" && task.is_finished()) {
            Some((name, _)) => bail!("{name} ended; the log says why"),
            None => Ok(()),
        }
    }

    /// Returns when a service ends by itself.
    pub async fn failed(&mut self) -> anyhow::Error {
        first_ended(&mut self.tasks).await
    }

    /// Stops taking readings, finishes what is durable, writes a checkpoint and ends every service.
    ///
    /// # Errors
    /// The first error a service ended with.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        if let Some(ingest) = self.ingest.take() {
            ingest.stopped().await;
        }
        let end = self.journal.next_offset();
        let drained = self.processor.applied.wait_for(|applied| *applied >= end);
        // A processor that failed says why below.
        let _ = tokio::time::timeout(DRAIN, drained).await;
        self.stop_processor.send_replace(true);
        let mut result = Ok(());
        for (name, task) in self.tasks {
            let ended = tokio::time::timeout(Duration::from_secs(10), task).await;
            let ended = ended.map_err(|_| anyhow::anyhow!("{name} did not stop within 10 s"));
            let ended = ended.and_then(|joined| joined?.context(name));
            result = result.and(ended);
        }
        let _ = std::fs::remove_file(self.data.join("server.json"));
        result
    }
}

/// Why the first that ends has ended. It is no longer among the services: what it ended with can be asked for once.
async fn first_ended(services: &mut Vec<Service>) -> anyhow::Error {
    loop {
        if let Some(ended) = services.iter().position(|(_, task)| task.is_finished()) {
            let (name, task) = services.remove(ended);
            return match task.await {
                Ok(Err(error)) => error.context(name),
                Ok(Ok(())) => anyhow::anyhow!("{name} ended"),
                Err(error) => anyhow::anyhow!("{name}: {error}"),
            };
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_that_ended_is_asked_once_why_and_the_others_can_still_be_awaited() {
        let failing = tokio::spawn(async { bail!("no more files") });
        let lasting = tokio::spawn(async { Ok(()) });
        let mut services = vec![("processor", failing), ("alerts", lasting)];
        let why = first_ended(&mut services).await;
        assert_eq!(format!("{why:#}"), "processor: no more files");
        for (_, task) in services {
            task.await.expect("not awaited before").expect("it ended well");
        }
    }
}
