//! Weights: whose they are where a scale is shared (semantics 8), and whether they may be somebody else's (semantics 6).

use anyhow::Result;
use painwatch_domain::{DeviceId, EventTime, Measure, PatientId};
use painwatch_processor_core::intake::{Change, scale};
use painwatch_processor_core::patient::Sight;

use crate::engine::{Engine, Output};
use crate::history::{Owned, is_shared};
use crate::intake::Arrival;
use crate::rows::Mark;
use crate::technical::Technical;

/// What a series of weights leads to beyond its own readings.
#[derive(Default)]
pub(crate) struct Weighed {
    /// Weights of the shared scale at or after the earliest that changed: whose they are may have changed with it.
    again: Vec<Owned>,
    /// Where something stood that does not any more.
    left: Vec<EventTime>,
    doubted: Vec<PatientId>,
}

impl Arrival<'_> {
    fn device(&self) -> &DeviceId {
        &self.entry.series.device
    }

    /// Whether several people could have been on the scale.
    pub(crate) fn is_shared_at(&self, time: EventTime) -> bool {
        self.entry.series.measure == Measure::BodyWeight && self.roster.wearers(self.device(), time).len() > 1
    }
}

impl Engine {
    /// Names the owners of weights in place of the wearers that pairings alone give, and marks those that are in doubt.
    pub(crate) async fn weighed(&mut self, arrival: &mut Arrival<'_>, changes: &mut Vec<Change>) -> Result<Weighed> {
        let mut weighed = Weighed::default();
        if arrival.entry.series.measure != Measure::BodyWeight || changes.is_empty() {
            return Ok(weighed);
        }
        if is_shared(arrival.roster, arrival.device()) {
            let owned = self.history.weighings(arrival.roster, arrival.device(), EventTime::MAX).await?;
            let touched: Vec<EventTime> = changes.iter().flat_map(|change| times(arrival, change)).collect();
            let earliest = touched.iter().min().copied().unwrap_or(EventTime::MAX);
            *changes = std::mem::take(changes).into_iter().flat_map(|change| owners(arrival, change, &owned)).collect();
            weighed.again = owned.into_iter().filter(|(reading, _)| reading.time >= earliest).collect();
            weighed.left = touched;
        }
        for change in changes.iter() {
            self.doubt(arrival, change, &mut weighed).await?;
        }
        Ok(weighed)
    }

    async fn doubt(&mut self, arrival: &mut Arrival<'_>, change: &Change, weighed: &mut Weighed) -> Result<()> {
        let Some((samples, Some(wearer))) = change.now_standing() else { return Ok(()) };
        for sample in samples {
            let until = arrival.entry.series.samples[sample as usize].time.plus(1);
            let weights = self.history.weights_of(arrival.roster, wearer, until).await?;
            if scale::is_doubtful(&weights) {
                arrival.marks.insert(sample, Mark::WeightDoubtful);
                weighed.doubted.push(wearer.clone());
            }
        }
        Ok(())
    }

    /// Has everybody judged again to whom a weight may have come or gone, and asks about those in doubt.
    pub(crate) fn settle_weights(&mut self, arrival: &Arrival<'_>, weighed: Weighed, out: &mut Output) {
        let sight = Sight { measure: Measure::BodyWeight, new: false, historical: arrival.historical };
        let clinic = self.clinic(arrival.source.tenant);
        let standing = weighed.again.iter().map(|(reading, _)| (reading.time, Some(&reading.value)));
        for (time, value) in standing.chain(weighed.left.iter().map(|time| (*time, None))) {
            for person in arrival.roster.wearers(arrival.device(), time) {
                clinic.observe(person, sight, [(time, value)].into_iter(), arrival.now);
            }
        }
        if let Some(patient) = weighed.doubted.first().filter(|_| !arrival.historical) {
            self.raise(Technical::DoubtfulWeight, arrival, Some(patient), "more than 7 % off within a day", out);
        }
    }
}

/// The event times at which a change bears.
fn times(arrival: &Arrival<'_>, change: &Change) -> Vec<EventTime> {
    match change {
        Change::Fresh { samples, .. } => {
            let samples = &arrival.entry.series.samples[samples.start as usize..samples.end as usize];
            samples.iter().map(|sample| sample.time).collect()
        }
        Change::Judged(judged) => [&judged.before, &judged.after].into_iter().flatten().map(|one| one.time).collect(),
    }
}

/// The change with the owners of its readings, each by itself.
fn owners(arrival: &Arrival<'_>, change: Change, owned: &[Owned]) -> Vec<Change> {
    let (tenant, series) = (arrival.source.tenant, &arrival.entry.series);
    let owner =
        |id| owned.iter().find(|(reading, _)| reading.reading_id(tenant) == id).and_then(|(_, owner)| owner.clone());
    match change {
        Change::Fresh { samples, .. } => {
            let of = |nth: u32| owner(series.reading_id(tenant, &series.samples[nth as usize]));
            samples.map(|nth| Change::Fresh { samples: nth..nth + 1, wearer: of(nth) }).collect()
        }
        Change::Judged(mut judged) => {
            judged.wearer = judged.after.as_ref().and_then(|_| owner(judged.reading_id));
            vec![Change::Judged(judged)]
        }
    }
}
