//! Requests, their answers, and what stays in force.

use redial_core::{Cause, Fate, Input, Item, Notice, Session};
use redial_liveperson::{
    AgentState, Command, LivePerson, Message, Request, Response, Subscription,
};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, World, password, response};

#[test]
fn an_answer_above_399_is_a_refusal_and_no_code_is_success() {
    for (code, fate) in [
        (json!(200), Fate::Acked),
        (json!(202), Fate::Acked),
        (json!(399), Fate::Acked),
        (json!("200"), Fate::Acked),
        (json!(-1), Fate::Acked),
        (Value::Null, Fate::Acked),
        (json!(400), Fate::Rejected(400)),
        (json!("404"), Fate::Rejected(404)),
        (json!(1e300), Fate::Rejected(u16::MAX)),
        (json!({}), Fate::Unknown),
        (json!("x"), Fate::Unknown),
    ] {
        let mut world = World::online();
        world.take_wire();
        let id = world.send(Request::query_messages("d", 3));
        let sent = world.take_texts().remove(0);
        let mut answer = response(&sent, 0, json!({ "list": [1, "é"] }));
        answer["code"] = code.clone();
        world.receive(&answer);
        assert_eq!(world.fates(), [(0, id, fate)], "{code}");
        let reply = reply(&world);
        assert_eq!(reply.body.value(), json!({ "list": [1, "é"] }));
        assert_eq!(reply.name, "r");
    }
}

#[test]
fn answers_to_nobody_are_ignored_and_counted() {
    let mut world = World::online();
    world.items.clear();
    for id in
        [json!("another"), json!(7), json!(null), json!("5eed0123-4567-49ab-8def-0246"), json!({})]
    {
        world.receive(&json!({ "kind": "resp", "reqId": id, "code": 200, "body": {} }));
    }
    assert_eq!(world.session.adapter().ignored(), 5);
    assert!(world.items.is_empty());
}

#[test]
fn a_request_made_offline_is_sent_once_online_or_expires() {
    let mut world = World::online();
    world.lose(Cause::Network);
    let early = world.send(Request::get_user_profile("u"));
    world.run(10_000);
    world.take_wire();
    world.open();
    let sent = world.take_texts();
    assert_eq!(sent.len(), 1);
    world.receive(&response(&sent[0], 200, json!({})));
    assert_eq!(world.fates(), [(10_000, early, Fate::Acked)]);

    world.items.clear();
    world.lose(Cause::Network);
    let late = world.send(Request::get_user_profile("u"));
    for _ in 0..7 {
        world.run(10_000);
        if world.dial.is_some() {
            world.refuse(502, None);
        }
        world.http.clear();
    }
    assert_eq!(world.fates(), [(70_000, late, Fate::Expired)]);
}

#[test]
fn an_unanswered_request_ends_after_ten_seconds() {
    let mut world = World::online();
    world.answers = false;
    let id = world.send(Request::query_messages("d", 0));
    world.run(10_000);
    assert_eq!(world.fates(), [(10_000, id, Fate::Unknown)]);
    assert!(world.session.is_online());
}

