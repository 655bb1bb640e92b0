//! Web Messaging: configuration, echoes, refusals, the end of sessions.

use redial_core::{
    Cause, Continuity, Fate, Frame, Input, Item, Notice, Secret, Session, Span, StopReason,
    SuspendReason,
};
use redial_genesys::web::{Command, Health, Message, Outgoing, Refusal, session_token};
use redial_genesys::{ConfigError, WebMessaging};
use serde_json::{Value, json};

use crate::support::{NONCE, TOKEN, Wire, World, messenger};

#[test]
fn nothing_is_sent_before_the_session_is_configured() {
    let mut world = World::web(messenger());
    let id = world.text("early");
    world.input(Input::Connect);
    world.open();
    let sent = world.take_texts();
    let tracing = sent[0]["tracingId"].clone();
    let expected = json!({ "action": "configureSession", "deploymentId": "dep-1",
                           "token": TOKEN, "tracingId": tracing });
    assert_eq!(sent, [expected]);
    assert!(!world.session.is_online());
    world.receive(&world.session_response(&sent[0], true));
    let sent = world.take_texts();
    let message = json!({ "type": "Text", "text": "early" });
    let tracing = sent[0]["tracingId"].clone();
    assert_eq!(
        sent,
        [json!({ "action": "onMessage", "token": TOKEN, "tracingId": tracing,
                              "message": message })]
    );
    world.echo(&sent[0]);
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
    let Message::Session(info) = world.messages()[0] else { panic!("a session") };
    assert!(info.new_session && !info.read_only && info.expires_at.is_some());
}

#[test]
fn a_session_that_is_not_connected_is_tried_again() {
    let mut world = World::web(messenger());
    world.input(Input::Connect);
    world.open();
    world.receive(&json!({ "type": "response", "class": "SessionResponse", "code": 200,
                           "body": { "connected": false } }));
    assert_eq!(world.waits(), [(1, 5_000)]);
    assert!(!world.session.is_online());
}

