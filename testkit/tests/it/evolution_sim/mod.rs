//! The Evolution simulator, tested by a client that knows nothing of this project.

#![expect(clippy::unwrap_used, reason = "helpers of tests assert by it, too")]

mod client;
mod codechat;
mod control;
mod garbage;
mod replay;
mod tokens;
mod v2;
mod v2_keys;
mod v2_replay;
