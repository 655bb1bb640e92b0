//! What these tests use.

use std::time::Duration;

use redial_auth_http::{HttpTokenSource, ReqwestClient, SharedTokenSource};
use redial_core::{Item, Notice, Secret, Speed};
use redial_evolution::CodeChat;
use redial_evolution::codechat::{Builder, Credentials, Key, Refresh, Subscriptions};
use redial_testkit::servers::evolution::EvolutionSim;
use redial_tungstenite::{Client, Clients, Connector};
use serde_json::json;

/// Far more than anything here takes.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// How many times faster than life: 250 ms between attempts, a ping after 1.5 s.
pub(super) const SPEED: u32 = 20;

pub(super) type Sockets = Clients<Key, CodeChat>;

pub(super) async fn sim() -> EvolutionSim {
    EvolutionSim::builder().settings(|settings| settings.adopt = true).start().await.unwrap()
}

pub(super) fn token(sim: &EvolutionSim, instance: &str) -> Secret {
    Secret::new(sim.sign(&json!({ "instanceName": instance })))
}

pub(super) fn builder(sim: &EvolutionSim, credentials: Credentials) -> Builder {
    CodeChat::builder(sim.ws_base(), "", credentials).speed(Speed::new(SPEED))
}

/// A source that has the token of an instance replaced by the server, once for all its sockets.
pub(super) fn tokens(sim: &EvolutionSim, instance: &str) -> SharedTokenSource {
    let refresh = Refresh::new(&sim.base(), instance).unwrap();
    let http = ReqwestClient::builder().build().unwrap();
    let ask = move |request: &redial_auth_http::TokenRequest| {
        request.rejected.as_ref().map(|old| refresh.request(old))
    };
    let tokens = SharedTokenSource::new(HttpTokenSource::new(http, ask, Refresh::token));
    tokens.offer(token(sim, instance));
    tokens
}

/// Runs events of instances, each instance with one source of tokens.
pub(super) fn run(sim: &EvolutionSim, all: &[(&str, &[&str])]) -> Sockets {
    let (connector, mut clients) = (Connector::new().unwrap(), Clients::new());
    for (instance, events) in all {
        let tokens = tokens(sim, instance);
        let mut subscriptions = Subscriptions::new();
        let builder = builder(sim, Credentials::Ask);
        subscriptions.add(instance, &builder, events.iter().copied()).unwrap();
        for (key, adapter) in subscriptions {
            let client =
                Client::builder(adapter).connector(connector.clone()).token_source(tokens.clone());
            clients.insert(key, client).unwrap();
        }
    }
    clients
}

pub(super) fn key(instance: &str, event: &str) -> Key {
    Key { instance: instance.into(), event: event.into() }
}

/// Waits for the first item that `wanted` takes.
pub(super) async fn until<T>(
    clients: &mut Sockets,
    mut wanted: impl FnMut(&Key, &Item<CodeChat>) -> Option<T>,
) -> T {
    let mut seen = Vec::new();
    let search = async {
        loop {
            let Some((key, item)) = clients.next().await else { panic!("the end, after {seen:?}") };
            if let Some(found) = wanted(&key, &item) {
                return found;
            }
            seen.push((key, item));
        }
    };
    match tokio::time::timeout(SOON, search).await {
        Ok(found) => found,
        Err(_) => panic!("nothing of it within {SOON:?}"),
    }
}

/// Waits until so many sessions have come online.
pub(super) async fn online(clients: &mut Sockets, mut count: usize) {
    until(clients, |_, item| {
        count -= usize::from(matches!(item, Item::Notice(Notice::Online { .. })));
        (count == 0).then_some(())
    })
    .await;
}