#[test]
fn the_token_is_configured_or_asked_for_and_never_made() {
    assert_eq!(session_token(0).expose(), "00000000-0000-4000-8000-000000000000");
    assert_eq!(session_token(u128::MAX).expose(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_ne!(session_token(1), session_token(2));
    let builder = WebMessaging::builder("mypurecloud.com", "dep-1");
    let mut world = World::web(builder.clone());
    world.input(Input::Connect);
    assert!(world.dial.is_none());
    assert!(world.items.iter().any(|(_, item)| matches!(item, Item::TokenNeeded { .. })));
    world.run(3_600_000);
    assert!(world.dial.is_none(), "it waits for as long as it takes");
    world.input(Input::OfferToken("two words".into()));
    assert_eq!(world.problems(), ["the session token that was offered is malformed"]);
    world.input(Input::OfferToken(session_token(NONCE)));
    let (_, handshake) = world.dial.as_ref().expect("a dial");
    assert!(handshake.url.starts_with("wss://webmessaging.mypurecloud.com/v1?deploymentId=dep-1"));
    assert!(handshake.headers.is_empty());
    for token in ["", "a b", "\u{e9}"] {
        let built = builder.clone().token(token.into()).build();
        assert_eq!(built.err(), Some(ConfigError::SessionToken));
    }
    assert!(builder.clone().token(Secret::new("x".repeat(2048))).build().is_ok());
    assert!(builder.clone().token(Secret::new("x".repeat(2049))).build().is_err());
    assert_eq!(builder.origin("a\nb").build().err(), Some(ConfigError::Origin));
    let none = WebMessaging::builder("mypurecloud.com", "").build();
    assert_eq!(none.err(), Some(ConfigError::Deployment));
}

#[test]
fn refusals_of_a_message_are_fates() {
    for code in [400, 401, 403, 404, 4000, 4001, 4005, 4008, 4010, 4011, 4020, 4102] {
        let mut world = World::messaging();
        let id = world.text("x");
        let sent = world.take_texts();
        world.refused(&sent[0], code, &json!("no"));
        assert_eq!(world.fates(), [(id, Fate::Rejected(code))]);
        assert!(world.session.is_online(), "{code}");
    }
}

#[test]
fn refusals_of_the_configuration_follow_the_policy() {
    for code in [400, 401, 403, 404, 409, 4020] {
        let mut world = World::web(messenger());
        world.input(Input::Connect);
        world.open();
        let sent = world.take_texts();
        world.refused(&sent[0], code, &json!("no"));
        let reason = SuspendReason::Policy(Cause::Refused(code));
        assert_eq!(world.last(), Notice::Suspended { reason });
    }
    let mut world = World::web(messenger());
    world.input(Input::Connect);
    world.open();
    let sent = world.take_texts();
    world.refused(&sent[0], 429, &json!({ "errorCode": 429, "retryAfter": 33 }));
    assert_eq!(world.waits(), [(1, 33_000)]);
    let mut world = World::web(messenger());
    world.input(Input::Connect);
    world.refuse(403, None);
    let reason = StopReason::Policy(Cause::Handshake(403));
    assert_eq!(world.last(), Notice::Stopped { reason });
}

#[test]
fn attributes_that_are_refused_are_dropped_and_the_message_kept() {
    let mut world = World::messaging();
    let attributes = json!({ "k": "v" }).as_object().cloned().expect("an object");
    let id = world.submit(Outgoing::text("x").with_attributes(attributes));
    let sent = world.take_texts();
    let metadata = &sent[0]["message"]["channel"]["metadata"];
    assert_eq!(metadata["customAttributes"], json!({ "k": "v" }));
    world.refused(&sent[0], 4013, &json!("too large"));
    let again = world.take_texts();
    assert_eq!(again[0]["message"], json!({ "type": "Text", "text": "x" }));
    assert_eq!(again[0]["tracingId"], sent[0]["tracingId"]);
    world.echo(&again[0]);
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
}

#[test]
fn a_text_that_is_too_long_is_not_sent() {
    let mut world = World::messaging();
    let fits = world.text(&"x".repeat(4096));
    let too_long = world.text(&"x".repeat(4097));
    let sent = world.take_texts();
    assert_eq!(sent.len(), 1);
    world.echo(&sent[0]);
    assert_eq!(world.fates(), [(too_long, Fate::Rejected(4011)), (fits, Fate::Acked)]);
}

#[test]
fn a_cut_message_is_unknown_and_not_sent_again() {
    let mut world = World::messaging();
    let id = world.text("x");
    world.lose(Cause::Network);
    assert_eq!(world.fates(), [(id, Fate::Unknown)]);
    world.step();
    world.take_wire();
    world.configure(false);
    assert!(world.take_texts().iter().all(|text| text["action"] != "onMessage"));
    // With the option it is, in the same session and with the same id.
    let mut world = World::web(messenger().resend(true));
    world.input(Input::Connect);
    world.configure(true);
    let id = world.text("x");
    let first = world.take_texts().remove(0);
    world.lose(Cause::Network);
    world.step();
    world.configure(false);
    let again = world.take_texts().into_iter().find(|text| text["action"] == "onMessage");
    let again = again.expect("a resend");
    assert_eq!(again, first);
    world.echo(&again);
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
    assert!(world.settled()[0].may_be_duplicate());
}

#[test]
fn a_cut_message_in_a_fresh_session_is_unknown() {
    let mut world = World::web(messenger().resend(true));
    world.input(Input::Connect);
    world.configure(true);
    let id = world.text("x");
    world.lose(Cause::Network);
    world.step();
    world.take_wire();
    world.configure(true);
    assert_eq!(world.fates(), [(id, Fate::Unknown)]);
    assert_eq!(world.continuities(), [Continuity::Fresh, Continuity::Fresh]);
}

#[test]
fn typing_has_no_proof() {
    let mut world = World::messaging();
    let id = world.submit(Outgoing::typing());
    let sent = world.take_texts();
    assert_eq!(sent[0]["message"]["events"][0]["eventType"], "Typing");
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
}

#[test]
fn a_read_only_session_takes_nothing_until_it_is_begun_anew() {
    let mut world = World::messaging();
    world.receive(&json!({ "type": "message", "class": "StructuredMessage", "code": 200, "body": {
        "id": "1", "type": "Event", "direction": "Outbound", "metadata": { "readOnly": "true" },
        "events": [{ "eventType": "Presence", "presence": { "type": "Disconnect" } }] } }));
    assert!(world.session.adapter().is_read_only());
    assert!(world.messages().contains(&&Message::ReadOnly));
    let id = world.text("x");
    assert_eq!(world.take_texts(), [] as [Value; 0]);
    assert_eq!(world.fates(), [(id, Fate::Rejected(409))]);
    world.input(Input::Command(Command::StartNew));
    let sent = world.take_texts();
    assert_eq!((sent.len(), &sent[0]["action"]), (1, &json!("closeSession")));
    world.receive(&ended(&sent[0]));
    let sent = world.take_texts();
    assert_eq!((sent.len(), &sent[0]["action"]), (1, &json!("configureSession")));
    assert_eq!(sent[0]["startNew"], true);
    world.receive(&world.session_response(&sent[0], true));
    world.text("y");
    assert_eq!(world.take_texts()[0]["message"]["text"], "y");
    // The server says so, too.
    let mut world = World::messaging();
    let id = world.text("x");
    let sent = world.take_texts();
    world.refused(&sent[0], 409, &json!("read-only"));
    assert_eq!(world.fates(), [(id, Fate::Rejected(409))]);
    assert!(world.session.adapter().is_read_only());
}

#[test]
fn a_new_conversation_begins_however_the_old_one_ends() {
    // The end is not answered, or there is nothing to end.
    for refused in [false, true] {
        let mut world = World::messaging();
        world.input(Input::Command(Command::StartNew));
        let sent = world.take_texts();
        if refused {
            world.refused(&sent[0], 4006, &json!("expired"));
        } else {
            world.run(10_000);
        }
        let sent = world.take_texts();
        assert_eq!(
            (&sent[0]["action"], &sent[0]["startNew"]),
            (&json!("configureSession"), &json!(true))
        );
    }
    // The server takes the connection away: the next one begins it.
    let mut world = World::messaging();
    world.input(Input::Command(Command::StartNew));
    world.receive(&json!({ "type": "message", "class": "ConnectionClosedEvent", "code": 200,
                           "body": {} }));
    world.step();
    world.open();
    assert_eq!(world.take_texts().pop().expect("configure")["startNew"], true);
    // An end that somebody else asked for leaves nothing to write to.
    let mut world = World::messaging();
    world.input(Input::Command(Command::CloseSession { all: true }));
    let sent = world.take_texts();
    assert_eq!(sent[0]["closeAllConnections"], true);
    world.receive(&ended(&sent[0]));
    assert!(world.session.is_online() && world.session.adapter().is_read_only());
}

fn ended(request: &Value) -> Value {
    json!({ "type": "response", "class": "SessionResponse", "code": 200,
            "tracingId": request["tracingId"],
            "body": { "connected": false, "newSession": false, "readOnly": true } })
}

#[test]
fn an_expired_session_gets_a_new_token() {
    let event =
        json!({ "type": "message", "class": "SessionExpiredEvent", "code": 200, "body": {} });
    let unasked = json!({ "type": "response", "class": "string", "code": 4006, "body": "expired" });
    for frame in [event, unasked] {
        let mut world = World::messaging();
        world.receive(&frame);
        assert!(world.messages().contains(&&Message::Expired));
        assert!(!world.session.is_online());
        world.step();
        assert!(world.dial.is_none(), "the old token is not used again");
        world.input(Input::OfferToken("another-token".into()));
        world.open();
        assert_eq!(world.take_texts().pop().expect("configure")["token"], "another-token");
    }
}

#[test]
fn a_session_that_is_not_found_is_configured_again() {
    let mut world = World::messaging();
    let id = world.text("x");
    let sent = world.take_texts();
    world.refused(&sent[0], 4007, &json!("session not found"));
    world.run(5_000);
    world.configure(true);
    let again = world.take_texts();
    assert_eq!(again[0], sent[0]);
    world.echo(&again[0]);
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
}

#[test]
fn the_server_can_take_the_connection_away() {
    for (events, refusal, stops) in [
        (vec![("ConnectionClosedEvent", json!({}))], Refusal::SessionLimit, false),
        (vec![("ConnectionClosedEvent", json!({ "reason": "signedIn" }))], Refusal::SignedIn, true),
        (
            vec![("ConnectionClosedEvent", json!({ "reasonCode": "signedIn" }))],
            Refusal::SignedIn,
            true,
        ),
        (
            vec![("SessionClearedEvent", json!({})), ("ConnectionClosedEvent", json!({}))],
            Refusal::Cleared,
            false,
        ),
        (vec![("LogoutEvent", json!({}))], Refusal::LoggedOut, true),
    ] {
        let mut world = World::messaging();
        for (class, body) in events {
            world.receive(&json!({ "type": "message", "class": class, "code": 200, "body": body }));
        }
        let cause = Cause::Refused(refusal as u16);
        let expected = if stops {
            Notice::Stopped { reason: StopReason::Policy(cause) }
        } else {
            Notice::Suspended { reason: SuspendReason::Policy(cause) }
        };
        assert_eq!(world.last(), expected, "{refusal:?}");
        world.take_wire();
        world.run(3_600_000);
        assert_eq!(world.take_wire(), []);
    }
}

#[test]
fn unknown_classes_are_delivered_as_they_came() {
    let mut world = World::messaging();
    world.items.clear();
    for class in ["SomethingNew", "UploadSuccessEvent", "PresignedUrlResponse", "string"] {
        world.receive(
            &json!({ "type": "message", "class": class, "code": 200, "body": { "x": 1 } }),
        );
    }
    let classes: Vec<_> = world
        .messages()
        .iter()
        .map(|message| match message {
            Message::Other { class, body } if body.value() == json!({ "x": 1 }) => class.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(classes, ["SomethingNew", "UploadSuccessEvent", "PresignedUrlResponse", "string"]);
    assert!(world.session.is_online());
}

#[test]
fn dead_peers_are_noticed_by_pings_or_by_echoes() {
    let mut world = World::messaging();
    world.take_wire();
    world.run(45_000);
    assert_eq!(world.take_wire(), [15_000, 30_000, 45_000].map(|at| (at, Wire::Ping)));
    world.answers = false;
    world.run(30_000);
    assert!(!world.session.is_online(), "no pong before the next ping");
    let mut world = World::web(messenger().health(Health::Echo));
    world.input(Input::Connect);
    world.configure(true);
    for _ in 0..4 {
        world.take_wire();
        world.run(30_000);
        let sent = world.take_texts();
        assert_eq!((sent.len(), &sent[0]["action"]), (1, &json!("echo")));
        assert_eq!(sent[0]["message"], json!({ "type": "Text", "text": "ping" }));
        world.echo(&sent[0]);
    }
    world.run(40_000);
    assert!(!world.session.is_online());
}

#[test]
fn a_close_by_the_server_is_the_end_only_where_it_is_normal() {
    let mut world = World::messaging();
    world.lose(Cause::Close(1000));
    let reason = SuspendReason::Policy(Cause::Close(1000));
    assert_eq!(world.last(), Notice::Suspended { reason });
    let mut world = World::messaging();
    world.lose(Cause::Close(1001));
    assert_eq!(world.waits(), [(1, 5_000)]);
}

#[test]
fn shutdown_says_goodbye_in_the_vendors_words() {
    let mut world = World::messaging();
    world.input(Input::Shutdown);
    let close = Wire::Close(1000, "The user has closed the connection.");
    assert_eq!(world.take_wire().pop(), Some((0, close)));
}

#[test]
fn a_session_survives_the_process_and_starts_by_itself() {
    let mut world = World::web(messenger().autostart(true));
    world.input(Input::Connect);
    world.configure(true);
    let join = world.take_texts().remove(0);
    assert_eq!(join["message"]["events"][0]["presence"]["type"], "Join");
    let saved = world.session.snapshot();
    let adapter = WebMessaging::builder("mypurecloud.com", "dep-1").build().expect("good");
    let now = world.cx().now;
    let mut next = World::with(Session::restore(adapter, now, saved));
    next.run(1_000);
    next.open();
    assert_eq!(next.take_texts().pop().expect("configure")["token"], TOKEN);
    let _ = (Span::ZERO, Frame::Ping(Default::default()));
}

#[test]
fn a_token_that_was_given_up_is_not_taken_from_the_configuration_by_a_later_process() {
    let mut world = World::messaging();
    world.receive(&json!({ "type": "response", "class": "SessionExpiredEvent", "code": 200,
                           "body": {} }));
    world.lose(Cause::Network);
    let saved = world.session.snapshot();
    let adapter = messenger().build().expect("a good configuration");
    let now = world.cx().now;
    let mut later = World::with(Session::restore(adapter, now, saved));
    later.run(60_000);
    assert_eq!(later.dials().len(), 0, "{:?}", later.wire);
    assert!(later.items.iter().any(|(_, item)| matches!(item, Item::TokenNeeded { .. })));
}

#[test]
fn what_is_no_token_is_told_at_once_and_the_one_that_works_is_kept() {
    let mut world = World::messaging();
    world.input(Input::OfferToken("two words".into()));
    assert_eq!(world.problems(), ["the session token that was offered is malformed"]);
    assert!(world.session.is_online());
    world.lose(Cause::Network);
    world.run(6_000);
    world.open();
    let configure = world.take_texts().pop().expect("configure");
    assert_eq!(configure["token"], crate::support::TOKEN);
}
