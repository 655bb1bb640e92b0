//! `redial serve evolution` as a process, seen by a client of sockets and bytes.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{PATIENCE, Sim, Tool};

#[test]
fn an_event_comes_as_nothing_but_its_payload() {
    let mut sim = serve(&[]);
    let token = create(&sim)["Auth"]["token"].as_str().unwrap().to_owned();
    let mut client = Client::open(&sim, &events("messages.upsert", &token), &[]);
    client.say("{\"message\":\"test data\"}");
    client.settle();
    let body =
        json!({ "instance": "shop-1", "event": "messages.upsert", "data": { "keyId": "A" } });
    let answer = sim.control(json!({ "do": "notify", "n": 2, "body": body }));
    assert_eq!(answer, json!({ "ok": true, "sockets": 1, "sent": 2 }));
    assert_eq!([client.text(), client.text()], ["{\"keyId\":\"A\"}"; 2]);

    let upgrade = sim.expect_http("/ws/events");
    assert_eq!(upgrade["path"], "/ws/events?event=messages.upsert&token=token-1");
    let frame = sim.process.until("frame", |line| line["frame"] == "text");
    assert_eq!((&frame["conn"], &frame["channel"]), (&json!(1), &json!("ws")));
    assert_eq!(frame["json"], json!({ "message": "test data" }));
    let state = sim.state();
    for (field, expected) in
        [("upgrades", 1), ("live_sockets", 1), ("logins", 1), ("refreshes", 0), ("lost", 0)]
    {
        assert_eq!(state[field], expected, "{field}");
    }
    let counts = json!({ "upgrades": 1, "refused": 0, "live": 1, "mute": 0, "sent": 2, "lost": 0 });
    assert_eq!(state["events"]["messages.upsert"], counts);
    assert_eq!(state["token_calls"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&state["messages"][0]["path"], &state["messages"][0]["id"]),
        (&json!("socket"), &Value::Null)
    );
    assert!(!sim.process.stdout().contains(&token));

    sim.control(json!({ "do": "cut" }));
    assert_eq!(client.rest(), b"");
    sim.process.signal("TERM");
    assert_eq!(sim.process.code(), 0);
}

#[test]
fn every_refused_upgrade_is_the_servers_own() {
    let sim = serve(&[]);
    let token = create(&sim)["Auth"]["token"].as_str().unwrap().to_owned();
    let refused = b"HTTP/1.1 401 Unauthorized\r\n\r\n";
    for target in [
        "/ws/events".to_owned(),
        events("messaging-history.set", &token),
        events("messages.upsert", "not-a-token"),
        events("messages.upsert", &token).replace("/ws/events", "/ws/events/"),
    ] {
        assert_eq!(Client::ask(&sim, &target, &[]).rest(), refused, "{target}");
    }
    sim.control(json!({ "do": "refuse", "step": "upgrade", "times": 1, "status": 401 }));
    let good = events("messages.upsert", &token);
    assert_eq!(Client::ask(&sim, &good, &[]).rest(), refused);
    sim.control(json!({ "do": "revoke_tokens" }));
    assert_eq!(Client::ask(&sim, &good, &[]).rest(), refused);
    // The revoked one can be refreshed, and what comes is good.
    let body = json!({ "oldToken": token });
    let (status, answer) = http(&sim, "PUT", "/instance/refreshToken/shop-1", "", &body);
    assert_eq!(status, 201);
    let new = answer["token"].as_str().unwrap();
    Client::open(&sim, &events("messages.upsert", new), &[]);
    assert_eq!(sim.state()["refreshes"], 1);
}

#[test]
fn the_secret_decides_which_tokens_are_good() {
    // The example of jwt.io, signed by its own page.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6\
        IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    let secret = "your-256-bit-secret";
    let flag = serve(&["--jwt-secret", secret]);
    let tool = Tool::new(["serve", "evolution"]).env("REDIAL_JWT_SECRET", secret);
    let variable = Sim::start(tool);
    for sim in [&flag, &variable] {
        Client::open(sim, &events("chats.set", token), &[]);
        assert!(!sim.process.story().contains(secret));
        assert!(!sim.process.story().contains(token));
    }
    let other = serve(&["--jwt-secret", "another"]);
    let refused = Client::ask(&other, &events("chats.set", token), &[]).rest();
    assert_eq!(refused, b"HTTP/1.1 401 Unauthorized\r\n\r\n");
}

