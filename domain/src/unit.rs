//! UCUM units: the aliases gateways send, and the conversion of each accepted unit into a measure's canonical one.
//! Source: clinical catalogue G2 (pound, ounce, stone: international avoirdupois; m[Hg] = 133.3220 kPa as in UCUM).

/// Turns what gateways write into UCUM. Unknown texts come back unchanged: they are refused later, by name.
pub fn alias(text: &str) -> &str {
    match text {
        "bpm" | "beats/min" | "breaths/min" => "/min",
        "mmHg" => "mm[Hg]",
        "lb" | "lbs" => "[lb_av]",
        "oz" => "[oz_av]",
        "°F" | "F" => "[degF]",
        "°C" | "C" => "Cel",
        "steps" | "count" => "{steps}",
        "mcg" => "ug",
        other => other,
    }
}

/// `value · factor + offset` in the target unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    pub factor: f64,
    pub offset: f64,
}

impl Linear {
    const fn times(factor: f64) -> Self {
        Self { factor, offset: 0.0 }
    }

    pub fn apply(self, value: f64) -> f64 {
        value * self.factor + self.offset
    }
}

/// How to get from one UCUM unit to another, or `None` when the catalogue knows no way.
pub fn conversion(from: &str, to: &str) -> Option<Linear> {
    if from == to {
        return Some(Linear::times(1.0));
    }
    Some(match (from, to) {
        ("[lb_av]", "kg") => Linear::times(0.453_592_37),
        ("[oz_av]", "kg") => Linear::times(0.028_349_523_125),
        ("[stone_av]", "kg") => Linear::times(6.350_293_18),
        ("g", "kg") | ("ug", "mg") | ("ms", "s") => Linear::times(1e-3),
        ("g", "mg") | ("kg", "g") | ("s", "ms") | ("mg", "ug") => Linear::times(1e3),
        ("[degF]", "Cel") => Linear { factor: 5.0 / 9.0, offset: -160.0 / 9.0 },
        ("K", "Cel") => Linear { factor: 1.0, offset: -273.15 },
        ("kPa", "mm[Hg]") => Linear::times(1.0 / 0.133_322),
        ("mm[Hg]", "kPa") => Linear::times(0.133_322),
        ("[in_i]", "cm") => Linear::times(2.54),
        ("[mi_i]", "m") => Linear::times(1_609.344),
        ("m", "cm") | ("cm", "mm") => Linear::times(if from == "m" { 100.0 } else { 10.0 }),
        ("s", "min") => Linear::times(1.0 / 60.0),
        ("h", "min") => Linear::times(60.0),
        ("min", "s") => Linear::times(60.0),
        ("1", "%") => Linear::times(100.0),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_spellings_become_ucum_and_unknown_ones_stay() {
        assert_eq!((alias("bpm"), alias("lbs"), alias("furlong")), ("/min", "[lb_av]", "furlong"));
    }

    #[test]
    fn fahrenheit_converts_with_its_offset_and_unrelated_units_do_not_convert() {
        assert!((conversion("[degF]", "Cel").unwrap().apply(98.6) - 37.0).abs() < 1e-12);
        assert_eq!(conversion("kg", "Cel"), None);
    }
}
