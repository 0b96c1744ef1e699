//! The bytes of a patient's snapshot are on disks and in backups: they change on purpose or not at all.

use painwatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use painwatch_domain::{Measure, Roster};

use crate::clinic::{self, PACKS};
use crate::rig::{Journal, Rig, Sent};

const DAY: i64 = 20_614 * DAY_MS;
/// A patient about whom everything that a snapshot can hold is known.
fn story() -> Journal {
    let mut roster = clinic::with_patient(Roster::default(), clinic::patient("ann", "Europe/Paris", &PACKS));
    for device in ["watch", "scale", "phone", "cap"] {
        roster = clinic::paired(roster, device, "ann", 0, None);
    }
    let roster = clinic::with_medication(roster, "oxycodone-5mg", "oxycodone", "ir");
    let roster = clinic::prescribed(roster, "ann", "oxycodone-5mg", DAY, &[480, 1200]);
    let mut journal = Journal::default();
    journal.roster(DAY - DAY_MS, &clinic::publish(roster));
    let saturation = |from: i64, value: f64| {
        Sent::numbers(
            "watch",
            Measure::OxygenSaturation,
            (from..from + 10 * MINUTE_MS).step_by(30_000).map(|at| (at, value)),
        )
    };
    let at = DAY + 9 * HOUR_MS;
    journal.batch(
        at + 20 * MINUTE_MS,
        &[
            saturation(at, 84.0),
            saturation(at + 10 * MINUTE_MS, 97.0),
            Sent::dose("cap", "oxycodone-5mg", at, 1),
            Sent::numbers("scale", Measure::BodyWeight, [(at, 80.25)]),
            Sent::numbers("phone", Measure::PainNrs, [(at, 7.0), (at + 5 * HOUR_MS, 3.0)]),
        ],
    );
    let next = at + DAY_MS;
    journal.batch(
        next + 10 * MINUTE_MS,
        &[saturation(next, 84.0), Sent::numbers("scale", Measure::BodyWeight, [(next, 82.5)])],
    );
    journal
}

#[tokio::test]
async fn a_patients_snapshot_is_the_bytes_it_always_was() {
    let mut rig = Rig::new().await;
    rig.apply_all(&story()).await;
    let blobs = rig.engine.checkpoint();
    for part in ["now", "past"] {
        let blob = blobs.iter().find(|blob| blob.key == format!("main/ann/{part}"));
        let bytes = blob.and_then(|blob| blob.bytes.as_deref()).unwrap();
        let file = format!("{}/core/tests/golden/patient-{part}-3.bin", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("PAINWATCH_WRITE_GOLDEN").is_some() {
            std::fs::write(&file, bytes).unwrap();
        }
        let golden = std::fs::read(&file).unwrap();
        assert!(
            bytes == golden,
            "{part}: {} bytes now, {} in the file: a new form needs a new format number",
            bytes.len(),
            golden.len()
        );
    }
}
