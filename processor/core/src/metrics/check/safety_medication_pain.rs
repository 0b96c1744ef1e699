//! Golden files of the catalogue's sections A (safety), E (medication) and F (pain).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cases::{Input, minutes_of, to_ms};
use crate::metrics::bp_category::category;
use crate::metrics::mme::{Amount, Equivalents};
use crate::metrics::news2::{Items, score};
use crate::metrics::opioid_benzo_overlap::overlap;
use crate::metrics::orthostatic::{Reading, judge};
use crate::metrics::pain_flare::FlareWatch;
use crate::metrics::pdc_mpr::{Fill, supply};
use crate::metrics::prodigy::Risks;
use crate::metrics::return_to_baseline::ReturnToBaseline;
use crate::metrics::rolling_dose::{micrograms, milligrams, share, totals};
use crate::metrics::sustained_threshold::Comparison::{self, Above, AtLeast};
use crate::metrics::{pain_change as change, peg as peg_score, prn_escalation as escalation, prodigy as risk};

type Computed = Result<Value, String>;

fn to_json(value: impl serde::Serialize) -> Computed {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

/// As a rule judges the number of a metric.
fn judged(value: f64, limit: Comparison) -> bool {
    limit.holds(value)
}

fn flag(input: &Input, key: &str) -> Result<Option<bool>, String> {
    input.get(key).map(Value::as_bool)
}

fn required_flag(input: &Input, key: &str) -> Result<bool, String> {
    flag(input, key)?.ok_or_else(|| format!("`{key}` is not true or false"))
}

pub fn news2(input: &Input) -> Computed {
    let items = Items {
        respirations: input.optional("rr"),
        saturation: input.optional("spo2"),
        scale_2: input.number("spo2_scale")? == 2.0,
        on_oxygen: flag(input, "on_o2")?,
        systolic: input.optional("sbp"),
        pulse: input.optional("hr"),
        alert: input.get("acvpu")?.as_str().map(|code| code == "A"),
        temperature: input.optional("temp_c"),
    };
    let got = score(&items);
    let [rr, spo2, o2, sbp, hr, consciousness, temp] = got.points;
    Ok(json!({
        "rr": rr, "spo2": spo2, "o2": o2, "sbp": sbp, "hr": hr, "consciousness": consciousness, "temp": temp,
        "missing": got.missing, "partial_sum": got.partial_sum, "any_red": got.any_red, "total": got.total,
        "band": got.band,
    }))
}

pub fn prodigy(input: &Input) -> Computed {
    let risks = Risks {
        age: input.number("age")?.floor() as u32,
        male: required_flag(input, "male")?,
        opioid_naive: required_flag(input, "opioid_naive")?,
        sleep_disordered_breathing: required_flag(input, "sdb")?,
        heart_failure: required_flag(input, "chf")?,
    };
    let (score, class) = risk::score(&risks);
    Ok(json!({ "score": score, "class": class }))
}

pub fn orthostatic(input: &Input) -> Computed {
    let part = |row: &[Option<f64>], index: usize| row.get(index).copied().flatten();
    let reading =
        |row: &[Option<f64>]| Some(Reading { systolic: part(row, 0)?, diastolic: part(row, 1)?, pulse: part(row, 2) });
    let supine = reading(&input.series("supine")?).ok_or("`supine` is not [systolic, diastolic, pulse]")?;
    let standing = input.array("standing")?.iter().filter_map(|row| {
        let row: Vec<Option<f64>> = row.as_array()?.iter().map(Value::as_f64).collect();
        Some((part(&row, 0)?, reading(row.get(1..)?)?))
    });
    to_json(judge(supine, &standing.collect::<Vec<_>>(), false))
}

pub fn bp_category(input: &Input) -> Computed {
    let known = input.optional("sbp").zip(input.optional("dbp"));
    Ok(json!({ "category": known.map(|(systolic, diastolic)| category(systolic, diastolic)) }))
}

pub fn mme_daily(input: &Input) -> Computed {
    let mut sum = Equivalents::default();
    for item in input.array("items")? {
        let number = |key: &str| item.get(key).and_then(Value::as_f64);
        let drug = item.get("drug").and_then(Value::as_str).ok_or("an item without a drug")?;
        let scaled = |value: f64| micrograms(value).ok_or_else(|| format!("{drug}: {value}"));
        let amount = match number("mcg_per_h") {
            Some(rate) => Amount { opioid: "fentanyl_transdermal", micrograms: scaled(rate)?, doses_milli: 1000 },
            None => Amount {
                opioid: drug,
                micrograms: scaled(number("dose_mg").ok_or("an item without a dose")?)?,
                doses_milli: scaled(number("doses_per_day").ok_or("an item without doses_per_day")?)?,
            },
        };
        sum.add(&amount);
    }
    let said = |opioid: &str| match opioid {
        "fentanyl_transdermal" => "fentanyl_transdermal_mcg_h".to_owned(),
        other => other.to_owned(),
    };
    let by_drug: BTreeMap<String, f64> = sum.by_opioid_mg().map(|(opioid, mg)| (said(opioid), mg)).collect();
    Ok(json!({
        "by_drug": by_drug, "total_mme_day": sum.total_mg(), "ge50": judged(sum.total_mg(), AtLeast(50.0)),
        "ge90": judged(sum.total_mg(), AtLeast(90.0)), "incomplete": sum.is_incomplete(), "no_factor": sum.no_factor,
    }))
}

fn fills(input: &Input, key: &str) -> Result<Vec<Fill>, String> {
    let fill = |pair: &Value| Some(Fill { day: pair.get(0)?.as_i64()? as i32, days: pair.get(1)?.as_i64()? as i32 });
    let fills: Option<Vec<Fill>> = input.array(key)?.iter().map(fill).collect();
    fills.ok_or_else(|| format!("`{key}` is not a list of [day, days of supply]"))
}

pub fn pdc_mpr(input: &Input) -> Computed {
    let fills = fills(input, "fills")?;
    let first = || fills.iter().map(|fill| f64::from(fill.day)).reduce(f64::min);
    let start = input.optional("start").or_else(first).ok_or("neither a start nor a fill")?;
    let got = supply(&fills, (start as i32, input.number("end")? as i32));
    to_json(got.ok_or("the window ends before it begins")?)
}

pub fn opioid_benzo_overlap(input: &Input) -> Computed {
    to_json(overlap(&fills(input, "opioid")?, &fills(input, "benzodiazepine")?))
}

pub fn rolling_24h_dose(input: &Input) -> Computed {
    let dose = |pair: &Value| Some((to_ms(pair.get(0)?.as_f64()?, 6e4), micrograms(pair.get(1)?.as_f64()?)?));
    let doses: Option<Vec<(i64, i64)>> = input.array("events")?.iter().map(dose).collect();
    let limit = input.number("limit_mg")?;
    let totals = totals(&doses.ok_or("an event is not [minute, mg]")?, to_ms(input.number("window_min")?, 6e4));
    let rows = totals
        .iter()
        .map(|at| json!([minutes_of(at.time), milligrams(at.sum), judged(share(at.sum, limit), Above(1.0))]));
    Ok(json!({
        "rows": rows.collect::<Vec<_>>(), "max": totals.iter().map(|at| at.sum).max().map(milligrams),
    }))
}

pub fn prn_escalation(input: &Input) -> Computed {
    let window = |name: &str| -> Result<(u32, f64), String> {
        Ok((input.number(&format!("{name}_count"))? as u32, input.number(&format!("{name}_days"))?))
    };
    to_json(escalation::test(window("recent")?, window("reference")?))
}

pub fn pain_change(input: &Input) -> Computed {
    to_json(change::change(input.optional("baseline"), input.optional("current")))
}

pub fn peg(input: &Input) -> Computed {
    let answers = |value: Option<&Value>| {
        let items = value.and_then(Value::as_array);
        let item = |index: usize| items.and_then(|items| items.get(index)).and_then(Value::as_f64);
        peg_score::score(&[item(0), item(1), item(2)])
    };
    to_json(peg_score::change(answers(input.0.get("now")), answers(input.0.get("baseline"))))
}

pub fn pain_flare(input: &Input) -> Computed {
    let mut watch = FlareWatch::default();
    let days = input.series("daily_nrs")?;
    for (day, value) in (0..).zip(&days) {
        watch.handle(day, *value);
    }
    let lasted = watch.flares().map(|flare| flare.end.unwrap_or(days.len() as i32) - flare.start);
    let rows = watch.flares().map(|flare| {
        json!({ "start": flare.start, "confirmed": flare.confirmed, "end": flare.end, "baseline": flare.baseline,
                "peak": flare.peak })
    });
    Ok(json!({ "flares": rows.collect::<Vec<_>>(), "flare_days": lasted.sum::<i32>() }))
}

pub fn return_to_baseline(input: &Input) -> Computed {
    let mut recovery = ReturnToBaseline::new(&input.series("pre")?);
    let post = input.series("post")?;
    let ratios: Vec<_> = (0..).zip(post).map(|(day, steps)| recovery.handle(day, steps).ratio).collect();
    Ok(json!({ "baseline": recovery.baseline, "ratio": ratios, "recovered_day": recovery.recovered_on }))
}
