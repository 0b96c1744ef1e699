//! Why a rule was blind: what the ledger says against what was the case (semantics 15).
//!
//! An oximeter without a memory sends every half minute, and between eight o'clock and midnight something different keeps it
//! from doing so in each of some spells: the server does not run, the gateway is away, the device has lost its link, is
//! charged, is not worn, or simply sends nothing. What is said of it is said as it would be: the broker knows of a gateway's
//! death by its keep-alive, a device that is off its link cannot say so before it is back, and one in six spells is never
//! explained by anybody.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use painwatch_domain::{GatewayId, JournalTime, Offset, ReceivedAt, TenantId};
use painwatch_ingest_core::{Envelope, Limits, Protocol, judge_batch};
use painwatch_journal::{Class, Record};
use painwatch_processor::Engine;
use painwatch_proto::ingest::v1::{Reading, ReadingBatch};
use painwatch_proto::journal::v1 as pb;
use painwatch_store::{CoverageDay, MemoryStore, Store};
use prost::Message as _;

use crate::roster;

/// Causes in the order of their strength; the last is no cause at all.
pub const CAUSES: [&str; 6] = ["self", "gateway", "link", "charging", "not_worn", "unknown"];
const RULE: &str = "spo2-sustained-low";
/// 2026-01-05T00:00Z.
const BEGIN: i64 = 20_458 * DAY_MS;
const SLOT_MS: i64 = 2 * HOUR_MS + 30 * MINUTE_MS;
/// A gateway's death is known so long after it.
const KEEP_ALIVE_MS: i64 = 90 * SECOND_MS;
const ROSTER: &str = r#"
[[patient]]
id = "somebody"
zone = "UTC"
packs = ["opioid-safety"]
synthetic = true
[[device]]
id = "oximeter"
[[pairing]]
device = "oximeter"
patient = "somebody"
from = "2026-01-01"
"#;

/// Minutes by (what was the case, what the ledger says).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Confusion(pub BTreeMap<(&'static str, String), u64>);

/// A spell in which nothing came, in `[from, to)`.
struct Spell {
    cause: &'static str,
    from: i64,
    to: i64,
    /// Whoever could explain it does.
    explained: bool,
}

/// Numbers that follow from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).cast_signed().rem_euclid(limit)
    }
}

/// Every cause once a day, in an order of that day's own.
fn spells(day: i64, dice: &mut Dice) -> Vec<Spell> {
    let mut causes = CAUSES.to_vec();
    for last in (1..causes.len()).rev() {
        causes.swap(last, dice.below(last as i64 + 1) as usize);
    }
    let slots = (0..).map(|slot| day + 8 * HOUR_MS + slot * SLOT_MS);
    let spell = |(cause, slot): (&'static str, i64)| {
        let from = slot + dice.below(HOUR_MS) / (30 * SECOND_MS) * 30 * SECOND_MS;
        let to = from + 20 * MINUTE_MS + dice.below(HOUR_MS);
        Spell { cause, from, to, explained: dice.below(6) > 0 }
    };
    causes.into_iter().zip(slots).map(spell).collect()
}

/// Follows one oximeter for so many days.
///
/// # Errors
/// The engine does not take what the doors let in.
pub fn run(seed: u64, days: u32) -> Result<Confusion> {
    let mut dice = Dice(seed);
    let spells: Vec<Spell> = (0..i64::from(days)).flat_map(|day| spells(BEGIN + day * DAY_MS, &mut dice)).collect();
    let until = BEGIN + i64::from(days) * DAY_MS;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let ledger = runtime.block_on(async {
        let mut world = World::begin().await?;
        let mut at = BEGIN;
        for spell in &spells {
            world.speaks(at, spell.from).await?;
            world.falls_silent(spell).await?;
            at = spell.to;
        }
        world.speaks(at, until).await?;
        world.record(until + 2 * DAY_MS, Class::Tick, Vec::new()).await?;
        anyhow::Ok(world.ledger)
    })?;
    Ok(compared(&spells, &ledger))
}

/// Minute by minute, where something kept the readings away for the whole of it.
fn compared(spells: &[Spell], ledger: &[CoverageDay]) -> Confusion {
    let mut confusion = Confusion::default();
    let mut told: BTreeMap<i64, String> = BTreeMap::new();
    for day in ledger.iter().filter(|day| day.rule.as_str() == RULE) {
        for interval in &day.intervals {
            let cause = if interval.covered { "covered" } else { interval.cause };
            let minutes = interval.start.0.div_euclid(MINUTE_MS)..interval.end.0.div_euclid(MINUTE_MS);
            told.extend(minutes.map(|minute| (minute, cause.to_owned())));
        }
    }
    for spell in spells {
        // The last reading speaks for a minute and a half.
        let first = (spell.from + 90 * SECOND_MS).div_euclid(MINUTE_MS) + 1;
        for minute in first..spell.to.div_euclid(MINUTE_MS) {
            let said = told.get(&minute).cloned().unwrap_or_else(|| "nothing".to_owned());
            *confusion.0.entry((spell.cause, said)).or_default() += 1;
        }
    }
    confusion
}

