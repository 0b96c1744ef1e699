//! Sedentary time and bouts from counts a minute at the hip (clinical catalogue C2; Matthews 2008, Freedson 1998).
//!
//! Definition: sedentary < 100 counts/min, light to 1951, moderate to 5724, vigorous from 5725 on. A bout is a maximal run of
//! sedentary minutes within wear; a minute that was not worn is missing and ends it. A break is a bout that an active minute
//! follows. Mean bout = minutes/bouts, P(sedentary to active) = bouts/minutes. Only for ActiGraph-type counts at the hip:
//! never for a wrist, never for a vendor's activity units.

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sedentary {
    /// Minutes.
    pub wear: u32,
    pub sedentary: u32,
    pub bouts: u32,
    /// Number and minutes of the bouts of at least 20, 30, 60 minutes.
    pub at_least: [(u32, u32); 3],
    pub longest: u32,
    pub breaks: u32,
    pub mean_bout: Option<f64>,
    pub p_sedentary_to_active: Option<f64>,
    pub light: u32,
    pub moderate_to_vigorous: u32,
    pub vigorous: u32,
}

const BOUTS_MIN: [u32; 3] = [20, 30, 60];
const LIGHT_FROM: u32 = 100;
const MODERATE_FROM: u32 = 1952;
const VIGOROUS_FROM: u32 = 5725;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Sedentary,
    Active,
    NotWorn,
}

/// Counts of each minute of a day, missing where it was not worn.
pub fn sedentary(minutes: &[Option<u32>]) -> Sedentary {
    let level = |count: &Option<u32>| match count {
        None => Level::NotWorn,
        Some(count) if *count < LIGHT_FROM => Level::Sedentary,
        Some(_) => Level::Active,
    };
    let levels: Vec<Level> = minutes.iter().map(level).collect();
    let runs: Vec<(Level, u32)> = levels.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32)).collect();
    let bouts: Vec<u32> = runs.iter().filter(|run| run.0 == Level::Sedentary).map(|run| run.1).collect();
    let is_break = |pair: &&[(Level, u32)]| pair[0].0 == Level::Sedentary && pair[1].0 == Level::Active;
    let long = |from: u32| {
        let long = bouts.iter().filter(|bout| **bout >= from);
        long.fold((0, 0), |(n, minutes), bout| (n + 1, minutes + bout))
    };
    let worn =
        |range: std::ops::Range<u32>| minutes.iter().flatten().filter(|count| range.contains(count)).count() as u32;
    let (n, total) = (bouts.len() as u32, bouts.iter().sum::<u32>());
    Sedentary {
        wear: minutes.iter().flatten().count() as u32,
        sedentary: total,
        bouts: n,
        at_least: BOUTS_MIN.map(long),
        longest: bouts.iter().copied().max().unwrap_or(0),
        breaks: runs.windows(2).filter(is_break).count() as u32,
        mean_bout: (n > 0).then(|| f64::from(total) / f64::from(n)),
        p_sedentary_to_active: (n > 0).then(|| f64::from(n) / f64::from(total)),
        light: worn(LIGHT_FROM..MODERATE_FROM),
        moderate_to_vigorous: worn(MODERATE_FROM..u32::MAX),
        vigorous: worn(VIGOROUS_FROM..u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bout_ends_where_the_device_was_taken_off_and_that_is_no_break() {
        let day = [vec![Some(0); 30], vec![None; 5], vec![Some(99); 20], vec![Some(100); 1]].concat();
        let told = sedentary(&day);
        assert_eq!((told.wear, told.sedentary, told.bouts, told.breaks, told.longest), (51, 50, 2, 1, 30));
        assert_eq!(told.at_least, [(2, 50), (1, 30), (0, 0)]);
        assert_eq!(sedentary(&[]), Sedentary::default());
    }

    #[test]
    fn each_minute_has_the_intensity_of_its_cut_points() {
        let told = sedentary(&[99, 100, 1951, 1952, 5724, 5725, 20_000].map(Some));
        assert_eq!((told.sedentary, told.light, told.moderate_to_vigorous, told.vigorous), (1, 2, 4, 2));
    }
}
