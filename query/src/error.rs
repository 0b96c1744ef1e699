//! What an analyst is told. The text may repeat what the query said, so it goes to whoever asked and into no log.

use std::time::Duration;

use datafusion::error::DataFusionError;
use datafusion::object_store::Error as Lost;
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
        match root(error) {
            DataFusionError::ResourcesExhausted(detail) => {
                Self::Memory { limit_bytes: memory_bytes, detail: detail.clone() }
            }
            DataFusionError::External(inner) => match inner.downcast_ref::<StoreError>() {
                Some(away @ StoreError::Unavailable(_)) => Self::Unavailable(away.to_string()),
                Some(failed) => Self::Failed(failed.to_string()),
                // A regular expression that is none, for example.
                None => Self::Invalid(inner.to_string()),
            },
            DataFusionError::SQL(wrong, _) => Self::Invalid(wrong.to_string()),
            DataFusionError::Plan(wrong)
            | DataFusionError::NotImplemented(wrong)
            | DataFusionError::Configuration(wrong)
            | DataFusionError::Execution(wrong) => Self::Invalid(plain(wrong)),
            wrong @ (DataFusionError::SchemaError(..) | DataFusionError::ArrowError(..)) => {
                Self::Invalid(plain(&wrong.to_string()))
            }
            DataFusionError::Internal(wrong) if wrong.contains(NO_SIGNATURE) => Self::Invalid(plain(wrong)),
            DataFusionError::ExecutionJoin(join) if join.is_panic() => Self::Panicked,
            other => Self::Failed(plain(&other.to_string())),
        }
    }
}

/// Arguments of wrong number or type: reported by DataFusion as a defect of its own, but it is the query's.
const NO_SIGNATURE: &str = "failed to match any signature";

/// Without the trace behind the message and the request to report a defect to somebody else.
fn plain(message: &str) -> String {
    let end = [DataFusionError::BACK_TRACE_SEP, "This issue was likely caused by a bug"];
    let end = end.iter().filter_map(|end| message.find(end)).min().unwrap_or(message.len());
    let message = message[..end].trim_end();
    message.strip_prefix("Internal error: ").unwrap_or(message).to_owned()
}

fn root(error: &DataFusionError) -> &DataFusionError {
    match error.find_root() {
        DataFusionError::Collection(errors) => errors.first().map_or(error, root),
        found => found,
    }
}

/// A file of the lake went away between the listing and the reading: a flush has rewritten it.
pub(crate) fn is_moved_file(error: &DataFusionError) -> bool {
    let first: &(dyn std::error::Error + 'static) = error;
    let is_gone =
        |cause: &(dyn std::error::Error + 'static)| matches!(cause.downcast_ref(), Some(Lost::NotFound { .. }));
    std::iter::successors(Some(first), |cause| cause.source()).any(is_gone)
}
