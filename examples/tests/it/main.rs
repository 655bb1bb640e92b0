//! Black-box tests of the tool's contract: they know the process and nothing behind it. The one
//! exception is `genesys_thousand`, which counts on both sides of a socket.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod causes;
mod control;
mod credentials;
mod evolution;
mod evolution_serve;
mod evolution_v2;
mod exits;
mod genesys;
mod genesys_thousand;
mod genesys_usage;
mod genesys_web;
mod lines;
mod options;
mod pipes;
mod policies;
mod proxy;
mod replay;
mod ringcentral;
mod ringcentral_login;
mod ringcentral_recover;
mod ringcentral_refresh;
mod ringcentral_rest;
mod secrets;
mod serve;
mod serve_ringcentral;
mod serve_vonage;
mod socket;
mod state;
mod stdin;
mod storm;
mod support;
mod tour;
mod vonage;
mod vonage_tokens;
