//! One function a golden file: from its input to the production code and back to its words.

use std::collections::BTreeMap;

use painwatch_domain::{measure, unit};
use serde_json::{Value, json};

use super::{safety_medication_pain, trends_activity};
use crate::metrics::dose_adherence::{Cell, adherence};
use crate::metrics::pain_summary::{Params, summarise};
use crate::metrics::robust_z::{DailyBaseline, WINDOW_DAYS};
use crate::metrics::step_cadence::step_cadence;
use crate::metrics::summary_stats;
use crate::metrics::sustained_threshold::{Comparison, SustainedThreshold, Transition};
use crate::metrics::weight_gain::{GainLimit, WeightGain};

type Compute = fn(&Input) -> Result<Value, String>;

pub static METRICS: &[(&str, Compute)] = &[
    ("robust_z", robust_z),
    ("summary_stats", summary),
    ("sustained_threshold", sustained),
    ("weight_gain", weight_gain),
    ("pain_intensity_summary", pain),
    ("step_cadence", cadence),
    ("ewma_chart", trends_activity::ewma),
    ("cusum_tabular", trends_activity::cusum),
    ("page_hinkley", trends_activity::page_hinkley),
    ("nightsignal", trends_activity::nightsignal),
    ("theil_sen", trends_activity::theil_sen),
    ("mann_kendall", trends_activity::mann_kendall),
    ("rank_association", trends_activity::rank_association),
    ("changepoint_pelt", trends_activity::changepoint_pelt),
    ("cosinor", trends_activity::cosinor),
    ("sedentary_bouts", trends_activity::sedentary_bouts),
    ("choi_nonwear", trends_activity::choi_nonwear),
    ("troiano_nonwear", trends_activity::troiano_nonwear),
    ("cole_kripke", trends_activity::cole_kripke),
    ("sadeh", trends_activity::sadeh),
    ("sleep_summary", trends_activity::sleep_summary),
    ("sleep_regularity_index", trends_activity::sleep_regularity_index),
    ("circadian_nonparametric", trends_activity::circadian),
    ("hrv_time", trends_activity::hrv_time),
    ("hrv_artefact", trends_activity::hrv_artefact),
    ("dose_adherence", doses),
    ("unit_conversion", conversion),
    ("loinc_check_digit", check_digit),
    ("news2", safety_medication_pain::news2),
    ("prodigy", safety_medication_pain::prodigy),
    ("orthostatic", safety_medication_pain::orthostatic),
    ("bp_category", safety_medication_pain::bp_category),
    ("mme_daily", safety_medication_pain::mme_daily),
    ("pdc_mpr", safety_medication_pain::pdc_mpr),
    ("rolling_24h_dose", safety_medication_pain::rolling_24h_dose),
    ("opioid_benzo_overlap", safety_medication_pain::opioid_benzo_overlap),
    ("prn_escalation", safety_medication_pain::prn_escalation),
    ("pain_change", safety_medication_pain::pain_change),
    ("peg", safety_medication_pain::peg),
    ("pain_flare", safety_medication_pain::pain_flare),
    ("return_to_baseline", safety_medication_pain::return_to_baseline),
];

/// The fields of a case's input.
pub struct Input(pub BTreeMap<String, Value>);

impl Input {
    pub fn get(&self, key: &str) -> Result<&Value, String> {
        self.0.get(key).ok_or_else(|| format!("input has no `{key}`"))
    }

    pub fn number(&self, key: &str) -> Result<f64, String> {
        self.get(key)?.as_f64().ok_or_else(|| format!("`{key}` is not a number"))
    }

    pub fn optional(&self, key: &str) -> Option<f64> {
        self.0.get(key).and_then(Value::as_f64)
    }

    pub fn text(&self, key: &str) -> Result<&str, String> {
        self.get(key)?.as_str().ok_or_else(|| format!("`{key}` is not a text"))
    }

    pub fn array(&self, key: &str) -> Result<&[Value], String> {
        self.get(key)?.as_array().map(Vec::as_slice).ok_or_else(|| format!("`{key}` is not a list"))
    }

    /// `null` stays `None`.
    pub fn series(&self, key: &str) -> Result<Vec<Option<f64>>, String> {
        Ok(self.array(key)?.iter().map(Value::as_f64).collect())
    }

    pub fn integers(&self, key: &str) -> Result<Vec<i64>, String> {
        let whole =
            |value: &Value| value.as_i64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64));
        self.array(key)?.iter().map(|value| whole(value).ok_or_else(|| format!("`{key}` holds {value}"))).collect()
    }
}

fn robust_z(input: &Input) -> Result<Value, String> {
    let days = input.series("baseline")?;
    let window = i32::try_from(days.len()).unwrap_or(i32::MAX).max(WINDOW_DAYS);
    let mut baseline = DailyBaseline::new(window);
    for (day, value) in (0..).zip(&days) {
        baseline.handle(day, *value);
    }
    let z = baseline.handle(days.len() as i32, input.optional("x"));
    serde_json::to_value(z).map_err(|error| error.to_string())
}

fn summary(input: &Input) -> Result<Value, String> {
    serde_json::to_value(summary_stats::summarise(&input.series("x")?)).map_err(|error| error.to_string())
}

pub fn to_ms(units: f64, unit_ms: f64) -> i64 {
    (units * unit_ms).round() as i64
}