#[test]
fn desired_state_is_set_on_every_connection() {
    let mut world = World::password();
    let own = Subscription::own_open_conversations();
    world.input(Input::Command(Command::SetAgentState(AgentState::away())));
    world.input(Input::Command(Command::Subscribe(own.clone())));
    world.input(Input::Command(Command::Subscribe(own.clone())));
    world.connect();
    let online = AgentState::online().with("description", "back");
    world.input(Input::Command(Command::SetAgentState(online)));
    world.input(Input::Command(Command::Subscribe(Subscription::routing_tasks())));
    let sent = world.take_texts();
    let names: Vec<_> = sent.iter().map(|it| it["type"].as_str().expect("a type")).collect();
    let state = ".ams.routing.SetAgentState";
    let conversations = ".ams.aam.SubscribeExConversations";
    let tasks = ".ams.routing.SubscribeRoutingTasks";
    assert_eq!(names, [state, conversations, state, tasks]);
    let body = json!({ "agentIds": ["12345678.3705342610"], "convState": ["OPEN"] });
    assert_eq!(sent[1]["body"], body);
    world.receive(&response(&sent[1], 200, json!({ "subscriptionId": "s1" })));
    assert_eq!(messages(&world), [subscribed(&own, "s1", None)]);

    world.lose(Cause::Close(1001));
    world.run(10_000);
    world.items.clear();
    world.take_wire();
    world.open();
    let sent = world.take_texts();
    let names: Vec<_> = sent.iter().map(|it| it["type"].as_str().expect("a type")).collect();
    assert_eq!(names, [state, conversations, tasks]);
    let body = json!({ "availability": "ONLINE", "description": "back",
                       "channels": ["MESSAGING"], "agentUserId": "12345678.3705342610" });
    assert_eq!(sent[0]["body"], body);
    world.receive(&response(&sent[0], 202, json!("ok")));
    world.receive(&response(&sent[1], 200, json!({ "subscriptionId": "s2" })));
    assert_eq!(messages(&world), [Message::AgentStateSet, subscribed(&own, "s2", Some("s1"))]);
}

#[test]
fn what_requests_of_the_application_set_is_set_again() {
    let mut world = World::online();
    world.answers = false;
    world.take_wire();
    world.send(Request::new(".ams.routing.SetAgentState", json!({ "availability": "AWAY" })));
    world.send(Request::subscribe_routing_tasks());
    world.send(Request::subscribe_agents_state());
    world.send(Request::subscribe_ex_conversations(json!({ "convState": ["CLOSE"] })));
    let sent = world.take_texts();
    world.receive(&response(&sent[0], 202, json!("ok")));
    world.receive(&response(&sent[1], 200, json!({ "subscriptionId": "a" })));
    world.receive(&response(&sent[2], 403, json!("no")));
    world.receive(&response(&sent[3], 200, json!({ "subscriptionId": "b" })));
    world.send(Request::unsubscribe_ex_conversations("b"));
    let sent = world.take_texts();
    world.receive(&response(&sent[0], 200, json!({})));
    assert_eq!(world.session.adapter_cursor_len(), 1);
    world.lose(Cause::Network);
    world.run(10_000);
    world.take_wire();
    world.open();
    let sent = world.take_texts();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0]["body"], json!({ "availability": "AWAY" }));
    assert_eq!(sent[1]["type"], ".ams.routing.SubscribeRoutingTasks");

    let mut world = World::new(LivePerson::builder(ACCOUNT, password()).remember(false));
    world.connect();
    world.take_wire();
    world.send(Request::subscribe_routing_tasks());
    let sent = world.take_texts();
    world.receive(&response(&sent[0], 200, json!({ "subscriptionId": "a" })));
    assert_eq!(world.session.adapter_cursor_len(), 0);
}

#[test]
fn an_ended_subscription_is_told_to_the_server_and_not_made_again() {
    let own = Subscription::own_open_conversations();
    // Before its answer, and after.
    for answer_first in [true, false] {
        let mut world = World::online();
        world.take_wire();
        world.input(Input::Command(Command::Subscribe(own.clone())));
        let sent = world.take_texts().remove(0);
        let answer = response(&sent, 200, json!({ "subscriptionId": "s1" }));
        if answer_first {
            world.receive(&answer);
        }
        world.input(Input::Command(Command::Unsubscribe(own.clone())));
        if !answer_first {
            world.receive(&answer);
        }
        let sent = world.take_texts().remove(0);
        assert_eq!(sent["type"], ".ams.aam.UnsubscribeExConversations");
        assert_eq!(sent["body"], json!({ "subscriptionId": "s1" }));
        world.lose(Cause::Network);
        world.run(10_000);
        world.take_wire();
        world.open();
        assert_eq!(world.take_texts(), Vec::<Value>::new());
    }
}

