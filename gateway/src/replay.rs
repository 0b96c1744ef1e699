//! The plan of a replay: who sends what at which instant of the driven clock. Pure: the same data give the same plan on any
//! day and any machine.
//!
//! Each recorded subject is shifted by whole weeks, in local time, so that the last week of the recording falls on the last
//! week of the replay: weekdays and times of day stay what they were. What lies before the replay's first day is sent at its
//! start as historical data, as far back as wanted. The shift follows from the data and a fixed epoch, never from today.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use painwatch_domain::time::{DAY_MS, HOUR_MS, SECOND_MS, format_utc};
use painwatch_proto::ingest::v1::{Mode, Reading};

use crate::import::{ImportedSubject, Timed};
use crate::outgoing::{self, Payload, Protocol, Step, sample_count};

/// Monday 2026-01-05T00:00:00Z: where the replayed weeks begin.
pub const DEMO_EPOCH_MS: i64 = 1_767_571_200_000;
/// How long a gateway takes from the newest reading to sending.
const DELAY_MS: i64 = 2 * SECOND_MS;

#[derive(Clone, Copy, Debug)]
pub struct PlanOptions {
    /// Weeks that are replayed live.
    pub live_weeks: u32,
    /// Weeks before them that are sent as historical data; anything older is left out and counted.
    pub history_weeks: u32,
}

impl Default for PlanOptions {
    /// Eight weeks: as long as the longest recording of seconds-wise heart rate, and clear of any clock change from the
    /// epoch on. Half a year of history: more than any baseline looks back.
    fn default() -> Self {
        Self { live_weeks: 8, history_weeks: 26 }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In clock order; equal clocks in order of gateway, then as built.
    pub steps: Vec<Step>,
    /// What was done to each recorded subject, to be shown.
    pub shifts: Vec<Shift>,
    /// Readings older than `history_weeks`.
    pub left_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    pub subject: String,
    pub patient: String,
    pub weeks: i64,
}

/// Plans recorded subjects together with steps that already have their place (simulated patients).
pub fn plan(subjects: &[ImportedSubject], simulated: Vec<Step>, options: &PlanOptions) -> Plan {
    let mut plan = Plan { steps: simulated, ..Plan::default() };
    for (number, subject) in subjects.iter().enumerate() {
        let Some(shifter) = Shifter::of(subject, options.live_weeks) else { continue };
        plan.shifts.push(Shift {
            subject: subject.subject.clone(),
            patient: subject.patient.clone(),
            weeks: shifter.weeks,
        });
        let protocol = if number % 2 == 0 { Protocol::Mqtt } else { Protocol::Grpc };
        let mut readings: Vec<Timed> = subject.readings.iter().map(|timed| shifter.shift(timed)).collect();
        let oldest = DEMO_EPOCH_MS - i64::from(options.history_weeks) * 7 * DAY_MS;
        plan.left_out += readings
            .iter()
            .filter(|timed| timed.newest_ms < oldest)
            .map(|timed| sample_count(&timed.reading))
            .sum::<u64>();
        readings.retain(|timed| timed.newest_ms >= oldest);
        plan.steps.extend(subject_steps(&format!("gw-{}", subject.patient), protocol, readings));
    }
    plan.steps.sort_by(|a, b| (a.clock_ms, &a.gateway).cmp(&(b.clock_ms, &b.gateway)));
    plan
}

fn subject_steps(gateway: &str, protocol: Protocol, readings: Vec<Timed>) -> Vec<Step> {
    let mut hours: BTreeMap<Option<i64>, Vec<Timed>> = BTreeMap::new();
    for timed in readings {
        // A day's total is complete at midnight and belongs to the hour before it.
        let hour = (timed.newest_ms - 1).div_euclid(HOUR_MS);
        hours.entry(Some(hour).filter(|_| timed.newest_ms > DEMO_EPOCH_MS)).or_default().push(timed);
    }
    let mut steps: Vec<Step> = Vec::new();
    for (hour, readings) in hours {
        let mode = if hour.is_some() { Mode::Live } else { Mode::Historical };
        let newest = readings.iter().map(|timed| timed.newest_ms).max().unwrap_or(DEMO_EPOCH_MS);
        let clock_ms = newest.max(DEMO_EPOCH_MS) + DELAY_MS;
        let cut = outgoing::batches(gateway, mode, readings.into_iter().map(|timed| timed.reading), steps.len() as u64);
        for mut batch in cut {
            batch.sent_at = format_utc(clock_ms);
            steps.push(Step { clock_ms, gateway: gateway.to_owned(), protocol, payload: Payload::Batch(batch) });
        }
    }
    steps
}

/// Moves one subject's stamps by whole weeks of local time.
struct Shifter {
    zone: TimeZone,
    weeks: i64,
}

impl Shifter {
    fn of(subject: &ImportedSubject, live_weeks: u32) -> Option<Self> {
        let newest = subject.readings.iter().map(|timed| timed.newest_ms).max()?;
        let zone = TimeZone::get(subject.zone.name()).unwrap_or(TimeZone::UTC);
        let last_day = zone.to_datetime(Timestamp::from_millisecond(newest - 1).ok()?).date();
        let epoch_day = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(DEMO_EPOCH_MS).ok()?).date();
        let last_week = monday(epoch_day).saturating_add((i64::from(live_weeks) - 1).max(0).weeks());
        let days = (last_week - monday(last_day)).get_days();
        Some(Self { zone, weeks: i64::from(days / 7) })
    }

