//! What a file of the lake looks like: columns by the catalog's ids, order, encodings. A golden file pins it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use parquet::arrow::{ArrowWriter, PARQUET_FIELD_ID_META_KEY};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use sha2::{Digest as _, Sha256};

use crate::rows::ReadingRow;
use crate::schema::{Record, TableDef, defect};
use crate::{Kind, Result, StoreError};

/// Small enough that one patient's days are a few groups, large enough to compress.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// A filter of about one byte and a quarter a row finds a reading's row group among hundreds.
const BLOOM_FPP: f64 = 0.01;
const SUFFIX: &str = ".parquet";
const PREFIX: &str = "readings-";
/// Hexadecimal digits of a file's SHA-256 in its name.
const DIGEST_DIGITS: usize = 32;

/// What the names of a file begin with while it is written and afterwards.
pub(super) fn stem(epoch: u64, snapshot: i64, number: usize) -> String {
    format!("{PREFIX}{epoch}-{snapshot}-{number}")
}

/// Whether a name is one that [`write`] makes.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Column ids are positions from 1: a column is never removed or reordered, new ones come last.
pub(super) fn column_id(position: usize) -> i64 {
    position as i64 + 1
}

/// The schema of `readings` with the catalog's column ids.
pub(super) fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let with_id = |(position, field): (usize, &Arc<Field>)| {
            let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), column_id(position).to_string())]);
            field.as_ref().clone().with_metadata(id)
        };
        let fields: Vec<Field> = ReadingRow::table().schema().fields().iter().enumerate().map(with_id).collect();
        Arc::new(Schema::new(fields))
    });
    SCHEMA.clone()
}

fn properties(rows: usize) -> Result<WriterProperties> {
    let def = ReadingRow::table();
    let distinct = rows.clamp(1, ROW_GROUP_ROWS) as u64;
    let mut properties = WriterProperties::builder()
        .set_created_by("painwatch".into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(defect)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(sorting(def)?));
    for column in &def.columns {
        let path = ColumnPath::from(column.name);
        if matches!(column.kind, Kind::Time | Kind::Int) {
            // Times and numbers that grow: their differences are small, a dictionary of them is not.
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        if column.name == "reading_id" {
            properties = properties.set_column_dictionary_enabled(path.clone(), false);
        }
        if ["patient_id", "reading_id"].contains(&column.name) {
            properties = properties
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FPP)
                .set_column_bloom_filter_max_ndv(path, distinct);
        }
    }
    Ok(properties.build())
}

fn sorting(def: &TableDef) -> Result<Vec<SortingColumn>> {
    let ascending =
        |name| Ok(SortingColumn { column_idx: def.position(name)? as i32, descending: false, nulls_first: false });
    ["patient_id", "time"].into_iter().map(ascending).collect()
}

/// Sizes of a written file, as the catalog wants them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub bytes: u64,
    pub footer_bytes: u64,
}

/// Writes sorted rows under a temporary name, syncs, renames, and syncs the directory: after this the file is whole or
/// absent, whatever happens. Its name ends with its digest, so that it can be checked wherever it is copied to.
pub(super) fn write(directory: &Path, stem: &str, batch: &RecordBatch) -> Result<(String, Written)> {
    let io = |error: std::io::Error| StoreError::Unavailable(format!("lake file: {error}"));
    let temporary = directory.join(format!("{stem}.tmp"));
    let batch = RecordBatch::try_new(schema(), batch.columns().to_vec()).map_err(defect)?;
    let file = File::create(&temporary).map_err(io)?;
    let mut writer = ArrowWriter::try_new(file, schema(), Some(properties(batch.num_rows())?)).map_err(defect)?;
    writer.write(&batch).map_err(|error| StoreError::Unavailable(format!("lake file: {error}")))?;
    let file = writer.into_inner().map_err(|error| StoreError::Unavailable(format!("lake file: {error}")))?;
    file.sync_all().map_err(io)?;
    let written = measured(&temporary).map_err(io)?;
    let name = format!("{stem}-{}{SUFFIX}", digest(&temporary).map_err(io)?);
    std::fs::rename(&temporary, directory.join(&name)).map_err(io)?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
    Ok((name, written))
}

fn digest(path: &Path) -> std::io::Result<String> {
    let (mut file, mut digest, mut part) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut part)? {
            0 => break,
            count => digest.update(&part[..count]),
        }
    }
    let mut digits = hex::encode(digest.finalize());
    digits.truncate(DIGEST_DIGITS);
    Ok(digits)
}

/// What reading a file of the lake shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LakeFileState {
    AsWritten,
    /// Written before names ended with a digest.
    WithoutDigest,
    Damaged,
    /// And why.
    Unreadable(String),
}

/// Reads the whole file and compares it with the digest in its name.
#[must_use]
pub fn check_lake_file(path: &Path) -> LakeFileState {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let named = stem.strip_prefix(PREFIX).and_then(|rest| rest.splitn(4, '-').nth(3));
    match (digest(path), named) {
        (Err(error), _) => LakeFileState::Unreadable(error.to_string()),
        (Ok(_), None) => LakeFileState::WithoutDigest,
        (Ok(found), Some(named)) if found == named => LakeFileState::AsWritten,
        _ => LakeFileState::Damaged,
    }
}

/// The last eight bytes are the footer's length and the magic.
fn measured(path: &Path) -> std::io::Result<Written> {
    let mut file = File::open(path)?;
    let bytes = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::End(-8))?;
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    Ok(Written { bytes, footer_bytes: u64::from(u32::from_le_bytes(length)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_numbers_the_columns_as_the_files_do() {
        let migration = include_str!("../../migrations/0002_lake_catalog.sql");
        for (position, column) in ReadingRow::table().columns.iter().enumerate() {
            let kind = match column.kind {
                Kind::Text => "varchar",
                Kind::Time => "timestamptz",
                Kind::Int => "int64",
                Kind::Real => "float64",
                other => panic!("{other:?} is not in the lake"),
            };
            let nulls = if column.nullable { "TRUE" } else { "FALSE" };
            let id = column_id(position);
            let row = format!("({id}, 1, 1, {id}, '{}', '{kind}', {nulls})", column.name);
            assert!(migration.contains(&row), "{row}");
        }
    }
}
