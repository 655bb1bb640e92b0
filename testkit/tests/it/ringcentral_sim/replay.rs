//! The recordings of the vendor's own SDK, played against the simulator.
//!
//! What the client sent is sent again; what the recording's server did on its own (endings, pings,
//! notifications, faults) is asked of the fault script; and every answer must be the recorded one,
//! apart from ids, times and tokens.

use std::collections::HashMap;
use std::path::Path;

use futures_util::SinkExt;
use redial_testkit::servers::ringcentral::{
    Options, RecoveryAnswer, RingCentralSim, Timeout, TokenReuse, WscMode,
};
use redial_testkit::servers::{Refusal, Simulator as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{SOON, Ws, call, next, open_at};
use crate::client::shape;

#[tokio::test]
async fn every_recording_is_answered_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ringcentral");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 26);
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
    sim: RingCentralSim,
    sockets: HashMap<u64, Ws>,
    /// What came before it was looked for.
    heard: HashMap<u64, Vec<Value>>,
    /// Recorded tokens and ids, and those that stand for them here.
    tokens: Vec<(String, String)>,
    secrets: Vec<String>,
    /// Notifications that wait for a recovery.
    buffered: usize,
}

impl Player {
    async fn new(name: String, lines: Vec<Value>) -> Self {
        let mut options = Options::default();
        if name == "wstoken-single-use.jsonl" {
            options.settings.ws_token_reuse = TokenReuse::Reject;
        }
        if lines.iter().any(|line| {
            line["data"][0]["type"] == "ServerNotification" && line["data"][0]["wsc"].is_object()
        }) {
            options.settings.wsc_mode = WscMode::Notifications;
        }
        Self {
            name,
            lines,
            sim: RingCentralSim::start(options).await.unwrap(),
            sockets: HashMap::new(),
            heard: HashMap::new(),
            tokens: Vec::new(),
            secrets: Vec::new(),
            buffered: 0,
        }
    }

    async fn play(mut self) {
        for at in 0..self.lines.len() {
            let line = self.lines[at].clone();
            let event = line["event"].as_str().unwrap_or_default();
            let at_name = format!("{}:{}", self.name, at + 1);
            match (line["dir"].as_str().unwrap(), line["channel"].as_str().unwrap(), event) {
                ("client", "http", _) => self.http(at, &line, &at_name).await,
                ("client", "ws", "upgrade-request") => self.upgrade(at, &line, &at_name).await,
                ("client", "ws", "frame") => self.client_frame(at, &line).await,
                ("client", "ws", "closed") => self.closed(&line).await,
                ("server", "ws", "frame") => self.server_frame(&line, &at_name).await,
                ("server", "ws", "buffered") => {
                    self.sim.notify(1, json!({})).await;
                    self.buffered += 1;
                }
                ("server", "ws", "ping") => self.ping(&line, &at_name).await,
                ("server", "ws", "close") => self.close(&line, &at_name).await,
                ("server", "ws", "tcp-cut") => {
                    self.sim.cut().await;
                    let ended = next(self.socket(&line)).await;
                    let abrupt = matches!(ended, Err(Error::Protocol(_) | Error::Io(_)));
                    assert!(abrupt, "{at_name}: {ended:?}");
                }
                _ => {}
            }
        }
        let state = self.sim.state();
        assert_eq!(state.bad_frames, 0, "{}", self.name);
        assert_eq!(state.unknown_paths, 0, "{}", self.name);
        assert_eq!(state.null_bodies + state.early_frames, 0, "{}", self.name);
        for token in &self.secrets {
            let leak = self.sim.wire().into_iter().find(|line| line.to_string().contains(token));
            assert_eq!(leak, None, "{}", self.name);
        }
        self.sim.shutdown().await;
    }

