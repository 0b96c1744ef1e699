//! A world in which the production journal writer, admission, processor and alert service live on a simulated disk, behind
//! a simulated network, under a simulated clock, with the store in memory. Everything that happens follows from a seed:
//! people and their readings, delays, losses, repetitions, crashes, power cuts, full disks, deaf receivers.
//!
//! Never: a real clock, socket, file or thread; a second implementation of what is being tested; a fault that the seed
//! does not decide.

pub mod capture;
pub mod clinic;
pub mod clinician;
pub mod dice;
pub mod evidence;
pub mod gateway;
pub mod invariants;
pub mod journal;
pub mod life;
pub mod people;
pub mod plan;
pub mod process;
pub mod receiver;
pub mod replay;
// The program's own reader of the roster; the program is no library.
#[path = "../../../src/roster.rs"]
mod roster;
pub mod world;

pub use plan::Plan;
pub use world::run;
