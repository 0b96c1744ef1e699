//! The doors as gateways meet them: real sockets, real clients, and a journal that can be told when to answer what.

mod broker;
mod durability;
#[cfg(feature = "failpoints")]
mod failpoints;
mod flood;
mod grpc;
mod grpc_asked;
mod grpc_bounds;
mod grpc_limits;
mod grpc_strangers;
mod grpc_streams;
mod hostile;
mod http;
mod isolation;
mod mqtt;
mod mqtt_bounds;
mod mqtt_limits;
mod mqtt_qos2;
mod mqtt_sessions;
mod mqtt_verdicts;
mod orders;
mod rates;
mod support;
mod tls;
mod weather;
mod websocket;
