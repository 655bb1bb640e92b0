//! REST requests of `connect ringcentral`: over the socket, or over HTTPS.

use serde_json::{Value, json};

use crate::ringcentral::{EXTENSION, MESSAGES, connect, serve, subscribed};
use crate::support::{Running, Sim};

#[test]
fn what_can_go_over_the_socket_does_and_the_rest_goes_over_https() {
    let sim = serve(&[]);
    let mut client = online(&sim, &["--rest-over-websocket"]);
    let fax = format!("{EXTENSION}/fax");
    let multipart = json!({ "Content-Type": "multipart/form-data; boundary=x" });
    let content = format!("{MESSAGES}/1/content/9");
    for (payload, via, status) in [
        (json!({ "method": "GET", "path": EXTENSION }), "socket", 200),
        (
            json!({ "method": "POST", "path": format!("{EXTENSION}/sms"), "body": { "text": "a" } }),
            "socket",
            200,
        ),
        (json!({ "method": "DELETE", "path": format!("{MESSAGES}/1") }), "socket", 204),
        (json!({ "method": "GET", "path": "/restapi/v1.0/no-such" }), "socket", 404),
        (
            json!({ "method": "GET", "path": MESSAGES, "query": { "type": ["SMS", "Fax"], "page": 1 } }),
            "socket",
            200,
        ),
        (json!({ "method": "GET", "path": EXTENSION, "binary": true }), "https", 200),
        (json!({ "method": "GET", "path": content }), "https", 200),
        (
            json!({ "method": "POST", "path": fax, "headers": multipart, "body": "--x--\r\n" }),
            "https",
            200,
        ),
        (
            json!({ "method": "POST", "path": fax, "headers": multipart, "body_base64": "LS14LS0=" }),
            "https",
            200,
        ),
        (json!({ "method": "POST", "path": "/restapi/oauth/wstoken" }), "https", 200),
    ] {
        let response = request(&mut client, &payload);
        assert_eq!(
            (&response["via"], &response["status"]),
            (&json!(via), &json!(status)),
            "{payload}"
        );
        let fate = client.expect("fate");
        let good = if status < 300 { "acked" } else { "rejected" };
        let way = if via == "socket" { "socket" } else { "rest" };
        assert_eq!(
            (&fate["id"], &fate["fate"], &fate["via"]),
            (&json!("q"), &json!(good), &json!(way))
        );
        assert_eq!(fate["tries"], 1);
    }
    client.shut_down();
    let state = sim.state();
    assert_eq!((&state["misrouted"], &state["null_bodies"]), (&json!(0), &json!(0)));
}

#[test]
fn everything_goes_over_https_by_default() {
    let sim = serve(&[]);
    let mut client = online(&sim, &[]);
    let response = request(&mut client, &json!({ "method": "GET", "path": EXTENSION }));
    assert_eq!((&response["via"], &response["status"]), (&json!("https"), &json!(200)));
    assert_eq!(response["body"]["name"], "Sim User");
    client.shut_down();
}

#[test]
fn a_body_is_shown_as_what_it_is() {
    let sim = serve(&[]);
    let mut client = online(&sim, &["--rest-over-websocket"]);
    let get = |path: &str| json!({ "method": "GET", "path": path });
    let none =
        request(&mut client, &json!({ "method": "DELETE", "path": format!("{MESSAGES}/1") }));
    assert_eq!(none["body"], json!(null));
    // Six bytes that are no text.
    let binary = request(&mut client, &get(&format!("{MESSAGES}/1/content/9")));
    assert_eq!(binary["body"], json!({ "base64": "/9gAeID+" }));
    let parts = request(&mut client, &get(&format!("{MESSAGES}/1,2")));
    assert_eq!(parts["status"], 207);
    assert!(parts["body"].as_str().unwrap().starts_with("--Boundary"), "{parts}");
    let error = request(&mut client, &get("/restapi/v1.0/no-such"));
    assert_eq!(error["body"]["errorCode"], "CMN-102");
    client.shut_down();
}

