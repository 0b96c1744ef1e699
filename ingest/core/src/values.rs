//! Values: units to canonical ones, canonical numbers to integers at the measure's scale, plausibility (clinical
//! catalogue G1, G2). A bound is compared at the scale that is stored, so that 113 degF is exactly 45 Cel.

use painwatch_domain::measure::{self, PULSE_PRESSURE_MIN, STEPS_PER_MIN_MAX};
use painwatch_domain::time::{HOUR_MS, MINUTE_MS};
use painwatch_domain::unit::{self, Linear};
use painwatch_domain::{Flags, Measure, ProblemCode, Shape, Value};
use painwatch_proto::ingest::v1::{Components, Reading};
use painwatch_proto::json::shown;

use crate::codes;
use crate::reading::{Refusal, text};

/// Above this many steps a minute a reading is kept and marked (clinical catalogue G1).
const STEPS_PER_MIN_VERIFY: f64 = 220.0;
/// Largest stored integer: beyond 2^53 a double no longer tells neighbours apart.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// Units a dose may have, besides any annotation such as `{tablet}`.
const DOSE_UNITS: [&str; 11] = ["mg", "ug", "g", "kg", "mL", "L", "[IU]", "[drp]", "ug/h", "mg/h", "mg/mL"];
/// Targets that make a unit a known one even where no measure has it.
const UNITS_BESIDE: [&str; 6] = ["mg", "g", "ug", "s", "ms", "mm"];

/// Whether an entry carries the kind of value its measure has, and only that: a second one would be lost in silence.
pub(crate) fn check_kind(reading: &Reading, measure: Measure, packed: bool) -> Result<(), Refusal> {
    let shape = measure.spec().shape;
    let numeric = matches!(shape, Shape::Spot | Shape::Interval);
    if packed && !numeric {
        return Err(Refusal::unreadable(format!("{} cannot be packed", measure.name())));
    }
    if packed && reading.values.is_empty() && (reading.value.is_some() || !reading.offsets_ms.is_empty()) {
        return Err(Refusal::unreadable("period_ms and offsets_ms belong beside values"));
    }
    let misplaced = [
        ("value", reading.value.is_some(), !packed && (numeric || shape == Shape::Dose)),
        ("components", reading.components.is_some(), shape == Shape::Panel),
        ("code", !reading.code.is_empty(), shape == Shape::Code),
        ("event", !reading.event.is_empty(), shape == Shape::Dose),
    ];
    match misplaced.into_iter().find(|(_, given, allowed)| *given && !allowed) {
        Some((field, ..)) if packed => Err(Refusal::unreadable(format!("give values or {field}, not both"))),
        Some((field, ..)) => Err(Refusal::unreadable(format!("{} does not take {field}", measure.name()))),
        None => Ok(()),
    }
}

/// The value of a reading that is not packed, and the marks it earns.
pub(crate) fn single(reading: &Reading, measure: Measure, lasted_ms: Option<i64>) -> Result<(Value, Flags), Refusal> {
    match measure.spec().shape {
        Shape::Spot | Shape::Interval => {
            let value = reading.value.ok_or_else(|| missing(measure, "value"))?;
            Scale::of(measure, &reading.unit, &reading.instrument)?.number(value, lasted_ms)
        }
        Shape::Panel => {
            let components = reading.components.as_ref().ok_or_else(|| missing(measure, "components"))?;
            pressure(components, &Scale::of(measure, &reading.unit, "")?)
        }
        Shape::Code => code(reading, measure),
        Shape::Dose => dose(reading),
    }
}

fn missing(measure: Measure, field: &str) -> Refusal {
    Refusal::new(ProblemCode::ValueMissing, format!("{} needs {field}", measure.name()))
}

fn out_of_range(detail: String) -> Refusal {
    Refusal::new(ProblemCode::ValueOutOfRange, detail)
}

/// How numbers of one measure in one unit become stored integers: worked out once for a packed series.
pub(crate) struct Scale {
    measure: Measure,
    to_canonical: Linear,
    reject: (i64, i64),
    verify: (i64, i64),
    grain: Option<Grain>,
}

