//! Where readings that carry the gateway's own id are kept: the id alone is their identity (semantics 2), so that a later
//! version may claim another measure and another day.

use std::collections::BTreeMap;

use painwatch_domain::{Measure, ReadingId};

use super::codec::{BlockError, Reader, Result, Writer};

const FORMAT: u8 = 1;

/// Books per device: a batch of readings with ids rewrites a sixteenth of what is known.
pub(super) const SHARDS: u8 = 16;

/// Which book an identity is in.
pub(super) const fn shard_of(id: ReadingId) -> u8 {
    id.0[0] % SHARDS
}

/// The block, and the place in it, of an identity's versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub measure: Measure,
    pub device_time: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdBook {
    pub(super) homes: BTreeMap<ReadingId, Home>,
}

impl IdBook {
    /// Roughly what it takes in memory.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.homes.len() * 2 * size_of::<(ReadingId, Home)>()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(vec![FORMAT]);
        let mut measures: Vec<Measure> = self.homes.values().map(|home| home.measure).collect();
        measures.sort_unstable();
        measures.dedup();
        out.unsigned(measures.len() as u64);
        measures.iter().for_each(|measure| out.text(measure.name()));
        out.unsigned(self.homes.len() as u64);
        for (id, home) in &self.homes {
            out.0.extend_from_slice(&id.0);
            out.unsigned(measures.partition_point(|measure| *measure < home.measure) as u64);
            out.signed(home.device_time);
        }
        out.0
    }

    /// # Errors
    /// [`BlockError`] when the bytes are of a later format or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader(bytes);
        match reader.byte()? {
            FORMAT => {}
            other => return Err(BlockError::Format(other)),
        }
        let measure = |name| Measure::parse(name).ok_or(BlockError::Damaged("a measure is unknown"));
        let measures: Vec<Measure> = (0..reader.count()?).map(|_| measure(reader.text()?)).collect::<Result<_>>()?;
        let mut homes = BTreeMap::new();
        for _ in 0..reader.count()? {
            let id = painwatch_domain::Hash128(reader.array()?);
            let number = usize::try_from(reader.unsigned()?).ok();
            let measure = number.and_then(|number| measures.get(number)).copied();
            let measure = measure.ok_or(BlockError::Damaged("a measure is missing"))?;
            homes.insert(id, Home { measure, device_time: reader.signed()? });
        }
        if reader.0.is_empty() { Ok(Self { homes }) } else { Err(BlockError::Damaged("it is longer than its content")) }
    }
}
