//! No `Debug` shows a secret or what people say.

use redial_core::{Adapter, Cause, Input};
use redial_evolution::codechat::{
    Credentials, Event, Message, Payload, Refresh, SubscriptionError, Subscriptions,
};
use redial_evolution::v2::{self, ApiKey, KeyPlace, Scope};
use redial_evolution::{CodeChat, EvolutionApi, Json};

use crate::support::{OPEN, URL, World};

#[test]
fn nothing_of_the_event_sockets_that_prints_shows_a_secret() {
    for credentials in [
        Credentials::Token("CANARY".into()),
        Credentials::Refresh { instance: "i".into(), token: "CANARY".into() },
        Credentials::Ask,
    ] {
        let test = Payload::new(r#""CANARY""#).expect("JSON");
        let mut seen = format!("{credentials:?}{test:?}");
        let builder = CodeChat::builder(URL, "call.upsert", credentials).test_message(Some(test));
        seen += &format!("{builder:?}{builder:#?}");
        let mut subscriptions = Subscriptions::new();
        subscriptions.add("i", &builder, ["call.upsert"]).expect("one");
        seen += &format!("{subscriptions:?}");
        let mut world = World::codechat(builder);
        world.input(Input::Connect);
        world.offer("CANARY");
        let (_, handshake) = world.dial.as_ref().expect("a dial");
        seen += &format!("{handshake:?}");
        world.refuse(401, None);
        world.run(5_000);
        for (_, request) in &world.http {
            seen += &format!("{request:?}");
        }
        if !world.http.is_empty() {
            world.answer(201, r#"{"token":"CANARY"}"#);
        }
        world.offer("CANARY");
        world.open();
        world.receive(r#"{"secret":"CANARY"}"#);
        world.receive("CANARY");
        check(seen, &world);
    }
    let refresh = Refresh::new(URL, "CANARY").expect("good");
    assert!(!format!("{refresh:?}").contains("CANARY"));
}

#[test]
fn nothing_of_the_namespaces_that_prints_shows_a_secret() {
    for key in [ApiKey::None, ApiKey::Key("CANARY".into()), ApiKey::Ask] {
        let mut seen = format!("{key:?}");
        let scope = Scope::Instance("inst1".into());
        let builder = EvolutionApi::builder("http://h", scope, key).key_place(KeyPlace::Query);
        seen += &format!("{builder:?}{builder:#?}");
        let mut world = World::v2(builder);
        world.input(Input::Connect);
        world.offer("CANARY");
        let (_, handshake) = world.dial.as_ref().expect("a dial");
        seen += &format!("{handshake:?}");
        world.open();
        world.receive(OPEN);
        world.receive(r#"40/inst1,{"sid":"CANARY"}"#);
        world.receive(r#"42/inst1,["call",{"apikey":"CANARY","data":"CANARY"}]"#);
        world.receive("CANARY");
        world.lose(Cause::Network);
        check(seen, &world);
    }
}

#[test]
fn errors_name_what_is_wrong_and_not_what_was_given() {
    let errors = [
        CodeChat::builder("ws://CANARY@h", "call.upsert", Credentials::Ask).build().err(),
        CodeChat::builder(URL, "CANARY", Credentials::Ask).build().err(),
        CodeChat::builder(URL, "call.upsert", Credentials::Token("CANARY ".into())).build().err(),
        EvolutionApi::builder("http://h", Scope::Global, ApiKey::Key("CANARY ".into()))
            .build()
            .err(),
    ];
    for error in errors {
        let error = error.expect("an error");
        assert!(!format!("{error}{error:?}").contains("CANARY"));
    }
    let mut subscriptions = Subscriptions::new();
    let token = Credentials::Refresh { instance: "i".into(), token: "CANARY".into() };
    let builder = CodeChat::builder(URL, "", token);
    let error = subscriptions.add("i", &builder, ["call.upsert", "send.message"]).err();
    assert_eq!(error, Some(SubscriptionError::ManyRefreshes("i".into())));
}

#[test]
fn a_message_shows_its_name_and_its_length() {
    let body = Json::check(&r#""CANARY""#.into()).expect("JSON");
    let event = Event { name: "call.upsert".into(), body: body.clone() };
    let shown = format!("{:?}", Message::Event(event));
    assert_eq!(shown, r#"Event(Event { name: "call.upsert", body: Json(8 bytes) })"#);
    let shown = format!("{:?}", Message::TokenRefreshed("CANARY".into()));
    assert_eq!(shown, "TokenRefreshed(Secret(..))");
    let shown = format!("{:?}", v2::Event { name: "call".into(), envelope: body });
    assert_eq!(shown, r#"Event { name: "call", envelope: Json(8 bytes) }"#);
}

fn check<A: Adapter + std::fmt::Debug>(mut seen: String, world: &World<A>)
where
    A::Cursor: std::fmt::Debug,
{
    let session = &world.session;
    seen += &format!("{session:?}{:?}{:?}", session.snapshot(), session.snapshot().cursor);
    seen += &format!("{:?}{:?}", session.adapter(), world.notices());
    for (_, item) in &world.items {
        seen += &format!("{item:?}");
    }
    assert!(!seen.contains("CANARY"), "{seen}");
}
