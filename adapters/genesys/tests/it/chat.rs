//! Guest sessions: who makes them, how they fail, what they serve for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redial_core::{
    Cause, Continuity, Fate, Fault, Input, Item, Notice, Outcome, Session, Span, StopReason,
    SuspendReason,
};
use redial_genesys::guest::{Credentials, Refusal, SocketAuth, explain};
use redial_genesys::{ConfigError, GuestChat};
use serde_json::{Value, json};

use crate::support::{OAUTH, ORG, START, Wire, World, chat, guest_session};

#[test]
fn guest_creation_is_the_guides_request() {
    let mut world = World::guest(chat().guest("a@b.test", "Ann", "Bee").user_agent("it"));
    world.input(Input::Connect);
    let (_, request) = &world.http[0];
    assert_eq!(request.url, format!("http://{ORG}/api/v2/webchat/guests"));
    assert_eq!(
        request.headers,
        [
            ("content-type", "application/json".to_owned()),
            ("authorization", format!("Bearer {OAUTH}")),
            ("user-agent", "it".to_owned()),
        ]
    );
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let guest = json!({ "email": "a@b.test", "firstName": "Ann", "lastName": "Bee" });
    assert_eq!(body, json!({ "guest": guest }));
    let tls = GuestChat::builder("your-org.mypurecloud.com", Credentials::OAuth(OAUTH.into()));
    let mut world = World::guest(tls);
    world.input(Input::Connect);
    assert_eq!(world.http[0].1.url, "https://your-org.mypurecloud.com/api/v2/webchat/guests");
    world.answer_guest(60);
    let url = &world.dial.as_ref().expect("a dial").1.url;
    let path = "your-org.mypurecloud.com/api/v2/webchat/instances/instance-1/websocket";
    assert_eq!(*url, format!("wss://{path}"));
}

#[test]
fn an_api_key_takes_the_place_of_the_bearer() {
    let mut world =
        World::guest(GuestChat::builder(ORG, Credentials::ApiKey("key".into())).plain(true));
    world.input(Input::Connect);
    let headers = &world.http[0].1.headers;
    assert!(headers.contains(&("api_key", "key".to_owned())));
    assert!(headers.iter().all(|(name, _)| *name != "authorization"));
}

#[test]
fn a_bad_configuration_is_told_before_anything_is_sent() {
    let oauth = |token: &str| GuestChat::builder(ORG, Credentials::OAuth(token.into())).build();
    for token in ["", "short", "123456789", "1234567890\n", "123456789 0"] {
        assert_eq!(oauth(token).err(), Some(ConfigError::OauthToken), "{token:?}");
    }
    assert!(oauth("1234567890").is_ok());
    let key = GuestChat::builder(ORG, Credentials::ApiKey("".into())).build();
    assert_eq!(key.err(), Some(ConfigError::ApiKey));
    for host in ["", "a/b", "user@host", "host?x", "host:", "host:0", "host:x", "[::1"] {
        let built = GuestChat::builder(host, Credentials::OAuth(OAUTH.into())).build();
        assert_eq!(built.err(), Some(ConfigError::Host), "{host}");
    }
    assert_eq!(chat().user_agent("a\nb").build().err(), Some(ConfigError::UserAgent));
    let text = ConfigError::OauthToken.to_string();
    assert_eq!(text, "the OAuth token is missing or malformed");
}

