//! Which member of which schema is which measure.

use painwatch_domain::Measure;
use painwatch_proto::ingest::v1::{Components, Reading};
use painwatch_proto::json::{nearest, shown};

use super::super::node::Node;
use super::super::{unknown_measure, value_missing};
use super::Origin;
use super::time_frame::TimeFrame;
use super::units::{duration_ms, ucum};
use crate::reading::Refusal;

/// A schema with measures of ours.
pub(super) struct Schema {
    name: &'static str,
    /// Member of the body, and the measure it is. The first one must be there.
    parts: &'static [(&'static str, Measure)],
}

const SCHEMAS: &[Schema] = &[
    Schema { name: "heart-rate", parts: &[("heart_rate", Measure::HeartRate)] },
    Schema { name: "rr-interval", parts: &[("rr_interval", Measure::RrInterval)] },
    Schema { name: "respiratory-rate", parts: &[("respiratory_rate", Measure::RespiratoryRate)] },
    Schema {
        name: "oxygen-saturation",
        parts: &[
            ("oxygen_saturation", Measure::OxygenSaturation),
            ("supplemental_oxygen_flow_rate", Measure::OxygenFlow),
        ],
    },
    Schema { name: "blood-pressure", parts: &[("systolic_blood_pressure", Measure::BloodPressure)] },
    Schema { name: "body-temperature", parts: &[("body_temperature", Measure::BodyTemperature)] },
    Schema { name: "body-weight", parts: &[("body_weight", Measure::BodyWeight)] },
    Schema { name: "body-height", parts: &[("body_height", Measure::BodyHeight)] },
    Schema { name: "body-fat-percentage", parts: &[("body_fat_percentage", Measure::BodyFatPercentage)] },
    Schema { name: "step-count", parts: &[("step_count", Measure::StepCount)] },
    Schema { name: "minutes-moderate-activity", parts: &[("minutes_moderate_activity", Measure::ActiveMinutes)] },
    Schema { name: "sleep-duration", parts: &[("sleep_duration", Measure::TotalSleepTime)] },
    Schema { name: "total-sleep-time", parts: &[("total_sleep_time", Measure::TotalSleepTime)] },
    Schema { name: "sleep-episode", parts: &[("total_sleep_time", Measure::TotalSleepTime)] },
    Schema { name: "sleep-stage-summary", parts: &[("total_sleep_time", Measure::TotalSleepTime)] },
    Schema { name: "sleep-stage", parts: &[("sleep_stage", Measure::SleepStage)] },
    Schema { name: "physical-activity", parts: &[("activity_name", Measure::ExerciseSession)] },
];

impl Schema {
    pub(super) fn named(name: &str) -> Result<&'static Self, Refusal> {
        SCHEMAS.iter().find(|schema| schema.name == name).ok_or_else(|| {
            let near = nearest(name, SCHEMAS.iter().map(|schema| schema.name));
            let hint = near.map_or_else(String::new, |word| format!(", the nearest that has is {word:?}"));
            unknown_measure(format!("the schema {:?} has no measure here{hint}", shown(name)))
        })
    }

    /// For a body that stands in a list without a schema of its own.
    pub(super) fn of_body(body: &Node<'_>) -> Result<&'static Self, Refusal> {
        let tells = |schema: &&Self| body.get(schema.parts[0].0).is_some();
        let unknown = || unknown_measure("no member of the body is a measure here");
        SCHEMAS.iter().find(tells).ok_or_else(unknown)
    }

    pub(super) fn readings(&self, body: &Node<'_>, origin: &Origin) -> Result<Vec<Reading>, Refusal> {
        let frame = TimeFrame::of(body)?;
        let (member, measure) = self.parts[0];
        raw_only(body, measure)?;
        let readings = match measure {
            Measure::BloodPressure => vec![pressure(body, origin)?],
            Measure::SleepStage => vec![stage(body, origin)?],
            Measure::ExerciseSession => activity(body, &frame, origin)?,
            Measure::TotalSleepTime if body.get(member).is_none() => {
                let summary = body.get("sleep_stage_summary").ok_or_else(|| needs(member))?;
                vec![number(summary, member, measure, origin)?.ok_or_else(|| needs(member))?]
            }
            _ => self.numbers(body, origin)?,
        };
        Ok(readings.into_iter().map(|reading| frame.place(circumstances(body, reading))).collect())
    }

    fn numbers(&self, body: &Node<'_>, origin: &Origin) -> Result<Vec<Reading>, Refusal> {
        let mut readings = Vec::new();
        for (nth, (member, measure)) in self.parts.iter().enumerate() {
            match number(body, member, *measure, origin)? {
                Some(reading) if nth == 0 => readings.push(reading),
                Some(reading) => readings.push(beside(reading)),
                None if nth == 0 => return Err(needs(member)),
                None => {}
            }
        }
        Ok(readings)
    }
}

