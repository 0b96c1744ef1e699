//! The whole program from outside: started as a person starts it, fed as a gateway feeds it, killed, and asked afterwards.

mod bad_input;
mod clinic;
mod crash;
mod demo;
mod failpoints;
mod foreign;
mod gateways;
mod order;
mod outcome;
mod power;
mod program;
mod python;
mod receiver;
mod waiting;
