//! The patient core as a whole: silence and combinations, on a ward that lives in memory.

mod combinations;
mod silence;
mod ward;
