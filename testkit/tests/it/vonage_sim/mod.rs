//! The Vonage simulator, tested by a client that knows nothing of this project.

#![expect(clippy::unwrap_used, reason = "helpers of tests assert by it, too")]

mod client;
mod control;
mod protocol;
mod replay;
mod sessions;
