//! Sessions that are driven over real sockets, against a simulated RingCentral.

mod recovery;
mod support;
