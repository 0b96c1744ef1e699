//! Open mHealth writes units in words of its own. Here they become UCUM; one that is not here stays as it is and is judged
//! by that name. A statement of how many of one unit another has is exact by definition.

/// UCUM unit, and how many of it one of the sent unit is.
const UNITS: &[(&str, &str, f64)] = &[
    ("beats/min", "/min", 1.0),
    ("breaths/min", "/min", 1.0),
    ("mmHg", "mm[Hg]", 1.0),
    ("kg", "kg", 1.0),
    ("g", "g", 1.0),
    ("lb", "[lb_av]", 1.0),
    ("oz", "[oz_av]", 1.0),
    ("C", "Cel", 1.0),
    ("F", "[degF]", 1.0),
    ("K", "K", 1.0),
    ("m", "m", 1.0),
    ("cm", "cm", 1.0),
    ("in", "[in_i]", 1.0),
    ("ft", "[in_i]", 12.0),
    ("ms", "ms", 1.0),
    ("sec", "s", 1.0),
    ("min", "min", 1.0),
    ("h", "h", 1.0),
    ("d", "h", 24.0),
    ("%", "%", 1.0),
    ("L/min", "L/min", 1.0),
    ("steps", "{steps}", 1.0),
    ("", "", 1.0),
];

/// A value in a unit of Open mHealth, in UCUM.
pub(super) fn ucum(value: f64, unit: &str) -> (f64, &str) {
    let known = UNITS.iter().find(|(sent, ..)| *sent == unit);
    known.map_or((value, unit), |(_, ucum, factor)| (value * factor, ucum))
}

/// Durations of which each is always as long: not months and years.
const DURATIONS_MS: &[(&str, f64)] = &[
    ("ms", 1.0),
    ("sec", 1_000.0),
    ("s", 1_000.0),
    ("min", 60_000.0),
    ("h", 3_600_000.0),
    ("d", 86_400_000.0),
    ("wk", 604_800_000.0),
];

pub(super) fn duration_ms(value: f64, unit: &str) -> Option<i64> {
    let (_, factor) = DURATIONS_MS.iter().find(|(sent, _)| *sent == unit)?;
    let ms = value * factor;
    (0.0..9.0e15).contains(&ms).then_some(ms.round() as i64)
}
