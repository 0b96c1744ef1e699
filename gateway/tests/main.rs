//! The importers over the recordings, as far as they are here; the clients against servers that misbehave.

mod clients;
mod exports;
mod recordings;
