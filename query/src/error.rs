//! What an analyst is told. The text may repeat what the query said, so it goes to whoever asked and into no log.

use std::time::Duration;

use datafusion::error::DataFusionError;
use painwatch_store::StoreError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("{0} is not allowed here: queries only read (SELECT, WITH, VALUES, EXPLAIN, SHOW, DESCRIBE)")]
    NotAllowed(String),
    /// The text is wrong, or the data does not fit what it asks (a division by zero, a cast that cannot be).
    #[error("{0}")]
    Invalid(String),
    #[error("the query needs more memory than the limit of {limit_bytes} bytes allows: {detail}")]
    Memory { limit_bytes: usize, detail: String },
    #[error("the query took longer than {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("the answer has more than {0} rows: aggregate, or add a LIMIT")]
    TooManyRows(usize),
    /// The store is away for the moment; the same query may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// A defect of ours or a damaged file.
    #[error("the query failed: {0}")]
    Failed(String),
    /// A defect below us, caught before it could leave.
    #[error("the query engine gave up on this query; please report its text")]
    Panicked,
    /// The answer could not be written out.
    #[error("the answer cannot be written in this format: {0}")]
    Render(String),
}

impl QueryError {
    pub(crate) fn of(error: &DataFusionError, memory_bytes: usize) -> Self {
        let text = error.strip_backtrace();
        match root(error) {
            DataFusionError::ResourcesExhausted(detail) => {
                Self::Memory { limit_bytes: memory_bytes, detail: detail.clone() }
            }
            DataFusionError::External(inner) => match inner.downcast_ref::<StoreError>() {
                Some(away @ StoreError::Unavailable(_)) => Self::Unavailable(away.to_string()),
                _ => Self::Failed(inner.to_string()),
            },
            DataFusionError::SQL(..)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_)
            | DataFusionError::Execution(_)
            | DataFusionError::ArrowError(..) => Self::Invalid(text),
            DataFusionError::ExecutionJoin(join) if join.is_panic() => Self::Panicked,
            _ => Self::Failed(text),
        }
    }
}

fn root(error: &DataFusionError) -> &DataFusionError {
    match error.find_root() {
        DataFusionError::Collection(errors) => errors.first().map_or(error, root),
        found => found,
    }
}

/// A file of the lake went away between the listing and the reading: a flush has rewritten it.
pub(crate) fn is_moved_file(error: &DataFusionError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(datafusion::object_store::Error::NotFound { .. }) = current.downcast_ref() {
            return true;
        }
        // The boxed ones are not their own source.
        let boxed = match current.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::ObjectStore(inner)) => Some(inner.as_ref() as &(dyn std::error::Error + 'static)),
            _ => None,
        };
        cause = boxed.or_else(|| current.source());
    }
    false
}
