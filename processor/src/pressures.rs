//! The same measurement of blood pressure under two stamps that are whole hours apart: wall time and UTC of one inflation of
//! the cuff, or one export laid over another in a second zone. Which stamp is right nothing here can tell, so both are
//! stored, the one that came second is marked, and a person is asked.

use anyhow::Result;
use painwatch_domain::time::HOUR_MS;
use painwatch_domain::{Measure, PatientId, Value};
use painwatch_processor_core::intake::Change;

use crate::engine::{Engine, Output};
use crate::intake::Arrival;
use crate::rows::Mark;
use crate::technical::Technical;

/// Zones differ from UTC by at most this many hours.
const HOURS_MAX: i64 = 14;

impl Engine {
    /// Marks pressures that stand a second time, whole hours earlier or later, and says whose they are.
    pub(crate) async fn mark_shifted_pressures(
        &mut self,
        arrival: &mut Arrival<'_>,
        changes: &[Change],
    ) -> Result<Option<PatientId>> {
        let mut whose = None;
        if arrival.entry.series.measure != Measure::BloodPressure {
            return Ok(whose);
        }
        for (samples, wearer) in changes.iter().filter_map(Change::now_standing) {
            let Some(wearer) = wearer else { continue };
            for sample in samples {
                if let Some(hours) = self.hours_to_copy(arrival, sample, wearer).await? {
                    arrival.marks.insert(sample, Mark::PossibleCopy { hours });
                    whose = Some(wearer.clone());
                }
            }
        }
        Ok(whose)
    }

    /// How many hours away the nearest copy of a sample stands, whichever device of this patient told it.
    async fn hours_to_copy(&mut self, arrival: &Arrival<'_>, sample: u32, wearer: &PatientId) -> Result<Option<i64>> {
        let sample = &arrival.entry.series.samples[sample as usize];
        let Value::Pressure { .. } = sample.value else { return Ok(None) };
        let reach = HOURS_MAX * HOUR_MS;
        let window =
            (Measure::BloodPressure, sample.time.0.saturating_sub(reach), sample.time.0.saturating_add(reach + 1));
        let beside = self.history.fetch(arrival.roster, wearer, &[window]).await?;
        let alike = beside.iter().filter(|seen| seen.reading.value == sample.value);
        let apart = alike.map(|seen| (seen.time - sample.time.0).abs()).filter(|apart| *apart > 0);
        Ok(apart.filter(|apart| apart % HOUR_MS == 0).map(|apart| apart / HOUR_MS).min())
    }

    /// Asks about them, unless they are of an import, whose report has said so.
    pub(crate) fn ask_about_pressures(&mut self, arrival: &Arrival, whose: Option<PatientId>, out: &mut Output) {
        if let Some(patient) = whose.filter(|_| !arrival.historical) {
            self.raise(Technical::ShiftedPressure, arrival, Some(&patient), "one pressure, whole hours apart", out);
        }
    }
}
