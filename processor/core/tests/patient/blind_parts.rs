//! Combinations whose parts are blind for a reason: what they could see does not depend on the order of arrival either.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{EventTime, GatewayId, JournalTime, Measure, Roster, Value};
use painwatch_processor_core::intake::EffectiveReading;
use painwatch_processor_core::patient::GatewayState;
use proptest::prelude::*;

use crate::ward::{Ward, device_id, good_or_bad, number, person, reading, wears};

const DAY: i64 = 20_614 * DAY_MS;
/// Everything has come by then.
const SETTLED: i64 = DAY + 8 * DAY_MS;

/// Over samples that are held for minutes, days and silences, each alone in one that needs both and in one that needs either.
const RULES: &str = r#"
[[rule]]
id = "spo2-low"
title = "Low"
domain = "safety"
signal = "oxygen_saturation"
condition = { below = 90 }
for = "2m"
max_gap = "10m"
clear = { at_least = 92, for = "5m" }
priority = "medium"
action = "Call."
source = "test"

[[rule]]
id = "both"
title = "Both"
domain = "safety"
condition = { all_of = ["spo2-low", { signal = "respiratory_rate", at_most = 8, for = "1m", max_gap = "10m", clear = { above = 10, for = "5m" } }], within = "15m" }
priority = "high"
action = "Call."
source = "test"

[[rule]]
id = "either"
title = "Either"
domain = "safety"
condition = { any_of = ["spo2-low", { signal = "respiratory_rate", at_most = 8, for = "1m", max_gap = "10m" }] }
priority = "low"
action = "Call."
source = "test"

[[rule]]
id = "pain-and-silence"
title = "Pain and silence"
domain = "safety"
condition = { all_of = [{ signal = "pain_nrs.daily_worst", at_least = 7 }, { signal = "pain_nrs", absent = "30h" }], within = "2d" }
priority = "low"
action = "Call."
source = "test"

[[rule]]
id = "silent"
title = "Silent"
domain = "safety"
signal = "pain_nrs"
condition = { absent = "20h" }
priority = "low"
action = "Call."
source = "test"
"#;

/// One thing that a device says, and how late it comes.
type Sent = (EffectiveReading, i64);

/// What happens to us and to gateways: at the same time, whatever comes late.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Pause(i64),
    Away(bool),
    Behind(bool),
    Worn(bool),
}

#[derive(Clone, Debug)]
struct World {
    sent: Vec<Sent>,
    trouble: Vec<(i64, Trouble)>,
    /// The pairing is told so late.
    paired: i64,
}

fn burst((measure, device): (Measure, &'static str), (from, minutes, bad): (i64, i64, bool), late: i64) -> Vec<Sent> {
    let value = good_or_bad(measure, bad);
    let steps = if measure == Measure::PainNrs { 1 } else { minutes };
    (0..steps).map(|minute| (number(device, measure, from + minute * MINUTE_MS, value), late)).collect()
}

fn any_sent() -> impl Strategy<Value = Vec<Sent>> {
    let signal = prop_oneof![
        Just((Measure::OxygenSaturation, "watch")),
        Just((Measure::RespiratoryRate, "band")),
        Just((Measure::PainNrs, "phone")),
    ];
    let at = (0i64..4, 0i64..1_440).prop_map(|(day, minute)| DAY + day * DAY_MS + minute * MINUTE_MS);
    let values = (signal, (at.clone(), 1i64..15, any::<bool>()), 0i64..60)
        .prop_map(|(signal, what, late)| burst(signal, what, late * HOUR_MS));
    let state = prop_oneof![Just(Measure::DeviceWorn), Just(Measure::DeviceCharging), Just(Measure::DeviceLink),];
    let device = prop_oneof![Just("watch"), Just("band"), Just("phone")];
    let states = (state, device, at, any::<bool>(), 0i64..60).prop_map(|(measure, device, time, on, late)| {
        let word = if on { "true" } else { "false" };
        vec![(reading(device, measure, time, Value::Code(word.into())), late * HOUR_MS)]
    });
    prop::collection::vec(prop_oneof![3 => values, 2 => states], 1..16).prop_map(|all| {
        let mut sent: Vec<Sent> = Vec::new();
        for one in all.into_iter().flatten() {
            let place = |of: &EffectiveReading| (of.device.clone(), of.measure, of.time);
            if sent.iter().all(|(other, _)| place(other) != place(&one.0)) {
                sent.push(one);
            }
        }
        sent
    })
}

fn any_world(trouble: std::ops::Range<usize>, paired_h: std::ops::Range<i64>) -> impl Strategy<Value = World> {
    let kind = prop_oneof![
        (1i64..300).prop_map(|minutes| Trouble::Pause(minutes * MINUTE_MS)),
        any::<bool>().prop_map(Trouble::Away),
        any::<bool>().prop_map(Trouble::Behind),
        any::<bool>().prop_map(Trouble::Worn),
    ];
    let trouble = prop::collection::vec(((0i64..5 * 1_440).prop_map(|minute| DAY + minute * MINUTE_MS), kind), trouble);
    let paired = paired_h.prop_map(|hours| DAY + hours * HOUR_MS);
    (any_sent(), trouble, paired).prop_map(|(sent, mut trouble, paired)| {
        trouble.sort_by_key(|(at, _)| *at);
        World { sent, trouble, paired }
    })
}

fn roster(paired: bool) -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &["clinic"]);
    roster.patients.insert(ann.id.clone(), ann);
    for device in ["watch", "band", "phone"] {
        wears(&mut roster, "ann", device, &[]);
    }
    if !paired {
        roster.pairings = Default::default();
    }
    roster
}

