//! Reading the lake's files: only the row groups, columns and rows that a question needs.

use std::collections::{HashMap, HashSet};
use std::fs::File;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use painwatch_domain::{Offset, ReadingId, TenantId};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::file::metadata::{PageIndexPolicy, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::catalog::LakeFile;
use super::{Current, ReadingKey, Wanted};
use crate::codec::micros;
use crate::records::LakeSuperseded;
use crate::rows::{ReadingRow, SECOND_ROW_OF_A_PANEL};
use crate::schema::{Record, defect, from_batch};
use crate::{Result, StoreError};

type Reader = ParquetRecordBatchReaderBuilder<File>;

/// Rows that newer versions have replaced.
pub(super) struct Hidden(HashMap<ReadingId, Vec<(String, Offset)>>);

impl Hidden {
    pub fn of(superseded: Vec<LakeSuperseded>) -> Self {
        let mut hidden: HashMap<_, Vec<_>> = HashMap::new();
        for row in superseded {
            hidden.entry(row.reading_id).or_default().push((row.measure, row.known_from));
        }
        Self(hidden)
    }

    fn has(&self, id: &ReadingId, measure: &str, known_from: Offset) -> bool {
        let found = self.0.get(id);
        found.is_some_and(|rows| rows.iter().any(|row| (row.0.as_str(), row.1) == (measure, known_from)))
    }

    fn has_row(&self, row: &ReadingRow) -> bool {
        self.has(&row.reading_id, &row.measure, row.known_from)
    }
}

fn open(file: &LakeFile) -> Result<Reader> {
    let unreadable = |error: &dyn std::fmt::Display| {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        StoreError::Failed(format!("lake file {name}: {error}"))
    };
    let input = File::open(&file.path).map_err(|error| unreadable(&error))?;
    let footer = match file.footers.get(&file.path) {
        Some(footer) => footer,
        None => {
            let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
            let footer = ArrowReaderMetadata::load(&input, options).map_err(|error| unreadable(&error))?;
            file.footers.put(&file.path, footer.clone());
            footer
        }
    };
    Ok(Reader::new_with_metadata(input, footer))
}

fn place(name: &str) -> Result<usize> {
    ReadingRow::table().position(name)
}

fn places<const N: usize>(names: [&str; N]) -> Result<[usize; N]> {
    let mut out = [0; N];
    for (place_of, name) in out.iter_mut().zip(names) {
        *place_of = place(name)?;
    }
    Ok(out)
}

fn columns(reader: &Reader, places: &[usize]) -> ProjectionMask {
    ProjectionMask::leaves(reader.parquet_schema(), places.iter().copied())
}

/// A filter over some columns, which it meets in the order of the table.
fn keep(
    reader: &Reader,
    places: &[usize],
    rows: impl FnMut(&RecordBatch) -> BooleanArray + Send + 'static,
) -> RowFilter {
    let mut rows = rows;
    let predicate = move |batch: RecordBatch| -> std::result::Result<BooleanArray, ArrowError> { Ok(rows(&batch)) };
    RowFilter::new(vec![Box::new(ArrowPredicateFn::new(columns(reader, places), predicate))])
}

fn read(reader: Reader, mut each: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
    for batch in reader.with_batch_size(8_192).build().map_err(defect)? {
        each(&batch.map_err(defect)?)?;
    }
    Ok(())
}

pub(super) fn series(files: &[LakeFile], wanted: &Wanted, hidden: &Hidden) -> Result<Vec<ReadingRow>> {
    let mut rows = Vec::new();
    for file in files {
        let reader = open(file)?;
        let groups = groups_with(&reader, wanted)?;
        if groups.is_empty() {
            continue;
        }
        let filter = series_filter(&reader, wanted)?;
        read(reader.with_row_groups(groups).with_row_filter(filter), |batch| {
            rows.extend(from_batch::<ReadingRow>(batch)?.into_iter().filter(|row| !hidden.has_row(row)));
            Ok(())
        })?;
    }
    Ok(rows)
}

fn series_filter(reader: &Reader, wanted: &Wanted) -> Result<RowFilter> {
    let (tenant, patient) = (wanted.tenant.clone(), wanted.patient.clone());
    let (measure, from, to) = (wanted.measure.clone(), micros(wanted.from.0), micros(wanted.to.0));
    let places = places(["tenant_id", "time", "patient_id", "measure"])?;
    Ok(keep(reader, &places, move |batch| {
        let text = |index: usize| batch.column(index).as_string::<i32>();
        let (tenants, patients, measures) = (text(0), text(2), text(3));
        let times = batch.column(1).as_primitive::<TimestampMicrosecondType>();
        let fits = |row: usize| {
            patients.is_valid(row)
                && patients.value(row) == patient.as_str()
                && measures.value(row) == measure
                && (from..to).contains(&times.value(row))
                && tenants.value(row) == tenant.as_str()
        };
        (0..batch.num_rows()).map(|row| Some(fits(row))).collect()
    }))
}

/// Row groups whose bounds allow the patient and the time.
fn groups_with(reader: &Reader, wanted: &Wanted) -> Result<Vec<usize>> {
    let [time, patient] = places(["time", "patient_id"])?;
    let (from, to) = (micros(wanted.from.0), micros(wanted.to.0));
    let allowed = |group: &RowGroupMetaData| {
        let texts = match group.column(patient).statistics() {
            Some(Statistics::ByteArray(stats)) => stats.min_opt().zip(stats.max_opt()),
            _ => None,
        };
        let name = wanted.patient.as_str().as_bytes();
        let times = match group.column(time).statistics() {
            Some(Statistics::Int64(stats)) => stats.min_opt().zip(stats.max_opt()),
            _ => None,
        };
        texts.is_none_or(|(low, high)| low.data() <= name && name <= high.data())
            && times.is_none_or(|(low, high)| *low < to && from <= *high)
    };
    let groups = reader.metadata().row_groups().iter().enumerate();
    Ok(groups.filter(|(_, group)| allowed(group)).map(|(index, _)| index).collect())
}

/// The rows of `keys`, each with the id of its file.
pub(super) fn find(files: &[LakeFile], keys: &[ReadingKey], hidden: &Hidden) -> Result<Vec<(ReadingRow, i64)>> {
    let wanted: HashSet<&ReadingKey> = keys.iter().collect();
    let ids: Vec<String> = keys.iter().map(|key| key.1.to_string()).collect();
    let mut found = Vec::new();
    for file in files {
        let reader = open(file)?;
        let id = place("reading_id")?;
        let mut groups = Vec::new();
        let mut likely: HashSet<String> = HashSet::new();
        for group in 0..reader.metadata().num_row_groups() {
            let filter = reader.get_row_group_column_bloom_filter(group, id).map_err(defect)?;
            let passes = |id: &&String| filter.as_ref().is_none_or(|filter| filter.check(id.as_str()));
            let hits: Vec<String> = ids.iter().filter(passes).cloned().collect();
            if !hits.is_empty() {
                groups.push(group);
                likely.extend(hits);
            }
        }
        if groups.is_empty() {
            continue;
        }
        let filter = keep(&reader, &[id], move |batch| {
            let ids = batch.column(0).as_string::<i32>();
            ids.iter().map(|id| Some(id.is_some_and(|id| likely.contains(id)))).collect()
        });
        read(reader.with_row_groups(groups).with_row_filter(filter), |batch| {
            for row in from_batch::<ReadingRow>(batch)? {
                let key = (row.tenant.clone(), row.reading_id, row.measure.clone());
                if wanted.contains(&key) && !hidden.has_row(&row) {
                    found.push((row, file.id));
                }
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// All rows of a file but the hidden ones.
pub(super) fn remaining(file: &LakeFile, hidden: &Hidden) -> Result<RecordBatch> {
    let [measure, id, known_from] = places(["measure", "reading_id", "known_from"])?;
    let mut parts = Vec::new();
    read(open(file)?, |batch| {
        let (measures, ids) = (batch.column(measure).as_string::<i32>(), batch.column(id).as_string::<i32>());
        let offsets = batch.column(known_from).as_primitive::<Int64Type>();
        let stays = |row: usize| {
            let id = ReadingId::parse(ids.value(row)).unwrap_or_default();
            Some(!hidden.has(&id, measures.value(row), Offset(offsets.value(row) as u64)))
        };
        let mask: BooleanArray = (0..batch.num_rows()).map(stays).collect();
        parts.push(filter_record_batch(batch, &mask).map_err(defect)?);
        Ok(())
    })?;
    let schema = parts.first().map_or_else(super::layout::schema, RecordBatch::schema);
    arrow::compute::concat_batches(&schema, &parts).map_err(defect)
}

pub(super) fn count(hot: &RecordBatch, files: &[LakeFile], tenant: &TenantId, hidden: &Hidden) -> Result<Current> {
    let mut tally = Tally::default();
    let (ids, measures) = (hot.column(0).as_string::<i32>(), hot.column(1).as_string::<i32>());
    (0..hot.num_rows()).for_each(|row| tally.add(ids.value(row), measures.value(row)));
    let needed = places(["tenant_id", "measure", "reading_id", "known_from"])?;
    for file in files {
        let reader = open(file)?;
        let mask = columns(&reader, &needed);
        read(reader.with_projection(mask), |batch| {
            let text = |index: usize| batch.column(index).as_string::<i32>();
            let (tenants, measures, ids) = (text(0), text(1), text(2));
            let offsets = batch.column(3).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let id = ReadingId::parse(ids.value(row)).unwrap_or_default();
                let gone = hidden.has(&id, measures.value(row), Offset(offsets.value(row) as u64));
                if tenants.value(row) == tenant.as_str() && !gone {
                    tally.add(ids.value(row), measures.value(row));
                }
            }
            Ok(())
        })?;
    }
    Ok(tally.current())
}

/// Identities are random hashes: half of their digits tell millions apart, in a fifth of the memory.
#[derive(Default)]
struct Tally {
    ids: Vec<u64>,
    versions: u64,
}

impl Tally {
    fn add(&mut self, id: &str, measure: &str) {
        self.ids.push(id.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default());
        self.versions += u64::from(measure != SECOND_ROW_OF_A_PANEL);
    }

    fn current(mut self) -> Current {
        self.ids.sort_unstable();
        self.ids.dedup();
        Current { identities: self.ids.len() as u64, versions: self.versions }
    }
}
