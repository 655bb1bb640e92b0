//! The vendor's own client was recorded; ours sends the same, field by field.

use std::collections::BTreeSet;

use redial_core::http::{HttpRequest, NoAnswer};
use redial_core::{Cause, Continuity, Notice, Secret, Session, Span, TokenUse};
use redial_liveperson::{Builder, Credentials, LivePerson, Request};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Wire, World, parsed, password, response_of};

#[test]
fn every_recorded_close_has_the_recorded_sequence() {
    for (name, token) in [
        ("close-1000", TokenUse::Keep),
        ("close-1001", TokenUse::Keep),
        ("close-1005", TokenUse::Keep),
        ("close-1006", TokenUse::Keep),
        ("close-4410", TokenUse::Keep),
        ("close-4500", TokenUse::Keep),
        ("close-1011", TokenUse::Regenerate),
        ("close-4401", TokenUse::Regenerate),
        ("close-4401-csds-cache-expired", TokenUse::Regenerate),
        ("close-4407", TokenUse::Regenerate),
    ] {
        let mut replay = Replay::start(name, LivePerson::builder(ACCOUNT, password()));
        replay.run();
        let (delay, used, _) = replay.world.wait().expect(name);
        assert_eq!((delay, used), (Span::from_secs(10), token), "{name}");
        let online = Notice::Online { conn: replay.world.conn, continuity: Continuity::Fresh };
        assert!(replay.world.notices().contains(&online), "{name}");
        assert_eq!(replay.dials, 2, "{name}");
    }
}

#[test]
fn every_recorded_login_is_ours() {
    let bearer = Credentials::Bearer(Secret::new("static-bearer-token"));
    let oauth1 = Credentials::OAuth1 {
        username: "bot1".into(),
        app_key: "APPKEY".into(),
        secret: "APPSECRET".into(),
        access_token: "ACCTOKEN".into(),
        access_token_secret: "ACCTOKENSECRET".into(),
    };
    let assertion = Credentials::Saml { assertion: "BASE64-SAML-ASSERTION".into() };
    for (name, credentials, dials) in [
        ("normal", password(), 1),
        ("auth-oauth1", oauth1, 1),
        ("auth-assertion", assertion, 1),
        ("auth-token", bearer, 2),
    ] {
        let mut replay = Replay::start(name, LivePerson::builder(ACCOUNT, credentials));
        replay.run();
        assert_eq!(replay.dials, dials, "{name}");
    }
}

#[test]
fn the_recorded_refresh_is_ours() {
    // The recording has a shortened interval of 3 s.
    let builder = LivePerson::builder(ACCOUNT, password()).refresh(Some(Span::from_secs(3)));
    let mut replay = Replay::start("refresh-ok", builder);
    replay.run();
    assert_eq!(replay.dials, 1);
    assert_eq!(replay.refreshes, 2);
}

#[test]
fn every_recorded_failure_of_a_step_asks_for_a_new_token_after_ten_seconds() {
    for (name, cause) in [
        ("login-401", Cause::Http { step: 1, status: 401 }),
        ("login-429", Cause::Http { step: 1, status: 429 }),
        ("login-500", Cause::Http { step: 1, status: 500 }),
        ("login-no-userid", Cause::Http { step: 1, status: 200 }),
        ("csds-500", Cause::Http { step: 0, status: 500 }),
        ("csds-reset", Cause::Network),
        ("ws-handshake-401", Cause::Handshake(401)),
        ("ws-handshake-502", Cause::Handshake(502)),
    ] {
        let mut replay = Replay::start(name, LivePerson::builder(ACCOUNT, password()));
        replay.until_failure();
        let world = &mut replay.world;
        let wait = (Span::from_secs(10), TokenUse::Regenerate, cause);
        assert_eq!(world.wait(), Some(wait), "{name}");
        world.take_wire();
        let failed_at = world.now;
        world.run(9_999);
        assert_eq!(world.take_wire(), [], "{name}");
        world.run(1);
        world.settle();
        let wire = world.take_wire();
        assert!(matches!(&wire[0], (at, Wire::Http { .. }) if *at == failed_at + 10_000), "{name}");
        assert!(world.session.is_online(), "{name}");
    }
}

