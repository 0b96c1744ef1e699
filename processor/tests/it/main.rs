//! The processor over a journal written by hand and a store in memory: what it makes of a small clinic, however that
//! clinic's readings arrive.

mod backtest;
mod canary;
mod clinic;
mod clocks;
mod defects;
mod doubts;
mod explain;
mod gateways;
mod golden;
mod history;
mod metrics;
mod oracle;
mod orders;
mod outage;
mod overrides;
mod pressures;
mod properties;
mod recovery;
mod rig;
mod rules;
mod scale;
mod seed;
mod service;
mod silence;
mod tenants;
mod trends;
mod world;
