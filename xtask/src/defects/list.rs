//! The seeded defects: where each goes, and the tests that must notice.

/// A piece of the source, found exactly once, and what takes its place while the defect is switched on.
pub struct Patch {
    pub file: &'static str,
    pub from: &'static str,
    /// `SEEDED` stands for the question whether this defect is the one switched on.
    pub to: &'static str,
}

pub struct Defect {
    pub name: &'static str,
    /// What goes wrong.
    pub what: &'static str,
    /// The program with the tests that must notice.
    pub program: &'static str,
    pub patches: &'static [Patch],
    /// Those tests.
    pub caught_by: &'static [&'static str],
}

/// Through the whole engine.
const ENGINE: &str = "painwatch-processor::engine";

pub const DEFECTS: &[Defect] = &[
    Defect {
        name: "skipped-dst-hour",
        what: "the 25th hour of the day on which clocks go back belongs to no day",
        program: ENGINE,
        patches: &[Patch {
            file: "processor/core/src/patient/calendar.rs",
            from: "(self.start(day), self.start(day + 1))\n    }",
            to: "let (start, end) = (self.start(day), self.start(day + 1));\n        (start, if SEEDED { end.min(start + painwatch_domain::time::DAY_MS) } else { end })\n    }",
        }],
        caught_by: &["defects::the_hour_that_clocks_repeat_is_part_of_its_day"],
    },
    Defect {
        name: "lost-revision",
        what: "a corrected value is taken for one already known",
        program: ENGINE,
        patches: &[Patch {
            file: "processor/core/src/intake/version.rs",
            from: "    fn differ(&mut self, arrived: Version) -> (Class, bool) {\n",
            to: "    fn differ(&mut self, arrived: Version) -> (Class, bool) {\n        if SEEDED && arrived.revision > 0 { return (Class::Duplicate, false); }\n",
        }],
        caught_by: &["rules::semantics_13_a_late_reading_revises_a_daily_value_and_what_follows_from_it"],
    },
    Defect {
        name: "swallowed-gap",
        what: "low values before and after a silence count as one run",
        program: ENGINE,
        patches: &[Patch {
            file: "processor/core/src/metrics/sustained_threshold.rs",
            from: "if now_ms > held_until {",
            to: "if now_ms > held_until && !SEEDED {",
        }],
        caught_by: &["defects::low_values_on_both_sides_of_a_silence_do_not_hold_across_it"],
    },
    Defect {
        name: "baseline-with-today",
        what: "a day is judged against a baseline that it is part of",
        program: ENGINE,
        patches: &[Patch {
            file: "processor/core/src/metrics/robust_z.rs",
            from: "self.days.iter().filter(|(past, _)| *past < day).map(|(_, value)| Some(*value)).collect();",
            to: "self.days.iter().filter(|(past, _)| *past < day).map(|(_, value)| Some(*value)).chain([x].into_iter().filter(|x| SEEDED && x.is_some())).collect();",
        }],
        caught_by: &["defects::a_day_is_no_part_of_the_baseline_that_judges_it"],
    },
    Defect {
        name: "late-dose-ignored",
        what: "a dose that is told hours later changes nothing",
        program: ENGINE,
        patches: &[Patch {
            file: "processor/core/src/patient/observe.rs",
            from: "for &(group, reach) in Group::affected_by(measure) {",
            to: "let late = measure == Measure::MedicationEvent && calendar.start(day) + 20 * painwatch_domain::time::HOUR_MS < now.0;\n        for &(group, reach) in Group::affected_by(measure).iter().filter(|_| !(SEEDED && late)) {",
        }],
        caught_by: &["rules::two_missed_doses_stay_two_when_the_third_is_taken_and_are_retracted_when_one_turns_up"],
    },
    Defect {
        name: "equality",
        what: "exactly at a strict limit counts as beyond it",
        program: ENGINE,
        patches: &[
            Patch {
                file: "processor/core/src/metrics/sustained_threshold.rs",
                from: "Self::Below(limit) => value < limit,",
                to: "Self::Below(limit) => value < limit || (SEEDED && value == limit),",
            },
            Patch {
                file: "processor/core/src/metrics/sustained_threshold.rs",
                from: "Self::Above(limit) => value > limit,",
                to: "Self::Above(limit) => value > limit || (SEEDED && value == limit),",
            },
        ],
        caught_by: &[
            "defects::exactly_at_a_strict_limit_is_not_beyond_it",
            "metrics::doses_add_up_by_ingredient_also_in_combinations_and_exactly_the_limit_is_none_too_many",
        ],
    },
    Defect {
        name: "retraction-forgotten",
        what: "an episode that turned out not to have been is never taken back",
        program: ENGINE,
        patches: &[Patch {
            file: "processor/core/src/patient/episodes.rs",
            from: "(Some(old), None) => (FindingKind::Retracted, old),",
            to: "(Some(old), None) if !SEEDED => (FindingKind::Retracted, old),",
        }],
        caught_by: &[
            "rules::semantics_13_a_correction_retracts_an_episode_and_a_late_run_of_low_values_is_retrospective",
            "rules::semantics_13_a_late_reading_revises_a_daily_value_and_what_follows_from_it",
        ],
    },
];