#[test]
fn every_recorded_request_is_ours() {
    let mut replay = Replay::start("all-requests", LivePerson::builder(ACCOUNT, password()));
    replay.until_open();
    let world = &mut replay.world;
    world.answers = false;
    let dialog = "d0000000-0000-4000-8000-000000000001";
    let typing = json!({ "type": "ChatStateEvent", "chatState": "COMPOSING" });
    let change = json!([{ "field": "ParticipantsChange", "type": "ADD", "role": "MANAGER" }]);
    let change = json!({ "conversationId": dialog, "conversationField": change });
    // The SDK puts the agent's id where the caller has the participant's.
    let pid = world.session.adapter().participant_id().expect("from the login").to_owned();
    let conversations = json!({ "agentIds": [pid], "convState": ["OPEN"] });
    let ours = [
        Request::get_clock(),
        Request::set_agent_state("ONLINE"),
        Request::subscribe_ex_conversations(conversations),
        Request::subscribe_agents_state(),
        Request::subscribe_routing_tasks(),
        Request::update_routing_task_subscription(json!({ "subscriptionId": "s" })),
        Request::unsubscribe_ex_conversations("s"),
        Request::get_user_profile("consumer-id"),
        Request::update_ring_state("r1", "ACCEPTED"),
        Request::update_conversation_field(change),
        Request::query_messages(dialog, 0),
        Request::agent_request_conversation(json!({ "consumerId": "c" })),
        Request::generate_url_for_upload_file(5020, "JPEG"),
        Request::generate_url_for_download_file("/x"),
        Request::publish_text(dialog, "hello")
            .with_metadata(json!([{ "type": "ExternalId", "id": "CARD" }])),
        Request::publish_event(dialog, typing),
        Request::generate_download_token(),
    ];
    let recorded = replay.lines.iter().filter(|line| {
        line["dir"] == "client" && line["channel"] == "ws" && line["frame"] == "text"
    });
    let recorded: Vec<Value> = recorded.map(|line| line["json"].clone()).collect();
    assert_eq!(recorded.len(), ours.len());
    for (request, mut recorded) in ours.into_iter().zip(recorded) {
        world.take_wire();
        world.send(request);
        let mut sent = world.take_texts().pop().expect("a frame");
        let id = sent["id"].take();
        assert_eq!(id.as_str().map(str::len), recorded["id"].take().as_str().map(str::len));
        // The one deliberate difference: the SDK sends `"headers": null`, we send nothing.
        if recorded["headers"].is_null() {
            recorded.as_object_mut().expect("an object").remove("headers");
        }
        assert_eq!(sent, recorded);
    }
}

/// A recording, played against a session.
struct Replay {
    lines: Vec<Value>,
    world: World,
    at: usize,
    dials: u32,
    refreshes: u32,
    /// When the recorded server ended the last connection, on our clock.
    lost_at: Option<u64>,
}

