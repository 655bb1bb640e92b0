//! `redial replay`: what a session went through, executed again.

use std::error::Error as _;
use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use redial_core::{Machine, Timestamp};
use redial_testkit::replay::{Explanation, Names, Replay, TraceError, explain_as, to_test};
use redial_testkit::world::Origin;
use serde_json::json;

use crate::cli::{ReplayArgs, TourVendor};
use crate::output::{self, Failure, Lines};
use crate::policy_file;

/// Executes a trace again and compares each decision with the recorded one.
pub(crate) async fn run(args: ReplayArgs) -> Result<ExitCode, Failure> {
    let path = args.trace.display();
    let failed = |error: TraceError| {
        let why = error.source().map_or_else(String::new, |why| format!(": {why}"));
        Failure::new(format!("{path}: {error}{why}"))
    };
    let file = File::open(&args.trace).map_err(|error| Failure::new(format!("{path}: {error}")))?;
    let mut replay = begin(BufReader::new(file), &args, failed)?;
    if args.to_test {
        output::say(to_test(replay).map_err(failed)?.trim_end().to_owned());
        return Ok(ExitCode::SUCCESS);
    }
    let lines = Lines::new(args.json);
    let names = args.vendor.map_or(Names::NUMBERS, |vendor| vendor.names(args.profile));
    let begins = replay.header().machine;
    let (mut start, mut last, mut actions) = (None, None, 0);
    while let Some(turn) = replay.turn().map_err(failed)? {
        if args.explain && !args.json && start.is_none() && begins != Machine::new() {
            output::say(restored(&begins, turn.cx.now));
        }
        let start = *start.get_or_insert(turn.cx.now);
        last = Some(turn.after.now().since(start));
        actions += turn.actions.len();
        if args.explain {
            output::room().await;
            let Explanation { event, decisions } = explain_as(replay.policy(), start, &turn, names);
            if args.json {
                let at_ms = turn.cx.now.since(start).as_millis();
                let fields = json!({
                    "line": turn.line, "at_ms": at_ms, "event": turn.event, "text": event,
                    "decisions": decisions, "actions": turn.actions.as_slice(),
                });
                lines.line("step", fields);
            } else {
                output::say(Explanation { event, decisions }.to_string());
            }
        }
    }
    let verified = replay.header().version > 1;
    let world = replay.header().world.as_deref();
    let history = replay.header().history.as_deref();
    let phase = replay.machine().phase().name();
    let (steps, cut) = (replay.steps(), replay.is_cut());
    let span_ms = last.map_or(0, |span| span.as_millis());
    if args.json {
        let fields = json!({
            "steps": steps, "actions": actions, "span_ms": span_ms, "phase": phase,
            "begins": begins.phase().name(), "verified": verified, "cut": cut, "world": world.map(|origin| json!({
                "seed": origin.plan.seed, "session": origin.session, "at_ms": origin.at,
                "invariant": origin.invariant,
            })),
            "history": history.map(|origin| json!({
                "seed": origin.seed, "invariant": origin.invariant,
            })),
        });
        lines.line("replayed", fields);
        return Ok(ExitCode::SUCCESS);
    }
    let seconds = f64::from(span_ms) / 1000.0;
    let same = if verified {
        "every action as it was recorded"
    } else {
        "version 1 records no actions, so nothing was compared"
    };
    output::say(format!("{steps} steps in {seconds} s, {actions} actions: {same}"));
    output::say(format!("the session ends {phase}"));
    if let Some(Origin { plan, session, at, invariant }) = world {
        let seed = plan.seed;
        output::say(format!(
            "a simulation: seed {seed} broke {invariant:?} in session {session} after {at} ms"
        ));
    }
    if let Some(origin) = history {
        output::say(format!("a history: {origin} broke {:?}", origin.invariant));
    }
    if cut {
        output::say("the last line is cut off: the process was ended while it wrote".into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what an earlier process has left.
fn restored(machine: &Machine, start: Timestamp) -> String {
    let phase = machine.phase().name();
    match machine.poll_timeout() {
        Some(at) => {
            let seconds = f64::from(at.since(start).as_millis()) / 1000.0;
            format!("goes on from a saved session that is {phase}, with a deadline at +{seconds} s")
        }
        None => format!("goes on from a saved session that is {phase}"),
    }
}

fn begin(
    trace: BufReader<File>,
    args: &ReplayArgs,
    failed: impl Fn(TraceError) -> Failure,
) -> Result<Replay<BufReader<File>>, Failure> {
    let base = args.vendor.map(|vendor| vendor.policy(args.profile));
    let policy = match (&args.policy, base) {
        (Some(path), base) => {
            let base = base.unwrap_or_else(|| TourVendor::Liveperson.policy(args.profile));
            Some(policy_file::read(path, base)?)
        }
        (None, base) => base.copied(),
    };
    let replay = match policy {
        Some(policy) => Replay::under(trace, policy),
        None => Replay::new(trace),
    };
    let replay = replay.map_err(failed)?;
    if args.policy.is_some() && replay.header().policy.is_some() {
        let text = "--policy is for a trace of version 1; this one was recorded with its policy";
        return Err(Failure::usage(text));
    }
    Ok(replay)
}
