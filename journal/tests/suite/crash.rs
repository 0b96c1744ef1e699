//! Kills, power cuts and failing syncs at every moment: what was acknowledged stays, what was read stays, and nothing else
//! than what was written is ever there. A control without syncs has to lose.

use std::sync::Arc;

use futures::executor::block_on;
use painwatch_domain::Offset;
use painwatch_journal::file::Options;
use painwatch_journal::{AppendOptions, Appended, Class, InlineJournal, Journal, Record, Refusal, SimDisk};

use crate::rig::{HandClock, options, put, put_one, read_all, record};

fn open(disk: &SimDisk, clock: &Arc<HandClock>, fsync: bool) -> InlineJournal {
    let options = Options { fsync, segment_bytes: 4 << 10, ..options(clock.clone()) };
    InlineJournal::open(Arc::new(disk.clone()), options).expect("opens without hands")
}

fn chance(seed: u64, n: u64) -> u64 {
    let mixed = (seed.wrapping_mul(1_000_003) ^ n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33
}

/// Payloads tell their number, so that a changed or misplaced one shows.
fn payload(number: u64, size: u64) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(8 + size as usize).collect()
}

struct Trial {
    seed: u64,
    disk: SimDisk,
    clock: Arc<HandClock>,
    fsync: bool,
    submitted: u64,
    /// Offset and number of every acknowledged record.
    acked: Vec<(Offset, u64)>,
    /// What readers have seen of the durable log.
    seen: Vec<Record>,
    trimmed: Offset,
}

impl Trial {
    fn new(seed: u64, fsync: bool) -> Self {
        let (disk, clock) = (SimDisk::new(seed), HandClock::at(0));
        Self { seed, disk, clock, fsync, submitted: 0, acked: Vec::new(), seen: Vec::new(), trimmed: Offset(0) }
    }

    fn append_group(&mut self, journal: &InlineJournal, turn: u64) {
        let appends = 1 + chance(self.seed, turn * 7 + 1) % 4;
        let mut numbers = Vec::new();
        let group = (0..appends).map(|append| {
            let size = chance(self.seed, turn * 7 + append + 2) % 900;
            let both = [self.submitted, self.submitted + 1];
            self.submitted += 2;
            numbers.push(both);
            (both.map(|number| record(payload(number, size))).to_vec(), AppendOptions::default())
        });
        let answers = journal.append_group(group.collect());
        for (answer, [a, b]) in answers.into_iter().zip(numbers) {
            if let Appended::Durable { first, .. } = answer {
                self.acked.extend([(first, a), (first.next(), b)]);
            }
        }
    }

    fn look(&mut self, journal: &InlineJournal) {
        let all = read_all(journal);
        self.trimmed = journal.oldest_offset();
        self.seen.retain(|record| record.offset >= self.trimmed);
        self.acked.retain(|(offset, _)| *offset >= self.trimmed);
        assert!(all.starts_with(&self.seen), "seed {}: a record changed or went", self.seed);
        self.seen = all;
    }

    fn round(&mut self, round: u64) {
        let journal = open(&self.disk, &self.clock, self.fsync);
        self.look(&journal);
        self.disk.die_after(chance(self.seed, round * 101) % 60);
        for turn in 0..12 {
            self.clock.run(500);
            self.append_group(&journal, round * 1_000 + turn);
            if turn == 6 {
                let back = chance(self.seed, round * 31) % 40;
                // On a dying disk retention may fail; what it leaves behind must open.
                let _ = block_on(journal.trim(Offset(journal.next_offset().0.saturating_sub(back))));
            }
        }
        self.look(&journal);
        if chance(self.seed, round * 77).is_multiple_of(3) { self.disk.kill() } else { self.disk.power_cut() }
    }

