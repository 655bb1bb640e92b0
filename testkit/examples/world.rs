//! Simulates many sessions in virtual time and checks every law as they live.
//!
//! - `cargo run --release -p redial-testkit --example world` takes a minute or so;
//! - `… --example world -- nightly [SEED]` simulates more than 1,000,000 session-hours;
//! - `… --example world -- replay FILE` runs again what failed.
//!
//! A simulation that fails prints its seed and leaves a trace in `target/world`, which
//! `redial replay FILE --explain` tells in words.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use redial_core::{Machine, Policy, Speed};
use redial_testkit::world::{Case, Plan, Tally};

#[path = "../tests/it/shipped.rs"]
mod shipped;

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => simulate(10_000, 1),
        ["nightly"] => simulate(1_000_000, 1),
        ["nightly", seed] => seed
            .parse()
            .map_or_else(|_| Err(format!("{seed} is no seed")), |seed| simulate(1_000_000, seed)),
        ["replay", file] => replay(Path::new(file)),
        _ => Err("usage: world [nightly [SEED] | replay FILE]".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}

/// Simulates so many hours of real time in all, and a twentieth of that at a hundred times the speed.
#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn simulate(hours: u64, seed: u64) -> Result<(), String> {
    let (begun, mut all) = (Instant::now(), Tally::default());
    let policies = shipped::policies();
    let share = hours.div_ceil(policies.len() as u64);
    for (name, policy) in policies {
        let (real, fast) = (begun.elapsed(), Speed::new(100));
        let mut tally = fleets(&policy, share, seed, None)?;
        println!("== {name}, {:.1?}\n{tally}\n", begun.elapsed() - real);
        all += tally;
        tally = fleets(&policy, share / 20, seed, Some(fast))?;
        println!("== {name} at 100 times the speed\n{tally}\n");
        all += Tally { session_hours: 0, ..tally };
    }
    println!("== all, {:.1?}\n{all}", begun.elapsed());
    Ok(())
}

/// Simulates days of 100 sessions each, one seed after the other.
fn fleets(policy: &Policy, hours: u64, seed: u64, speed: Option<Speed>) -> Result<Tally, String> {
    let mut all = Tally::default();
    for number in 0..hours.div_ceil(2_400) {
        let mut plan = Plan::new(policy, seed.wrapping_mul(1_000_000) + number).sized(100, 24);
        if let Some(speed) = speed {
            plan = plan.scaled(speed);
        }
        all += plan.run().map_err(|failed| {
            let path = failed.save(Path::new("target/world"));
            format!("{failed}\ntrace: {path:?}")
        })?;
    }
    Ok(all)
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn replay(file: &Path) -> Result<(), String> {
    let case = Case::load(file).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("seed {} broke {:?}", case.origin.plan.seed, case.origin.invariant);
    case.feed(Machine::new()).map_err(|failed| failed.to_string())?;
    println!("{} events: every law holds", case.trace.len());
    let tally = case.simulate(Machine::new).map_err(|failed| failed.to_string())?;
    println!("{tally}");
    Ok(())
}
