//! `redial proxy` as a process.

use serde_json::{Value, json};

use crate::support::{FAST, PASSWORD, Running, Sim, Tool, publish, scratch};

#[test]
fn a_proxy_breaks_a_session_by_its_rules() {
    let proxy_port = free_port();
    let sim = Sim::new(&["--advertise", &format!("127.0.0.1:{proxy_port}")]);
    let target = target(&sim);
    let rules = scratch("rules.json");
    let refuse = json!({ "on": "http", "path": "/ws_api/", "nth": 1, "times": 2, "act": "refuse" });
    std::fs::write(&rules, json!([refuse]).to_string()).unwrap();
    let listen = format!("127.0.0.1:{proxy_port}");
    let tool = Tool::new(["proxy", "--json", "--listen", &listen, "--target", &target])
        .args(["--control", "127.0.0.1:0", "--rules"])
        .arg(&rules);
    let mut proxy = Sim::start(tool);
    assert_eq!(proxy.listening["listen"], listen);
    assert_eq!(proxy.listening["target"], target);

    let mut client = session(&listen);
    for attempt in 1..=2 {
        let retry = client.expect("retry_scheduled");
        assert_eq!((&retry["cause"], &retry["attempt"]), (&json!("network"), &json!(attempt)));
    }
    client.expect("online");
    let hit = proxy.process.expect("hit");
    assert_eq!(
        (&hit["rule"], &hit["on"], &hit["act"]),
        (&json!(1), &json!("http"), &json!("refuse"))
    );

    let close = json!({ "do": "close", "code": 4401 });
    // The login's connection may be kept as well; only a WebSocket can be closed.
    assert!(proxy.control(close)["connections"].as_u64().unwrap() >= 1);
    assert_eq!(client.expect("offline")["cause"], json!({ "close": 4401 }));
    client.expect("online");

    let rule = json!({
        "do": "rule", "on": "frame", "dir": "to_server", "nth": 1, "at": 4, "act": "cut",
    });
    assert_eq!(proxy.control(rule), json!({ "rule": 2 }));
    proxy.control(json!({ "do": "cut", "rst": true }));
    assert_eq!(client.expect("offline")["cause"], "network");
    client.expect("online");
    client.say(&json!({ "send": publish("sparrow-text"), "id": "m1" }));
    assert_eq!(client.expect("offline")["cause"], "network");
    let hit = proxy.process.until("the frame rule", |line| line["rule"] == 2);
    assert_eq!((&hit["on"], &hit["act"]), (&json!("frame"), &json!("cut")));
    let state = proxy.control(json!({ "do": "state" }));
    assert_eq!(state["rules"], json!([{ "rule": 1, "fired": 2 }, { "rule": 2, "fired": 1 }]));

    client.shut_down();
    proxy.process.signal("TERM");
    assert_eq!(proxy.process.code(), 0);
    // Neither the bearer in the path nor what was said is told.
    let told = proxy.process.story();
    assert!(
        !told.contains("sparrow") && !told.contains("ws_api") && !told.contains("bearer"),
        "{told}"
    );
}

#[test]
fn a_close_code_on_tls_is_told_to_come_to_nothing_and_a_cut_works() {
    let listen = format!("127.0.0.1:{}", free_port());
    let sim = Sim::new(&["--tls", "--advertise", &listen]);
    let tool = Tool::new(["proxy", "--json", "--listen", &listen, "--target", &target(&sim)]);
    let mut proxy = Sim::start(tool.args(["--control", "127.0.0.1:0"]));
    let policy = scratch("policy.toml");
    std::fs::write(&policy, FAST).unwrap();
    let mut client =
        Tool::new(["connect", "liveperson", "--json", "--account", "12345678", "--csds", &listen])
            .args(["--ca", sim.ca().unwrap(), "--username", "bot", "--policy"])
            .arg(policy)
            .args(PASSWORD)
            .start();
    client.expect("online");
    assert_eq!(proxy.process.expect("unread")["tls"], true);
    proxy.control(json!({ "do": "close", "code": 4401 }));
    assert_eq!(proxy.process.expect("missed")["act"], "close");
    let state = proxy.control(json!({ "do": "state" }));
    assert_eq!(state["unread"], state["connections"]);
    assert!(state["missed"].as_u64().unwrap() >= 1, "{state}");
    proxy.control(json!({ "do": "cut" }));
    assert_eq!(client.expect("offline")["cause"], "network");
    client.expect("online");
    client.shut_down();
}

#[test]
fn a_command_that_makes_no_sense_is_answered_with_400_and_the_reason() {
    let nobody = free_port();
    let target = format!("127.0.0.1:{nobody}");
    let proxy =
        Sim::start(Tool::new(["proxy", "--json", "--target", &target, "--control", "127.0.0.1:0"]));
    for (body, reason) in [
        ("[]", "a command is a JSON object"),
        (r#"{"do":"dance"}"#, r#"unknown command "dance""#),
        (r#"{"do":"rule","on":"connect"}"#, r#""act" is missing"#),
        (r#"{"do":"cut","loud":true}"#, r#"unknown field "loud" in "cut""#),
        (r#"{"do":"down"}"#, r#""ms" is missing"#),
    ] {
        assert_eq!(proxy.post(body), (400, json!({ "error": reason })), "{body}");
    }
    let (status, answer) = proxy.post("{");
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().starts_with("not JSON"), "{answer}");
}

#[test]
fn what_cannot_be_read_or_reached_is_said_and_exits_with_1() {
    let rules = scratch("bad-rules.json");
    std::fs::write(&rules, r#"[{"on":"connect","act":"cut"},{"on":"rain"}]"#).unwrap();
    let tool = Tool::new(["proxy", "--target", "127.0.0.1:1", "--rules"]).arg(&rules);
    let (code, stdout, stderr) = tool.finish();
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("rule 2: a rule cannot be on \"rain\""), "{stderr}");
    let (code, _, stderr) = Tool::new(["proxy", "--target", "no-port"]).finish();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("--target"), "{stderr}");
    assert_eq!(Tool::new(["proxy"]).finish().0, Some(2));
}

fn session(host: &str) -> Running {
    let policy = scratch("policy.toml");
    std::fs::write(&policy, FAST).unwrap();
    Tool::new(["connect", "liveperson", "--json", "--account", "12345678", "--csds", host])
        .args(["--plain", "--username", "bot", "--policy"])
        .arg(policy)
        .args(PASSWORD)
        .start()
}

/// Returns where the simulator itself listens, whatever it tells its clients.
fn target(sim: &Sim) -> String {
    let addr: &Value = &sim.listening["addr"];
    addr.as_str().expect("the address").to_owned()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
