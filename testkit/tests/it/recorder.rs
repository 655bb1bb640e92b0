//! Traces: what is recorded is decided again, what is damaged is named, and every decision has
//! words.
#![expect(clippy::unwrap_used, reason = "helpers of tests assert by it, too")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, Read};
use std::path::Path;

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use redial_core::{
    Action, Cause, ConnId, Continuity, Cx, Event, Evidence, Machine, Policy, Recorded, Span,
    Timestamp, TokenId,
};
use redial_testkit::replay::{self, Replay, Wait, Writer, explain, to_test};
use redial_testkit::scenario::History;

use crate::policies::{LIVEPERSON, RESUMING};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_recorded_is_decided_again(seed in any::<u64>()) {
        let history = History::of_seed(seed);
        let events = events_of(&history);
        let (trace, machine) = record(&history.policy, &events);
        let verified = replay::verify(trace.as_slice()).expect("the same decisions");
        prop_assert_eq!(verified.steps, events.len() as u64);
        prop_assert_eq!(verified.machine, machine);
        prop_assert!(!verified.cut);
    }

    #[test]
    fn every_wait_is_explained_to_the_millisecond_and_every_step_has_words(seed in any::<u64>()) {
        let history = History::of_seed(seed);
        let events = events_of(&history);
        let (trace, _) = record(&history.policy, &events);
        let mut replay = Replay::new(trace.as_slice()).expect("a trace");
        while let Some(turn) = replay.turn().expect("the same decisions") {
            for action in turn.actions.as_slice() {
                if let Action::ScheduleRetry { at, attempt, cause, .. } = *action {
                    let wait = Wait::of(&history.policy, &turn, attempt, cause);
                    prop_assert_eq!(wait.end(), at, "{:?} of {:?}", wait, turn);
                }
            }
            let words = explain(&history.policy, Timestamp::ZERO, &turn);
            prop_assert!(!words.decisions.is_empty());
            prop_assert!(!words.to_string().contains("{"), "{}", words);
        }
    }

    #[test]
    fn whatever_a_file_contains_has_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = replay::verify(bytes.as_slice());
        let (mut trace, _) = story();
        trace.extend(&bytes);
        let error = replay::verify(trace.as_slice());
        prop_assert!(bytes.is_empty() || error.is_err() || error.is_ok_and(|it| it.cut));
    }
}

#[test]
fn a_trace_that_is_cut_anywhere_is_replayed_up_to_there() {
    let (trace, _) = story();
    let header = line_ends(&trace)[0];
    let mut most = 0;
    for end in 0..trace.len() {
        match replay::verify(&trace[..end]) {
            Ok(verified) => {
                assert!(end + 1 >= header, "{end}");
                let whole = line_ends(&trace[..end]).len().saturating_sub(1) as u64;
                // A line that lacks nothing but its end is a whole one.
                assert!(verified.steps == whole || (verified.steps == whole + 1 && !verified.cut));
                assert!(verified.steps >= most);
                most = verified.steps;
            }
            Err(error) => {
                assert!(end < header, "{end}: {error}");
                let wanted = if end == 0 { NOT } else { CUT };
                assert_eq!(error.to_string(), wanted);
            }
        }
    }
}

#[test]
fn a_byte_that_is_damaged_never_goes_through_as_another_decision() {
    let (trace, _) = story();
    let whole = replay::verify(trace.as_slice()).unwrap();
    let (mut refused, mut ends) = (0, 0);
    for place in 0..trace.len() {
        let mut damaged = trace.clone();
        damaged[place] ^= 0x01;
        match replay::verify(damaged.as_slice()) {
            // A number that decides nothing, such as the chance of a step that draws none.
            Ok(verified) => assert!(verified.steps <= whole.steps),
            Err(error) => {
                refused += 1;
                let line = 1 + line_ends(&trace[..place]).len();
                ends += usize::from(error.to_string().starts_with(&format!("line {line}: ")));
            }
        }
    }
    assert!(refused * 10 > trace.len() * 8, "{refused} of {}", trace.len());
    // What is noticed later than it was done, is noticed by what it leads to.
    assert!(ends * 10 > refused * 8, "{ends} of {refused}");
}

