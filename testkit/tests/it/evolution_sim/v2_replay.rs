//! Recordings of the vendor's own Socket.IO server and of the reference server, played against the
//! simulator.
//!
//! What a client sent is sent again; events and ends that the recorded server had on its own are
//! asked of the fault script; and every answer must be the recorded one, apart from ids and times.
//! Two lines are left out, in which polling succeeds: the simulator speaks WebSocket only.

use std::collections::{HashMap, HashSet};

use redial_testkit::servers::evolution::EvolutionSim;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{
    Answer, ENGINE, KEY, SOON, Ws, call, event, join, next, open_with, say, status, text, v2_sim,
};

/// The vendor's recording lasts a minute because of its heartbeat; here it is so much shorter.
const SPEED: u64 = 20;

#[tokio::test]
async fn the_vendors_recording_is_answered_as_it_was() {
    let lines = include_str!("../../data/evolution/v2.3.6-probe.jsonl");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sim = v2_sim().await;
    sim.set("adopt", true).await.unwrap();
    sim.set("api_key", KEY).await.unwrap();
    let mut player =
        Player { sim, sockets: HashMap::new(), emitted: HashSet::new(), left_out: 0, played: 0 };
    for line in &lines {
        timeout(SOON, player.play(line)).await.unwrap_or_else(|_| panic!("hangs: {line}"));
    }
    assert_eq!((player.played, player.left_out), (48, 2));
}

struct Player {
    sim: EvolutionSim,
    sockets: HashMap<String, Ws>,
    emitted: HashSet<String>,
    left_out: usize,
    played: usize,
}

impl Player {
    async fn play(&mut self, line: &Value) {
        let field = |name: &str| line[name].as_str().unwrap_or_default();
        let case = field("case");
        match (field("dir"), field("channel")) {
            ("server", "http") if field("raw").starts_with("HTTP/1.1 200") => {
                self.left_out += 1;
                return;
            }
            ("server", "http") => self.raw(case, field("raw")).await,
            ("client", "socket.io") => self.client(case, line).await,
            ("server", "socket.io") => self.event(case, &line["name"], &line["args"]).await,
            ("client", "ws") => say(self.socket(case), field("text")).await,
            ("server", "ws") if line["frame"] == "close" => self.closed(case).await,
            ("server", "ws") => self.text(case, field("text")).await,
            other => panic!("{other:?}"),
        }
        self.played += 1;
    }

