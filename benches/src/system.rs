//! The services as the program composes them, without the query engine and the console.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use painwatch_access::Access;
use painwatch_alerts::{Alerts, LinkBase, WebhookConfig, WebhookSecret};
use painwatch_domain::{Clock, Offset, Roster, TenantId};
use painwatch_ingest::{IngestConfig, IngestHandle};
use painwatch_journal::file::{FileJournal, Options};
use painwatch_journal::{AppendOptions, Appended, Class, Journal, NewRecord};
use painwatch_processor::ProcessorHandle;
use painwatch_proto::journal::v1::{Control, control::Action};
use painwatch_store::Store;
use prost::Message as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The operating system's clock.
pub struct SystemClock(Instant);

impl SystemClock {
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        since_epoch.as_millis() as i64
    }

    fn monotonic_ms(&self) -> i64 {
        self.0.elapsed().as_millis() as i64
    }
}

pub struct System {
    pub journal: Arc<dyn Journal>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub access: Access,
    pub ingest: IngestHandle,
    pub processor: ProcessorHandle,
    pub alerts_applied: watch::Receiver<Offset>,
    pub _dir: tempfile::TempDir,
    stop: CancellationToken,
    stop_processor: watch::Sender<bool>,
    tasks: Vec<JoinHandle<Result<()>>>,
}

/// Starts everything on a fresh directory below `dir`, with `roster` in force.
///
/// # Errors
/// Whatever does not start.
pub async fn start(dir: &Path, roster: fn(&str, &TenantId) -> Result<Roster>) -> Result<System> {
    start_in(tempfile::tempdir_in(dir)?, roster, IngestConfig::default()).await
}

/// As [`start`], in a data directory that is there already, with limits and security of its own.
///
/// # Errors
/// Whatever does not start.
pub async fn start_in(
    dir: tempfile::TempDir,
    roster: fn(&str, &TenantId) -> Result<Roster>,
    doors: IngestConfig,
) -> Result<System> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let journal: Arc<dyn Journal> =
        Arc::new(FileJournal::open(dir.path().join("journal"), Options::new(Arc::clone(&clock)))?);
    let url = format!("sqlite:{}", dir.path().join("painwatch.db").display());
    let store = painwatch_store::open(&url, &dir.path().join("lake")).await?;
    let epoch = store.take_ownership().await?;
    let (stop_processor, stopped) = watch::channel(false);
    let deps = painwatch_processor::Deps {
        journal: Arc::clone(&journal),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        epoch,
        parse_roster: roster,
    };
    let config = painwatch_processor::Config { block_cache_bytes: 256 << 20, checkpoint_ms: 30_000 };
    let (processor, task) = painwatch_processor::run(deps, config, stopped).await?;
    let mut tasks = vec![task];
    let stop = CancellationToken::new();
    let deps = painwatch_alerts::Deps {
        journal: Arc::clone(&journal),
        store: Arc::clone(&store),
        epoch,
        clock: Arc::clone(&clock),
        logic_version: 1,
        parse_roster: |text| crate::page::roster(text, &TenantId::default()).map_err(|error| error.to_string()),
        webhook: WebhookConfig {
            secret: WebhookSecret::parse(&WebhookSecret::format(&[7; 32]))?,
            link_base: LinkBase("http://127.0.0.1".to_owned()),
            timeout: Duration::from_secs(10),
            allow_plain_loopback: true,
        },
        on_opened: None,
    };
    let (alerts, handle) = Alerts::recover(deps).await?;
    let stopping = stop.clone().cancelled_owned();
    tasks.push(tokio::spawn(async move { Ok(alerts.run(stopping).await?) }));
    let any = "127.0.0.1:0".parse().ok();
    let deps = painwatch_ingest::Deps {
        journal: Arc::clone(&journal),
        access: Arc::new(Access::open(dir.path())?),
        clock: Arc::clone(&clock),
        rosters: processor.rosters.clone(),
        clocks: processor.clocks.clone(),
        store: Arc::clone(&store),
        applied: processor.applied.clone(),
    };
    let doors = IngestConfig { mqtt_listen: any, grpc_listen: any, ..doors };
    let ingest = painwatch_ingest::serve(doors, deps, stop.clone()).await?;
    let access = Access::open(dir.path())?;
    let alerts_applied = handle.applied;
    Ok(System {
        journal,
        store,
        clock,
        access,
        ingest,
        processor,
        alerts_applied,
        _dir: dir,
        stop,
        stop_processor,
        tasks,
    })
}

impl System {
    /// Journals a control record and waits until it is applied.
    ///
    /// # Errors
    /// The journal refuses it.
    pub async fn control(&self, action: Action) -> Result<()> {
        let control = Control {
            actor: "bench".to_owned(),
            wall_ms: self.clock.wall_ms(),
            idempotency_key: String::new(),
            action: Some(action),
        };
        let record = NewRecord {
            class: Class::Control,
            tenant: TenantId::default(),
            key_id: 0,
            logic_version: 1,
            payload: control.encode_to_vec().into(),
        };
        match self.journal.append(vec![record], AppendOptions { reserved: true, expect: None }).await {
            Appended::Durable { first, .. } => {
                self.processor.applied.clone().wait_for(|applied| *applied > first).await.context("processor")?;
                Ok(())
            }
            other => bail!("control record: {other:?}"),
        }
    }

    /// Waits until everything durable is applied.
    ///
    /// # Errors
    /// A service ended.
    pub async fn settle(&self) -> Result<()> {
        loop {
            let end = self.journal.next_offset();
            self.processor.applied.clone().wait_for(|applied| *applied >= end).await?;
            self.alerts_applied.clone().wait_for(|applied| *applied >= end).await?;
            if self.journal.next_offset() == end {
                return Ok(());
            }
        }
    }

    /// # Errors
    /// What a service ended with.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.ingest.stopped().await;
        self.stop_processor.send_replace(true);
        for task in self.tasks {
            task.await??;
        }
        Ok(())
    }
}
