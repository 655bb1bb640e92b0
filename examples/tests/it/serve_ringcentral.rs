//! `redial serve ringcentral` as a process.

use serde_json::{Value, json};

use crate::socket::{Frame, Socket, request};
use crate::support::{Sim, Tool};

fn serve(args: &[&str]) -> Sim {
    Sim::start(Tool::new(["serve", "ringcentral"]).args(args))
}

/// Logs in; gives an access token.
fn login(sim: &Sim) -> String {
    // `sim-client:secret`.
    let headers = format!("{FORM}authorization: Basic c2ltLWNsaWVudDpzZWNyZXQ=\r\n");
    let body = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c";
    let (status, answer) = request(sim, "POST /restapi/oauth/token", &headers, body);
    assert_eq!(status, 200, "{answer}");
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Gives a token for one WebSocket.
fn ws_token(sim: &Sim, access: &str) -> String {
    let headers = format!("{FORM}authorization: Bearer {access}\r\n");
    let (status, answer) = request(sim, "POST /restapi/oauth/wstoken", &headers, "");
    assert_eq!(status, 200, "{answer}");
    answer["ws_access_token"].as_str().unwrap().to_owned()
}

/// Opens a socket; gives the hello.
fn open(sim: &Sim, token: &str, wsc: &str) -> (Socket, Value) {
    let mut socket = Socket::open(sim, &format!("/ws?access_token={token}{wsc}"))
        .unwrap_or_else(|status| panic!("{status}"));
    let hello = socket.json("");
    assert_eq!(hello[0]["type"], "ConnectionDetails", "{hello}");
    (socket, hello)
}

fn subscribe(socket: &mut Socket) {
    let meta = json!({
        "type": "ClientRequest", "messageId": "s1", "method": "POST",
        "path": "/restapi/v1.0/subscription", "headers": {},
    });
    let body = json!({
        "eventFilters": ["/restapi/v1.0/account/~/extension/~/message-store"],
        "deliveryMode": { "transportType": "WebSocket" },
    });
    socket.say(&json!([meta, body]).to_string());
    assert_eq!(socket.json("")[0]["status"], 200);
}

#[test]
fn a_session_is_recovered_with_what_it_missed() {
    let sim = serve(&["--replay-delay-ms", "0", "--recovery-buffer", "2"]);
    let access = login(&sim);
    let token = ws_token(&sim, &access);
    let (mut socket, hello) = open(&sim, &token, "");
    subscribe(&mut socket);
    sim.control(json!({ "do": "cut" }));
    assert_eq!(socket.next(), Frame::End);
    sim.control(json!({ "do": "notify", "n": 5 }));
    let token = ws_token(&sim, &access);
    let wsc = hello[0]["wsc"]["token"].as_str().unwrap();
    let (mut socket, hello) = open(&sim, &token, &format!("&wsc={wsc}"));
    assert_eq!(hello[1]["recoveryState"], "Successful");
    for _ in 0..2 {
        assert_eq!(socket.json("")[0]["type"], "ServerNotification");
    }
    let outcomes: Vec<_> = sim.state()["upgrade_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["fresh", "resumed"]);
}

#[test]
fn the_recovery_timeout_can_be_chosen() {
    let sim = serve(&["--recovery-timeout", "0"]);
    let access = login(&sim);
    let token = ws_token(&sim, &access);
    let (_, hello) = open(&sim, &token, "");
    sim.control(json!({ "do": "cut" }));
    let token = ws_token(&sim, &access);
    let wsc = hello[0]["wsc"]["token"].as_str().unwrap();
    let (_, hello) = open(&sim, &token, &format!("&wsc={wsc}"));
    assert_eq!(hello[1]["recoveryState"], "Failed");
}

#[test]
fn a_second_connection_with_one_token_ends_as_the_option_says() {
    for (reuse, first, second) in [
        ("kick", Some(Frame::Close(Some(4409))), None),
        ("reject", None, Some(Frame::Close(Some(4401)))),
        ("allow", None, None),
    ] {
        let sim = serve(&["--ws-token-reuse", reuse]);
        let access = login(&sim);
        let token = ws_token(&sim, &access);
        let (mut one, _) = open(&sim, &token, "");
        let mut two = Socket::open(&sim, &format!("/ws?access_token={token}")).ok().unwrap();
        match second {
            Some(end) => assert_eq!(two.next(), end, "{reuse}"),
            None => assert_eq!(two.json("")[0]["type"], "ConnectionDetails", "{reuse}"),
        }
        if let Some(end) = first {
            assert_eq!(one.next(), end, "{reuse}");
        }
    }
}

#[test]
fn tokens_stand_as_labels_in_the_lines() {
    let mut sim = serve(&[]);
    let access = login(&sim);
    let token = ws_token(&sim, &access);
    drop(open(&sim, &token, ""));
    sim.expect_http("/ws?access_token=");
    sim.process.signal("TERM");
    assert_eq!(sim.process.code(), 0);
    let shown = sim.process.stdout();
    assert!(!shown.contains(&access) && !shown.contains(&token));
}

#[test]
fn wrong_options_give_2() {
    for wrong in [["--ws-token-reuse", "maybe"], ["--recovery-timeout", "x"]] {
        let (code, stdout, stderr) = Tool::new(["serve", "ringcentral"]).args(wrong).finish();
        assert_eq!(code, Some(2), "{wrong:?}: {stderr}");
        assert!(stdout.is_empty());
    }
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
