//! The whole program from outside: started as a person starts it, fed as a gateway feeds it, killed, and asked afterwards.

mod admin;
mod bad_input;
mod broker;
mod canary;
mod clinic;
mod crash;
mod demo;
mod examples;
mod exports;
mod failpoints;
mod foreign;
mod foreign_grpc;
mod gateways;
mod mosquitto;
mod node;
mod order;
mod outcome;
mod power;
mod program;
mod proxy;
mod python;
mod receiver;
mod scenario;
mod secure;
mod tail;
mod waiting;
