//! Who is silent (semantics 16): prescribed streams, absence rules, and what must never be told as a patient's silence.

use crate::ward::{Ward, device_id, dose, number, person, prescribed, reading, wears};
use painwatch_domain::roster::Hours;
use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use painwatch_domain::{EventTime, FindingKind, GatewayId, JournalTime, Measure, Priority, Roster, Value};
use painwatch_processor_core::patient::{GRACE_MS, GatewayState};
use proptest::prelude::*;

use FindingKind::{Cleared, Opened, Retracted};

/// 2026-06-10T00:00Z.
const DAY: i64 = 20_614 * DAY_MS;
const HEART: Measure = Measure::HeartRate;
const SPO2: Measure = Measure::OxygenSaturation;
const SILENT: &str = "technical-stream-silent";
const LOST: &str = "technical-monitoring-lost";

fn watched() -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &["opioid-safety", "adherence"]);
    roster.patients.insert(ann.id.clone(), ann);
    wears(&mut roster, "ann", "watch", &[(HEART, 5 * SECOND_MS)]);
    roster
}

fn beat(time: i64) -> painwatch_processor_core::intake::EffectiveReading {
    number("watch", HEART, time, 71.0)
}

#[test]
fn semantics_16_a_prescribed_stream_is_told_after_a_day_of_silence_once_and_clears_when_it_speaks() {
    let mut ward = Ward::new(watched(), None, DAY);
    ward.send(beat(DAY + HOUR_MS), DAY + HOUR_MS);
    ward.tick(DAY + DAY_MS + HOUR_MS);
    assert_eq!(ward.told(SILENT), []);
    ward.tick(DAY + DAY_MS + HOUR_MS + 1);
    ward.tick(DAY + 3 * DAY_MS);
    assert_eq!(ward.told(SILENT), [Opened]);
    let told = ward.findings.iter().find(|finding| finding.rule.as_str() == SILENT).unwrap();
    assert_eq!((told.episode.peak, told.detected_at.0), (Priority::Low, DAY + DAY_MS + HOUR_MS + 1));
    assert!(told.episode.why.starts_with("no heart_rate from watch since 2026-06-10T01:00:00"), "{}", told.episode.why);
    ward.send(beat(DAY + 3 * DAY_MS + 5), DAY + 3 * DAY_MS + 10);
    assert_eq!(ward.told(SILENT), [Opened, Cleared]);
    let cleared = &ward.findings.last().unwrap().episode;
    assert_eq!(cleared.end.unwrap().0, DAY + 3 * DAY_MS + 5);
    let why = "no heart_rate from watch from 2026-06-10T01:00:00Z to 2026-06-13T00:00:00.005Z";
    assert!(cleared.why.contains(why), "what is over is still explained: {}", cleared.why);
}

#[test]
fn a_device_that_never_spoke_is_silent_from_when_it_was_expected() {
    let mut ward = Ward::new(watched(), None, DAY);
    ward.tick(DAY + DAY_MS);
    assert_eq!(ward.told(SILENT), []);
    ward.tick(DAY + DAY_MS + 1);
    assert_eq!(ward.told(SILENT), [Opened]);
}

#[test]
fn a_stream_that_speaks_seldom_is_silent_after_three_of_its_intervals_and_a_roster_may_ask_for_less_than_a_day() {
    let mut roster = watched();
    let device = roster.devices.get_mut(&device_id("watch")).unwrap();
    device.streams[0].every_ms = 7 * DAY_MS;
    let mut ward = Ward::new(roster.clone(), None, DAY);
    ward.tick(DAY + 21 * DAY_MS);
    assert_eq!(ward.told(SILENT), []);
    ward.tick(DAY + 21 * DAY_MS + 1);
    assert_eq!(ward.told(SILENT), [Opened]);
    let device = roster.devices.get_mut(&device_id("watch")).unwrap();
    (device.streams[0].every_ms, device.streams[0].alert_after_ms) = (5 * SECOND_MS, Some(15 * MINUTE_MS));
    let mut ward = Ward::new(roster, None, DAY);
    ward.tick(DAY + 15 * MINUTE_MS + 1);
    assert_eq!(ward.told(SILENT), [Opened]);
}