    fn lost(&self) -> usize {
        let journal = open(&self.disk, &self.clock, self.fsync);
        let (all, oldest) = (read_all(&journal), journal.oldest_offset());
        let there = |offset: Offset, number: u64| {
            offset < oldest
                || all
                    .get((offset.0 - oldest.0) as usize)
                    .is_some_and(|record| record.class == Class::Batch && record.payload[..8] == number.to_le_bytes())
        };
        self.acked.iter().filter(|(offset, number)| !there(*offset, *number)).count()
    }
}

#[test]
fn f4_no_acknowledged_record_is_lost_and_no_read_record_changes_through_kills_and_power_cuts() {
    for seed in 0..150 {
        let mut trial = Trial::new(seed, true);
        (0..8).for_each(|round| trial.round(round));
        assert_eq!(trial.lost(), 0, "seed {seed}");
    }
}

#[test]
fn a_control_without_syncs_loses_acknowledged_records_in_a_power_cut() {
    let lost: usize = (0..20)
        .map(|seed| {
            let mut trial = Trial::new(seed, false);
            let journal = open(&trial.disk, &trial.clock, false);
            (0..3).for_each(|turn| trial.append_group(&journal, turn));
            trial.disk.power_cut();
            let options = Options { fsync: false, ..options(trial.clock.clone()) };
            match InlineJournal::open(Arc::new(trial.disk.clone()), options) {
                Ok(journal) => trial.acked.len().saturating_sub(read_all(&journal).len()),
                Err(_) => trial.acked.len(),
            }
        })
        .sum();
    assert!(lost > 0, "a power cut that loses nothing proves nothing");
}

#[test]
fn f5_the_first_failed_sync_poisons_and_is_never_retried() {
    let (disk, clock) = (SimDisk::new(3), HandClock::at(0));
    let journal = open(&disk, &clock, true);
    put_one(&journal, "safe");
    disk.fail_one_sync_after(0);
    assert_eq!(put(&journal, vec![record("in flight")]), Appended::Unknown);
    assert_eq!(journal.next_offset(), Offset(1), "readers see durable records only");
    for _ in 0..3 {
        assert_eq!(put(&journal, vec![record("later")]), Appended::Refused(Refusal::Closed));
    }
    assert!(block_on(journal.trim(Offset(1))).is_err());
    assert!(block_on(journal.wait_failed()).contains("writing records"));
    assert_eq!(read_all(&journal)[0].payload, "safe");
}

#[test]
fn what_a_restart_after_a_failed_sync_shows_survives_the_power_cut_that_follows() {
    for seed in 0..40 {
        let (disk, clock) = (SimDisk::new(seed), HandClock::at(0));
        let journal = open(&disk, &clock, true);
        put_one(&journal, "safe");
        disk.fail_one_sync_after(0);
        assert_eq!(put(&journal, vec![record(vec![7; 2_000])]), Appended::Unknown);
        disk.kill();
        let seen = read_all(&open(&disk, &clock, true));
        disk.power_cut();
        let still = read_all(&open(&disk, &clock, true));
        assert_eq!(still[..seen.len()], seen, "seed {seed}: the kernel's memory was taken for the disk");
    }
}

#[test]
fn every_step_of_making_a_segment_and_of_trimming_may_be_the_last() {
    for operations in 0..120 {
        let (disk, clock) = (SimDisk::new(operations), HandClock::at(0));
        let journal = open(&disk, &clock, true);
        disk.die_after(operations);
        let mut acked = 0;
        for n in 0..12u64 {
            acked += u64::from(matches!(put(&journal, vec![record(payload(n, 1_000))]), Appended::Durable { .. }));
            let _ = block_on(journal.trim(Offset(acked.saturating_sub(3))));
        }
        disk.power_cut();
        let journal = open(&disk, &clock, true);
        assert!(journal.next_offset().0 >= acked, "after {operations} operations");
        let own = |record: &Record| record.class == Class::Gap;
        assert!(read_all(&journal).iter().all(|r| own(r) || r.payload[..8] == r.offset.0.to_le_bytes()));
    }
}
