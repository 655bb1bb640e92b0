//! The recordings of the vendor's own SDK, played against the simulator.
//!
//! What the client sent is sent again; what the recording's server did on its own (endings, pings,
//! faults) is asked of the fault script; and every answer must be the recorded one, apart from
//! ids, times and tokens.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use futures_util::SinkExt;
use redial_testkit::servers::liveperson::{LivePersonSim, Options};
use redial_testkit::servers::{Refusal, Simulator as _};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{Io, SOON, WHILE, Ws, dial, next, open_at, receive, send};
use crate::client::shape;

#[tokio::test]
async fn every_recording_is_answered_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/liveperson");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 72);
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
    sim: LivePersonSim,
    sockets: HashMap<u64, Ws>,
    hanging: Vec<Box<dyn Io>>,
    upgrades: u64,
    /// Recorded tokens and those that stand for them here.
    tokens: Vec<(String, String)>,
    /// Recorded answers that already belong to a request.
    taken: Vec<usize>,
}

impl Player {
    async fn new(name: String, lines: Vec<Value>) -> Self {
        let sim = LivePersonSim::start(Options::default()).await.unwrap();
        Self {
            name,
            lines,
            sim,
            sockets: HashMap::new(),
            hanging: Vec::new(),
            upgrades: 0,
            tokens: Vec::new(),
            taken: Vec::new(),
        }
    }

    async fn play(mut self) {
        for at in 0..self.lines.len() {
            let line = self.lines[at].clone();
            match (line["dir"].as_str().unwrap(), line["channel"].as_str().unwrap()) {
                ("client", "http") => self.http(at, &line).await,
                ("client", "ws") => self.client_frame(at, &line).await,
                ("server", "ws") => self.server_frame(at, &line).await,
                _ => {}
            }
        }
        let count = |field: &str, value: Value| {
            self.lines.iter().filter(|line| line[field] == value).count()
        };
        let state = self.sim.state();
        assert_eq!(state.upgrades_ok(), count("status", json!(101)), "{}", self.name);
        assert_eq!(state.bad_frames, 0, "{}", self.name);
        assert_eq!(state.unknown_paths, 0, "{}", self.name);
        for (_, token) in &self.tokens {
            let leak = self.sim.wire().into_iter().find(|line| line.to_string().contains(token));
            assert_eq!(leak, None, "{}", self.name);
        }
        self.sim.shutdown().await;
    }

