//! What the vendor's SDK does wrong, by the number of the defect: bytes in, bytes out.

use redial_core::http::NoAnswer;
use redial_core::{Cause, Fate, Input, Notice, Path, Span, SuspendReason, Wait};
use redial_ringcentral::{AuthGroup, Command, Message, Request};
use serde_json::{Value, json};

use crate::support::{FILTER, World, adapter, error, hello, notification, recovered, subscription};

fn failed(wsc: &str) -> Value {
    hello(wsc, json!({ "recoveryState": "Failed", "recoveryErrorCode": "WSG-1003" }))
}

#[test]
fn defect_1_a_replay_in_the_burst_of_the_hello_is_delivered() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    it.reconnect();
    it.items.clear();
    // Nothing is polled between the frames of a burst.
    let cx = it.cx();
    for frame in [recovered("wsc-2"), notification("n-1"), notification("n-2")] {
        let frame = redial_core::Frame::Text(frame.to_string().into());
        let conn = it.conn;
        it.session.handle(cx, Input::Frame { conn, frame });
    }
    it.pump();
    assert_eq!(it.told(), ["Resumed", "newWsc 2 1", "autoRecoverSuccess 2", "n n-1", "n n-2"]);
}

#[test]
fn defect_2_a_replay_before_the_application_subscribes_is_delivered() {
    let mut it = World::new(adapter().wsc_token("wsc-of-old"));
    it.input(Input::Connect);
    it.authorize();
    assert_eq!(it.dials()[0].1, "wss://gw.example/ws?access_token=ws-2&wsc=wsc-of-old");
    it.open();
    it.receive(recovered("wsc-2"));
    it.receive(notification("n-1"));
    let restore = redial_ringcentral::SubscriptionInfo::new(subscription("sub-1"));
    it.command(Command::Subscribe { filters: vec![FILTER.into()], restore });
    assert_eq!(it.uuids(), ["n-1"]);
    assert_eq!(it.last()[0]["method"], "PUT");
    assert_eq!(it.last()[0]["path"], "/restapi/v1.0/subscription/sub-1");
}

#[test]
fn defect_3_the_context_of_a_new_session_counts_although_its_sequence_is_no_higher() {
    let mut it = World::subscribed(adapter());
    let mut rising = notification("n-1");
    rising[0]["wsc"] = json!({ "token": "wsc-1b", "sequence": 7 });
    it.receive(&rising);
    it.lose(Cause::Network);
    // Longer than the 180 s of the hello: without the old context.
    let begun = it.now;
    while it.now < begun + 181_000 {
        match (it.dial.is_some(), it.http.is_empty()) {
            (true, _) => it.fail_dial(Cause::Network),
            (false, false) => it.no_answer(NoAnswer::Network),
            (false, true) => it.step(),
        }
    }
    it.reconnect();
    assert!(!it.dials().last().unwrap().1.contains("wsc="), "{:?}", it.dials());
    it.receive(hello("wsc-2", json!({})));
    it.answer_last(200, Some(subscription("sub-2")));
    it.lose(Cause::Network);
    it.reconnect();
    assert!(it.dials().last().unwrap().1.ends_with("&wsc=wsc-2"), "{:?}", it.dials());
}

#[test]
fn defect_4_no_answer_of_the_wstoken_endpoint_ends_the_recovery() {
    for (status, after) in [(429, Some(7)), (429, None), (500, None), (503, Some(20))] {
        let mut it = World::subscribed(adapter());
        it.lose(Cause::Network);
        while it.http.is_empty() {
            it.step();
        }
        let asked = it.now;
        it.answer_after(status, &Value::Null, after.map(Span::from_secs));
        let error = Message::AutoRecoverError {
            conn: redial_core::ConnId::new(1),
            cause: Cause::Http { step: redial_ringcentral::WSTOKEN, status },
        };
        assert!(it.messages().contains(&&error), "{status}");
        it.reconnect();
        let least = match (status, after) {
            (_, Some(secs)) => u64::from(secs) * 1000,
            (429, None) => 60_000,
            _ => 4_000,
        };
        let next = it.asked().last().unwrap().0;
        assert!(next >= asked + least && next <= asked + least + 5_000, "{status} {asked} {next}");
        it.receive(recovered("wsc-2"));
        assert_eq!(it.told().last().unwrap(), "autoRecoverSuccess 2", "{status}");
    }
}

