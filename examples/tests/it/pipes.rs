//! Pipes that nobody reads, and pipes that are closed.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use redial_core::{Cx, Event, Machine, Recorded, Timestamp};
use redial_testkit::replay::Writer;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Sim, Tool, connect, scratch, signal, wait};

/// A process that is killed when dropped.
struct Piped(Child);

impl Piped {
    fn start(mut command: Command) -> (Self, BufReader<ChildStdout>) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        (Self(child), out)
    }

    fn code(&mut self) -> Option<i32> {
        wait(&mut self.0, Instant::now() + PATIENCE).code()
    }

    fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_until(out: &mut impl BufRead, kind: &str) -> Value {
    loop {
        let mut line = String::new();
        assert!(out.read_line(&mut line).unwrap() > 0, "ended before {kind}");
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["kind"] == kind {
            return line;
        }
    }
}

#[test]
fn a_closed_stdout_is_no_panic() {
    let sim = Sim::plain();
    let (mut client, mut out) = Piped::start(connect(&sim).into_command());
    read_until(&mut out, "online");
    drop(out);
    sim.control(json!({ "do": "notify", "n": 100, "body": {} }));
    sim.control(json!({ "do": "cut" }));
    signal(client.0.id(), "TERM");
    assert_eq!(client.code(), Some(0));
    assert_eq!(client.stderr(), "");
}

#[test]
fn a_closed_stderr_is_no_panic() {
    let sim = Sim::plain();
    let command = connect(&sim).env("REDIAL_LOG", "trace").into_command();
    let (mut client, mut out) = Piped::start(command);
    drop(client.0.stderr.take());
    read_until(&mut out, "online");
    signal(client.0.id(), "INT");
    assert_eq!(client.code(), Some(0));
}

#[test]
fn completions_into_a_closed_pipe_are_no_panic() {
    let tool = crate::support::Tool::new(["completions", "bash"]);
    let (mut child, out) = Piped::start(tool.into_command());
    drop(out);
    child.code();
    assert!(!child.stderr().contains("panicked"));
}

#[test]
fn a_session_whose_output_nobody_reads_still_ends_when_asked() {
    let sim = Sim::plain();
    let (mut client, mut out) = Piped::start(connect(&sim).into_command());
    read_until(&mut out, "online");
    // More than the pipe and the reader's buffer hold.
    let text = "x".repeat(10_000);
    sim.control(json!({ "do": "notify", "n": 100, "body": { "message": text } }));
    client.0.stdin.as_mut().unwrap().write_all(b"{\"cmd\":\"reconnect\"}\n").unwrap();
    let mut sim = sim;
    sim.expect_http("/brand/");
    sim.expect_http("/brand/");
    signal(client.0.id(), "TERM");
    assert_eq!(client.code(), Some(0));
}

#[test]
fn a_simulator_whose_output_nobody_reads_still_serves_and_ends_when_asked() {
    let command = crate::support::Tool::new(["serve", "liveperson"]).into_command();
    let (mut server, mut out) = Piped::start(command);
    let listening = read_until(&mut out, "listening");
    let host = listening["base"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    for _ in 0..400 {
        let mut tcp = std::net::TcpStream::connect(&host).unwrap();
        let path = "/api/account/1/service/baseURI.json?version=1.0";
        write!(tcp, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    signal(server.0.id(), "TERM");
    assert_eq!(server.code(), Some(0));
}

/// A pager, perhaps: what was asked for once is not thrown away while somebody looks at its start.
#[test]
fn a_reader_that_takes_its_time_gets_all_that_was_asked_for() {
    let trace = scratch("long.trace");
    std::fs::write(&trace, ticks(4_000)).unwrap();
    let replay = || Tool::new(["replay", "--explain"]).arg(&trace).into_command();
    let whole = replay().output().unwrap().stdout;
    assert!(whole.len() > 2 * PIPE, "{}", whole.len());
    let (mut tool, mut out) = Piped::start(replay());
    // Longer than the end waits for a reader of a session's lines.
    std::thread::sleep(Duration::from_millis(2_500));
    let mut read = Vec::new();
    out.read_to_end(&mut read).unwrap();
    assert_eq!(tool.code(), Some(0));
    assert!(read == whole, "{} of {} bytes", read.len(), whole.len());
}

#[test]
fn what_could_not_be_written_is_a_failure() {
    for args in [&["completions", "bash"][..], &["storm", "--clients", "5"]] {
        let mut command = Tool::new(args).into_command();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdin(Stdio::null()).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("redial: what was printed is not whole: "), "{stderr}");
    }
}

/// Writes a trace of a session that waits.
fn ticks(count: u64) -> Vec<u8> {
    let policy = redial_liveperson::POLICY;
    let mut machine = Machine::new();
    let mut trace = Vec::new();
    let mut writer = Writer::new(&mut trace, &policy, &machine).unwrap();
    for at in 0..count {
        let cx = Cx::new(Timestamp::from_millis(1_700_000_000_000 + at), 0);
        let actions = machine.handle(&policy, cx, Event::Tick);
        writer.write(&Recorded { cx, event: Event::Tick, actions }).unwrap();
    }
    trace
}

/// What a pipe holds without a reader, at most, where nobody has asked for more.
const PIPE: usize = 64 * 1024;
