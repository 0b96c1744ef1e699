//! The console over a journal, a store and the alert service, all real but in memory, through its socket.

mod access;
mod commands;
mod page;
mod reading;
mod rig;
mod stream;
