//! Which devices brought readings of a day. Kept beside the day's values and never told: data days are counted from it.

use std::collections::BTreeSet;

use super::{DailyValue, Frame, Group, Observation};

/// The groups whose measures are all that feed a daily metric, and where what brought them is kept.
const KEPT: [(Group, &str); 7] = [
    (Group::Weight, "reporting.of_weight"),
    (Group::Pain, "reporting.of_pain"),
    (Group::Activity, "reporting.of_activity"),
    (Group::Vitals, "reporting.of_vitals"),
    (Group::Safety, "reporting.of_safety"),
    (Group::Counts, "reporting.of_counts"),
    (Group::Beats, "reporting.of_beats"),
];

/// The names under which it is kept.
pub fn names() -> impl Iterator<Item = &'static str> {
    KEPT.iter().map(|(_, name)| *name)
}

/// The group that a name belongs to; `None` for a metric.
pub fn group_of(name: &str) -> Option<Group> {
    KEPT.iter().find(|(_, known)| *known == name).map(|(group, _)| *group)
}

/// What brought the group's readings of the day: in `quality`, as ids hold no comma.
pub fn devices(group: Group, frame: &Frame, history: &[Observation]) -> Option<(String, DailyValue)> {
    let (_, name) = KEPT.iter().find(|(known, _)| *known == group)?;
    let of_day = history.iter().filter(|seen| frame.contains(seen.time));
    let devices: BTreeSet<&str> = of_day.map(|seen| seen.reading.device.as_str()).collect();
    let quality = devices.iter().copied().collect::<Vec<_>>().join(",");
    let value = DailyValue { value: Some(1.0), n: 1, quality, held_at: frame.end, ..DailyValue::default() };
    (!devices.is_empty()).then(|| ((*name).to_owned(), value))
}
