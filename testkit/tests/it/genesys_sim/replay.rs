//! The recordings, played against the simulator.
//!
//! What the client sent is sent again; what the recording's server did on its own (endings,
//! refusals, events) is asked of the fault script; and every answer must be the recorded one,
//! apart from ids, times and tokens. At the end the application must have what it had.

use std::collections::HashMap;
use std::path::Path;

use futures_util::SinkExt;
use redial_testkit::servers::genesys::{CutWhen, GenesysSim, Options, Profile, Settings};
use redial_testkit::servers::{Refusal, Simulator as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{SOON, Ws, call, next, next_json, open_with, status};
use crate::client::shape;

#[tokio::test]
async fn every_recording_is_answered_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/genesys");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 12);
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let lines = std::fs::read_to_string(&file).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let playing = Player::new(name.clone(), lines).await.play();
        timeout(SOON, playing).await.unwrap_or_else(|_| panic!("{name} hangs"));
    }
}

struct Player {
    name: String,
    lines: Vec<Value>,
    sim: GenesysSim,
    sockets: HashMap<u64, Ws>,
    /// Recorded ids and tokens and those that stand for them here.
    names: Vec<(String, String)>,
    /// Recorded HTTP answers that already belong to a request.
    taken: Vec<usize>,
    /// What each message id said.
    texts: HashMap<String, String>,
    unacknowledged: u64,
    last_message_ms: u64,
}

impl Player {
    async fn new(name: String, lines: Vec<Value>) -> Self {
        let web = name.starts_with("webmessaging");
        let profile = if web { Profile::WebMessaging } else { Profile::Guest };
        let options = Options::new(Settings { profile, ..Settings::default() });
        let sim = GenesysSim::start(options).await.unwrap();
        Self {
            name,
            lines,
            sim,
            sockets: HashMap::new(),
            names: Vec::new(),
            taken: Vec::new(),
            texts: HashMap::new(),
            unacknowledged: 0,
            last_message_ms: 0,
        }
    }

    async fn play(mut self) {
        for at in 0..self.lines.len() {
            let line = self.lines[at].clone();
            let text = |field: &str| line[field].as_str().unwrap_or_default();
            match (text("dir"), text("channel"), text("event")) {
                ("client", "http", _) => self.http(at, &line).await,
                ("client", "ws", "upgrade-request") => self.upgrade(at, &line).await,
                ("client", "ws", "frame") => self.client_frame(at, &line).await,
                ("client", "ws", "closed") => self.closed(&line).await,
                ("server", "ws", "frame") => self.server_frame(at, &line).await,
                ("server", "ws", "tcp-cut") => self.cut(&line).await,
                ("server", "ws", "open" | "upgrade-rejected") | ("server", "http", _) => {}
                (_, "app" | "sdk" | "rig", _) => {}
                other => panic!("{}:{}: {other:?}", self.name, at + 1),
            }
        }
        self.check_end();
        self.sim.shutdown().await;
    }

    fn check_end(&self) {
        let state = self.sim.state();
        let opened = self.lines.iter().filter(|line| line["event"] == "open").count();
        assert_eq!(state.upgrades_ok(), opened, "{}", self.name);
        assert_eq!((state.bad_frames, state.unknown_paths), (0, 0), "{}", self.name);
        for (recorded, own) in self.names.iter().filter(|(name, _)| name.starts_with("GT_")) {
            for secret in [recorded, own] {
                let leak = self
                    .sim
                    .wire()
                    .into_iter()
                    .find(|line| line.to_string().contains(secret.as_str()));
                assert_eq!(leak, None, "{}", self.name);
            }
        }
        let Some(list) = self.lines.iter().find(|line| line["event"] == "server-received") else {
            return;
        };
        let mut received = vec![Vec::new(); state.conversations as usize];
        for message in &state.messages {
            let way = if message.path.name() == "socket" { "ws" } else { "rest" };
            let entry = format!("{}/{way}", self.texts[&message.id]);
            received[message.conversation as usize - 1].push(entry);
        }
        assert_eq!(json!(received), list["list"], "{}", self.name);
    }