/// The race of thingsboard#6821: whichever the reading meets, the deadline or what it opened, nothing stays open.
#[test]
fn past_failure_27_data_of_the_very_millisecond_in_which_the_silence_would_be_too_long() {
    let limit = DAY + DAY_MS;
    for arrives in [limit, limit + 1, limit + 700] {
        let mut ward = Ward::new(watched(), None, DAY);
        ward.send(beat(DAY), DAY);
        ward.send(beat(limit), arrives);
        let expected: &[FindingKind] = if arrives == limit { &[] } else { &[Opened, Retracted] };
        assert_eq!(ward.told(SILENT), expected, "arrives {} ms after", arrives - limit);
        ward.tick(limit + DAY_MS);
        assert_eq!(ward.told(SILENT), expected);
    }
    let mut ward = Ward::new(watched(), None, DAY);
    ward.send(beat(DAY), DAY);
    ward.send(beat(limit + 1), limit + 1);
    assert_eq!(ward.told(SILENT), [Opened, Cleared], "it was silent for longer than a day, if by a millisecond");
}

#[test]
fn semantics_16_late_data_that_show_there_was_no_silence_take_it_back_whatever_comes_first() {
    for newest_first in [false, true] {
        let mut ward = Ward::new(watched(), None, DAY);
        ward.send(beat(DAY), DAY);
        let back = DAY + 30 * HOUR_MS;
        ward.tick(back);
        assert_eq!(ward.told(SILENT), [Opened]);
        let mut late: Vec<i64> = (0..=30).map(|hour| DAY + hour * HOUR_MS).collect();
        if newest_first {
            late.reverse();
        }
        late.into_iter().for_each(|time| ward.send(beat(time), back + 1));
        let told = ward.told(SILENT);
        assert_eq!(told.last(), Some(&Retracted), "{told:?}");
        assert_eq!(told.iter().filter(|kind| **kind == Retracted).count(), 1);
        ward.tick(back + DAY_MS - HOUR_MS);
        assert_eq!(ward.told(SILENT), told);
    }
}

#[test]
fn monitoring_that_is_lost_within_an_exposure_is_told_after_two_hours_and_only_while_no_device_shows_it() {
    let mut roster = watched();
    wears(&mut roster, "ann", "ring", &[(SPO2, SECOND_MS)]);
    wears(&mut roster, "ann", "clip", &[(SPO2, SECOND_MS)]);
    prescribed(&mut roster, "ann", DAY, &[]);
    wears(&mut roster, "ann", "cap", &[]);
    let mut ward = Ward::new(roster, None, DAY);
    let spo2 = |device: &str, time| number(device, SPO2, time, 97.0);
    ward.send(spo2("ring", DAY + HOUR_MS), DAY + HOUR_MS);
    ward.send(spo2("clip", DAY + 3 * HOUR_MS), DAY + 3 * HOUR_MS);
    ward.tick(DAY + 6 * HOUR_MS);
    assert_eq!(ward.told(LOST), [], "no opioid yet");
    ward.send(dose("cap", DAY + 6 * HOUR_MS), DAY + 6 * HOUR_MS + MINUTE_MS);
    assert_eq!(ward.told(LOST), [Opened]);
    assert!(ward.findings.last().unwrap().shadow, "nobody asked for it to be sent");
    let told = ward.findings.last().unwrap();
    assert_eq!((told.episode.peak, told.episode.start.0), (Priority::Medium, DAY + 6 * HOUR_MS));
    ward.send(spo2("clip", DAY + 7 * HOUR_MS), DAY + 7 * HOUR_MS);
    assert_eq!(ward.told(LOST), [Opened, Cleared]);
    ward.tick(DAY + 9 * HOUR_MS + 1);
    assert_eq!(ward.told(LOST), [Opened, Cleared, Opened], "two hours after the newest of either");
    ward.tick(DAY + 10 * HOUR_MS);
    assert_eq!(ward.told(LOST).last(), Some(&Cleared), "the exposure is over");
    let why = &ward.findings.last().unwrap().episode.why;
    assert!(why.ends_with("; no longer at risk"), "{why}");
}

#[test]
fn what_is_known_about_why_is_said() {
    let mut ward = Ward::new(watched(), None, DAY);
    ward.send(beat(DAY), DAY);
    let charging = reading("watch", Measure::DeviceCharging, DAY + MINUTE_MS, Value::Code("true".into()));
    ward.send(charging, DAY + 2 * MINUTE_MS);
    ward.tick(DAY + DAY_MS + 1);
    assert!(
        ward.findings.last().unwrap().episode.why.ends_with("charging)"),
        "{}",
        ward.findings.last().unwrap().episode.why
    );
}

