//! What will happen to a person: episodes drawn beforehand, one after the other, with ordinary days between.

use rand::Rng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::truth::EpisodeKind;

/// Ordinary days before the first episode: a personal baseline needs a week, a control chart six.
const QUIET_DAYS: u32 = 21;

/// An episode by day number; `minute` is of its first local day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub kind: EpisodeKind,
    pub day: u32,
    pub days: u32,
    pub minute: u32,
    pub minutes: u32,
    /// How bad, from 0 (hardly worth telling) to 1.
    pub severity: f64,
    /// Which of its forms an episode takes.
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Says itself that it is not worn; or for other kinds: the plain form.
    NotWorn,
    /// Says itself that it is being charged.
    Charging,
    /// Says nothing any more.
    Silent,
}

impl Course {
    pub const fn covers(&self, day: u32) -> bool {
        self.day <= day && day < self.day + self.days
    }

    /// How much of a course of several days is felt on `day`: it comes within a day and goes within two.
    pub fn felt(&self, day: u32) -> f64 {
        if !self.covers(day) {
            return 0.0;
        }
        match (day - self.day, self.day + self.days - 1 - day) {
            (0, _) => 0.7,
            (_, 0) => 0.4,
            (_, 1) => 0.8,
            _ => 1.0,
        }
    }
}

/// Every kind once in an order of its own, then again, for as long as the days last.
pub(super) fn courses(dice: &mut ChaCha8Rng, days: u32) -> Vec<Course> {
    use EpisodeKind::{DeviceOff, HouseholdMixUp, MissedDoses, PainFlare, Spo2Depression, StepDrop, WeightGain};
    let mut courses: Vec<Course> = Vec::new();
    let mut day = QUIET_DAYS + dice.random_range(0..7);
    loop {
        let mut kinds = [Spo2Depression, WeightGain, MissedDoses, PainFlare, StepDrop, DeviceOff, HouseholdMixUp];
        kinds.shuffle(dice);
        for kind in kinds {
            let course = course(dice, kind, day);
            if course.day + course.days + 3 > days {
                return courses;
            }
            day = course.day + course.days + dice.random_range(4..9);
            courses.push(course);
        }
    }
}

fn course(dice: &mut ChaCha8Rng, kind: EpisodeKind, day: u32) -> Course {
    let severity = dice.random_range(0.0..1.0);
    let form = [Form::NotWorn, Form::Charging, Form::Silent][dice.random_range(0..3)];
    let (days, minute, minutes) = match kind {
        // One to three hours after the evening dose.
        EpisodeKind::Spo2Depression => (1, dice.random_range(22 * 60 + 5..23 * 60 + 10), dice.random_range(4..20)),
        EpisodeKind::WeightGain => (dice.random_range(3..6), 0, 0),
        // From before the first missed dose (08:00) to after the last: two to six doses.
        EpisodeKind::MissedDoses => {
            let doses = dice.random_range(2..7);
            (doses / 2 + 1, 5 * 60, 12 * 60 * (doses - 1) + 6 * 60)
        }
        EpisodeKind::PainFlare => (dice.random_range(3..10), 0, 0),
        EpisodeKind::StepDrop => (dice.random_range(5..12), 0, 0),
        EpisodeKind::DeviceOff => (3, dice.random_range(9 * 60..15 * 60), dice.random_range(14 * 60..48 * 60)),
        EpisodeKind::HouseholdMixUp => (dice.random_range(1..4), 0, 0),
    };
    Course { kind, day, days, minute, minutes, severity, form }
}
