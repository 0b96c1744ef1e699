//! One element of the export, as the readings that it is.

use std::collections::BTreeMap;

use jiff::fmt::strtime;
use painwatch_domain::time::MINUTE_MS;
use painwatch_domain::{Measure, Shape};
use painwatch_proto::ingest::v1::{Components, Reading};

use super::device::{Device, Devices};
use super::xml::Element;
use super::{beats, quantity};
use crate::import::collect::{Moment, Row};
use crate::import::report::FileReport;
use crate::import::table::{number, slug};

const SYSTOLIC: &str = "HKQuantityTypeIdentifierBloodPressureSystolic";
const DIASTOLIC: &str = "HKQuantityTypeIdentifierBloodPressureDiastolic";
/// Halves of a blood pressure that wait for the other one. They are written one kind after the other, so that all of them
/// may wait: some hundred bytes each.
const HALVES_MAX: usize = 200_000;

/// What several elements have in common.
#[derive(Default)]
pub struct Samples {
    devices: Devices,
    /// By device and stamps.
    halves: BTreeMap<(String, String, String), Half>,
}

struct Half {
    is_systolic: bool,
    pressure: f64,
    unit: String,
    line: u64,
}

/// Two stamps as the export writes them.
struct Span {
    start_ms: i64,
    end_ms: i64,
    start: String,
    end: String,
    day: jiff::civil::Date,
}

impl Span {
    fn of(element: &Element) -> Option<Self> {
        let (start_ms, start, _) = stamp(element.attribute("startDate"))?;
        let (end_ms, end, day) = stamp(element.attribute("endDate"))?;
        (start_ms <= end_ms).then_some(Self { start_ms, end_ms, start, end, day })
    }

    /// An instant has no end: the same value of another program is then the same reading.
    fn frame(&self, shape: Shape) -> Reading {
        let instant = self.start_ms == self.end_ms && shape != Shape::Interval;
        let end_time = if instant { String::new() } else { self.end.clone() };
        Reading { time: self.start.clone(), end_time, ..Reading::default() }
    }
}

/// `2024-05-04 07:00:00 +0200`: UTC milliseconds, ISO text with the same offset, the day.
fn stamp(text: &str) -> Option<(i64, String, jiff::civil::Date)> {
    let broken = strtime::parse("%Y-%m-%d %H:%M:%S %z", text).ok()?;
    let (instant, offset) = (broken.to_timestamp().ok()?, broken.offset()?);
    let day = offset.to_datetime(instant).date();
    Some((instant.as_millisecond(), instant.display_with_offset(offset).to_string(), day))
}

impl Samples {
    /// The rows of one element; what has none is counted in the report.
    pub fn take(&mut self, element: Element, report: &mut FileReport) -> Vec<Row> {
        match element.tag.as_str() {
            "Record" | "Correlation" | "Workout" => {}
            "ExportDate" | "Me" => return Vec::new(),
            other => {
                report.rows += 1;
                report.skip(element.line, &format!("{other} is no sample"));
                return Vec::new();
            }
        }
        report.rows += 1;
        let Some(span) = Span::of(&element) else {
            report.skip(element.line, "no start and end such as 2024-05-04 07:00:00 +0200");
            return Vec::new();
        };
        let device = self.devices.of(&element);
        match (element.tag.as_str(), element.attribute("type")) {
            ("Workout", _) => workout(&element, &span, &device, report).into_iter().collect(),
            ("Correlation", "HKCorrelationTypeIdentifierBloodPressure") => {
                correlation(&element, &span, &device, report).into_iter().collect()
            }
            ("Record", SYSTOLIC | DIASTOLIC) => self.half(&element, &span, &device, report).into_iter().collect(),
            ("Record", kind) if kind.starts_with("HKCategoryTypeIdentifier") => {
                category(&element, &span, &device, report).into_iter().collect()
            }
            ("Record", _) => record(&element, &span, &device, report),
            (_, kind) => {
                report.skip(element.line, &unmeasured(kind));
                Vec::new()
            }
        }
    }

