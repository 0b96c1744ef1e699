//! How a simulated hub sends a day: hourly, at night (22:00 to 06:00) every quarter of an hour.

use painwatch_domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS, format_utc};
use painwatch_domain::{EventTime, Measure, Zone};
use painwatch_proto::ingest::v1::{Mode, Reading, ReadingBatch};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::outgoing::{Payload, Protocol, Step};

const NIGHT_WINDOW_MS: i64 = 15 * MINUTE_MS;

/// UTC milliseconds and value, ascending.
pub(super) type Samples = Vec<(i64, f64)>;

/// A packed signal over the whole day, cut into windows when it is sent.
pub(super) struct Packed {
    pub device: String,
    pub measure: Measure,
    pub period_ms: i64,
    pub samples: Samples,
}

/// Who sends.
pub(super) struct Hub<'a> {
    pub gateway: String,
    pub number: u32,
    pub zone: &'a Zone,
}

pub(super) fn is_night(zone: &Zone, at: i64) -> bool {
    !(6 * 60..22 * 60).contains(&zone.minute_of_day(EventTime(at)))
}

impl Hub<'_> {
    pub fn send(
        &self,
        (start, end): (i64, i64),
        packed: &[Packed],
        spots: &[(i64, Reading)],
        dice: &mut ChaCha8Rng,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut from = start;
        while from < end {
            let length = if is_night(self.zone, from) { NIGHT_WINDOW_MS } else { HOUR_MS };
            let to = (from + length).min(end);
            let delay_ms = dice.random_range(SECOND_MS..5 * SECOND_MS);
            let mut readings: Vec<Reading> = packed.iter().filter_map(|signal| signal.window(from, to)).collect();
            readings.extend(spots.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, reading)| reading.clone()));
            if !readings.is_empty() {
                steps.push(self.step(to + delay_ms, from, readings));
            }
            from = to;
        }
        steps
    }

    pub fn step(&self, clock_ms: i64, from: i64, readings: Vec<Reading>) -> Step {
        let batch = ReadingBatch {
            gateway: self.gateway.clone(),
            batch_id: format!("{}/{}", self.gateway, from / MINUTE_MS),
            sent_at: format_utc(clock_ms),
            mode: Mode::Live.into(),
            readings,
        };
        let protocol = if self.number.is_multiple_of(2) { Protocol::Mqtt } else { Protocol::Grpc };
        Step { clock_ms, gateway: self.gateway.clone(), protocol, payload: Payload::Batch(batch) }
    }
}

impl Packed {
    /// The samples within `[from, to)`; where some are missing, as nulls.
    fn window(&self, from: i64, to: i64) -> Option<Reading> {
        let inside: Vec<(i64, f64)> = self.samples.iter().filter(|(at, _)| (from..to).contains(at)).copied().collect();
        let (first, last) = (inside.first()?.0, inside.last()?.0);
        let mut values = vec![f64::NAN; ((last - first) / self.period_ms + 1) as usize];
        for (at, value) in inside {
            values[((at - first) / self.period_ms) as usize] = value;
        }
        Some(Reading {
            device: self.device.clone(),
            measure: self.measure.name().to_owned(),
            time_ms: Some(first),
            period_ms: Some(self.period_ms),
            values,
            unit: self.measure.spec().unit.to_owned(),
            ..Reading::default()
        })
    }
}