    fn shift(&self, timed: &Timed) -> Timed {
        let reading = &timed.reading;
        let shifted = Reading {
            time: self.text(&reading.time),
            end_time: self.text(&reading.end_time),
            scheduled_for: self.text(&reading.scheduled_for),
            time_ms: reading.time_ms.map(|ms| self.instant(ms)),
            end_time_ms: reading.end_time_ms.map(|ms| self.instant(ms)),
            ..reading.clone()
        };
        Timed { newest_ms: self.instant(timed.newest_ms), reading: shifted }
    }

    /// A bare date stays one, a stamp without offset too; one with an offset gets the zone's offset of its new day.
    fn text(&self, text: &str) -> String {
        if let Ok(stamp) = text.parse::<Timestamp>() {
            let moved = self.moved(stamp);
            return moved.display_with_offset(self.zone.to_offset(moved)).to_string();
        }
        let dated = |date: Date| date.saturating_add(self.weeks.weeks());
        match (text.contains(['T', ' ']), text.parse::<DateTime>()) {
            (true, Ok(stamp)) => dated(stamp.date()).to_datetime(stamp.time()).to_string(),
            (false, Ok(stamp)) => dated(stamp.date()).to_string(),
            (_, Err(_)) => text.to_owned(),
        }
    }

    fn instant(&self, ms: i64) -> i64 {
        Timestamp::from_millisecond(ms).map_or(ms, |stamp| self.moved(stamp).as_millisecond())
    }

    fn moved(&self, stamp: Timestamp) -> Timestamp {
        let local = self.zone.to_datetime(stamp).saturating_add(self.weeks.weeks());
        self.zone.to_ambiguous_timestamp(local).compatible().unwrap_or(stamp)
    }
}

fn monday(day: Date) -> Date {
    day.saturating_sub(i64::from(day.weekday().to_monday_zero_offset()).days())
}

