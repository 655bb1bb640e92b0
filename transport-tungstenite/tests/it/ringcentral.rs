//! Sessions that are driven over real sockets, against a simulated RingCentral.

mod account;
mod answers;
mod recovery;
mod support;
