//! The whole program from outside: started as a person starts it, fed as a gateway feeds it, killed, and asked afterwards.

mod bad_input;
mod broker;
mod clinic;
mod crash;
mod demo;
mod exports;
mod failpoints;
mod foreign;
mod foreign_grpc;
mod gateways;
mod mosquitto;
mod order;
mod outcome;
mod power;
mod program;
mod proxy;
mod python;
mod receiver;
mod secure;
mod tail;
mod waiting;
