//! Refresh, and tokens of the application's.

use redial_core::http::NoAnswer;
use redial_core::{Cause, Input, Item, Notice, Reason, Secret, Span, TokenUse};
use redial_liveperson::{ConfigError, Credentials, LivePerson};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, HOST, Wire, World, lookup, names, password, response_of};

#[test]
fn the_session_is_refreshed_every_five_minutes_and_the_bearer_stays() {
    let mut world = World::online();
    world.take_wire();
    for round in 1..=3 {
        world.run_until(round * 300_000);
        let wire: Vec<_> =
            names(&world.take_wire()).into_iter().filter(|(_, name)| *name != "clock").collect();
        assert_eq!(wire, [(round * 300_000, "refresh")]);
        let (_, request) = world.http.front().expect("the refresh");
        assert_eq!(request.body, json!({ "csrf": "csrf-1" }).to_string());
        let cookie = if round == 1 { "Session_id=sess-1" } else { "Session_id=sess-new" };
        assert!(request.headers.contains(&("cookie", cookie.into())));
        let mut answer = response_of(200, "");
        answer.headers.push(("set-cookie".into(), "other=1; Path=/".into()));
        answer.headers.push(("set-cookie".into(), "Session_id=sess-new; Secure".into()));
        world.answer_with(answer);
    }
    world.take_wire();
    world.lose(Cause::Network);
    world.run(10_000);
    assert_eq!(names(&world.take_wire()), [(910_000, "dial bearer-1")]);
}

#[test]
fn the_local_clock_does_not_end_a_refreshed_bearer() {
    let mut world = World::password();
    world.input(Input::Connect);
    world.answer(200, &lookup());
    let mut login = crate::support::login(1);
    login["sessionTTl"] = json!("310000");
    world.answer(200, &login);
    world.open();
    world.run_until(300_000);
    world.settle();
    world.run_until(500_000);
    world.take_wire();
    world.lose(Cause::Network);
    world.run(10_000);
    assert_eq!(names(&world.take_wire()), [(510_000, "dial bearer-1")]);
}

#[test]
fn the_life_that_a_login_states_counts_until_the_first_refresh() {
    let mut world = World::password();
    world.input(Input::Connect);
    world.answer(200, &lookup());
    let mut login = crate::support::login(1);
    login["sessionTTl"] = json!(100_000);
    world.answer(200, &login);
    let expires_in = Some(Span::from_secs(100));
    assert!(world.notices().iter().any(
        |notice| matches!(notice, Notice::Token { expires_in: span, .. } if *span == expires_in)
    ));
    world.open();
    world.run_until(150_000);
    world.take_wire();
    world.lose(Cause::Network);
    world.run(10_000);
    assert_eq!(names(&world.take_wire()), [(160_000, "csds")]);
}

#[test]
fn a_refused_refresh_logs_in_again_on_the_living_socket() {
    let mut world = World::online();
    world.run_until(300_000);
    world.take_wire();
    world.answer(401, &json!({ "error": { "internalCode": "10" } }));
    assert_eq!(names(&world.take_wire()), [(300_000, "csds")]);
    world.settle();
    assert_eq!(names(&world.take_wire()), [(300_000, "login")]);
    assert!(world.session.is_online(), "the socket was not cut");
    world.lose(Cause::Network);
    world.run(10_000);
    assert_eq!(names(&world.take_wire()), [(310_000, "dial bearer-2")]);
}

#[test]
fn a_refresh_without_an_answer_is_tried_again_later() {
    for why in [NoAnswer::Network, NoAnswer::Timeout] {
        let mut world = World::online();
        world.run_until(300_000);
        world.take_wire();
        world.no_answer(why);
        world.run(10_000);
        assert_eq!(names(&world.take_wire()), [(310_000, "refresh")]);
        assert!(world.session.is_online());
    }
}

#[test]
fn without_csrf_there_is_nothing_to_refresh_and_no_loop() {
    let mut world = World::password();
    world.input(Input::Connect);
    world.answer(200, &lookup());
    let mut login = crate::support::login(1);
    login["csrf"].take();
    world.answer(200, &login);
    world.open();
    world.take_wire();
    world.run_until(1_000_000);
    assert!(names(&world.take_wire()).iter().all(|(_, name)| *name == "clock"));
    let tokens = world.notices().iter().filter(|it| matches!(it, Notice::Token { .. })).count();
    assert_eq!(tokens, 1 + 3);
}

#[test]
fn the_refresh_can_be_switched_off() {
    let mut world = World::new(LivePerson::builder(ACCOUNT, password()).refresh(None));
    world.connect();
    world.take_wire();
    world.run_until(1_000_000);
    assert!(names(&world.take_wire()).iter().all(|(_, name)| *name == "clock"));
}

