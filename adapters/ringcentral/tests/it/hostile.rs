//! Servers that answer what nobody expects, and tokens that do not last.

use redial_core::http::{Method, NoAnswer};
use redial_core::{Cause, Fate, Input, Item, Span};
use redial_ringcentral::{AuthGroup, Message, Request};
use serde_json::{Value, json};

use crate::support::{
    FILTER, World, adapter, hello, notification, oauth, recovered, subscription, wstoken,
};

/// Lets time pass until `at`, with nobody to be reached, or with nobody who answers.
fn outage(it: &mut World, at: u64, why: NoAnswer) {
    while it.now < at {
        match (it.dial.is_some(), it.http.is_empty()) {
            (true, _) => it.fail_dial(Cause::Network),
            (false, false) => it.no_answer(why),
            (false, true) => it.step(),
        }
    }
}

fn wstokens(it: &World) -> Vec<u64> {
    it.asked().iter().filter(|(_, what)| what == "wstoken").map(|(at, _)| *at).collect()
}

#[test]
fn a_server_that_resets_wstoken_calls_gets_no_more_than_five_a_minute() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    outage(&mut it, 200_000, NoAnswer::Network);
    let calls = wstokens(&it);
    assert!(calls.len() >= 10, "{calls:?}");
    for window in calls.windows(6) {
        assert!(window[5] - window[0] > 60_000, "{calls:?}");
    }
}

#[test]
fn calls_that_reached_nobody_leave_the_pace_as_it_is() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    outage(&mut it, 100_000, NoAnswer::Unreached);
    let calls = wstokens(&it);
    let slowest = calls.windows(2).map(|two| two[1] - two[0]).max().unwrap();
    assert!(slowest <= 9_000, "{calls:?}");
}

#[test]
fn an_access_token_that_expires_at_once_is_used_all_the_same() {
    let mut it = World::new(adapter());
    it.input(Input::Connect);
    let mut short = oauth(1);
    short["expires_in"] = json!(0);
    it.answer(200, &short);
    assert_eq!(it.asked().last().unwrap().1, "wstoken", "{:?}", it.asked());
    it.answer(200, wstoken("ws-1"));
    it.open();
    it.receive(hello("wsc-1", json!({})));
    // The next one is made with another access token.
    it.lose(Cause::Network);
    while it.http.is_empty() {
        it.step();
    }
    let (_, request) = it.http.front().unwrap();
    assert!(request.body.starts_with(b"grant_type=refresh_token"));
}

#[test]
fn nothing_of_the_auth_group_is_asked_for_while_it_is_silent() {
    let group = AuthGroup::new();
    let mut other = World::new(adapter().auth_group(&group));
    other.input(Input::Connect);
    other.answer(200, oauth(1));
    other.answer_after(429, &Value::Null, Some(Span::from_secs(40)));
    // A refresh for a request would lengthen the penalty, so the refusal is the answer.
    let mut it = World::online(adapter());
    it.send(Request::get("/restapi/v1.0/account/~"));
    it.answer(401, &Value::Null);
    assert_eq!(it.asked().last().unwrap().1, "token", "nobody has silenced this one");
    let free = AuthGroup::new();
    let mut it = World::online(adapter().auth_group(&free));
    let mut third = World::new(adapter().auth_group(&free));
    third.input(Input::Connect);
    third.answer_after(429, &Value::Null, Some(Span::from_secs(40)));
    let asked = it.asked().len();
    it.send(Request::get("/restapi/v1.0/account/~"));
    it.answer(401, &Value::Null);
    assert_eq!(it.settled()[0].fate, Fate::Rejected(401));
    assert_eq!(it.asked().len(), asked + 1, "{:?}", it.asked());
    // A login waits too.
    let mut late = World::new(adapter().auth_group(&group));
    late.input(Input::Connect);
    assert!(late.http.is_empty(), "{:?}", late.asked());
    late.run(39_000);
    assert!(late.http.is_empty(), "{:?}", late.asked());
    late.run(1_000);
    assert_eq!(late.asked(), [(40_000, "token".to_owned())]);
}