    /// Asks as the name of the case says; the answer is the recorded one.
    async fn raw(&mut self, case: &str, raw: &str) {
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        let answer = match case {
            "raw-polling-no-key" | "raw-polling-allow-star" => self.ask("polling", None).await,
            "raw-polling-bad-key" => self.ask("polling", Some("bad")).await,
            "raw-ws-no-key" => self.ask("websocket", None).await,
            "raw-ws-header-key" => self.ask("websocket", Some(KEY)).await,
            other => panic!("{other}"),
        };
        let code = head.split(' ').nth(1).unwrap();
        assert_eq!(answer.status.to_string(), code, "{case}");
        let recorded = |name: &str| {
            let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
            pairs.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        for name in ["content-type", "connection", "upgrade"] {
            // Whether a refusal of polling ends the connection is between the two ends of it.
            if !case.contains("polling") || name == "content-type" {
                let got = answer.header(name).map(str::to_lowercase);
                assert_eq!(got, recorded(name).map(str::to_lowercase), "{case}: {name}");
            }
        }
        match recorded("transfer-encoding") {
            // One chunk.
            Some(_) => {
                let body = body.lines().nth(1).unwrap();
                assert_eq!(answer.json(), serde_json::from_str::<Value>(body).unwrap(), "{case}");
            }
            None if code == "101" => {
                assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
                self.open(case, 1).await;
            }
            None => assert_eq!(answer.body, body.as_bytes(), "{case}"),
        }
    }

    async fn ask(&self, transport: &str, key: Option<&str>) -> Answer {
        let target = format!("/socket.io/?EIO=4&transport={transport}");
        let mut headers = vec![];
        if transport == "websocket" {
            headers.extend([
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ]);
        }
        headers.extend(key.map(|key| ("apikey", key)));
        call(&self.sim, "GET", &target, &headers, b"").await.unwrap()
    }

    /// What the official client told its application.
    async fn client(&mut self, case: &str, line: &Value) {
        match line["ev"].as_str().unwrap() {
            "connect_error" if line["message"] == "Invalid namespace" => {
                self.open(case, 1).await;
                let refused = "44/inst1,{\"message\":\"Invalid namespace\"}";
                assert_eq!(join(self.socket(case), "/inst1").await, refused);
            }
            "connect_error" if line["message"] == "xhr poll error" => {
                let answer = self.ask("polling", None).await;
                assert_eq!(json!(answer.status), line["description"]);
                let body: Value = serde_json::from_str(line["body"].as_str().unwrap()).unwrap();
                assert_eq!(answer.json(), body);
            }
            "connect_error" => {
                let refused = status(open_with(&self.sim, ENGINE, &[]).await);
                assert_eq!(line["description"], format!("Unexpected server response: {refused}"));
            }
            "connect" => {
                if case == "ns-after-first-event" {
                    self.sim.emit("inst1", "messages.upsert", json!({})).await;
                }
                self.open(case, 1).await;
                let nsp = line["nsp"].as_str().unwrap();
                let prefix = if nsp == "/" { "40{\"sid\":".into() } else { format!("40{nsp},{{") };
                assert!(join(self.socket(case), nsp).await.starts_with(&prefix), "{case}");
            }
            "disconnect" if line["reason"] == "io client disconnect" => {
                let mut ws = self.sockets.remove(case).unwrap();
                say(&mut ws, "41").await;
                ws.close(None).await.unwrap();
                assert!(matches!(next(&mut ws).await, Ok(Message::Close(None))));
            }
            "disconnect" => self.closed(case).await,
            other => panic!("{other}"),
        }
    }

    /// Opens a connection whose heartbeat is so many times faster.
    async fn open(&mut self, case: &str, speed: u64) {
        for (key, ms) in
            [("ping_interval_ms", 25_000), ("ping_timeout_ms", 20_000), ("join_timeout_ms", 45_000)]
        {
            self.sim.set(key, ms / speed).await.unwrap();
        }
        let target = format!("{ENGINE}&apikey={KEY}");
        let header = case.contains("header");
        let (target, key) = if header { (ENGINE, Some(KEY)) } else { (target.as_str(), None) };
        let headers: Vec<_> = key.map(|key| ("apikey", key)).into_iter().collect();
        let mut ws = open_with(&self.sim, target, &headers).await.unwrap();
        let open: Value = serde_json::from_str(&text(&mut ws).await[1..]).unwrap();
        let recorded = json!({
            "sid": open["sid"], "upgrades": [], "pingInterval": 25_000 / speed,
            "pingTimeout": 20_000 / speed, "maxPayload": 1_000_000,
        });
        assert_eq!(open, recorded, "{case}");
        self.sockets.insert(case.to_owned(), ws);
    }

    /// Emits what has not been emitted; the first who got it tells whether it went everywhere.
    async fn event(&mut self, case: &str, name: &Value, args: &Value) {
        let (name, recorded) = (name.as_str().unwrap(), &args[0]);
        if self.emitted.insert(format!("{name} {}", recorded["data"])) {
            self.sim.set("global", case == "root-ns").await.unwrap();
            let instance = recorded["instance"].as_str().unwrap();
            assert!(self.sim.emit(instance, name, recorded["data"].clone()).await);
        }
        let (nsp, got, message) = event(self.socket(case)).await;
        assert_eq!(nsp, if case == "root-ns" { "/" } else { "/inst1" });
        assert_eq!(got, name);
        same(&message, recorded);
    }

    async fn text(&mut self, case: &str, recorded: &str) {
        match recorded {
            _ if recorded.starts_with("0{") => {
                self.open(case, SPEED).await;
            }
            "2" => assert_eq!(next(self.socket(case)).await.unwrap(), Message::text("2")),
            _ if recorded.starts_with("42") => {
                let (_, json) = recorded.split_once(',').unwrap();
                let packet: Value = serde_json::from_str(json).unwrap();
                let (nsp, name, message) = event(self.socket(case)).await;
                assert_eq!((nsp.as_str(), json!(name)), ("/inst1", packet[0].clone()));
                same(&message, &packet[1]);
            }
            _ => {
                if case == "no-pong" {
                    say(self.socket(case), "40").await;
                }
                let got = text(self.socket(case)).await;
                let sid = got.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next());
                let got = got.replace(sid.unwrap_or("SID"), "SID");
                // The recording cuts some of its lines short.
                let recorded = if case == "no-pong" { "40{\"sid\":\"" } else { recorded };
                assert!(got == recorded || case == "no-pong" && got.starts_with(recorded), "{got}");
            }
        }
    }

