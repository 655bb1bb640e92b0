//! Black-box tests of the tool's contract: they know the process and nothing behind it.

mod causes;
mod control;
mod credentials;
mod exits;
mod lines;
mod options;
mod pipes;
mod policies;
mod secrets;
mod serve;
mod state;
mod stdin;
mod support;
mod tour;
