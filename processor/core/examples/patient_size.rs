//! Question: how large is what is kept of a patient, and what of it is the most? Budget: 12 KiB a patient with 28-day
//! baselines (identities apart).

#[path = "../benches/ward/mod.rs"]
mod ward;

use ward::Ward;
use ward::life::{self, Streams};

fn main() {
    let days: i64 = std::env::args().nth(1).and_then(|days| days.parse().ok()).unwrap_or(35);
    let people: usize = std::env::args().nth(2).and_then(|people| people.parse().ok()).unwrap_or(4);
    for streams in [Streams::Simulated, Streams::All] {
        let begun = std::time::Instant::now();
        let mut ward = Ward::new(life::roster(people), ward::start_of(0));
        ward.live(people, 0..days, streams);
        let snapshots = ward.clinic.take_snapshots();
        let bytes: usize = snapshots.iter().map(|snapshot| snapshot.bytes.len()).sum();
        println!(
            "{streams:?} {days} days: {} bytes a patient; {} readings, {} tasks in {:?}",
            bytes / people,
            ward.readings,
            ward.tasks,
            begun.elapsed()
        );
        let mut parts = std::collections::BTreeMap::<&str, usize>::new();
        for number in 0..people {
            let sizes = ward.clinic.sizes(&life::patient_id(number)).expect("what was just written");
            sizes.into_iter().for_each(|(part, bytes)| *parts.entry(part).or_default() += bytes);
        }
        parts.into_iter().for_each(|(part, bytes)| println!("  {part:<10} {:>8}", bytes / people));
    }
}