/// How long after the start a step is due when the clock runs `speed` times as fast as life; `None` is as fast as possible.
pub fn due_after(start_clock_ms: i64, clock_ms: i64, speed: Option<f64>) -> Duration {
    match speed {
        Some(speed) if speed > 0.0 => {
            Duration::from_secs_f64((clock_ms - start_clock_ms).max(0) as f64 / 1_000.0 / speed)
        }
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use painwatch_domain::Zone;

    fn subject(name: &str, zone: &str, times: &[(&str, i64)]) -> ImportedSubject {
        let timed = |(time, newest_ms): &(&str, i64)| Timed {
            newest_ms: *newest_ms,
            reading: Reading {
                device: format!("{name}-tracker"),
                measure: "heart_rate".into(),
                time: (*time).into(),
                zone: zone.into(),
                ..Reading::default()
            },
        };
        ImportedSubject {
            subject: name.into(),
            patient: format!("rec-{name}"),
            zone: Zone::parse(zone).unwrap(),
            devices: Vec::new(),
            readings: times.iter().map(timed).collect(),
        }
    }

    fn utc(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn batch(step: &Step) -> &painwatch_proto::ingest::v1::ReadingBatch {
        match &step.payload {
            Payload::Batch(batch) => batch,
            Payload::Raw(_) => panic!("a plan of recordings holds batches"),
        }
    }

    #[test]
    fn the_epoch_is_a_monday() {
        assert_eq!(format_utc(DEMO_EPOCH_MS), "2026-01-05T00:00:00Z");
        let day = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(DEMO_EPOCH_MS).unwrap()).date();
        assert_eq!(monday(day), day);
    }

    #[test]
    fn a_subject_moves_by_whole_weeks_of_local_time_across_a_clock_change() {
        // A Thursday of summer time becomes a Thursday of winter time: the wall clock stays, the instant does not.
        let recorded = subject("a", "America/New_York", &[("2016-05-12T15:48:05", utc("2016-05-12T19:48:05Z"))]);
        let plan = plan(&[recorded], Vec::new(), &PlanOptions::default());
        let step = &plan.steps[0];
        assert_eq!(batch(step).readings[0].time, "2026-02-26T15:48:05");
        assert_eq!(step.clock_ms, utc("2026-02-26T20:48:05Z") + DELAY_MS);
        assert_eq!(plan.shifts[0].weeks, 511);
    }

    #[test]
    fn dates_stay_dates_and_offsets_follow_the_zone() {
        let shifter = Shifter { zone: TimeZone::get("Europe/Paris").unwrap(), weeks: 140 };
        assert_eq!(shifter.text("2023-04-12"), "2025-12-17");
        assert_eq!(shifter.text("2023-04-12T00:00:00+02:00"), "2025-12-17T00:00:00+01:00");
        assert_eq!(shifter.text(""), "");
    }

    #[test]
    fn what_lies_before_the_epoch_is_historical_and_first_and_what_lies_further_back_is_counted() {
        let recorded = subject(
            "a",
            "UTC",
            &[
                ("2015-05-12T00:00:00", utc("2015-05-12T00:00:00Z")),
                ("2016-03-01T00:00:00", utc("2016-03-01T00:00:00Z")),
                ("2016-05-12T10:00:00", utc("2016-05-12T10:00:00Z")),
            ],
        );
        let plan = plan(&[recorded], Vec::new(), &PlanOptions::default());
        let modes: Vec<i32> = plan.steps.iter().map(|step| batch(step).mode).collect();
        assert_eq!(modes, [Mode::Historical as i32, Mode::Live as i32]);
        assert_eq!((plan.left_out, plan.steps[0].clock_ms), (1, DEMO_EPOCH_MS + DELAY_MS));
    }

    #[test]
    fn the_plan_is_the_same_whatever_the_order_of_the_subjects_steps_and_never_sends_the_future() {
        let times = [
            ("2016-05-12T10:00:00", utc("2016-05-12T10:00:00Z")),
            ("2016-05-12T10:30:00", utc("2016-05-12T10:30:00Z")),
        ];
        let (a, b) = (subject("a", "UTC", &times), subject("b", "UTC", &times));
        let both = plan(&[a.clone(), b.clone()], Vec::new(), &PlanOptions::default());
        let order =
            |plan: &Plan| plan.steps.iter().map(|step| (step.clock_ms, step.gateway.clone())).collect::<Vec<_>>();
        assert_eq!(order(&both), order(&plan(&[b, a], Vec::new(), &PlanOptions::default())));
        assert!(both.steps.windows(2).all(|pair| pair[0].clock_ms <= pair[1].clock_ms));
    }

    #[test]
    fn pacing_divides_by_the_speed() {
        assert_eq!(due_after(0, 3_600_000, Some(60.0)), Duration::from_secs(60));
        assert_eq!(due_after(0, 3_600_000, None), Duration::ZERO);
    }
}