    async fn http(&mut self, at: usize, line: &Value, name: &str) {
        let recorded = self.lines[at..].iter().find(|answer| {
            answer["dir"] == "server"
                && answer["channel"] == "http"
                && answer["path"] == line["path"]
        });
        let recorded = recorded.unwrap().clone();
        let status = recorded["status"].as_u64().unwrap() as u16;
        match status {
            401 => self.sim.revoke_tokens().await,
            429 => {
                let after = recorded["headers"]["retry-after"].as_str().unwrap();
                let refusal = Refusal::status("wstoken", 429).retry_after(after);
                self.sim.refuse(refusal).await;
            }
            _ => {}
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
        let body = self.translate(line["body"].as_str().unwrap());
        let method = line["method"].as_str().unwrap();
        let path = line["path"].as_str().unwrap();
        let answer = call(&self.sim, method, path, &headers, body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, status, "{name}");
        for (header, value) in recorded["headers"].as_object().unwrap() {
            assert_eq!(answer.header(header), value.as_str(), "{name}: {header}");
        }
        if recorded["body"] == "<6 bytes>" {
            assert_eq!(answer.body.len(), 6, "{name}");
            return;
        }
        let body = answer.json();
        assert_eq!(shape(&body), shape(&recorded["body"]), "{name}");
        for token in ["access_token", "refresh_token", "ws_access_token"] {
            self.learn(&recorded["body"][token], &body[token], true);
        }
    }

    async fn upgrade(&mut self, at: usize, line: &Value, name: &str) {
        let conn = &line["conn"];
        let mut later = self.lines[at..].iter().filter(|other| other["conn"] == *conn);
        let rejected = later.clone().find(|other| other["event"] == "upgrade-rejected");
        let hello = later.find(|other| other["data"][0]["type"] == "ConnectionDetails");
        let answers = self.lines[at..]
            .iter()
            .any(|other| other["conn"] == *conn && (other["event"] == "close" || hello.is_some()));
        self.sim.set("withhold_hello", !answers).await.unwrap();
        let code = hello.and_then(|hello| hello["data"][1]["recoveryErrorCode"].as_str());
        if let Some(code) = code {
            let answer = RecoveryAnswer::Failed { code: code.to_owned() };
            self.sim.answer_recovery(answer, Some(1));
            self.buffered = 0;
        } else if hello.is_some_and(|hello| hello["data"][1]["recoveryState"].is_null()) {
            self.buffered = 0;
        }
        if let Some(rejected) = rejected {
            let status = rejected["status"].as_u64().unwrap() as u16;
            self.sim.refuse(Refusal::status("upgrade", status)).await;
            let refused = open_at(&self.sim, &self.target(line)).await;
            let Err(Error::Http(answer)) = refused else { panic!("{name}: {refused:?}") };
            assert_eq!(answer.status(), status, "{name}");
            return;
        }
        let ws = open_at(&self.sim, &self.target(line)).await.unwrap();
        self.sockets.insert(conn.as_u64().unwrap(), ws);
    }

    async fn client_frame(&mut self, at: usize, line: &Value) {
        let id = &line["data"][0]["messageId"];
        let answer = self.lines[at..]
            .iter()
            .find(|answer| answer["dir"] == "server" && answer["data"][0]["messageId"] == *id)
            .cloned();
        match &answer {
            None if line["data"][0]["type"] == "Heartbeat" => {
                self.sim.set("answer_heartbeats", false).await.unwrap();
            }
            None => self.sim.lose_acks(1).await,
            Some(answer) if answer["data"][0]["status"] == 403 => {
                self.sim.refuse(Refusal::status("subscribe", 403)).await;
            }
            Some(_) => {}
        }
        let text = self.translate(&line["data"].to_string());
        let before = self.sim.state().rest.len();
        self.socket(line).send(Message::text(text)).await.unwrap();
        if answer.is_none() && line["data"][0]["type"] == "ClientRequest" {
            self.sim.until(SOON, |state| state.rest.len() > before).await.unwrap();
        }
    }

    async fn server_frame(&mut self, line: &Value, name: &str) {
        let recorded = &line["data"];
        let kind = recorded[0]["type"].as_str().unwrap();
        match kind {
            "ServerNotification" if self.buffered > 0 => self.buffered -= 1,
            "ServerNotification" => self.sim.notify(1, json!({})).await,
            "Error" if recorded[1]["errorCode"] == "WSG-902" => {
                self.sim.time_out(Timeout::Idle).await;
            }
            _ => {}
        }
        let answers = matches!(kind, "ClientRequest" | "Heartbeat");
        let wanted = |frame: &Value| {
            frame[0]["type"] == kind
                && (!answers || frame[0]["messageId"] == recorded[0]["messageId"])
        };
        let got = self.expect(line, wanted).await;
        assert_eq!(got[0]["status"], recorded[0]["status"], "{name}");
        assert_eq!(shape(&got), shape(recorded), "{name}");
        for part in ["recoveryState", "recoveryErrorCode", "errorCode", "message"] {
            assert_eq!(got[1][part], recorded[1][part], "{name}");
        }
        if kind == "ServerNotification" {
            let event = got[1]["event"].as_str().unwrap();
            assert!(event.starts_with("/restapi/v1.0/account/1/extension/1001/"), "{name}");
            // Of the overflow, only the newest three are kept in the recording.
            let trimmed = if self.name.contains("overflow") { 127 } else { 0 };
            let n = got[1]["body"]["n"].as_u64().unwrap() + trimmed;
            assert_eq!(json!(n), recorded[1]["body"]["n"], "{name}");
            assert_eq!(got[0]["wsc"]["sequence"], recorded[0]["wsc"]["sequence"], "{name}");
        }
        self.learn(&recorded[0]["wsc"]["token"], &got[0]["wsc"]["token"], true);
        if kind == "ClientRequest" {
            self.learn(&recorded[1]["id"], &got[1]["id"], false);
        }
    }

    /// Reads until a frame is `wanted`; others wait for their own line.
    async fn expect(&mut self, line: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
        let conn = line["conn"].as_u64().unwrap();
        let heard = self.heard.entry(conn).or_default();
        if let Some(at) = heard.iter().position(&wanted) {
            return heard.remove(at);
        }
        loop {
            let message = next(self.socket(line)).await.unwrap();
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if wanted(&frame) {
                return frame;
            }
            self.heard.entry(conn).or_default().push(frame);
        }
    }

    async fn ping(&mut self, line: &Value, name: &str) {
        self.sim.control_json(json!({ "do": "send_ping" })).await.unwrap();
        let got = next(self.socket(line)).await.unwrap();
        assert_eq!(got, Message::Ping(Vec::new().into()), "{name}");
    }

    async fn close(&mut self, line: &Value, name: &str) {
        let (code, reason) = (line["code"].as_u64().unwrap() as u16, line["reason"].as_str());
        if code == 1001 {
            self.sim.close(code, reason.unwrap()).await;
        }
        let got = next(self.socket(line)).await.unwrap();
        let Message::Close(Some(frame)) = got else { panic!("{name}: {got:?}") };
        assert_eq!(
            (u16::from(frame.code), frame.reason.as_str()),
            (code, reason.unwrap()),
            "{name}"
        );
    }

    async fn closed(&mut self, line: &Value) {
        let conn = line["conn"].as_u64().unwrap();
        if let Some(mut ws) = self.sockets.remove(&conn)
            && line["code"] == 1005
        {
            let _ = ws.close(None).await;
        }
        let live = self.sockets.len();
        self.sim.until(SOON, |state| state.live_sockets <= live).await.unwrap();
    }

    fn socket(&mut self, line: &Value) -> &mut Ws {
        let conn = line["conn"].as_u64().unwrap();
        self.sockets.get_mut(&conn).unwrap_or_else(|| panic!("{}: no socket {conn}", self.name))
    }

    fn target(&self, line: &Value) -> String {
        self.translate(line["path"].as_str().unwrap())
    }

    fn learn(&mut self, recorded: &Value, own: &Value, secret: bool) {
        if let (Some(recorded), Some(own)) = (recorded.as_str(), own.as_str()) {
            self.tokens.push((recorded.to_owned(), own.to_owned()));
            if secret {
                self.secrets.push(own.to_owned());
            }
        }
    }

    fn translate(&self, text: &str) -> String {
        self.tokens.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    }
}