/// Scores that people give in whole numbers.
#[derive(Clone, Copy)]
enum Grain {
    Whole,
    /// The mean of three whole numbers.
    Third,
}

impl Scale {
    pub(crate) fn of(measure: Measure, unit: &str, instrument: &str) -> Result<Self, Refusal> {
        let spec = measure.spec();
        let grain = match measure {
            Measure::PainNrs => Some(Grain::Whole),
            Measure::Peg if instrument.is_empty() => Some(Grain::Third),
            Measure::Peg => Some(Grain::Whole),
            _ => None,
        };
        let to_canonical = conversion(measure, unit)?;
        Ok(Self {
            measure,
            to_canonical,
            reject: scaled(measure, spec.reject),
            verify: scaled(measure, spec.verify),
            grain,
        })
    }

    pub(crate) fn number(&self, value: f64, lasted_ms: Option<i64>) -> Result<(Value, Flags), Refusal> {
        let stored = self.exact(self.measure.name(), value)?;
        let mut doubt = self.bounded(self.measure.name(), stored, self.reject, self.verify)?;
        if self.measure == Measure::StepCount
            && let Some(lasted) = lasted_ms
        {
            doubt = doubt.with(cadence(stored, lasted)?);
        }
        if self.grain.is_some_and(|grain| !grain.fits(stored)) {
            doubt = doubt.with(Flags::VERIFY);
        }
        Ok((Value::Number(stored), doubt))
    }

    fn exact(&self, name: &str, value: f64) -> Result<i64, Refusal> {
        if value.is_nan() {
            return Err(Refusal::new(ProblemCode::ValueMissing, format!("{name} is not a number")));
        }
        let canonical = self.to_canonical.apply(value);
        if !canonical.is_finite() {
            return Err(out_of_range(format!("{name} is infinite")));
        }
        if canonical.abs() * 10f64.powi(self.measure.spec().scale as i32) > EXACT_MAX {
            return Err(out_of_range(format!("{name} {canonical:e} is too large to be kept exactly")));
        }
        Ok(self.measure.to_scaled(canonical))
    }

    fn bounded(&self, name: &str, stored: i64, reject: (i64, i64), verify: (i64, i64)) -> Result<Flags, Refusal> {
        let shown = |stored| self.measure.to_canonical(stored);
        if stored < reject.0 {
            return Err(out_of_range(format!("{name} {} < {}", shown(stored), shown(reject.0))));
        }
        if stored > reject.1 {
            return Err(out_of_range(format!("{name} {} > {}", shown(stored), shown(reject.1))));
        }
        let usual = (verify.0..=verify.1).contains(&stored);
        Ok(if usual { Flags::default() } else { Flags::VERIFY })
    }
}

impl Grain {
    fn fits(self, stored: i64) -> bool {
        match self {
            Self::Whole => stored % 1_000 == 0,
            // 6.333 or 6.33, as people round.
            Self::Third => [0, 333, 330, 300, 667, 670, 700].contains(&(stored % 1_000)),
        }
    }
}

fn scaled(measure: Measure, bounds: (f64, f64)) -> (i64, i64) {
    (measure.to_scaled(bounds.0), measure.to_scaled(bounds.1))
}

fn cadence(steps: i64, lasted_ms: i64) -> Result<Flags, Refusal> {
    if lasted_ms > HOUR_MS {
        return Ok(Flags::default());
    }
    let minutes = lasted_ms as f64 / MINUTE_MS as f64;
    if steps as f64 > (STEPS_PER_MIN_MAX * minutes).ceil() {
        let seconds = lasted_ms as f64 / 1_000.0;
        return Err(out_of_range(format!("step_count {steps} in {seconds} s > {STEPS_PER_MIN_MAX}/min")));
    }
    let usual = steps as f64 <= (STEPS_PER_MIN_VERIFY * minutes).ceil();
    Ok(if usual { Flags::default() } else { Flags::VERIFY })
}

