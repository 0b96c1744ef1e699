//! Random histories against a list of records.

use futures::executor::block_on;
use painwatch_domain::{JournalTime, Offset};
use painwatch_journal::{AppendOptions, Appended, Class, Journal, NewRecord, Record};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::rig::{InMemory, OnFiles, OnSimDisk, Rig, record, same};

#[derive(Clone, Debug)]
enum Act {
    Append(Vec<usize>),
    Read { from: u64, max_bytes: usize },
    Trim(u64),
    Run(i64),
    StepWall(i64),
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => vec(prop_oneof![9 => 0..200usize, 1 => 200..3_000usize], 0..6).prop_map(Act::Append),
        4 => (0..110u64, 0..4_000usize).prop_map(|(from, max_bytes)| Act::Read { from, max_bytes }),
        1 => (0..110u64).prop_map(Act::Trim),
        2 => (0..5_000i64).prop_map(Act::Run),
        1 => (-9_000..9_000i64).prop_map(Act::StepWall),
        1 => Just(Act::Reopen),
    ]
}

/// What must be in the log; records it writes by itself are taken over as they are found.
#[derive(Default)]
struct Model {
    records: Vec<Record>,
    oldest: u64,
}

impl Model {
    fn adopt_own(&mut self, journal: &dyn Journal, until: u64) {
        while (self.records.len() as u64) < until {
            let found = block_on(journal.read(Offset(self.records.len() as u64), 0)).unwrap().remove(0);
            assert!(matches!(found.class, Class::Gap | Class::ClockStep), "not ours: {found:?}");
            self.records.push(found);
        }
    }

    fn append(&mut self, journal: &dyn Journal, sizes: &[usize]) {
        let fill = |i, size| record(vec![(self.records.len() + i) as u8; size]);
        let new: Vec<NewRecord> = sizes.iter().enumerate().map(|(i, size)| fill(i, *size)).collect();
        let answer = block_on(journal.append(new.clone(), AppendOptions::default()));
        let Appended::Durable { first, journal_time } = answer else { panic!("{answer:?}") };
        self.adopt_own(journal, first.0);
        for new in new {
            let offset = Offset(self.records.len() as u64);
            let NewRecord { class, tenant, key_id, logic_version, payload } = new;
            self.records.push(Record { offset, journal_time, class, tenant, key_id, logic_version, payload });
        }
    }

    fn check_read(&self, journal: &dyn Journal, from: u64, max_bytes: usize) {
        let from = from.max(self.oldest);
        let read = block_on(journal.read(Offset(from), max_bytes)).unwrap();
        let expected = self.records.get(from as usize..).unwrap_or_default();
        assert_eq!(read, expected[..read.len()]);
        assert!(!read.is_empty() || expected.is_empty());
    }

    fn check(&self, journal: &dyn Journal) {
        assert_eq!(journal.next_offset(), Offset(self.records.len() as u64));
        let last = self.records.last().map_or(JournalTime::MIN, |record| record.journal_time);
        assert_eq!(journal.last_journal_time(), last);
        assert!(self.records.is_sorted_by_key(|record| record.journal_time));
    }
}

fn play(mut rig: impl Rig, acts: &[Act]) {
    let mut journal = rig.open();
    let mut model = Model::default();
    for act in acts {
        match act {
            Act::Append(sizes) => model.append(&journal, sizes),
            Act::Read { from, max_bytes } => model.check_read(&journal, *from, *max_bytes),
            Act::Trim(before) => {
                block_on(journal.trim(Offset(*before))).unwrap();
                let oldest = journal.oldest_offset().0;
                assert!(oldest >= model.oldest && oldest <= model.oldest.max(*before));
                model.oldest = oldest;
            }
            Act::Run(ms) => rig.clock().run(*ms),
            Act::StepWall(ms) => rig.clock().step_wall(*ms),
            Act::Reopen => {
                journal = rig.reopen(journal);
                model.adopt_own(&journal, journal.next_offset().0);
            }
        }
        model.adopt_own(&journal, journal.next_offset().0);
        model.check(&journal);
    }
    model.check_read(&journal, 0, usize::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_simulated_disk_holds_what_a_list_would(acts in vec(act(), 1..60)) {
        play(OnSimDisk::new(), &acts);
    }

    #[test]
    fn memory_holds_what_a_list_would(acts in vec(act(), 1..60)) {
        play(InMemory::new(), &acts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(15) })]

    #[test]
    fn files_hold_what_a_list_would(acts in vec(act(), 1..40)) {
        play(OnFiles::new(), &acts);
    }

    #[test]
    fn semantics_17_any_record_reads_back(
        code in 1..=11u8, key_id: u32, logic_version: u32, tenant in "[a-z0-9._:@-]{1,64}", payload in vec(any::<u8>(), 0..2_000)
    ) {
        let mut rig = OnSimDisk::new();
        let class = Class::from_code(code).unwrap();
        let new = NewRecord { class, tenant: tenant.parse().unwrap(), key_id, logic_version, payload: payload.into() };
        let journal = rig.open();
        block_on(journal.append(vec![new.clone()], AppendOptions::default()));
        prop_assert!(same(&block_on(journal.read(Offset(0), 0)).unwrap()[0], &new));
    }
}
