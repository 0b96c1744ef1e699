//! What goes wrong in a world, decided by its seed before it begins.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

use crate::clinic::{PATIENTS, START_MS};
use crate::dice::Dice;

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Local days of readings.
    pub days: i32,
    pub weather: Weather,
    /// How each life of the process ends, in order; the life after the last one lasts.
    pub ends: Vec<End>,
    /// When each gateway has no way to us, by its number.
    pub offline: Vec<Vec<Window>>,
    pub receiver: Vec<(Window, Deafness)>,
    /// Probability that a page fails for no reason that lasts.
    pub flaky: f64,
    pub disk_full: Vec<Window>,
    /// From when the program's wall clock is off by how many milliseconds, ascending.
    pub clock_steps: Vec<(i64, i64)>,
    pub settings: Settings,
}

/// Half-open, UTC milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: i64,
    pub until: i64,
}

impl Window {
    pub fn holds(self, at: i64) -> bool {
        (self.from..self.until).contains(&at)
    }
}

/// What the network does to one message, either way.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub loss: f64,
    pub repetition: f64,
    /// Shortest and longest ordinary delay in milliseconds.
    pub delay_ms: (i64, i64),
    /// Probability of a delay of up to ten minutes: what overtakes by whole batches.
    pub stray: f64,
}

impl Weather {
    pub const CALM: Self = Self { loss: 0.0, repetition: 0.0, delay_ms: (40, 41), stray: 0.0 };
}

/// The end of one life of the process, once it has taken so many steps that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub after_steps: u64,
    pub how: How,
    pub down_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Everything written is still there, synced or not.
    Kill,
    /// What was not synced may be gone, sector by sector.
    PowerCut,
    /// From then on the disk takes so many operations more; the process ends by itself, or by the power cut that was the
    /// reason.
    DiskDies { operations: u64, power_cut: bool },
    /// The sync after so many more fails, once.
    SyncFails { syncs: u64, power_cut: bool },
    /// It is asked to stop, and stops.
    Stop,
}

/// How a receiver fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deafness {
    Refuses,
    Hangs,
    Errors,
    /// It has the page; we do not learn of it.
    AnswerLost,
}

impl Deafness {
    const ALL: [Self; 4] = [Self::Refuses, Self::Hangs, Self::Errors, Self::AnswerLost];

    pub fn any(dice: &Dice) -> Self {
        *dice.pick(&Self::ALL).unwrap_or(&Self::Refuses)
    }
}

/// What an operator may set, and what must not matter.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// False only in the control that has to lose.
    pub fsync: bool,
    pub segment_bytes: u64,
    pub tick_ms: i64,
    pub checkpoint_ms: i64,
    pub block_cache_bytes: usize,
    pub fsync_ms: (i64, i64),
    /// Batches of one gateway under way at once.
    pub window: usize,
}

const DAYS: i32 = 4;

impl Plan {
    /// The same people, and nothing goes wrong.
    pub fn calm(seed: u64) -> Self {
        let settings = Settings {
            fsync: true,
            segment_bytes: 256 << 10,
            tick_ms: 5 * MINUTE_MS,
            checkpoint_ms: 6 * HOUR_MS,
            block_cache_bytes: 8 << 20,
            fsync_ms: (2, 3),
            window: 8,
        };
        Self {
            seed,
            days: DAYS,
            weather: Weather::CALM,
            ends: Vec::new(),
            offline: vec![Vec::new(); PATIENTS.len()],
            receiver: Vec::new(),
            flaky: 0.0,
            disk_full: Vec::new(),
            clock_steps: Vec::new(),
            settings,
        }
    }

