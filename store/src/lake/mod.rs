//! The lake: current readings that have left the hot table, as Parquet files under a DuckLake catalog in the database.

use std::path::{Path, PathBuf};

use arrow::array::{AsArray, RecordBatch};
use painwatch_domain::{EventTime, PatientId, ReadingId, TenantId};

use crate::rows::{ReadingRow, SECOND_ROW_OF_A_PANEL};
use crate::schema::LakeSuperseded;
use crate::tables::{SqlStore, Tx};
use crate::{LakeReport, Result};

#[derive(Debug)]
pub(crate) struct LakeDir;

pub(crate) struct LakeFile {
    pub path: PathBuf,
}

pub(crate) struct Wanted {
    pub tenant: TenantId,
    pub patient: PatientId,
    pub measure: String,
    pub from: EventTime,
    pub to: EventTime,
}

pub(crate) struct Current {
    pub identities: u64,
    pub versions: u64,
}

impl LakeDir {
    pub fn at(_: &Path) -> Result<Self> {
        Ok(Self)
    }
    pub async fn found(&self, _: &mut Tx) -> Result<()> {
        Ok(())
    }
    pub async fn listed_names(&self, _: &mut Tx) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    pub fn sweep(&self, _: &[String]) -> Result<()> {
        Ok(())
    }
    pub async fn current_files(&self, _: &mut Tx) -> Result<Vec<LakeFile>> {
        Ok(Vec::new())
    }
    pub async fn retire(&self, _: &mut Tx, _: Vec<(TenantId, ReadingId, String)>) -> Result<Vec<ReadingRow>> {
        Ok(Vec::new())
    }
}

pub(crate) async fn superseded(_: &mut Tx) -> Result<Vec<LakeSuperseded>> {
    Ok(Vec::new())
}

pub(crate) async fn series(_: Vec<LakeFile>, _: Wanted, _: Vec<LakeSuperseded>) -> Result<Vec<ReadingRow>> {
    Ok(Vec::new())
}

pub(crate) async fn flush(_: &SqlStore, _: bool) -> Result<LakeReport> {
    Ok(LakeReport::default())
}

pub(crate) async fn count_current(
    hot: RecordBatch,
    _: Vec<LakeFile>,
    _: TenantId,
    _: Vec<LakeSuperseded>,
) -> Result<Current> {
    let ids = hot.column(0).as_string::<i32>();
    let measures = hot.column(1).as_string::<i32>();
    let identities: std::collections::HashSet<_> = ids.iter().collect();
    let versions = measures.iter().filter(|measure| *measure != Some(SECOND_ROW_OF_A_PANEL)).count() as u64;
    Ok(Current { identities: identities.len() as u64, versions })
}