#[test]
fn a_refused_subscription_is_told_and_a_429_tried_again() {
    let mut world = World::online();
    let tasks = Subscription::routing_tasks();
    world.take_wire();
    world.input(Input::Command(Command::Subscribe(tasks.clone())));
    let sent = world.take_texts().remove(0);
    world.receive(&response(&sent, 429, json!("later")));
    assert_eq!(
        messages(&world),
        [Message::SubscriptionRefused { subscription: tasks.clone(), code: 429 }]
    );
    assert_eq!(world.problems(), ["a subscription was refused"]);
    world.run(999);
    assert_eq!(world.take_texts(), Vec::<Value>::new());
    world.run(1);
    let sent = world.take_texts().remove(0);
    world.receive(&response(&sent, 403, json!("no")));
    world.run(20_000);
    assert_eq!(world.take_texts(), Vec::<Value>::new());
    assert!(world.session.is_online());
}

#[test]
fn silence_about_desired_state_is_told_once() {
    let mut world = World::online();
    world.input(Input::Command(Command::SetAgentState(AgentState::online())));
    world.input(Input::Command(Command::Subscribe(Subscription::agents_state())));
    world.run(29_000);
    let expected = ["the agent's state was not answered", "a subscription was not answered"];
    assert_eq!(world.problems(), expected);
    world.input(Input::Command(Command::ClearAgentState));
    world.lose(Cause::Network);
    world.run(10_000);
    world.take_wire();
    world.open();
    assert_eq!(world.take_texts().len(), 1, "the subscription alone");
}

#[test]
fn a_later_process_goes_on_with_what_was_wanted() {
    let mut world = World::online();
    world.input(Input::Command(Command::SetAgentState(AgentState::online())));
    world.input(Input::Command(Command::Subscribe(Subscription::routing_tasks())));
    world.send(Request::get_clock());
    let saved = world.session.snapshot();
    let adapter = LivePerson::builder(ACCOUNT, password()).plain(true).build().expect("good");
    let now = redial_core::Timestamp::from_millis(5_000);
    let mut world = World::with(Session::restore(adapter, now, saved));
    world.now = 5_000;
    world.run(1_000);
    world.settle();
    assert!(world.session.is_online());
    assert_eq!(world.take_texts().len(), 2);
}

#[test]
fn many_requests_keep_their_order_and_their_answers() {
    let mut world = World::online();
    world.take_wire();
    let ids: Vec<_> = (0..100).map(|n| world.send(Request::query_messages("d", n))).collect();
    let sent = world.take_texts();
    let order: Vec<_> = sent.iter().map(|it| it["body"]["newerThanSequence"].as_u64()).collect();
    assert_eq!(order, (0..100).map(Some).collect::<Vec<_>>());
    for request in sent.iter().rev() {
        world.receive(&response(request, 200, request["body"]["newerThanSequence"].clone()));
    }
    let replies: Vec<_> = world
        .items
        .iter()
        .filter_map(|(_, item)| match item {
            Item::Reply { id, reply } => Some((*id, reply.body.value())),
            _ => None,
        })
        .collect();
    let expected: Vec<_> = ids.iter().zip(0..100).map(|(id, n)| (*id, json!(n))).rev().collect();
    assert_eq!(replies, expected);
    assert!(world.notices().iter().any(|it| matches!(it, Notice::Online { .. })));
}

fn reply(world: &World) -> Response {
    let replies = world.items.iter().filter_map(|(_, item)| match item {
        Item::Reply { reply, .. } => Some(reply.clone()),
        _ => None,
    });
    replies.last().expect("a reply")
}

fn messages(world: &World) -> Vec<Message> {
    let messages = world.items.iter().filter_map(|(_, item)| match item {
        Item::Message(message) => Some(message.clone()),
        _ => None,
    });
    messages.collect()
}

fn subscribed(what: &Subscription, id: &str, previous: Option<&str>) -> Message {
    Message::Subscribed {
        subscription: what.clone(),
        id: Some(id.into()),
        previous: previous.map(Into::into),
    }
}

/// How much a session keeps.
trait Kept {
    fn adapter_cursor_len(&self) -> usize;
}

impl Kept for Session<LivePerson> {
    fn adapter_cursor_len(&self) -> usize {
        self.snapshot().cursor.subscriptions().len()
    }
}
