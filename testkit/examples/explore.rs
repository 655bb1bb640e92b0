//! Explores the machine under every policy that is shipped, and under some that differ in
//! everything, and prints what was found.
//!
//! `cargo run --release -p redial-testkit --example explore [-- plain|full|nightly [POLICY]]`
//!
//! `full` adds servers that announce other terms, and tokens that expire: minutes, and more states
//! for RingCentral than are followed, which the last line says. `nightly` explores the
//! real spans and budgets up to a number of states: that has no end, so it shows no more than that
//! no invariant breaks on the way. With the name of one policy the diagram follows; `plain short`
//! draws the README's.

use std::process::ExitCode;
use std::time::Instant;

use redial_core::Policy;
use redial_testkit::explorer::{Explorer, Extent, diagram, scaled_to_small, with_few_attempts};

#[path = "../tests/it/policies.rs"]
#[expect(dead_code, reason = "the tests use the others")]
mod policies;
#[path = "../tests/it/shipped.rs"]
mod shipped;

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_else(|| "plain".into());
    let chosen = arguments.next();
    let (extent, nightly) = match mode.as_str() {
        "plain" => (Extent::Plain, false),
        "full" => (Extent::Full, false),
        "nightly" => (Extent::Full, true),
        _ => return ExitCode::from(2),
    };
    let begun = Instant::now();
    let (mut sound, mut states, mut transitions) = (true, 0, 0);
    let mut open = Vec::new();
    for (name, policy) in all() {
        if chosen.as_deref().is_some_and(|chosen| chosen != name) {
            continue;
        }
        let begun = Instant::now();
        let report = if nightly {
            Explorer::new(policy).extent(extent).limit(REAL).run()
        } else {
            let small = scaled_to_small(&with_few_attempts(&policy, ATTEMPTS));
            Explorer::new(small).extent(extent).run()
        };
        println!("== {name}, {mode}, {:?}\n{report}", begun.elapsed());
        if chosen.is_some() {
            println!("{}", diagram::block(&report));
        }
        if !report.closed {
            open.push(name);
        }
        // What CI relies on has to close.
        let must_close = extent == Extent::Plain;
        sound &= report.violations.is_empty() && (report.closed || !must_close);
        (states, transitions) = (states + report.states, transitions + report.transitions);
    }
    let took = begun.elapsed();
    println!("all: {states} states, {transitions} transitions, {took:?}, sound: {sound}");
    if !open.is_empty() {
        println!("not closed: {}", open.join("; "));
    }
    // A name that no policy has is wrong usage and no proof.
    if states == 0 {
        return ExitCode::from(2);
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn all() -> impl Iterator<Item = (&'static str, Policy)> {
    let different = [
        ("short", policies::SHORT),
        ("resuming", policies::RESUMING),
        ("expiring", policies::EXPIRING),
    ];
    shipped::policies().into_iter().chain(different)
}

/// Budgets are cut to this many attempts.
const ATTEMPTS: u16 = 3;
/// How many states of each real policy are explored.
const REAL: usize = 400_000;
