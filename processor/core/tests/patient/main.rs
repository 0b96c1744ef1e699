//! The patient core as a whole: silence, combinations, the ledger and examples of the catalogue, on a ward that lives in memory.

mod anew;
mod blind_parts;
mod catalogue;
mod combinations;
mod days;
mod early;
mod edits;
mod explained;
mod goals;
mod ledger;
mod medicines;
mod midnight;
mod silence;
mod ward;
