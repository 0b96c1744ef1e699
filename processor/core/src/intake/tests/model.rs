//! Random arrivals against the plainest possible model: a map from identity to everything that ever arrived.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use painwatch_domain::Status;
use painwatch_domain::reading::Identity;
use proptest::prelude::*;

use super::*;

const MEASURES: [Measure; 4] = [Measure::HeartRate, Measure::StepCount, Measure::PainNrs, Measure::DeviceWorn];

#[derive(Clone, Debug)]
struct Arrival {
    series: Series,
    sent_at: Option<i64>,
    restart: bool,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let status = prop_oneof![6 => Just(Status::Final), 1 => Just(Status::Corrected), 1 => Just(Status::EnteredInError)];
    let id = prop_oneof![5 => Just(None), 1 => (0..3_u8).prop_map(|id| Some(format!("r-{id}")))];
    let meta = (prop_oneof![4 => Just(0_i64), 1 => 0..3_i64], status, id, prop::option::of(Just("knee")));
    let start = prop_oneof![0..20_i64, Just(17_275), 0..600_i64];
    let shape = (0..MEASURES.len(), start, prop::collection::vec(0..3_i64, 1..40), 1..3_i64, 0..4_u8);
    let sent = prop::option::of(0..5_i64);
    (meta, shape, sent, prop::bool::weighted(0.1)).prop_map(
        |((revision, status, id, site), shape, sent_at, restart)| {
            let (measure, start, values, step, oddity) = shape;
            let measure = MEASURES[measure];
            let count = if id.is_some() { 1 } else { values.len() };
            let samples = values[..count].iter().zip(0..).map(|(&value, place)| {
                let value = match measure {
                    Measure::DeviceWorn => Value::Code(["on", "off", "?"][value as usize].into()),
                    _ => Value::Number(value * 1_000),
                };
                let mut sample = sample((start + place * step) * 5_000, value);
                match oddity {
                    1 => sample.end = Some(sample.device_time + 60_000 * (1 + place % 2)),
                    2 => sample.time = sample.time.plus(3_600_000 * (place % 3) - 3_600_000),
                    3 if place % 4 == 0 => sample.flags = Flags::BACKDATED,
                    _ => {}
                }
                sample
            });
            let series = with(series(measure, samples.collect()), |meta| {
                (meta.revision, meta.status, meta.id) = (revision, status, id.map(Into::into));
                meta.body_site = site.map(Into::into);
            });
            Arrival { series, sent_at, restart }
        },
    )
}

/// All versions that ever arrived of one identity.
type Arrived = Vec<EffectiveReadingAndSending>;

#[derive(Clone, Debug)]
struct EffectiveReadingAndSending {
    reading: EffectiveReading,
    sent_at: Option<i64>,
}

type Seniority = (i64, Status, Reverse<Option<i64>>, bool, Reverse<EventTime>, Reverse<i64>, Reverse<Option<i64>>, u8);

fn seniority(arrived: &EffectiveReadingAndSending) -> Seniority {
    let reading = &arrived.reading;
    let (revision, status, sent) = (reading.revision, reading.status, Reverse(arrived.sent_at));
    let fresh = !reading.flags.has(Flags::BACKDATED);
    let site = u8::from(reading.about.body_site.is_some());
    (revision, status, sent, fresh, Reverse(reading.time), Reverse(reading.device_time), Reverse(reading.end), site)
}

/// What stands, by the words of semantics 4 alone.
fn stands(all: &Arrived) -> Option<EffectiveReading> {
    let mut kept: BTreeMap<(Measure, Value), &EffectiveReadingAndSending> = BTreeMap::new();
    for arrived in all {
        let slot = kept.entry((arrived.reading.measure, arrived.reading.value.clone())).or_insert(arrived);
        if seniority(arrived) > seniority(slot) {
            *slot = arrived;
        }
    }
    let rank = |arrived: &&&EffectiveReadingAndSending| {
        let reading = &arrived.reading;
        (reading.revision, arrived.sent_at, reading.status, reading.value.canonical_bytes(), reading.measure)
    };
    let top = &kept.values().max_by_key(rank)?.reading;
    let alive = |status| status != Status::EnteredInError;
    let rivals =
        kept.values().filter(|kept| kept.reading.revision == top.revision && alive(kept.reading.status)).count();
    let undecided = top.status == Status::Final && rivals > 1;
    alive(top.status).then(|| EffectiveReading { undecided, ..top.clone() })
}

#[derive(Default)]
struct Model {
    identities: HashMap<ReadingId, Arrived>,
    /// What the changes add up to.
    told: HashMap<ReadingId, EffectiveReading>,
    submitted: u64,
}

impl Model {
    fn take(&mut self, arrival: &Arrival) {
        let tenant = TenantId::default();
        let incoming = incoming(&tenant, &arrival.series, arrival.sent_at);
        for reading in incoming.readings(0..arrival.series.samples.len() as u32) {
            self.submitted += 1;
            let arrived = EffectiveReadingAndSending { sent_at: arrival.sent_at, reading };
            self.identities.entry(arrived.reading.reading_id(&tenant)).or_default().push(arrived);
        }
    }

