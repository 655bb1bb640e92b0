//! Subscriptions, context tokens, and what a later process takes over.

use redial_core::{Cause, Fate, Input, Session, Timestamp};
use redial_ringcentral::{Command, Credentials, Message, Request, RingCentral, SubscriptionInfo};
use serde_json::json;

use crate::support::{FILTER, START, World, adapter, hello, notification, recovered, subscription};

#[test]
fn a_second_subscription_replaces_the_first() {
    let mut it = World::subscribed(adapter());
    it.command(Command::Subscribe { filters: vec!["/other".into()], restore: None });
    assert_eq!(it.last()[0]["method"], "POST");
    assert_eq!(it.last()[1]["eventFilters"], json!(["/other"]));
    it.answer_last(200, Some(subscription("sub-2")));
    // What the old one still brings is not wanted.
    it.receive(notification("n-1"));
    let mut new = notification("n-2");
    new[1]["subscriptionId"] = json!("sub-2");
    it.receive(&new);
    assert_eq!(it.uuids(), ["n-2"]);
}

#[test]
fn the_last_of_many_subscriptions_wins() {
    let mut it = World::online(adapter());
    for number in 0..3 {
        it.command(Command::Subscribe { filters: vec![format!("/{number}")], restore: None });
    }
    assert_eq!(it.frames().len(), 1, "one request at a time");
    it.answer_last(200, Some(subscription("sub-0")));
    assert_eq!(it.last()[1]["eventFilters"], json!(["/2"]));
    it.answer_last(200, Some(subscription("sub-2")));
    assert_eq!((it.frames().len(), it.told().last().unwrap().as_str()), (2, "subscribed false"));
}

#[test]
fn a_saved_subscription_is_restored_or_made_anew() {
    let restore = SubscriptionInfo::new(subscription("sub-0"));
    let mut it = World::online(adapter().subscribe([FILTER], restore.clone()));
    assert_eq!(it.last()[0]["method"], "PUT");
    it.answer_last(200, Some(subscription("sub-0")));
    assert_eq!(it.told().last().unwrap(), "subscribed true");
    let mut it = World::online(adapter().subscribe([FILTER], restore));
    it.answer_last(404, Some(json!({ "errorCode": "CMN-102" })));
    assert_eq!(it.last()[0]["method"], "POST");
    it.answer_last(200, Some(subscription("sub-1")));
    assert_eq!(it.told().last().unwrap(), "subscribed false");
}

#[test]
fn a_subscription_is_ended_and_what_is_gone_already_is_ended_too() {
    for status in [204, 404, 401] {
        let mut it = World::subscribed(adapter());
        it.command(Command::Revoke);
        assert_eq!(it.last()[0]["method"], "DELETE");
        assert_eq!(it.last()[0]["path"], "/restapi/v1.0/subscription/sub-1");
        it.answer_last(status, None);
        let last = it.messages().into_iter().last().unwrap();
        assert!(matches!(last, Message::Revoked { .. }), "{status} {last:?}");
    }
}

#[test]
fn a_subscription_whose_session_is_gone_is_ended_with_it() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    it.command(Command::Revoke);
    it.reconnect();
    it.receive(hello("wsc-2", json!({ "recoveryState": "Failed" })));
    assert!(it.messages().iter().any(|message| matches!(message, Message::Revoked { .. })));
    assert_eq!(it.frames().len(), 1, "there is nothing to end, and nothing is made");
}

#[test]
fn a_subscription_that_fails_for_now_is_tried_again_with_growing_waits() {
    let mut it = World::online(adapter().subscribe([FILTER], None));
    let mut sent = vec![it.now];
    for _ in 0..3 {
        let before = it.frames().len();
        it.answer_last(503, Some(json!({})));
        while it.frames().len() == before {
            it.step();
        }
        sent.push(it.now);
    }
    assert_eq!(sent, [0, 500, 4_500, 10_500]);
}

#[test]
fn what_comes_twice_is_told_once_and_a_full_replay_may_have_a_gap() {
    let mut it = World::subscribed(adapter());
    it.receive(notification("n-0"));
    it.lose(Cause::Network);
    it.reconnect();
    it.receive(hello("wsc-2", json!({ "recoveryState": "Successful", "recoveryBufferSize": 3 })));
    it.items.clear();
    for uuid in ["n-0", "n-1", "n-2"] {
        it.receive(notification(uuid));
    }
    assert_eq!(it.told(), ["n n-1", "n n-2", "gap possible"]);
    it.receive(notification("n-3"));
    assert_eq!(it.told().len(), 4, "it is told once");
}

#[test]
fn a_live_notification_after_a_short_replay_is_no_part_of_it() {
    let mut it = World::subscribed(adapter());
    it.lose(Cause::Network);
    it.reconnect();
    let more = json!({
        "recoveryState": "Successful", "recoveryBufferSize": 2,
        "creationTime": "2026-09-21T14:13:20.100Z",
    });
    it.receive(hello("wsc-2", more));
    it.items.clear();
    let mut live = notification("n-2");
    live[1]["timestamp"] = json!("2026-09-21T14:13:20.101+0000");
    it.receive(notification("n-1"));
    it.receive(&live);
    it.receive(notification("n-3"));
    assert_eq!(it.told(), ["n n-1", "n n-2", "n n-3"]);
}

