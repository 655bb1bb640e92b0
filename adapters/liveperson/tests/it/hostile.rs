//! A server that means harm, and an application that does not look.

use redial_core::http::Method;
use redial_core::{Cause, Input, Item, Secret, Span, TokenUse};
use redial_liveperson::{
    AgentState, Command, Credentials, LivePerson, Message, Request, Subscription,
};
use serde_json::json;

use crate::support::{ACCOUNT, World, login, lookup, names, response, response_of};

#[test]
fn a_server_that_is_asked_too_much_for_ever_is_asked_less_and_less() {
    let mut world = World::online();
    world.input(Input::Command(Command::Subscribe(Subscription::routing_tasks())));
    let mut asked = 0;
    let end = world.now + 120_000;
    while world.now < end {
        for text in world.take_texts() {
            if text["type"] == ".ams.routing.SubscribeRoutingTasks" {
                asked += 1;
                world.receive(&response(&text, 429, json!({})));
            }
        }
        world.run(1_000);
    }
    assert!(asked > 3, "asked {asked} times");
    assert!(asked < 20, "asked {asked} times in two minutes");
}

#[test]
fn an_answer_to_what_was_never_written_is_no_answer() {
    let mut world = World::online();
    let first = world.send(Request::get_clock());
    let text = world.take_texts().pop().expect("the request");
    let cx = world.cx();
    let id = world.session.send(cx, Request::publish_text("d", "x")).expect("room");
    // One id reveals the next: they are numbers behind one secret.
    let known = text["id"].as_str().expect("an id").to_owned();
    let last = u64::from_str_radix(&known[24..], 16).expect("hex") ^ first.get() ^ id.get();
    let forged = format!("{}{last:012x}", &known[..24]);
    world
        .receive(&json!({ "kind": "resp", "reqId": forged, "code": 200, "type": "r", "body": {} }));
    assert!(world.fates().iter().all(|(_, settled, _)| *settled != id), "{:?}", world.fates());
    assert_eq!(world.take_texts().len(), 1, "it is written all the same");
}

#[test]
fn ids_of_megabytes_are_not_kept() {
    let mut world = World::online();
    world.input(Input::Command(Command::Subscribe(Subscription::routing_tasks())));
    let text = world.take_texts().pop().expect("a subscription");
    let id = "x".repeat(4 << 20);
    world.receive(&response(&text, 200, json!({ "subscriptionId": id })));
    let kept = world.items.iter().find_map(|(_, item)| match item {
        Item::Message(Message::Subscribed { id, .. }) => Some(id.as_ref().map_or(0, String::len)),
        _ => None,
    });
    assert_eq!(kept, Some(0));
}

#[test]
fn a_user_id_of_megabytes_is_no_login() {
    let mut world = World::password();
    world.input(Input::Connect);
    world.answer(200, &lookup());
    let mut answer = login(1);
    answer["config"]["userId"] = "x".repeat(512 << 10).into();
    world.answer_with(response_of(200, answer.to_string()));
    assert!(world.dial.is_none(), "every request would carry it");
}

#[test]
fn tokens_offered_in_a_loop_make_one_lookup() {
    let bearer = Credentials::Bearer(Secret::new("old"));
    let mut world = World::new(LivePerson::builder(ACCOUNT, bearer).token_source(true));
    world.input(Input::Connect);
    for n in 0..50 {
        world.input(Input::OfferToken(Secret::new(format!("new-{n}"))));
    }
    let gets = world.http.iter().filter(|(_, request)| request.method == Method::Get).count();
    assert_eq!(gets, 1, "lookups at the same time");
}

#[test]
fn states_set_in_a_loop_do_not_pile_up_before_a_socket_that_is_stuck() {
    let mut world = World::online();
    let cx = world.cx();
    for n in 0..1000 {
        let state = AgentState::online().with("n", n);
        world.session.handle(cx, Input::Command(Command::SetAgentState(state)));
    }
    world.input(Input::Tick);
    let texts = world.take_texts();
    let states = texts.iter().filter(|text| text["type"] == SET_STATE).collect::<Vec<_>>();
    assert!(states.len() <= 8, "{} frames waited", states.len());
    world.receive(&response(states[0], 202, json!("ok")));
    let last = world.take_texts();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["body"]["n"], 999, "the last state is the one that counts");
    world.receive(&response(states[1], 202, json!("ok")));
    assert_eq!(world.take_texts().len(), 0);
}

#[test]
fn a_bearer_that_is_none_is_asked_for_once_more_and_no_oftener() {
    let bearer = Credentials::Bearer(Secret::new("old"));
    let mut world = World::new(LivePerson::builder(ACCOUNT, bearer).token_source(true));
    world.connect();
    world.lose(Cause::Close(4401));
    world.run(10_000);
    let needed = |world: &World| {
        world.items.iter().filter(|(_, item)| matches!(item, Item::TokenNeeded { .. })).count()
    };
    let before = needed(&world);
    world.input(Input::OfferToken(Secret::new("")));
    assert!(needed(&world) <= before + 1);
}

/// Whatever the application calls, and however often.
fn hammer(world: &mut World, until: u64) {
    while world.now < until {
        world.run(25);
        world.input(Input::Reconnect { token: TokenUse::Regenerate });
        world.input(Input::Recover);
        world.input(Input::NetworkChanged);
        world.input(Input::Connect);
        world.input(Input::OfferToken(Secret::new("offered")));
    }
}

#[test]
fn nothing_that_an_application_calls_comes_before_what_a_server_asked_for() {
    let mut world = World::online();
    world.lose(Cause::Network);
    world.run(10_000);
    world.refuse(429, Some(Span::from_secs(61)));
    world.take_wire();
    let until = world.now + 60_900;
    hammer(&mut world, until);
    assert_eq!(names(&world.take_wire()), []);
    world.run(1_000);
    assert_ne!(names(&world.take_wire()), []);
}

#[test]
fn nothing_that_an_application_calls_makes_attempts_follow_each_other_faster_than_the_floor() {
    let mut world = World::online();
    world.take_wire();
    let begun = world.now;
    while world.now < begun + 30_000 {
        let next = world.now + 25;
        hammer(&mut world, next);
        world.settle();
    }
    let names = names(&world.take_wire());
    let count = |wanted: &str| names.iter().filter(|(_, name)| name.starts_with(wanted)).count();
    assert!(count("dial") <= 31, "{} dials in 30 s", count("dial"));
    assert!(count("login") <= 31 && count("csds") <= 31, "{names:?}");
}

const SET_STATE: &str = ".ams.routing.SetAgentState";
