//! The journal from its beginning, read beside a running server or without one, to answer a question. Nothing is written.

use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;

use anyhow::{Context as _, Result, bail};
use painwatch_domain::{EventTime, JournalTime, Offset, PatientId, Roster, TenantId, Zone};
use painwatch_journal::{JournalReader, Record};
use painwatch_processor::rerun::{Devices, roster_of};
use painwatch_processor_core::rules::nearest;

use crate::commands::Usage;
use crate::config::Config;
use crate::{operator, roster};

/// Bytes of journal read at once.
const READ_BYTES: usize = 1 << 20;

pub struct Past {
    journal: JournalReader,
}

impl Past {
    /// Looks at the journal as it is now; where no server runs, what was durable and not yet applied is applied first.
    ///
    /// # Errors
    /// There is no journal, it is damaged, or it does not begin at its beginning.
    pub async fn open(config: &Config) -> Result<Self> {
        operator::catch_up(config).await?;
        let journal = JournalReader::open(config.journal_dir()).context("journal")?;
        if journal.oldest_offset() > Offset(0) {
            bail!("the journal begins at offset {}: history is run again from its beginning", journal.oldest_offset());
        }
        Ok(Self { journal })
    }

    /// Journal time of the last record.
    pub const fn until(&self) -> JournalTime {
        self.journal.last_journal_time()
    }

    /// Hands over every record in order, until `take` breaks off. On a terminal a line says how far it is.
    ///
    /// # Errors
    /// Those of `take`, and a journal that cannot be read.
    pub async fn each(&self, doing: &str, mut take: impl AsyncFnMut(Record) -> Result<ControlFlow<()>>) -> Result<()> {
        let progress = Progress::new(doing);
        let (mut from, end) = (self.journal.oldest_offset(), self.journal.next_offset());
        while from < end {
            let records = self.journal.read(from, READ_BYTES)?;
            for record in records {
                from = record.offset.next();
                let offset = record.offset;
                let taken = take(record).await.with_context(|| format!("journal record {offset}"))?;
                if taken.is_break() {
                    return Ok(());
                }
            }
            progress.show(from.0 * 100 / end.0.max(1));
        }
        Ok(())
    }

    /// Every roster that was ever in force, in order.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub async fn rosters(&self) -> Result<Vec<Roster>> {
        let mut rosters = Vec::new();
        let look = async |record: Record| {
            if record.tenant != TenantId::default() {
                return Ok(ControlFlow::Continue(()));
            }
            if let Some(toml) = roster_of(&record)? {
                rosters.push(roster::parse(&toml, &TenantId::default())?);
            }
            Ok(ControlFlow::Continue(()))
        };
        self.each("looking for rosters", look).await?;
        Ok(rosters)
    }
}

/// A line on a terminal that says how far something is, gone when it is over. Silent where nobody looks.
pub struct Progress<'a> {
    doing: &'a str,
    shows: bool,
}

impl<'a> Progress<'a> {
    pub fn new(doing: &'a str) -> Self {
        Self { doing, shows: std::io::stderr().is_terminal() }
    }

    pub fn show(&self, percent: u64) {
        if self.shows {
            eprint!("\r\x1b[K{}: {percent} %", self.doing);
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.shows {
            eprint!("\r\x1b[K");
        }
    }
}

/// The patient of that name in the newest roster that knows one.
///
/// # Errors
/// [`Usage`], with the nearest known name.
pub fn find_patient(rosters: &[Roster], name: &str) -> Result<PatientId> {
    let known = || rosters.iter().rev().flat_map(|roster| roster.patients.keys());
    if let Some(patient) = known().find(|patient| patient.as_str() == name) {
        return Ok(patient.clone());
    }
    let hint = match nearest(name, known().map(PatientId::as_str)) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if rosters.is_empty() => "; no roster has been applied".to_owned(),
        None => String::new(),
    };
    bail!(Usage(format!("no patient is called {name:?}{hint}")))
}

/// Every device that any of the rosters gives the patient.
pub fn devices_of(rosters: &[Roster], patient: &PatientId) -> Devices {
    let mut devices = Devices::default();
    rosters.iter().for_each(|roster| devices.note(roster, patient));
    devices
}

/// The zone in which a patient's stamps are read: that of the newest roster at its end.
pub fn zone_of(rosters: &[Roster], patient: Option<&PatientId>) -> Zone {
    let person = patient.and_then(|patient| rosters.iter().rev().find_map(|roster| roster.patients.get(patient)));
    person.map_or_else(Zone::utc, |person| person.zone_at(EventTime::MAX).clone())
}

/// A stamp of the command line; one without an offset is read in `zone`.
///
/// # Errors
/// [`Usage`].
pub fn stamp(text: &str, zone: &Zone) -> Result<i64> {
    let read = painwatch_domain::time::parse_stamp(text, zone);
    Ok(read.map_err(|error| Usage(error.to_string()))?.utc_ms)
}
