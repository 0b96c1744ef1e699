//! The answer for people: sentences that can be read aloud.

use std::fmt::Write as _;

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use painwatch_domain::{EventTime, Zone};
use painwatch_processor_core::patient::explain::{InForce, Need, Saw, Standing, Value};
use painwatch_processor_core::rules::{Circumstance, Margin, format_duration, number};
use painwatch_store::AlertRow;

use super::HINDSIGHT_DAYS;
use super::answer::{Answer, RuleAnswer};

/// `2026-03-03 03:10:30` on the patient's clock.
pub fn local(zone: &Zone, at: i64) -> String {
    let (day, minute) = (zone.local_day(EventTime(at)), zone.minute_of_day(EventTime(at)));
    format!("{day} {:02}:{:02}:{:02}", minute / 60, minute % 60, at.rem_euclid(MINUTE_MS) / SECOND_MS)
}

/// The time alone where the day is that of the question.
fn clock(zone: &Zone, at: i64, asked: EventTime) -> String {
    let full = local(zone, at);
    if zone.local_day(EventTime(at)) == zone.local_day(asked) {
        return full.rsplit(' ').next().unwrap_or(&full).to_owned();
    }
    full
}

/// `30 s`, `12 min`, `3 h 5 min`, `2 days`.
pub fn lasting(ms: i64) -> String {
    match ms {
        ..MINUTE_MS => format!("{} s", ms / SECOND_MS),
        MINUTE_MS..HOUR_MS => format!("{} min", ms / MINUTE_MS),
        HOUR_MS..DAY_MS if ms % HOUR_MS < MINUTE_MS => format!("{} h", ms / HOUR_MS),
        HOUR_MS..DAY_MS => format!("{} h {} min", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS),
        _ => format!("{} days", ms / DAY_MS),
    }
}

/// `%`, `doses`, ` kg` as they follow a number.
fn unit(unit: &str) -> String {
    match unit {
        "" | "1" => String::new(),
        "{dose}" => " doses".to_owned(),
        _ => format!(" {}", unit.trim_matches(['{', '}'])),
    }
}

pub fn circumstance(circumstance: &Circumstance) -> String {
    match circumstance {
        Circumstance::Exposure(class) => format!("a dose of an {class} was at work"),
        Circumstance::Condition(names) => format!("the problem list names {}", names.join(" or ")),
        Circumstance::Started { class, within_ms } => {
            format!("an order of {class} began within {}", format_duration(*within_ms))
        }
        Circumstance::Event { kind, within_ms } => format!("{kind} lay within {}", format_duration(*within_ms)),
    }
}

/// Why a rule could not see.
pub fn cause(cause: &str) -> &'static str {
    match cause {
        "self" => "painwatch itself was not running",
        "gateway" => "the gateway was not connected",
        "link" => "the device had lost its gateway",
        "charging" => "the device was being charged",
        "not_worn" => "the device was not worn",
        "quality" => "what came was not good enough",
        _ => "nothing came that it could use, and nothing says why",
    }
}

pub fn answer(answer: &Answer, zone: &Zone) -> String {
    let mut text = format!("{} at {} ({})\n", answer.patient, local(zone, answer.at.0), zone.name());
    if answer.is_too_early() {
        let _ = match answer.first_reading {
            Some(first) => {
                writeln!(text, "Nothing had been measured yet: the first reading is of {}.", local(zone, first.0))
            }
            None => writeln!(text, "No reading of this patient has been stored."),
        };
        return text;
    }
    if answer.too_late > 0 {
        let _ = writeln!(
            text,
            "{} readings of the hours around it came more than {} days later: they are stored, and changed no alert.",
            answer.too_late, HINDSIGHT_DAYS
        );
    }
    text.push_str("Not a medical device; not for emergencies. A named clinician must confirm every threshold.\n");
    if answer.rules.is_empty() {
        text.push_str("\nNo rule looked at this patient: the roster names no pack.\n");
    }
    for of_rule in &answer.rules {
        rule(&mut text, of_rule, zone, answer.at);
    }
    text
}

