//! The recordings of the vendor's own SDKs, played against the simulator.
//!
//! What the clients sent is sent again; what the recording's platform did on its own (endings,
//! faults, events, the passing of time) is asked of the fault script; and every answer must be the
//! recorded one, apart from ids, times and tokens. Heartbeats are ten times as fast.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::future::join_all;
use redial_testkit::servers::vonage::{
    Generation, Options, RejectWith, Settings, UnknownSession, VonageSim,
};
use redial_testkit::servers::{Refusal, Simulator as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{SOON, Ws, call, jwt, next, open_at};
use crate::client::shape;

#[tokio::test]
async fn every_recording_is_answered_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vonage");
    let files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 55);
    join_all(files.iter().map(|file| async move {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let lines = std::fs::read_to_string(file).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let playing = Player::new(name.clone(), lines).await.play();
        timeout(SOON, playing).await.unwrap_or_else(|_| panic!("{name} hangs"));
    }))
    .await;
}

struct Player {
    name: String,
    lines: Vec<Value>,
    sim: VonageSim,
    sockets: BTreeMap<u64, Ws>,
    /// Sockets that have been told `41`, whose end is the server's doing.
    ending: BTreeSet<u64>,
    hanging: Vec<JoinHandle<()>>,
    /// Recorded ids and tokens, and those that stand for them here.
    known: Vec<(String, String)>,
    away: bool,
}

impl Player {
    async fn new(name: String, lines: Vec<Value>) -> Self {
        let platform = lines[0]["platform"].clone();
        let generation = if platform["gen"] == "v1" { Generation::V1 } else { Generation::V2 };
        let mut options = Options::new(Settings::new(generation));
        if let Some(window) = platform["sessionWindowMs"].as_u64() {
            options.settings.window = Duration::from_millis(window);
        }
        if platform["onUnknownSession"] == "new-session" {
            options.settings.unknown_session = UnknownSession::NewSession;
        }
        if platform["rejectWith"] == "connect-error" {
            options.settings.reject_with = RejectWith::ConnectError;
        }
        for (field, span) in [
            ("pingInterval", &mut options.settings.ping_interval),
            ("pingTimeout", &mut options.settings.ping_timeout),
        ] {
            if let Some(ms) = platform[field].as_u64() {
                *span = Duration::from_millis(ms / FASTER);
            }
        }
        let known = ["A1", "A2", "A3", "EXPIRED"]
            .into_iter()
            .zip([3600, 3601, 3602, -10])
            .map(|(name, life)| (format!("{{{{JWT_{name}}}}}"), jwt("alice", life)))
            .collect();
        Self {
            name,
            lines,
            sim: VonageSim::start(options).await.unwrap(),
            sockets: BTreeMap::new(),
            ending: BTreeSet::new(),
            hanging: Vec::new(),
            known,
            away: false,
        }
    }

    async fn play(mut self) {
        for at in 0..self.lines.len() {
            let line = self.lines[at].clone();
            let name = format!("{}:{}", self.name, at + 1);
            let dir = line["dir"].as_str().unwrap();
            match (dir, line["channel"].as_str().unwrap(), line["event"].as_str()) {
                ("client", "ws", Some("upgrade")) => self.upgrade(&name, at, &line).await,
                ("client", "ws", Some("frame")) => self.say(&line).await,
                ("client", "ws", Some("close")) => self.leave(&line).await,
                ("client", "http", _) => self.http(&name, at, &line).await,
                ("server", "ws", Some("frame")) => self.hear(&name, &line).await,
                ("server", "ws", Some("close")) => self.closed(&name, &line).await,
                ("server", "ws", Some("tcp-cut")) => self.cut(&name, &line).await,
                ("server", "ws", Some("frozen")) => {
                    self.sim.silent(true).await;
                    self.sockets.remove(&conn(&line));
                }
                ("server", "ws", Some("open" | "refused" | "hang")) | ("server", "http", _) => {}
                (_, "sdk" | "note", _) => {}
                other => panic!("{name}: {other:?}"),
            }
        }
        let opened = self.lines.iter().filter(|line| line["status"] == 101).count();
        let state = self.sim.state();
        assert_eq!(state.upgrades_ok(), opened, "{}", self.name);
        assert_eq!(state.bad_frames, 0, "{}", self.name);
        assert_eq!(state.unknown_paths, 0, "{}", self.name);
        for (_, token) in &self.known[..4] {
            let leak = self.sim.wire().into_iter().find(|line| line.to_string().contains(token));
            assert_eq!(leak, None, "{}", self.name);
        }
        self.hanging.iter().for_each(JoinHandle::abort);
        self.sim.shutdown().await;
    }

