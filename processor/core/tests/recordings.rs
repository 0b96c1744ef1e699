//! The metrics of nights and of counts on recordings that nobody here made, read where they lie.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use painwatch_domain::LocalDay;
use painwatch_processor_core::metrics::circadian::circadian;
use painwatch_processor_core::metrics::night_signal::{Light, NIGHT_MIN, Params, lights, night_mean};
use painwatch_processor_core::metrics::sleep_wake::State;
use painwatch_processor_core::metrics::{choi, cole_kripke, sadeh, troiano};

/// `None`, with a notice, where the recordings are absent.
fn recordings(set: &str) -> Option<Vec<PathBuf>> {
    let root = std::env::var_os("PAINWATCH_RECORDINGS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), PathBuf::from);
    let folder = root.join(set).join("dev");
    let Ok(entries) = folder.read_dir() else {
        println!("skipped: no recordings at {}", folder.display());
        return None;
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Some(paths)
}

/// Minute of the day of the first count, and the counts.
fn awd(text: &str) -> (usize, Vec<Option<u32>>) {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let (hours, minutes) = lines[2].split_once(':').unwrap();
    let count = |line: &&str| line.trim_end_matches('M').trim().parse().ok();
    let counts = lines[7..].iter().filter(|line| !line.is_empty()).map(count).collect();
    (hours.parse::<usize>().unwrap() * 60 + minutes.parse::<usize>().unwrap(), counts)
}

/// Wrist actigraphy of five people, a minute a count (GPL; not committed).
#[test]
fn two_weeks_of_actigraphy_show_nights_days_and_times_off_the_wrist() {
    let Some(files) = recordings("actigraphy_awd") else { return };
    for file in files {
        let (from, counts) = awd(&std::fs::read_to_string(&file).unwrap());
        let minutes = |periods: &[choi::Period]| periods.iter().map(|(from, to)| to - from).sum::<usize>();
        let (strict, loose) = (choi::non_wear(&counts, choi::DEFAULTS), troiano::non_wear(&counts, troiano::DEFAULTS));
        assert!(strict.iter().all(|(from, to)| to - from >= 90) && minutes(&loose) <= counts.len());
        let mut worn = counts.clone();
        strict.iter().for_each(|(from, to)| worn[*from..*to].fill(None));
        let (cole, sadeh) = (cole_kripke::states(&worn), sadeh::states(&worn));
        assert!(cole.iter().zip(&worn).all(|(state, worn)| state.is_some() == worn.is_some()));
        let agree = cole.iter().zip(&sadeh).filter(|(one, other)| one.is_some() && one == other).count();
        let known = worn.iter().flatten().count();
        assert!(agree * 10 > known * 7, "{}: the two agree on {agree} of {known} minutes", file.display());
        rhythm_of_a_sleeper(&worn[1440 - from..], &cole[1440 - from..], &file);
    }
}

fn rhythm_of_a_sleeper(worn: &[Option<u32>], states: &[Option<State>], file: &std::path::Path) {
    let days = worn.len() / 1440;
    let minutes: Vec<Option<f64>> = worn[..days * 1440].iter().map(|count| count.map(f64::from)).collect();
    let hour = |minutes: &[Option<f64>]| {
        let present: Vec<f64> = minutes.iter().flatten().copied().collect();
        (present.len() >= 30).then(|| present.iter().sum::<f64>() / present.len() as f64)
    };
    let found = circadian(&minutes.chunks(60).map(hour).collect::<Vec<_>>(), 60);
    let (is, ra) = (found.is.unwrap(), found.ra.unwrap());
    assert!((0.0..=1.0).contains(&is) && ra > 0.5 && found.iv.unwrap() > 0.0, "{} {found:?}", file.display());
    let asleep = |hours: std::ops::Range<usize>| {
        let in_hours =
            states.iter().enumerate().filter(|(at, state)| hours.contains(&(at % 1440 / 60)) && state.is_some());
        let (all, asleep) = in_hours
            .fold((0, 0), |(all, asleep), (_, state)| (all + 1, asleep + u32::from(*state == Some(State::Asleep))));
        f64::from(asleep) / f64::from(all.max(1))
    };
    assert!(asleep(2..5) > asleep(12..20) + 0.2, "{}: people sleep at night", file.display());
}

type Nights = BTreeMap<i32, Vec<f64>>;

/// Samples from 00:00 to 06:59 of each wearer by date; the two exports overlap.
fn fitbit_nights(folders: &[PathBuf]) -> BTreeMap<String, Nights> {
    let mut wearers: BTreeMap<String, BTreeMap<(i32, String), f64>> = BTreeMap::new();
    for file in
        folders.iter().map(|folder| folder.join("heartrate_seconds_merged.csv.gz")).filter(|file| file.is_file())
    {
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
        for line in text.lines().skip(1) {
            let mut fields = line.split(',');
            let (id, time, rate) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
            let Some((day, minute)) = wall_clock(time) else { panic!("{time}") };
            if NIGHT_MIN.contains(&minute) {
                let nights = wearers.entry(id.to_owned()).or_default();
                nights.insert((day, time.to_owned()), rate.parse().unwrap());
            }
        }
    }
    let by_night = |samples: BTreeMap<(i32, String), f64>| {
        let mut nights = Nights::new();
        samples.into_iter().for_each(|((day, _), rate)| nights.entry(day).or_default().push(rate));
        nights
    };
    wearers.into_iter().map(|(id, samples)| (id, by_night(samples))).collect()
}

/// `4/12/2016 7:21:00 AM` and `2016-04-12 07:21:00`.
fn wall_clock(time: &str) -> Option<(i32, u32)> {
    let (date, clock) = time.split_once(' ')?;
    let date = match date.split('/').collect::<Vec<_>>()[..] {
        [month, day, year] => format!("{year}-{month:0>2}-{day:0>2}"),
        _ => date.to_owned(),
    };
    let (clock, half) = clock.split_once(' ').map_or((clock, None), |(clock, half)| (clock, Some(half)));
    let mut parts = clock.split(':').map(|part| part.parse::<u32>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let hour = match half {
        Some("PM") => hour % 12 + 12,
        Some(_) => hour % 12,
        None => hour,
    };
    Some((LocalDay::parse(&date)?.0, hour * 60 + minute))
}

/// Heart rate of five wearers over two months (CC0, Furberg 2016).
#[test]
fn fitbit_nights_are_lit_as_a_plain_reading_of_the_definition_says() {
    let Some(folders) = recordings("fitbit_furberg2016") else { return };
    let wearers = fitbit_nights(&folders);
    assert!(wearers.len() >= 4 && wearers.values().map(BTreeMap::len).sum::<usize>() > 60);
    for (id, nights) in &wearers {
        let mean = |samples: &Vec<f64>| night_mean(samples, &Params::CAUSAL);
        let means: BTreeMap<i32, f64> =
            nights.iter().filter_map(|(day, samples)| Some((*day, mean(samples)?))).collect();
        let found = lights(&means, |_| true, &Params::CAUSAL);
        assert!(means.values().all(|mean| (30.0..200.0).contains(mean)), "{id}");
        for (night, told) in &found {
            assert_eq!(told.light, plain(&means, *night), "{id} night {night}");
        }
    }
}

fn plain(means: &BTreeMap<i32, f64>, night: i32) -> Option<Light> {
    let above = |night: i32| {
        let mut earlier: Vec<f64> = means.range(night - 28..night).map(|(_, mean)| *mean).collect();
        earlier.sort_by(f64::total_cmp);
        let middle = earlier.len() / 2;
        let median = match earlier.len() {
            ..7 => return None,
            n if n % 2 == 1 => earlier[middle],
            _ => f64::midpoint(earlier[middle - 1], earlier[middle]),
        };
        means.get(&night).map(|mean| mean - median)
    };
    let tonight = above(night)?;
    Some(match above(night - 1).map_or(f64::NEG_INFINITY, |before| before.min(tonight)) {
        4.0.. => Light::Red,
        3.0.. => Light::Yellow,
        _ => Light::Green,
    })
}