    fn hear(&mut self, arrival: &Arrival, changes: &[Change]) {
        let tenant = TenantId::default();
        let incoming = incoming(&tenant, &arrival.series, arrival.sent_at);
        for change in changes {
            match change {
                Change::Fresh { samples, .. } => {
                    for reading in incoming.readings(samples.clone()) {
                        assert_eq!(self.told.insert(reading.reading_id(&tenant), reading), None);
                    }
                }
                Change::Judged(judged) => {
                    assert_eq!(self.told.remove(&judged.reading_id), judged.before);
                    judged.after.iter().for_each(|after| drop(self.told.insert(judged.reading_id, after.clone())));
                }
            }
        }
    }
}

fn play(arrivals: &[Arrival]) -> (Bench, Model) {
    let (mut bench, mut model) = (Bench::default(), Model::default());
    for arrival in arrivals {
        model.take(arrival);
        let changes = bench.take(&arrival.series, arrival.sent_at).to_vec();
        model.hear(arrival, &changes);
        if arrival.restart {
            bench.restart();
        }
    }
    (bench, model)
}

fn everything(bench: &mut Bench) -> Vec<EffectiveReading> {
    let of =
        |measure: &Measure| bench.effective(&series(*measure, Vec::new()), DAY_START - DAY_MS, DAY_START + 3 * DAY_MS);
    MEASURES.iter().flat_map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn semantics_5_blocks_hold_what_the_model_holds(arrivals in prop::collection::vec(arrival(), 1..30)) {
        let (mut bench, model) = play(&arrivals);
        let found = everything(&mut bench);
        let tenant = TenantId::default();
        let by_id: HashMap<_, _> = found.iter().map(|reading| (reading.reading_id(&tenant), reading.clone())).collect();
        prop_assert_eq!(by_id.len(), found.len());
        let expected: HashMap<_, _> = model.identities.iter().filter_map(|(id, all)| Some((*id, stands(all)?))).collect();
        prop_assert_eq!(&by_id, &expected);
        prop_assert_eq!(&by_id, &model.told);
        prop_assert_eq!(bench.tally.submitted(), model.submitted);
        let in_order = |pair: &[EffectiveReading]| {
            let key = |reading: &EffectiveReading| -> (Measure, EventTime, Identity) { (reading.measure, reading.time, reading.identity()) };
            key(&pair[0]) < key(&pair[1])
        };
        prop_assert!(found.windows(2).all(in_order));
    }

    #[test]
    fn semantics_4_any_order_of_arrival_ends_in_the_same_readings(
        (arrivals, shuffled) in prop::collection::vec(arrival(), 1..30)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let ((mut first, model), (mut second, _)) = (play(&arrivals), play(&shuffled));
        prop_assert_eq!(everything(&mut first), everything(&mut second));
        let fresh = model.identities.len() as u64;
        prop_assert!(first.tally.stored >= fresh && second.tally.stored >= fresh);
        prop_assert_eq!(first.tally.submitted(), second.tally.submitted());
    }

    /// Without corrections or revisions, the books do not depend on the order of arrival at all.
    #[test]
    fn semantics_4_verdict_counts_of_plain_readings_do_not_depend_on_the_order(
        (arrivals, shuffled) in prop::collection::vec(arrival(), 1..30)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let plain = |all: &[Arrival]| -> Vec<Arrival> {
            let plain = |arrival: &Arrival| {
                let series = with(arrival.series.clone(), |meta| (meta.revision, meta.status) = (0, Status::Final));
                Arrival { series, ..arrival.clone() }
            };
            all.iter().map(plain).collect()
        };
        prop_assert_eq!(play(&plain(&arrivals)).0.counts(), play(&plain(&shuffled)).0.counts());
    }

    /// Long enough to fill, split and reopen chunks.
    #[test]
    fn semantics_5_a_backlog_in_any_order_and_in_any_pieces_ends_in_the_same_day(
        pieces in prop::collection::vec(1..90_i64, 10..40).prop_shuffle(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 60),
        gap in 0..3_i64,
    ) {
        let mut start = 0;
        let batches: Vec<Series> = pieces.iter().map(|&length| {
            start += length + gap;
            heart_rate((start - length) * 5_000, &(0..length).map(|place| 60 + (start + place) % 40).collect::<Vec<_>>())
        }).collect();
        let mut bench = Bench::default();
        let mut seen = std::collections::BTreeMap::new();
        for (turn, index) in order.iter().enumerate() {
            let batch = index.get(&batches);
            bench.take(batch, Some(DAY_START));
            seen.extend(batch.samples.iter().map(|sample| (sample.time, sample.value.clone())));
            if turn % 17 == 16 {
                bench.restart();
            }
        }
        let found = bench.effective(&batches[0], DAY_START, DAY_START + DAY_MS);
        prop_assert_eq!(bench.tally.stored, seen.len() as u64);
        prop_assert!(found.into_iter().map(|reading| (reading.time, reading.value)).eq(seen));
    }
}