    async fn http(&mut self, at: usize, line: &Value) {
        let name = format!("{}:{}", self.name, at + 1);
        let recorded = self.answer_to(at, line["path"].as_str().unwrap());
        let step =
            if line["path"].as_str().unwrap().ends_with("/guests") { "guest" } else { "rest" };
        let code = recorded["status"].as_u64().unwrap() as u16;
        if code != 200 {
            let refusal = Refusal::status(step, code);
            let refusal = match recorded["headers"]["retry-after"].as_str() {
                Some(after) => refusal.retry_after(after),
                None => refusal,
            };
            self.sim.refuse(refusal).await;
        }
        if let Some(seconds) = recorded["body"]["expiresIn"].as_u64() {
            self.sim.set("expires_in_s", seconds).await.unwrap();
        }
        if let Some(id) = line["body"]["messageId"].as_str() {
            let text = line["body"]["content"].as_str().unwrap().to_owned();
            self.texts.insert(id.to_owned(), text);
        }
        let target = self.translate(line["path"].as_str().unwrap());
        let authorization = self.translate(line["headers"]["authorization"].as_str().unwrap());
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = self.translate(&line["body"].to_string());
        let method = line["method"].as_str().unwrap();
        let answer = call(&self.sim, method, &target, &headers, body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, code, "{name}");
        assert_eq!(answer.header("retry-after"), recorded["headers"]["retry-after"].as_str());
        assert_eq!(shape(&answer.json()), shape(&recorded["body"]), "{name}");
        if step == "guest" {
            for field in ["webchatInstanceId", "token"] {
                let own = answer.json()[field].as_str().unwrap().to_owned();
                self.names.push((recorded["body"][field].as_str().unwrap().to_owned(), own));
            }
        } else if code == 200 {
            assert_eq!(answer.json(), recorded["body"], "{name}");
        }
    }

    /// Finds the recorded answer to the request in line `at`.
    fn answer_to(&mut self, at: usize, path: &str) -> Value {
        let is_answer = |at: &usize| {
            let line = &self.lines[*at];
            line["dir"] == "server" && line["channel"] == "http" && line["path"] == path
        };
        let mut answers = (at..self.lines.len()).filter(is_answer);
        let found = answers.find(|at| !self.taken.contains(at)).expect("every request is answered");
        self.taken.push(found);
        self.lines[found].clone()
    }

    async fn upgrade(&mut self, at: usize, line: &Value) {
        let conn = line["conn"].as_u64().unwrap();
        let is_result = |line: &&Value| {
            line["conn"] == conn
                && matches!(line["event"].as_str(), Some("open" | "upgrade-rejected"))
        };
        let result = self.lines[at..].iter().find(is_result).unwrap();
        let expected = result["status"].as_u64().unwrap_or(101) as u16;
        if expected != 101 {
            self.sim.refuse(Refusal::status("upgrade", expected)).await;
        }
        let target = self.translate(line["path"].as_str().unwrap());
        let headers = [("origin", "http://localhost"), ("deploymentid", "dep-1")];
        let opened = open_with(&self.sim, &target, &headers).await;
        if expected == 101 {
            self.sockets.insert(conn, opened.unwrap_or_else(|e| panic!("{}: {e}", self.name)));
        } else {
            assert_eq!(status(opened), expected, "{}", self.name);
        }
    }

