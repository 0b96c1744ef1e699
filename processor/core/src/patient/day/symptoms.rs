//! What the patient says is wrong (`symptom_severity`), by what it means beside other readings (clinical catalogue A6, F4).

use painwatch_domain::Measure;

use super::Observation;
use crate::rules::tables::is_symptom;

/// Reports, above 0, of the symptoms that a row of the table names.
pub(super) fn reported<'a>(seen: &[&'a Observation], name: &str) -> Vec<&'a Observation> {
    let says = |seen: &&&Observation| {
        let instrument = seen.reading.about.instrument.as_deref();
        seen.number().is_some_and(|severity| severity > 0.0) && instrument.is_some_and(|said| is_symptom(said, name))
    };
    let of_measure = seen.iter().filter(|seen| seen.reading.measure == Measure::SymptomSeverity);
    of_measure.filter(says).copied().collect()
}

/// Their names, each once.
pub(super) fn names(reports: &[&Observation]) -> String {
    let names = reports.iter().filter_map(|seen| seen.reading.about.instrument.as_deref());
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(",")
}