#[test]
fn a_gateway_that_still_holds_readings_is_waited_for_and_one_that_is_away_is_named() {
    for online in [true, false] {
        let mut ward = Ward::new(watched(), None, DAY);
        ward.clinic.brought(&GatewayId::parse("gw").unwrap(), &device_id("watch"), JournalTime(DAY));
        ward.send(beat(DAY), DAY);
        let says = |ward: &mut Ward, online, backlog, at: i64| {
            ward.tick(at);
            let state = GatewayState { gateway: "gw", online, backlog, oldest_pending: None };
            ward.clinic.gateway_says(&state, JournalTime(at));
            ward.tick(at);
        };
        says(&mut ward, online, 500, DAY + HOUR_MS);
        ward.tick(DAY + 2 * DAY_MS);
        if online {
            assert_eq!(ward.told(SILENT), []);
            says(&mut ward, true, 0, DAY + 2 * DAY_MS + 1);
        }
        assert_eq!(ward.told(SILENT), [Opened]);
        let why = &ward.findings.last().unwrap().episode.why;
        assert_eq!(why.ends_with("gateway)"), !online, "{why}");
    }
}

/// The missed doses of a patient whose cap reports through a gateway that says `backlog` at 10:00 and none at 20:00.
fn missed(backlog: u64, late_dose: bool) -> Vec<FindingKind> {
    let mut roster = watched();
    wears(&mut roster, "ann", "cap", &[(Measure::MedicationEvent, 12 * HOUR_MS)]);
    prescribed(&mut roster, "ann", DAY, &[8 * 60, 12 * 60, 16 * 60]);
    let mut ward = Ward::new(roster, None, DAY);
    let gateway = GatewayId::parse("gw").unwrap();
    ward.clinic.brought(&gateway, &device_id("cap"), JournalTime(DAY));
    ward.tick(DAY + 7 * HOUR_MS);
    let state = GatewayState { gateway: "gw", online: true, backlog, oldest_pending: Some(DAY + 7 * HOUR_MS) };
    ward.clinic.gateway_says(&state, JournalTime(DAY + 10 * HOUR_MS));
    ward.tick(DAY + 20 * HOUR_MS);
    if late_dose {
        [8, 12, 16].into_iter().for_each(|hour| ward.send(dose("cap", DAY + hour * HOUR_MS), DAY + 20 * HOUR_MS));
    }
    ward.clinic.gateway_says(
        &GatewayState { gateway: "gw", online: true, ..GatewayState::default() },
        JournalTime(DAY + 20 * HOUR_MS),
    );
    ward.tick(DAY + 21 * HOUR_MS);
    ward.told("doses-missed-2")
}

#[test]
fn semantics_16_while_a_gateway_reports_a_backlog_a_missed_dose_waits_for_upload() {
    assert_eq!(missed(0, false), [Opened]);
    assert_eq!(missed(0, true), [Opened, Retracted]);
    assert_eq!(missed(3, true), [], "the doses were waiting");
    assert_eq!(missed(3, false), [Opened], "and were not");
}