#[test]
fn a_refusal_of_the_old_access_token_is_not_held_against_the_new_one() {
    let mut it = World::online(adapter());
    // Over HTTPS when the connection is lost.
    it.send(Request::new(Method::Get, "/restapi/v1.0/account/~"));
    it.lose(Cause::Network);
    while it.http.len() < 2 {
        it.step();
    }
    assert_eq!(it.asked().last().unwrap().1, "wstoken");
    // The request finds the token dead first.
    it.answer(401, &Value::Null);
    it.http.rotate_left(1);
    it.answer(200, oauth(8));
    it.answer(401, &Value::Null);
    let (_, request) = it.http.back().unwrap();
    assert!(request.url.ends_with("/wstoken"), "{:?}", it.asked());
    assert_eq!(request.headers[0].1, "Bearer access-8");
}

#[test]
fn a_request_that_was_refused_with_the_old_access_token_is_sent_with_the_new_one() {
    let mut it = World::online(adapter());
    it.send(Request::get("/restapi/v1.0/account/~"));
    it.lose(Cause::Network);
    while it.http.len() < 2 {
        it.step();
    }
    // The wstoken finds the token dead first, and is asked for with another one.
    it.http.rotate_left(1);
    it.answer(401, &Value::Null);
    it.http.rotate_left(1);
    it.answer(200, oauth(8));
    it.answer(401, &Value::Null);
    let (id, _) = it.http.pop_front().unwrap();
    let body = wstoken("ws-8").to_string().into();
    let answer = redial_core::http::HttpResponse {
        status: 200,
        headers: Vec::new(),
        body,
        retry_after: None,
    };
    it.input(Input::Http { id, answer: Ok(answer) });
    it.open();
    it.receive(recovered("wsc-2"));
    let (_, request) = it.http.front().unwrap();
    assert!(request.url.ends_with("/~"), "{:?}", it.asked());
    assert_eq!(request.headers[0].1, "Bearer access-8");
}

#[test]
fn notifications_of_another_subscription_are_not_delivered() {
    let mut it = World::subscribed(adapter());
    let mut foreign = notification("n-1");
    foreign[1]["subscriptionId"] = json!("sub-9");
    it.receive(&foreign);
    it.receive(notification("n-2"));
    assert_eq!(it.uuids(), ["n-2"]);
    assert_eq!(it.session.adapter().ignored(), 1);
    // What a subscription that is ended still brings is not wanted either.
    it.command(redial_ringcentral::Command::Revoke);
    it.receive(notification("n-3"));
    assert_eq!(it.uuids(), ["n-2"]);
}

#[test]
fn a_context_token_before_the_hello_is_not_taken_and_one_on_an_error_is() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    it.reconnect();
    let mut early = notification("n-1");
    early[0]["wsc"] = json!({ "token": "wsc-early", "sequence": 9 });
    it.receive(&early);
    assert_eq!(it.session.adapter().wsc().unwrap().token, "wsc-1");
    it.receive(recovered("wsc-2"));
    let mut error = crate::support::error("WSG-808");
    error[0]["wsc"] = json!({ "token": "wsc-3", "sequence": 2 });
    it.receive(&error);
    assert_eq!(it.session.adapter().wsc().unwrap().token, "wsc-3");
}

#[test]
fn no_idle_timeout_makes_the_session_a_flood() {
    for idle in [json!(0.002), json!(1e-9), json!(0), json!(-1), json!(1e300)] {
        let mut it = World::new(adapter());
        it.input(Input::Connect);
        it.authorize();
        it.open();
        it.receive(hello("wsc-1", json!({ "idleTimeout": idle })));
        for _ in 0..40 {
            it.run(25);
            let sent = it.last_heartbeat();
            if let Some(heartbeat) = sent {
                it.receive(&heartbeat);
            }
        }
        assert!(it.frames().len() <= 10, "{idle}: {} frames in a second", it.frames().len());
        assert!(it.session.is_online(), "{idle}");
    }
}

#[test]
fn a_context_token_of_megabytes_is_none() {
    let mut it = World::subscribed(adapter());
    let huge = "w".repeat(4 << 20);
    it.lose(Cause::Network);
    it.reconnect();
    it.receive(hello(&huge, json!({ "recoveryState": "Failed" })));
    it.answer_last(200, Some(subscription("sub-2")));
    it.lose(Cause::Network);
    it.reconnect();
    let (_, url) = it.dials().pop().unwrap();
    assert!(!url.contains("wsc="), "{} bytes", url.len());
}

