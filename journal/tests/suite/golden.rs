//! The format on disk, byte by byte. A change that turns this red needs a new format number and a reader for the old one.

use std::path::Path;
use std::sync::Arc;

use painwatch_domain::TenantId;
use painwatch_journal::{AppendOptions, Class, InlineJournal, NewRecord, SimDisk};

use crate::rig::{HandClock, options, put, read_all, same};

const FIRST: &str = "00000000000000000000.seg";

fn records() -> Vec<NewRecord> {
    let new = |code: u8| NewRecord {
        class: Class::from_code(code).unwrap(),
        tenant: TenantId::parse(["main", "clinic-2"][usize::from(code) % 2]).unwrap(),
        key_id: u32::from(code) * 0x0101,
        logic_version: u32::from(code),
        payload: (0..code * 3).collect::<Vec<u8>>().into(),
    };
    (1..=9).map(new).collect()
}

/// Two groups, a clock step and a reopening, so that every field has more than one value.
fn write() -> SimDisk {
    let (disk, clock) = (SimDisk::new(1), HandClock::at(1_767_225_600_000));
    let open = || InlineJournal::open(Arc::new(disk.clone()), options(clock.clone())).unwrap();
    let journal = open();
    let mut records = records();
    let second = records.split_off(4);
    journal.append_group(vec![(records, AppendOptions::default())]);
    clock.step_wall(3_600_000);
    put(&journal, second);
    clock.run(1_500);
    drop(journal);
    drop(open());
    disk
}

#[test]
fn semantics_17_the_format_on_disk_is_the_one_of_the_golden_segment() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/segment-v1.bin");
    let written = write().content(FIRST).unwrap();
    if std::env::var_os("PAINWATCH_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &written).unwrap();
    }
    let golden = std::fs::read(&file).unwrap();
    assert!(golden == written, "the bytes on disk have changed");

    let disk = SimDisk::new(2);
    disk.put(FIRST, &golden);
    let journal = InlineJournal::open(Arc::new(disk), options(HandClock::at(1_767_229_300_000))).unwrap();
    let read = read_all(&journal);
    let own = [Class::ClockStep, Class::Gap];
    let ours: Vec<_> = read.iter().filter(|record| !(own.contains(&record.class) && record.key_id == 0)).collect();
    assert_eq!(ours.len(), 9);
    assert!(ours.iter().zip(records()).all(|(read, new)| same(read, &new)));
}
