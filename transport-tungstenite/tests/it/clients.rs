//! Many sessions in one process, against a simulated CodeChat.

mod evolution;
mod keys;
mod support;
