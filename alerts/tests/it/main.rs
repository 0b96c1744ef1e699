//! The alert service over a journal, a store and a receiver of webhooks, all real but in memory.

#[cfg(feature = "failpoints")]
mod crashes;
mod paging;
mod receiver;
mod restarts;
mod rig;