#[test]
fn refused_guest_creation_has_the_guides_words() {
    for (status, stops, words) in [
        (401, true, "Invalid OAuth token or missing webchat:guest:write scope"),
        (403, true, "Account lacks Web Messaging entitlement"),
        (429, false, "Rate limited on guest creation. Back off and retry."),
        (500, false, "Genesys Cloud service unavailable. Retry with exponential backoff."),
        (503, false, "Genesys Cloud service unavailable. Retry with exponential backoff."),
        (418, true, "Guest creation failed with status 418"),
        (404, true, "Guest creation failed with status 404"),
        (302, false, "Guest creation failed with status 302"),
    ] {
        let mut world = World::guest(chat());
        world.input(Input::Connect);
        world.answer(status, &json!({ "message": "no" }));
        assert_eq!(explain(&world.last()).expect("words"), words);
        let cause = Cause::Http { step: 0, status };
        let stopped = Notice::Stopped { reason: StopReason::Policy(cause) };
        assert_eq!(world.last() == stopped, stops, "{status}");
        assert_eq!(world.problems().len(), 1);
    }
}

#[test]
fn a_429_without_a_span_is_waited_five_seconds() {
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    world.answer(429, &Value::Null);
    assert_eq!(world.waits(), [(1, 5_000)]);
}

#[test]
fn an_expired_jwt_is_told_and_not_sent() {
    let now = START / 1000;
    for (exp, expired) in [
        (json!(now), true),
        (json!(now - 1), true),
        (json!(now + 1), false),
        (json!("soon"), false),
        (json!(null), false),
    ] {
        let claims = URL_SAFE_NO_PAD.encode(json!({ "exp": exp }).to_string());
        let token = format!("eyJhbGciOiJub25lIn0.{claims}.c2ln");
        let builder = GuestChat::builder(ORG, Credentials::OAuth(token.into())).plain(true);
        let mut world = World::guest(builder);
        world.input(Input::Connect);
        assert_eq!(world.http.is_empty(), expired);
        if expired {
            assert_eq!(world.problems(), ["the OAuth token has expired"]);
            let cause = Cause::Refused(Refusal::OauthExpired as u16);
            let reason = SuspendReason::Policy(cause);
            assert_eq!(world.last(), Notice::Suspended { reason });
            assert_eq!(explain(&world.last()).expect("words"), "the OAuth token has expired");
            // The application can give another one and go on.
            world.input(Input::OfferToken(OAUTH.into()));
            world.input(Input::Recover);
            world.run(1_000);
            world.answer_guest(60);
            world.open();
        }
    }
}

#[test]
fn the_application_can_be_asked_for_the_bearer() {
    let mut world = World::guest(GuestChat::builder(ORG, Credentials::Ask).plain(true));
    let asked = |world: &World<GuestChat>| {
        let asked = world.items.iter().filter(|(_, item)| matches!(item, Item::TokenNeeded { .. }));
        asked.count()
    };
    world.input(Input::Connect);
    assert_eq!(asked(&world), 1);
    world.input(Input::OfferToken(OAUTH.into()));
    world.answer(401, &Value::Null);
    assert_eq!(asked(&world), 2);
    world.input(Input::OfferToken("another-bearer".into()));
    assert!(world.http[0].1.headers.contains(&("authorization", "Bearer another-bearer".into())));
    world.answer(401, &Value::Null);
    // Asked once more, no further.
    assert_eq!(asked(&world), 2);
    assert!(world.session.is_stopped());
    // What is no token is not sent.
    let mut world = World::guest(GuestChat::builder(ORG, Credentials::Ask).plain(true));
    world.input(Input::Connect);
    world.input(Input::OfferToken("short".into()));
    assert!(world.http.is_empty());
    assert_eq!(world.problems(), ["the OAuth token is missing or malformed"]);
}

/// A server that opens the socket first and looks at the guest then.
#[test]
fn a_guest_that_is_refused_again_by_a_close_frame_ends_the_session() {
    for code in [4401, 4403] {
        let mut world = World::chatting();
        world.lose(Cause::Close(code));
        world.run(3_000);
        world.answer_guest(3_600);
        world.open();
        assert!(world.session.is_online());
        // That it says why is no proof that it would take the guest.
        world.receive(&json!({ "type": "error", "message": "unauthorized" }));
        world.lose(Cause::Close(code));
        world.run(3_000);
        assert!(world.http.is_empty(), "no third guest is made");
        let reason = StopReason::Policy(Cause::Refused(Refusal::GuestRejectedAgain as u16));
        assert_eq!(world.last(), Notice::Stopped { reason });
        let words = "a guest session and the one in its place were refused";
        assert_eq!(explain(&world.last()).as_deref(), Some(words));
        assert_eq!(world.problems(), [words]);
    }
}

