//! The metrics page. Every label is one of a closed list of ours (S34); nothing is kept for it that is not kept anyway.

use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::{AlertState, Clock, Offset, Priority, TenantId};
use painwatch_ingest::mqtt::Endpoint;
use painwatch_ingest::{Ledger, Refusal, Tally};
use painwatch_journal::Journal;
use painwatch_journal::file::{FiguresRead, SYNC_BOUNDS_US};
use painwatch_processor::ProcessorHandle;
use painwatch_store::{AlertFilter, Consumer, Store};
use tokio::sync::watch;

use super::text::Page;
use crate::canary::Report;

/// Alerts looked at for one page; a clinic with more open ones has another problem.
const ALERTS_MAX: usize = 10_000;

/// What the journal does and takes.
pub struct JournalFigures {
    pub writer: FiguresRead,
    pub used_bytes: u64,
}

/// Asks the journal, whichever engine it is.
pub type Figures = Arc<dyn Fn() -> JournalFigures + Send + Sync>;

/// Where the figures are.
pub struct Sources {
    pub journal: Arc<dyn Journal>,
    pub figures: Figures,
    pub store: Arc<dyn Store>,
    pub processor: ProcessorHandle,
    pub alerts_applied: watch::Receiver<Offset>,
    pub ledger: Arc<Ledger>,
    pub mqtt: Arc<Endpoint>,
    pub canaries: Arc<Report>,
    /// The machine's clock.
    pub clock: Arc<dyn Clock>,
}

impl Sources {
    /// Records that the alert service has not looked at.
    pub fn alerts_lag(&self) -> u64 {
        self.lag(*self.alerts_applied.borrow())
    }

    fn lag(&self, applied: Offset) -> u64 {
        self.journal.next_offset().0.saturating_sub(applied.0)
    }

    /// # Errors
    /// The store cannot be read.
    pub async fn page(&self) -> Result<String> {
        let mut page = Page::default();
        let version = env!("CARGO_PKG_VERSION");
        page.gauge("build_info", "The program that runs.", &["version"]).sample(&[version], 1);
        self.inputs(&mut page);
        self.journal(&mut page);
        self.lags(&mut page).await?;
        self.alerts(&mut page).await?;
        process(&mut page);
        Ok(page.into_text())
    }

    fn inputs(&self, page: &mut Page) {
        let help = "Readings judged since the start, by the input they came through and the class they ended in.";
        let mut readings = page.counter("readings_total", help, &["input", "class"]);
        for (input, class, count) in self.processor.counts.read() {
            readings = readings.sample(&[input, class], count);
        }
        let help = "Submissions refused before they were durable, since the start.";
        let mut refused = page.counter("refused_total", help, &["reason"]);
        for why in Refusal::ALL {
            refused = refused.sample(&[why.as_str()], self.ledger.refused(*why));
        }
        let mut events =
            page.counter("ingest_events_total", "What happened at the inputs since the start.", &["event"]);
        for what in Tally::ALL {
            events = events.sample(&[what.as_str()], self.ledger.tally(*what));
        }
        let (connections, sessions) = self.mqtt.present();
        page.gauge("mqtt_connections", "Gateways connected over MQTT.", &[]).sample(&[], connections);
        page.gauge("mqtt_sessions", "MQTT sessions, with and without a connection.", &[]).sample(&[], sessions);
        let help = "How far the machine's wall clock is from our time: it stepped, and gateways have not said yet which is right.";
        page.gauge("clock_doubted_seconds", help, &[]).sample(&[], seconds(self.clock.doubted_ms()));
        self.canaries(page);
    }

    fn canaries(&self, page: &mut Page) {
        let (seen, now_ms) = (self.canaries.seen(), self.clock.wall_ms());
        let help = "Whether the input answered its canary lately.";
        let mut alive = page.gauge("canary_alive", help, &["input"]);
        for seen in &seen {
            alive = alive.sample(&[&seen.input], u8::from(seen.is_alive(now_ms)));
        }
        let help = "Since the input last answered a canary. An input that never has is not listed.";
        let mut age = page.gauge("canary_age_seconds", help, &["input"]);
        for (seen, age_ms) in seen.iter().filter_map(|seen| Some((seen, seen.age_ms(now_ms)?))) {
            age = age.sample(&[&seen.input], seconds(age_ms));
        }
        let mut took = page.gauge("canary_seconds", "How long the last canary took, to its verdict.", &["input"]);
        for seen in &seen {
            took = took.sample(&[&seen.input], seconds(seen.took_ms));
        }
    }

    fn journal(&self, page: &mut Page) {
        let JournalFigures { writer: figures, used_bytes: used } = (self.figures)();
        page.gauge("journal_bytes", "Bytes of the disk that the journal takes.", &[]).sample(&[], used);
        page.counter("journal_records_total", "Records written since the start.", &[]).sample(&[], figures.records);
        page.counter("journal_written_bytes_total", "Bytes written since the start.", &[]).sample(&[], figures.bytes);
        let bounds = SYNC_BOUNDS_US.map(|us| us as f64 / 1e6);
        let help = "How long the journal's fdatasync took; acknowledgements wait for it.";
        page.histogram("journal_sync_seconds", help, &bounds, &figures.syncs, figures.sync_total.as_secs_f64());
    }

    async fn lags(&self, page: &mut Page) -> Result<()> {
        let stored = self.store.applied(Consumer::Processor).await?.map_or(Offset(0), |applied| applied.next);
        let lags = [
            ("processor", *self.processor.applied.borrow()),
            ("store", stored),
            ("alerts", *self.alerts_applied.borrow()),
        ];
        let mut lag = page.gauge("lag_records", "Journal records not applied yet.", &["consumer"]);
        for (consumer, applied) in lags {
            lag = lag.sample(&[consumer], self.lag(applied));
        }
        Ok(())
    }

    async fn alerts(&self, page: &mut Page) -> Result<()> {
        let open = AlertFilter {
            tenant: TenantId::default(),
            states: vec![AlertState::Open],
            limit: ALERTS_MAX,
            ..AlertFilter::default()
        };
        let alerts = self.store.alerts(open).await?;
        let mut open = page.gauge("open_alerts", "Alerts that nobody has acknowledged.", &["priority"]);
        for priority in [Priority::High, Priority::Medium, Priority::Low, Priority::Info] {
            let count = alerts.iter().filter(|alert| alert.priority == priority).count();
            open = open.sample(&[priority.as_str()], count);
        }
        Ok(())
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

/// Linux tells; elsewhere these are left out.
fn process(page: &mut Page) {
    if let Some(bytes) = resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Memory of this process.", &[]).sample(&[], bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.gauge("process_open_fds", "Open files and connections.", &[]).sample(&[], open.count());
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
