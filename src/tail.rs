//! What comes in, as it comes: batches and verdicts out of the journal, a line of JSON each, for `painwatch tail`.
//!
//! Never: the name of a patient; a value, unless it was asked for.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use painwatch_domain::time::format_utc;
use painwatch_domain::{DeviceId, GatewayId, Offset, Series, Value};
use painwatch_journal::{Class, Journal, JournalError, Record};
use painwatch_proto::journal::v1 as pb;
use painwatch_proto::record::decode_series;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes read from the journal at a time.
const READ_BYTES: usize = 1 << 20;
/// Lines made and not yet sent. Whoever reads slowly gets them later; nobody else waits.
const LINES: usize = 64;
/// Pause after the journal could not be read.
const RETRY: Duration = Duration::from_millis(500);

/// What to follow.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Wanted {
    /// From this offset on; without it from the newest record on.
    pub from: Option<u64>,
    /// Of this gateway only.
    pub gateway: Option<String>,
    /// With each value.
    #[serde(default)]
    pub values: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    Batch(BatchLine),
    Verdict(VerdictLine),
}

/// A durable submission.
#[derive(Debug, Deserialize, Serialize)]
pub struct BatchLine {
    pub offset: u64,
    pub received_at: String,
    pub gateway: String,
    pub protocol: String,
    pub batch_id: String,
    pub historical: bool,
    pub series: Vec<SeriesLine>,
    pub quarantined: Vec<Refused>,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct SeriesLine {
    pub device: String,
    pub measure: String,
    pub count: usize,
    pub first: String,
    pub last: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<(String, String)>,
}

#[derive(Debug, Deserialize, Serialize)]
pub struct Refused {
    pub quarantine_id: String,
    pub device: String,
    pub code: String,
    pub detail: String,
    pub count: u64,
}

/// What became of the submission at `cause`.
#[derive(Debug, Deserialize, Serialize)]
pub struct VerdictLine {
    pub cause: u64,
    pub batch_id: String,
    pub stored: u64,
    pub duplicate: u64,
    pub conflict: u64,
    pub quarantined: u64,
    pub problems: Vec<String>,
}

/// Lines from now on, until the reader goes away or the journal closes.
pub fn body(journal: Arc<dyn Journal>, wanted: Wanted) -> Body {
    let (sender, lines) = mpsc::channel(LINES);
    tokio::spawn(follow(journal, wanted, sender));
    Body::from_stream(ReceiverStream::new(lines).map(Ok::<_, std::convert::Infallible>))
}

async fn follow(journal: Arc<dyn Journal>, wanted: Wanted, sender: mpsc::Sender<Bytes>) {
    let mut position = wanted.from.map_or_else(|| journal.next_offset(), Offset);
    // The verdicts of these belong to the gateway that is followed.
    let mut mine = Mine::default();
    loop {
        tokio::select! {
            () = sender.closed() => return,
            () = journal.wait_beyond(position) => {}
        }
        let records = match journal.read(position, READ_BYTES).await {
            Ok(records) => records,
            Err(JournalError::Trimmed { oldest, .. }) => {
                position = oldest;
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "the journal cannot be followed");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        for record in records {
            position = record.offset.next();
            for line in lines(&record, &wanted, &mut mine) {
                let Ok(mut text) = serde_json::to_vec(&line) else { continue };
                text.push(b'\n');
                if sender.send(text.into()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Offsets of the newest batches that were shown.
#[derive(Default)]
struct Mine(std::collections::VecDeque<u64>);

/// Verdicts follow their batches within seconds.
const REMEMBERED: usize = 10_000;

impl Mine {
    fn add(&mut self, offset: u64) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(offset);
    }
}

fn lines(record: &Record, wanted: &Wanted, mine: &mut Mine) -> Vec<Line> {
    // Our own probes are shown to who asks for them.
    if record.tenant.is_canary() && wanted.gateway.as_deref() != Some(GatewayId::canary().as_str()) {
        return Vec::new();
    }
    match record.class {
        Class::Batch => {
            let batch = pb::Batch::decode(record.payload.clone()).ok();
            let of_gateway = |batch: &pb::Batch| wanted.gateway.as_ref().is_none_or(|wanted| *wanted == batch.gateway);
            let Some(batch) = batch.filter(of_gateway) else { return Vec::new() };
            mine.add(record.offset.0);
            vec![Line::Batch(batch_line(record.offset, batch, wanted.values))]
        }
        Class::Verdict => {
            let verdicts = pb::Verdicts::decode(record.payload.clone()).map(|verdicts| verdicts.verdicts);
            let shown = verdicts.unwrap_or_default().into_iter();
            let shown = shown.filter(|verdict| wanted.gateway.is_none() || mine.0.contains(&verdict.cause_offset));
            shown.map(|verdict| Line::Verdict(verdict_line(verdict))).collect()
        }
        _ => Vec::new(),
    }
}

fn batch_line(offset: Offset, batch: pb::Batch, values: bool) -> BatchLine {
    let series = batch.sections.iter().flat_map(series_of);
    let refused = batch.quarantined.into_iter().map(|item| Refused {
        quarantine_id: item.id,
        device: item.device,
        code: item.code,
        detail: item.detail,
        count: item.count,
    });
    BatchLine {
        offset: offset.0,
        received_at: format_utc(batch.received_at_ms),
        gateway: batch.gateway,
        protocol: batch.protocol,
        batch_id: batch.batch_id,
        historical: batch.historical,
        series: series.map(|series| series_line(&series, values)).collect(),
        quarantined: refused.collect(),
    }
}

fn series_of(section: &pb::DeviceSection) -> Vec<Series> {
    let readings = pb::DeviceReadings::decode(section.readings.clone()).ok();
    let decoded = DeviceId::parse(&section.device).ok().zip(readings);
    let entries = decoded.and_then(|(device, readings)| decode_series(&device, &readings).ok());
    entries.unwrap_or_default().into_iter().map(|entry| entry.series).collect()
}

fn series_line(series: &Series, values: bool) -> SeriesLine {
    let times = || series.samples.iter().map(|sample| sample.time.0);
    let stamp = |time: Option<i64>| time.map(format_utc).unwrap_or_default();
    let shown = series.samples.iter().filter(|_| values);
    SeriesLine {
        device: series.device.to_string(),
        measure: series.measure.name().to_owned(),
        count: series.samples.len(),
        first: stamp(times().min()),
        last: stamp(times().max()),
        values: shown.map(|sample| (format_utc(sample.time.0), value_text(series, &sample.value))).collect(),
    }
}

fn value_text(series: &Series, value: &Value) -> String {
    let number = |scaled: i64| series.measure.to_canonical(scaled);
    match value {
        Value::Number(scaled) => format!("{} {}", number(*scaled), series.measure.spec().unit).trim_end().to_owned(),
        Value::Pressure { systolic, diastolic } => {
            format!("{}/{} {}", number(*systolic), number(*diastolic), series.measure.spec().unit)
        }
        Value::Code(code) => code.to_string(),
        Value::Dose { amount: Some(amount), unit } => format!("{} {unit}", *amount as f64 / 1e3),
        Value::Dose { amount: None, .. } => "a dose".to_owned(),
    }
}

fn verdict_line(verdict: pb::Verdict) -> VerdictLine {
    let problem = |problem: &pb::Problem| format!("{} {}: {}", problem.result, problem.code, problem.detail);
    VerdictLine {
        cause: verdict.cause_offset,
        batch_id: verdict.batch_id,
        stored: verdict.stored,
        duplicate: verdict.duplicate,
        conflict: verdict.conflict,
        quarantined: verdict.quarantined,
        problems: verdict.problems.iter().map(problem).collect(),
    }
}
