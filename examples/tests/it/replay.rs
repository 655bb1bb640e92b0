//! `redial connect --record` and `redial replay`, as processes.

use std::path::{Path, PathBuf};

use redial_core::{Cause, ConnId, Cx, Event, Machine, Recorded, Timestamp, TokenId};
use redial_testkit::Breach;
use redial_testkit::replay::Writer;
use redial_testkit::scenario::{Failed, History, Origin};
use redial_testkit::world::{Plan, WorldFailed};
use serde_json::{Value, json};

use crate::support::{FAST, Sim, Tool, connect, publish, scratch};

#[test]
fn a_recorded_session_is_decided_again_and_explained() {
    let trace = recorded(false);
    let text = std::fs::read_to_string(&trace).unwrap();
    // The password, the bearers and what was said are in none of it.
    for secret in ["only-for-tests", "sparrow", "earer", "127.0.0.1"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(header["redial_trace"], 2);
    assert_eq!(header["policy"]["backoff"]["growth"], json!({ "fixed": 300 }));

    let (code, stdout, stderr) = replay(&trace, &[]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let steps = text.lines().count() - 1;
    assert!(stdout.starts_with(&format!("{steps} steps in ")), "{stdout}");
    assert!(
        stdout.contains("every action as it was recorded\nthe session ends Stopped"),
        "{stdout}"
    );
    assert!(!stdout.contains("cut off"), "{stdout}");

    let (code, words, _) = replay(&trace, &["--explain"]);
    assert_eq!(code, Some(0));
    for part in [
        "for a close frame with code 4401, the rule \"close 4401\" says: try again with a new token",
        "waits 300 ms, until +",
        "before attempt 1: the backoff is always 300 ms; then it goes on with a new token",
        "asks for token 2: a server rejected the one there was",
        "for a failure of the network, ",
        "the server asks for 2 s: nothing starts before +",
        "; a server asked for nothing before +",
        "the wait is over, due at +",
    ] {
        assert!(words.contains(part), "no \"{part}\" in {words}");
    }

    let (code, lines, _) = replay(&trace, &["--explain", "--json"]);
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), steps + 1);
    assert!(lines.iter().all(|line| line["t_ms"].is_u64()), "{lines:?}");
    assert_eq!(
        (&lines[0]["kind"], &lines[0]["line"], &lines[0]["event"]),
        (&json!("step"), &json!(2), &json!("connect"))
    );
    assert_eq!(lines[0]["decisions"][0], "asks for token 1: there is none");
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["kind"], &last["steps"], &last["verified"], &last["cut"]),
        (&json!("replayed"), &json!(steps), &json!(true), &json!(false))
    );

    let (code, test, _) = replay(&trace, &["--to-test"]);
    assert_eq!(code, Some(0));
    assert!(test.contains("use redial_core::{Action, "), "{test}");
    assert_eq!(test.matches("(Cx::new(").count(), steps);
}

