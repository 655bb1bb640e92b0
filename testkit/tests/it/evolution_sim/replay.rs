//! The recording of the vendor's own module, played against the simulator.
//!
//! What the probe sent is sent again, with tokens made for each case, as the recording shows only
//! their beginning. What the server did on its own is asked of the fault script. Every status, raw
//! answer and frame must be the recorded one.

use std::collections::HashMap;

use futures_util::SinkExt;
use redial_testkit::servers::evolution::{EVENTS, EvolutionSim, sign};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{
    REFUSED, SECRET, SOON, Ws, chat_sim, is_quiet, next, now_s, open_with, raw_upgrade, status,
    target, try_open,
};

#[tokio::test]
async fn the_recording_is_answered_as_it_was() {
    let lines = include_str!("../../data/evolution/codechat-1.3.7-probe.jsonl");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 72);
    let sim = chat_sim().await;
    let player = Player { lines, sim, sockets: HashMap::new(), played: 0 };
    timeout(SOON, player.play()).await.unwrap();
}

struct Player {
    lines: Vec<Value>,
    sim: EvolutionSim,
    sockets: HashMap<String, Socket>,
    /// How many lines had something to compare.
    played: usize,
}

struct Socket {
    ws: Ws,
    instance: String,
    event: String,
    token: String,
}

impl Player {
    async fn play(mut self) {
        for at in 0..self.lines.len() {
            let line = self.lines[at].clone();
            let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
            let case = text("case");
            match (text("dir").as_str(), text("channel").as_str()) {
                ("client", "note") => self.note(&line, &case).await,
                ("client", "http") => self.upgrade(at, &line, &case).await,
                ("client", "ws") if line["event"] == "close" => self.closed(at, &line, &case).await,
                // What a refused upgrade looks like was checked with it.
                ("client", "ws") if line["event"] == "error" => {
                    assert_eq!(line["message"], "Unexpected server response: 401");
                }
                ("client", "ws") => self.send(&case, &text("text")).await,
                ("server", "http") if line["raw"].is_string() => {
                    let seen = raw_upgrade(&self.sim, "/ws/events").await;
                    assert_eq!(seen, text("raw").as_bytes());
                    assert_eq!(seen, REFUSED);
                }
                // Checked with its request.
                ("server", "http") => assert_eq!(line["status"], 101),
                ("server", "ws") => self.receive(&line, &case).await,
                other => panic!("{}: {other:?}", at + 1),
            }
            self.played += 1;
        }
        assert_eq!(self.played, 72);
        self.sim.shutdown().await;
        assert!(self.sockets.is_empty(), "the end of the server ended them");
    }

    async fn note(&mut self, line: &Value, case: &str) {
        let first = "first-socket";
        match line["note"].as_str() {
            Some("accepted event names") => assert_eq!(line["events"], json!(EVENTS)),
            Some("after B") => {
                assert_eq!(
                    (&line["first_readyState"], &line["second_readyState"]),
                    (&json!(1), &json!(1))
                );
                assert!(is_quiet(&mut self.sockets.get_mut(first).unwrap().ws).await);
                assert_eq!(self.sim.state().mute_sockets(), 1);
            }
            Some("event sent after second socket closed: who gets it") => {
                let Socket { instance, event, .. } = &self.sockets[first];
                assert!(!self.sim.emit(instance, event, json!({ "keyId": "C" })).await);
                assert!(self.is_open(first).await);
            }
            // Neither pings nor an end: there is no timer in this profile that could do it.
            Some("idle 65 s to see whether the server pings or closes") => {
                assert!(is_quiet(&mut self.sockets.get_mut(first).unwrap().ws).await);
            }
            Some("after idle") => assert!(self.is_open(first).await),
            None => assert!(self.is_open(case).await),
            other => panic!("{other:?}"),
        }
    }

    async fn is_open(&mut self, case: &str) -> bool {
        let ws = &mut self.sockets.get_mut(case).unwrap().ws;
        ws.send(Message::Ping("open?".into())).await.unwrap();
        next(ws).await.unwrap().is_pong()
    }