#[test]
fn a_gateway_that_is_none_is_not_dialled() {
    let long = format!("wss://gw.example/{}", "x".repeat(1 << 20));
    for uri in [
        "https://gw.example/ws",
        "ws://gw.example/ws",
        "wss://user:secret@gw.example/ws",
        "wss://gw.example/ws#part",
        "wss://gw.example/w s",
        "wss://gw.example/ws\r\nx: y",
        "wss://gw.example:0/ws",
        "wss://",
        long.as_str(),
    ] {
        let mut it = World::new(adapter());
        it.input(Input::Connect);
        it.answer(200, oauth(1));
        let answer = json!({ "uri": uri, "ws_access_token": "ws-1", "expires_in": 600 });
        it.answer(200, &answer);
        assert!(it.dials().is_empty(), "{}", &uri[..uri.len().min(60)]);
        // Who looks for the reason of the retries finds it.
        let told = |item: &crate::support::Out| matches!(item, Item::Problem(_));
        assert!(it.items.iter().any(|(_, item)| told(item)), "{}", &uri[..uri.len().min(60)]);
    }
}

#[test]
fn an_oauth_answer_without_an_access_token_is_told() {
    let mut it = World::new(adapter());
    it.input(Input::Connect);
    it.answer(200, json!({ "access_token": "", "refresh_token": "refresh-1" }));
    assert_eq!(it.session.problems(), 1);
    // It is paced as every failure is.
    assert!(it.http.is_empty() && it.due().is_some_and(|due| due >= 500));
}

#[test]
fn a_server_that_refuses_every_request_is_not_asked_for_a_token_each_time() {
    let mut it = World::online(adapter());
    for _ in 0..10 {
        it.send(Request::get("/restapi/v1.0/account/~"));
    }
    let mut number = 1;
    while let Some((_, request)) = it.http.front() {
        if request.url.ends_with("/token") {
            number += 1;
            it.answer(200, oauth(number));
        } else {
            it.answer(401, &Value::Null);
        }
    }
    assert_eq!(it.settled().len(), 10);
    let logins = it.asked().iter().filter(|(_, what)| what == "token").count();
    assert_eq!(logins, 2, "the first one, and one refresh: {:?}", it.asked());
    // A minute later the token may have died of something else.
    it.run(60_000);
    it.send(Request::get("/restapi/v1.0/account/~"));
    it.answer(401, &Value::Null);
    assert_eq!(it.asked().last().unwrap().1, "token");
}

#[test]
fn a_flood_before_the_hello_ends_the_connection_and_memory_stays_bounded() {
    let mut it = World::new(adapter().subscribe([FILTER], None));
    it.input(Input::Connect);
    it.authorize();
    it.open();
    for number in 0..3_000 {
        it.receive(notification(&format!("n-{number}")));
    }
    assert_eq!(it.drops(), [(0, Some(1008))]);
    assert!(it.frames().is_empty());
    let kept = it.messages().into_iter().filter(|it| matches!(it, Message::Notification(_)));
    assert!(kept.count() <= 1_024);
}

#[test]
fn frames_of_megabytes_cost_no_multiple_of_themselves_and_end_nothing() {
    let zeros = format!("[{}0]", "0,".repeat(1 << 20));
    let mut it = World::subscribed(adapter());
    let problems = it.session.problems();
    let head = r#"{"type":"ServerNotification","messageId":"n-1","headers":"#;
    for frame in [
        zeros.clone(),
        format!("[{zeros}]"),
        format!("[{head}{{}}}},{zeros}]"),
        format!("[{head}{{}}}},{{}},{zeros}]"),
    ] {
        it.receive(&frame);
    }
    assert_eq!(it.session.problems(), problems + 4);
    // Headers of that size are none, and a field that is not read may hold anything.
    let body = format!(r#"{{"uuid":"n-1","subscriptionId":"sub-1","body":{zeros}}}"#);
    it.receive(format!("[{head}{zeros}}},{body}]"));
    assert_eq!(it.uuids(), ["n-1"]);
    // A field that is read may not.
    let body = format!(r#"{{"uuid":{zeros},"subscriptionId":"sub-1"}}"#);
    it.receive(format!("[{head}{{}}}},{body}]"));
    assert_eq!(it.uuids(), ["n-1", ""]);
    assert!(it.session.is_online());
}
