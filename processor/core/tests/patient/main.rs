//! The patient core as a whole: silence, combinations and examples of the catalogue, on a ward that lives in memory.

mod catalogue;
mod combinations;
mod goals;
mod silence;
mod ward;
