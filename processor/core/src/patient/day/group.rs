//! Which daily values are computed together, and which days a reading bears on.

use painwatch_domain::Measure;
use serde::{Deserialize, Serialize};

use super::rhythm::ends_week;
use crate::metrics::{MetricInfo, catalogue};

/// Which days a reading bears on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its own.
    Day,
    /// The neighbours as well: a dose may fill the cell of either.
    Beside,
    /// Those of the 24 h after its day: a sleep belongs to the night of the next morning, and a device that was taken off
    /// stays off. When a patient travels that may be more than one.
    Hours24,
    /// That which ends its week, and the one after: a night belongs to the next morning.
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
    /// Activity counts a minute.
    Counts,
    /// A vendor's sleep stages.
    Stages,
    /// Intervals between heart beats.
    Beats,
    /// Of a week, on its last day.
    Rhythm,
}

impl Group {
    pub const ALL: [Self; 11] = [
        Self::Weight,
        Self::Pain,
        Self::Medication,
        Self::Activity,
        Self::Vitals,
        Self::Sleep,
        Self::Coverage,
        Self::Counts,
        Self::Stages,
        Self::Beats,
        Self::Rhythm,
    ];

    /// The group in which a metric is computed.
    pub fn of_metric(info: &MetricInfo) -> Option<Self> {
        if info.window == catalogue::WEEK { Some(Self::Rhythm) } else { Self::of(info.measure) }
    }

    /// The group in which the daily metrics of a measure are computed.
    const fn of(measure: Measure) -> Option<Self> {
        Some(match measure {
            Measure::BodyWeight => Self::Weight,
            Measure::PainNrs | Measure::PainVas | Measure::PainScaleOther => Self::Pain,
            Measure::MedicationEvent => Self::Medication,
            Measure::StepCount | Measure::HeartRate => Self::Activity,
            Measure::RestingHeartRate | Measure::RespiratoryRate | Measure::OxygenSaturation => Self::Vitals,
            Measure::TotalSleepTime => Self::Sleep,
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
            Measure::PainNrs | Measure::PainVas | Measure::PainScaleOther => &[(Self::Pain, Reach::Day)],
            Measure::MedicationEvent => &[(Self::Medication, Reach::Beside)],
            Measure::HeartRate => &[(Self::Activity, Reach::Day)],
            Measure::StepCount => &[(Self::Activity, Reach::Day), (Self::Rhythm, Reach::Week)],
            Measure::ActivityCount => &[(Self::Counts, Reach::Hours24), (Self::Rhythm, Reach::Week)],
            Measure::SleepStage => {
                &[(Self::Stages, Reach::Hours24), (Self::Counts, Reach::Hours24), (Self::Rhythm, Reach::Week)]
            }
            Measure::RrInterval => &[(Self::Beats, Reach::Day)],
            Measure::RestingHeartRate | Measure::RespiratoryRate | Measure::OxygenSaturation => {
                &[(Self::Vitals, Reach::Day)]
            }
            Measure::TotalSleepTime => &[(Self::Sleep, Reach::Hours24), (Self::Activity, Reach::Hours24)],
            Measure::DeviceWorn | Measure::DeviceCharging => &[(Self::Coverage, Reach::Hours24)],
            _ => &[],
        }
    }

    pub const fn measures(self) -> &'static [Measure] {
        match self {
            Self::Weight => &[Measure::BodyWeight],
            Self::Pain => &[Measure::PainNrs, Measure::PainVas, Measure::PainScaleOther],
            Self::Medication => &[Measure::MedicationEvent],
            Self::Activity => &[Measure::StepCount, Measure::HeartRate, Measure::TotalSleepTime],
            Self::Vitals => &[Measure::RestingHeartRate, Measure::RespiratoryRate, Measure::OxygenSaturation],
            Self::Sleep => &[Measure::TotalSleepTime],
            Self::Coverage => &[Measure::DeviceWorn, Measure::DeviceCharging],
            Self::Counts => &[Measure::ActivityCount, Measure::SleepStage],
            Self::Stages => &[Measure::SleepStage],
            Self::Beats => &[Measure::RrInterval],
            Self::Rhythm => &[Measure::StepCount, Measure::ActivityCount, Measure::SleepStage],
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
