//! A disk in memory that treats the log as badly as a real one may: a power cut keeps any subset of the sectors not yet
//! synced and any prefix of the name changes not yet synced; operations fail on order; the disk fills up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile, Guard};
use crate::seed::Seed;

/// What a drive writes as a whole.
const SECTOR: usize = 512;

/// Handles are cheap clones of one disk.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    seed: Seed,
    /// Operations that still succeed.
    operations_left: Option<u64>,
    syncs_left: Option<u64>,
    capacity_bytes: usize,
    power_cuts: u64,
    locked: bool,
}

#[derive(Clone, Debug)]
enum NameChange {
    Bind(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    dirty_sectors: BTreeSet<usize>,
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            seed: Seed::new(seed),
            operations_left: None,
            syncs_left: None,
            capacity_bytes: usize::MAX,
            power_cuts: 0,
            locked: false,
        })))
    }

    /// After `operations` more writes, syncs and name changes, every one fails.
    pub fn die_after(&self, operations: u64) {
        self.state().operations_left = Some(operations);
    }

    /// The sync after `syncs` more fails, once; the ones after it succeed again, as kernels do (F5).
    pub fn fail_one_sync_after(&self, syncs: u64) {
        self.state().syncs_left = Some(syncs);
    }

    pub fn set_capacity_bytes(&self, bytes: usize) {
        self.state().capacity_bytes = bytes;
    }

    /// What was not synced is lost or kept, sector by sector, by the seed. Handles opened before are dead.
    pub fn power_cut(&self) {
        let mut state = self.state();
        let state = &mut *state;
        for file in &mut state.files {
            file.cut(&mut state.seed);
        }
        let kept = state.seed.below(state.name_changes.len() as u64 + 1) as usize;
        state.name_changes.truncate(kept);
        state.settle_names();
        state.names = state.durable_names.clone();
        state.restart();
    }

    /// The process dies, the machine does not: everything written is still there, synced or not.
    pub fn kill(&self) {
        self.state().restart();
    }

    /// What a reader would find now; `None` without such a file.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|file| state.files[*file].now.clone())
    }

    /// Puts a file there, durable at once.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        state.files.push(Content { now: bytes.to_vec(), durable: bytes.to_vec(), dirty_sectors: BTreeSet::new() });
        let file = state.files.len() - 1;
        state.names.insert(name.to_owned(), file);
        state.durable_names.insert(name.to_owned(), file);
    }

    /// An independent disk with the same durable files: one damaged copy for each trial.
    pub fn copy(&self, seed: u64) -> Self {
        let copy = Self::new(seed);
        let state = self.state();
        for (name, file) in &state.names {
            copy.put(name, &state.files[*file].now);
        }
        drop(state);
        copy
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, file: usize, power_cuts: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), file, power_cuts })
    }
}

impl State {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.operations_left {
            Some(0) => Err(io::Error::other("simulated: the disk is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn restart(&mut self) {
        self.power_cuts += 1;
        self.locked = false;
        self.operations_left = None;
        self.syncs_left = None;
    }

    fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        self.spend()?;
        apply(&mut self.names, change.clone())?;
        self.name_changes.push(change);
        Ok(())
    }

    fn settle_names(&mut self) {
        for change in std::mem::take(&mut self.name_changes) {
            // A change was possible when it was made, so it is possible now.
            let _ = apply(&mut self.durable_names, change);
        }
    }

    fn used_bytes(&self) -> usize {
        self.names.values().map(|file| self.files[*file].now.len()).sum()
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: NameChange) -> io::Result<()> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    match change {
        NameChange::Bind(name, file) => {
            names.insert(name, file);
        }
        NameChange::Rename(from, to) => {
            let file = names.remove(&from).ok_or_else(missing)?;
            names.insert(to, file);
        }
        NameChange::Remove(name) => {
            names.remove(&name).ok_or_else(missing)?;
        }
    }
    Ok(())
}

impl Content {
    fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        self.now[at..end].copy_from_slice(bytes);
        self.dirty_sectors.extend(at / SECTOR..end.div_ceil(SECTOR));
    }

    /// Only what is dirty: a sector whose sync failed before is clean to the kernel and never written again.
    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for sector in std::mem::take(&mut self.dirty_sectors) {
            self.keep(sector);
        }
    }

    fn cut(&mut self, seed: &mut Seed) {
        if self.now.len() > self.durable.len() && seed.below(2) == 0 {
            self.durable.resize(self.now.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty_sectors) {
            if seed.below(2) == 0 {
                self.keep(sector);
            }
        }
        self.now.clone_from(&self.durable);
    }

    fn keep(&mut self, sector: usize) {
        let from = sector * SECTOR;
        let to = (from + SECTOR).min(self.durable.len());
        if from < to {
            self.durable[from..to].copy_from_slice(&self.now[from..to]);
        }
    }
}

impl Disk for SimDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        let file = state.names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(file, state.power_cuts))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let file = state.files.len();
        state.change_name(NameChange::Bind(name.to_owned(), file))?;
        state.files.push(Content::default());
        Ok(self.handle(file, state.power_cuts))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state().change_name(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().change_name(NameChange::Remove(name.to_owned()))
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        state.spend()?;
        state.settle_names();
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<Guard>> {
        let mut state = self.state();
        if state.locked {
            return Ok(None);
        }
        state.locked = true;
        Ok(Some(Box::new(SimGuard { disk: self.clone(), power_cuts: state.power_cuts })))
    }

    fn shown(&self, name: &str) -> String {
        name.to_owned()
    }
}

#[derive(Debug)]
struct SimGuard {
    disk: SimDisk,
    power_cuts: u64,
}

impl Drop for SimGuard {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.power_cuts == self.power_cuts {
            state.locked = false;
        }
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: usize,
    power_cuts: u64,
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.power_cuts == self.power_cuts {
            Ok(state)
        } else {
            Err(io::Error::other("simulated: a handle from before the crash"))
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let state = self.state()?;
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let bytes = state.files[self.file].now.get(from..from.saturating_add(into.len()));
        into.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.spend()?;
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let growth = (at + bytes.len()).saturating_sub(state.files[self.file].now.len());
        if state.used_bytes().saturating_add(growth) > state.capacity_bytes && growth > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.files[self.file].write(bytes, at);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        state.spend()?;
        match &mut state.syncs_left {
            Some(0) => {
                state.syncs_left = None;
                // Pages are marked clean though they never reached the disk: the next sync finds nothing to do.
                state.files[self.file].dirty_sectors.clear();
                return Err(io::Error::other("simulated: fdatasync failed"));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        state.files[self.file].sync();
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.state()?.files[self.file].now.len() as u64)
    }
}