    fn half(&mut self, element: &Element, span: &Span, device: &Device, report: &mut FileReport) -> Option<Row> {
        let Some(pressure) = number(element.attribute("value")) else {
            report.skip(element.line, "a value that is no number");
            return None;
        };
        let is_systolic = element.attribute("type") == SYSTOLIC;
        let key = (device.name.clone(), span.start.clone(), span.end.clone());
        let half = Half { is_systolic, pressure, unit: element.attribute("unit").to_owned(), line: element.line };
        match self.halves.remove(&key) {
            Some(other) if other.is_systolic != is_systolic && other.unit == half.unit => {
                let (systolic, diastolic) =
                    if is_systolic { (pressure, other.pressure) } else { (other.pressure, pressure) };
                Some(panel(element, span, device, Components { systolic, diastolic }, half.unit))
            }
            other => {
                if let Some(lost) = other {
                    report.skip(lost.line, "half of a blood pressure, whose other half is not there");
                }
                if self.halves.len() < HALVES_MAX {
                    self.halves.insert(key, half);
                } else {
                    report.skip(half.line, "half of a blood pressure, whose other half is not there");
                }
                None
            }
        }
    }

    /// Counts what waited in vain.
    pub fn finish(&self, report: &mut FileReport) {
        for half in self.halves.values() {
            report.skip(half.line, "half of a blood pressure, whose other half is not there");
        }
    }

    pub fn sources(&self) -> impl Iterator<Item = String> + '_ {
        self.devices.told()
    }
}

fn unmeasured(kind: &str) -> String {
    let name = kind.rsplit("Identifier").next().unwrap_or(kind);
    format!("no measure for {}", name.chars().take(60).collect::<String>())
}

fn row(measure: Measure, span: &Span, device: &Device, element: &Element, reading: Reading) -> Row {
    let typed = element.metadata("HKWasUserEntered") == "1";
    let modality = if typed { "self_reported".to_owned() } else { reading.modality };
    Row {
        subject: String::new(),
        kind: device.kind,
        name: Some(device.name.clone()),
        measure,
        day: span.day,
        newest: Moment::Utc(span.end_ms),
        reading: Reading { modality, ..reading },
    }
}

fn record(element: &Element, span: &Span, device: &Device, report: &mut FileReport) -> Vec<Row> {
    let Some(measure) = quantity::measure(element.attribute("type")) else {
        report.skip(element.line, &unmeasured(element.attribute("type")));
        return Vec::new();
    };
    let Some(value) = number(element.attribute("value")) else {
        report.skip(element.line, "a value that is no number");
        return Vec::new();
    };
    let frame = span.frame(measure.spec().shape);
    if measure == Measure::FallReport {
        return vec![row(measure, span, device, element, Reading { code: "fallen".to_owned(), ..frame })];
    }
    let (value, unit) = quantity::known_unit(value, quantity::unit(element.attribute("unit"), measure));
    let reading = Reading { value: Some(value), unit, ..frame };
    let mut rows = vec![row(measure, span, device, element, reading)];
    if measure == Measure::HrvSdnn {
        rows.extend(rr_intervals(element, span, device, report));
    }
    rows
}

fn rr_intervals(element: &Element, span: &Span, device: &Device, report: &mut FileReport) -> Option<Row> {
    let (beats, lost) = beats::beats(element, span.start_ms, span.end_ms - span.start_ms);
    (0..lost).for_each(|_| report.skip(element.line, "a beat without a rate, or outside its sample"));
    let (offsets_ms, values): (Vec<i64>, Vec<f64>) = beats.into_iter().unzip();
    let reading = Reading {
        time: span.start.clone(),
        unit: "ms".to_owned(),
        algorithm: "apple_momentary_rate".to_owned(),
        offsets_ms,
        values,
        ..Reading::default()
    };
    (!reading.values.is_empty()).then(|| row(Measure::RrInterval, span, device, element, reading))
}

