//! The patient core as a whole: silence, combinations, the ledger and examples of the catalogue, on a ward that lives in memory.

mod blind_parts;
mod catalogue;
mod combinations;
mod days;
mod edits;
mod goals;
mod ledger;
mod silence;
mod ward;