fn rule(text: &mut String, answer: &RuleAnswer, zone: &Zone, at: EventTime) {
    let _ = write!(text, "\n{} ({})\n", answer.now.title, answer.id());
    let Some(in_force) = &answer.now.in_force else {
        text.push_str("  No version of it was in force at that moment.\n");
        return;
    };
    let mut line = |sentence: String| {
        let _ = writeln!(text, "  {sentence}");
    };
    line(verdict(answer, in_force, at));
    line(format!("It asks for: {}.", in_force.rule.condition_text()));
    seen(&in_force.saw, zone, at).into_iter().for_each(&mut line);
    line(monitored(answer, zone, at));
    line(version(in_force, zone));
    if let Some(alert) = &answer.alert {
        line(alerted(alert, zone));
    }
    if let Some((episode, until)) = &answer.refractory {
        line(format!(
            "An episode then would have belonged to alert {} and paged nobody anew, until {}.",
            episode.alert_id,
            clock(zone, *until, at)
        ));
    }
    if answer.learned_later() {
        line(format!("What was known then: {}", then(answer, zone, at)));
    }
}

/// The one sentence that answers the question.
fn verdict(answer: &RuleAnswer, in_force: &InForce, at: EventTime) -> String {
    let (saw, rule) = (&in_force.saw, &in_force.rule);
    let held = saw.held_since.map(|since| lasting((at.0 - since).max(0)));
    match saw.standing {
        Standing::Rings if rule.is_shadow() => {
            "Its condition held, and it was shown only: nobody has accepted the rule.".to_owned()
        }
        Standing::Rings => match &answer.alert {
            Some(alert) if alert.historical => {
                "Its condition held, in data that were imported: it never pages.".to_owned()
            }
            Some(alert) if alert.retrospective => format!(
                "Its condition held, but that became known only at {}: too late to page ({} after the last time).",
                alert.detected_at,
                format_duration(rule.stale_after_ms)
            ),
            Some(_) => "It rang.".to_owned(),
            None => "Its condition held.".to_owned(),
        },
        Standing::Holds => match (held, saw.needs.first()) {
            (_, Some(Need::Days { have, of })) => {
                format!("It did not ring: its condition held on {have} of {} days, it asks for {}.", of.n, of.k)
            }
            (Some(held), _) if rule.for_ms > 0 => format!(
                "It did not ring: its condition had held for {held}, it asks for {}.",
                format_duration(rule.for_ms)
            ),
            _ => "It did not ring yet: its condition held, and it asks for more readings.".to_owned(),
        },
        Standing::Quiet => "It did not ring: its condition did not hold.".to_owned(),
        Standing::Blind if saw.sees => "It could not tell: too little was known to judge by.".to_owned(),
        Standing::Blind => format!("It could not tell: {}.", cause(&answer.monitoring.cause)),
    }
}

fn seen(saw: &Saw, zone: &Zone, at: EventTime) -> Vec<String> {
    let mut lines: Vec<String> = saw.values.iter().map(|one| value(one, zone, at)).collect();
    if let Some(margin) = &saw.margin {
        lines.push(distance(margin));
    }
    for need in &saw.needs {
        match need {
            Need::Samples { have, need } => {
                lines.push(format!("{have} readings in a row had shown it; it asks for {need}."))
            }
            Need::Past { have, need } if have < need => {
                lines.push(format!("{have} of the {need} days it has to be set against were known."));
            }
            Need::Parts { have, need } => lines.push(format!("{have} of its parts held; it asks for {need}.")),
            Need::Past { .. } | Need::Days { .. } => {}
        }
    }
    lines
}

