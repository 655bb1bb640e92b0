//! What all of these tests use.

use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;
use redial_auth_http::ReqwestClient;
use redial_core::{Item, Notice, Speed};
use redial_ringcentral::{Builder, Credentials, Message, RingCentral};
use redial_testkit::servers::ringcentral::{RingCentralSim, State};
use redial_tungstenite::{Client, ClientBuilder, Connector};

pub(super) type Out = Item<RingCentral>;

/// Far more than anything here takes.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// How many times faster than life most tests run: 50 to 100 ms until the first attempt.
pub(super) const SPEED: u32 = 20;
pub(super) const FILTER: &str = "/restapi/v1.0/account/~/extension/~/message-store";

pub(super) async fn sim() -> RingCentralSim {
    RingCentralSim::builder().start().await.unwrap()
}

pub(super) fn adapter(sim: &RingCentralSim) -> Builder {
    adapter_for(sim, Credentials::Jwt("an.assertion".into()))
}

pub(super) fn adapter_for(sim: &RingCentralSim, credentials: Credentials) -> Builder {
    RingCentral::builder("client", "sparrow-secret", credentials)
        .server(sim.base())
        .speed(Speed::new(SPEED))
}

/// A client of its own connector.
pub(super) fn client(adapter: Builder) -> ClientBuilder<RingCentral> {
    let http = ReqwestClient::builder().build().unwrap();
    Client::builder(adapter.build().unwrap()).http(http).connector(Connector::new().unwrap())
}

/// Waits for the first item that `wanted` takes, and gives what came before it too.
pub(super) async fn until<T>(
    items: &mut (impl Stream<Item = Out> + Unpin),
    mut wanted: impl FnMut(&Out) -> Option<T>,
) -> T {
    let mut seen = Vec::new();
    let search = async {
        loop {
            let Some(item) = items.next().await else { panic!("the end, after {seen:?}") };
            if let Some(found) = wanted(&item) {
                return found;
            }
            seen.push(shown(&item));
        }
    };
    match tokio::time::timeout(SOON, search).await {
        Ok(found) => found,
        Err(_) => panic!("nothing of it within {SOON:?}, but {seen:?}"),
    }
}

/// Waits for a message of the adapter.
pub(super) async fn message<T>(
    items: &mut (impl Stream<Item = Out> + Unpin),
    mut wanted: impl FnMut(&Message) -> Option<T>,
) -> T {
    until(items, |item| match item {
        Item::Message(message) => wanted(message),
        _ => None,
    })
    .await
}

/// Waits for a notice.
pub(super) async fn notice<T>(
    items: &mut (impl Stream<Item = Out> + Unpin),
    mut wanted: impl FnMut(&Notice) -> Option<T>,
) -> T {
    until(items, |item| match item {
        Item::Notice(notice) => wanted(notice),
        _ => None,
    })
    .await
}

pub(super) async fn subscribed(items: &mut (impl Stream<Item = Out> + Unpin)) {
    message(items, |message| matches!(message, Message::Subscribed { .. }).then_some(())).await;
}

pub(super) fn shown(item: &Out) -> String {
    match item {
        Item::Message(message) => format!("{message:?}"),
        item => format!("{item:?}"),
    }
}

/// Waits for what the simulator is to have seen.
#[track_caller]
pub(super) fn seen(
    sim: &RingCentralSim,
    wanted: impl FnMut(&State) -> bool,
) -> impl Future<Output = State> {
    let place = std::panic::Location::caller();
    async move {
        match sim.until(SOON, wanted).await {
            Ok(state) => state,
            Err(state) => panic!("not seen at {place}: {state:?}"),
        }
    }
}