#[test]
fn what_is_sent_has_a_fate_and_no_response() {
    let sim = serve(&[]);
    let mut client = online(&sim, &["--rest-over-websocket"]);
    let sms =
        json!({ "method": "POST", "path": format!("{EXTENSION}/sms"), "body": { "text": "a" } });
    client.say(&json!({ "send": sms, "id": "m1" }));
    let fate = client.expect("fate");
    assert_eq!((&fate["id"], &fate["fate"]), (&json!("m1"), &json!("acked")));
    client.shut_down();
    assert!(client.seen().iter().all(|line| line["kind"] != "response"));
    assert_eq!(sim.state()["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_under_way_when_the_connection_is_lost_ends_as_unknown() {
    let mut sim = serve(&[]);
    let mut client = online(&sim, &["--rest-over-websocket"]);
    sim.control(json!({ "do": "set", "key": "answer_delay_ms", "value": 60_000 }));
    let sms =
        json!({ "method": "POST", "path": format!("{EXTENSION}/sms"), "body": { "text": "a" } });
    client.say(&json!({ "request": sms, "id": "q" }));
    sim.process.until("the request", |line| {
        let path = line["json"][0]["path"].as_str().unwrap_or_default();
        line["dir"] == "client" && path.ends_with("/sms")
    });
    // The line is printed before the request is carried out.
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while sim.state()["messages"].as_array().is_none_or(Vec::is_empty) {
        assert!(std::time::Instant::now() < deadline, "{}", client.story());
    }
    sim.control(json!({ "do": "cut" }));
    let fate = client.expect("fate");
    assert_eq!(
        (&fate["fate"], &fate["via"], &fate["tries"]),
        (&json!("unknown"), &json!("socket"), &json!(1))
    );
    assert_eq!(fate["duplicate"], json!(null));
    sim.control(json!({ "do": "set", "key": "answer_delay_ms", "value": 0 }));
    client.expect("online");
    let response = request(&mut client, &json!({ "method": "GET", "path": EXTENSION }));
    assert_eq!(response["status"], 200);
    client.shut_down();
    // It was carried out once, and nobody has sent it again.
    assert_eq!(sim.state()["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn a_refused_access_token_is_renewed_once_for_a_request() {
    let sim = serve(&[]);
    let mut client = online(&sim, &[]);
    sim.control(json!({ "do": "revoke_tokens" }));
    let response = request(&mut client, &json!({ "method": "GET", "path": EXTENSION }));
    assert_eq!((&response["status"], &response["via"]), (&json!(200), &json!("https")));
    assert_eq!(client.expect("fate")["tries"], 2);
    client.shut_down();
    assert_eq!(sim.state()["refreshes"], 1);
}

#[test]
fn what_is_no_request_is_an_error_and_nothing_else() {
    let sim = serve(&[]);
    let mut client = online(&sim, &[]);
    for payload in [
        json!("GET"),
        json!({}),
        json!({ "method": "GET" }),
        json!({ "path": EXTENSION }),
        json!({ "method": "BREW", "path": EXTENSION }),
        json!({ "method": "GET", "path": 1 }),
        json!({ "method": "GET", "path": EXTENSION, "query": [] }),
        json!({ "method": "GET", "path": EXTENSION, "query": { "a": {} } }),
        json!({ "method": "GET", "path": EXTENSION, "query": { "a": [[]] } }),
        json!({ "method": "GET", "path": EXTENSION, "headers": { "Accept": 1 } }),
        json!({ "method": "GET", "path": EXTENSION, "binary": "yes" }),
        json!({ "method": "GET", "path": EXTENSION, "other": 1 }),
        json!({ "method": "POST", "path": EXTENSION, "body_base64": "AAAA" }),
        json!({ "method": "POST", "path": EXTENSION, "body": {}, "body_base64": "AAAA" }),
        json!({ "method": "POST", "path": EXTENSION, "body_base64": "?",
                "headers": { "content-type": "a/b" } }),
    ] {
        client.say(&json!({ "request": payload, "id": "q" }));
        assert_eq!(client.expect("error")["fault"], "caller", "{payload}");
    }
    // What leads away from the server is refused before anything is sent.
    for path in ["//elsewhere/restapi", "restapi", "https://elsewhere/"] {
        client.say(&json!({ "send": { "method": "GET", "path": path }, "id": "m" }));
        let fate = client.expect("fate");
        assert_eq!((&fate["fate"], &fate["code"]), (&json!("rejected"), &json!(1)), "{path}");
    }
    client.shut_down();
    let state = sim.state();
    assert_eq!(state["rest"].as_array().unwrap().len(), 1, "the subscription: {state}");
}

fn online(sim: &Sim, args: &[&str]) -> Running {
    subscribed(connect(sim).args(["--subscribe", MESSAGES]).args(args))
}

fn request(client: &mut Running, payload: &Value) -> Value {
    client.say(&json!({ "request": payload, "id": "q" }));
    let response = client.expect("response");
    assert_eq!(response["id"], "q");
    response
}
