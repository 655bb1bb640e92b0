//! Requests, the way that each one goes, and what becomes of it.

use redial_core::http::{Method, NoAnswer};
use redial_core::{Cause, Fate, Path, Refusal};
use redial_ringcentral::{BAD_HEADER, BAD_PATH, Command, Request};
use serde_json::{Value, json};

use crate::support::{FILTER, World, adapter, hello, subscription};

const EXTENSION: &str = "/restapi/v1.0/account/~/extension/~";

fn socket() -> World {
    World::online(adapter().rest_over_websocket(true))
}

#[test]
fn no_caller_can_force_over_the_socket_what_does_not_belong_there() {
    let https = [
        Request::new(Method::Post, "/restapi/oauth/token"),
        Request::new(Method::Post, "/restapi/oauth/revoke"),
        Request::new(Method::Post, "/restapi/%6Fauth/wstoken"),
        Request::new(Method::Post, "/restapi/%256Fauth/wstoken"),
        Request::new(Method::Post, "/restapi/v1.0/../oauth/wstoken"),
        Request::new(Method::Post, "/restapi/./oauth;a=b/wstoken"),
        Request::new(Method::Post, "/RestAPI/OAuth/wstoken"),
        Request::get("/restapi/v1.0/account/~/extension/~/message-store/1/content/9"),
        Request::get("/restapi/v1.0/account/~/recording/7/content"),
        Request::get("/restapi/v1.0/account/~/recording/7/%63ontent"),
        Request::get(EXTENSION).binary(),
        Request::post(EXTENSION, json!({})).header("Content-Type", "multipart/form-data"),
        Request::post(EXTENSION, json!({})).header(" content-type ", "MULTIPART/mixed"),
        Request::new(Method::Put, EXTENSION).raw("application/x-www-form-urlencoded", *b"a=b"),
        Request::post(EXTENSION, json!([1, 2])),
    ];
    for request in https {
        assert_eq!(request.route(), Path::Http, "{}", request.path());
    }
    for request in [
        Request::get(EXTENSION),
        Request::post(EXTENSION, json!({ "a": 1 })).header("content-type", "application/json"),
        Request::new(Method::Delete, "/restapi/v1.0/subscription/1"),
    ] {
        assert_eq!(request.route(), Path::Socket, "{}", request.path());
    }
}

#[test]
fn requests_go_over_https_unless_the_session_was_made_for_the_socket() {
    let mut it = World::online(adapter());
    it.send(Request::get(EXTENSION).query("view", "x").query("list", json!(["a b", "c&d"])));
    let (_, request) = it.http.front().unwrap();
    let url = format!("https://sim.example{EXTENSION}?view=x&list=a%20b&list=c%26d");
    assert_eq!(request.url, url);
    assert_eq!(request.headers[0], ("authorization", "Bearer access-1".to_owned()));
    it.answer(404, json!({ "errorCode": "CMN-102" }));
    assert_eq!(it.settled()[0].fate, Fate::Rejected(404));
    assert_eq!(it.replies()[0].body.value()["errorCode"], "CMN-102");
}

#[test]
fn a_null_body_is_no_body_and_no_path_leads_away() {
    let mut it = socket();
    it.send(Request::post(EXTENSION, Value::Null));
    assert_eq!(it.last().as_array().unwrap().len(), 1);
    it.answer_last(204, None);
    for path in ["@evil.example/", "//evil.example/", "/a\\b", "/a b", "/a#b", ""] {
        it.send(Request::get(path));
        assert_eq!(it.settled().last().unwrap().fate, Fate::Rejected(BAD_PATH), "{path}");
    }
    assert_eq!(it.problems(), ["a request's path is no path of the server"; 6]);
    it.send(Request::get(EXTENSION).header("x", "a\r\nb"));
    assert_eq!(it.settled().last().unwrap().fate, Fate::Rejected(BAD_HEADER));
    assert_eq!(it.problems()[6..], ["a request has a header that cannot be sent"]);
    it.send(Request::get(EXTENSION).header("Authorization", "Bearer mine"));
    assert_eq!(it.last()[0]["headers"].as_object().unwrap().len(), 1);
    assert!(it.http.is_empty());
}

#[test]
fn answers_out_of_order_find_their_requests() {
    let mut it = socket();
    let ids: Vec<_> = (0..3).map(|n| it.send(Request::get(format!("/restapi/{n}")))).collect();
    let requests = it.sent();
    for at in [2, 0, 1] {
        it.answer_to(&requests[at], 200, Some(json!({ "at": at })));
    }
    let settled: Vec<_> = it.settled().iter().map(|settled| settled.id).collect();
    assert_eq!(settled, [ids[2], ids[0], ids[1]]);
    let bodies: Vec<_> = it.replies().iter().map(|it| it.body.value()["at"].clone()).collect();
    assert_eq!(bodies, [json!(2), json!(0), json!(1)]);
    // A second answer, and one that nobody waits for, change nothing.
    it.answer_to(&requests[0], 500, None);
    it.answer_to(&json!([{ "messageId": "other/1" }]), 200, None);
    assert_eq!(it.settled().len(), 3);
}

