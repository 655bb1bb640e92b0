//! Our requests against those of the vendor's SDK, as it was recorded, field by field.

use redial_core::http::Method;
use redial_core::{Cause, Input};
use redial_ringcentral::{Command, Request, SubscriptionInfo};
use serde_json::{Value, json};

use crate::support::{FILTER, World, adapter, hello, recovered, subscription};

/// The client's lines of a recording of `@rc-ex/ws` 1.4.2, the port replaced.
fn recording(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn frames(lines: &[Value]) -> Vec<Value> {
    let frames = lines.iter().filter(|line| line["channel"] == "ws" && line["event"] == "frame");
    frames.map(|line| line["data"].clone()).collect()
}

fn exchanges(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["channel"] == "http").collect()
}

/// Two frames are alike apart from ids and the name of the client.
#[track_caller]
fn alike(own: &Value, recorded: &Value) {
    let plain = |frame: &Value| {
        let mut frame = frame.clone();
        assert!(frame[0]["messageId"].as_str().is_some_and(|id| !id.is_empty()));
        frame[0]["messageId"] = json!("id");
        if let Some(headers) = frame[0].get_mut("headers").and_then(Value::as_object_mut) {
            assert!(headers.contains_key("X-User-Agent"));
            headers.insert("X-User-Agent".into(), json!("client"));
        }
        let path = frame[0]["path"].as_str().unwrap_or_default().to_owned();
        // The ids of subscriptions differ.
        if let Some((stem, _)) = path.split_once("/subscription/") {
            frame[0]["path"] = json!(format!("{stem}/subscription/id"));
        }
        frame
    };
    assert_eq!(plain(own), plain(recorded));
}

#[test]
fn the_exchanges_before_a_connection_are_those_of_the_sdk() {
    let lines = recording(include_str!("../data/connect-subscribe-notify.jsonl"));
    let recorded = exchanges(&lines);
    let mut it = World::new(adapter());
    it.input(Input::Connect);
    for line in &recorded[..2] {
        let (_, request) = it.http.front().unwrap();
        assert_eq!(request.method, Method::Post);
        let path = request.url.strip_prefix("https://sim.example").unwrap();
        assert_eq!(path, line["path"].as_str().unwrap());
        let body = std::str::from_utf8(&request.body).unwrap();
        assert_eq!(body, line["body"].as_str().unwrap());
        let kind = &line["headers"]["content-type"];
        assert!(request.headers.iter().any(|(key, own)| *key == "content-type" && own == kind));
        let (name, own) = &request.headers[0];
        assert_eq!(*name, "authorization");
        let (scheme, _) = own.split_once(' ').unwrap();
        assert!(line["headers"]["authorization"].as_str().unwrap().starts_with(scheme));
        let first = path.ends_with("/token");
        it.answer(
            200,
            &if first { crate::support::oauth(1) } else { crate::support::wstoken("w") },
        );
    }
    // The same credentials, so the same header.
    let basic = &recorded[0]["headers"]["authorization"];
    assert_eq!(basic, "Basic c2ltLWNsaWVudDpzaW0tc2VjcmV0");
    assert_eq!(it.dials()[0].1, "wss://gw.example/ws?access_token=w");
}

#[test]
fn a_subscription_and_its_end_are_those_of_the_sdk() {
    let recorded = recording(include_str!("../data/connect-subscribe-notify.jsonl"));
    let recorded = frames(&recorded);
    let mut it = World::online(adapter().subscribe([FILTER], None));
    alike(&it.last(), &recorded[0]);
    it.answer_last(200, Some(subscription("sub-1")));
    let presence = "/restapi/v1.0/account/~/extension/~/presence";
    it.command(Command::Subscribe { filters: vec![presence.into()], restore: None });
    alike(&it.last(), &recorded[2]);
    it.answer_last(200, Some(subscription("sub-2")));
    it.command(Command::Revoke);
    alike(&it.last(), &recorded[3]);
}

#[test]
fn a_page_refresh_is_that_of_the_sdk() {
    let recorded = recording(include_str!("../data/page-refresh.jsonl"));
    let wanted = frames(&recorded);
    let upgrade = recorded.iter().filter(|line| line["event"] == "upgrade-request").nth(1);
    let path = upgrade.unwrap()["path"].as_str().unwrap();
    let wsc = path.split_once("&wsc=").unwrap().1;
    let restore = SubscriptionInfo::new(subscription("sub-1"));
    let mut it = World::new(adapter().wsc_token(wsc).subscribe([FILTER], restore));
    it.input(Input::Connect);
    it.authorize();
    assert!(it.dials()[0].1.ends_with(&format!("&wsc={wsc}")));
    it.open();
    it.receive(recovered("wsc-2"));
    alike(&it.last(), &wanted[1]);
}

#[test]
fn a_refused_recovery_is_answered_as_by_the_sdk() {
    let recorded = frames(&recording(include_str!("../data/recover-refused.jsonl")));
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    it.reconnect();
    it.receive(hello("wsc-2", json!({ "recoveryState": "Failed" })));
    alike(&it.last(), &recorded[1]);
}

#[test]
fn requests_over_the_socket_are_those_of_the_sdk() {
    let recorded = frames(&recording(include_str!("../data/rest-over-websocket.jsonl")));
    let mut it = World::online(adapter().rest_over_websocket(true));
    let extension = "/restapi/v1.0/account/~/extension/~";
    let pager = json!({
        "from": { "extensionId": "1001" }, "to": [{ "extensionId": "1001" }], "text": "Hello",
    });
    let requests = [
        Request::get(extension),
        Request::post(format!("{extension}/company-pager"), pager),
        Request::get(format!("{extension}?view=x&list=a&list=b")),
        Request::get("/restapi/v1.0/nope"),
    ];
    for (request, recorded) in requests.into_iter().zip(&recorded) {
        it.send(request);
        alike(&it.last(), recorded);
        it.answer_last(200, Some(json!({})));
    }
}

#[test]
fn a_heartbeat_is_that_of_the_sdk() {
    let recorded = frames(&recording(include_str!("../data/idle-heartbeat.jsonl")));
    let recorded = recorded.iter().find(|frame| frame[0]["type"] == "Heartbeat").unwrap();
    let mut it = World::online(adapter());
    it.run(60_000);
    alike(&it.last(), recorded);
}
