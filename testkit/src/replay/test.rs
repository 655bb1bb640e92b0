//! A trace as a test that stands alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::BufRead;

use redial_core::Machine;
use serde::Serialize;

use super::code::Code;
use super::{Replay, TraceError};

/// Writes a trace as a Rust test: the policy, what the machine is given, and what it must ask for.
///
/// The test needs `redial-core`; where the trace began with a session that another process had
/// saved, also its feature `serde` and `serde_json`.
///
/// # Errors
///
/// Where the trace cannot be executed again, and where it has more than 10,000 steps.
pub fn to_test<R: BufRead>(mut replay: Replay<R>) -> Result<String, TraceError> {
    let mut names: BTreeSet<String> =
        ["Action", "Cx", "Event", "Machine", "Policy", "Timestamp"].map(str::to_owned).into();
    let policy = code(replay.policy(), &mut names);
    let start = match replay.header().machine {
        machine if machine == Machine::new() => "Machine::new()".to_owned(),
        machine => {
            let saved = serde_json::to_string(&machine).unwrap_or_default();
            format!("serde_json::from_str::<Machine>(r#\"{saved}\"#).expect(\"a machine\")")
        }
    };
    let mut steps = String::new();
    let mut most = 0;
    while let Some(turn) = replay.turn()? {
        if replay.steps() > MAX_STEPS as u64 {
            return Err(TraceError::TooManySteps { line: turn.line, most: MAX_STEPS });
        }
        most = most.max(turn.actions.len());
        let event = code(&turn.event, &mut names);
        let (now, entropy) = (turn.cx.now.as_millis(), turn.cx.entropy);
        let actions = code(&turn.actions, &mut names);
        let _ = writeln!(
            steps,
            "    (Cx::new(Timestamp::from_millis({now}), {entropy}), {event}, &{actions}),"
        );
    }
    let mut text = String::from(HEAD);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let _ = writeln!(text, "use redial_core::{{{}}};\n", names.join(", "));
    let _ = writeln!(text, "{TEST}");
    let _ = writeln!(text, "    let mut machine = {start};\n{LOOP}");
    let _ = writeln!(text, "const POLICY: Policy = Policy::new({policy});\n");
    let _ = write!(text, "const STEPS: &[(Cx, Event, &[Action])] = &[\n{steps}];\n");
    Ok(text)
}

/// Writes a value as a Rust expression.
fn code(value: &impl Serialize, names: &mut BTreeSet<String>) -> String {
    let mut code = Code::default();
    // What the forms of this crate are made of has an expression; a hole would not compile.
    let text = match value.serialize(&mut code) {
        Ok(()) => code.text,
        Err(error) => format!("compile_error!({:?})", error.to_string()),
    };
    names.extend(code.names);
    text
}

/// The most steps of a test.
const MAX_STEPS: usize = 10_000;

const HEAD: &str = "\
//! A recorded session, decided as it was then. Printed by `redial replay --to-test`.

";

const TEST: &str = "\
#[test]
fn the_recorded_session_is_decided_as_it_was() {";

const LOOP: &str = "    \
    for (number, (cx, event, actions)) in STEPS.iter().enumerate() {
        let decided = machine.handle(&POLICY, *cx, *event);
        assert_eq!(decided.as_slice(), *actions, \"step {}: {event:?}\", number + 1);
    }
}
";
