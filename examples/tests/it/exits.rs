//! How the tool ends.

use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::support::{
    PASSWORD, Sim, Tool, connect, connect_bare, connect_with, online, publish, scratch,
};

const SLOW: &str = "floor = 50\n[backoff]\ngrowth = { fixed = 600000 }\n";

#[test]
fn interrupt_and_terminate_end_cleanly() {
    let mut sim = Sim::plain();
    for signal in ["INT", "TERM"] {
        let mut client = online(&sim);
        client.signal(signal);
        assert_eq!(client.expect("stopped")["reason"], "requested");
        assert_eq!(client.code(), 0);
        sim.process.until("the close frame", |line| {
            line["dir"] == "client" && line["frame"] == "close" && line["code"] == 1000
        });
    }
    assert_eq!(sim.state()["upgrades"], 2, "nothing reconnects");
}

#[test]
fn what_was_said_before_a_signal_has_its_fate() {
    let sim = Sim::plain();
    for round in 0..20 {
        let mut client = online(&sim);
        let names: Vec<_> = (0..5).map(|n| format!("{round}-{n}")).collect();
        for name in &names {
            client.say(&json!({ "send": publish(name), "id": name }));
        }
        client.signal(if round % 2 == 0 { "TERM" } else { "INT" });
        assert_eq!(client.code(), 0);
        let fates = client.seen().iter().filter(|line| line["kind"] == "fate");
        let told: Vec<_> = fates.map(|line| line["id"].as_str().unwrap()).collect();
        assert_eq!(told, names);
    }
}

#[test]
fn a_signal_that_comes_before_the_session_ends_it() {
    let sim = Sim::plain();
    let state = scratch("state.json");
    assert!(Command::new("mkfifo").arg(&state).status().unwrap().success());
    for signal in ["TERM", "INT"] {
        let mut client = connect(&sim).arg("--state").arg(&state).start();
        // It is there as soon as both sides have opened it.
        let saved = std::fs::File::options().write(true).open(&state).unwrap();
        client.signal(signal);
        drop(saved);
        assert_eq!(client.expect("stopped")["reason"], "requested");
        assert_eq!(client.code(), 0);
        std::fs::remove_file(&state).unwrap();
        assert!(Command::new("mkfifo").arg(&state).status().unwrap().success());
    }
    assert_eq!(sim.state()["live_sockets"], 0);
}

#[test]
fn an_interrupt_ends_a_wait() {
    let sim = Sim::plain();
    let mut client = connect_with(&sim, SLOW).start();
    client.expect("online");
    sim.control(json!({ "do": "cut" }));
    client.expect("retry_scheduled");
    let begun = Instant::now();
    client.signal("INT");
    assert_eq!(client.code(), 0);
    assert!(begun.elapsed().as_secs() < 5);
}

/// Stdin is read for a moment longer than the wait lasts, and nothing is dialled meanwhile.
#[test]
fn no_session_reconnects_once_a_signal_has_come() {
    let soon = "floor = 50\n[backoff]\ngrowth = { fixed = 80 }\n";
    let sim = Sim::plain();
    let quiet = (0..10).any(|_| {
        let mut client = connect_with(&sim, soon).start();
        client.expect("online");
        sim.control(json!({ "do": "cut" }));
        client.expect("retry_scheduled");
        client.signal("TERM");
        assert_eq!(client.code(), 0);
        // On a busy machine the signal may come after the wait.
        client.seen().iter().filter(|line| line["kind"] == "connecting").count() == 1
    });
    assert!(quiet, "each time there was another connection");
}

#[test]
fn an_interrupt_ends_a_login_that_hangs() {
    let mut sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "login", "hang": true }));
    let mut client = connect(&sim).start();
    sim.expect_http("/login");
    let begun = Instant::now();
    client.signal("TERM");
    assert_eq!(client.code(), 0);
    assert!(begun.elapsed().as_secs() < 5);
}

#[test]
fn an_interrupt_ends_an_upgrade_that_hangs() {
    let mut sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "upgrade", "hang": true }));
    let mut client = connect(&sim).start();
    sim.expect_http("/brand/");
    client.signal("INT");
    assert_eq!(client.code(), 0);
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let sim = Sim::plain();
    let policy = "[timeouts]\nclose = 600000\n";
    for second in ["INT", "TERM"] {
        let mut client = connect_with(&sim, policy).start();
        client.expect("online");
        sim.control(json!({ "do": "silent", "on": true }));
        client.signal("INT");
        // The session is lost to the application; the peer does not answer the close frame.
        client.expect("offline");
        client.signal(second);
        assert_eq!(client.code(), 130);
        sim.control(json!({ "do": "silent", "on": false }));
    }
}

#[test]
fn a_peer_that_does_not_answer_the_close_frame_is_not_waited_for_long() {
    let sim = Sim::plain();
    let mut client = connect_with(&sim, "[timeouts]\nclose = 500\n").start();
    client.expect("online");
    sim.control(json!({ "do": "silent", "on": true }));
    client.signal("INT");
    assert_eq!(client.code(), 0);
}

#[test]
fn a_policy_that_stops_gives_3() {
    let sim = Sim::plain();
    let policy = "rules = [{ when = { close = [4403, 4403] }, verdict = \"stop\" }]\n";
    let mut client = connect_with(&sim, policy).start();
    client.expect("online");
    sim.control(json!({ "do": "close", "code": 4403 }));
    let stopped = client.expect("stopped");
    assert_eq!(stopped["reason"], "policy");
    assert_eq!(stopped["cause"], json!({ "close": 4403 }));
    assert_eq!(client.code(), 3);
}

