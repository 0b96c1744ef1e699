//! The same measurement of blood pressure under two stamps that are whole hours apart: wall time and UTC of one inflation of
//! the cuff, or one export laid over another in a second zone. Which stamp is right nothing here can tell, so both are
//! stored, the one that came second is marked, and a person is asked.

use std::collections::BTreeSet;

use anyhow::Result;
use painwatch_domain::time::HOUR_MS;
use painwatch_domain::{Measure, PatientId};
use painwatch_processor_core::intake::{Change, EffectiveReading};

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
        let standing = || changes.iter().filter_map(Change::now_standing);
        // The blocks hold the whole series by now; of two copies in it the first has come before the second.
        let time_of = |sample: u32| arrival.entry.series.samples[sample as usize].device_time;
        let mut to_come: BTreeSet<i64> = standing().flat_map(|(samples, _)| samples).map(time_of).collect();
        for (samples, wearer) in standing() {
            for sample in samples {
                to_come.remove(&arrival.entry.series.samples[sample as usize].device_time);
                let Some(wearer) = wearer else { continue };
                if let Some(hours) = self.hours_to_copy(arrival, sample, wearer, &to_come).await? {
                    arrival.marks.insert(sample, Mark::PossibleCopy { hours });
                    whose = Some(wearer.clone());
                }
            }
        }
        Ok(whose)
    }

    /// How many hours away the nearest copy of a sample stands, whichever device of this patient told it.
    async fn hours_to_copy(
        &mut self,
        arrival: &Arrival<'_>,
        sample: u32,
        wearer: &PatientId,
        to_come: &BTreeSet<i64>,
    ) -> Result<Option<i64>> {
        let series = &arrival.entry.series;
        let sample = &series.samples[sample as usize];
        let reach = HOURS_MAX * HOUR_MS;
        let (from, to) = (sample.time.0.saturating_sub(reach), sample.time.0.saturating_add(reach + 1));
        let beside = self.history.fetch(arrival.roster, wearer, &[(Measure::BloodPressure, from, to)]).await?;
        let came_before =
            |reading: &EffectiveReading| reading.device != series.device || !to_come.contains(&reading.device_time);
        let alike = beside.iter().filter(|seen| seen.reading.value == sample.value && came_before(&seen.reading));
        let apart = alike.map(|seen| (seen.time - sample.time.0).abs()).filter(|apart| *apart > 0);
        Ok(apart.filter(|apart| apart % HOUR_MS == 0).map(|apart| apart / HOUR_MS).min())
    }

    /// Asks about them, unless they were sent as history: an import's report has said so.
    pub(crate) fn ask_about_pressures(&mut self, arrival: &Arrival, whose: Option<PatientId>, out: &mut Output) {
        if let Some(patient) = whose.filter(|_| !arrival.historical) {
            self.raise(Technical::ShiftedPressure, arrival, Some(&patient), "one pressure, whole hours apart", out);
        }
    }
}