#[test]
fn a_context_token_is_taken_from_any_frame_where_its_sequence_rises() {
    let mut it = World::subscribed(adapter());
    for (uuid, token, sequence) in [("a", "wsc-5", 5), ("b", "wsc-4", 4), ("c", "wsc-6", 6)] {
        let mut frame = notification(uuid);
        frame[0]["wsc"] = json!({ "token": token, "sequence": sequence });
        it.receive(&frame);
    }
    let told: Vec<_> = it.told().into_iter().filter(|word| word.starts_with("newWsc")).collect();
    assert_eq!(told, ["newWsc 1 1", "newWsc 1 5", "newWsc 1 6"]);
    assert_eq!(it.session.adapter().wsc().unwrap().token, "wsc-6");
}

#[test]
fn the_servers_numbers_govern_the_session() {
    let mut it = World::new(adapter().subscribe([FILTER], None));
    it.input(Input::Connect);
    it.authorize();
    it.open();
    it.receive(hello("wsc-1", json!({ "idleTimeout": 8, "recoveryTimeout": 3 })));
    it.answer_last(200, Some(subscription("sub-1")));
    it.run(4_000);
    assert_eq!(it.last()[0]["type"], "Heartbeat", "a frame in each half of the idle timeout");
    let last = it.last();
    it.receive(last);
    it.lose(Cause::Network);
    let lost = it.now;
    while it.dial.is_none() {
        if it.http.is_empty() { it.step() } else { it.authorize() }
    }
    it.run_until(lost + 3_000);
    it.fail_dial(Cause::Network);
    it.reconnect();
    assert!(!it.dials().last().unwrap().1.contains("wsc="), "{:?}", it.dials());
    assert!(it.notices().contains(&redial_core::Notice::ResumeExpired));
}

#[test]
fn a_later_process_goes_on_with_the_session_and_tells_nothing_twice() {
    let mut it = World::subscribed(adapter().rest_over_websocket(true));
    it.receive(notification("n-1"));
    it.send(Request::get("/restapi/v1.0/account/~"));
    let saved = serde_json::to_string(&it.session.snapshot()).unwrap();
    let saved = serde_json::from_str(&saved).unwrap();
    let now = Timestamp::from_millis(START + 5_000);
    let fresh = adapter().rest_over_websocket(true).build().unwrap();
    let mut it = World::with(Session::<RingCentral>::restore(fresh, now, saved));
    it.now = 5_000;
    it.pump();
    assert_eq!(it.settled()[0].fate, Fate::Unknown);
    it.step();
    let (_, request) = it.http.front().unwrap();
    let body = std::str::from_utf8(&request.body).unwrap();
    assert!(body.starts_with("grant_type=refresh_token&refresh_token=refresh-1"), "{body}");
    it.authorize();
    it.open();
    assert!(it.dials()[0].1.ends_with("&wsc=wsc-1"), "{:?}", it.dials());
    it.receive(recovered("wsc-2"));
    it.receive(notification("n-1"));
    it.receive(notification("n-2"));
    assert_eq!(it.told(), ["Resumed", "newWsc 3 1", "autoRecoverSuccess 3", "n n-2"]);
    assert_eq!(it.frames(), [], "the subscription is there");
}

