//! The vendor's own SDKs were recorded against a platform; ours, told the same, says the same.
//!
//! Times are not compared: each version of the SDK has waits of its own, and these are the seed's.

use redial_core::{Cause, Input};
use redial_vonage::{Builder, Callback, RECONNECTION_FAILED};
use serde_json::{Value, json};

use crate::support::{V1, V2, Wire, World, builder, parse};

/// The scenarios in which everything that the SDK does is right.
const AS_THE_SDK: [&str; 15] = [
    "login",
    "cut-resume",
    "cut-fail-connect",
    "fail-connect-fails",
    "seed-backoff",
    "token-expired",
    "update-live",
    "update-while-reconnecting",
    "connect-during-backoff",
    "late-resume-new",
    "half-open",
    "keepalive",
    "close-codes",
    "http-503",
    "hang",
];

/// Here the SDK says `reconnect` as soon as the engine is open, and goes on with a dead token or a
/// dead session: its bytes are ours, its callbacks are not.
const FRAMES_ONLY: [&str; 3] = ["login-bad", "cut-with-expired-token", "late-resume"];

#[test]
fn every_byte_of_nexmo_client_8_7_3_is_ours() {
    for name in AS_THE_SDK.iter().chain(&FRAMES_ONLY) {
        replay("nexmo-client-8.7.3", name);
    }
}

#[test]
fn every_byte_of_nexmo_client_9_5_1_is_ours() {
    for name in AS_THE_SDK.iter().chain(&FRAMES_ONLY) {
        replay("nexmo-client-9.5.1", name);
    }
}

/// It goes on asking for a session that the platform has replaced; ours asks for the new one, as
/// `nexmo-client` does.
#[test]
fn every_frame_of_client_sdk_2_3_1_is_ours() {
    for name in ["login", "cut-resume", "update-live"] {
        replay("client-sdk-2.3.1", name);
    }
}

