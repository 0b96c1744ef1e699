//! Which daily values are computed together, and which days a reading bears on.

use painwatch_domain::Measure;
use serde::{Deserialize, Serialize};

use super::super::derived::goals::GOALS;
use super::rhythm::ends_week;
use crate::metrics::{MetricInfo, catalogue};

/// Which days a reading bears on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its own.
    Day,
    /// The neighbours as well, and whatever the 30 hours after it touch: a dose may fill the cell of either, counts in sums, and
    /// may be the one before a dose that kept its interval.
    Beside,
    /// Those of the 24 h after its day: a sleep belongs to the night of the next morning, and a device that was taken off
    /// stays off. When a patient travels that may be more than one.
    Hours24,
    /// These, and the day before: what was worn until midnight is told by what was not worn after it.
    Midnights,
    /// Those of the seven days after its own, too: a week of them, the report before a dose, a night that belongs to the next
    /// morning.
    Week,
}

/// Measures whose daily values are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Group {
    Weight,
    Pain,
    Medication,
    Activity,
    Vitals,
    Sleep,
    /// Not a group of values: what hold rules could see.
    Coverage,
    /// What is judged from several vital signs together, and blood pressure.
    Safety,
    /// What a week of doses and reports shows.
    Rescue,
    /// Activity counts a minute.
    Counts,
    /// A vendor's sleep stages.
    Stages,
    /// Intervals between heart beats.
    Beats,
    /// Of a week, on its last day.
    Rhythm,
    /// Derives from the values of other groups: last, so that it is computed after them.
    Composite,
}

impl Group {
    pub const ALL: [Self; 14] = [
        Self::Weight,
        Self::Pain,
        Self::Medication,
        Self::Activity,
        Self::Vitals,
        Self::Sleep,
        Self::Coverage,
        Self::Safety,
        Self::Rescue,
        Self::Counts,
        Self::Stages,
        Self::Beats,
        Self::Rhythm,
        Self::Composite,
    ];

    /// The group in which a metric is computed: that of its measure, but for scores over several measures and for weeks.
    pub fn of_metric(info: &MetricInfo) -> Option<Self> {
        match info.name {
            _ if info.window == catalogue::WEEK => Some(Self::Rhythm),
            "pain_nrs.rescue_response" => Some(Self::Rescue),
            "heart_rate.rest_score" => Some(Self::Safety),
            "pain_nrs.flare_signals" | "pain_nrs.flare_check_in" | "step_count.pacing" => Some(Self::Composite),
            "reporting.data_days_30d" => Some(Self::Composite),
            name if name.ends_with(".progress") => Some(Self::Composite),
            name if GOALS.iter().any(|(_, target)| *target == name) => Some(Self::Composite),
            name if SCORES.iter().any(|score| name.starts_with(score)) => Some(Self::Safety),
            _ => Self::of(info.measure),
        }
    }

    /// The group in which the daily metrics of a measure are computed.
    const fn of(measure: Measure) -> Option<Self> {
        Some(match measure {
            Measure::BodyWeight => Self::Weight,
            Measure::PainNrs | Measure::PainVas | Measure::PainScaleOther | Measure::Peg | Measure::FlareReport => {
                Self::Pain
            }
            Measure::MedicationEvent => Self::Medication,
            Measure::StepCount | Measure::HeartRate => Self::Activity,
            Measure::RestingHeartRate | Measure::RespiratoryRate | Measure::OxygenSaturation => Self::Vitals,
            Measure::TotalSleepTime => Self::Sleep,
            Measure::BloodPressure | Measure::Poss => Self::Safety,
            Measure::ActivityCount => Self::Counts,
            Measure::SleepStage => Self::Stages,
            Measure::RrInterval => Self::Beats,
            _ => return None,
        })
    }

