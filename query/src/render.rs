//! The answer, and the forms in which it is written out.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use arrow::util::pretty::pretty_format_batches_with_schema;

use crate::error::QueryError;

#[derive(Clone, Debug)]
pub struct QueryResult {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

type Written = Result<(), QueryError>;

impl QueryResult {
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// A frame of characters, for a person at a terminal.
    ///
    /// # Errors
    /// [`QueryError::Render`], as for the other forms: a type that the form cannot hold, or a writer that fails.
    pub fn table(&self, mut out: impl Write) -> Written {
        let table = pretty_format_batches_with_schema(self.schema.clone(), &self.batches).map_err(unwritten)?;
        writeln!(out, "{table}").map_err(unwritten)
    }

    /// With a header line, also when there are no rows.
    ///
    /// # Errors
    /// As for [`Self::table`].
    pub fn csv(&self, out: impl Write) -> Written {
        let mut writer = csv::WriterBuilder::new().with_header(true).build(out);
        writer.write(&RecordBatch::new_empty(self.schema.clone())).map_err(unwritten)?;
        self.each(|batch| writer.write(batch))
    }

    /// An array of one object per row, with nulls spelled out.
    ///
    /// # Errors
    /// As for [`Self::table`].
    pub fn json(&self, mut out: impl Write) -> Written {
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut out);
        self.each(|batch| writer.write(batch))?;
        writer.finish().map_err(unwritten)?;
        drop(writer);
        writeln!(out).map_err(unwritten)
    }

    /// The Arrow streaming format.
    ///
    /// # Errors
    /// As for [`Self::table`].
    pub fn arrow_ipc(&self, out: impl Write) -> Written {
        let mut writer = StreamWriter::try_new(out, &self.schema).map_err(unwritten)?;
        self.each(|batch| writer.write(batch))?;
        writer.finish().map_err(unwritten)
    }

    fn each(&self, mut write: impl FnMut(&RecordBatch) -> Result<(), ArrowError>) -> Written {
        self.batches.iter().try_for_each(|batch| write(batch).map_err(unwritten))
    }
}

fn unwritten(error: impl std::fmt::Display) -> QueryError {
    QueryError::Render(error.to_string())
}
