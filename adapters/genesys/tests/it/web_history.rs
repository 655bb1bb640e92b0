//! What is fetched after a reconnect, and how it is merged.

use redial_core::http::NoAnswer;
use redial_core::{Cause, Input};
use redial_genesys::WebMessaging;
use redial_genesys::web::Message;
use serde_json::{Value, json};

use crate::support::{START, World, messenger};

#[test]
fn the_gap_is_closed_by_the_history() {
    let mut world = World::messaging();
    world.receive(&said("1"));
    let jwt = reconnect(&mut world);
    assert_eq!(world.gaps(), [false]);
    assert_eq!(jwt["action"], "getJwt");
    // One comes in by itself while the history is on its way.
    world.receive(&said("4"));
    grant(&mut world, &jwt);
    let (_, request) = &world.http[0];
    let url = "http://127.0.0.1:4434/api/v2/webmessaging/messages?pageNumber=1&pageSize=25";
    assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", url));
    assert!(request.headers.contains(&("authorization", "bearer JWT-1".to_owned())));
    assert!(request.headers.contains(&("origin", "http://localhost".to_owned())));
    world.answer(200, &page(&["4", "3", "2", "1"], 1));
    assert_eq!(heard(&world), ["1", "4", "2 from history", "3 from history"]);
    assert_eq!(world.gaps(), [false, true]);
}

#[test]
fn pages_are_fetched_until_they_overlap() {
    let mut world = World::messaging();
    world.receive(&said("1"));
    let jwt = reconnect(&mut world);
    world.receive(&said("9"));
    grant(&mut world, &jwt);
    world.answer(200, &page(&["9", "8", "7"], 9));
    assert!(world.http[0].1.url.contains("pageNumber=2&"));
    world.answer(200, &page(&["6", "5"], 9));
    world.answer(200, &page(&["5", "2", "1"], 9));
    assert!(world.http.is_empty());
    let ids: Vec<_> = heard(&world);
    assert_eq!(
        ids,
        [
            "1",
            "9",
            "2 from history",
            "5 from history",
            "6 from history",
            "7 from history",
            "8 from history"
        ]
    );
    assert_eq!(world.gaps(), [false, true]);
}

#[test]
fn a_history_that_is_too_long_leaves_the_gap_open() {
    let mut world = World::web(messenger().pages(2));
    world.input(Input::Connect);
    world.configure(true);
    world.receive(&said("1"));
    let jwt = reconnect(&mut world);
    grant(&mut world, &jwt);
    world.answer(200, &page(&["9"], 9));
    world.answer(200, &page(&["8"], 9));
    assert!(world.http.is_empty());
    assert_eq!(world.gaps(), [false]);
    assert_eq!(world.problems(), ["the history has more than is fetched"]);
    assert_eq!(heard(&world), ["1", "8 from history", "9 from history"]);
}

#[test]
fn a_new_session_has_no_gap() {
    let mut world = World::messaging();
    world.lose(Cause::Network);
    world.step();
    world.configure(true);
    assert!(world.gaps().is_empty());
    assert!(world.take_texts().is_empty());
    let mut world = World::web(messenger().history(false));
    world.input(Input::Connect);
    world.configure(false);
    assert!(world.gaps().is_empty());
}

#[test]
fn failures_are_tried_again_with_another_token_where_it_is_refused() {
    let mut world = World::messaging();
    world.receive(&said("1"));
    let jwt = reconnect(&mut world);
    grant(&mut world, &jwt);
    world.answer(401, &Value::Null);
    world.run(5_000);
    let jwt = world.take_texts().pop().expect("another token");
    assert_eq!(jwt["action"], "getJwt");
    grant(&mut world, &jwt);
    world.answer_after(429, 20);
    world.run(19_999);
    assert!(world.http.is_empty());
    world.run(1);
    world.no_answer(NoAnswer::Network);
    world.run(5_000);
    world.answer(200, &page(&["2", "1"], 1));
    assert_eq!(world.gaps(), [false, true]);
    assert_eq!(heard(&world), ["1", "2 from history"]);
}