#[test]
fn a_namespace_exists_after_its_first_event() {
    let sim = serve(&["--profile", "v2", "--set", "api_key=\"the-key\""]);
    let mut client = Client::open(&sim, ENGINE, &[("apikey", "the-key")]);
    let open: Value = serde_json::from_str(&client.text()[1..]).unwrap();
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&json!(25_000), &json!(20_000)));
    client.say("40/shop-1,");
    assert_eq!(client.text(), "44/shop-1,{\"message\":\"Invalid namespace\"}");
    let event = json!({ "instance": "shop-1", "event": "chats.upsert", "data": [7] });
    sim.control(json!({ "do": "notify", "body": event }));
    client.say("40/shop-1,");
    assert!(client.text().starts_with("40/shop-1,{\"sid\":\""));
    sim.control(json!({ "do": "notify", "body": event }));
    let text = client.text();
    let packet: Value = serde_json::from_str(text.strip_prefix("42/shop-1,").unwrap()).unwrap();
    assert_eq!((&packet[0], &packet[1]["data"]), (&json!("chats.upsert"), &json!([7])));
    assert_eq!((&packet[1]["instance"], &packet[1]["apikey"]), (&json!("shop-1"), &Value::Null));

    let state = sim.state();
    assert_eq!((&state["profile"], &state["upgrades"]), (&json!("v2"), &json!(1)));
    let joined: Vec<_> =
        state["joins"].as_array().unwrap().iter().map(|one| &one["joined"]).collect();
    assert_eq!(joined, [&json!(false), &json!(true)]);
    assert_eq!(state["upgrade_calls"][0]["token"], "api-key-1");
    assert!(!sim.process.story().contains("the-key"));
}

#[test]
fn a_key_that_is_missing_or_wrong_is_refused_in_words() {
    let sim = serve(&["--profile", "v2", "--set", "api_key=\"the-key\""]);
    for (headers, words) in
        [(&[][..], "apiKey is required"), (&[("apikey", "wrong")], "Invalid global token")]
    {
        let answer = Client::ask(&sim, ENGINE, headers).rest();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{words}")), "{answer}");
    }
}

#[test]
fn wrong_usage_gives_2() {
    for args in [
        &["--profile", "v3"][..],
        &["--jwt-secret", ""],
        &["--set", "expires_in_s=never"],
        &["--set", "nothing=1"],
    ] {
        let (code, stdout, stderr) = Tool::new(["serve", "evolution"]).args(args).finish();
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stdout.is_empty(), "{args:?}: {stdout}");
    }
}

fn serve(args: &[&str]) -> Sim {
    Sim::start(Tool::new(["serve", "evolution"]).args(args))
}

fn events(event: &str, token: &str) -> String {
    format!("/ws/events?event={event}&token={token}")
}

/// Creates the instance shop-1.
fn create(sim: &Sim) -> Value {
    let body = json!({ "instanceName": "shop-1" });
    let (status, answer) = http(sim, "POST", "/instance/create", "apikey: global-key\r\n", &body);
    assert_eq!(status, 201, "{answer}");
    answer
}

fn http(sim: &Sim, method: &str, target: &str, headers: &str, body: &Value) -> (u16, Value) {
    let mut tcp = connect(sim);
    let (host, body) = (sim.host(), body.to_string());
    let length = body.len();
    write!(
        tcp,
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\
         content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn connect(sim: &Sim) -> TcpStream {
    let tcp = TcpStream::connect(sim.host()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}

/// A WebSocket client of the fewest bytes.
struct Client(TcpStream);

impl Client {
    /// Asks for an upgrade; the answer is still to be read.
    fn ask(sim: &Sim, target: &str, headers: &[(&str, &str)]) -> Self {
        let mut tcp = connect(sim);
        let mut head = format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            sim.host()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        write!(tcp, "{head}\r\n").unwrap();
        Self(tcp)
    }

    fn open(sim: &Sim, target: &str, headers: &[(&str, &str)]) -> Self {
        let mut client = Self::ask(sim, target, headers);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(client.bytes::<1>());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        client
    }

    /// Sends a text frame with a mask of zeros.
    fn say(&mut self, text: &str) {
        let length = u8::try_from(text.len()).unwrap();
        assert!(length < 126);
        let head = [0x81, 0x80 | length, 0, 0, 0, 0];
        self.0.write_all(&[&head, text.as_bytes()].concat()).unwrap();
    }

    /// Waits until the simulator has handled what was said.
    fn settle(&mut self) {
        self.0.write_all(&[0x89, 0x80, 0, 0, 0, 0]).unwrap();
        assert_eq!(self.bytes(), [0x8A, 0]);
    }

    /// Reads a text frame.
    fn text(&mut self) -> String {
        let [opcode, length] = self.bytes();
        assert_eq!(opcode, 0x81);
        let length = match length {
            126 => usize::from(u16::from_be_bytes(self.bytes())),
            length => usize::from(length),
        };
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Reads what comes until the end.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        rest
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

const ENGINE: &str = "/socket.io/?EIO=4&transport=websocket";
