//! The sheet itself: a line for each patient who was not seen, the most urgent first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use painwatch_domain::{EventTime, PatientId};
use painwatch_processor_core::patient::coverage::{Interval, both, merged};
use painwatch_processor_core::patient::explain::Sheet;
use painwatch_store::AlertRow;
use serde_json::{Value as Json, json};

use super::find::Outage;
use crate::commands::explain::{cause, lasting};

/// An outage, what of each patient could not be seen when it ended, and what can still not be seen.
pub struct Sheets {
    pub outage: Outage,
    pub then: BTreeMap<PatientId, Sheet>,
    pub now: BTreeMap<PatientId, Sheet>,
}

/// One patient who was monitored before and not meanwhile.
struct Line<'a> {
    patient: &'a PatientId,
    measures: BTreeSet<&'static str>,
    causes: BTreeSet<&'static str>,
    unseen_ms: i64,
    in_exposure_ms: i64,
    still_unseen_ms: i64,
    alerts: Vec<&'a AlertRow>,
}

pub struct Told<'a> {
    outage: &'a Outage,
    lines: Vec<Line<'a>>,
    /// Watched patients of whom nothing was monitored before it either.
    not_before: usize,
    /// Those who were monitored all the time.
    seen: usize,
}

pub fn tell<'a>(sheets: &'a Sheets, alerts: &'a [AlertRow]) -> Told<'a> {
    let mut told = Told { outage: &sheets.outage, lines: Vec::new(), not_before: 0, seen: 0 };
    for (patient, now) in &sheets.now {
        // Who came to the clinic since is judged by what is known now.
        let then = sheets.then.get(patient).unwrap_or(now);
        let before = then.rules.iter().filter(|rule| rule.monitored_before);
        if before.clone().next().is_none() {
            told.not_before += usize::from(!then.rules.is_empty());
            continue;
        }
        let unseen = merged(before.clone().flat_map(|rule| &rule.gaps).map(|(from, to, _)| (*from, *to)).collect());
        if unseen.is_empty() {
            told.seen += 1;
            continue;
        }
        let gapped = before.filter(|rule| !rule.gaps.is_empty());
        let still = |sheet: &Sheet| {
            let watched = sheet
                .rules
                .iter()
                .filter(|rule| then.rules.iter().any(|known| known.rule == rule.rule && known.monitored_before));
            merged(watched.flat_map(|rule| &rule.gaps).map(|(from, to, _)| (*from, *to)).collect())
        };
        // A dose that came late makes an exposure of a time that nobody knew to be one.
        let exposed = &now.exposed;
        told.lines.push(Line {
            patient,
            measures: gapped.clone().map(|rule| rule.measure.name()).collect(),
            causes: gapped.flat_map(|rule| &rule.gaps).map(|(.., cause)| *cause).collect(),
            unseen_ms: total(&unseen),
            in_exposure_ms: total(&both(&unseen, exposed)),
            still_unseen_ms: total(&still(now)),
            alerts: alerts_in(alerts, patient, &sheets.outage),
        });
    }
    told.lines.sort_by_key(|line| (std::cmp::Reverse((line.in_exposure_ms, line.unseen_ms)), line.patient));
    told
}

fn total(intervals: &[Interval]) -> i64 {
    intervals.iter().map(|(from, to)| to - from).sum()
}

/// What held during it, physiological and become known after it.
fn alerts_in<'a>(alerts: &'a [AlertRow], patient: &PatientId, outage: &Outage) -> Vec<&'a AlertRow> {
    let of_patient = alerts.iter().filter(|alert| alert.patient.as_ref() == Some(patient));
    let held = |alert: &&AlertRow| {
        alert.onset_at.0 < outage.to && alert.cleared_at.is_none_or(|cleared| cleared.0 >= outage.from)
    };
    let mut held: Vec<_> = of_patient.filter(held).filter(|alert| alert.opened_at.0 >= outage.from).collect();
    held.sort_by_key(|alert| (alert.onset_at, alert.alert_id));
    held
}

impl Told<'_> {
    pub fn text(&self) -> String {
        let (from, to) = (EventTime(self.outage.from), EventTime(self.outage.to));
        let lasted = lasting(self.outage.to - self.outage.from);
        let mut text = format!("Outage from {from} to {to} ({lasted}): {}.\n", self.outage.what.in_words());
        text.push_str(
            "Not a medical device; not for emergencies. No alert in a time without monitoring means nothing.\n\n",
        );
        if self.lines.is_empty() {
            text.push_str("Nobody who was monitored before it was unmonitored during it.\n");
        }
        for line in &self.lines {
            line.write(&mut text);
        }
        let _ = writeln!(
            text,
            "\n{} unmonitored, {} monitored all the time, {} not monitored before it either.",
            self.lines.len(),
            self.seen,
            self.not_before
        );
        text
    }

    pub fn json(&self) -> Json {
        json!({
            "from": EventTime(self.outage.from).to_string(), "to": EventTime(self.outage.to).to_string(),
            "cause": self.outage.what.cause(), "monitored": self.seen, "not_monitored_before": self.not_before,
            "patients": self.lines.iter().map(Line::json).collect::<Vec<_>>(),
        })
    }
}

impl Line<'_> {
    fn write(&self, text: &mut String) {
        let measures: Vec<&str> = self.measures.iter().copied().collect();
        let _ =
            writeln!(text, "{}: unmonitored for {} ({})", self.patient, lasting(self.unseen_ms), measures.join(", "));
        let causes: Vec<&str> = self.causes.iter().map(|name| cause(name)).collect();
        let _ = writeln!(text, "  because {}", causes.join("; "));
        if self.in_exposure_ms > 0 {
            let _ = writeln!(text, "  for {} of it while an opioid was at work", lasting(self.in_exposure_ms));
        }
        let _ = match self.still_unseen_ms {
            0 => writeln!(text, "  late data have shown all of it"),
            still if still < self.unseen_ms => {
                writeln!(text, "  late data have shown part of it: {} remain unknown", lasting(still))
            }
            _ => writeln!(text, "  no late data: all of it remains unknown"),
        };
        for alert in &self.alerts {
            let until = alert.cleared_at.map_or_else(|| "still active".to_owned(), |cleared| format!("to {cleared}"));
            let late = if alert.retrospective { ", known too late to page" } else { "" };
            let _ = writeln!(
                text,
                "  {} {} from {} {until}{late} ({}, alert {})",
                alert.priority,
                alert.title,
                alert.onset_at,
                alert.state.as_str(),
                alert.alert_id
            );
        }
    }

    fn json(&self) -> Json {
        let alert = |alert: &&AlertRow| {
            json!({
                "alert_id": alert.alert_id.to_string(), "rule": alert.rule.as_str(), "priority": alert.priority.as_str(),
                "onset_at": alert.onset_at.to_string(), "cleared_at": alert.cleared_at.map(|at| at.to_string()),
                "retrospective": alert.retrospective, "state": alert.state.as_str(),
            })
        };
        json!({
            "patient": self.patient.as_str(), "measures": self.measures, "causes": self.causes,
            "unmonitored_s": self.unseen_ms / 1_000, "in_exposure_s": self.in_exposure_ms / 1_000,
            "still_unknown_s": self.still_unseen_ms / 1_000, "alerts": self.alerts.iter().map(alert).collect::<Vec<_>>(),
        })
    }
}