/// Dexcom Follow 2019, thingsboard#13715: silence is told, and a start of ours makes none (P7, in CI size).
#[test]
fn past_failure_26_and_46_thousands_of_devices_through_twenty_restarts_are_told_exactly_when_they_fall_silent() {
    const DEVICES: i64 = 2_000;
    let mut roster = Roster::default();
    for nth in 0..DEVICES {
        let somebody = person(&format!("p{nth}"), &[]);
        roster.patients.insert(somebody.id.clone(), somebody);
        wears(&mut roster, &format!("p{nth}"), &format!("d{nth}"), &[(HEART, 10 * MINUTE_MS)]);
    }
    let mut ward = Ward::new(roster, None, DAY);
    let (step, mut restarts, mut paused_until) = (10 * MINUTE_MS, Vec::new(), DAY);
    // A tenth falls silent, each at a moment of its own; the others speak every ten minutes and after a pause late.
    let falls = |nth: i64| (nth % 10 == 0).then_some(DAY + HOUR_MS + nth * 17 * SECOND_MS);
    let mut waiting: Vec<(i64, i64)> = Vec::new();
    for at in (DAY..DAY + 2 * DAY_MS).step_by(step as usize) {
        let down = at < paused_until;
        for nth in (0..DEVICES).filter(|nth| falls(*nth).is_none_or(|from| at < from)) {
            if (at / step + nth) % 6 == 0 || at == DAY {
                waiting.push((nth, at));
            }
        }
        if down {
            continue;
        }
        for (nth, time) in std::mem::take(&mut waiting) {
            ward.send(number(&format!("d{nth}"), HEART, time, 70.0), at.max(time));
        }
        ward.readings.clear();
        if (at - DAY) % (2 * HOUR_MS) == HOUR_MS && restarts.len() < 20 {
            let pause = [SECOND_MS, 30 * MINUTE_MS, 4 * HOUR_MS][restarts.len() % 3];
            ward.tick(at + 1);
            ward.restart(at + 1, at + 1 + pause);
            restarts.push((at + 1, at + 1 + pause));
            paused_until = at + 1 + pause;
        }
    }
    ward.tick(DAY + 3 * DAY_MS);
    assert!(restarts.len() >= 10, "{}", restarts.len());
    let opened: Vec<_> =
        ward.findings.iter().filter(|finding| finding.kind == Opened && finding.rule.as_str() == SILENT).collect();
    let silent = |finding: &painwatch_domain::Finding| {
        let nth: i64 = finding.patient.as_ref().unwrap().as_str()[1..].parse().unwrap();
        falls(nth).is_some()
    };
    let falsely = opened.iter().filter(|finding| !silent(finding) && finding.detected_at.0 < DAY + 2 * DAY_MS);
    assert_eq!(falsely.count(), 0, "false");
    let rightly: Vec<_> = opened.iter().filter(|finding| silent(finding)).collect();
    assert_eq!(rightly.len() as i64, DEVICES / 10, "missed or told twice");
    for finding in rightly {
        let due = finding.episode.start.0;
        let grace =
            restarts.iter().find(|(from, to)| *from <= due && due < to + GRACE_MS).map_or(due, |(_, to)| to + GRACE_MS);
        let mut due = due.max(grace);
        // A later pause may begin within the grace of an earlier one.
        while let Some((_, to)) = restarts.iter().find(|(from, to)| *from <= due && due < to + GRACE_MS) {
            due = to + GRACE_MS;
        }
        assert!((finding.detected_at.0 - due).abs() <= 10 * SECOND_MS, "due {due}, told {}", finding.detected_at.0);
    }
}

const RULE: &str = r#"
[[rule]]
id = "no-pain-report"
title = "No pain report for a day"
domain = "technical"
signal = "pain_nrs"
condition = { absent = "24h" }
priority = "low"
action = "Ask whether the phone works."
source = "engineering choice"
"#;

fn reporting() -> Roster {
    let mut roster = Roster::default();
    let ann = person("ann", &["clinic"]);
    roster.patients.insert(ann.id.clone(), ann);
    wears(&mut roster, "ann", "phone", &[]);
    roster
}

#[test]
fn an_absence_rule_tells_a_silence_when_it_is_too_long_ends_it_with_a_reading_and_takes_it_back_by_a_late_one() {
    let mut ward = Ward::new(reporting(), Some(RULE), DAY);
    let says = |time| number("phone", Measure::PainNrs, time, 4.0);
    ward.send(says(DAY + HOUR_MS), DAY + HOUR_MS);
    ward.tick(DAY + DAY_MS + HOUR_MS + 1);
    assert_eq!(ward.told("no-pain-report"), [Opened]);
    assert_eq!(ward.spans("no-pain-report"), [(DAY + DAY_MS + HOUR_MS, None)]);
    ward.send(says(DAY + 30 * HOUR_MS), DAY + 30 * HOUR_MS);
    assert_eq!(ward.told("no-pain-report"), [Opened, Cleared]);
    assert_eq!(ward.spans("no-pain-report"), [(DAY + DAY_MS + HOUR_MS, Some(DAY + 30 * HOUR_MS))]);
    ward.send(says(DAY + 20 * HOUR_MS), DAY + 31 * HOUR_MS);
    assert_eq!(ward.told("no-pain-report"), [Opened, Cleared, Retracted]);
    assert_eq!(ward.spans("no-pain-report"), []);
    let nth = ward.readings.iter().position(|seen| seen.time.0 == DAY + 20 * HOUR_MS).unwrap();
    ward.take_back(nth, DAY + 32 * HOUR_MS);
    assert_eq!(ward.spans("no-pain-report"), [(DAY + DAY_MS + HOUR_MS, Some(DAY + 30 * HOUR_MS))]);
}