#[test]
fn the_trace_of_a_process_that_was_killed_is_replayed_up_to_its_last_whole_line() {
    let trace = recorded(true);
    let (code, stdout, stderr) = replay(&trace, &[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("the session ends Online"), "{stdout}");
    // As if it had been killed in the middle of a line.
    let text = std::fs::read_to_string(&trace).unwrap();
    let cut = scratch("cut.trace");
    std::fs::write(&cut, &text[..text.len() - 9]).unwrap();
    let (code, stdout, stderr) = replay(&cut, &[]);
    assert_eq!(code, Some(0), "{stderr}");
    let steps = text.lines().count() - 2;
    assert!(stdout.starts_with(&format!("{steps} steps in ")), "{stdout}");
    assert!(stdout.contains("the last line is cut off"), "{stdout}");
}

#[test]
fn a_trace_that_is_damaged_newer_or_none_is_an_error_with_its_line_and_status_1() {
    let text = std::fs::read_to_string(recorded(false)).unwrap();
    let (header, rest) = text.split_once('\n').unwrap();
    let lied = text.replacen("\"connecting\":{\"conn\":1", "\"connecting\":{\"conn\":7", 1);
    let lied = lied.replacen("\"connect\":{\"conn\":1", "\"connect\":{\"conn\":7", 1);
    assert_ne!(lied, text);
    let newer = header.replace("\"redial_trace\":2", "\"redial_trace\":40");
    for (content, wanted) in [
        (format!("{header}\nsparrow\n{rest}"), "line 2: not JSON, at column 1"),
        (
            format!("{newer}\n{rest}"),
            "line 1: written in version 40, and this release reads up to 2",
        ),
        (lied, "was recorded, and is now ["),
        (rest.to_owned(), "line 1: not a trace of the flight recorder"),
        (header[..100].to_owned(), "line 1: cut off, so there is nothing to execute again"),
        ("sparrow".to_owned(), "line 1: not a trace of the flight recorder"),
    ] {
        let path = scratch("bad.trace");
        std::fs::write(&path, &content).unwrap();
        for flags in [&[][..], &["--explain"], &["--to-test"], &["--json"]] {
            let (code, _, stderr) = replay(&path, flags);
            assert_eq!(code, Some(1), "{flags:?}");
            assert!(stderr.contains(wanted), "{wanted} is not in {stderr}");
            assert!(!stderr.contains("sparrow") && !stderr.contains("panicked"), "{stderr}");
        }
    }
    let (code, _, stderr) = replay(Path::new("/nowhere/at.all"), &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/nowhere/at.all"), "{stderr}");
}

#[test]
fn a_trace_of_version_1_needs_a_policy_and_is_not_compared() {
    let text = std::fs::read_to_string(recorded(false)).unwrap();
    let mut old = "{\"redial_trace\":1}\n".to_owned();
    for line in text.lines().skip(1) {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        entry.as_object_mut().unwrap().remove("actions");
        old += &format!("{entry}\n");
    }
    let path = scratch("old.trace");
    std::fs::write(&path, old).unwrap();
    let (code, _, stderr) = replay(&path, &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("version 1 holds no policy"), "{stderr}");
    let policy = scratch("policy.toml");
    std::fs::write(&policy, FAST).unwrap();
    let policy = ["--policy", policy.to_str().unwrap()];
    for flags in [&["--vendor", "liveperson"][..], &policy] {
        let (code, stdout, _) = replay(&path, flags);
        assert_eq!(code, Some(0));
        assert!(stdout.contains("nothing was compared"), "{stdout}");
    }
    // One that has its policy in it is not decided by another.
    std::fs::write(&path, text).unwrap();
    let (code, stdout, stderr) = replay(&path, &policy);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("--policy is for a trace of version 1"), "{stderr}");
}

#[test]
fn a_failure_of_a_simulation_is_a_trace_like_every_other_and_says_its_seed() {
    let policy = redial_liveperson::POLICY;
    let mut machine = Machine::new();
    let closed = Event::Closed { conn: ConnId::new(1), cause: Cause::Network, retry_after: None };
    let token = TokenId::new(1);
    let ready = Event::TokenReady { token, expires_in: None, resumable: false };
    let steps = [(0, Event::Connect), (250, ready), (300, closed)];
    let trace = steps.map(|(at, event)| {
        let cx = Cx::new(Timestamp::from_millis(1_700_000_000_000 + at), 0);
        Recorded { cx, event, actions: machine.handle(&policy, cx, event) }
    });
    let breach = Breach::new("no_tight_loop", "planted");
    let plan = Plan::new(&policy, 7);
    let failed = WorldFailed { plan, session: 3, at: 300, breach, trace: trace.into() };
    let path = failed.save(&scratch("world")).unwrap();

    let (code, words, stderr) = replay(&path, &["--explain"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for part in [
        "dials connection 1",
        "for a failure of the network, ",
        "3 steps in 0.3 s, ",
        "a simulation: seed 7 broke \"no_tight_loop\" in session 3 after 300 ms",
    ] {
        assert!(words.contains(part), "no \"{part}\" in {words}");
    }
    let (_, line, _) = replay(&path, &["--json"]);
    let line: Value = serde_json::from_str(line.lines().last().unwrap()).unwrap();
    let world = json!({ "seed": 7, "session": 3, "at_ms": 300, "invariant": "no_tight_loop" });
    assert_eq!((&line["world"], &line["verified"]), (&world, &json!(true)));
    let (code, test, _) = replay(&path, &["--to-test"]);
    assert_eq!((code, test.matches("(Cx::new(").count()), (Some(0), 3));
}

#[test]
fn the_names_of_the_vendor_stand_in_the_words_where_it_is_told() {
    let policy = redial_liveperson::POLICY;
    let mut machine = Machine::new();
    let mut trace = Vec::new();
    let mut writer = Writer::new(&mut trace, &policy, &machine).unwrap();
    let cause = Cause::Http { step: 1, status: 429 };
    let failed = Event::TokenFailed { token: TokenId::new(1), cause, retry_after: None };
    for (at, event) in [(0, Event::Connect), (250, failed)] {
        let cx = Cx::new(Timestamp::from_millis(1_700_000_000_000 + at), 0);
        let actions = machine.handle(&policy, cx, event);
        writer.write(&Recorded { cx, event, actions }).unwrap();
    }
    let path = scratch("named.trace");
    std::fs::write(&path, &trace).unwrap();
    for (flags, words) in [
        (&["--explain"][..], "status 429 in answer to the adapter's HTTP step 1"),
        (&["--explain", "--vendor", "liveperson"], "status 429 in answer to the step \"login\""),
    ] {
        let (code, stdout, _) = replay(&path, flags);
        assert_eq!(code, Some(0));
        assert!(stdout.contains(words), "no {words} in {stdout}");
    }
    let flags = ["--explain", "--vendor", "liveperson", "--profile", "v2"];
    assert_eq!(replay(&path, &flags).0, Some(2));
}

#[test]
fn a_session_that_goes_on_from_a_saved_one_says_so() {
    let policy = redial_liveperson::POLICY;
    let at = |millis: u64| Cx::new(Timestamp::from_millis(1_700_000_000_000 + millis), 0);
    let mut machine = Machine::new();
    machine.handle(&policy, at(0), Event::Connect);
    let throttled = Event::Throttled { within: redial_core::Span::from_secs(60) };
    machine.handle(&policy, at(0), throttled);
    machine = machine.restore(&policy, Timestamp::from_millis(1_700_000_001_000));
    let mut trace = Vec::new();
    let mut writer = Writer::new(&mut trace, &policy, &machine).unwrap();
    let (cx, event) = (at(1_000), Event::Connect);
    let actions = machine.handle(&policy, cx, event);
    writer.write(&Recorded { cx, event, actions }).unwrap();
    let path = scratch("saved.trace");
    std::fs::write(&path, &trace).unwrap();
    let (_, stdout, _) = replay(&path, &["--explain"]);
    let first = "goes on from a saved session that is Waiting, with a deadline at +59 s\n";
    assert!(stdout.starts_with(first), "{stdout}");
    let (_, stdout, _) = replay(&path, &["--json"]);
    let last: Value = serde_json::from_str(stdout.trim_end()).unwrap();
    assert_eq!(last["begins"], "Waiting");
}

#[test]
fn what_cannot_be_read_says_why() {
    let (code, stdout, stderr) = replay(&std::env::temp_dir(), &[]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("line 1: cannot be read: Is a directory"), "{stderr}");
}

#[test]
fn a_failure_of_a_history_is_a_trace_too_and_says_its_seed() {
    let history = History::of_seed(7);
    let trace = history.play().expect("every law holds").trace;
    let (steps, policy) = (trace.len(), history.policy);
    let origin =
        Origin { seed: history.seed, bytes: history.bytes, invariant: "no_tight_loop".to_owned() };
    let breach = Breach::new("no_tight_loop", "planted");
    let failed = Failed { breach, trace, policy, origin: Some(origin) };
    let path = failed.save(&scratch("history")).unwrap();
    assert!(path.ends_with("history-seed-7-no_tight_loop.trace"), "{path:?}");

    let (code, words, stderr) = replay(&path, &["--explain"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for part in [&format!("{steps} steps in "), "a history: seed 7 broke \"no_tight_loop\""] {
        assert!(words.contains(part), "no \"{part}\" in {words}");
    }
    let (_, line, _) = replay(&path, &["--json"]);
    let line: Value = serde_json::from_str(line.lines().last().unwrap()).unwrap();
    let history = json!({ "seed": 7, "invariant": "no_tight_loop" });
    assert_eq!((&line["history"], &line["verified"]), (&history, &json!(true)));
}

/// Records a session with a refused bearer, a cut and a Retry-After; returns its trace.
fn recorded(kill: bool) -> PathBuf {
    let sim = Sim::plain();
    let trace = scratch("session.trace");
    let mut client = connect(&sim).arg("--record").arg(&trace).start();
    client.expect("online");
    client.say(&json!({ "request": publish("sparrow"), "id": "q1" }));
    client.expect("response");
    sim.control(json!({ "do": "close", "code": 4401 }));
    client.expect("offline");
    client.expect("online");
    let refuse = json!({ "do": "refuse", "step": "upgrade", "status": 503, "retry_after": "2" });
    sim.control(refuse);
    sim.control(json!({ "do": "cut" }));
    client.expect("offline");
    client.expect("online");
    if kill {
        client.signal("KILL");
        client.status();
    } else {
        client.shut_down();
    }
    trace
}

fn replay(trace: &Path, flags: &[&str]) -> (Option<i32>, String, String) {
    Tool::new(["replay"]).arg(trace).args(flags).finish()
}