    async fn http(&mut self, at: usize, line: &Value) {
        let name = format!("{}:{}", self.name, at + 1);
        let recorded = self.recorded_answer(at);
        let target = self.translate(line["path"].as_str().unwrap());
        let step = ["/baseURI", "/login", "/refresh", "/ws_api"]
            .iter()
            .zip(["csds", "login", "refresh", "upgrade"])
            .find(|(part, _)| target.contains(**part))
            .unwrap()
            .1;
        let lacks_user = step == "login" && recorded["body"]["config"] == json!({});
        let status = recorded["status"].as_u64().map(|status| status as u16);
        match status {
            Some(200) if lacks_user => {
                let body = Some(recorded["body"].clone());
                let refusal = Refusal { body, ..Refusal::status(step, 200) };
                self.sim.refuse(refusal).await;
            }
            Some(200 | 101) => {}
            Some(status) => self.sim.refuse(Refusal::status(step, status)).await,
            None if recorded["note"] == "connection reset" => {
                self.sim.refuse(Refusal::reset(step)).await;
            }
            None => self.sim.refuse(Refusal::hang(step)).await,
        }
        if status == Some(101) {
            self.upgrades += 1;
            let ws = open_at(&self.sim, &target).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            self.sockets.insert(self.upgrades, ws);
            return;
        }
        let headers: Vec<(String, String)> = line["headers"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length"))
            .map(|(name, value)| (name.clone(), self.translate(value.as_str().unwrap())))
            .collect();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = match &line["body"] {
            Value::Null => String::new(),
            body => self.translate(&body.to_string()),
        };
        let mut io = dial(&self.sim).await.unwrap();
        send(&mut io, line["method"].as_str().unwrap(), &target, &headers, body.as_bytes())
            .await
            .unwrap();
        let Some(status) = status else {
            if recorded["note"] == "connection reset" {
                let error = receive(&mut io).await.unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{name}");
            } else {
                assert!(timeout(WHILE, io.read_u8()).await.is_err(), "{name}");
                self.hanging.push(io);
            }
            return;
        };
        let answer = receive(&mut io).await.unwrap();
        assert_eq!(answer.status, status, "{name}");
        for (header, _) in recorded["headers"].as_object().unwrap() {
            assert!(answer.header(header).is_some(), "{name}: {header}");
        }
        assert_eq!(shape(&answer.json()), shape(&recorded["body"]), "{name}");
        if status == 200 && step == "login" && !lacks_user {
            let body = answer.json();
            for token in ["bearer", "csrf"] {
                self.learn(recorded["body"][token].as_str(), body[token].as_str());
            }
            let cookie = |text: &str| text.split([';', '=']).nth(1).unwrap().to_owned();
            let old = cookie(recorded["headers"]["Set-Cookie"].as_str().unwrap());
            let new = cookie(answer.header("set-cookie").unwrap());
            self.learn(Some(&old), Some(&new));
        }
    }

    async fn client_frame(&mut self, at: usize, line: &Value) {
        let conn = line["conn"].as_u64().unwrap();
        match line["frame"].as_str().unwrap() {
            "text" => {
                self.prepare_response(at, &line["json"]["id"]).await;
                let text = line["json"].to_string();
                self.socket(conn).send(Message::text(text)).await.unwrap();
            }
            "ping" => {
                let data = line["data"].as_str().unwrap().to_owned();
                self.socket(conn).send(Message::Ping(data.clone().into())).await.unwrap();
                let pong = next(self.socket(conn)).await.unwrap();
                assert_eq!(pong, Message::Pong(data.into()), "{}", self.name);
            }
            "pong" => self.socket(conn).flush().await.unwrap(),
            // An echo that the library has sent by itself, or an end of the client's making.
            "close" | "eof" => drop(self.sockets.remove(&conn)),
            other => panic!("{}: {other}", self.name),
        }
    }

    /// Arms the script so that this request is answered as it was.
    async fn prepare_response(&self, at: usize, id: &Value) {
        let mut later = self.lines[at..].iter();
        let response = later.find(|line| line["json"]["reqId"] == *id).map(|line| &line["json"]);
        match response {
            None => self.sim.lose_acks(1).await,
            Some(response) if response["body"] == "token expired" => {
                let code = response["code"].clone();
                let fail = json!({ "do": "fail_requests", "code": code, "body": response["body"] });
                self.sim.control_json(fail).await.unwrap();
            }
            Some(_) => {}
        }
    }

    async fn server_frame(&mut self, at: usize, line: &Value) {
        let name = format!("{}:{}", self.name, at + 1);
        let conn = line["conn"].as_u64().unwrap();
        match line["frame"].as_str().unwrap() {
            "pong" => {}
            "text" => {
                let json = &line["json"];
                let own = json["kind"] == "resp" || json["body"]["changes"] == json!([]);
                if !own {
                    let text =
                        line["text"].as_str().map_or_else(|| json.to_string(), str::to_owned);
                    self.sim.send_text(&text).await;
                }
                let Message::Text(text) = next(self.socket(conn)).await.unwrap() else {
                    panic!("{name}: not a text")
                };
                if json.is_null() {
                    assert_eq!(line["text"], text.as_str(), "{name}");
                    return;
                }
                let got: Value = serde_json::from_str(&text).unwrap();
                for field in ["kind", "type", "code", "reqId"] {
                    assert_eq!(got[field], json[field], "{name}");
                }
                assert_eq!(shape(&got), shape(json), "{name}");
                if json["body"].is_string() {
                    assert_eq!(got["body"], json["body"], "{name}");
                }
            }
            "ping" => {
                let data = line["data"].as_str().unwrap();
                let ping = json!({ "do": "send_ping", "data": data });
                self.sim.control_json(ping).await.unwrap();
                let got = next(self.socket(conn)).await.unwrap();
                assert_eq!(got, Message::Ping(data.to_owned().into()), "{name}");
            }
            "close" => {
                let code = line["code"].as_u64().unwrap_or(1005) as u16;
                self.sim.close(code, line["reason"].as_str().unwrap()).await;
                let Message::Close(frame) = next(self.socket(conn)).await.unwrap() else {
                    panic!("{name}: not a close")
                };
                let got = frame.map_or(1005, |frame| u16::from(frame.code));
                assert_eq!(got, code, "{name}");
            }
            "tcp-drop" => {
                self.sim.cut().await;
                let ended = next(self.socket(conn)).await;
                let abrupt = matches!(ended, Err(Error::Protocol(_) | Error::Io(_)));
                assert!(abrupt, "{name}: {ended:?}");
            }
            other => panic!("{name}: {other}"),
        }
    }

    /// Finds the recorded answer to the request in line `at`: the first that is not taken.
    fn recorded_answer(&mut self, at: usize) -> Value {
        let answers: VecDeque<usize> = (at..self.lines.len())
            .filter(|at| self.lines[*at]["dir"] == "server" && self.lines[*at]["channel"] == "http")
            .collect();
        let upgrade = self.lines[at]["upgrade"] == "websocket";
        let found = answers.into_iter().find(|at| {
            let answer = &self.lines[*at];
            // Two requests may be under way at once; only one of them can be an upgrade.
            let socket = answer["status"] == 101
                || answer["headers"]["connection"] == "close"
                || answer["note"].as_str().is_some_and(|note| note.starts_with("upgrade"));
            !self.taken.contains(at) && socket == upgrade
        });
        let found = found.unwrap_or_else(|| panic!("{}:{}: no answer", self.name, at + 1));
        self.taken.push(found);
        self.lines[found].clone()
    }

    fn socket(&mut self, conn: u64) -> &mut Ws {
        self.sockets.get_mut(&conn).unwrap_or_else(|| panic!("{}: no socket {conn}", self.name))
    }

    fn learn(&mut self, recorded: Option<&str>, own: Option<&str>) {
        self.tokens.push((recorded.unwrap().to_owned(), own.unwrap().to_owned()));
    }

    fn translate(&self, text: &str) -> String {
        self.tokens.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }
}
