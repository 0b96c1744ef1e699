//! The beats that stand below a heart rate variability: each with its own momentary rate and a time of day, written as the
//! phone's language writes it and in the zone in which it was measured, while the sample's stamps are in the zone of the
//! export. Zones differ by quarters of an hour, so a time of day is taken within the quarter: a measurement lasts a minute.

use painwatch_domain::time::MINUTE_MS;

use super::xml::Element;

const QUARTER_MS: i64 = 15 * MINUTE_MS;
/// The stamps are whole seconds, the beats hundredths: a beat may lie this long past the end.
const SLACK_MS: i64 = 2_000;

/// A beat: milliseconds since the sample's start, and the interval in milliseconds that its rate says.
pub type Beat = (i64, f64);

/// The beats of a sample that starts at `start_ms` (UTC) and lasts `lasted_ms`, in order of time, and how many entries were
/// not readable or not within it.
pub fn beats(sample: &Element, start_ms: i64, lasted_ms: i64) -> (Vec<Beat>, u64) {
    let mut found: Vec<Beat> = Vec::new();
    let mut lost = 0;
    for entry in sample.children.iter().filter(|child| child.tag == "InstantaneousBeatsPerMinute") {
        let rate = entry.attribute("bpm").parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
        let offset = time_of_day_ms(entry.attribute("time")).map(|ms| (ms - start_ms).rem_euclid(QUARTER_MS));
        match rate.zip(offset.filter(|offset| *offset <= lasted_ms + SLACK_MS)) {
            Some((rate, offset)) => found.push((offset, 60_000.0 / rate)),
            None => lost += 1,
        }
    }
    found.sort_by_key(|(offset, _)| *offset);
    found.dedup_by_key(|(offset, _)| *offset);
    (found, lost)
}

/// `20:14:07.68`, `08:34:05,10`, `6:14:48.94 PM`: milliseconds since midnight, by a clock of twelve or of twenty-four hours.
fn time_of_day_ms(text: &str) -> Option<i64> {
    let clock = text.split([' ', '\u{a0}', '\u{202f}']).next()?;
    let mut parts = clock.split(':');
    let (hours, minutes) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let seconds = parts.next()?.replace(',', ".").parse::<f64>().ok()?;
    let whole = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0.0..61.0).contains(&seconds);
    whole.then(|| (hours * 60 + minutes) * MINUTE_MS + (seconds * 1_000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(beats: &[(&str, &str)]) -> Element {
        let beat = |(bpm, time): &(&str, &str)| Element {
            tag: "InstantaneousBeatsPerMinute".into(),
            attributes: vec![("bpm".into(), (*bpm).into()), ("time".into(), (*time).into())],
            ..Element::default()
        };
        Element { children: beats.iter().map(beat).collect(), ..Element::default() }
    }

    #[test]
    fn a_beat_is_placed_by_minute_and_second_whatever_the_phones_language_and_zone() {
        // 18:14:47 -0500 is 23:14:47 UTC; the export shows the sample an hour later, at -0400.
        let start_ms = (23 * 60 + 14) * MINUTE_MS + 47_000;
        for time in ["6:14:48.94 PM", "18:14:48,94", "6:14:48.94\u{202f}PM"] {
            let (found, lost) = beats(&sample(&[("60", time)]), start_ms, 65_000);
            assert_eq!((found, lost), (vec![(1_940, 1_000.0)], 0), "{time}");
        }
    }

    #[test]
    fn a_beat_outside_the_sample_or_without_a_rate_is_counted_as_lost() {
        let (found, lost) = beats(&sample(&[("0", "00:00:01.00"), ("60", "00:05:01.00"), ("x", "y")]), 0, 60_000);
        assert_eq!((found.len(), lost), (0, 3));
    }
}
