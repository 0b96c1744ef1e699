//! Every implementation of the journal against one conformance suite, and the file journal against crashes and damage.

mod conformance;
mod crash;
mod damage;
#[cfg(feature = "failpoints")]
mod failpoints;
mod golden;
mod look;
mod model;
mod rig;
mod room;
mod unkind;
