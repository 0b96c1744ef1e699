//! What goes wrong between a device and us, by seed, and what the books must say in spite of it.
//!
//! Faults repeat, delay, shift or add; they never take a true reading away. So the books follow from counting.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::ledger::Books;
use crate::outgoing::{Payload, Protocol, Step, sample_count};
use crate::truth::FaultCounts;

const CLOCK_AHEAD_MS: i64 = 2 * HOUR_MS;

/// Probability of each fault for one payload (`clock_ahead`: for one gateway).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultPlan {
    pub duplicate: f64,
    pub late: f64,
    pub reorder: f64,
    pub clock_ahead: f64,
    pub malformed: f64,
    pub unknown_unit: f64,
    /// Load only: every second gateway stamps in local time over the night in which the clocks are set back.
    pub dst: bool,
    /// Load only: how long every gateway is away in the middle, in milliseconds, before it catches up.
    pub outage_ms: u64,
}

impl FaultPlan {
    /// A little of everything, as a demo shows it.
    pub const SOME: Self = Self {
        duplicate: 0.02,
        late: 0.01,
        reorder: 0.02,
        clock_ahead: 0.0,
        malformed: 0.002,
        unknown_unit: 0.002,
        dst: false,
        outage_ms: 0,
    };

    /// What a fault is called on the command line.
    pub const NAMES: [&str; 8] =
        ["duplicates", "lateness", "reordering", "skew", "dst", "malformed", "unknown-units", "outage"];

    /// Adds one fault by its name, much of it: a conformance run is there to find what it breaks. False for an unknown name.
    pub fn add(&mut self, name: &str) -> bool {
        match name {
            "duplicates" => self.duplicate = 0.2,
            "lateness" => self.late = 0.1,
            "reordering" => self.reorder = 0.2,
            "skew" => self.clock_ahead = 0.5,
            "dst" => self.dst = true,
            "malformed" => self.malformed = 0.05,
            "unknown-units" => self.unknown_unit = 0.05,
            "outage" => self.outage_ms = 2_000,
            _ => return false,
        }
        true
    }
}

/// The steps as they are really sent, in clock order, with the count of faults and the expected books.
pub fn apply(plan: &FaultPlan, seed: u64, steps: Vec<Step>) -> (Vec<Step>, FaultCounts, Books) {
    let mut injector = Injector::new(plan, seed);
    let mut sent = Vec::with_capacity(steps.len() + steps.len() / 16);
    for step in steps {
        injector.inject(step, &mut sent);
    }
    sent.sort_by(|a, b| (&a.gateway, a.clock_ms).cmp(&(&b.gateway, b.clock_ms)));
    let reordered = injector.reorder(&mut sent);
    sent.sort_by(|a, b| (a.clock_ms, &a.gateway).cmp(&(b.clock_ms, &b.gateway)));
    (sent, FaultCounts { reordered, ..injector.counts }, injector.books)
}

/// Takes payloads one by one: what a load generator uses, that never holds all of them.
pub struct Injector {
    plan: FaultPlan,
    seed: u64,
    dice: ChaCha8Rng,
    pub counts: FaultCounts,
    pub books: Books,
}

impl Injector {
    pub fn new(plan: &FaultPlan, seed: u64) -> Self {
        let dice = ChaCha8Rng::seed_from_u64(seed ^ 0x6661_756c_7473);
        Self { plan: *plan, seed, dice, counts: FaultCounts::default(), books: Books::default() }
    }

    pub fn inject(&mut self, mut step: Step, sent: &mut Vec<Step>) {
        let readings = step.payload.readings();
        self.books.submitted += readings;
        self.books.stored += readings;
        self.books.identities += readings;
        self.shift_clock(&mut step);
        // Drawn always and in one order, so that the rate of one fault does not move the others.
        let [duplicate, late, malformed, unknown_unit] =
            [self.plan.duplicate, self.plan.late, self.plan.malformed, self.plan.unknown_unit]
                .map(|rate| self.dice.random_bool(rate));
        let (repeat_after, delay) =
            (self.dice.random_range(SECOND_MS..2 * HOUR_MS), self.dice.random_range(2 * MINUTE_MS..2 * DAY_MS));
        let garbage = self.dice.random::<[u8; 24]>();
        if malformed {
            self.add_malformed(&step, &garbage, sent);
        }
        if unknown_unit {
            self.add_unknown_unit(&step, sent);
        }
        if duplicate {
            self.counts.duplicated += 1;
            self.books.submitted += readings;
            self.books.duplicate += readings;
            sent.push(Step { clock_ms: step.clock_ms + repeat_after, ..step.clone() });
        }
        if late {
            self.counts.late += 1;
            step.clock_ms += delay;
        }
        sent.push(step);
    }

