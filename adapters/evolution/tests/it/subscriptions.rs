//! Many events of many instances.

use redial_core::{Adapter as _, Input, Session};
use redial_evolution::ConfigError;
use redial_evolution::codechat::{
    CodeChat, Credentials, Key, SILENT, SubscriptionError, Subscriptions,
};
use serde_json::json;

use crate::support::{URL, Wire, World, url};

#[test]
fn never_two_sockets_for_one_instance_and_event() {
    let mut subscriptions = Subscriptions::new();
    let builder = builder();
    subscriptions.add("shop-1", &builder, ["call.upsert", "send.message"]).expect("new");
    let duplicate = |event: &str| SubscriptionError::Duplicate(key("shop-1", event));
    assert_eq!(
        subscriptions.add("shop-1", &builder, ["chats.upsert", "send.message"]),
        Err(duplicate("send.message"))
    );
    assert_eq!(
        subscriptions.add("shop-1", &builder, ["chats.upsert", "chats.upsert"]),
        Err(duplicate("chats.upsert"))
    );
    // All or none.
    assert_eq!(subscriptions.len(), 2);
    subscriptions.add("shop-2", &builder, ["call.upsert"]).expect("another instance");
    assert_eq!(subscriptions.len(), 3);
}

#[test]
fn every_name_is_checked_before_anything_is_dialled() {
    let mut subscriptions = Subscriptions::new();
    let error = subscriptions.add("shop-1", &builder(), ["call.upsert", "messaging-history.set"]);
    let key = key("shop-1", "messaging-history.set");
    let wanted = SubscriptionError::Config { key, error: ConfigError::HistoryEvent };
    assert_eq!(
        wanted.to_string(),
        "shop-1/messaging-history.set: messaging-history.set is not given over a socket"
    );
    assert_eq!(error, Err(wanted));
    assert!(subscriptions.is_empty());
}

#[test]
fn several_sockets_of_an_instance_do_not_each_replace_its_token() {
    let token = Credentials::Refresh { instance: "shop-1".into(), token: "t".into() };
    let builder = CodeChat::builder(URL, "", token);
    let many = SubscriptionError::ManyRefreshes("shop-1".into());
    let mut subscriptions = Subscriptions::new();
    let two = subscriptions.add("shop-1", &builder, ["call.upsert", "send.message"]);
    assert_eq!(two, Err(many.clone()));
    subscriptions.add("shop-1", &builder, ["call.upsert"]).expect("one is well");
    assert_eq!(subscriptions.add("shop-1", &builder, ["send.message"]), Err(many));
}

/// Each socket has its own life, its own event and its own subscriber.
#[test]
fn each_of_many_sockets_reconnects_as_what_it_is() {
    let mut subscriptions = Subscriptions::new();
    for instance in ["shop-1", "shop-2"] {
        let token = Credentials::Token(format!("tok-{instance}").as_str().into());
        let builder = CodeChat::builder(URL, "", token);
        subscriptions.add(instance, &builder, ["call.upsert", "send.message"]).expect("new");
    }
    let mut worlds: Vec<_> = subscriptions
        .into_iter()
        .map(|(key, adapter)| (key, World::with(Session::new(adapter, 7))))
        .collect();
    assert_eq!(worlds.len(), 4);
    for (key, world) in &mut worlds {
        world.connect();
        world.take_wire();
        world.lose(redial_core::Cause::Network);
        world.run(5_000);
        let token = format!("tok-{}", key.instance);
        assert_eq!(world.take_wire(), [(5_000, Wire::Dial(url(&key.event, &token)))]);
        world.open();
        world.receive(json!({ "for": key.to_string() }).to_string());
        assert_eq!(world.payloads(), [(&*key.event, json!({ "for": key.to_string() }))]);
    }
}

#[test]
fn the_sockets_of_a_server_share_its_account() {
    let mut subscriptions = Subscriptions::new();
    subscriptions.add("shop-1", &builder(), SILENT).expect("new");
    for (key, adapter) in subscriptions {
        assert_eq!((adapter.account(), adapter.event()), ("localhost:8084", &*key.event));
        let mut world = World::with(Session::new(adapter, 7));
        world.input(Input::Connect);
        assert_eq!(world.problems().len(), 1);
    }
}

fn builder() -> redial_evolution::codechat::Builder {
    CodeChat::builder(URL, "", Credentials::Token("t".into()))
}

fn key(instance: &str, event: &str) -> Key {
    Key { instance: instance.into(), event: event.into() }
}