#[test]
fn defect_5_an_expired_access_token_is_refreshed_once() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    while it.http.is_empty() {
        it.step();
    }
    it.answer(401, json!({ "errorCode": "TokenInvalid" }));
    let (_, request) = it.http.front().unwrap();
    assert_eq!(
        &request.body[..],
        b"grant_type=refresh_token&refresh_token=refresh-1&client_id=sim-client"
    );
    it.answer(200, crate::support::oauth(9));
    let told = it.messages().into_iter().find_map(|message| match message {
        Message::RefreshToken(token) => Some(token.expose().to_owned()),
        _ => None,
    });
    assert_eq!(told.unwrap(), "refresh-1", "the first one is told too");
    assert_eq!(it.session.adapter().refresh_token().unwrap().expose(), "refresh-9");
    let (_, request) = it.http.front().unwrap();
    assert_eq!(request.headers[0], ("authorization", "Bearer access-9".to_owned()));
    // A second refusal is the application's matter.
    it.answer(401, &Value::Null);
    let cause = Cause::Http { step: redial_ringcentral::WSTOKEN, status: 401 };
    let reason = SuspendReason::Policy(cause);
    assert_eq!(it.notices().last(), Some(&Notice::Suspended { reason }));
}

#[test]
fn defect_6_a_refused_connection_is_a_notice_and_the_token_is_kept() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    while it.dial.is_none() {
        if it.http.is_empty() { it.step() } else { it.authorize() }
    }
    let asked = it.asked().len();
    let first = it.dials().last().unwrap().1.clone();
    for cause in [Cause::Network, Cause::Handshake(503), Cause::Timeout(Wait::Connect)] {
        it.fail_dial(cause);
        while it.dial.is_none() {
            it.step();
        }
        assert_eq!(it.dials().last().unwrap().1, first, "presented again: no upgrade happened");
    }
    assert_eq!(it.asked().len(), asked, "{:?}", it.asked());
    let words = it.told();
    let errors = words.iter().filter(|word| word.starts_with("autoRecoverError")).count();
    assert_eq!(errors, 3, "{words:?}");
}

#[test]
fn defect_7_a_malformed_context_is_forgotten() {
    let mut it = World::new(adapter().wsc_token("garbage").subscribe([FILTER], None));
    it.input(Input::Connect);
    it.authorize();
    it.open();
    it.receive(error("WSG-400"));
    it.lose(Cause::Close(1008));
    it.reconnect();
    assert!(it.dials()[0].1.ends_with("&wsc=garbage"));
    assert!(!it.dials()[1].1.contains("wsc="), "{:?}", it.dials());
    it.receive(hello("wsc-2", json!({})));
    assert_eq!(it.last()[0]["method"], "POST");
}

#[test]
fn defect_8_a_silent_peer_is_noticed() {
    let mut it = World::subscribed(adapter());
    assert!(it.drops().is_empty());
    it.wire.clear();
    it.run(60_000);
    assert_eq!(it.last()[0]["type"], "Heartbeat");
    assert_eq!(it.last().as_array().unwrap().len(), 1);
    it.run(10_000);
    assert_eq!(it.drops(), [(70_000, None)]);
    // One that is answered keeps the connection, and others keep it too.
    let mut it = World::subscribed(adapter());
    for _ in 0..10 {
        it.run(60_000);
        let heartbeat = it.last();
        assert_eq!(heartbeat[0]["type"], "Heartbeat");
        it.receive(&heartbeat);
    }
    assert!(it.drops().is_empty());
}

#[test]
fn defect_9_a_hello_that_never_comes_closes_the_socket() {
    let mut it = World::new(adapter().subscribe([FILTER], None));
    it.input(Input::Connect);
    it.authorize();
    it.open();
    assert_eq!(it.frames(), [], "nothing is sent before the hello");
    it.run(20_000);
    assert_eq!(it.drops(), [(20_000, None)]);
    it.reconnect();
    assert_eq!(it.dials().len(), 2);
}

#[test]
fn defect_10_a_wstoken_that_has_opened_a_connection_is_never_presented_again() {
    let mut it = World::subscribed(adapter());
    for _ in 0..3 {
        it.lose(Cause::Network);
        it.reconnect();
        it.receive(recovered("wsc-2"));
    }
    let dials = it.dials();
    let mut tokens: Vec<_> = dials.iter().map(|(_, url)| url.split('&').next().unwrap()).collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 4, "{dials:?}");
}