fn happen(ward: &mut Ward, (at, trouble): (i64, Trouble)) {
    ward.tick(at);
    let said = |away: bool, backlog: u64| GatewayState { gateway: "hub", online: !away, backlog, oldest_pending: None };
    let now = JournalTime(at);
    match trouble {
        Trouble::Pause(ms) => ward.clinic.paused(at - ms, at),
        Trouble::Away(away) => ward.clinic.gateway_says(&said(away, 0), now),
        Trouble::Behind(behind) => ward.clinic.gateway_says(&said(false, u64::from(behind)), now),
        Trouble::Worn(worn) => ward.clinic.device_is_said("watch", Some(worn), None, now),
    }
    ward.tick(at);
}

fn lived(world: &World, late: bool) -> Ward {
    let mut ward = Ward::new(roster(!late), Some(RULES), DAY);
    let mut sent = world.sent.clone();
    sent.sort_by_key(|(one, delay)| (one.time.0 + if late { *delay } else { 0 }, one.measure));
    let (mut trouble, mut paired) = (world.trouble.iter().copied().peekable(), !late);
    let mut now = DAY;
    for device in ["watch", "band", "phone"] {
        ward.clinic.brought(&GatewayId::parse("hub").unwrap(), &device_id(device), JournalTime(DAY));
    }
    let mut due: Vec<(i64, Option<EffectiveReading>)> =
        sent.into_iter().map(|(one, delay)| (one.time.0 + if late { delay } else { 0 }, Some(one))).collect();
    due.push((SETTLED, None));
    for (at, one) in due {
        now = now.max(at);
        loop {
            let next = trouble.peek().map(|(at, _)| *at).filter(|at| *at <= now);
            let pairs = (!paired && world.paired <= now).then_some(world.paired);
            match (next, pairs) {
                (Some(next), pairs) if pairs.is_none_or(|pairs| next <= pairs) => {
                    happen(&mut ward, (next, trouble.next().unwrap().1));
                }
                (_, Some(_)) => {
                    paired = true;
                    ward.roster(roster(true), world.paired);
                }
                _ => break,
            }
        }
        if let Some(one) = one {
            ward.send(one, now);
        }
    }
    ward.tick(SETTLED);
    ward
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

fn same(world: &World) -> Result<(), TestCaseError> {
    let (plain, late) = (lived(world, false), lived(world, true));
    let (one, other) = (plain.history(), late.history());
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    let (one, other) = (only(&one, &other), only(&other, &one));
    let told = || {
        let sent = world.sent.iter().map(|(one, late)| {
            format!("{} {} {} {:?} late {} h", one.device, one.measure.name(), one.time, one.value, late / HOUR_MS)
        });
        let trouble = world.trouble.iter().map(|(at, what)| format!("{} {what:?}", EventTime(*at)));
        sent.chain(trouble).chain([format!("paired {}", EventTime(world.paired))]).collect::<Vec<_>>()
    };
    prop_assert!(one.is_empty() && other.is_empty(), "in order {:#?}\nlate {:#?}\nof {:#?}", one, other, told());
    prop_assert_eq!((plain.coverage_defects, late.coverage_defects), (0, 0));
    Ok(())
}

#[test]
fn semantics_10_what_waits_for_readings_is_known_through_its_parts() {
    let rules = painwatch_processor_core::rules::parse(RULES, "clinic.toml").unwrap();
    let waiting = painwatch_processor_core::rules::waiting(&rules);
    assert_eq!(waiting.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["pain-and-silence", "silent"]);
}

/// A low saturation and slow breathing at midnight; the next morning, minutes before the day closes, one good saturation. Five
/// minutes later time alone has proven that the night was over at once.
#[test]
fn semantics_10_what_time_alone_proves_after_a_day_has_closed_is_in_its_ledger() {
    let one = |device, measure, time, value| (number(device, measure, time, value), HOUR_MS);
    let clears_after_close = (0..40).map(|minute| DAY + DAY_MS + 6 * HOUR_MS + minute * MINUTE_MS);
    for at in clears_after_close {
        let sent = vec![
            one("band", Measure::RespiratoryRate, DAY, 7.0),
            one("watch", Measure::OxygenSaturation, DAY, 85.0),
            one("watch", Measure::OxygenSaturation, at, 97.0),
        ];
        same(&World { sent, trouble: Vec::new(), paired: DAY }).unwrap();
    }
}

/// Nothing of pain for days, and two days late the phone says that it had lost its link.
#[test]
fn semantics_10_a_link_that_is_said_late_to_have_been_lost_changes_the_silences_told_before() {
    let lost = |device, hour: i64, late: i64| {
        (reading(device, Measure::DeviceLink, DAY + hour * HOUR_MS, Value::Code("false".into())), late * HOUR_MS)
    };
    let sent = vec![lost("watch", 0, 0), lost("band", 0, 0), lost("phone", 12, 50)];
    same(&World { sent, trouble: Vec::new(), paired: DAY }).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn semantics_10_what_a_combination_could_see_does_not_depend_on_when_a_device_said_it_was_not_worn(world in any_world(0..1, 0..1)) {
        same(&world)?;
    }

    #[test]
    fn semantics_10_nor_on_our_own_pauses_and_gateways_that_were_away(world in any_world(0..8, 0..1)) {
        same(&world)?;
    }

    #[test]
    fn semantics_8_nor_on_a_pairing_that_is_told_late(world in any_world(0..1, 0..120)) {
        same(&world)?;
    }
}
