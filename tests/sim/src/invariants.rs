//! The promises of the house, one function each, and what else a world has to keep to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;
use painwatch_domain::time::format_utc;
use painwatch_domain::{AlertId, AlertKind, AlertState};
use painwatch_journal::{Class, Record};
use painwatch_processor_core::rules::{default_packs, waiting};
use painwatch_proto::journal::v1 as pb;
use painwatch_store::{AlertEventRow, EpisodeRow};
use prost::Message as _;

use crate::clinic;
use crate::evidence::Evidence;
use crate::gateway::{Acked, Reply};
use crate::people;
use crate::process::BYTE_LIMIT;
use crate::receiver::Arrived;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: &'static str,
    pub what: String,
}

impl Violation {
    pub fn new(invariant: &'static str, what: String) -> Self {
        Self { invariant, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// Of one page: one more than there are waits between them.
const ATTEMPTS: u32 = 11;

pub type Kept = Result<(), Violation>;

fn keep(invariant: &'static str, kept: bool, what: impl FnOnce() -> String) -> Kept {
    if kept { Ok(()) } else { Err(Violation::new(invariant, what())) }
}

/// Every promise that `evidence` can be judged by, beside that of the same world without faults.
pub fn all(evidence: &Evidence, calm: &Evidence) -> Vec<Violation> {
    let kept = [
        no_acknowledged_reading_is_lost(evidence),
        every_reading_is_accounted_for_once(evidence),
        verdicts_say_what_the_books_say(evidence),
        the_canonical_history_is_that_of_a_calm_world(evidence, calm),
        one_page_per_episode(evidence),
        one_alert_per_episode(evidence),
        a_click_counts_once(evidence),
        coverage_adds_up(evidence),
        replay_equals_live(evidence),
        nothing_is_unbounded(evidence),
        no_patient_identifier_leaves_the_house(evidence),
    ];
    kept.into_iter().filter_map(Result::err).collect()
}

/// Promise 1, at any moment: what a gateway has an acknowledgement for is in the journal, whole, where it was said to be.
///
/// # Errors
/// The first that is not.
pub fn acknowledged_is_durable(acked: &[Acked], records: &[Record]) -> Kept {
    let by_offset: BTreeMap<u64, &Record> = records.iter().map(|record| (record.offset.0, record)).collect();
    for acked in acked {
        let Reply::Taken { cause, .. } = &acked.reply else { continue };
        let found = by_offset.get(&cause.0).and_then(|record| batch_of(record));
        let whole = found.is_some_and(|(batch, readings)| {
            batch.gateway == acked.gateway
                && readings == acked.readings
                && (acked.batch_id.is_empty() || batch.batch_id == acked.batch_id)
        });
        keep("no_acknowledged_reading_is_lost", whole, || {
            format!("{} {} was acknowledged at {cause} and is not there", acked.gateway, acked.batch_id)
        })?;
    }
    Ok(())
}

fn batch_of(record: &Record) -> Option<(pb::Batch, u64)> {
    if record.class != Class::Batch {
        return None;
    }
    let batch = pb::Batch::decode(record.payload.clone()).ok()?;
    let mut readings: u64 = batch.quarantined.iter().map(|refused| refused.count).sum();
    for section in &batch.sections {
        let section = pb::DeviceReadings::decode(section.readings.clone()).ok()?;
        readings += section.series.iter().map(|series| series.device_time_ms.len() as u64).sum::<u64>();
    }
    Some((batch, readings))
}

/// Promise 1, at the end: and nothing was refused for good.
pub fn no_acknowledged_reading_is_lost(evidence: &Evidence) -> Kept {
    acknowledged_is_durable(&evidence.acked, &evidence.records)?;
    let taken = evidence.acked.iter().filter(|acked| matches!(acked.reply, Reply::Taken { .. }));
    let readings: u64 = taken.map(|acked| acked.readings).sum();
    keep("no_acknowledged_reading_is_lost", readings == evidence.expected.submitted, || {
        format!("{readings} acknowledged, {} sent", evidence.expected.submitted)
    })
}

/// Promise 2: journal, books, rows and a separate count of what was sent agree. What comes again is a duplicate, and what
/// is quarantined again is quarantined twice.
pub fn every_reading_is_accounted_for_once(evidence: &Evidence) -> Kept {
    let Evidence { books, counts, expected, .. } = evidence;
    let journalled: u64 = evidence.records.iter().filter_map(batch_of).map(|(_, readings)| readings).sum();
    let once = [
        ("in the journal and in the books", journalled, books.submitted),
        (
            "in the classes of the books and in all",
            books.stored + books.duplicate + books.conflict + books.quarantined,
            books.submitted,
        ),
        ("stored and expected", books.stored, expected.stored),
        ("in conflict and expected", books.conflict, expected.conflict),
        ("versions in rows and in the books", counts.versions, books.stored),
        ("conflicts in rows and in the books", counts.conflicts, books.conflict),
        ("quarantined in rows and in the journal", counts.quarantined, quarantined_items(evidence)),
        ("identities in rows and expected", counts.identities, expected.identities),
    ];
    for (what, one, other) in once {
        keep("every_reading_is_accounted_for_once", one == other, || format!("{what}: {one}, {other}"))?;
    }
    Ok(())
}

/// Copies of one payload that arrive within one millisecond are one item under one id, and two in the books.
fn quarantined_items(evidence: &Evidence) -> u64 {
    let batches = evidence.records.iter().filter_map(batch_of);
    let items: BTreeMap<String, u64> =
        batches.flat_map(|(batch, _)| batch.quarantined).map(|refused| (refused.id, refused.count)).collect();
    items.values().sum()
}

/// Promise 2, as a gateway sees it: a final verdict classes each reading of its batch, once.
pub fn verdicts_say_what_the_books_say(evidence: &Evidence) -> Kept {
    for acked in &evidence.acked {
        let Reply::Taken { verdict: Some(verdict), .. } = &acked.reply else { continue };
        let classed = verdict.stored + verdict.duplicate + verdict.conflict + verdict.quarantined;
        keep("verdicts_say_what_the_books_say", !verdict.r#final || classed == acked.readings, || {
            format!("{}: {} readings, {classed} in the verdict", acked.batch_id, acked.readings)
        })?;
    }
    Ok(())
}

/// Promise 3: delays, losses, repetitions and crashes end in the history of the world that had none of them, but for what waits
/// for readings (semantics 10).
pub fn the_canonical_history_is_that_of_a_calm_world(evidence: &Evidence, calm: &Evidence) -> Kept {
    keep("the_canonical_history_is_that_of_a_calm_world", evidence.undisturbed == calm.undisturbed, || {
        format!("{}, calm {}; {}", evidence.undisturbed, calm.undisturbed, first_difference(evidence, calm))
    })
}

fn first_difference(evidence: &Evidence, calm: &Evidence) -> String {
    let waiting = waiting(&default_packs());
    let episodes = |evidence: &Evidence| -> BTreeSet<String> {
        let told = evidence.episodes.iter().filter(|row| !waiting.contains(&row.rule)).map(|row| {
            format!(
                "{} {} {}–{:?} {:?} {}",
                row.patient,
                row.rule,
                row.start,
                row.end.map(|end| end.to_string()),
                row.peak,
                row.evidence_hash
            )
        });
        told.collect()
    };
    let coverage = |evidence: &Evidence| -> BTreeSet<String> {
        let told = evidence
            .coverage
            .iter()
            .filter(|row| row.state == "covered" && !waiting.contains(&row.rule))
            .map(|row| format!("{} {} {}–{}", row.patient, row.rule, row.start, row.end));
        told.collect()
    };
    let differences = |name: &str, ours: &BTreeSet<String>, theirs: &BTreeSet<String>| {
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).take(3).cloned().collect::<Vec<_>>();
        format!("{name} only here {:?}, only in the calm world {:?}", only(ours, theirs), only(theirs, ours))
    };
    [
        differences("episodes", &episodes(evidence), &episodes(calm)),
        differences("coverage", &coverage(evidence), &coverage(calm)),
    ]
    .join("; ")
}

/// Promise 4: each notification is delivered or rightly given up, a repeat has a lost answer or the end of a life right
/// before it, and no alert pages the same address twice but for a greater priority.
pub fn one_page_per_episode(evidence: &Evidence) -> Kept {
    const NAME: &str = "one_page_per_episode";
    let mut arrivals: BTreeMap<&str, Vec<&Arrived>> = BTreeMap::new();
    for page in &evidence.arrived {
        keep(NAME, page.genuine, || format!("{} is not signed as agreed", page.notification_id))?;
        arrivals.entry(&page.notification_id).or_default().push(page);
    }
    let mut known = BTreeMap::new();
    for row in &evidence.notifications {
        known.insert(row.notification_id.to_string(), row);
    }
    for id in arrivals.keys() {
        keep(NAME, known.contains_key(*id), || format!("{id} arrived and is in no row"))?;
    }
    for (id, last) in &known {
        let arrived = arrivals.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let final_state = match last.outcome.as_str() {
            "delivered" => !arrived.is_empty(),
            // Somebody has seen it meanwhile, or there were enough attempts.
            "abandoned" => last.detail.starts_with("alert is ") || last.attempt == ATTEMPTS,
            _ => false,
        };
        let times = arrived.len();
        keep(NAME, final_state, || format!("{id} arrived {times} times and ended {} ({})", last.outcome, last.detail))?;
        for pair in arrived.windows(2) {
            let (before, again) = (pair[0], pair[1]);
            let died = evidence.deaths.iter().any(|death| (before.at_ms..=again.at_ms).contains(death));
            keep(NAME, died || !before.answered, || {
                format!("{id} came again at {} for no reason", format_utc(again.at_ms))
            })?;
        }
    }
    ids_rise_in_priority(evidence)
}

fn ids_rise_in_priority(evidence: &Evidence) -> Kept {
    let mut by_recipient: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for row in &evidence.notifications {
        by_recipient.entry((row.alert_id, &row.recipient)).or_default().insert(row.notification_id);
    }
    let pages = |id| evidence.events.iter().filter(|event| event.alert_id == id && event.event == "paged").count();
    let reopened =
        |id| evidence.events.iter().filter(|event| event.alert_id == id && event.event == "reopened").count();
    for ((alert, recipient), ids) in by_recipient {
        let most = pages(alert).min(3 + reopened(alert));
        keep("one_page_per_episode", ids.len() <= most, || {
            format!("{alert} has {} ids for {recipient}, at most {most} are right", ids.len())
        })?;
    }
    Ok(())
}

/// Promise 4, in the tables: each episode has its alert; two episodes share one only where the second began within the
/// rule's refractory time after the first. Ids are fixed at first detection, so that a later correction may part what was
/// one: the measure of the pause is taken where nothing is ever corrected, at the oximeter.
pub fn one_alert_per_episode(evidence: &Evidence) -> Kept {
    const NAME: &str = "one_alert_per_episode";
    let alerts: BTreeMap<_, _> = evidence.alerts.iter().map(|row| (row.alert_id, row)).collect();
    let rules: BTreeMap<_, _> = default_packs().into_iter().map(|rule| (rule.id.clone(), rule)).collect();
    let mut episodes: Vec<&EpisodeRow> = evidence.episodes.iter().collect();
    episodes.sort_by_key(|row| (row.alert_id, row.start));
    for pair in episodes.windows(2).filter(|pair| pair[0].alert_id == pair[1].alert_id) {
        let (first, second) = (pair[0], pair[1]);
        let pause = first.end.map(|end| second.start.0 - end.0);
        let corrected =
            rules.get(&first.rule).is_none_or(|rule| !people::NEVER_CORRECTED.contains(&rule.signal.measure()));
        let most = rules.get(&first.rule).map_or(0, |rule| if corrected { i64::MAX } else { rule.refractory_ms });
        let one = (&first.patient, &first.rule) == (&second.patient, &second.rule)
            && pause.is_some_and(|pause| (0..=most).contains(&pause));
        keep(NAME, one, || {
            format!("{} stands for the episodes at {} and {}", first.alert_id, first.start, second.start)
        })?;
    }
    for episode in &episodes {
        let alert = alerts.get(&episode.alert_id);
        keep(NAME, alert.is_some(), || {
            format!("{} {} at {} has no alert", episode.patient, episode.rule, episode.start)
        })?;
    }
    let of_episodes: BTreeSet<_> = episodes.iter().map(|row| row.alert_id).collect();
    for alert in &evidence.alerts {
        let stands = alert.kind == AlertKind::Physiological && alert.state != AlertState::Retracted;
        keep(NAME, !stands || of_episodes.contains(&alert.alert_id), || {
            format!("{} ({}) stands for no episode", alert.alert_id, alert.rule)
        })?;
    }
    Ok(())
}

/// What a person did is there once, however often it had to be sent.
pub fn a_click_counts_once(evidence: &Evidence) -> Kept {
    for (verb, event) in [("acknowledge", "acknowledged"), ("resolve", "resolved")] {
        let mut clicks: BTreeMap<AlertId, usize> = BTreeMap::new();
        evidence
            .clicks
            .iter()
            .filter(|(_, clicked)| clicked == verb)
            .for_each(|(alert, _)| *clicks.entry(*alert).or_default() += 1);
        for alert in &evidence.alerts {
            let by_nurse =
                |row: &&AlertEventRow| row.alert_id == alert.alert_id && row.event == event && row.actor == "nurse";
            let told = evidence.events.iter().filter(by_nurse).count();
            let clicked = clicks.get(&alert.alert_id).copied().unwrap_or(0);
            keep("a_click_counts_once", told <= clicked, || {
                format!("{} {event} {told} times by {clicked} clicks", alert.alert_id)
            })?;
        }
    }
    Ok(())
}

/// Promise 5: within the days that are closed a rule is covered or blind at every instant, never both, never neither.
pub fn coverage_adds_up(evidence: &Evidence) -> Kept {
    const NAME: &str = "coverage_adds_up";
    keep(NAME, evidence.replayed.coverage_defects == 0, || {
        format!("{} days do not add up", evidence.replayed.coverage_defects)
    })?;
    let mut rows: Vec<_> = evidence.coverage.iter().collect();
    rows.sort_by_key(|row| (row.patient.clone(), row.rule.clone(), row.start));
    for row in &rows {
        keep(NAME, row.start < row.end, || format!("{} {} is empty at {}", row.patient, row.rule, row.start))?;
    }
    for pair in rows.windows(2).filter(|pair| (&pair[0].patient, &pair[0].rule) == (&pair[1].patient, &pair[1].rule)) {
        keep(NAME, pair[0].end == pair[1].start, || {
            format!("{} {}: {} is followed by {}", pair[0].patient, pair[0].rule, pair[0].end, pair[1].start)
        })?;
    }
    Ok(())
}

/// Promise 6: what the journal's inputs lead to now is what was journalled and stored, byte for byte.
pub fn replay_equals_live(evidence: &Evidence) -> Kept {
    const NAME: &str = "replay_equals_live";
    let (journalled, derived) = (&evidence.replayed.journalled, &evidence.replayed.derived);
    let causes: BTreeSet<u64> = journalled.keys().chain(derived.keys()).copied().collect();
    let differing: Vec<u64> = causes.into_iter().filter(|cause| journalled.get(cause) != derived.get(cause)).collect();
    keep(NAME, differing.is_empty(), || {
        let told = |bytes: Option<&Vec<u8>>| -> Vec<String> {
            let findings =
                bytes.and_then(|bytes| pb::Findings::decode(bytes.as_slice()).ok()).unwrap_or_default().findings;
            let line = |it: &pb::Finding| format!("{} {} {} {}", it.kind, it.rule, it.start_ms, it.why);
            findings.iter().map(line).collect()
        };
        let first = differing.first().map(|cause| (told(journalled.get(cause)), told(derived.get(cause))));
        format!("findings differ for the causes {differing:?}; journalled and derived for the first: {first:#?}")
    })?;
    keep(NAME, evidence.replayed.canonical == evidence.canonical, || {
        format!("stored {}, derived {}", evidence.canonical, evidence.replayed.canonical)
    })
}

/// Promise 7, as far as it can be counted from outside.
pub fn nothing_is_unbounded(evidence: &Evidence) -> Kept {
    /// As many attempts at once as the alert service allows itself, in each life that ends within one attempt.
    const SENDERS: usize = 64;
    let attempts = evidence.notifications.iter().map(|row| row.attempt).max().unwrap_or(0);
    let spare = 2 * evidence.plan.settings.segment_bytes;
    let counted = [
        ("pages under way", evidence.most_pages_under_way as u64, SENDERS as u64),
        ("attempts of a page", u64::from(attempts), u64::from(ATTEMPTS)),
        ("journal bytes", evidence.journal_bytes, BYTE_LIMIT + spare),
    ];
    for (what, most, limit) in counted {
        keep("nothing_is_unbounded", most <= limit, || format!("{what}: {most}, allowed {limit}"))?;
    }
    Ok(())
}

/// Promise 8: neither log nor page names a patient.
pub fn no_patient_identifier_leaves_the_house(evidence: &Evidence) -> Kept {
    for identifier in clinic::identifiers() {
        let logged = evidence.log.lines().find(|line| line.contains(identifier));
        let paged = evidence.arrived.iter().map(|page| page.body.as_str()).find(|body| body.contains(identifier));
        let found = logged.or(paged);
        keep("no_patient_identifier_leaves_the_house", found.is_none(), || {
            format!("{identifier} in {}", found.unwrap_or_default())
        })?;
    }
    Ok(())
}
