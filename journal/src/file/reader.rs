//! What readers see: only what is durable. The writer publishes a new view after each sync.

use std::sync::{Arc, PoisonError, RwLock};

use painwatch_domain::{JournalTime, Offset};
use tokio::sync::watch;

use super::figures::Figures;
use super::segment::{Place, Segment};
use crate::JournalError;
use crate::record::Record;

/// The durable log at one moment. Segments removed later stay readable through it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub segments: Arc<[Arc<Segment>]>,
    pub end: Place,
    pub journal_time: JournalTime,
}

impl View {
    pub(crate) fn oldest(&self) -> Offset {
        self.segments.first().map_or(self.end.offset, |segment| segment.header.first)
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        let closed = &self.segments[..self.segments.len().saturating_sub(1)];
        closed.iter().map(|segment| segment.bytes).sum::<u64>() + self.end.byte
    }

    fn end_of(&self, index: usize) -> Place {
        match self.segments.get(index + 1) {
            Some(next) => {
                Place { offset: next.header.first, byte: self.segments[index].bytes, chain: next.header.chain }
            }
            None => self.end,
        }
    }

    pub(crate) fn read(&self, from: Offset, max_bytes: usize) -> Result<Vec<Record>, JournalError> {
        let oldest = self.oldest();
        if from < oldest {
            return Err(JournalError::Trimmed { asked: from, oldest });
        }
        let (mut from, mut room, mut out) = (from, max_bytes, Vec::new());
        let after = self.segments.partition_point(|segment| segment.header.first <= from);
        for index in after.saturating_sub(1)..self.segments.len() {
            if from >= self.end.offset || (room == 0 && !out.is_empty()) {
                break;
            }
            match self.read_segment(index, from, &mut room, &mut out) {
                Ok(next) => from = next,
                // What was read before the damage is sound; the next read, which starts at the damage, reports it.
                Err(_) if !out.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    fn read_segment(
        &self,
        index: usize,
        from: Offset,
        room: &mut usize,
        out: &mut Vec<Record>,
    ) -> Result<Offset, JournalError> {
        let (segment, end) = (&self.segments[index], self.end_of(index));
        segment.check_link()?;
        let at = segment.read(from, end, room, out)?;
        if at.offset == end.offset && at.chain != end.chain {
            self.segments[index + 1].break_link();
        }
        Ok(at.offset)
    }
}

/// Shared by the writer and every reader.
#[derive(Debug)]
pub(crate) struct Shared {
    view: RwLock<View>,
    grown: watch::Sender<Offset>,
    failure: watch::Sender<Option<Arc<str>>>,
    pub figures: Figures,
}

impl Shared {
    pub(crate) fn new(view: View) -> Self {
        let grown = watch::Sender::new(view.end.offset);
        Self { view: RwLock::new(view), grown, failure: watch::Sender::new(None), figures: Figures::default() }
    }

    pub(crate) fn view(&self) -> View {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn publish(&self, view: View) {
        let next = view.end.offset;
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view;
        self.grown.send_replace(next);
    }

    pub(crate) fn read(&self, from: Offset, max_bytes: usize) -> Result<Vec<Record>, JournalError> {
        self.view().read(from, max_bytes)
    }

    pub(crate) async fn wait_beyond(&self, beyond: Offset) {
        // The sender lives as long as this; it cannot be gone.
        let _ = self.grown.subscribe().wait_for(|next| *next > beyond).await;
    }

    pub(crate) fn fail(&self, why: &str) {
        self.failure.send_if_modified(|failure| failure.is_none().then(|| *failure = Some(why.into())).is_some());
    }

    pub(crate) async fn wait_failed(&self) -> Arc<str> {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_else(|| "closed".into()),
            Err(_) => "closed".into(),
        }
    }
}