#[test]
fn a_body_that_is_no_json_is_kept_as_it_is() {
    let mut it = socket();
    it.send(Request::get(EXTENSION));
    let id = it.last()[0]["messageId"].as_str().unwrap().to_owned();
    let body =
        "--Boundary_1\r\nContent-Type: application/json\r\n\r\n{\"a\":[1]}\r\n--Boundary_1--";
    let meta = json!({ "type": "ClientRequest", "messageId": id, "status": 207, "headers": {} });
    it.receive(format!("[{meta},{body}]"));
    assert_eq!(it.replies()[0].body.as_str(), body);
    assert_eq!(it.settled()[0].fate, Fate::Acked);
    // Inside of a JSON text the mark means nothing.
    it.send(Request::get(EXTENSION));
    let text = json!({ "text": "a,--Boundary b" });
    it.answer_last(200, Some(text.clone()));
    assert_eq!(it.replies()[1].body.value(), text);
}

#[test]
fn an_error_that_names_a_request_fails_that_request_only() {
    let mut it = socket();
    it.send(Request::get(EXTENSION));
    it.send(Request::get(EXTENSION));
    let id = it.sent()[0][0]["messageId"].clone();
    it.receive(json!([
        { "type": "Error", "messageId": id, "status": 400 },
        { "errorCode": "WSG-808", "message": "" },
    ]));
    assert_eq!(it.settled().len(), 1);
    assert_eq!(it.settled()[0].fate, Fate::Rejected(400));
    assert!(it.session.is_online());
}

#[test]
fn no_more_requests_are_under_way_than_the_server_allows() {
    let mut it = World::new(adapter().rest_over_websocket(true));
    it.input(redial_core::Input::Connect);
    it.authorize();
    it.open();
    it.receive(hello("wsc-1", json!({ "maxActiveRequests": 3 })));
    for n in 0..10 {
        it.send(Request::get(format!("/restapi/{n}")));
    }
    assert_eq!(it.frames().len(), 3);
    // The subscription waits for a place too, and goes before what waits.
    it.command(Command::Subscribe { filters: vec![FILTER.into()], restore: None });
    assert_eq!(it.frames().len(), 3);
    let first = it.sent()[0].clone();
    it.answer_to(&first, 200, None);
    assert_eq!(it.frames().len(), 4);
    assert_eq!(it.last()[0]["method"], "POST");
    it.answer_last(200, Some(subscription("sub-1")));
    assert_eq!(it.frames().len(), 5);
    let mut at = 1;
    while it.settled().len() < 10 {
        let open = it.sent()[at].clone();
        it.answer_to(&open, 200, None);
        at += 1;
        assert!(it.frames().len() <= it.settled().len() + 1 + 3);
    }
}

#[test]
fn a_cut_leaves_unknown_what_was_under_way_and_keeps_what_was_not_sent() {
    let mut it = World::new(adapter().rest_over_websocket(true));
    it.input(redial_core::Input::Connect);
    it.authorize();
    it.open();
    it.receive(hello("wsc-1", json!({ "maxActiveRequests": 1 })));
    it.send(Request::post(EXTENSION, json!({ "n": 1 })));
    it.send(Request::post(EXTENSION, json!({ "n": 2 })));
    it.lose(Cause::Network);
    assert_eq!(it.settled().len(), 1);
    assert_eq!(it.settled()[0].fate, Fate::Unknown);
    it.reconnect();
    it.receive(crate::support::recovered("wsc-2"));
    let sent: Vec<_> = it.sent().into_iter().map(|frame| frame[1]["n"].clone()).collect();
    assert_eq!(sent, [json!(1), json!(2)], "each was sent once");
}

#[test]
fn a_refused_access_token_is_renewed_once_and_silence_is_unknown() {
    let mut it = World::online(adapter());
    it.send(Request::post(EXTENSION, json!({})));
    it.send(Request::get(EXTENSION));
    it.answer(401, &Value::Null);
    let (_, request) = it.http.front().unwrap();
    assert!(request.url.ends_with("/oauth/token"));
    assert_eq!(it.http.len(), 1, "nothing is sent with the old token");
    it.answer(200, crate::support::oauth(7));
    let (_, request) = it.http.front().unwrap();
    assert_eq!(request.headers[0].1, "Bearer access-7");
    it.answer(401, &Value::Null);
    assert_eq!(it.settled()[0].fate, Fate::Rejected(401));
    assert_eq!((it.settled()[0].tries, it.settled()[0].arrivals), (2, 0));
    it.no_answer(NoAnswer::Timeout);
    assert_eq!(it.settled()[1].fate, Fate::Unknown);
    assert!(it.http.is_empty() && it.session.is_online());
}

#[test]
fn what_is_larger_than_the_bounds_comes_back() {
    let mut it = socket();
    let cx = it.cx();
    let big = "x".repeat(17 << 20);
    let refused = it.session.send(cx, Request::post(EXTENSION, json!({ "big": big }))).unwrap_err();
    assert_eq!(refused.why, Refusal::Full);
}
