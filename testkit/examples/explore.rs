//! Explores the machine under several policies and prints what was found.
//!
//! `cargo run --release -p redial-testkit --example explore [-- plain|full [POLICY]]`
//!
//! With the name of one policy the diagram follows; `plain short` draws the README's.

use std::process::ExitCode;
use std::time::Instant;

use redial_testkit::explorer::{Explorer, Extent, diagram, scaled_to_small};

#[path = "../tests/it/policies.rs"]
mod policies;

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let extent = match arguments.next().as_deref() {
        Some("full") => Extent::Full,
        _ => Extent::Plain,
    };
    let chosen = arguments.next();
    let mut sound = true;
    for (name, policy) in [
        ("LivePerson", policies::LIVEPERSON),
        ("short", policies::SHORT),
        ("resuming", policies::RESUMING),
        ("expiring", policies::EXPIRING),
    ] {
        if chosen.as_deref().is_some_and(|chosen| chosen != name) {
            continue;
        }
        let begun = Instant::now();
        let report = Explorer::new(scaled_to_small(&policy)).extent(extent).run();
        println!("== {name}, {extent:?}, {:?}\n{report}", begun.elapsed());
        if chosen.is_some() {
            println!("{}", diagram::block(&report));
        }
        sound &= report.is_sound();
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