#[test]
fn no_secret_shows_in_debug() {
    let it = World::subscribed(adapter().wsc_token("wsc-of-old"));
    let shown = format!("{:?} {:?} {:?}", it.session.adapter(), it.session.snapshot(), it.items);
    let shown = shown + &format!("{:?}", it.session.snapshot().cursor);
    for secret in ["sim-secret", "assertion", "access-1", "refresh-1", "ws-2", "wsc-1", "wsc-of"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[test]
fn a_code_is_exchanged_once_with_its_verifier() {
    let credentials = Credentials::AuthCode {
        code: "a code".into(),
        redirect_uri: "https://app.example/cb".into(),
        verifier: Some("veri~fier".into()),
    };
    let builder = RingCentral::builder("id", "secret", credentials).server("https://sim.example");
    let mut it = World::new(builder);
    it.input(Input::Connect);
    let (_, request) = it.http.front().unwrap();
    assert_eq!(request.headers[0].1, "Basic aWQ6c2VjcmV0");
    let body = "grant_type=authorization_code&code=a%20code\
        &redirect_uri=https%3A%2F%2Fapp.example%2Fcb&code_verifier=veri~fier&client_id=id";
    assert_eq!(std::str::from_utf8(&request.body).unwrap(), body);
    it.answer(400, json!({ "error": "invalid_grant" }));
    assert!(matches!(it.notices().last(), Some(redial_core::Notice::Suspended { .. })));
    it.input(Input::Recover);
    it.run(2_000);
    assert_eq!(it.asked().len(), 1, "a code is good once");
}

#[test]
fn an_access_token_that_is_refused_again_is_the_applications_matter() {
    let mut it = World::new(adapter().share().unwrap().session());
    it.input(Input::Connect);
    it.input(Input::OfferToken("one".into()));
    it.answer(401, json!({}));
    let rejected = it.items.iter().rev().find_map(|(_, item)| match item {
        redial_core::Item::TokenNeeded { rejected, .. } => rejected.clone(),
        _ => None,
    });
    assert_eq!(rejected.unwrap().expose(), "one");
    it.input(Input::OfferToken("two".into()));
    it.answer(401, json!({}));
    assert!(matches!(it.notices().last(), Some(redial_core::Notice::Suspended { .. })));
}

#[test]
fn no_policy_makes_a_wstoken_serve_twice() {
    let mut spec = *redial_ringcentral::POLICY.spec();
    spec.token.single_use = false;
    spec.token.renew = redial_core::Renew::Every(redial_core::Span::from_secs(10));
    let mut it = World::online(adapter().policy(redial_core::Policy::new(spec)));
    it.run(50_000);
    assert_eq!(it.asked().len(), 2, "{:?}", it.asked());
    it.lose(Cause::Network);
    it.reconnect();
    assert_eq!(it.asked().len(), 3, "{:?}", it.asked());
}

#[test]
fn a_frame_is_shown_without_its_tokens() {
    let mut frame = notification("n-1");
    frame[0]["wsc"] = json!({ "token": "wsc-secret", "sequence": 2 });
    frame[1]["body"] = json!([
        { "access_token": "at-secret", "text": "Hello" },
        { "uri": "https://media.example/1?access_token=uri-secret" },
        { "note": "Authorization: Bearer note-secret" },
    ]);
    let shown = redial_ringcentral::redacted(frame.to_string().as_bytes());
    assert!(shown.contains("Hello") && shown.contains("n-1"), "{shown}");
    let raw = format!("[{},--Boundary at-secret]", frame[0]);
    let torn = frame.to_string().replace(']', "");
    for shown in [
        shown,
        redial_ringcentral::redacted(raw.as_bytes()),
        redial_ringcentral::redacted(torn.as_bytes()),
    ] {
        assert!(!shown.contains("-secret"), "{shown}");
    }
}

#[test]
fn what_is_no_access_token_is_told_at_once_and_waits_for_the_application() {
    let malformed = "the access token that was offered is malformed";
    let mut it = World::new(adapter().share().unwrap().session());
    it.input(Input::Connect);
    it.input(Input::OfferToken("one\ntwo".into()));
    assert_eq!(it.problems(), [malformed]);
    let cause = Cause::Refused(redial_ringcentral::Refusal::TokenMalformed as u16);
    let reason = redial_core::SuspendReason::Policy(cause);
    assert_eq!(it.notices().last(), Some(&redial_core::Notice::Suspended { reason }));
    // While a session lives, the token that works is kept.
    it.input(Input::Recover);
    it.run(2_000);
    it.input(Input::OfferToken("one".into()));
    it.answer(200, crate::support::wstoken("ws-1"));
    it.open();
    it.receive(hello("wsc-1", json!({})));
    it.input(Input::OfferToken("".into()));
    assert_eq!(it.problems(), [malformed, malformed]);
    assert!(it.session.is_online());
    it.lose(Cause::Network);
    it.run(2_000);
    let (_, request) = it.http.front().unwrap();
    assert!(request.headers.iter().any(|(_, value)| value == "Bearer one"), "{:?}", it.asked());
}

/// A wstoken that was used once opens further connections while it lives.
#[test]
fn a_wstoken_that_the_peer_repeats_is_not_shown() {
    let mut it = World::new(adapter());
    it.input(Input::Connect);
    it.answer(200, crate::support::oauth(1));
    it.answer(200, crate::support::wstoken("wstoken-of-this-connection"));
    it.open();
    it.receive(hello("wsc-1", json!({})));
    it.peer_closes(4401, "wstoken-of-this-connection is used");
    let told = it.items.iter().find_map(|(_, item)| match item {
        redial_core::Item::PeerReason { text, .. } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(told, Some(".. is used"));
}

#[test]
fn what_is_no_access_token_does_not_disturb_a_login_that_needs_none() {
    let mut it = World::new(adapter());
    it.input(Input::Connect);
    it.input(Input::OfferToken("two words\n".into()));
    assert_eq!(it.problems(), ["the access token that was offered is malformed"]);
    it.answer(200, crate::support::oauth(1));
    it.answer(200, crate::support::wstoken("ws-1"));
    it.open();
    it.receive(hello("wsc-1", json!({})));
    assert!(it.session.is_online());
    assert_eq!(it.asked().len(), 2, "{:?}", it.asked());
}