#[test]
fn semantics_16_our_own_pause_is_nobodys_silence_and_what_it_delays_is_no_canonical_history() {
    let mut ward = Ward::new(reporting(), Some(RULE), DAY);
    ward.send(number("phone", Measure::PainNrs, DAY, 4.0), DAY);
    ward.tick(DAY + 20 * HOUR_MS);
    ward.restart(DAY + 20 * HOUR_MS, DAY + 40 * HOUR_MS);
    ward.tick(DAY + 40 * HOUR_MS + GRACE_MS);
    assert_eq!(ward.told("no-pain-report"), []);
    let due = DAY + DAY_MS + 20 * HOUR_MS + GRACE_MS;
    ward.tick(due);
    assert_eq!(ward.told("no-pain-report"), []);
    ward.tick(due + 1);
    assert_eq!(ward.told("no-pain-report"), [Opened]);
    assert_eq!(ward.spans("no-pain-report"), [], "its start depends on when we paused");
}

/// Which gateways could bring something is asked of the devices that were worn then, not of those that are worn now.
#[test]
fn semantics_16_a_gateway_that_was_away_is_remembered_when_the_device_it_carried_is_replaced() {
    let mut roster = reporting();
    let carried = |roster: &mut Roster, device: &str, gateway: &str| {
        let gateways = vec![GatewayId::parse(gateway).unwrap()];
        roster.devices.get_mut(&device_id(device)).unwrap().gateways = gateways;
    };
    carried(&mut roster, "phone", "gw-1");
    let mut ward = Ward::new(roster.clone(), Some(RULE), DAY);
    let says = |ward: &mut Ward, gateway: &str, online: bool, hours: i64| {
        let now = DAY + hours * HOUR_MS;
        ward.tick(now);
        ward.clinic.gateway_says(&GatewayState { gateway, online, ..GatewayState::default() }, JournalTime(now));
        ward.tick(now);
    };
    let report = |ward: &mut Ward, device: &str, hours: i64| {
        let at = DAY + hours * HOUR_MS;
        ward.send(number(device, Measure::PainNrs, at, 4.0), at);
    };
    for gateway in ["gw-1", "gw-2"] {
        says(&mut ward, gateway, true, 0);
    }
    report(&mut ward, "phone", 1);
    says(&mut ward, "gw-1", false, 2);
    says(&mut ward, "gw-1", true, 32);
    (33..120).step_by(12).for_each(|hours| report(&mut ward, "phone", hours));
    assert_eq!(ward.told("no-pain-report"), []);
    let replaced = DAY + 120 * HOUR_MS;
    wears(&mut roster, "ann", "tablet", &[]);
    carried(&mut roster, "tablet", "gw-2");
    let mut pairings = roster.pairings.to_vec();
    pairings[0].until = Some(EventTime(replaced));
    pairings[1].from = EventTime(replaced);
    roster.pairings = pairings.into();
    ward.roster(roster, replaced);
    report(&mut ward, "tablet", 121);
    assert_eq!(ward.told("no-pain-report"), []);
    // What kept the old device's readings says nothing about the new one's.
    says(&mut ward, "gw-1", false, 122);
    ward.tick(DAY + 145 * HOUR_MS + 1);
    assert_eq!(ward.told("no-pain-report"), [Opened]);
    assert_eq!(ward.spans("no-pain-report"), [(DAY + 145 * HOUR_MS, None)]);
}

