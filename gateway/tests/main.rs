//! The importers over the recordings, as far as they are here.

mod recordings;
