//! Requests on the socket and over HTTPS, subscriptions, and frames that make no sense.

use std::time::Duration;

use futures_util::SinkExt;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::ringcentral::{CONTENT, RingCentralSim, Settings, Via};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::{
    Login, SOON, Ws, ask, call, connect, filters, login, next, next_json, next_text, notes, quiet,
    send, subscribe, subscribed,
};

async fn sim(change: impl FnOnce(&mut Settings)) -> RingCentralSim {
    RingCentralSim::builder().settings(change).start().await.unwrap()
}

async fn online(sim: &RingCentralSim) -> (Login, Ws) {
    let login = login(sim).await;
    let (ws, _) = connect(sim, &login, None).await;
    (login, ws)
}

#[tokio::test]
async fn a_second_subscription_replaces_the_first() {
    let sim = sim(|_| {}).await;
    let (_, mut ws) = online(&sim).await;
    let first = subscribe(&mut ws, "one").await;
    let body = json!({
        "eventFilters": ["/restapi/v1.0/account/~/extension/~/presence"],
        "deliveryMode": { "transportType": "WebSocket" },
    });
    // With the slash that the guide writes.
    let second = ask(&mut ws, "two", "POST", "/restapi/v1.0/subscription/", Some(body)).await;
    assert_eq!(second[0]["status"], 200, "{second}");
    assert_ne!(first[1]["id"], second[1]["id"]);
    assert_eq!((&second[1]["expiresIn"], &second[1]["status"]), (&json!(86_399), &json!("Active")));
    sim.notify(1, json!({})).await;
    let note = next_json(&mut ws).await;
    assert_eq!(note[1]["subscriptionId"], second[1]["id"]);
    assert_eq!(note[1]["event"], "/restapi/v1.0/account/1/extension/1001/presence");
    assert_eq!((&note[0]["messageId"], &note[1]["ownerId"]), (&note[1]["uuid"], &json!("1001")));
    // Only what the filters ask for.
    let event = "/restapi/v1.0/account/1/extension/1001/message-store";
    sim.notify(1, json!({ "event": event })).await;
    quiet(&mut ws).await;
    assert_eq!((sim.state().subscriptions, sim.state().subscriptions_made), (1, 2));
}

#[tokio::test]
async fn a_subscription_is_changed_deleted_and_then_unknown() {
    let sim = sim(|_| {}).await;
    let (_, mut ws) = online(&sim).await;
    let made = subscribe(&mut ws, "s").await;
    let path = format!("/restapi/v1.0/subscription/{}", made[1]["id"].as_str().unwrap());
    let put = ask(&mut ws, "p", "PUT", &path, Some(filters())).await;
    assert_eq!((&put[0]["status"], &put[1]["id"]), (&json!(200), &made[1]["id"]));
    assert_eq!(ask(&mut ws, "g", "GET", &path, None).await[1]["id"], made[1]["id"]);
    let deleted = ask(&mut ws, "d", "DELETE", &path, None).await;
    assert_eq!((deleted[0]["status"].clone(), deleted.as_array().unwrap().len()), (json!(204), 1));
    for method in ["PUT", "DELETE", "GET"] {
        let gone = ask(&mut ws, method, method, &path, Some(filters())).await;
        assert_eq!(gone[0]["status"], 404, "{method}");
        assert_eq!(gone[1]["parameterName"], "subscriptionId", "{method}");
    }
    sim.notify(1, json!({})).await;
    quiet(&mut ws).await;
}

#[tokio::test]
async fn subscribing_can_be_refused_and_can_end() {
    let sim = sim(|_| {}).await;
    let (one, mut ws) = online(&sim).await;
    sim.refuse(Refusal::status("subscribe", 403)).await;
    assert_eq!(subscribe(&mut ws, "a").await[1]["errorCode"], "SUB-528");
    sim.set("subscribe_permission", false).await.unwrap();
    assert_eq!(subscribe(&mut ws, "b").await[0]["status"], 403);
    sim.set("subscribe_permission", true).await.unwrap();
    for body in [
        json!({}),
        json!({ "eventFilters": [], "deliveryMode": { "transportType": "WebSocket" } }),
        json!({ "eventFilters": [1], "deliveryMode": { "transportType": "WebSocket" } }),
    ] {
        let bad = ask(&mut ws, "c", "POST", "/restapi/v1.0/subscription", Some(body)).await;
        assert_eq!((&bad[0]["status"], &bad[1]["errorCode"]), (&json!(400), &json!("CMN-101")));
    }
    // There is no socket over HTTPS.
    let bearer = format!("Bearer {}", one.access);
    let headers = [("authorization", bearer.as_str())];
    let body = filters().to_string();
    let path = "/restapi/v1.0/subscription";
    let https = call(&sim, "POST", path, &headers, body.as_bytes()).await.unwrap();
    assert_eq!(https.status, 400);

    assert_eq!(subscribe(&mut ws, "d").await[0]["status"], 200);
    sim.notify(1, json!({})).await;
    notes(&mut ws, 1).await;
    sim.drop_subscriptions().await;
    sim.notify(1, json!({})).await;
    quiet(&mut ws).await;
    sim.set("subscription_renewal", false).await.unwrap();
    sim.set("subscription_ttl_ms", 0).await.unwrap();
    let made = subscribe(&mut ws, "e").await;
    sim.notify(1, json!({})).await;
    let path = format!("{path}/{}", made[1]["id"].as_str().unwrap());
    assert_eq!(ask(&mut ws, "f", "PUT", &path, Some(filters())).await[0]["status"], 404);
}

