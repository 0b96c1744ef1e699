//! SQL for analysts: every table of the store, hot rows and lake together, read through DataFusion.
//!
//! ```text
//! let engine = QueryEngine::new(store, Options { tenant, ..Options::default() })?;
//! engine.sql("SELECT measure, count(*) FROM readings GROUP BY 1").await?.table(&mut stdout)?;
//! ```
//!
//! Tables stand in schema `clinic` (the default one, so `readings` is `clinic.readings`). Of the functions, beside those
//! that DataFusion brings: `time_bucket(width, time)`, `local_day(time, zone)` and, in place of a table,
//! `as_of('readings', offset)`; a calendar for filling gaps is `generate_series(from, to, step)` in place of a table.
//! Within one query a table is read once. A version that a newer one replaces meanwhile may be seen both as current and in
//! the history, never in neither.
//!
//! Who may ask is decided and written down before the text comes here; the caller holds the role.
//!
//! What DataFusion's operators hold counts towards `memory_bytes`, and so do the tables read and the answer. What a plan
//! and a single expression hold does not: an installation that must not feel a hostile analyst runs `--role query` as a
//! process of its own.
//!
//! Never: a write, a file named by a query, a row of another tenant, a panic that leaves this crate.

mod as_of;
mod catalog;
mod engine;
mod error;
mod functions;
mod guard;
mod interrupt;
mod lake;
mod literals;
mod render;
mod snapshot;
#[cfg(test)]
mod tests;

pub use engine::{Options, QueryEngine};
pub use error::QueryError;
pub use render::QueryResult;