    async fn upgrade(&mut self, name: &str, at: usize, line: &Value) {
        self.sim.silent(false).await;
        let conn = conn(line);
        let fate = self.lines[at..].iter().find(|later| {
            later["dir"] == "server" && later["conn"] == json!(conn) && later["channel"] == "ws"
        });
        let fate = fate.unwrap_or_else(|| panic!("{name}: no answer")).clone();
        let target = self.translate(line["url"].as_str().unwrap());
        match fate["event"].as_str().unwrap() {
            "open" => {}
            "refused" => {
                self.sim
                    .refuse(match fate["status"].as_u64() {
                        Some(status) => Refusal::status("upgrade", status as u16),
                        None => Refusal::reset("upgrade"),
                    })
                    .await;
                let error = open_at(&self.sim, &target).await.unwrap_err();
                match (fate["status"].as_u64(), error) {
                    (Some(status), Error::Http(answer)) => {
                        assert_eq!(u64::from(answer.status().as_u16()), status, "{name}");
                    }
                    (None, Error::Io(_) | Error::Protocol(_)) => {}
                    (_, error) => panic!("{name}: {error}"),
                }
                return;
            }
            "hang" => {
                self.sim.refuse(Refusal::hang("upgrade")).await;
                let url = format!("ws://127.0.0.1{target}");
                let tcp = tokio::net::TcpStream::connect(self.sim.addr()).await.unwrap();
                let hanging = async move { drop(tokio_tungstenite::client_async(url, tcp).await) };
                self.hanging.push(tokio::spawn(hanging));
                return;
            }
            other => panic!("{name}: {other}"),
        }
        // What the connection will be told shows what has happened in the meantime.
        let told = |text: &str| {
            self.lines[at..].iter().any(|later| {
                later["conn"] == json!(conn)
                    && later["dir"] == "server"
                    && later["data"].as_str().is_some_and(|data| data.contains(text))
            })
        };
        if told("expired token") && !target.contains(&self.known[3].1) && target.contains("token=")
        {
            self.sim.expire_tokens().await;
        }
        let windowed = self.lines[0]["platform"]["sessionWindowMs"].is_number();
        if windowed && target.contains("session_id=") {
            self.sim.advance(Duration::from_millis(1501)).await;
        }
        let ws = open_at(&self.sim, &target).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        self.sockets.insert(conn, ws);
    }

    async fn say(&mut self, line: &Value) {
        let text = self.translate(line["data"].as_str().unwrap());
        let Some(ws) = self.sockets.get_mut(&conn(line)) else { return };
        ws.send(Message::text(text)).await.unwrap();
    }

    async fn leave(&mut self, line: &Value) {
        if self.ending.contains(&conn(line)) {
            return;
        }
        let Some(mut ws) = self.sockets.remove(&conn(line)) else { return };
        let frame = match line["code"].as_u64().unwrap() {
            1005 | 1006 => None,
            code => Some(CloseFrame { code: (code as u16).into(), reason: "".into() }),
        };
        let _ = ws.close(frame).await;
    }

    async fn hear(&mut self, name: &str, line: &Value) {
        let recorded = line["data"].as_str().unwrap().to_owned();
        let conn = conn(line);
        if !self.sockets.contains_key(&conn) {
            // The heartbeat of a socket that was frozen, or that the client has left.
            return;
        }
        let (digits, json) = split(&recorded);
        let event = json[0].as_str().unwrap_or_default();
        if event == "custom:hello" {
            self.sim.set("ask_acks", digits.len() > 2).await.unwrap();
            let body = json!({
                "event": event, "cid": json[1]["cid"], "from": json[1]["from"],
                "body": json[1]["body"],
            });
            self.sim.notify(1, body).await;
        } else if digits == "41" {
            if self.sim.state().disconnects == 0 && self.away_less(conn) {
                self.sim.expire_tokens().await;
            }
            self.ending.insert(conn);
        }
        let ws = self.sockets.get_mut(&conn).unwrap();
        let Message::Text(text) = next(ws).await.unwrap_or_else(|e| panic!("{name}: {e}")) else {
            panic!("{name}: not a text")
        };
        let (got_digits, got) = split(&text);
        assert_eq!(got_digits, digits, "{name}");
        assert_eq!(shape(&got), shape(&json), "{name}");
        if digits == "0" {
            for field in ["pingInterval", "pingTimeout"] {
                let platform = &self.lines[0]["platform"][field];
                let faster = if platform.is_number() { FASTER } else { 1 };
                assert_eq!(got[field].as_u64().unwrap() * faster, json[field], "{name}");
            }
            assert_eq!(got["maxPayload"], json["maxPayload"], "{name}");
        }
        if digits.starts_with("42") {
            self.compare_event(name, &got, &json);
        } else if digits == "44" {
            assert_eq!(got, json, "{name}");
        }
    }

