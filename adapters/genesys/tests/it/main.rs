//! Integration tests: bytes go into a session, bytes come out.

mod bad_input;
mod chat;
mod conformance;
mod defects;
mod delivery;
mod evidence;
mod laws;
mod policy;
mod recordings;
mod rules;
mod schedule;
mod secrets;
mod support;
mod web;
mod web_history;
mod web_rates;