#[test]
fn a_guest_that_was_taken_may_be_refused_as_often_as_it_expires() {
    let proofs: [fn(&mut World<GuestChat>); 4] = [
        |world| world.receive(&json!({ "type": "message", "content": "hi", "messageId": "m" })),
        // What is refused at once is not refused after minutes.
        |world| world.run(20_000),
        |world| {
            let pong = redial_core::Frame::Pong(bytes::Bytes::new());
            world.receive_frame(pong);
        },
        // What was said to the one before is sent by REST to this one.
        |world| {
            let (_, request) = world.http.front().expect("a message by REST");
            assert!(request.url.ends_with("/messages"), "{}", request.url);
            world.answer(200, &json!({}));
        },
    ];
    for proof in proofs {
        let mut world = World::chatting();
        for _ in 0..5 {
            world.say("m");
            world.lose(Cause::Close(4401));
            world.run(3_000);
            world.answer_guest(3_600);
            world.open();
            proof(&mut world);
            while !world.http.is_empty() {
                world.answer(200, &json!({}));
            }
        }
        assert!(world.session.is_online());
    }
}

#[test]
fn answers_without_an_instance_or_a_token_are_failures() {
    for body in [
        json!({}),
        json!([]),
        json!(null),
        json!({ "webchatInstanceId": "i" }),
        json!({ "token": "t" }),
        json!({ "webchatInstanceId": "", "token": "t" }),
        json!({ "webchatInstanceId": "i", "token": "a\nb" }),
        json!({ "webchatInstanceId": 7, "token": "t" }),
    ] {
        let mut world = World::guest(chat());
        world.input(Input::Connect);
        world.answer(200, &body);
        assert!(world.dial.is_none());
        assert_eq!(world.waits(), [(1, 1_000)], "{body}");
    }
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    let odd = json!({ "webchatInstanceId": "a/b?c", "token": "t", "expiresIn": "1e300" });
    world.answer(200, &odd);
    let url = &world.dial.as_ref().expect("a dial").1.url;
    assert!(url.ends_with("/instances/a%2Fb%3Fc/websocket"), "{url}");
}

#[test]
fn a_rest_401_makes_a_new_guest_and_then_resends() {
    let mut world = World::chatting();
    let ids = [world.say("m1"), world.say("m2")];
    world.lose(Cause::Network);
    world.come_back();
    world.take_wire();
    world.answer_send(401);
    // The socket of the dead guest goes, too.
    assert_eq!(world.wire[0].1, Wire::Drop(Some(1000)));
    world.come_back();
    assert_eq!(world.guests, 2);
    assert_eq!(world.continuities().last(), Some(&Continuity::Fresh));
    let (_, request) = &world.http[0];
    assert!(request.url.ends_with("/instances/instance-2/messages"));
    assert!(request.headers.contains(&("authorization", "Bearer GT_2".to_owned())));
    assert_eq!(world.answer_send(200)["content"], "m1");
    assert_eq!(world.answer_send(200)["content"], "m2");
    assert_eq!(world.fates(), [(ids[0], Fate::Acked), (ids[1], Fate::Acked)]);
}

#[test]
fn a_late_401_is_not_held_against_the_next_guest() {
    let mut world = World::chatting();
    world.say("m1");
    world.lose(Cause::Network);
    world.come_back();
    let late = world.http.pop_front().expect("a send");
    world.lose(Cause::Close(4401));
    world.come_back();
    assert_eq!(world.guests, 2);
    let answer = crate::support::response(401, &Value::Null, None);
    world.input(Input::Http { id: late.0, answer: Ok(answer) });
    assert!(world.session.is_online());
    assert_eq!(world.answer_send(200)["content"], "m1");
    assert_eq!(world.guests, 2);
}