#[tokio::test]
async fn resources_are_the_same_on_both_ways() {
    let sim = sim(|_| {}).await;
    let (one, mut ws) = online(&sim).await;
    let canned = json!({ "method": "put", "path": "/restapi/v1.0/own", "status": 202, "body": { "own": true } });
    sim.set("canned", canned).await.unwrap();
    let bearer = format!("Bearer {}", one.access);
    let text = json!({ "text": "Hello" });
    for (method, path, status, body) in [
        ("GET", "/restapi/v1.0/account/~", 200, None),
        ("GET", "/restapi/v1.0/account/~/extension/~", 200, None),
        ("GET", "/restapi/v1.0/account/~/extension/~/message-store", 200, None),
        ("PUT", "/restapi/v1.0/account/~/extension/~/message-store/1", 200, Some(text.clone())),
        ("DELETE", "/restapi/v1.0/account/~/extension/~/message-store/1", 204, None),
        ("PUT", "/restapi/v1.0/own", 202, Some(text.clone())),
        ("POST", "/restapi/v1.0/nope", 404, Some(text)),
    ] {
        let frame = ask(&mut ws, path, method, path, body.clone()).await;
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let https = call(&sim, method, path, &headers, body.as_bytes()).await.unwrap();
        assert_eq!((https.status, &frame[0]["status"]), (status, &json!(status)), "{path}");
        assert_eq!(https.json(), frame[1], "{path}");
    }
    let state = sim.state();
    let ways = state.rest_of("PUT", "/own").map(|seen| seen.via).collect::<Vec<_>>();
    assert_eq!((ways, state.misrouted), (vec![Via::Socket, Via::Https], 0));
    assert_eq!(call(&sim, "GET", "/restapi/v1.0/account/~", &[], b"").await.unwrap().status, 401);
    assert_eq!(call(&sim, "GET", "/elsewhere", &[], b"").await.unwrap().status, 404);
}

#[tokio::test]
async fn messages_are_counted_with_their_duplicates() {
    let sim = sim(|_| {}).await;
    let (one, mut ws) = online(&sim).await;
    let path = "/restapi/v1.0/account/~/extension/~/company-pager";
    for id in ["m1", "m2", "m1"] {
        let answer = ask(&mut ws, id, "POST", path, Some(json!({ "text": "Hello" }))).await;
        assert_eq!((&answer[1]["type"], &answer[1]["subject"]), (&json!("Pager"), &json!("Hello")));
    }
    let bearer = format!("Bearer {}", one.access);
    let headers = [("authorization", bearer.as_str()), ("x-request-id", "m2")];
    call(&sim, "POST", path, &headers, b"{}").await.unwrap();
    let messages = sim.state().messages;
    let seen: Vec<_> =
        messages.iter().map(|one| (&*one.id, one.via.name(), one.duplicate)).collect();
    let socket = "socket";
    assert_eq!(
        seen,
        [("m1", socket, false), ("m2", socket, false), ("m1", socket, true), ("m2", "rest", true)]
    );
}

