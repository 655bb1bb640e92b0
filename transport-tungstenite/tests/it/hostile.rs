//! Peers that mean harm, and applications that do not look.

mod support;

mod application;
mod peer;
