//! The sequence numbers that arrived, by device: at hand or fetched from their table, which is also where they are kept.
//!
//! Rows may be ahead of the checkpoint that a restart begins at. That is no harm here, because what arrived is a set: a
//! number that is met again changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Result;
use painwatch_domain::{DeviceId, TenantId};
use painwatch_processor_core::intake::{Arrived, Boots};
use painwatch_store::{Rows, SequenceFilter, SequenceRow, Store};

use crate::rows::Source;

/// Devices at hand between two checkpoints; a device with few gaps takes some 500 bytes.
const DEVICES_AT_HAND: usize = 10_000;

#[derive(Debug)]
pub struct Sequences {
    devices: HashMap<(TenantId, DeviceId), Boots>,
    store: Arc<dyn Store>,
}

impl Sequences {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { devices: HashMap::new(), store }
    }

    /// Notes what arrived of a device and adds the rows of the boots that changed.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn note(
        &mut self,
        source: &Source<'_>,
        device: &DeviceId,
        marks: &[(u32, u64)],
        rows: &mut Rows,
    ) -> Result<()> {
        if marks.is_empty() {
            return Ok(());
        }
        let key = (source.tenant.clone(), device.clone());
        let boots = match self.devices.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(load(&*self.store, source.tenant, device).await?)
            }
        };
        let changed: BTreeSet<u32> =
            marks.iter().filter(|(boot_id, seq)| boots.note(*boot_id, *seq)).map(|(boot_id, _)| *boot_id).collect();
        let gone = |boot_id| (source.tenant.clone(), device.clone(), boot_id);
        rows.sequences_gone.extend(boots.take_surplus().into_iter().map(gone));
        let kept = changed.into_iter().filter_map(|boot_id| Some((boot_id, boots.get(boot_id)?)));
        rows.sequences.extend(kept.filter_map(|(boot_id, arrived)| row(source, device, boot_id, arrived)));
        Ok(())
    }

    /// Gives memory back, now that every row is committed.
    pub fn settle(&mut self) {
        if self.devices.len() > DEVICES_AT_HAND {
            self.devices.clear();
        }
    }
}

async fn load(store: &dyn Store, tenant: &TenantId, device: &DeviceId) -> Result<Boots> {
    let filter = SequenceFilter { device: Some(device.clone()), ..SequenceFilter::default() };
    let mut boots = Boots::default();
    for row in store.sequences(tenant.clone(), filter).await? {
        let arrived = Arrived::restored((row.first_seq, row.last_seq), &row.missing, row.told_from);
        boots.restore(row.boot_id, arrived);
    }
    Ok(boots)
}

fn row(source: &Source<'_>, device: &DeviceId, boot_id: u32, arrived: &Arrived) -> Option<SequenceRow> {
    let (first_seq, last_seq) = arrived.span()?;
    Some(SequenceRow {
        tenant: source.tenant.clone(),
        device: device.clone(),
        boot_id,
        gateway: source.gateway.clone(),
        first_seq,
        last_seq,
        missing: arrived.missing(),
        told_from: arrived.told_from(),
    })
}