fn category(element: &Element, span: &Span, device: &Device, report: &mut FileReport) -> Option<Row> {
    let kind = element.attribute("type").trim_start_matches("HKCategoryTypeIdentifier");
    let value = element.attribute("value");
    if kind == "SleepAnalysis" {
        let Some((code, instrument)) = sleep_stage(value) else {
            report.skip(element.line, &format!("no stage for {}", value.chars().take(60).collect::<String>()));
            return None;
        };
        let reading = Reading {
            time: span.start.clone(),
            end_time: span.end.clone(),
            code: code.to_owned(),
            instrument: instrument.to_owned(),
            algorithm: "vendor".to_owned(),
            ..Reading::default()
        };
        return Some(row(Measure::SleepStage, span, device, element, reading));
    }
    let Some(severity) = severity(value) else {
        let reason =
            if value.contains("Severity") { "a symptom of no stated severity".to_owned() } else { unmeasured(kind) };
        report.skip(element.line, &reason);
        return None;
    };
    let reading = Reading {
        value: Some(severity),
        unit: "{score}".to_owned(),
        instrument: format!("apple_{}", snake(kind)),
        modality: "self_reported".to_owned(),
        ..span.frame(Shape::Spot)
    };
    Some(row(Measure::SymptomSeverity, span, device, element, reading))
}

/// Stage, and the instrument that lets time in bed lie beside the stages in it.
fn sleep_stage(value: &str) -> Option<(&'static str, &'static str)> {
    Some(match value.strip_prefix("HKCategoryValueSleepAnalysis")? {
        "InBed" => ("in_bed", "in_bed"),
        "Asleep" | "AsleepUnspecified" => ("asleep", ""),
        "AsleepCore" => ("light", ""),
        "AsleepDeep" => ("deep", ""),
        "AsleepREM" => ("rem", ""),
        "Awake" => ("awake", ""),
        _ => return None,
    })
}

fn severity(value: &str) -> Option<f64> {
    Some(match value.strip_prefix("HKCategoryValueSeverity")? {
        "NotPresent" => 0.0,
        "Mild" => 1.0,
        "Moderate" => 2.0,
        "Severe" => 3.0,
        _ => return None,
    })
}

/// `LowerBackPain` as `lower_back_pain`.
fn snake(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars().take(48) {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter);
    }
    slug(&words)
}

fn correlation(element: &Element, span: &Span, device: &Device, report: &mut FileReport) -> Option<Row> {
    let part = |kind: &str| element.children.iter().find(|child| child.attribute("type") == kind);
    let (Some(upper), Some(lower)) = (part(SYSTOLIC), part(DIASTOLIC)) else {
        report.skip(element.line, "half of a blood pressure, whose other half is not there");
        return None;
    };
    let pressures = number(upper.attribute("value")).zip(number(lower.attribute("value")));
    let Some((systolic, diastolic)) = pressures.filter(|_| upper.attribute("unit") == lower.attribute("unit")) else {
        report.skip(element.line, "a value that is no number");
        return None;
    };
    report
        .remark(element.line, "blood pressures as a pair: where they stand singly too, the second one is a duplicate");
    Some(panel(element, span, device, Components { systolic, diastolic }, upper.attribute("unit").to_owned()))
}

fn panel(element: &Element, span: &Span, device: &Device, components: Components, unit: String) -> Row {
    let reading = Reading { components: Some(components), unit, ..span.frame(Shape::Panel) };
    row(Measure::BloodPressure, span, device, element, reading)
}

fn workout(element: &Element, span: &Span, device: &Device, report: &mut FileReport) -> Option<Row> {
    let kind = element.attribute("workoutActivityType").trim_start_matches("HKWorkoutActivityType");
    let stated = number(element.attribute("duration")).map(|duration| match element.attribute("durationUnit") {
        "s" => duration / 60.0,
        "hr" | "h" => duration * 60.0,
        _ => duration,
    });
    let lasted = (span.end_ms - span.start_ms) as f64 / MINUTE_MS as f64;
    let minutes = stated.unwrap_or(lasted);
    if kind.is_empty() {
        report.skip(element.line, "a workout without an activity");
        return None;
    }
    let reading = Reading {
        value: Some(minutes),
        unit: "min".to_owned(),
        instrument: snake(kind),
        ..span.frame(Shape::Interval)
    };
    Some(row(Measure::ExerciseSession, span, device, element, reading))
}

#[cfg(test)]
mod tests;