#[test]
fn a_refused_bearer_is_replaced_by_the_token_source() {
    let mut world = World::new(ready_made().token_source(true));
    world.connect();
    world.run(1_000);
    world.take_wire();
    world.lose(Cause::Close(4401));
    world.run(10_000);
    assert_eq!(world.take_wire(), []);
    let asked = world.items.iter().find_map(|(at, item)| match item {
        Item::TokenNeeded { rejected, reason, cause, .. } => {
            Some((*at, rejected.clone(), *reason, *cause))
        }
        _ => None,
    });
    let rejected = Some(Secret::new("made/1"));
    assert_eq!(asked, Some((11_000, rejected, Reason::Rejected, Some(Cause::Close(4401)))));
    world.input(Input::OfferToken(Secret::new("made/2")));
    assert_eq!(dialled(&mut world), [url("made%2F2")]);
    world.open();
    assert!(world.session.is_online());
}

#[test]
fn a_token_source_that_has_none_is_asked_again_after_the_delay() {
    let mut world = World::new(ready_made().token_source(true));
    world.connect();
    world.lose(Cause::Close(4407));
    world.run(10_000);
    let asked = |world: &World| {
        // Each time it is told which token was refused, and why.
        let why = Some(Cause::Close(4407));
        let items = world.items.iter().filter(|(_, item)| {
            matches!(item, Item::TokenNeeded { rejected: Some(_), cause, .. } if *cause == why)
        });
        items.count()
    };
    assert_eq!(asked(&world), 1);
    world.input(Input::TokenUnavailable { cause: Cause::Network, retry_after: None });
    world.run(9_999);
    assert_eq!(asked(&world), 1);
    world.run(1);
    assert_eq!(asked(&world), 2);
    // Nobody answers: 30 s, and the delay.
    world.run(40_000);
    world.settle();
    assert_eq!(asked(&world), 3);
}

#[test]
fn a_refused_bearer_without_a_source_is_told_and_tried_at_the_same_pace() {
    let mut world = World::new(ready_made());
    world.connect();
    world.take_wire();
    for round in 1..=4 {
        world.lose(Cause::Close(4401));
        let (delay, token, _) = world.wait().expect("a wait");
        assert_eq!((delay, token), (Span::from_secs(10), TokenUse::Regenerate));
        world.run(10_000);
        world.settle();
        assert_eq!(dialled(&mut world), [url("made%2F1")]);
        let told = world.problems().len();
        assert_eq!(told, round, "once for each refusal");
    }
    assert_eq!(world.problems()[0], "the bearer was refused and there is no token source");
}

#[test]
fn a_bearer_that_the_application_offers_is_used_instead_of_a_login() {
    let mut world = World::online();
    world.input(Input::OfferToken(Secret::new("offered")));
    world.take_wire();
    world.lose(Cause::Network);
    world.run(10_000);
    assert_eq!(dialled(&mut world), [url("offered")]);
    // Refused, it gives way to a login.
    world.refuse(401, None);
    world.run(10_000);
    world.settle();
    assert_eq!(dialled(&mut world), [url("bearer-2")]);
}

fn ready_made() -> redial_liveperson::Builder {
    LivePerson::builder(ACCOUNT, Credentials::Bearer(Secret::new("made/1")))
}

#[test]
fn the_application_can_be_asked_for_the_first_bearer_too() {
    let mut world = World::new(LivePerson::builder(ACCOUNT, Credentials::Ask));
    world.input(Input::Connect);
    world.answer(200, &lookup());
    assert!(world.http.is_empty() && world.dial.is_none(), "nobody logs in");
    world.input(Input::OfferToken(Secret::new("asked")));
    world.settle();
    assert_eq!(dialled(&mut world), [url("asked")]);
}

#[test]
fn an_empty_bearer_is_none() {
    let builder = LivePerson::builder(ACCOUNT, Credentials::Bearer(Secret::new("")));
    assert_eq!(builder.build().err(), Some(ConfigError::Bearer));
}

fn url(bearer: &str) -> String {
    format!("ws://{HOST}/ws_api/account/{ACCOUNT}/messaging/brand/{bearer}?v=2.1")
}

fn dialled(world: &mut World) -> Vec<String> {
    let dials = world.take_wire().into_iter().filter_map(|(_, wire)| match wire {
        Wire::Dial(url) => Some(url),
        _ => None,
    });
    dials.collect()
}

#[test]
fn a_ready_made_bearer_makes_no_login_and_names_no_agent() {
    let mut world = World::new(ready_made());
    world.connect();
    assert_eq!(names(&world.take_wire()), [(0, "csds"), (0, "dial")]);
    world.send(redial_liveperson::Request::set_agent_state("ONLINE"));
    let sent = world.take_texts().remove(0);
    assert_eq!(sent["body"], json!({ "availability": "ONLINE", "channels": ["MESSAGING"] }));

    let mut world = World::new(ready_made().user_id("42"));
    world.connect();
    world.take_wire();
    world.send(redial_liveperson::Request::set_agent_state("ONLINE"));
    let sent = world.take_texts().remove(0);
    assert_eq!(sent["body"]["agentUserId"], Value::from("12345678.42"));
}
