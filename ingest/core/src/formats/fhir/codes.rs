//! Which code is which measure (clinical catalogue G3). The display text stands beside each: a valid check digit does not
//! prove the meaning.

use painwatch_domain::Measure;
use painwatch_domain::measure::loinc_check_digit_is_valid;
use painwatch_proto::json::shown;

use super::super::unknown_measure;
use super::coding::{Coding, named};
use crate::reading::Refusal;

pub(super) const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";

pub(super) const SYSTOLIC: &str = "8480-6";
pub(super) const DIASTOLIC: &str = "8462-4";
/// Mean blood pressure: beside the two it says nothing more.
pub(super) const MEAN: &str = "8478-0";

/// A code, the measure and, for one question of several, its instrument.
struct Row {
    code: &'static str,
    measure: Measure,
    instrument: &'static str,
}

const fn row(code: &'static str, measure: Measure) -> Row {
    Row { code, measure, instrument: "" }
}

/// Beyond the one code that each measure has in the table of measures.
const BESIDE: &[Row] = &[
    row("2708-6", Measure::OxygenSaturation), // Oxygen saturation in Arterial blood
    row("41950-7", Measure::StepCount),       // Number of steps in 24 hour Measured
    row("91148-7", Measure::Peg),             // PEG 3 item pain scale panel
    row("55411-3", Measure::ExerciseSession), // Exercise duration
    Row { code: "75893-8", measure: Measure::Peg, instrument: "pain" }, // Pain on average in the past week
    Row { code: "91145-3", measure: Measure::Peg, instrument: "enjoyment" }, // Interference with enjoyment of life
    Row { code: "91146-1", measure: Measure::Peg, instrument: "activity" }, // Interference with general activity
];

/// Codes that mean something which is no reading here, and why.
const NOT_TAKEN: &[(&str, &str)] = &[
    ("96607-7", "a mean blood pressure is no reading: send the pressures it was made of"),
    (SYSTOLIC, "systolic pressure comes as a component of 85354-9, beside the diastolic"),
    (DIASTOLIC, "diastolic pressure comes as a component of 85354-9, beside the systolic"),
    ("39156-5", "a body mass index is worked out from weight and height: send those"),
    ("88330-6", "this is NEWS, not NEWS2, which is worked out here from its parts: send those"),
    ("93831-6", "time in deep sleep is no interval of it: send sleep_stage over each"),
    ("93830-8", "time in light sleep is no interval of it: send sleep_stage over each"),
    ("93829-0", "time in REM sleep is no interval of it: send sleep_stage over each"),
    ("103213-5", "time in bed is no interval of it: send sleep_stage in_bed over each"),
    ("103210-1", "time awake is no interval of it: send sleep_stage awake over each"),
];

/// ACVPU as NEWS2 records it; SNOMED CT codes of the United Kingdom's NEWS2 profile. A named clinician must confirm them.
const ACVPU: [(&str, &str); 5] = [
    ("248234008", "A"), // Mentally alert
    ("130987000", "C"), // Acute confusion
    ("300202002", "V"), // Responds to voice
    ("450847001", "P"), // Responds to pain
    ("422768004", "U"), // Unresponsive
];

/// A measure and, for one question of several, its instrument.
pub(super) type Meant = (Measure, &'static str);

/// What the codings of an Observation or a component say that it is. They must agree.
pub(super) fn measure(codings: &[Coding<'_>]) -> Result<Meant, Refusal> {
    let mut found: Option<Meant> = None;
    for coding in codings {
        let Some(meant) = one(*coding)? else { continue };
        if found.is_some_and(|found| found != meant) {
            return Err(unknown_measure("the codings name two measures: which one is meant cannot be told"));
        }
        found = Some(meant);
    }
    if let Some(found) = found {
        return Ok(found);
    }
    let not_taken =
        |coding: &Coding<'_>| NOT_TAKEN.iter().find(|(code, _)| coding.system == LOINC && *code == coding.code);
    match codings.iter().find_map(not_taken) {
        Some((code, why)) => Err(unknown_measure(format!("LOINC {code}: {why}"))),
        None => Err(unknown_measure(format!(
            "no measure has the code {}; urn:painwatch:measure takes the names of measures",
            named(codings)
        ))),
    }
}

fn one(coding: Coding<'_>) -> Result<Option<Meant>, Refusal> {
    if let Some(name) = coding.own("measure") {
        return Ok(Measure::parse(name).map(|measure| (measure, "")));
    }
    if coding.system != LOINC {
        return Ok(None);
    }
    if !loinc_check_digit_is_valid(coding.code) {
        let detail = format!("LOINC {:?} has a wrong check digit: a misspelt code", shown(coding.code));
        return Err(unknown_measure(detail));
    }
    if let Some(row) = BESIDE.iter().find(|row| row.code == coding.code) {
        return Ok(Some((row.measure, row.instrument)));
    }
    let own = Measure::ALL.iter().find(|measure| measure.spec().loinc == Some(coding.code));
    Ok(own.map(|measure| (*measure, "")))
}

/// The word of a code list that a coded value stands for.
pub(super) fn value<'a>(measure: Measure, codings: &[Coding<'a>]) -> Option<&'a str> {
    let known = |coding: &Coding<'a>| {
        if let Some(code) = coding.own("code") {
            return Some(code);
        }
        let acvpu = measure == Measure::Acvpu && coding.system == SNOMED;
        ACVPU.iter().find(|(code, _)| acvpu && *code == coding.code).map(|(_, word)| *word)
    };
    codings.iter().find_map(known)
}

/// `left`, `right` or `bilateral`, where a coding says so.
pub(super) fn laterality<'a>(coding: Coding<'a>) -> Option<&'a str> {
    match (coding.system, coding.code) {
        (SNOMED, "7771000") => Some("left"),
        (SNOMED, "24028007") => Some("right"),
        (SNOMED, "51440002") => Some("bilateral"),
        _ => coding.own("laterality"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_valid_check_digit_and_is_either_taken_or_not() {
        let taken = BESIDE.iter().map(|row| row.code);
        let refused = NOT_TAKEN.iter().map(|(code, _)| *code);
        for code in taken.chain(refused) {
            assert!(loinc_check_digit_is_valid(code), "{code}");
        }
        for (code, _) in NOT_TAKEN {
            assert!(one(Coding { system: LOINC, code }).unwrap().is_none(), "{code}");
        }
    }

    #[test]
    fn every_measure_with_a_code_is_found_by_it() {
        for measure in Measure::ALL {
            let Some(code) = measure.spec().loinc else { continue };
            let (found, _) = measure_of(code);
            // One code stands for a bout of exercise; minutes of activity a day go by our own name.
            let expected = if code == "55411-3" { Measure::ExerciseSession } else { *measure };
            assert_eq!(found, expected, "{code}");
        }
    }

    fn measure_of(code: &str) -> Meant {
        measure(&[Coding { system: LOINC, code }]).unwrap()
    }
}