    async fn closed(&mut self, case: &str) {
        if !matches!(case, "no-pong" | "no-join") {
            self.sim.close(1005, "").await;
        }
        let mut ws = self.sockets.remove(case).unwrap();
        loop {
            match next(&mut ws).await.unwrap() {
                Message::Text(ping) if ping == "2" => {}
                other => break assert_eq!(other, Message::Close(None), "{case}"),
            }
        }
    }

    fn socket(&mut self, case: &str) -> &mut Ws {
        self.sockets.get_mut(case).unwrap_or_else(|| panic!("{case} is not open"))
    }
}

/// Compares two envelopes: where and when they were made is their own.
fn same(got: &Value, recorded: &Value) {
    let fields = |value: &Value| -> Vec<_> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(fields(got), fields(recorded));
    for field in ["event", "instance", "data", "apikey"] {
        assert_eq!(got[field], recorded[field], "{field}");
    }
    for field in ["server_url", "date_time", "sender"] {
        assert!(got[field].is_string() && recorded[field].is_string(), "{field}");
    }
}

#[tokio::test]
async fn the_reference_servers_refusals_and_ends_are_the_same() {
    let lines = include_str!("../../data/evolution/socketio-4.8.4-raw.jsonl");
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    // What follows are servers of another generation.
    let lines = lines.take_while(|line| {
        !line["text"].as_str().is_some_and(|note| note.starts_with("v4 server with allowEIO3"))
    });
    let sim = v2_sim().await;
    sim.set("key_required", false).await.unwrap();
    for (key, value) in [
        ("ping_interval_ms", 1000),
        ("ping_timeout_ms", 700),
        ("join_timeout_ms", 1500),
        ("max_payload", 200),
    ] {
        sim.set(key, value).await.unwrap();
    }
    let lines: Vec<_> = lines.collect();
    let (mut sockets, mut refused, mut played) = (HashMap::new(), HashMap::new(), 0);
    for line in &lines {
        let conn = line["conn"].as_u64().unwrap_or_default();
        match (line["dir"].as_str().unwrap(), line["event"].as_str()) {
            (_, None) => {}
            ("client", Some("upgrade")) => {
                match open_with(&sim, line["url"].as_str().unwrap(), &[]).await {
                    Ok(ws) => drop(sockets.insert(conn, ws)),
                    Err(Error::Http(answer)) => drop(refused.insert(conn, answer)),
                    Err(other) => panic!("{line}: {other}"),
                }
            }
            ("server", Some("open")) => assert!(sockets.contains_key(&conn), "{line}"),
            ("server", Some("refused")) => {
                let answer = &refused[&conn];
                assert_eq!(json!(answer.status().as_u16()), line["status"]);
                let body = answer.body().as_deref().unwrap_or_default();
                assert_eq!(line["body"].as_str().unwrap().as_bytes(), body);
            }
            ("client", Some("frame")) => {
                say(sockets.get_mut(&conn).unwrap(), line["data"].as_str().unwrap()).await;
            }
            ("server", Some("frame")) => {
                let got = next(sockets.get_mut(&conn).unwrap()).await.unwrap();
                let (got, recorded) = (got.into_text().unwrap(), line["data"].as_str().unwrap());
                assert_eq!(without_sid(&got), without_sid(recorded));
            }
            ("client", Some("close")) => {
                let ws = sockets.remove(&conn);
                let broken = |line: &&Value| {
                    line["dir"] == "server" && line["conn"] == conn && line["code"] == 1006
                };
                // Else the client's own end, or its view of the server's, which was checked.
                if let (Some(mut ws), true) = (ws, lines.iter().any(|line| broken(&line))) {
                    let end = next(&mut ws).await;
                    assert!(matches!(end, Err(Error::Protocol(_) | Error::Io(_))), "{end:?}");
                }
            }
            ("server", Some("close")) => {
                let Some(ws) = sockets.get_mut(&conn) else { continue };
                match (next(ws).await, line["code"].as_u64().unwrap()) {
                    (Ok(Message::Close(None)), 1005) => {}
                    (Ok(Message::Close(Some(frame))), code) => {
                        assert_eq!(u64::from(u16::from(frame.code)), code);
                    }
                    other => panic!("{line}: {other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
        played += 1;
    }
    assert_eq!(played, 90);
}

/// An Engine.IO or Socket.IO packet, with its id blotted out.
fn without_sid(packet: &str) -> (String, Value) {
    let at = packet.find('{').unwrap_or(packet.len());
    let mut json: Value = serde_json::from_str(&packet[at..]).unwrap_or_default();
    if let Some(sid) = json.get_mut("sid") {
        assert_eq!(sid.as_str().unwrap().len(), 20);
        *sid = Value::Null;
    }
    (packet[..at].to_owned(), json)
}