#[test]
fn a_decision_that_is_not_the_recorded_one_is_named_with_its_line() {
    let (trace, _) = story();
    let text = String::from_utf8(trace).unwrap();
    let wrong = text.replacen(
        "\"attempt\":1,\"token\":\"regenerate\"",
        "\"attempt\":9,\"token\":\"regenerate\"",
        1,
    );
    assert_ne!(wrong, text);
    let error = replay::verify(wrong.as_bytes()).unwrap_err().to_string();
    let line = 1 + wrong
        .lines()
        .position(|line| line.contains("\"attempt\":9,\"token\":\"regenerate\""))
        .unwrap();
    assert!(error.starts_with(&format!("line {line}: [")), "{error}");
    assert!(
        error.contains("attempt: 9") && error.contains("is now") && error.contains("attempt: 1"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_read_is_named_with_its_line_and_without_its_content() {
    let (trace, _) = story();
    let text = String::from_utf8(trace).unwrap();
    let (header, rest) = text.split_once('\n').unwrap();
    let newer = header.replace("\"redial_trace\":2", "\"redial_trace\":3");
    let unruly = header.replace("\"floor\":1000", "\"floor\":0");
    for (trace, wanted) in [
        (String::new(), NOT),
        ("sparrow\n".into(), NOT),
        ("{\"sparrow\":2}\n".into(), NOT),
        (
            format!("{newer}\n{rest}"),
            "line 1: written in version 3, and this release reads up to 2",
        ),
        (
            "{\"redial_trace\":99999999999,\"new\":1}\n".into(),
            "line 1: written in version 99999999999, and this release reads up to 2",
        ),
        ("{\"redial_trace\":0}\n".into(), NOT),
        (
            "{\"redial_trace\":2}\n".into(),
            "line 1: no policy and machine of this release, at column 18",
        ),
        (format!("{header}\nsparrow\n{rest}"), "line 2: not JSON, at column 1"),
        (format!("{header}\n\n{rest}"), "line 2: not JSON, at column 0"),
        (
            format!("{header}\n{{\"sparrow\":1}}\n{rest}"),
            "line 2: not an entry of a trace, at column 10",
        ),
        (
            format!("{header}\n{}\n", "x".repeat(replay::MAX_LINE + 1)),
            "line 2: longer than 65536 bytes",
        ),
    ] {
        assert_eq!(replay::verify(trace.as_bytes()).unwrap_err().to_string(), wanted);
    }
    let error = replay::verify(format!("{unruly}\n").as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("line 1: no policy and machine of this release"), "{error}");
    // More actions than there can be are not held.
    let many = format!(
        "{header}\n{{\"cx\":{{\"now\":1,\"entropy\":0}},\"event\":\"tick\",\"actions\":[{}]}}\n",
        ["{\"send_ping\":{\"conn\":1}}"; 9].join(",")
    );
    let error = replay::verify(many.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("line 2: not an entry of a trace"), "{error}");
}

#[test]
fn a_line_without_end_is_not_held_in_memory() {
    let mut endless = Endless(0);
    let error = replay::verify(std::io::BufReader::new(&mut endless)).unwrap_err();
    assert_eq!(error.to_string(), "line 1: longer than 65536 bytes");
    assert!(endless.0 < 4 * replay::MAX_LINE, "{}", endless.0);
}

#[test]
fn the_first_version_is_replayed_under_a_policy_that_is_named() {
    let (trace, machine) = story();
    let mut old = b"{\"redial_trace\":1}\n".to_vec();
    for line in trace.lines().skip(1) {
        let mut entry: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        entry.as_object_mut().unwrap().remove("actions");
        writeln(&mut old, &entry.to_string());
    }
    let error = replay::verify(old.as_slice()).unwrap_err();
    assert_eq!(error.to_string(), "line 1: version 1 holds no policy, so one must be named");
    let mut replay = Replay::under(old.as_slice(), LIVEPERSON).unwrap();
    while replay.turn().unwrap().is_some() {}
    assert_eq!(*replay.machine(), machine);
}

#[test]
fn a_session_that_was_restored_is_replayed_from_where_it_was() {
    let at = |millis: u64| Timestamp::from_millis(1_000_000 + millis);
    let mut machine = online_machine(&RESUMING);
    machine = machine.restore(&RESUMING, at(60_000));
    let mut trace = Vec::new();
    let mut writer = Writer::new(&mut trace, &RESUMING, &machine).unwrap();
    for (millis, event) in [(60_000, Event::Tick), (61_500, Event::Tick), (99_000, Event::Shutdown)]
    {
        let cx = Cx::new(at(millis), 7);
        let actions = machine.handle(&RESUMING, cx, event);
        writer.write(&Recorded { cx, event, actions }).unwrap();
    }
    assert_eq!(replay::verify(trace.as_slice()).unwrap().machine, machine);
    let test = to_test(Replay::new(trace.as_slice()).unwrap()).unwrap();
    assert!(test.contains("serde_json::from_str::<Machine>(r#\"{"), "{test}");
}

#[test]
fn a_machine_with_absurd_numbers_is_executed_and_explained_without_a_panic() {
    let mut seen = 0;
    for seed in 0..4 {
        let history = History::of_seed(seed);
        let mut machine = Machine::new();
        for (step, (cx, event)) in events_of(&history).into_iter().enumerate() {
            let before = machine;
            machine.handle(&history.policy, cx, event);
            if step % 5 > 0 {
                continue;
            }
            let saved = serde_json::to_value(before).unwrap();
            for place in 0..numbers(&saved) {
                for absurd in [0, 255, 65_535, u64::from(u32::MAX), u64::MAX] {
                    let mut saved = saved.clone();
                    set_number(&mut saved, &mut (place + 1), absurd);
                    let Ok(absurd) = serde_json::from_value::<Machine>(saved) else { continue };
                    explain_one(&history.policy, absurd, cx, event);
                    explain_one(&history.policy, absurd, cx, Event::Tick);
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 1_000, "{seen}");
}

/// Writes a trace of one step that is consistent, and does with it what can be done.
fn explain_one(policy: &Policy, mut machine: Machine, cx: Cx, event: Event) {
    let mut trace = Vec::new();
    let mut writer = Writer::new(&mut trace, policy, &machine).unwrap();
    let actions = machine.handle(policy, cx, event);
    writer.write(&Recorded { cx, event, actions }).unwrap();
    let mut replay = Replay::new(trace.as_slice()).unwrap();
    let turn = replay.turn().unwrap().unwrap();
    assert!(!explain(policy, cx.now, &turn).to_string().is_empty());
    assert!(to_test(Replay::new(trace.as_slice()).unwrap()).is_ok());
}

fn numbers(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Number(_) => 1,
        serde_json::Value::Array(values) => values.iter().map(numbers).sum(),
        serde_json::Value::Object(fields) => fields.values().map(numbers).sum(),
        _ => 0,
    }
}

/// Sets the number before which `left` counts to nothing.
fn set_number(value: &mut serde_json::Value, left: &mut usize, to: u64) {
    match value {
        serde_json::Value::Number(_) => {
            if *left == 1 {
                *value = to.into();
            }
            *left = left.saturating_sub(1);
        }
        serde_json::Value::Array(values) => {
            values.iter_mut().for_each(|value| set_number(value, left, to));
        }
        serde_json::Value::Object(fields) => {
            fields.values_mut().for_each(|value| set_number(value, left, to));
        }
        _ => {}
    }
}

/// The files hold what this release writes and says. Where that changes on purpose, the environment
/// variable `REDIAL_BLESS` writes them anew.
#[test]
fn the_story_its_words_and_its_test_are_those_of_the_files() {
    let (trace, _) = story();
    let mut words = String::new();
    let mut replay = Replay::new(trace.as_slice()).unwrap();
    let mut start = None;
    while let Some(turn) = replay.turn().unwrap() {
        let start = *start.get_or_insert(turn.cx.now);
        writeln!(words, "{}", explain(&LIVEPERSON, start, &turn)).unwrap();
    }
    let test = to_test(Replay::new(trace.as_slice()).unwrap()).unwrap();
    same("data/replay/story.trace", std::str::from_utf8(&trace).unwrap());
    same("data/replay/story.txt", &words);
    // It is a module of this binary, so it is compiled and run with it.
    same("it/printed.rs", &test);
}

#[test]
fn every_history_has_a_test_without_a_hole() {
    for seed in 0..50 {
        let history = History::of_seed(seed);
        let events = events_of(&history);
        let (trace, _) = record(&history.policy, &events);
        let test = to_test(Replay::new(trace.as_slice()).unwrap()).unwrap();
        assert!(!test.contains("compile_error"), "{test}");
        assert_eq!(test.matches("Cx::new").count(), events.len());
    }
}

#[test]
fn a_trace_that_is_too_long_for_a_test_is_refused_with_its_line() {
    let at = |_: u64| (Cx::new(Timestamp::from_millis(1), 0), Event::Tick);
    let (trace, _) = record(&LIVEPERSON, &(0..10_001).map(at).collect::<Vec<_>>());
    let error = to_test(Replay::new(trace.as_slice()).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "line 10002: more steps than the 10000 that a test may have");
}

/// A session that has some of everything: a login, a lost answer, a refused bearer, a Retry-After.
fn story() -> (Vec<u8>, Machine) {
    let (token, conn) = (TokenId::new, ConnId::new);
    let ready = |conn| Event::Ready { conn, continuity: Continuity::Fresh };
    let closed = |conn, cause| Event::Closed { conn, cause, retry_after: None };
    let got =
        |number| Event::TokenReady { token: token(number), expires_in: None, resumable: false };
    let too_many = Event::TokenFailed {
        token: token(2),
        cause: Cause::Http { step: 1, status: 429 },
        retry_after: Some(Span::from_secs(60)),
    };
    let events = [
        (0, Event::Connect),
        (400, got(1)),
        (401, Event::Dialing { conn: conn(1) }),
        (520, Event::Opened { conn: conn(1) }),
        (520, ready(conn(1))),
        (30_520, Event::Tick),
        (30_600, Event::Ack { conn: conn(1), evidence: Evidence::Probe }),
        (60_520, Event::Tick),
        (70_520, Event::Tick),
        (70_530, closed(conn(1), Cause::Network)),
        (80_520, Event::Tick),
        (80_521, Event::Dialing { conn: conn(2) }),
        (80_700, closed(conn(2), Cause::Handshake(401))),
        (90_700, Event::Tick),
        (91_000, too_many),
        (95_000, Event::Recover),
        (151_000, Event::Tick),
        (151_300, got(3)),
        (151_301, Event::Dialing { conn: conn(3) }),
        (151_400, Event::Opened { conn: conn(3) }),
        (151_400, ready(conn(3))),
        (160_000, closed(conn(3), Cause::Close(4401))),
        (160_001, Event::Shutdown),
    ];
    let begin = Timestamp::from_millis(1_700_000_000_000);
    let trace: Vec<_> = events
        .into_iter()
        .map(|(millis, event)| {
            (Cx::new(begin + Span::from_millis(millis), u64::from(millis) << 40), event)
        })
        .collect();
    record(&LIVEPERSON, &trace)
}

/// Whether the invariants hold is asked elsewhere: a trace is one all the same.
fn events_of(history: &History) -> Vec<(Cx, Event)> {
    history.play().map_or_else(|failed| failed.trace, |played| played.trace)
}

fn record(policy: &Policy, events: &[(Cx, Event)]) -> (Vec<u8>, Machine) {
    let mut machine = Machine::new();
    let mut trace = Vec::new();
    let mut writer = Writer::new(&mut trace, policy, &machine).unwrap();
    for (cx, event) in events.iter().copied() {
        let actions = machine.handle(policy, cx, event);
        writer.write(&Recorded { cx, event, actions }).unwrap();
    }
    (trace, machine)
}

fn online_machine(policy: &Policy) -> Machine {
    let mut machine = Machine::new();
    let (token, conn) = (TokenId::new(1), ConnId::new(1));
    for event in [
        Event::Connect,
        Event::TokenReady { token, expires_in: None, resumable: true },
        Event::Dialing { conn },
        Event::Opened { conn },
        Event::Ready { conn, continuity: Continuity::Fresh },
    ] {
        machine.handle(policy, Cx::new(Timestamp::from_millis(1_000_000), 0), event);
    }
    machine
}

fn same(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path);
    if std::env::var_os("REDIAL_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert_eq!(text, kept, "{}", path.display());
}

fn line_ends(bytes: &[u8]) -> Vec<usize> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect()
}

fn writeln(out: &mut Vec<u8>, line: &str) {
    out.extend(line.as_bytes());
    out.push(b'\n');
}

/// A file that is one line and never ends.
struct Endless(usize);

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        buf.fill(b'{');
        self.0 += buf.len();
        Ok(buf.len())
    }
}

const NOT: &str = "line 1: not a trace of the flight recorder";
const CUT: &str = "line 1: cut off, so there is nothing to execute again";