    async fn client_frame(&mut self, at: usize, line: &Value) {
        let conn = line["conn"].as_u64().unwrap();
        let frame = line["data"].clone();
        if self.name.starts_with("webmessaging") {
            self.pace(line).await;
        } else if !self.has_ack(at, &frame) {
            self.prepare_loss(&frame).await;
        }
        if let (Some(id), Some(text)) = (frame["messageId"].as_str(), frame["content"].as_str()) {
            self.texts.insert(id.to_owned(), text.to_owned());
        }
        let message = Message::text(frame.to_string());
        // A socket that is cut already may refuse the second of two messages.
        let _ = self.sockets.get_mut(&conn).unwrap().send(message).await;
        let lost = self.unacknowledged;
        self.sim.until(SOON, |state| state.lost_acks >= lost).await.unwrap();
    }

    /// Lets the recorded time pass for the limit of two messages a second.
    async fn pace(&mut self, line: &Value) {
        let t_ms = line["t_ms"].as_u64().unwrap();
        if line["data"]["action"] == "onMessage" {
            if t_ms - self.last_message_ms > 1000 {
                let rate = json!({ "n": 2, "window_ms": 60_000 });
                self.sim.set("message_rate", rate).await.unwrap();
            }
            self.last_message_ms = t_ms;
        }
    }

    fn has_ack(&self, at: usize, frame: &Value) -> bool {
        self.lines[at..].iter().any(|line| {
            line["data"]["type"] == "messageReceived"
                && line["data"]["messageId"] == frame["messageId"]
        })
    }

    /// Arms the script so that this message ends as it did: taken or not, never acknowledged.
    async fn prepare_loss(&mut self, frame: &Value) {
        let list = self.lines.iter().find(|line| line["event"] == "server-received").unwrap();
        let entry = json!(format!("{}/ws", frame["content"].as_str().unwrap()));
        let mut taken = list["list"].as_array().unwrap().iter().flat_map(|one| one.as_array());
        if taken.any(|entries| entries.contains(&entry)) {
            self.unacknowledged += 1;
            self.sim.lose_acks(1).await;
        } else {
            self.sim.cut_at(1, CutWhen::BeforeDelivery).await;
        }
    }

    async fn server_frame(&mut self, at: usize, line: &Value) {
        let name = format!("{}:{}", self.name, at + 1);
        let conn = line["conn"].as_u64().unwrap();
        let recorded = &line["data"];
        let asked = |key: &str| {
            !recorded[key].is_null()
                && self.lines[..at]
                    .iter()
                    .any(|line| line["dir"] == "client" && line["data"][key] == recorded[key])
        };
        if !asked("tracingId") && !asked("messageId") {
            match recorded["class"].as_str() {
                Some("SessionExpiredEvent") => self.sim.expire_sessions().await,
                _ => self.sim.notify(1, recorded.clone()).await,
            }
        }
        let got = next_json(self.sockets.get_mut(&conn).unwrap()).await;
        for field in ["type", "class", "code", "tracingId", "messageId", "content"] {
            assert_eq!(got[field], recorded[field], "{name}");
        }
        assert_eq!(shape(&got), shape(recorded), "{name}");
        for field in
            ["text", "type", "direction", "newSession", "readOnly", "errorMessage", "errorCode"]
        {
            assert_eq!(got["body"].get(field), recorded["body"].get(field), "{name}");
        }
    }

    async fn cut(&mut self, line: &Value) {
        self.sim.cut().await;
        let conn = line["conn"].as_u64().unwrap();
        let ended = next(self.sockets.get_mut(&conn).unwrap()).await;
        let abrupt = matches!(ended, Err(Error::Protocol(_) | Error::Io(_)));
        assert!(abrupt, "{}: {ended:?}", self.name);
    }

    async fn closed(&mut self, line: &Value) {
        let Some(mut ws) = self.sockets.remove(&line["conn"].as_u64().unwrap()) else { return };
        if line["code"] == 1000 {
            let reason = line["reason"].as_str().unwrap().to_owned().into();
            ws.close(Some(CloseFrame { code: 1000.into(), reason })).await.unwrap();
            assert!(next(&mut ws).await.unwrap().is_close());
        }
    }

    fn translate(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }
}
