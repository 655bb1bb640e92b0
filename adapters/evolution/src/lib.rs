//! Evolution API events for redial: one socket per event, and Socket.IO namespaces.
#![no_std]
#![forbid(unsafe_code)]