impl Replay {
    fn start(name: &str, builder: Builder) -> Self {
        let path = format!("{}/tests/data/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("a recording");
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let lines: Vec<Value> = lines.collect();
        let host = lines[0]["headers"]["host"].as_str().expect("a host");
        let adapter = builder.csds(host).plain(true).build().expect("a good configuration");
        let mut world = World::with(Session::new(adapter, 7));
        world.answers = false;
        world.input(redial_core::Input::Connect);
        Self { lines, world, at: 0, dials: 0, refreshes: 0, lost_at: None }
    }

    fn run(&mut self) {
        while self.at < self.lines.len() {
            self.step();
        }
        assert_eq!(self.world.take_wire(), [], "nothing that was not recorded");
    }

    fn until_open(&mut self) {
        while !self.world.session.is_online() {
            self.step();
        }
        self.world.take_wire();
    }

    fn until_failure(&mut self) {
        while self.world.wait().is_none() {
            self.step();
        }
    }

    fn step(&mut self) {
        let line = self.lines[self.at].clone();
        self.at += 1;
        let t = line["t_ms"].as_u64().expect("a time");
        let kind = (line["dir"].as_str(), line["channel"].as_str(), line["frame"].as_str());
        match kind {
            (Some("client"), Some("http"), _) if line["upgrade"].is_string() => self.dial(&line),
            (Some("client"), Some("http"), _) => self.exchange(&line),
            (Some("server"), Some("http"), _) => self.answer(&line, t),
            (Some("client"), Some("ws"), Some("text")) => {
                let Wire::Text(ours) = self.expect() else { panic!("{line} expected") };
                let mut ours = parsed(&ours);
                let mut theirs = line["json"].clone();
                let (id, their_id) = (ours["id"].take(), theirs["id"].take());
                assert_eq!(ours, theirs);
                // The recorded answer goes to our request.
                for line in &mut self.lines {
                    if line["json"]["reqId"] == their_id {
                        line["json"]["reqId"] = id.clone();
                    }
                }
            }
            (Some("server"), Some("ws"), Some("text")) => self.world.receive(&line["json"]),
            (Some("server"), Some("ws"), Some("close")) => {
                let code = line["code"].as_u64().unwrap_or(1005);
                self.lose(t, Cause::Close(u16::try_from(code).expect("a code")));
            }
            (Some("server"), Some("ws"), Some("tcp-drop")) => self.lose(t, Cause::Network),
            // The SDK's own pings, which `GetClock` makes unnecessary, and echoes.
            (_, Some("ws"), Some("ping" | "pong" | "close" | "eof")) => {}
            _ => panic!("{line}"),
        }
    }

    fn lose(&mut self, t: u64, cause: Cause) {
        assert!(self.world.now <= t);
        self.world.run_until(t);
        assert_eq!(self.world.take_wire(), [], "nothing that was not recorded");
        self.world.lose(cause);
        self.lost_at = Some(t);
    }

    /// Lets time pass until the session does something.
    fn expect(&mut self) -> Wire {
        while self.world.wire.is_empty() {
            let due = self.world.session.poll_timeout().expect("something to happen");
            self.world.run_until(due.as_millis());
        }
        let (at, wire) = self.world.wire.remove(0);
        if let Some(lost_at) = self.lost_at.take() {
            assert_eq!(at, lost_at + 10_000, "the delay, to the millisecond");
        }
        wire
    }

    fn dial(&mut self, line: &Value) {
        let Wire::Dial(url) = self.expect() else { panic!("{line} expected") };
        let host = line["headers"]["host"].as_str().expect("a host");
        assert_eq!(url, format!("ws://{host}{}", line["path"].as_str().expect("a path")));
        let (_, handshake) = self.world.dial.as_ref().expect("a dial");
        assert!(handshake.headers.is_empty() && handshake.subprotocols.is_empty());
        self.dials += 1;
    }

    fn exchange(&mut self, line: &Value) {
        let Wire::Http { method, url, .. } = self.expect() else { panic!("{line} expected") };
        let host = line["headers"]["host"].as_str().expect("a host");
        assert_eq!(method, line["method"]);
        assert_eq!(url, format!("http://{host}{}", line["path"].as_str().expect("a path")));
        let (_, request) = self.world.http.front().expect("an exchange").clone();
        let lookup = url.contains("baseURI.json");
        self.refreshes += u32::from(url.contains("/refresh"));
        assert_eq!(headers(&request, lookup), recorded_headers(line), "{line}");
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        assert_eq!(Some(&body), line.get("body").or(Some(&Value::Null)));
        if let Some(cookie) = line["headers"]["cookie"].as_str() {
            assert!(request.headers.contains(&("cookie", cookie.to_owned())));
        }
    }

    fn answer(&mut self, line: &Value, t: u64) {
        let Some(status) = line["status"].as_u64() else {
            self.world.no_answer(NoAnswer::Network);
            return;
        };
        let status = u16::try_from(status).expect("a status");
        if status == 101 {
            self.world.open();
            return;
        }
        if self.world.http.is_empty() {
            self.world.now = self.world.now.max(t.min(self.world.now));
            self.world.refuse(status, None);
            return;
        }
        let body = line.get("body").map(Value::to_string).unwrap_or_default();
        let mut answer = response_of(status, body);
        for (name, value) in line["headers"].as_object().expect("headers") {
            let value = value.as_str().expect("text").to_owned();
            answer.headers.push((name.to_lowercase(), value));
        }
        self.world.answer_with(answer);
    }
}

/// The names of our headers, without the one that the SDK does not send with a lookup.
fn headers(request: &HttpRequest, lookup: bool) -> BTreeSet<&str> {
    let names = request.headers.iter().map(|(name, _)| *name);
    names.filter(|name| !(lookup && *name == "user-agent")).collect()
}

/// The names of the recorded headers, without those that are the HTTP client's own.
fn recorded_headers(line: &Value) -> BTreeSet<&str> {
    let headers = line["headers"].as_object().expect("headers");
    let names = headers.keys().map(String::as_str);
    names.filter(|name| !["host", "connection", "content-length"].contains(name)).collect()
}