fn replay(sdk: &str, scenario: &str) {
    let name = format!("{sdk}-{scenario}");
    let mut tape = Tape::new(&name);
    let path = format!("{}/tests/data/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path)
        .expect(&path)
        .replace("{{JWT_", "JWT_")
        .replace("}}\"", "\"");
    let text = text.replace("}}&", "&").replace("}}\\\"", "\\\"");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (at, line) in lines.iter().enumerate() {
        tape.take(line, &lines[at..]);
    }
    assert!(tape.compared > 1, "{name}: nothing was compared");
    assert_eq!(tape.unread(), [""; 0], "{name}: more than the SDK has sent");
    if AS_THE_SDK.contains(&scenario) && !sdk.starts_with("client-sdk") {
        assert_eq!(tape.ours, tape.theirs, "{name}");
    }
}

/// A recording that is played, and what ours does meanwhile.
struct Tape {
    name: String,
    world: World,
    /// How much of the wire has been compared.
    read: usize,
    compared: usize,
    /// The recorded `tid` of each of our requests, and ours.
    tids: Vec<(String, String)>,
    frozen: bool,
    ours: Vec<String>,
    theirs: Vec<String>,
}

impl Tape {
    fn new(name: &str) -> Self {
        let generation = if name.contains("8.7.3") { V1 } else { V2 };
        Self {
            name: name.to_owned(),
            world: World::new(generation, as_recorded(builder(generation), name)),
            read: 0,
            compared: 0,
            tids: Vec::new(),
            frozen: false,
            ours: Vec::new(),
            theirs: Vec::new(),
        }
    }

    fn take(&mut self, line: &Value, rest: &[Value]) {
        let text = |key: &str| line[key].as_str().unwrap_or_default();
        match (text("channel"), text("dir"), text("event")) {
            ("sdk", ..) => self.take_sdk(line, rest),
            ("ws", "client", "upgrade") => self.take_upgrade(text("url")),
            ("ws", "server", "open") => {
                let (conn, _) = self.world.dial.take().expect("a dial");
                self.world.input(Input::Dialing { conn });
                self.world.input(Input::Opened { conn });
            }
            ("ws", "server", "refused" | "hang") => {
                let status = line["status"].as_u64().and_then(|status| u16::try_from(status).ok());
                let cause = status.map_or(Cause::Network, Cause::Handshake);
                if self.world.dial.is_some() {
                    self.world.fail_dial(cause);
                }
            }
            ("ws", "server", "frame") => {
                let mut data = text("data").to_owned();
                for (theirs, ours) in &self.tids {
                    data = data.replace(theirs.as_str(), ours);
                }
                self.world.text(&data);
            }
            ("ws", "client", "frame") => self.take_frame(text("data")),
            ("ws", "server", "frozen") => self.frozen = true,
            ("ws", "server", "tcp-cut") => self.lose(Cause::Network),
            ("ws", _, "close") => {
                let code = line["code"].as_u64().and_then(|code| u16::try_from(code).ok());
                self.lose(Cause::Close(code.unwrap_or(1006)));
            }
            ("http", "client", _) if text("method") == "PUT" => {
                let (url, bearer) = (text("url"), &line["headers"]["authorization"]);
                let wire = self.next();
                let Wire::Http { method: "PUT", url: ours, .. } = &wire else {
                    panic!("{}: {wire:?} instead of {url}", self.name);
                };
                let token = wire.header("authorization").expect("a credential");
                assert_eq!(ours.strip_prefix("http://127.0.0.1:4433"), Some(url), "{}", self.name);
                assert_eq!(
                    token.to_ascii_lowercase(),
                    bearer.as_str().expect("a bearer").to_ascii_lowercase()
                );
            }
            ("http", "server", _) if !self.world.http.is_empty() => {
                let status = line["status"].as_u64().and_then(|status| u16::try_from(status).ok());
                self.world.answer(status.expect("a status"), &json!({}));
            }
            _ => {}
        }
    }

    fn take_sdk(&mut self, line: &Value, rest: &[Value]) {
        match line["call"].as_str() {
            Some("login" | "createSession") => {
                let token = next_token(rest).expect("a token");
                self.world.input(Input::OfferToken(token.as_str().into()));
                self.world.input(Input::Connect);
            }
            Some("updateToken" | "refreshSession") => {
                let token = next_token(rest).expect("a token");
                self.world.run(10);
                self.world.offer(&token);
            }
            Some("connect") => {
                self.world.run(10);
                self.world.input(Input::Connect);
            }
            Some("logout" | "deleteSession" | "disconnect") => self.world.input(Input::Shutdown),
            _ => {}
        }
        let args = &line["args"][0];
        match line["event"].as_str() {
            Some("disconnect") => {
                let reason = match args.as_str() {
                    Some("TokenExpired") => "TOKEN_EXPIRED",
                    Some("ConnectionError") => "CONNECTION_FAILED",
                    _ => "CLIENT_DISCONNECTED",
                };
                self.theirs.push(format!("disconnect {reason}"));
            }
            Some("reconnecting") => self.theirs.push(format!("reconnecting {args}")),
            Some("reconnect") => self.theirs.push("reconnect".to_owned()),
            Some("error") if args["type"] == RECONNECTION_FAILED => {
                self.theirs.push(RECONNECTION_FAILED.to_owned());
            }
            _ => {}
        }
        self.hear();
    }

    fn take_upgrade(&mut self, url: &str) {
        for _ in 0..10 {
            if self.world.dial.is_some() {
                break;
            }
            let due = self.world.due().unwrap_or_else(|| panic!("{}: no wait", self.name));
            self.world.run_until(due);
        }
        let wire = self.next();
        self.frozen = false;
        let Wire::Dial(ours) = wire else { panic!("{}: {wire:?} instead of {url}", self.name) };
        let ours = ours.strip_prefix("ws://127.0.0.1:4433").expect("the base");
        if self.name.starts_with("client-sdk") {
            // Other names for itself, and another order.
            let own = |part: &&str| !part.starts_with("SDK_") && !part.starts_with("OS_");
            let parts = |url: &str| -> std::collections::BTreeSet<String> {
                url.split(['?', '&']).filter(own).map(str::to_owned).collect()
            };
            assert_eq!(parts(ours), parts(url), "{}", self.name);
        } else {
            assert_eq!(ours, url, "{}", self.name);
        }
    }

    fn take_frame(&mut self, theirs: &str) {
        // Heartbeats of ours are due at their own time.
        if theirs == "2" && self.peek().is_none() {
            let due = self.world.due().expect("a probe");
            self.world.run_until(due);
        }
        let wire = self.next();
        let Wire::Text(ours) = wire else { panic!("{}: {wire:?} instead of {theirs}", self.name) };
        match (parse(&ours), parse(theirs)) {
            (Some((name, mut ours)), Some((event, mut theirs))) => {
                assert_eq!(name, event, "{}", self.name);
                let [ours_tid, theirs_tid] = [&mut ours, &mut theirs]
                    .map(|payload| payload["tid"].take().as_str().expect("a tid").to_owned());
                assert_eq!(ours_tid.len(), theirs_tid.len());
                self.tids.push((theirs_tid, ours_tid));
                assert_eq!(ours, theirs, "{}", self.name);
            }
            _ => assert_eq!(ours, theirs, "{}", self.name),
        }
    }

    fn lose(&mut self, cause: Cause) {
        if self.world.session.machine().live_conn().is_some() && self.world.dial.is_none() {
            self.world.lose(cause);
        }
    }

    /// Lets time pass until ours has said as much as theirs, where a deadline must make it say so.
    fn hear(&mut self) {
        for _ in 0..8 {
            for (_, callback) in self.world.take_callbacks() {
                self.ours.extend(word(callback));
            }
            let silent = self.ours.len() < self.theirs.len() && self.frozen;
            let Some(due) = self.world.due().filter(|_| silent) else { return };
            self.world.run_until(due);
        }
    }

    /// Returns the next thing that ours has done and that the SDK does too.
    fn next(&mut self) -> Wire {
        self.hear();
        let found = self.peek();
        let Some((at, wire)) = found else { panic!("{}: nothing more from ours", self.name) };
        self.read = at + 1;
        self.compared += 1;
        wire
    }

    fn peek(&self) -> Option<(usize, Wire)> {
        let wire = self.world.wire.iter().enumerate().skip(self.read);
        wire.map(|(at, (_, wire))| (at, wire.clone())).find(|(_, wire)| match wire {
            Wire::Dial(_) | Wire::Http { .. } => true,
            // Into a socket that is dead nothing was recorded.
            Wire::Text(text) if self.frozen && text == "2" => false,
            // 8.7.3 acknowledges nothing; the platform that asks for it gets it from us.
            Wire::Text(text) => !(text.starts_with("43") && self.name.contains("8.7.3")),
            Wire::Binary(_) | Wire::Ping | Wire::Pong => false,
            Wire::Close(..) | Wire::Drop(_) | Wire::Abort => false,
        })
    }

    fn unread(&self) -> Vec<String> {
        self.peek().map(|(_, wire)| format!("{wire:?}")).into_iter().collect()
    }
}

fn as_recorded(builder: Builder, name: &str) -> Builder {
    let builder = builder.attempts(5);
    if name.contains("8.7.3") {
        builder.client("8.7.3", "js", "Generic JS navigator")
    } else if name.contains("9.5.1") {
        builder.client("9.5.1", "js", "Generic JS navigator")
    } else {
        builder.session_version("0.0.3")
    }
}

/// Returns the first token in the lines that follow.
fn next_token(rest: &[Value]) -> Option<String> {
    let sent = |line: &&Value| line["dir"] == "client" && line["channel"] != "sdk";
    rest.iter().filter(sent).find_map(|line| {
        let text = line.to_string();
        let from = text.find("JWT_")?;
        let token = text[from..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_');
        Some(token.collect())
    })
}

fn word(callback: Callback) -> Option<String> {
    Some(match callback {
        Callback::Disconnect { reason } => format!("disconnect {}", reason.as_str()),
        Callback::Reconnecting { retry_count } => format!("reconnecting {retry_count}"),
        Callback::Reconnect => "reconnect".to_owned(),
        Callback::Error { kind } => kind.to_owned(),
        _ => return None,
    })
}
