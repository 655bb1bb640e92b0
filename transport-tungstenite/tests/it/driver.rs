//! Sessions that are driven over real sockets, against a simulated LivePerson.

mod lifecycle;
mod orders;
mod shutdown;
mod support;
mod watch;