#[tokio::test]
async fn binary_and_multipart_belong_on_https() {
    let sim = sim(|_| {}).await;
    let (one, mut ws) = online(&sim).await;
    let bearer = format!("Bearer {}", one.access);
    let path = "/restapi/v1.0/account/~/extension/~/message-store/1/content/9";
    let headers = [("authorization", bearer.as_str())];
    let content = call(&sim, "GET", path, &headers, b"").await.unwrap();
    assert_eq!(
        (content.header("content-type"), &*content.body),
        (Some("application/octet-stream"), CONTENT)
    );
    let fax = "/restapi/v1.0/account/~/extension/~/fax";
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "multipart/form-data; boundary=b")];
    let sent = call(&sim, "POST", fax, &headers, b"--b\r\n\r\n\xFF\x00\r\n--b--").await.unwrap();
    assert_eq!((sent.status, sent.json()["type"].clone()), (200, json!("Fax")));
    assert_eq!(sim.state().misrouted, 0);
    assert_eq!(ask(&mut ws, "c", "GET", path, None).await[0]["status"], 400);
    assert_eq!(ask(&mut ws, "t", "POST", "/restapi/oauth/token", None).await[0]["status"], 404);
    assert_eq!(ask(&mut ws, "f", "POST", fax, Some(json!({ "0": 45 }))).await[0]["status"], 200);
    let meta = json!({ "type": "ClientRequest", "messageId": "r", "method": "POST", "path": "/restapi/v1.0/account/~/extension/~/sms" });
    ws.send(Message::text(format!("[{meta},--Boundary\r\n\r\nx--Boundary--]"))).await.unwrap();
    assert_eq!(next_json(&mut ws).await[0]["messageId"], "r");
    assert_eq!((sim.state().misrouted, sim.state().bad_frames), (4, 0));
}

#[tokio::test]
async fn a_body_that_is_no_json_makes_the_frame_none() {
    let sim = sim(|_| {}).await;
    let (one, mut ws) = online(&sim).await;
    let path = "/restapi/v1.0/account/~/extension/1001,1002";
    send(&mut ws, "b", "GET", path, None).await;
    let text = next_text(&mut ws).await;
    assert!(serde_json::from_str::<Value>(&text).is_err());
    let (meta, body) = text[1..text.len() - 1].split_once(",--Boundary").unwrap();
    let meta: Value = serde_json::from_str(meta).unwrap();
    assert_eq!((&meta["messageId"], &meta["status"]), (&json!("b"), &json!(207)));
    assert_eq!(body.matches("\"Sim User\"").count(), 2);
    let bearer = format!("Bearer {}", one.access);
    let https = call(&sim, "GET", path, &[("authorization", &bearer)], b"").await.unwrap();
    assert!(
        https.header("content-type").unwrap().starts_with("multipart/mixed; boundary=Boundary")
    );
    assert_eq!(format!("--Boundary{body}").as_bytes(), https.body);
}

#[tokio::test]
async fn a_null_body_is_an_error_and_the_socket_stays() {
    let sim = sim(|_| {}).await;
    let (_, mut ws) = online(&sim).await;
    for body in [Value::Null, json!([1]), json!(7)] {
        let error = ask(&mut ws, "n", "GET", "/restapi/v1.0/account/~", Some(body)).await;
        assert_eq!((&error[0]["type"], &error[0]["status"]), (&json!("Error"), &json!(400)));
        assert_eq!(error[1]["errorCode"], "WSG-808");
    }
    assert_eq!(ask(&mut ws, "q", "GET", "/restapi/v1.0/account/~", None).await[0]["status"], 200);
    assert_eq!((sim.state().null_bodies, sim.state().rest.len()), (3, 1));
}

#[tokio::test]
async fn answers_come_late_in_another_order_and_not_beyond_the_limit() {
    let sim = sim(|settings| settings.max_active_requests = 3).await;
    let (_, mut ws) = online(&sim).await;
    sim.set("reorder", 3).await.unwrap();
    for id in ["1", "2", "3"] {
        send(&mut ws, id, "GET", "/restapi/v1.0/account/~", None).await;
    }
    let mut order = Vec::new();
    for _ in 0..3 {
        order.push(next_json(&mut ws).await[0]["messageId"].as_str().unwrap().to_owned());
    }
    assert_eq!(order, ["3", "2", "1"]);
    // One that waits for others which never come.
    assert_eq!(ask(&mut ws, "4", "GET", "/restapi/v1.0/account/~", None).await[0]["status"], 200);
    sim.set("reorder", 0).await.unwrap();
    sim.set("answer_delay_ms", 300).await.unwrap();
    for id in ["5", "6", "7", "8"] {
        send(&mut ws, id, "GET", "/restapi/v1.0/account/~", None).await;
    }
    let over = next_json(&mut ws).await;
    assert_eq!(
        (&over[0]["type"], &over[0]["messageId"], &over[0]["status"]),
        (&json!("Error"), &json!("8"), &json!(429))
    );
    for _ in 0..3 {
        assert_eq!(next_json(&mut ws).await[0]["status"], 200);
    }
    sim.set("answer_delay_ms", 0).await.unwrap();
    assert_eq!(ask(&mut ws, "9", "GET", "/restapi/v1.0/account/~", None).await[0]["status"], 200);
    let state = sim.state();
    assert_eq!((state.most_active, state.over_limit), (4, 1));
}

