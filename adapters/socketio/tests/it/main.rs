//! Integration tests: frames go in, frames and signals come out.
