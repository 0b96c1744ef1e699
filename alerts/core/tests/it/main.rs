//! The alert machine as its shell sees it.

mod lifecycle;
mod paging;
mod properties;
mod world;
