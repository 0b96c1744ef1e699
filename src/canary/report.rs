//! What the canaries saw last, for metrics in this process and for commands in others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::report_file;
use super::watch::{Input, Moment, Watch};

/// The last probe of one input. Times are UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub input: String,
    /// When the last probe was sent, and how long it took.
    pub asked_ms: i64,
    pub took_ms: i64,
    /// When one last came back; absent when none has since the start.
    pub answered_ms: Option<i64>,
    /// Since then in a row came to nothing, the last for this reason.
    pub missed: u64,
    pub why: String,
    /// From when on without an answer it counts as dead.
    pub dead_after_ms: i64,
}

impl Seen {
    pub(super) fn of(input: Input, watch: &Watch, asked: Moment, now: Moment, failure: Option<String>) -> Self {
        Self {
            input: input.as_str().to_owned(),
            asked_ms: asked.wall_ms,
            took_ms: now.monotonic_ms - asked.monotonic_ms,
            answered_ms: watch.answered_ms(),
            missed: watch.missed,
            why: failure.unwrap_or_default(),
            dead_after_ms: watch.dead_after_ms(),
        }
    }

    /// How long ago it answered; `None` when it never has.
    pub fn age_ms(&self, now_ms: i64) -> Option<i64> {
        self.answered_ms.map(|answered| (now_ms - answered).max(0))
    }

    /// Also when nobody asks any more: then it is not known to live.
    pub fn is_alive(&self, now_ms: i64) -> bool {
        self.age_ms(now_ms).is_some_and(|age| age < self.dead_after_ms)
    }
}

impl Seen {
    /// It has not had the time yet to be dead.
    pub fn is_new(&self, now_ms: i64) -> bool {
        self.answered_ms.is_none() && now_ms - self.asked_ms < self.dead_after_ms && self.missed < 3
    }
}

/// Kept in memory and in a file that is replaced as a whole. It is news, not a record: it is not synced.
pub struct Report {
    file: PathBuf,
    seen: Mutex<BTreeMap<String, Seen>>,
}

impl Report {
    pub fn below(data: &Path) -> Self {
        Self { file: report_file(data), seen: Mutex::default() }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn note(&self, seen: Seen) {
        let mut all = self.lock();
        all.insert(seen.input.clone(), seen);
        if let Err(error) = self.write(&all) {
            tracing::warn!(%error, "what the canaries saw cannot be written down");
        }
    }

    pub(super) fn remove(&self) {
        let _ = std::fs::remove_file(&self.file);
    }

    fn write(&self, all: &BTreeMap<String, Seen>) -> std::io::Result<()> {
        let draft = self.file.with_extension("draft");
        std::fs::write(&draft, serde_json::to_vec(&all.values().collect::<Vec<_>>())?)?;
        std::fs::rename(&draft, &self.file)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the server on this data directory left; nothing where there is none, or where it sends no canaries.
pub fn read(data: &Path) -> Vec<Seen> {
    let text = std::fs::read(report_file(data)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(input: &str, answered_ms: Option<i64>) -> Seen {
        Seen {
            input: input.to_owned(),
            asked_ms: 100_000,
            took_ms: 3,
            answered_ms,
            missed: 0,
            why: String::new(),
            dead_after_ms: 45_000,
        }
    }

    #[test]
    fn another_process_reads_what_was_seen_last_and_sees_it_grow_old() {
        let dir = tempfile::tempdir().unwrap();
        let report = Report::below(dir.path());
        assert!(read(dir.path()).is_empty());
        report.note(seen("mqtt", None));
        report.note(seen("grpc", Some(90_000)));
        report.note(seen("mqtt", Some(100_000)));
        let told = read(dir.path());
        assert_eq!(told, report.seen());
        assert_eq!(told.iter().map(|seen| seen.input.as_str()).collect::<Vec<_>>(), ["grpc", "mqtt"]);
        assert!(told[1].is_alive(144_999) && !told[1].is_alive(145_000) && !seen("http", None).is_alive(0));
        report.remove();
        assert!(read(dir.path()).is_empty());
    }
}