fn sustained(input: &Input) -> Result<Value, String> {
    let limit = input.number("threshold")?;
    let comparison = match input.text("op")? {
        "lt" | "<" => Comparison::Below(limit),
        "le" | "<=" => Comparison::AtMost(limit),
        "gt" | ">" => Comparison::Above(limit),
        "ge" | ">=" => Comparison::AtLeast(limit),
        other => return Err(format!("unknown op {other}")),
    };
    let seconds = |key: &str| input.number(key).map(|seconds| to_ms(seconds, 1e3));
    let mut engine = SustainedThreshold::new(comparison, seconds("min_duration_s")?, seconds("max_hold_s")?);
    let mut transitions = Vec::new();
    for sample in input.array("samples")? {
        let time = sample.get(0).and_then(Value::as_f64).ok_or("a sample without a time")?;
        engine.handle(to_ms(time, 1e3), sample.get(1).and_then(Value::as_f64), &mut transitions);
    }
    engine.finish(&mut transitions);
    let closed = transitions.iter().filter_map(|transition| match transition {
        Transition::Closed { start, end, .. } => Some([seconds_of(*start), seconds_of(*end)]),
        Transition::Opened { .. } => None,
    });
    Ok(json!({ "episodes": closed.collect::<Vec<_>>() }))
}

fn seconds_of(ms: i64) -> Value {
    if ms % 1000 == 0 { json!(ms / 1000) } else { json!(ms as f64 / 1e3) }
}

fn weight_gain(input: &Input) -> Result<Value, String> {
    let thresholds = input.array("thresholds")?.iter();
    let limit = |pair: &Value| Some(GainLimit { days: pair.get(0)?.as_i64()? as i32, kg: pair.get(1)?.as_f64()? });
    let limits: Option<Vec<_>> = thresholds.map(limit).collect();
    let mut gains = WeightGain::new(&limits.ok_or("a threshold is not [days, kg]")?);
    let mut rows = Vec::new();
    for (day, kg) in input.integers("days")?.into_iter().zip(input.series("weight_kg")?) {
        let Some(gains) = gains.handle(day as i32, kg) else { continue };
        let mut row = BTreeMap::from([("day".to_owned(), json!(day))]);
        for gain in gains {
            row.insert(format!("gain_{}d", gain.limit.days), json!(gain.kg));
            row.insert(format!("alert_{}d", gain.limit.days), json!(gain.alert));
        }
        rows.push(row);
    }
    Ok(json!({ "rows": rows }))
}

fn pain(input: &Input) -> Result<Value, String> {
    let minutes = |minutes: f64| to_ms(minutes, 6e4);
    let times = input.series("t_min")?.into_iter();
    let reports = times.zip(input.series("nrs")?).filter_map(|(time, score)| Some((minutes(time?), score?)));
    let params = Params {
        baseline: input.optional("baseline"),
        severe_from: input.number("severe_ge")?,
        carry_ms: minutes(input.number("max_carry_min")?),
        end_ms: minutes(input.number("end_min")?),
    };
    let summary = summarise(&reports.collect::<Vec<_>>(), params);
    Ok(json!({
        "n": summary.n, "mean": summary.mean, "worst": summary.worst, "least": summary.least, "sd": summary.sd,
        "frac_reports_severe": summary.frac_severe, "auc_h": summary.auc_h, "twa": summary.twa,
        "spid_h": summary.spid_h, "mssd": summary.mssd, "locf_obs_min": summary.carried_ms as f64 / 6e4,
        "locf_severe_min": summary.carried_severe_ms as f64 / 6e4, "locf_twa": summary.carried_mean,
    }))
}

fn cadence(input: &Input) -> Result<Value, String> {
    let minutes: Vec<_> = input.series("steps")?.into_iter().map(|steps| steps.map(|steps| steps as u32)).collect();
    serde_json::to_value(step_cadence(&minutes)).map_err(|error| error.to_string())
}

fn doses(input: &Input) -> Result<Value, String> {
    let whole = |key: &str| input.number(key).map(|minutes| to_ms(minutes, 6e4));
    let times = |key: &str| -> Result<Vec<i64>, String> {
        Ok(input.series(key)?.into_iter().flatten().map(|minutes| to_ms(minutes, 6e4)).collect())
    };
    let got =
        adherence(&times("scheduled_min")?, &times("taken_min")?, whole("on_time_tol_min")?, whole("interval_min")?);
    let column = |of: &dyn Fn(&Cell) -> Value| got.cells.iter().map(of).collect::<Vec<_>>();
    Ok(json!({
        "status": column(&|cell| json!(cell.status)),
        "matched": column(&|cell| cell.matched.map_or(Value::Null, minutes_of)),
        "extra": got.extra.iter().copied().map(minutes_of).collect::<Vec<_>>(),
        "n_extra": got.extra.len(), "taking_pct": got.taking_pct, "timing_pct": got.timing_pct,
        "interval_ok_pct": got.interval_ok_pct,
    }))
}

pub fn minutes_of(ms: i64) -> Value {
    if ms % 60_000 == 0 { json!(ms / 60_000) } else { json!(ms as f64 / 6e4) }
}

fn conversion(input: &Input) -> Result<Value, String> {
    let (from, to) = (unit::alias(input.text("from")?), unit::alias(input.text("to")?));
    let step = unit::conversion(from, to).ok_or_else(|| format!("no way from {from} to {to}"))?;
    Ok(json!({ "value": step.apply(input.number("value")?) }))
}

fn check_digit(input: &Input) -> Result<Value, String> {
    Ok(json!({ "valid": measure::loinc_check_digit_is_valid(input.text("code")?) }))
}