fn value(value: &Value, zone: &Zone, at: EventTime) -> String {
    let said = if value.number.is_some() { value.text.as_str() } else { "no value" };
    let note = if value.note.is_empty() { String::new() } else { format!(" ({})", value.note.replace('_', " ")) };
    if value.is_day {
        return format!("It saw {} {said}{note}, of the day {}.", value.name, zone.local_day(EventTime(value.from)));
    }
    let age = match at.0 - value.from {
        ..SECOND_MS => "just then".to_owned(),
        age => format!("{} before", lasting(age)),
    };
    let stale = if at.0 >= value.until { ", too old to count" } else { "" };
    format!("It saw {} {said}{note} at {}, {age}{stale}.", value.name, clock(zone, value.from, at))
}

fn distance(margin: &Margin) -> String {
    let of = if margin.unit.is_empty() { "robust z ".to_owned() } else { String::new() };
    let with_unit = |x: f64| format!("{}{}", number(x), unit(margin.unit));
    let limit = with_unit(margin.limit);
    let share = margin.share().map_or_else(String::new, |share| format!(" ({:.1} % of it)", share.abs() * 100.0));
    match margin.distance {
        short if short > 0.0 => format!("{of}{} short of the limit of {limit}{share}.", with_unit(short)),
        beyond if beyond < 0.0 => format!("{of}{} beyond the limit of {limit}{share}.", with_unit(-beyond)),
        _ => format!("Exactly on the limit of {limit}."),
    }
}

fn monitored(answer: &RuleAnswer, zone: &Zone, at: EventTime) -> String {
    let span = answer.monitoring.interval.map_or_else(String::new, |(start, end)| {
        format!(" from {} to {}", clock(zone, start.0, at), clock(zone, end.0, at))
    });
    let so_far = answer.monitoring.provisional().map_or_else(String::new, |(seen, all)| {
        format!(" Provisional: monitored for {} of the {} before.", lasting(seen), lasting(all))
    });
    if answer.monitoring.cause.is_empty() {
        format!("Monitored{span}.{so_far}")
    } else {
        format!("Monitoring gap{span}: {}.{so_far}", cause(&answer.monitoring.cause))
    }
}

fn version(in_force: &InForce, zone: &Zone) -> String {
    let since = in_force.since.map_or_else(String::new, |since| format!(", in force since {}", local(zone, since)));
    let accepted = match &in_force.rule.accepted_by {
        Some(by) => format!("accepted by {by}"),
        None => "accepted by nobody: shown, never sent".to_owned(),
    };
    let own = in_force.set_by.as_ref().map_or_else(String::new, |set| {
        format!(
            " Its numbers are this patient's own, set by {} from {} on: {}.",
            set.by,
            local(zone, set.from.0),
            set.reason
        )
    });
    let raised: Vec<String> = in_force.raised_by.iter().map(circumstance).collect();
    let raised = if raised.is_empty() { String::new() } else { format!(", because {}", raised.join(" and ")) };
    format!("Version {}{since}, {accepted}. Priority {}{raised}.{own}", in_force.version, in_force.priority)
}

fn alerted(alert: &AlertRow, zone: &Zone) -> String {
    let who = match (&alert.acknowledged_by, alert.acknowledged_at) {
        (Some(by), Some(when)) => format!(", acknowledged by {by} at {}", local(zone, when.0)),
        _ => String::new(),
    };
    format!(
        "Alert {}: opened {}, now {} and {}{who}.",
        alert.alert_id,
        local(zone, alert.opened_at.0),
        alert.state,
        alert.condition
    )
}

fn then(answer: &RuleAnswer, zone: &Zone, at: EventTime) -> String {
    let Some(in_force) = answer.then.as_ref().and_then(|then| then.in_force.as_ref()) else {
        return "nothing; the patient was not in a roster yet.".to_owned();
    };
    let standing = match in_force.saw.standing {
        Standing::Rings => "its condition held",
        Standing::Holds => "its condition held, not long enough",
        Standing::Quiet => "its condition did not hold",
        Standing::Blind => "it could not tell",
    };
    let seen = in_force.saw.values.first().map(|one| value(one, zone, at));
    format!("{standing}. {}", seen.unwrap_or_else(|| "It had seen nothing.".to_owned()))
}
