//! One session with a Socket.IO server, step by step, over a plain socket.

mod client;
mod steps;

pub use client::{Client, Failure};
pub use steps::{everything, recovery, too_new, too_old};