#[test]
fn semantics_16_a_daily_metric_is_absent_on_whole_days() {
    let text = RULE.replace("signal = \"pain_nrs\"", "signal = \"pain_nrs.daily_mean\"").replace("24h", "2d");
    let mut ward = Ward::new(reporting(), Some(&text), DAY);
    for hour in [1, 9] {
        ward.send(number("phone", Measure::PainNrs, DAY + hour * HOUR_MS, 4.0), DAY + hour * HOUR_MS);
    }
    ward.tick(DAY + 5 * DAY_MS);
    assert_eq!(ward.spans("no-pain-report"), [(DAY + 2 * DAY_MS, None)]);
    for hour in [1, 9] {
        ward.send(
            number("phone", Measure::PainNrs, DAY + 5 * DAY_MS + hour * HOUR_MS, 4.0),
            DAY + 5 * DAY_MS + hour * HOUR_MS,
        );
    }
    ward.tick(DAY + 7 * DAY_MS);
    assert_eq!(ward.spans("no-pain-report"), [(DAY + 2 * DAY_MS, Some(DAY + 5 * DAY_MS))]);
}

/// By a look at every silence between neighbours.
fn model(times: &[i64], limit: i64, since: i64, now: i64) -> Vec<(i64, Option<i64>)> {
    let mut times: Vec<i64> = times.iter().copied().filter(|time| *time >= since).chain([since]).collect();
    times.sort_unstable();
    let mut told: Vec<_> = times
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > limit)
        .map(|pair| (pair[0] + limit, Some(pair[1])))
        .collect();
    let newest = times[times.len() - 1];
    told.extend((now - newest > limit).then_some((newest + limit, None)));
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn semantics_16_silences_do_not_depend_on_the_order_of_arrival_and_survive_restarts(
        hours in prop::collection::vec((0i64..200, 0i64..60, 0u8..8), 1..24),
    ) {
        let mut ward = Ward::new(reporting(), Some(RULE), DAY);
        let mut now = DAY;
        for (hour, later, what) in hours {
            let time = DAY + hour * HOUR_MS;
            now = now.max(time) + later * MINUTE_MS;
            match what {
                0 if !ward.readings.is_empty() => {
                    let nth = hour as usize % ward.readings.len();
                    ward.take_back(nth, now);
                }
                1 => ward.again(),
                _ => {
                    if ward.readings.iter().all(|seen| seen.time.0 != time) {
                        ward.send(number("phone", Measure::PainNrs, time, 4.0), now);
                    }
                }
            }
        }
        let end = DAY + 12 * DAY_MS;
        ward.tick(end);
        let times: Vec<i64> = ward.readings.iter().map(|seen| seen.time.0).collect();
        prop_assert_eq!(ward.spans("no-pain-report"), model(&times, DAY_MS, DAY, end));
        prop_assert_eq!(ward.coverage_defects, 0);
    }
}

/// Worn at night, from 22:00 to 06:00: no day in between is a monitoring lost, and a night without it is told in the morning.
#[test]
fn a_device_that_is_expected_at_night_is_silent_by_night_and_lost_only_then() {
    let mut roster = watched();
    prescribed(&mut roster, "ann", DAY, &[0, 240, 480, 720, 960, 1200]);
    wears(&mut roster, "ann", "cap", &[]);
    wears(&mut roster, "ann", "finger", &[(SPO2, 30 * SECOND_MS)]);
    roster.devices.get_mut(&device_id("watch")).unwrap().streams.clear();
    let told = |hours: Option<Hours>, worn_in_third_night: bool| {
        let mut roster = roster.clone();
        roster.devices.get_mut(&device_id("finger")).unwrap().streams[0].hours = hours;
        let mut ward = Ward::new(roster, None, DAY);
        for minute in (0..3 * 24 * 60).step_by(10) {
            let (at, hour) = (DAY + minute * MINUTE_MS, minute / 60 % 24);
            if minute % 120 == 0 {
                ward.send(dose("cap", at), at);
            }
            let third = minute >= 44 * 60;
            if !(6..22).contains(&hour) && (worn_in_third_night || !third) {
                ward.send(number("finger", SPO2, at, 97.0), at);
            }
        }
        ward.tick(DAY + 3 * DAY_MS);
        (ward.told(SILENT), ward.told(LOST))
    };
    let night = Some(Hours { from_min: 22 * 60, until_min: 6 * 60 });
    assert_eq!(told(night, true), (vec![], vec![]));
    assert!(told(None, true).1.len() >= 5, "prescribed for all day it is lost each day");
    // The third night from 22:00 on the second day to 06:00 on the third.
    let (silent, lost) = told(night, false);
    assert_eq!((silent, lost), (vec![Opened], vec![Opened, Cleared, Opened]));
}