    /// The same people in the world of this seed.
    pub fn stormy(seed: u64) -> Self {
        let dice = Dice::new(seed, "plan");
        let severity = dice.real(0.0, 1.0);
        let ends = (0..dice.between(3, 13)).map(|_| end(&dice)).collect();
        let offline = PATIENTS.iter().map(|_| windows(&dice, 2, 10 * HOUR_MS)).collect();
        let deaf = |window| (window, Deafness::any(&dice));
        let receiver = windows(&dice, 6, 40 * MINUTE_MS).into_iter().map(deaf).collect();
        Self {
            weather: Weather {
                loss: 0.25 * severity * dice.real(0.0, 1.0),
                repetition: 0.2 * severity * dice.real(0.0, 1.0),
                delay_ms: (1, dice.between(20, 3_000)),
                stray: 0.05 * severity,
            },
            ends,
            offline,
            receiver,
            flaky: if dice.chance(0.5) { dice.real(0.0, 0.5) } else { 0.0 },
            disk_full: windows(&dice, 2, HOUR_MS),
            clock_steps: clock_steps(&dice),
            settings: Settings {
                fsync: true,
                segment_bytes: 16 << (10 + dice.below(5)),
                tick_ms: dice.between(1, 10) * MINUTE_MS,
                checkpoint_ms: dice.between(5 * MINUTE_MS, 8 * HOUR_MS),
                block_cache_bytes: 4 << (10 + dice.below(10)),
                fsync_ms: (1, dice.between(2, 2_000)),
                window: 1 + dice.below(12) as usize,
            },
            ..Self::calm(seed)
        }
    }

    /// The same people, and nothing goes wrong but that the program's wall clock leaps an hour and a day, and back.
    pub fn leaping(seed: u64) -> Self {
        let dice = Dice::new(seed, "leaps");
        let leaps = [HOUR_MS, -HOUR_MS, DAY_MS, -DAY_MS];
        let in_turn = leaps.into_iter().cycle().skip(dice.below(4) as usize).take(leaps.len());
        let there_and_back = |(nth, leap): (i64, i64)| {
            let from = START_MS + nth * DAY_MS * 3 / 4 + dice.between(0, 4 * HOUR_MS);
            [(from, leap), (from + dice.between(MINUTE_MS, 12 * HOUR_MS), 0)]
        };
        Self { clock_steps: (0..).zip(in_turn).flat_map(there_and_back).collect(), ..Self::calm(seed) }
    }

    /// The control: power cuts, and a journal that does not sync. It has to lose what it acknowledged.
    pub fn careless(seed: u64) -> Self {
        let dice = Dice::new(seed, "careless");
        let end = |_| End { after_steps: dice.below(2_000), how: How::PowerCut, down_ms: SECOND_MS };
        let calm = Self::calm(seed);
        Self { ends: (0..6).map(end).collect(), settings: Settings { fsync: false, ..calm.settings }, ..calm }
    }
}

fn end(dice: &Dice) -> End {
    let power_cut = dice.chance(0.5);
    let how = match dice.below(10) {
        0..=2 => How::Kill,
        3..=5 => How::PowerCut,
        6..=7 => How::DiskDies { operations: dice.seldom(64), power_cut },
        8 => How::SyncFails { syncs: dice.seldom(16), power_cut },
        _ => How::Stop,
    };
    // Soon after the start, where recovery is under way; or anywhere.
    let after_steps = if dice.chance(0.5) { dice.seldom(400) } else { dice.below(3_000) };
    End { after_steps, how, down_ms: SECOND_MS * dice.seldom(900).cast_signed() }
}

fn clock_steps(dice: &Dice) -> Vec<(i64, i64)> {
    let step = |_| (START_MS + dice.between(0, i64::from(DAYS) * DAY_MS), dice.between(-4 * MINUTE_MS, 4 * MINUTE_MS));
    let mut steps: Vec<_> = (0..dice.between(0, 5)).map(step).collect();
    steps.sort_unstable();
    steps
}

fn windows(dice: &Dice, most: i64, longest_ms: i64) -> Vec<Window> {
    let window = |_| {
        let from = START_MS + dice.between(0, i64::from(DAYS) * DAY_MS);
        Window { from, until: from + dice.between(MINUTE_MS, longest_ms) }
    };
    (0..dice.between(0, most + 1)).map(window).collect()
}