#[test]
fn too_many_rejected_tokens_give_3() {
    let sim = Sim::plain();
    sim.control(json!({ "do": "refuse", "step": "upgrade", "status": 401, "times": 9 }));
    let policy = "floor = 50\n[backoff]\ngrowth = { fixed = 100 }\n[token]\nrejections = 2\n";
    let mut client = connect_with(&sim, policy).start();
    let stopped = client.expect("stopped");
    assert_eq!(stopped["reason"], "token_rejected");
    assert_eq!(stopped["cause"], json!({ "handshake": 401 }));
    assert_eq!(client.code(), 3);
    assert!(!client.stderr().is_empty(), "the reason is on stderr");
}

#[test]
fn a_suspended_session_stays_until_it_is_asked_to_go() {
    let sim = Sim::plain();
    let policy = "rules = [{ when = { close = [4403, 4403] }, verdict = \"suspend\" }]\n";
    let mut client = connect_with(&sim, policy).start();
    client.expect("online");
    sim.control(json!({ "do": "close", "code": 4403 }));
    let suspended = client.expect("suspended");
    assert_eq!(suspended["reason"], "policy");
    assert_eq!(suspended["cause"], json!({ "close": 4403 }));
    client.signal("INT");
    assert_eq!(client.code(), 0);
}

#[test]
fn wrong_usage_gives_2() {
    let usages: [&[&str]; 13] = [
        &[],
        &["no-such"],
        &["connect"],
        &["connect", "no-such"],
        &["connect", "liveperson"],
        &["connect", "liveperson", "--account", "1"],
        &["connect", "liveperson", "--account", "1", "--username", "u"],
        &["connect", "liveperson", "--account", "1", "--password", "p"],
        &["connect", "liveperson", "--account", "1", "--username", "u", "--app-key", "k"],
        &["connect", "liveperson", "--account", "1", "--bearer", "b", "--speed", "0"],
        &["connect", "liveperson", "--account", "1", "--bearer", "b", "--assertion", "a"],
        &["serve", "liveperson", "--listen", "nowhere"],
        &["tour", "--sabotage", "no-such"],
    ];
    for usage in usages {
        let (code, stdout, stderr) = Tool::new(usage).finish();
        assert_eq!(code, Some(2), "{usage:?}: {stderr}");
        assert!(stdout.is_empty(), "{usage:?}: {stdout}");
        assert!(!stderr.is_empty(), "{usage:?}");
    }
}

#[test]
fn what_cannot_be_done_gives_1_and_the_reason() {
    let sim = Sim::plain();
    let missing = scratch("missing");
    let missing = missing.to_str().unwrap();
    let broken = scratch("broken");
    std::fs::write(&broken, "{").unwrap();
    let broken = broken.to_str().unwrap();
    for args in [
        ["--policy", missing],
        ["--policy", broken],
        ["--ca", missing],
        ["--ca", broken],
        ["--state", broken],
        ["--record", "/no-such-folder/record"],
        ["--csds", "not a host"],
        ["--proxy", "ftp://127.0.0.1:1"],
    ] {
        let tool = Tool::new(["connect", "liveperson", "--json", "--plain", "--account", "1"]);
        let tool = tool.args(["--username", "u"]).args(PASSWORD).args(args);
        let (code, stdout, stderr) = tool.finish();
        // A value that no run could use is wrong usage; a file may be there the next time.
        let wrong_usage = ["--csds", "--proxy"].contains(&args[0]);
        assert_eq!(code, Some(if wrong_usage { 2 } else { 1 }), "{args:?}: {stderr}");
        assert!(stdout.is_empty(), "{args:?}: {stdout}");
        assert!(stderr.starts_with("redial: "), "{args:?}: {stderr}");
    }
    let taken = sim.host();
    let (code, stdout, stderr) = Tool::new(["serve", "liveperson", "--listen", taken]).finish();
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.starts_with("redial: "), "{stderr}");
    for set in ["no_such_option=1", "no-value"] {
        let (code, ..) = Tool::new(["serve", "liveperson", "--set", set]).finish();
        assert_eq!(code, Some(2), "{set}");
    }
}

#[test]
fn missing_credentials_are_told_with_the_vendors_usage() {
    let (code, stdout, stderr) = Tool::new(["connect", "liveperson", "--account", "1"]).finish();
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("--bearer"), "{stderr}");
    assert!(stderr.contains("Usage: redial connect liveperson"), "{stderr}");
}

#[test]
fn help_and_version_give_0() {
    for args in [&["--help"][..], &["--version"], &["connect", "liveperson", "--help"]] {
        let (code, stdout, _) = Tool::new(args).finish();
        assert_eq!(code, Some(0));
        assert!(!stdout.is_empty());
    }
}

#[test]
fn a_policy_file_that_contradicts_itself_is_refused() {
    let sim = Sim::plain();
    let zero = scratch("zero.toml");
    std::fs::write(&zero, "floor = 0\n").unwrap();
    let tool = connect_bare(&sim).args(["--bearer", "b", "--policy"]).arg(zero);
    let (code, _, stderr) = tool.finish();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("zero"), "{stderr}");
}