fn needs(member: &str) -> Refusal {
    value_missing(format!("the body needs {member}"))
}

/// A second reading out of one data point: its id names both.
fn beside(reading: Reading) -> Reading {
    let id = if reading.id.is_empty() { String::new() } else { format!("{}.{}", reading.id, reading.measure) };
    Reading { id, ..reading }
}

/// An average of readings is not one, and neither is their largest: what rules see must be what was measured. Only what
/// an interval adds up to is a reading of that interval.
fn raw_only(body: &Node<'_>, measure: Measure) -> Result<(), Refusal> {
    let statistic = body.text("descriptive_statistic")?;
    let adds_up = measure.spec().shape == painwatch_domain::Shape::Interval && matches!(statistic, "sum" | "count");
    if statistic.is_empty() || adds_up {
        return Ok(());
    }
    let name = measure.name();
    Err(unknown_measure(format!("{} of {name} is not a reading: send the readings it was made of", shown(statistic))))
}

/// `{"value": 71, "unit": "beats/min"}`, or a bare number where a schema has them.
fn quantity<'a>(body: &'a Node<'_>, member: &str) -> Result<Option<(f64, &'a str)>, Refusal> {
    let Some(node) = body.get(member) else { return Ok(None) };
    if let Some(number) = node.as_number() {
        return Ok(Some((number, "")));
    }
    let value = node.number("value")?.ok_or_else(|| value_missing(format!("{member} needs value")))?;
    Ok(Some(ucum(value, node.text("unit")?)))
}

fn number(body: &Node<'_>, member: &str, measure: Measure, origin: &Origin) -> Result<Option<Reading>, Refusal> {
    let quantity = quantity(body, member)?;
    Ok(quantity.map(|(value, unit)| Reading {
        value: Some(value),
        unit: unit.to_owned(),
        ..origin.reading(measure.name())
    }))
}

fn pressure(body: &Node<'_>, origin: &Origin) -> Result<Reading, Refusal> {
    let part = |member: &str| quantity(body, member)?.ok_or_else(|| needs(member));
    let (systolic, unit) = part("systolic_blood_pressure")?;
    let (diastolic, other) = part("diastolic_blood_pressure")?;
    if unit != other {
        return Err(Refusal::unreadable("systolic and diastolic pressure need the same unit"));
    }
    let components = Some(Components { systolic, diastolic });
    Ok(Reading { components, unit: unit.to_owned(), ..origin.reading("blood_pressure") })
}

fn stage(body: &Node<'_>, origin: &Origin) -> Result<Reading, Refusal> {
    let code = body.text("sleep_stage")?.to_ascii_lowercase();
    Ok(Reading { code, algorithm: "vendor".to_owned(), ..origin.reading("sleep_stage") })
}

/// A bout of exercise, and the steps in it.
fn activity(body: &Node<'_>, frame: &TimeFrame, origin: &Origin) -> Result<Vec<Reading>, Refusal> {
    let told = match body.get("duration") {
        Some(duration) => {
            let value = duration.number("value")?.ok_or_else(|| value_missing("duration needs value"))?;
            let unknown = || Refusal::unreadable("the unit of duration is one of ms sec min h d");
            Some(duration_ms(value, duration.text("unit")?).ok_or_else(unknown)? as f64 / 60_000.0)
        }
        None => frame.minutes(),
    };
    let session = told.map(|minutes| Reading {
        value: Some(minutes),
        unit: "min".to_owned(),
        instrument: label(body.text("activity_name").unwrap_or_default()),
        ..origin.reading("exercise_session")
    });
    let steps = match quantity(body, "base_movement_quantity")? {
        Some((value, "{steps}")) => {
            Some(Reading { value: Some(value), unit: "{steps}".to_owned(), ..origin.reading("step_count") })
        }
        _ => None,
    };
    let steps = if session.is_some() { steps.map(beside) } else { steps };
    let readings: Vec<_> = session.into_iter().chain(steps).collect();
    if readings.is_empty() {
        return Err(value_missing("a physical activity needs a duration, an interval or steps"));
    }
    Ok(readings)
}

/// A name in words, as an instrument is written here.
fn label(name: &str) -> String {
    name.trim().to_lowercase().replace(char::is_whitespace, "_")
}

fn circumstances(body: &Node<'_>, reading: Reading) -> Reading {
    let text = |names: [&str; 2]| {
        names.into_iter().filter_map(|name| body.get(name)?.as_text()).next().map(label).unwrap_or_default()
    };
    Reading {
        posture: text(["body_posture", "position_during_measurement"]),
        body_site: text(["measurement_location", "body_location"]),
        ..reading
    }
}