#[test]
fn a_history_that_cannot_be_fetched_leaves_the_gap_open_until_the_next_reconnect() {
    let mut world = World::messaging();
    world.receive(&said("1"));
    let jwt = reconnect(&mut world);
    world.refused(&jwt, 500, &json!("no"));
    for _ in 0..3 {
        world.run(5_000);
        let jwt = world.take_texts().pop().expect("once more");
        world.refused(&jwt, 500, &json!("no"));
    }
    world.run(60_000);
    assert!(world.take_texts().is_empty());
    assert_eq!(world.gaps(), [false]);
    let jwt = reconnect(&mut world);
    grant(&mut world, &jwt);
    world.answer(200, &page(&["1"], 1));
    // It was told once that it is open.
    assert_eq!(world.gaps(), [false, true]);
}

#[test]
fn a_lost_connection_ends_the_fetching() {
    let mut world = World::messaging();
    world.receive(&said("1"));
    let jwt = reconnect(&mut world);
    grant(&mut world, &jwt);
    assert_eq!(world.http.len(), 1);
    world.lose(Cause::Network);
    assert!(world.http.is_empty(), "it is aborted");
    // A token that is not answered is missed, too.
    world.step();
    world.configure(false);
    world.take_wire();
    world.run(10_000);
    assert_eq!(world.problems(), ["the token for the history was not answered"]);
}

#[test]
fn odd_pages_are_failures_and_odd_entries_are_left_out() {
    let mut world = World::messaging();
    world.receive(&said("1"));
    let jwt = reconnect(&mut world);
    grant(&mut world, &jwt);
    world.answer(200, &json!([1, 2]));
    world.run(5_000);
    let mut odd = page(&["2", "1"], 1);
    let entries = odd["entities"].as_array_mut().expect("entries");
    entries.extend([json!(7), json!(null), json!({}), json!({ "id": "" }), json!([[]])]);
    world.answer(200, &odd);
    assert_eq!(heard(&world), ["1", "2 from history"]);
    assert_eq!(world.gaps(), [false, true]);
}

#[test]
fn what_is_known_is_not_heard_twice() {
    let mut world = World::messaging();
    world.receive(&said("1"));
    world.receive(&said("1"));
    // An own message is known by its echo.
    world.text("mine");
    let sent = world.take_texts().pop().expect("a message");
    world.echo(&sent);
    let mine = format!("echo-{}", sent["tracingId"].as_str().expect("an id"));
    let jwt = reconnect(&mut world);
    grant(&mut world, &jwt);
    world.answer(200, &page(&[&mine, "1"], 1));
    assert_eq!(heard(&world), ["1"]);
}

fn reconnect(world: &mut World<WebMessaging>) -> Value {
    world.lose(Cause::Network);
    world.step();
    world.configure(false);
    world.take_texts().pop().expect("getJwt")
}

fn grant(world: &mut World<WebMessaging>, request: &Value) {
    let exp = (START + world.now) / 1000 + 60;
    world.receive(&json!({ "type": "response", "class": "JwtResponse", "code": 200,
        "tracingId": request["tracingId"], "body": { "jwt": "JWT-1", "exp": exp } }));
}

fn said(id: &str) -> Value {
    json!({ "type": "message", "class": "StructuredMessage", "code": 200, "body": entry(id) })
}

fn entry(id: &str) -> Value {
    json!({ "id": id, "type": "Text", "text": id, "direction": "Outbound" })
}

fn page(ids: &[&str], count: u32) -> Value {
    let entities: Vec<_> = ids.iter().map(|id| entry(id)).collect();
    json!({ "entities": entities, "pageSize": 25, "pageNumber": 1, "total": 99, "pageCount": count })
}

fn heard(world: &World<WebMessaging>) -> Vec<String> {
    let messages = world.messages();
    let heard = messages.iter().filter_map(|message| match message {
        Message::Structured(said) => {
            let from = if said.history { " from history" } else { "" };
            Some(format!("{}{from}", said.id.as_deref().unwrap_or("none")))
        }
        _ => None,
    });
    heard.collect()
}
