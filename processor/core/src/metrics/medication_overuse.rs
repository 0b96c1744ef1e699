//! Risk of medication-overuse headache (clinical catalogue E7; ICHD-3).
//!
//! Definition, for patients with headache: in each of three consecutive blocks of 30 days, >= 10 days with an opioid, a
//! triptan, an ergot or a combination analgesic, or >= 15 with a simple analgesic; and headache on >= 15 days of the last
//! block. From 8 and 12 days in the last block the patient is told (notice).

pub const BLOCK_DAYS: i32 = 30;
pub const BLOCKS: i32 = 3;
const ACUTE_DAYS: usize = 10;
const SIMPLE_DAYS: usize = 15;
const HEADACHE_DAYS: usize = 15;
const NOTICE_ACUTE_DAYS: usize = 8;
const NOTICE_SIMPLE_DAYS: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overuse {
    None,
    Notice,
    Risk,
}

/// The days on which something was so, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaysWith {
    /// An opioid, a triptan, an ergot or a combination analgesic.
    pub acute: Vec<i32>,
    pub simple: Vec<i32>,
    pub headache: Vec<i32>,
}

/// Judges the blocks that end with `day`.
pub fn judge(days: &DaysWith, day: i32) -> Overuse {
    let in_block = |of: &[i32], block: i32| {
        let last = day - block * BLOCK_DAYS;
        of.iter().filter(|seen| (last - BLOCK_DAYS + 1..=last).contains(*seen)).count()
    };
    let over = |block: i32| in_block(&days.acute, block) >= ACUTE_DAYS || in_block(&days.simple, block) >= SIMPLE_DAYS;
    if (0..BLOCKS).all(over) && in_block(&days.headache, 0) >= HEADACHE_DAYS {
        Overuse::Risk
    } else if in_block(&days.acute, 0) >= NOTICE_ACUTE_DAYS || in_block(&days.simple, 0) >= NOTICE_SIMPLE_DAYS {
        Overuse::Notice
    } else {
        Overuse::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overuse_is_ten_acute_days_in_each_of_three_blocks_with_headache_on_every_other_day() {
        let every = |step: usize| (1..=90).step_by(step).collect::<Vec<i32>>();
        let days = DaysWith { acute: every(3), headache: every(2), ..DaysWith::default() };
        assert_eq!(judge(&days, 90), Overuse::Risk);
        let rare = DaysWith { headache: every(3), ..days.clone() };
        assert_eq!(judge(&rare, 90), Overuse::Notice);
        let short = DaysWith { acute: (31..=90).step_by(3).collect(), ..days };
        assert_eq!(judge(&short, 90), Overuse::Notice);
        assert_eq!(judge(&DaysWith::default(), 90), Overuse::None);
    }
}
