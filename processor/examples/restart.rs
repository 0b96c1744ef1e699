//! Question: how long does an engine with 100,000 patients take from its tables in SQLite to the next record? Budget 10 s, of
//! which the snapshots take 1 in the core: each is read by the database, 13 KB at 2 GB/s, and kept as it is. The roster
//! comes out of a function; `painwatch roster diff` shows what its text costs.
//!
//! `restart DIR [PATIENTS]`

#[path = "../core/benches/ward/mod.rs"]
mod ward;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use painwatch_domain::{JournalTime, Offset, Roster, TenantId};
use painwatch_journal::{Class, Record};
use painwatch_processor::Engine;
use painwatch_proto::journal::v1 as pb;
use painwatch_store::{Blob, Commit, Store};
use prost::Message as _;
use ward::Ward;
use ward::life::{self, Streams};

/// Patients that live; all others are copies of them.
const LIVED: usize = 10;
const DAYS: i64 = 35;
const IN_ONE_COMMIT: usize = 1_000;

fn roster(text: &str, _tenant: &TenantId) -> Result<Roster> {
    Ok(Roster { source: text.to_owned(), ..life::roster(text.parse()?) })
}

async fn open(dir: &Path) -> Result<Arc<dyn Store>> {
    let url = format!("sqlite:{}", dir.join("restart.db").display());
    Ok(painwatch_store::open(&url, &dir.join("lake")).await?)
}

/// Leaves the tables as a server leaves them that watched so many patients for [`DAYS`] days.
async fn fill(dir: &Path, people: usize) -> Result<usize> {
    let store = open(dir).await?;
    let epoch = store.take_ownership().await?;
    let mut engine = Engine::open(Arc::clone(&store), roster).await?;
    let action = pb::control::Action::Roster(pb::RosterApplied { toml: people.to_string() });
    let control = pb::Control { action: Some(action), ..pb::Control::default() };
    let (journal_time, payload) = (JournalTime(ward::start_of(DAYS)), control.encode_to_vec().into());
    let (offset, class, tenant) = (Offset(0), Class::Control, TenantId::default());
    engine.apply(&Record { offset, journal_time, class, tenant, key_id: 0, logic_version: 1, payload }).await?;
    let (blobs, bare): (Vec<Blob>, Vec<Blob>) =
        engine.checkpoint().into_iter().partition(|blob| blob.kind != "patient");
    drop(bare);
    store.commit(&Commit { epoch, blobs, ..Commit::default() }).await?;
    let mut ward = Ward::new(life::roster(LIVED), ward::start_of(0));
    ward.live(LIVED, 0..DAYS, Streams::Simulated);
    let snapshots = ward.clinic.take_snapshots();
    let mut bytes = 0;
    for first in (0..people).step_by(IN_ONE_COMMIT) {
        let mut blobs = Vec::new();
        for number in first..(first + IN_ONE_COMMIT).min(people) {
            let of = life::patient_id(number % LIVED);
            for snapshot in snapshots.iter().filter(|snapshot| snapshot.patient == of) {
                let key = format!("{}/{}/{}", TenantId::default(), life::patient_id(number), snapshot.part.as_str());
                bytes += snapshot.bytes.len();
                blobs.push(Blob { kind: "patient", key, bytes: Some(snapshot.bytes.clone()) });
            }
        }
        store.commit(&Commit { epoch, blobs, ..Commit::default() }).await?;
    }
    Ok(bytes)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut told = std::env::args().skip(1);
    let dir = told.next().context("restart DIR [PATIENTS]")?;
    let people: usize = told.next().map_or(Ok(100_000), |text| text.parse())?;
    std::fs::create_dir_all(&dir).with_context(|| dir.clone())?;
    let dir = tempfile::tempdir_in(dir)?;
    let bytes = fill(dir.path(), people).await?;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..3 {
        let begun = Instant::now();
        let mut engine = Engine::open(open(dir.path()).await?, roster).await?;
        times.push(begun.elapsed());
        assert_eq!(engine.roster(&TenantId::default()).patients.len(), people);
    }
    println!("restart: {people} patients of {} bytes in {times:?}", bytes / people);
    Ok(())
}