    /// Whether the payload is overtaken by the next one of its device.
    pub fn is_overtaken(&mut self) -> bool {
        let overtaken = self.plan.reorder > 0.0 && self.dice.random_bool(self.plan.reorder);
        self.counts.reordered += u64::from(overtaken);
        overtaken
    }

    /// A gateway whose watch runs two hours ahead does so always: decided by its name.
    fn shift_clock(&mut self, step: &mut Step) {
        let share = painwatch_domain::Hash128::of(&[&self.seed.to_le_bytes(), step.gateway.as_bytes()]).0[0];
        if f64::from(share) / 256.0 >= self.plan.clock_ahead {
            return;
        }
        let Payload::Batch(batch) = &mut step.payload else { return };
        let watch = batch.readings.iter_mut().filter(|reading| reading.device.ends_with("-watch"));
        let mut shifted = false;
        for reading in watch {
            reading.time_ms = reading.time_ms.map(|ms| ms + CLOCK_AHEAD_MS);
            reading.end_time_ms = reading.end_time_ms.map(|ms| ms + CLOCK_AHEAD_MS);
            shifted = true;
        }
        self.counts.clock_ahead += u64::from(shifted);
    }

    fn add_malformed(&mut self, step: &Step, garbage: &[u8], sent: &mut Vec<Step>) {
        if step.protocol != Protocol::Mqtt {
            return;
        }
        // Field number 0 does not exist: no protobuf decoder accepts it.
        let bytes = [&[0x02][..], garbage].concat();
        self.counts.malformed += 1;
        self.books.submitted += 1;
        self.books.quarantined += 1;
        sent.push(Step { payload: Payload::Raw(bytes), ..step.clone() });
    }

    fn add_unknown_unit(&mut self, step: &Step, sent: &mut Vec<Step>) {
        let Payload::Batch(batch) = &step.payload else { return };
        // Doses are counted in whatever unit they come in.
        let Some(reading) = batch.readings.iter().find(|reading| reading.medication.is_empty()) else { return };
        let mut strange = reading.clone();
        "furlong".clone_into(&mut strange.unit);
        let readings = sample_count(&strange);
        self.counts.unknown_unit += 1;
        self.books.submitted += readings;
        self.books.quarantined += readings;
        let mut batch = batch.clone();
        batch.batch_id.push_str("/u");
        batch.readings = vec![strange];
        sent.push(Step { payload: Payload::Batch(batch), ..step.clone() });
    }

    /// Lets a gateway's payload overtake the one before it: that one becomes as late as its follower, never earlier.
    /// `sent` is grouped by gateway, in clock order.
    fn reorder(&mut self, sent: &mut [Step]) -> u64 {
        let mut swapped = 0;
        for at in 1..sent.len() {
            if sent[at].gateway == sent[at - 1].gateway && self.dice.random_bool(self.plan.reorder) {
                sent[at - 1].clock_ms = sent[at].clock_ms;
                sent.swap(at - 1, at);
                swapped += 1;
            }
        }
        swapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::simulate::{Simulation, SimulationOptions};
    use painwatch_domain::LocalDay;

    fn steps() -> Vec<Step> {
        let options = SimulationOptions {
            seed: 9,
            patients: 4,
            start: LocalDay(20_458),
            days: 4,
            zone: "Europe/Paris".into(),
            care_team: "pain-clinic".into(),
        };
        Simulation::new(options).unwrap().steps()
    }

    #[test]
    fn the_expected_books_agree_with_the_ledger_and_no_reading_is_lost() {
        let mut plan = FaultPlan { late: 0.2, malformed: 0.1, unknown_unit: 0.1, ..FaultPlan::default() };
        assert!(plan.add("duplicates") && plan.add("reordering") && plan.add("skew") && !plan.add("gremlins"));
        let (sent, counts, expected) = apply(&plan, 4, steps());
        let mut ledger = Ledger::default();
        sent.iter().for_each(|step| ledger.submit(&step.payload));
        assert_eq!(ledger.books(), expected);
        assert!(counts.duplicated > 0 && counts.malformed > 0 && counts.unknown_unit > 0 && counts.clock_ahead > 0);
        assert!(counts.reordered > 0 && counts.late > 0);
        assert!(sent.windows(2).all(|pair| pair[0].clock_ms <= pair[1].clock_ms));
    }

    #[test]
    fn without_faults_the_steps_are_the_same() {
        let (sent, counts, _) = apply(&FaultPlan::default(), 4, steps());
        assert_eq!((sent, counts), (steps(), FaultCounts::default()));
    }
}
