//! A submission in words: for each problem what it means and what to change at the source.

use std::fmt;

use painwatch_domain::{BatchVerdict, Offset, Problem, ProblemCode};

use crate::envelope::Submission;

/// An offline verdict: nothing was stored, so what would be admitted cannot be told apart from a duplicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub batch_id: String,
    pub admitted: u64,
    pub quarantined: u64,
    pub decodable: bool,
    pub problems: Vec<Explained>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    pub problem: Problem,
    pub reason: &'static str,
    pub fix: &'static str,
}

impl Explanation {
    /// As a gateway would get it if every admitted reading were new.
    pub fn verdict(&self) -> BatchVerdict {
        BatchVerdict {
            cause: Offset(0),
            batch_id: self.batch_id.clone(),
            stored: self.admitted,
            duplicate: 0,
            conflict: 0,
            quarantined: self.quarantined,
            problems: self.problems.iter().map(|explained| explained.problem.clone()).collect(),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} readings admitted, {} quarantined", self.admitted, self.quarantined)?;
        for Explained { problem, reason, fix } in &self.problems {
            let sample = problem.sample.map_or_else(String::new, |sample| format!(", sample {sample}"));
            writeln!(f, "reading {}{sample}: {}: {}", problem.index, problem.code.as_str(), problem.detail)?;
            writeln!(f, "  why: {reason}")?;
            writeln!(f, "  fix: {fix}")?;
        }
        Ok(())
    }
}

/// What `painwatch check` says about a payload.
pub fn explain(submission: &Submission) -> Explanation {
    let explained = |problem: &Problem| Explained {
        problem: problem.clone(),
        reason: reason(problem.code),
        fix: fix(problem.code),
    };
    Explanation {
        batch_id: submission.batch.batch_id.clone(),
        admitted: submission.admitted,
        quarantined: submission.quarantined,
        decodable: submission.decodable,
        problems: submission.problems.iter().map(explained).collect(),
    }
}

/// Why we do not store such a reading.
pub const fn reason(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::DecodeFailed => "it cannot be read as a reading without guessing",
        ProblemCode::UnknownMeasure => "no rule and no metric would know what to do with it",
        ProblemCode::UnknownUnit => "a unit that is guessed wrongly turns 98 into fever or into death",
        ProblemCode::UnitNotConvertible => "this unit measures something else than the measure does",
        ProblemCode::ValueOutOfRange => "outside these bounds it is a fault of the sensor, not physiology",
        ProblemCode::ValueMissing => "a reading is its value",
        ProblemCode::TimeMissing => "without a time no rule can place it",
        ProblemCode::TimeInFuture => "a clock more than a day ahead cannot be corrected by assumption",
        ProblemCode::ClockNotSet => "the device has lost its time: the readings are kept until its offset is known",
        ProblemCode::EndBeforeStart => "an interval cannot end before it starts",
        ProblemCode::NotYourDevice => "the roster does not let this gateway send for that device",
        ProblemCode::UnknownMedication => "it is stored, but no schedule and no dose limit can be applied to it",
        ProblemCode::ValueDiffers => "another value came for the same reading with the same revision",
    }
}

/// What to change at the source.
pub const fn fix(code: ProblemCode) -> &'static str {
    match code {
        ProblemCode::DecodeFailed => "correct what the detail names; field names and types are those of ingest.proto",
        ProblemCode::UnknownMeasure => "use a name from the table `measures`",
        ProblemCode::UnknownUnit => "send the UCUM unit that the detail names, or an accepted alias of it",
        ProblemCode::UnitNotConvertible => "send the unit that the detail names, or another measure",
        ProblemCode::ValueOutOfRange => "check sensor, unit and scale; a missing sample is null, not 0 or 999",
        ProblemCode::ValueMissing => "send the field that the detail names, or leave the reading out",
        ProblemCode::TimeMissing => "send time with an offset, or a zone; without a clock age_ms with boot_id and seq",
        ProblemCode::TimeInFuture => "set the device's clock; quarantined readings can be redriven afterwards",
        ProblemCode::ClockNotSet => "set the device's clock, or send age_ms with boot_id and seq",
        ProblemCode::EndBeforeStart => "swap time and end_time, or check their offsets",
        ProblemCode::NotYourDevice => "add the gateway to the device in the roster, or send from its own",
        ProblemCode::UnknownMedication => "add the medication to the roster",
        ProblemCode::ValueDiffers => "send a correction with a greater revision or with status corrected",
    }
}