    async fn upgrade(&mut self, at: usize, line: &Value, case: &str) {
        let recorded = line["path"].as_str().unwrap();
        let (instance, token) = token_for(case);
        let mode = if case == "expired-ignored" { 0 } else { 3600 };
        self.sim.set("expires_in_s", mode).await.unwrap();
        let target = recorded.replace("eyJhbGciOi...", &token);
        let opened = open_with(&self.sim, &target, &[]).await;
        let mut results = self.lines[at + 1..].iter().filter(|line| line["case"] == case);
        if results.next().unwrap()["status"] == 101 {
            let event = recorded.split(['=', '&']).nth(1).unwrap().to_owned();
            let instance = instance.to_owned();
            let socket = Socket { ws: opened.unwrap(), instance, event, token };
            self.sockets.insert(case.to_owned(), socket);
        } else {
            assert_eq!(status(opened), 401, "{case}");
        }
    }

    async fn send(&mut self, case: &str, text: &str) {
        let before = self.sim.state().messages.len();
        let ws = &mut self.sockets.get_mut(case).unwrap().ws;
        ws.send(Message::text(text)).await.unwrap();
        self.sim.until(SOON, |state| state.messages.len() > before).await.unwrap();
        let seen = self.sim.state().sockets.pop().unwrap();
        assert_eq!(seen.first_message.as_deref(), Some(text));
    }

    async fn receive(&mut self, line: &Value, case: &str) {
        let socket = self.sockets.get_mut(case).unwrap();
        if line["frame"] == "pong" {
            socket.ws.send(Message::Ping("p".into())).await.unwrap();
            assert!(next(&mut socket.ws).await.unwrap().is_pong());
            return;
        }
        if case == "expires-while-open" {
            let expired =
                async { while try_open(&self.sim, "chats.set", &socket.token).await.is_ok() {} };
            timeout(SOON, expired).await.unwrap();
        }
        let recorded = line["text"].as_str().unwrap();
        let payload: Value = serde_json::from_str(recorded).unwrap();
        assert!(self.sim.emit(&socket.instance, &socket.event, payload.clone()).await, "{case}");
        let got = next(&mut socket.ws).await.unwrap().into_text().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), payload, "{case}");
        assert_eq!(got.len(), recorded.len(), "{case}: nothing but the payload");
    }

    async fn closed(&mut self, at: usize, line: &Value, case: &str) {
        if line["code"] == 1006 {
            // The end of a refused upgrade, or of the server at the end of the recording.
            let Some(mut socket) = self.sockets.remove(case) else { return };
            assert!(at > self.lines.len() - 5, "{case}");
            self.sim.cut().await;
            let end = next(&mut socket.ws).await;
            assert!(matches!(end, Err(Error::Protocol(_) | Error::Io(_))), "{case}: {end:?}");
            return;
        }
        assert_eq!(line["code"], 1005);
        let mut socket = self.sockets.remove(case).unwrap();
        socket.ws.close(None).await.unwrap();
        assert!(matches!(next(&mut socket.ws).await, Ok(Message::Close(None))), "{case}");
    }
}

/// Gives an instance and a token that are what the name of the case says.
fn token_for(case: &str) -> (&'static str, String) {
    let signed = |instance, exp: u64| {
        let claims = json!({ "instanceName": instance, "exp": exp });
        (instance, sign(SECRET, &claims))
    };
    let later = now_s() + 3600;
    match case {
        "bad-signature" => ("inst", sign("another secret", &json!({ "instanceName": "inst" }))),
        "no-instanceName" => ("undefined", sign(SECRET, &json!({ "exp": later }))),
        "expired-ignored" | "expired-enforced" => signed("inst", now_s() - 1),
        "expires-while-open" => signed("inst", now_s() + 3),
        "race-inst1" => signed("inst1", later),
        "race-inst2" => signed("inst2", later),
        _ => signed("inst", later),
    }
}

/// The vendor's own path, so that a wrong helper cannot hide behind the recording.
#[test]
fn the_recording_and_the_tests_ask_for_the_same_path() {
    let lines = include_str!("../../data/evolution/codechat-1.3.7-probe.jsonl");
    assert!(lines.contains(&target("qrcode.updated", "eyJhbGciOi...")));
}