struct World {
    engine: Engine,
    offset: u64,
    ledger: Vec<CoverageDay>,
}

impl World {
    async fn begin() -> Result<Self> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let engine = Engine::open(store, roster::parse).await?;
        let mut world = Self { engine, offset: 0, ledger: Vec::new() };
        let applied = pb::RosterApplied { toml: ROSTER.to_owned() };
        world.control(BEGIN - 1, pb::control::Action::Roster(applied)).await?;
        world.status(BEGIN, true).await?;
        Ok(world)
    }

    async fn record(&mut self, at: i64, class: Class, payload: Vec<u8>) -> Result<()> {
        let record = Record {
            offset: Offset(self.offset),
            journal_time: JournalTime(at),
            class,
            tenant: TenantId::default(),
            key_id: 0,
            logic_version: 1,
            payload: payload.into(),
        };
        self.offset += 1;
        self.ledger.extend(self.engine.apply(&record).await?.rows.coverage);
        Ok(())
    }

    async fn control(&mut self, at: i64, action: pb::control::Action) -> Result<()> {
        let control = pb::Control { action: Some(action), ..pb::Control::default() };
        self.record(at, Class::Control, control.encode_to_vec()).await
    }

    async fn status(&mut self, at: i64, online: bool) -> Result<()> {
        let status = pb::GatewayStatus { gateway: "gw".to_owned(), online, ..pb::GatewayStatus::default() };
        self.control(at, pb::control::Action::GatewayStatus(status)).await
    }

    async fn batch(&mut self, at: i64, reading: Reading) -> Result<()> {
        let (gateway, tenant) = (GatewayId::parse("gw")?, TenantId::default());
        let batch = ReadingBatch {
            gateway: "gw".to_owned(),
            batch_id: format!("gw/{}", self.offset),
            readings: vec![reading],
            ..ReadingBatch::default()
        };
        let parsed = roster::parse(ROSTER, &tenant)?;
        let envelope = Envelope {
            tenant: &tenant,
            gateway: &gateway,
            protocol: Protocol::Grpc,
            received_at: ReceivedAt(at),
            number: 0,
            device_zone: &|_, _| None,
            device_clock: &|_| None,
            may_speak_for: &|_| true,
            roster: &parsed,
            takes_orders: &|| false,
            limits: &Limits::default(),
        };
        let judged = judge_batch(&batch, None, &envelope)?;
        anyhow::ensure!(
            judged.quarantined == 0,
            "a reading of the simulator is refused: {:?}",
            judged.batch.quarantined
        );
        self.record(at, Class::Batch, judged.batch.encode_to_vec()).await
    }

    /// A reading each half minute in `[from, to)`, sent every ten minutes.
    async fn speaks(&mut self, from: i64, to: i64) -> Result<()> {
        let step = 10 * MINUTE_MS;
        for start in (from..to).step_by(step as usize) {
            let end = to.min(start + step);
            let values = vec![96.0; ((end - start) / (30 * SECOND_MS)) as usize];
            if values.is_empty() {
                continue;
            }
            let packed = Reading {
                values,
                period_ms: Some(30 * SECOND_MS),
                unit: "%".to_owned(),
                ..reading("oxygen_saturation", start)
            };
            self.batch(end, packed).await?;
        }
        Ok(())
    }

    async fn falls_silent(&mut self, spell: &Spell) -> Result<()> {
        let (from, to) = (spell.from, spell.to);
        match spell.cause {
            // The journal itself writes that nobody watched, whoever explains what.
            "self" => {
                let gap = pb::Gap { from_ms: from, to_ms: to, cause: "self".to_owned() };
                self.record(to, Class::Gap, gap.encode_to_vec()).await
            }
            "gateway" if spell.explained => {
                self.status(from + KEEP_ALIVE_MS, false).await?;
                self.status(to, true).await
            }
            "link" if spell.explained => self.says("device_link", (from, "false"), (to, "true"), to).await,
            "charging" if spell.explained => self.says("device_charging", (from, "true"), (to, "false"), from).await,
            "not_worn" if spell.explained => self.says("device_worn", (from, "false"), (to, "true"), from).await,
            _ => Ok(()),
        }
    }

    /// What the device says when it begins and when it ends; the first can be sent from `sent` on.
    async fn says(&mut self, measure: &str, begins: (i64, &str), ends: (i64, &str), sent: i64) -> Result<()> {
        for (at, code, sent) in [(begins.0, begins.1, sent), (ends.0, ends.1, ends.0)] {
            self.batch(sent, Reading { code: code.to_owned(), ..reading(measure, at) }).await?;
        }
        Ok(())
    }
}

fn reading(measure: &str, at: i64) -> Reading {
    Reading { device: "oximeter".to_owned(), measure: measure.to_owned(), time_ms: Some(at), ..Reading::default() }
}
