use super::*;
use crate::metrics::sustained_threshold::Comparison;

fn spo2(clear: bool) -> HeldEpisode {
    let enter = SustainedThreshold::new(Comparison::Below(90.0), 180, 90);
    HeldEpisode::new(enter, clear.then(|| SustainedThreshold::new(Comparison::AtLeast(92.0), 300, 90)))
}

fn feed(episode: &mut HeldEpisode, times: std::ops::RangeInclusive<i64>, value: f64) -> Vec<EpisodeChange> {
    let mut out = Vec::new();
    for time in times.step_by(30) {
        episode.handle(time, Some(value), &mut out);
    }
    out
}

#[test]
fn an_episode_lasts_until_the_clear_condition_has_held_and_ends_where_the_enter_condition_last_held() {
    let mut episode = spo2(true);
    assert_eq!(feed(&mut episode, 0..=210, 85.0), [EpisodeChange::Began { start: 0, known_at: 180 }]);
    assert_eq!(feed(&mut episode, 240..=300, 91.0), [], "91 neither holds nor clears");
    assert_eq!(feed(&mut episode, 330..=360, 89.0), [], "a dip shorter than the duration belongs to the same episode");
    let cleared = feed(&mut episode, 390..=720, 95.0);
    assert_eq!(cleared, [EpisodeChange::Ended { start: 0, last_held: 390, known_at: 690, by_gap: false }]);
    assert_eq!(feed(&mut episode, 750..=960, 80.0), [EpisodeChange::Began { start: 750, known_at: 930 }]);
}

#[test]
fn a_gap_never_clears_an_episode_that_waits_for_a_clear_condition() {
    let mut episode = spo2(true);
    feed(&mut episode, 0..=210, 85.0);
    let mut out = Vec::new();
    episode.advance(100_000, &mut out);
    assert_eq!((out, episode.active(100_000)), (vec![], Some(Active { start: 0, last_held: 300 })));
}

#[test]
fn without_a_clear_condition_the_episode_ends_with_its_run() {
    let mut episode = spo2(false);
    feed(&mut episode, 0..=210, 85.0);
    assert_eq!(episode.deadline(), Some(301));
    let mut out = Vec::new();
    episode.handle(240, Some(90.0), &mut out);
    assert_eq!(out, [EpisodeChange::Ended { start: 0, last_held: 240, known_at: 240, by_gap: false }]);
}
