//! `redial`: see the library work, talk to a vendor from a terminal, and test clients against
//! simulators. What it prints is a promise; `TOOL.md` has it.

mod check;
mod cli;
mod connect;
mod diagram;
mod output;
mod policy_file;
mod proxy;
mod replay;
mod serve;
mod storm;
mod tour;

use std::process::ExitCode;
use std::time::Duration;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let (cli, typed) = Cli::read();
    start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&format!("no runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let patience = match cli.command {
        Command::Connect(_) | Command::Serve(_) | Command::Proxy(_) => Some(READER),
        Command::Replay(_)
        | Command::Storm(_)
        | Command::Tour(_)
        | Command::Diagram(_)
        | Command::Check(_)
        | Command::Completions { .. } => None,
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Connect(args) => connect::run(args, typed).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Proxy(args) => proxy::run(args).await,
            Command::Replay(args) => replay::run(args).await,
            Command::Storm(args) => storm::run(args).await,
            Command::Tour(args) => tour::run(args).await,
            Command::Diagram(args) => diagram::run(args),
            Command::Check(args) => check::run(args),
            Command::Completions { shell } => cli::completions(shell),
        }
    });
    // Reading stdin blocks a thread that nothing can wake; nobody waits for it.
    runtime.shutdown_background();
    let lost = output::flush(patience);
    match outcome {
        Ok(code) => match lost {
            None => code,
            Some(why) => {
                output::complain(&format!("what was printed is not whole: {why}"));
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            output::complain(&error.to_string());
            ExitCode::from(error.code())
        }
    }
}

/// Logs go to stderr: warnings by default, `REDIAL_LOG` asks for more.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("REDIAL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // A log that cannot be written must not be complained about where it cannot be written.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
}

/// How long the end waits for somebody who does not read what is printed for as long as it runs.
const READER: Duration = Duration::from_secs(1);
