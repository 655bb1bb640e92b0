//! Integration tests: frames go in, frames and signals come out.

mod acks;
mod bounds;
mod connection;
mod generations;
mod laws;
mod malformed;
mod packets;
mod recordings;
mod recovery;
mod session;
mod support;