#[tokio::test]
async fn requests_on_the_socket_obey_the_script() {
    let sim = sim(|_| {}).await;
    let (_, mut ws) = online(&sim).await;
    let path = "/restapi/v1.0/account/~";
    sim.refuse(Refusal::status("rest", 429).retry_after("3")).await;
    let limited = ask(&mut ws, "a", "GET", path, None).await;
    assert_eq!(
        (&limited[0]["headers"]["Retry-After"], &limited[1]["errorCode"]),
        (&json!("3"), &json!("CMN-301"))
    );
    sim.refuse(Refusal::omit("rest", "id")).await;
    assert!(ask(&mut ws, "b", "GET", path, None).await[1]["id"].is_null());
    let fail = json!({ "do": "fail_requests", "n": 1, "code": 500, "body": { "errorCode": "X" } });
    sim.control_json(fail).await.unwrap();
    assert_eq!(ask(&mut ws, "c", "GET", path, None).await[1]["errorCode"], "X");
    sim.control_json(json!({ "do": "unknown_ids", "n": 1 })).await.unwrap();
    send(&mut ws, "d", "GET", path, None).await;
    assert_ne!(next_json(&mut ws).await[0]["messageId"], "d");
    sim.lose_acks(1).await;
    send(&mut ws, "e", "GET", path, None).await;
    sim.until(SOON, |state| state.rest.len() == 5).await.unwrap();
    sim.refuse(Refusal::hang("rest")).await;
    send(&mut ws, "f", "GET", path, None).await;
    quiet(&mut ws).await;
    sim.refuse(Refusal::reset("rest")).await;
    send(&mut ws, "g", "GET", path, None).await;
    assert!(matches!(next(&mut ws).await, Err(Error::Io(_) | Error::Protocol(_))));
}

#[tokio::test]
async fn heartbeats_are_echoed_unless_the_script_forbids_it() {
    let sim = sim(|settings| settings.idle_timeout = Duration::from_secs(1)).await;
    let (_, mut ws) = online(&sim).await;
    let heartbeat = json!([{ "type": "Heartbeat", "messageId": "h1" }]);
    // They count as traffic; ping frames do not.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        ws.send(Message::Ping(Vec::new().into())).await.unwrap();
        ws.send(Message::text(heartbeat.to_string())).await.unwrap();
        assert_eq!(next_json(&mut ws).await, heartbeat);
    }
    sim.set("answer_heartbeats", false).await.unwrap();
    ws.send(Message::text(heartbeat.to_string())).await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        ws.send(Message::Ping(Vec::new().into())).await.unwrap();
    }
    assert_eq!(next_json(&mut ws).await[1]["errorCode"], "WSG-902");
    assert_eq!((sim.state().heartbeats, sim.state().pings), (5, 7));
}

#[tokio::test]
async fn nonsense_is_counted_and_ignored() {
    let sim = sim(|_| {}).await;
    let (_, mut ws, _) = subscribed(&sim).await;
    let deep = "[".repeat(20_000);
    let texts = [
        "",
        "null",
        "{}",
        "[]",
        "[1]",
        "[[]]",
        "[{}]",
        "[{},{},{}]",
        "[{\"type\":\"Heartbeat\"}]",
        "[{\"type\":\"Other\",\"messageId\":\"x\"}]",
        "[{\"type\":7,\"messageId\":\"x\"}]",
        "[{\"type\":\"ClientRequest\",\"messageId\":\"x\"}]",
        "[{\"type\":\"ClientRequest\",\"messageId\":\"x\",\"method\":1,\"path\":2}]",
        ",--Boundary",
        "[,--Boundary]",
        "[{},--Boundary",
        "é,--Boundary",
        "é{},--Boundary]",
        "[{\"messageId\":\"x\"},--Boundary]",
        &deep,
    ];
    for text in texts {
        ws.send(Message::text(text)).await.unwrap();
    }
    ws.send(Message::binary(vec![0xFF; 10])).await.unwrap();
    let wanted = texts.len() as u64 + 1;
    sim.until(SOON, |state| state.bad_frames == wanted).await.unwrap();
    for path in [
        "",
        "/",
        "~",
        "/restapi/v1.0",
        "/restapi/v1.0//",
        "/restapi/v1.0/account/~/extension/,,/x",
        "\u{0}",
    ] {
        let answer = ask(&mut ws, "q", "GET", path, None).await;
        assert!(answer[0]["status"].as_u64().unwrap() >= 400, "{path}: {answer}");
    }
    sim.notify(1, json!("text")).await;
    assert_eq!(notes(&mut ws, 1).await, [1]);
    sim.set("extra_fields", true).await.unwrap();
    let answer = ask(&mut ws, "q", "GET", "/restapi/v1.0/account/~", None).await;
    assert!(answer[0]["x-unknown"].is_object());
}
