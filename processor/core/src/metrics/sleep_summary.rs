//! Summary of one night in bed (clinical catalogue C5).
//!
//! Definition: over the 60-s epochs of the in-bed window, unknown ones left out: TIB, TST minutes asleep, SOL minutes before
//! the first S, WASO minutes awake and awakenings (runs of W) strictly between the first and the last S, SE = 100·TST/TIB,
//! mean sleep bout, P(S to W) = bouts/TST, SFI = awakenings per hour of sleep. Null what needs a minute of sleep where there
//! is none. An unknown epoch ends a bout. Good sleep (NSF): SE >= 85 %, SOL <= 30, WASO <= 20.

use serde::Serialize;

use super::sleep_wake::State;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SleepSummary {
    /// Minutes.
    pub tib: u32,
    pub tst: u32,
    pub sol: Option<u32>,
    pub waso: Option<u32>,
    pub se_pct: Option<f64>,
    pub awakenings: Option<u32>,
    pub mean_awakening: Option<f64>,
    pub mean_sleep_bout: Option<f64>,
    pub p_sleep_to_wake: Option<f64>,
    pub sfi_per_h: Option<f64>,
}

pub fn summarise(in_bed: &[Option<State>]) -> SleepSummary {
    let count = |of: &[Option<State>], state: State| of.iter().filter(|seen| **seen == Some(state)).count() as u32;
    let (tst, awake) = (count(in_bed, State::Asleep), count(in_bed, State::Awake));
    let tib = tst + awake;
    let asleep = |seen: &Option<State>| *seen == Some(State::Asleep);
    let se_pct = (tib > 0).then(|| 100.0 * f64::from(tst) / f64::from(tib));
    let Some((first, last)) = in_bed.iter().position(asleep).zip(in_bed.iter().rposition(asleep)) else {
        return SleepSummary { tib, tst, se_pct, ..SleepSummary::default() };
    };
    let (slept, hours) = (&in_bed[first..=last], f64::from(tst) / 60.0);
    let (bouts, awakenings) = (runs(slept, State::Asleep), runs(slept, State::Awake));
    let waso = count(slept, State::Awake);
    SleepSummary {
        tib,
        tst,
        sol: Some(count(&in_bed[..first], State::Awake)),
        waso: Some(waso),
        se_pct,
        awakenings: Some(awakenings),
        mean_awakening: Some(if awakenings == 0 { 0.0 } else { f64::from(waso) / f64::from(awakenings) }),
        mean_sleep_bout: Some(f64::from(tst) / f64::from(bouts)),
        p_sleep_to_wake: Some(f64::from(bouts) / f64::from(tst)),
        sfi_per_h: Some(f64::from(awakenings) / hours),
    }
}

fn runs(states: &[Option<State>], state: State) -> u32 {
    states.chunk_by(|a, b| a == b).filter(|run| run[0] == Some(state)).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Option<State> = Some(State::Asleep);
    const W: Option<State> = Some(State::Awake);

    #[test]
    fn lying_awake_before_and_after_is_neither_waso_nor_an_awakening() {
        let night = [vec![W; 10], vec![S; 100], vec![W; 5], vec![S; 50], vec![W; 20]].concat();
        let told = summarise(&night);
        assert_eq!((told.tib, told.tst, told.sol, told.waso, told.awakenings), (185, 150, Some(10), Some(5), Some(1)));
        assert_eq!(told.sfi_per_h, Some(0.4));
    }

    #[test]
    fn an_unknown_minute_is_neither_asleep_nor_awake() {
        let told = summarise(&[vec![S; 30], vec![None; 7], vec![S; 30]].concat());
        assert_eq!((told.tib, told.tst, told.waso, told.mean_sleep_bout), (60, 60, Some(0), Some(30.0)));
        assert_eq!(summarise(&[None; 5]), SleepSummary::default());
    }
}