fn pressure(components: &Components, scale: &Scale) -> Result<(Value, Flags), Refusal> {
    let measure = scale.measure;
    let part = |name: &str, value, (reject, verify)| {
        let stored = scale.exact(name, value)?;
        let doubt = scale.bounded(name, stored, scaled(measure, reject), scaled(measure, verify))?;
        Ok::<_, Refusal>((stored, doubt))
    };
    let (systolic, upper) = part("systolic", components.systolic, measure::SYSTOLIC)?;
    let (diastolic, lower) = part("diastolic", components.diastolic, measure::DIASTOLIC)?;
    if systolic - diastolic < measure.to_scaled(PULSE_PRESSURE_MIN) {
        let shown = |stored| measure.to_canonical(stored);
        let detail = format!(
            "pulse pressure {} < {PULSE_PRESSURE_MIN} (systolic {}, diastolic {})",
            shown(systolic - diastolic),
            shown(systolic),
            shown(diastolic)
        );
        return Err(out_of_range(detail));
    }
    Ok((Value::Pressure { systolic, diastolic }, upper.with(lower)))
}

fn code(reading: &Reading, measure: Measure) -> Result<(Value, Flags), Refusal> {
    let sent = text("code", &reading.code)?.ok_or_else(|| missing(measure, "code"))?;
    let code = codes::canonical(measure, &sent)
        .map_err(|codes| out_of_range(format!("{} {:?} is none of {codes}", measure.name(), shown(&sent))))?;
    Ok((Value::Code(code.into()), Flags::default()))
}

fn dose(reading: &Reading) -> Result<(Value, Flags), Refusal> {
    // Of the aliases only this one is of a dose: `count` would become steps.
    let unit = if reading.unit == "mcg" { "ug" } else { &reading.unit };
    let Some(amount) = reading.value else {
        let unit = if unit.is_empty() { "" } else { dose_unit(unit)? };
        return Ok((Value::Dose { amount: None, unit: unit.into() }, Flags::default()));
    };
    let unit = dose_unit(unit)?;
    let measure = Measure::MedicationEvent;
    let as_sent = Linear { factor: 1.0, offset: 0.0 };
    let (reject, verify) = (scaled(measure, measure.spec().reject), scaled(measure, measure.spec().verify));
    let scale = Scale { measure, to_canonical: as_sent, reject, verify, grain: None };
    let stored = scale.exact("dose", amount)?;
    let doubt = scale.bounded("dose", stored, reject, verify)?;
    Ok((Value::Dose { amount: Some(stored), unit: unit.into() }, doubt))
}

fn dose_unit(unit: &str) -> Result<&str, Refusal> {
    let annotation = unit.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let named = annotation.is_some_and(|name| !name.is_empty() && name.len() <= 30 && name.bytes().all(in_annotation));
    if named || DOSE_UNITS.contains(&unit) {
        return Ok(unit);
    }
    let detail = format!("unit {:?} of a dose is not known, expected mg, ug, mL, {{tablet}} or the like", shown(unit));
    Err(Refusal::new(ProblemCode::UnknownUnit, detail))
}

fn in_annotation(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// From the unit as sent to the canonical one. Never guesses: only a count, which has but one unit, may leave it out.
fn conversion(measure: Measure, sent: &str) -> Result<Linear, Refusal> {
    let expected = measure.spec().unit;
    let counts = expected.starts_with('{');
    let unit = match sent {
        "" if counts => expected,
        // `count` is short for the count that the measure counts.
        "count" | "counts" if expected == "{counts}" => expected,
        _ => unit::alias(sent),
    };
    if let Some(linear) = unit::conversion(unit, expected) {
        return Ok(linear);
    }
    let (code, problem) = match unit {
        "" => (ProblemCode::UnknownUnit, "is missing"),
        _ if is_known(unit) => (ProblemCode::UnitNotConvertible, "cannot be converted"),
        _ => (ProblemCode::UnknownUnit, "is not known"),
    };
    Err(Refusal::new(code, format!("unit {:?} of {} {problem}, expected {expected}", shown(sent), measure.name())))
}

fn is_known(unit: &str) -> bool {
    let canonical = Measure::ALL.iter().map(|measure| measure.spec().unit).filter(|target| !target.is_empty());
    canonical.chain(UNITS_BESIDE).any(|target| unit::conversion(unit, target).is_some())
}
