//! Power cuts: the server runs on a disk whose unsynced writes vanish, beside a control that does not sync and must lose.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use painwatch_domain::{Clock, Offset};
use painwatch_journal::file::{FileJournal, Options};
use painwatch_journal::{Class, Journal as _};
use painwatch_proto::journal::v1 as pb;
use prost::Message as _;

use crate::clinic::{Clinic, MESSAGES, opened};
use crate::crash::{PATIENTS_IN_RESERVE, moment, queues, rounds, undisturbed};
use crate::gateways::Gateways;
use crate::outcome;
use crate::program::Installation;
use crate::waiting;

/// Messages that a round may use up: four patients' worth.
const PATIENTS_A_ROUND: usize = 4;
/// Rounds in which the control may be lucky.
const CONTROL_ROUNDS: usize = 4;

/// A disk that forgets. Dropped, everything of it is unmounted and detached.
struct Disk {
    place: PathBuf,
}

impl Disk {
    /// `None`, with a notice, where there is no root or no fuse.
    fn new(place: PathBuf) -> Option<Self> {
        let user = Command::new("id").arg("-u").output().expect("id").stdout;
        if user.trim_ascii() != b"0" || !Path::new("/dev/fuse").exists() {
            println!("skipped: the power cut needs root and /dev/fuse");
            return None;
        }
        std::fs::create_dir_all(&place).expect("the disk's directory");
        Some(Self { place })
    }

    fn script(&self, what: &str) -> bool {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/powercut.sh");
        // Not a pipe of ours: the processes it leaves behind would keep it open.
        let log = std::fs::File::options().create(true).append(true).open(self.place.join("log")).expect("a log");
        let error = log.try_clone().expect("a log");
        Command::new(script)
            .arg(what)
            .arg(&self.place)
            .stdout(log)
            .stderr(error)
            .status()
            .expect("the script")
            .success()
    }

    fn do_or_panic(&self, what: &str) {
        let log = || std::fs::read_to_string(self.place.join("log")).unwrap_or_default();
        assert!(self.script(what), "powercut.sh {what}: {}", log());
    }

    /// Switches the power on: the disk as it was left.
    fn mount(&self) -> PathBuf {
        self.do_or_panic("on");
        self.place.join("mnt")
    }

    fn cut(&self) {
        self.do_or_panic("cut");
    }

    fn release(&self) {
        self.do_or_panic("off");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.script("off");
    }
}

fn installation(disk: &Disk) -> Installation {
    let log = disk.place.join("painwatch.log");
    let installation = Installation::new(disk.place.join("mnt/data"), log).on_a_fixed_port();
    // Small segments, so that a cut meets their making too.
    installation.with("PAINWATCH__JOURNAL__SEGMENT_BYTES", "2097152")
}

#[test]
fn f4_through_power_cuts_no_acknowledged_reading_is_lost_and_nothing_is_there_twice() {
    let rounds = rounds("PAINWATCH_POWER_CUTS", 5);
    let directory = tempfile::tempdir().expect("a directory");
    let Some(disk) = Disk::new(directory.path().join("disk")) else { return };
    let clinic = Clinic::of(rounds * PATIENTS_A_ROUND + PATIENTS_IN_RESERVE);
    let expected = undisturbed(&Installation::below(directory.path(), "undisturbed"), &clinic);

    disk.mount();
    let installation = installation(&disk);
    let mut server = opened(&installation, &clinic, None);
    let gateways = Gateways::start(&server.mqtt, &installation.token("gateway"), queues(&clinic));
    let share = PATIENTS_A_ROUND * MESSAGES;
    for round in 0..rounds {
        let more = gateways.acknowledged() + 50;
        gateways.wait_for_acknowledged(more.max(round * share + moment(round, share as u64 / 2) as usize));
        waiting::pause(Duration::from_micros(moment(rounds + round, 20_000)));
        assert!(!gateways.done(), "round {round}: everything was sent before the cut");
        disk.cut();
        server.kill_9();
        disk.release();
        disk.mount();
        let acknowledged = gateways.acknowledged_batches();
        let lost = lost(&installation, &acknowledged).expect("the journal opens after a power cut");
        assert_eq!(lost, 0, "round {round}: of {} acknowledged messages", acknowledged.len());
        server = installation.serve();
    }
    let resent = gateways.finish().resent();
    server.stop();
    outcome::of(&installation, &clinic).must_be(&expected);
    println!("measured: {rounds} power cuts, {resent} publishes sent again, nothing lost");
}

#[test]
fn a_control_that_does_not_sync_loses_acknowledged_readings_in_a_power_cut() {
    let directory = tempfile::tempdir().expect("a directory");
    let clinic = Clinic::of(8);
    for round in 0..CONTROL_ROUNDS {
        let Some(disk) = Disk::new(directory.path().join(format!("disk-{round}"))) else { return };
        disk.mount();
        let installation = installation(&disk).with("PAINWATCH__JOURNAL__FSYNC", "false");
        let server = opened(&installation, &clinic, None);
        let gateways = Gateways::start(&server.mqtt, &installation.token("gateway"), queues(&clinic));
        gateways.wait_for_acknowledged(200 + moment(round, 1_000) as usize);
        disk.cut();
        server.kill_9();
        let acknowledged = gateways.acknowledged_batches();
        disk.release();
        disk.mount();
        match lost(&installation, &acknowledged) {
            Ok(0) => println!("round {round}: the control was lucky"),
            Ok(lost) => {
                println!("measured: without sync {lost} of {} acknowledged messages were lost", acknowledged.len());
                return;
            }
            Err(why) => {
                println!("measured: without sync the journal of {} messages was lost: {why}", acknowledged.len());
                return;
            }
        }
    }
    panic!("the control lost nothing in {CONTROL_ROUNDS} power cuts: the power-cut test proves nothing");
}

/// How many of the acknowledged batches are not in the journal.
fn lost(installation: &Installation, acknowledged: &[String]) -> Result<usize, String> {
    let present = batches_in_journal(&installation.data.join("journal"))?;
    Ok(acknowledged.iter().filter(|batch| !present.contains(*batch)).count())
}

#[tokio::main(flavor = "current_thread")]
async fn batches_in_journal(directory: &Path) -> Result<BTreeSet<String>, String> {
    let options = Options { tick_after_ms: None, ..Options::new(Arc::new(Standstill)) };
    let journal = FileJournal::open(directory, options).map_err(|error| error.to_string())?;
    let (mut at, mut batches) = (Offset(0), BTreeSet::new());
    while at < journal.next_offset() {
        for record in journal.read(at, 1 << 20).await.map_err(|error| error.to_string())? {
            at = record.offset.next();
            if record.class == Class::Batch {
                batches.insert(pb::Batch::decode(record.payload).map_err(|error| error.to_string())?.batch_id);
            }
        }
    }
    Ok(batches)
}

/// Only read, the journal needs no time.
#[derive(Debug)]
struct Standstill;

impl Clock for Standstill {
    fn wall_ms(&self) -> i64 {
        0
    }

    fn monotonic_ms(&self) -> i64 {
        0
    }
}