#[test]
fn defect_11_two_sessions_share_no_wstoken() {
    let account = adapter().share().unwrap();
    let mut urls = Vec::new();
    for number in 1..=2 {
        let mut it = World::new(account.session());
        it.input(Input::Connect);
        it.input(Input::OfferToken("shared-access".into()));
        let (_, request) = it.http.front().unwrap();
        assert_eq!(request.headers[0].1, "Bearer shared-access");
        it.answer(200, crate::support::wstoken(&format!("own-{number}")));
        urls.push(it.dials()[0].1.clone());
    }
    assert_ne!(urls[0], urls[1]);
}

#[test]
fn defect_12_no_minute_has_more_than_five_wstokens() {
    let group = AuthGroup::new();
    let mut it = World::subscribed(adapter().auth_group(&group));
    // A gateway that accepts and closes spends a token with every attempt.
    while it.now < 300_000 {
        it.lose(Cause::Close(1001));
        it.reconnect();
        it.receive(recovered("wsc-2"));
    }
    let calls: Vec<u64> =
        it.asked().iter().filter(|(_, what)| what == "wstoken").map(|(at, _)| *at).collect();
    assert!(calls.len() >= 20, "{calls:?}");
    for window in calls.windows(6) {
        assert!(window[5] - window[0] > 60_000, "{calls:?}");
    }
}

#[test]
fn defect_13_a_refused_subscription_is_told_and_the_session_goes_on() {
    let mut it = World::online(adapter().subscribe([FILTER], None));
    it.answer_last(403, Some(json!({ "errorCode": "SUB-528", "message": "no permission" })));
    let told = it.messages().into_iter().any(|message| match message {
        Message::SubscriptionFailed { error: Some(error), retry: false, .. } => {
            error.code == "SUB-528" && error.status == 403
        }
        _ => false,
    });
    assert!(told);
    let sent = it.frames().len();
    it.receive(notification("n-1"));
    it.run(30_000);
    assert_eq!(it.uuids(), ["n-1"]);
    assert_eq!(it.frames().len(), sent, "it is not tried again");
    assert!(it.session.is_online());
}

#[test]
fn defect_14_multipart_goes_over_https_whatever_the_caller_wants() {
    let mut it = World::online(adapter().rest_over_websocket(true));
    let sent = it.frames().len();
    let fax = "/restapi/v1.0/account/~/extension/~/fax";
    let kind = "multipart/form-data; boundary=b";
    it.send(Request::new(redial_core::http::Method::Post, fax).raw(kind, *b"--b\r\n"));
    assert_eq!(it.frames().len(), sent);
    let (_, request) = it.http.front().unwrap();
    assert_eq!(request.url, format!("https://sim.example{fax}"));
    assert_eq!(&request.body[..], b"--b\r\n");
    assert!(request.headers.contains(&("content-type", kind.to_owned())));
    it.answer(200, json!({ "id": 1 }));
    assert_eq!(it.replies()[0].via, Path::Http);
    assert_eq!(it.settled()[0].fate, Fate::Acked);
}

#[test]
fn defect_15_the_end_of_a_connection_is_heard_from_its_error_frame() {
    for (code, most) in [("WSG-903", 0), ("WSG-902", 2_000)] {
        let mut it = World::subscribed(adapter());
        it.run(50_000);
        it.receive(error(code));
        // No close frame has come yet.
        assert_eq!(it.drops().len(), 1, "{code}");
        let lost = it.now;
        it.reconnect();
        assert!(it.now <= lost + most, "{code}: {} after {lost}", it.now);
        assert!(it.dials()[1].1.ends_with("&wsc=wsc-1"), "{code}");
    }
}

#[test]
fn a_failed_recovery_subscribes_on_the_connection_that_there_is() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    it.reconnect();
    it.items.clear();
    it.receive(failed("wsc-2"));
    assert_eq!(it.last()[0]["method"], "POST");
    assert_eq!(it.told(), ["Fresh", "newWsc 2 1"]);
    it.answer_last(200, Some(subscription("sub-2")));
    let after = ["subscribed false", "autoRecoverFailed 2", "gap certain"];
    assert_eq!(it.told()[2..], after);
    assert_eq!(it.dials().len(), 2, "no other connection is opened");
}