#[test]
fn a_401_while_offline_makes_a_new_guest_before_the_next_dial() {
    let mut world = World::chatting();
    let id = world.say("m1");
    world.lose(Cause::Network);
    world.come_back();
    world.lose(Cause::Network);
    world.answer_send(401);
    world.come_back();
    assert_eq!(world.guests, 2);
    world.answer_send(200);
    assert_eq!(world.fates(), [(id, Fate::Acked)]);
}

#[test]
fn other_4xx_reject_the_message_and_the_queue_goes_on() {
    for status in [400, 403, 404, 409, 410, 413, 422, 451, 499] {
        let mut world = World::chatting();
        let ids = [world.say("m1"), world.say("m2")];
        world.lose(Cause::Network);
        world.come_back();
        world.answer_send(status);
        assert_eq!(world.answer_send(200)["content"], "m2");
        assert_eq!(world.fates(), [(ids[0], Fate::Rejected(status)), (ids[1], Fate::Acked)]);
        assert!(world.session.is_online());
    }
}

#[test]
fn a_guest_survives_the_process() {
    let mut world = World::chatting();
    let id = world.say("m1");
    let sent = world.take_texts().remove(0);
    let saved = world.session.snapshot();
    let cursor = serde_json::to_string(&saved.cursor).expect("a cursor can be stored");
    let mut saved = saved;
    saved.cursor = serde_json::from_str(&cursor).expect("and read");
    let now = redial_core::Timestamp::from_millis(START + 10_000);
    let adapter = chat().build().expect("a good configuration");
    let mut next = World::with(Session::restore(adapter, now, saved));
    next.now = 10_000;
    next.run(1_000);
    assert!(next.http.is_empty(), "no other guest is made");
    next.open();
    assert_eq!(next.continuities(), [Continuity::Resumed]);
    assert_eq!(next.answer_send(200), sent);
    assert_eq!(next.fates(), [(id, Fate::Acked)]);
    // One that has expired meanwhile is not used.
    let saved = world.session.snapshot();
    let now = redial_core::Timestamp::from_millis(START + 3_600_000);
    let mut next = World::with(Session::restore(chat().build().expect("good"), now, saved));
    next.now = 3_600_000;
    next.run(1_000);
    assert_eq!(next.http.len(), 1);
}

#[test]
fn socket_auth_by_query_hides_nothing_else() {
    let mut world = World::guest(chat().socket_auth(SocketAuth::Query("access_token")));
    world.input(Input::Connect);
    let mut session = guest_session(1, 60);
    session["token"] = json!("a&b=c");
    world.answer(200, &session);
    let (_, handshake) = world.dial.as_ref().expect("a dial");
    assert!(handshake.url.ends_with("/websocket?access_token=a%26b%3Dc"));
    assert!(!format!("{handshake:?}").contains("a%26b"));
}

#[test]
fn words_of_the_vendor_are_told_apart_from_the_callers() {
    let mut world = World::guest(chat());
    world.input(Input::Connect);
    world.answer(403, &Value::Null);
    let fault = world.items.iter().find_map(|(_, item)| match item {
        Item::Problem(problem) => Some(problem.fault),
        _ => None,
    });
    assert_eq!(fault, Some(Fault::Caller));
    let _ = (Outcome::Acked, Span::ZERO);
}

#[test]
fn what_is_no_token_is_told_at_once_and_the_guest_that_works_is_kept() {
    let mut world = World::chatting();
    world.input(Input::OfferToken("short".into()));
    assert_eq!(world.problems(), ["the OAuth token is missing or malformed"]);
    assert!(world.session.is_online());
    assert!(world.http.is_empty());
}