    /// What a reading of the measure bears on, and how far.
    pub const fn affected_by(measure: Measure) -> &'static [(Self, Reach)] {
        match measure {
            Measure::BodyWeight => &[(Self::Weight, Reach::Day)],
            Measure::PainNrs => &[(Self::Pain, Reach::Hours24), (Self::Rescue, Reach::Week)],
            Measure::PainVas | Measure::PainScaleOther | Measure::Peg | Measure::FlareReport => {
                &[(Self::Pain, Reach::Day)]
            }
            Measure::MedicationEvent => &[
                (Self::Medication, Reach::Beside),
                (Self::Pain, Reach::Hours24),
                (Self::Rescue, Reach::Week),
                (Self::Safety, Reach::Hours24),
            ],
            Measure::SymptomSeverity => &[(Self::Pain, Reach::Hours24), (Self::Safety, Reach::Hours24)],
            Measure::StepCount => {
                &[(Self::Activity, Reach::Day), (Self::Safety, Reach::Hours24), (Self::Rhythm, Reach::Week)]
            }
            Measure::HeartRate => &[(Self::Activity, Reach::Day), (Self::Safety, Reach::Hours24)],
            Measure::ActivityCount => &[(Self::Counts, Reach::Midnights), (Self::Rhythm, Reach::Week)],
            Measure::SleepStage => &[
                (Self::Stages, Reach::Hours24),
                (Self::Counts, Reach::Hours24),
                (Self::Activity, Reach::Hours24),
                (Self::Rhythm, Reach::Week),
            ],
            Measure::RrInterval => &[(Self::Beats, Reach::Day)],
            Measure::RestingHeartRate => &[(Self::Vitals, Reach::Day)],
            Measure::RespiratoryRate | Measure::OxygenSaturation => {
                &[(Self::Vitals, Reach::Day), (Self::Safety, Reach::Hours24)]
            }
            Measure::BloodPressure
            | Measure::BodyTemperature
            | Measure::OxygenFlow
            | Measure::Acvpu
            | Measure::Poss
            | Measure::FallReport => &[(Self::Safety, Reach::Hours24)],
            Measure::TotalSleepTime => &[(Self::Sleep, Reach::Hours24), (Self::Activity, Reach::Hours24)],
            Measure::DeviceWorn | Measure::DeviceCharging | Measure::DeviceLink => &[(Self::Coverage, Reach::Hours24)],
            _ => &[],
        }
    }

    pub const fn measures(self) -> &'static [Measure] {
        match self {
            Self::Weight => &[Measure::BodyWeight],
            Self::Pain => &[
                Measure::PainNrs,
                Measure::PainVas,
                Measure::PainScaleOther,
                Measure::Peg,
                Measure::FlareReport,
                Measure::MedicationEvent,
                Measure::SymptomSeverity,
            ],
            Self::Medication => &[Measure::MedicationEvent],
            Self::Activity => &[Measure::StepCount, Measure::HeartRate, Measure::TotalSleepTime, Measure::SleepStage],
            Self::Vitals => &[Measure::RestingHeartRate, Measure::RespiratoryRate, Measure::OxygenSaturation],
            Self::Sleep => &[Measure::TotalSleepTime],
            Self::Coverage => &[Measure::DeviceWorn, Measure::DeviceCharging, Measure::DeviceLink],
            Self::Safety => &[
                Measure::RespiratoryRate,
                Measure::OxygenSaturation,
                Measure::OxygenFlow,
                Measure::BloodPressure,
                Measure::HeartRate,
                Measure::Acvpu,
                Measure::BodyTemperature,
                Measure::Poss,
                Measure::FallReport,
                Measure::StepCount,
                Measure::MedicationEvent,
                Measure::SymptomSeverity,
            ],
            Self::Rescue => &[Measure::PainNrs, Measure::MedicationEvent],
            Self::Counts => &[Measure::ActivityCount, Measure::SleepStage],
            Self::Stages => &[Measure::SleepStage],
            Self::Beats => &[Measure::RrInterval],
            Self::Rhythm => &[Measure::StepCount, Measure::ActivityCount, Measure::SleepStage],
            Self::Composite => &[],
        }
    }

    /// Whether the group has anything to compute about a day.
    pub const fn concerns(self, day: i32) -> bool {
        !matches!(self, Self::Rhythm) || ends_week(day)
    }

    /// Few readings a day, each of which may matter at once: judged on arrival. The others wait for the day's close.
    pub const fn is_judged_on_arrival(self) -> bool {
        matches!(self, Self::Weight | Self::Pain | Self::Medication)
    }
}

/// Names of scores that belong to no one measure.
pub const SCORES: [&str; 4] = ["news2.", "oivi.", "prodigy.", "reporting."];