    /// Tells whether nothing has announced the `41` that comes next.
    fn away_less(&self, conn: u64) -> bool {
        let told = |line: &&Value| {
            line["conn"] == json!(conn)
                && line["data"].as_str().is_some_and(|data| data.contains(":error:"))
        };
        self.lines.iter().find(told).is_none()
    }

    fn compare_event(&mut self, name: &str, got: &Value, recorded: &Value) {
        assert_eq!(got[0], recorded[0], "{name}");
        let (got, recorded) = (&got[1], &recorded[1]);
        for field in ["rid", "description", "id", "cid", "from"] {
            assert_eq!(got[field], recorded[field], "{name}: {field}");
        }
        for field in ["name", "n"] {
            assert_eq!(got["body"][field], recorded["body"][field], "{name}: {field}");
        }
        let pending = |of: &Value| {
            let mut events = of["body"]["pending_events"].clone();
            for event in events.as_array_mut().into_iter().flatten() {
                event["timestamp"] = Value::Null;
            }
            events
        };
        assert_eq!(pending(got), pending(recorded), "{name}");
        for (got, recorded) in [
            (&got["body"]["id"], &recorded["body"]["id"]),
            (&got["body"]["user_id"], &recorded["body"]["user_id"]),
        ] {
            let (Some(got), Some(recorded)) = (got.as_str(), recorded.as_str()) else { continue };
            match self.known.iter().find(|(known, _)| known == recorded) {
                // The same session, the same user.
                Some((_, own)) => assert_eq!(got, own, "{name}"),
                None => {
                    let other = self.known.iter().any(|(_, own)| own == got);
                    assert!(!other, "{name}: a new one was expected");
                    self.known.push((recorded.to_owned(), got.to_owned()));
                }
            }
        }
    }

    async fn closed(&mut self, name: &str, line: &Value) {
        let conn = conn(line);
        let code = line["code"].as_u64().unwrap() as u16;
        if code == 1006 || !self.sockets.contains_key(&conn) {
            return;
        }
        if !self.ending.contains(&conn) {
            self.sim.close(code, "").await;
        }
        let mut ws = self.sockets.remove(&conn).unwrap();
        let Message::Close(frame) = next(&mut ws).await.unwrap_or_else(|e| panic!("{name}: {e}"))
        else {
            panic!("{name}: not a close frame")
        };
        assert_eq!(frame.map_or(1005, |frame| u16::from(frame.code)), code, "{name}");
    }

    async fn cut(&mut self, name: &str, line: &Value) {
        self.sim.cut().await;
        if let Some(mut ws) = self.sockets.remove(&conn(line)) {
            let ended = next(&mut ws).await;
            assert!(matches!(ended, Err(Error::Protocol(_) | Error::Io(_))), "{name}: {ended:?}");
        }
        let away = self.lines.iter().any(|line| line.to_string().contains("custom:while-away"));
        if away && !std::mem::replace(&mut self.away, true) {
            let body = json!({
                "event": "custom:while-away", "cid": "CON-00000000-0000-4000-8000-000000000002",
                "from": "MEM-x", "body": { "n": 2 },
            });
            self.sim.notify(1, body).await;
        }
    }

    async fn http(&mut self, name: &str, at: usize, line: &Value) {
        let recorded = self.lines[at..].iter().find(|later| {
            later["dir"] == "server" && later["channel"] == "http" && later["conn"] == line["conn"]
        });
        let recorded = recorded.unwrap_or_else(|| panic!("{name}: no answer")).clone();
        let target = self.translate(line["url"].as_str().unwrap());
        let headers: Vec<(String, String)> = line["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), self.translate(value.as_str().unwrap())))
            .collect();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = self.translate(line["body"].as_str().unwrap_or_default());
        let method = line["method"].as_str().unwrap();
        let answer = call(&self.sim, method, &target, &headers, body.as_bytes()).await.unwrap();
        assert_eq!(u64::from(answer.status), recorded["status"], "{name}");
        let expected = self.translate(recorded["body"].as_str().unwrap());
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(answer.json(), expected, "{name}");
    }

    fn translate(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }
}

fn conn(line: &Value) -> u64 {
    line["conn"].as_u64().unwrap()
}

/// Splits a packet into its digits and its JSON.
fn split(text: &str) -> (String, Value) {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let json =
        if at == text.len() { Value::Null } else { serde_json::from_str(&text[at..]).unwrap() };
    (text[..at].to_owned(), json)
}

const FASTER: u64 = 10;
