//! `redial serve vonage` as a process.

use serde_json::{Value, json};

use crate::socket::{Frame, Socket, request};
use crate::support::{Sim, Tool};

/// `{"sub":"alice"}`, which never expires.
const ALICE: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2ln";
/// `{"sub":"alice","exp":1}`.
const EXPIRED: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MX0.c2ln";

fn serve(args: &[&str]) -> Sim {
    Sim::start(Tool::new(["serve", "vonage"]).args(args))
}

/// Opens a socket of generation 2; gives its open packet.
fn open(sim: &Sim, query: &str) -> (Socket, Value) {
    let mut socket = Socket::open(sim, &format!("/v2/rtc/?{query}&EIO=4&transport=websocket"))
        .unwrap_or_else(|status| panic!("{status}"));
    let packet = socket.json("0");
    socket.say("40");
    socket.json("40");
    (socket, packet)
}

#[test]
fn the_second_generation_logs_in_and_resumes() {
    let sim = serve(&["--gen", "v2", "--ping-interval", "4000", "--ping-timeout", "3000"]);
    let (mut socket, packet) = open(&sim, &format!("token={ALICE}&acknowledge_events=true"));
    assert_eq!((&packet["pingInterval"], &packet["pingTimeout"]), (&json!(4000), &json!(3000)));
    let success = socket.json("42");
    assert_eq!(
        (&success[0], &success[1]["body"]["name"]),
        (&json!("session:success"), &json!("alice"))
    );
    let id = success[1]["body"]["id"].as_str().unwrap().to_owned();
    sim.control(json!({ "do": "notify", "body": { "event": "text", "cid": "CON-1" } }));
    assert_eq!(socket.json("420")[1]["id"], "1");
    sim.control(json!({ "do": "cut" }));
    assert_eq!(socket.next(), Frame::End);
    sim.control(json!({ "do": "notify", "n": 2, "body": { "event": "text", "cid": "CON-1" } }));
    let (mut socket, _) = open(&sim, &format!("session_id={id}&token={ALICE}"));
    let success = socket.json("42");
    assert_eq!(success[1]["body"]["id"], json!(id));
    let pending = success[1]["body"]["pending_events"].as_array().unwrap();
    assert_eq!(pending.iter().map(|one| &one["id"]).collect::<Vec<_>>(), ["2", "3"]);
    let bearer = format!("authorization: Bearer {ALICE}\r\n");
    let refreshed = request(&sim, &format!("PUT /v0.2/sessions/{id}"), &bearer, "");
    assert_eq!(refreshed, (200, json!({ "id": id, "session_id": id })));
    let state = sim.state();
    for (field, count) in [("upgrades", 2), ("logins", 1), ("resumed", 1), ("refreshes", 1)] {
        assert_eq!(state[field], count, "{field}");
    }
}

#[test]
fn the_first_generation_logs_in_by_a_message() {
    let sim = serve(&["--gen", "v1"]);
    let mut socket = Socket::open(&sim, "/rtc/?EIO=3&transport=websocket").ok().unwrap();
    assert_eq!(socket.json("0")["pingTimeout"], 5000);
    assert_eq!(socket.text(), "40");
    let login = json!(["session:login", { "body": { "token": EXPIRED }, "tid": "t-1" }]);
    socket.say(&format!("42{login}"));
    let answer = socket.json("42");
    assert_eq!(
        (&answer[0], &answer[1]["rid"]),
        (&json!("system:error:expired-token"), &json!("t-1"))
    );
    assert_eq!((socket.text().as_str(), socket.next()), ("41", Frame::Close(None)));
}

#[test]
fn the_window_can_be_chosen() {
    let sim = serve(&["--window", "1000"]);
    let (mut socket, _) = open(&sim, &format!("token={ALICE}"));
    let id = socket.json("42")[1]["body"]["id"].as_str().unwrap().to_owned();
    sim.control(json!({ "do": "cut" }));
    sim.control(json!({ "do": "set", "key": "advance_ms", "value": 1001 }));
    let (mut socket, _) = open(&sim, &format!("session_id={id}&token={ALICE}"));
    assert_eq!(socket.json("42")[0], "session:error:invalid");
}

#[test]
fn tokens_stand_as_labels_in_the_lines() {
    let mut sim = serve(&[]);
    drop(open(&sim, &format!("token={ALICE}")));
    let upgrade = sim.expect_http("/v2/rtc/");
    assert_eq!(upgrade["path"], "/v2/rtc/?token=jwt-1&EIO=4&transport=websocket");
    sim.process.signal("TERM");
    assert_eq!(sim.process.code(), 0);
    assert!(!sim.process.stdout().contains(ALICE));
}

#[test]
fn a_polling_request_is_refused_in_the_servers_own_numbers() {
    let sim = serve(&[]);
    let refused = request(&sim, "GET /v2/rtc/?EIO=4&transport=polling", "", "");
    assert_eq!(refused, (400, json!({ "code": 0, "message": "Transport unknown" })));
    sim.control(json!({ "do": "refuse", "step": "upgrade", "status": 503 }));
    assert_eq!(Socket::open(&sim, "/v2/rtc/?EIO=4&transport=websocket").err(), Some(503));
}

#[test]
fn wrong_options_give_2() {
    for wrong in [["--gen", "v3"], ["--ping-interval", "0"], ["--window", "-1"]] {
        let (code, stdout, stderr) = Tool::new(["serve", "vonage"]).args(wrong).finish();
        assert_eq!(code, Some(2), "{wrong:?}: {stderr}");
        assert!(stdout.is_empty());
    }
    let tool = Tool::new(["serve", "vonage", "--set", "window_ms=x"]);
    assert_ne!(tool.finish().0, Some(0));
}
