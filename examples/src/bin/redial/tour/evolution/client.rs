//! The clients of a scene, whole or sabotaged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redial_auth_http::{Fault, SharedTokenSource, TokenRequest, TokenSourceError};
use redial_core::{Item, Secret, Speed};
use redial_evolution::codechat::{self, Credentials, Key, Message, Subscriptions};
use redial_evolution::v2::{self, ApiKey, Scope};
use redial_evolution::{CodeChat, EvolutionApi};
use redial_testkit::servers::evolution::{EvolutionSim, Profile};
use redial_tungstenite::Client;
use serde_json::{Value, json};

use crate::cli::Sabotage;
use crate::tour::Stage;
use crate::tour::app::Portable;
use crate::tour::clients::{sabotaged, trusting};

/// A client for each event, and what counts how often their token source was asked.
pub(super) type Clients<A> = (Vec<(String, Client<A>)>, Arc<AtomicUsize>);

/// One of the two protocols.
pub(super) trait Service: Portable {
    const PROFILE: Profile;

    /// Makes the clients.
    fn clients(
        sim: &EvolutionSim,
        stage: &Stage,
        events: &[&'static str],
    ) -> Result<Clients<Self>, String>;
    /// Returns the number that came with an event, and its name.
    fn event(message: &Self::Message) -> Option<String>;

    /// Returns what is heard of an item.
    fn heard(item: &Item<Self>) -> Option<String> {
        match item {
            Item::Message(message) => Self::event(message),
            Item::Gap { closed: false } => Some(GAP.to_owned()),
            _ => None,
        }
    }
}

impl Service for CodeChat {
    const PROFILE: Profile = Profile::CodeChat;

    fn clients(
        sim: &EvolutionSim,
        stage: &Stage,
        events: &[&'static str],
    ) -> Result<Clients<Self>, String> {
        let (tokens, asked) = tokens(sim);
        let mut builder = Self::builder(sim.ws_base(), "", Credentials::Ask)
            .policy(sabotaged(&codechat::POLICY, stage.sabotage))
            .ping(stage.sabotage != Some(Sabotage::NoPing))
            .speed(Speed::new(stage.speed));
        if stage.sabotage == Some(Sabotage::NoResend) {
            // What goes out on each socket is what must be sent again.
            builder = builder.test_message(None);
        }
        let mut all = Subscriptions::new();
        let added = all.add(INSTANCE, &builder, events.iter().copied());
        added.map_err(|error| error.to_string())?;
        let (http, connector) = trusting(sim.ca_pem().unwrap_or_default())?;
        let make = |(Key { event, .. }, adapter)| {
            let client = Client::builder(adapter)
                .http(http.clone())
                .connector(connector.clone())
                .token_source(tokens.clone())
                .seed(stage.seed)
                .build();
            Ok((event, client.map_err(|error| error.to_string())?))
        };
        let clients = all.into_iter().map(make).collect::<Result<_, String>>()?;
        Ok((clients, asked))
    }

    fn event(message: &Message) -> Option<String> {
        match message {
            Message::Event(event) => Some(named(&event.name, &event.body.value())),
            _ => None,
        }
    }
}

impl Service for EvolutionApi {
    const PROFILE: Profile = Profile::V2;

    fn clients(
        sim: &EvolutionSim,
        stage: &Stage,
        events: &[&'static str],
    ) -> Result<Clients<Self>, String> {
        let key = ApiKey::Key("only-on-loopback".into());
        let mut builder = Self::builder(sim.base(), Scope::Instance(INSTANCE.to_owned()), key)
            .policy(sabotaged(&v2::POLICY, stage.sabotage))
            .speed(Speed::new(stage.speed));
        for event in events {
            builder = builder.event(*event);
        }
        let adapter = builder.build().map_err(|error| error.to_string())?;
        let (http, connector) = trusting(sim.ca_pem().unwrap_or_default())?;
        let client = Client::builder(adapter).http(http).connector(connector).seed(stage.seed);
        let client = client.build().map_err(|error| error.to_string())?;
        Ok((vec![(events.concat(), client)], Arc::default()))
    }

    fn event(event: &v2::Event) -> Option<String> {
        Some(named(&event.name, &event.data().map_or(Value::Null, |data| data.value())))
    }
}

/// Makes the one source of tokens of all sockets, and what counts how often it was asked.
fn tokens(sim: &EvolutionSim) -> (SharedTokenSource, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&asked);
    let token = |number: usize| {
        Secret::new(sim.sign(&json!({ "instanceName": INSTANCE, "tokenId": number })))
    };
    let minted: Arc<[Secret]> = (0..MINTED).map(token).collect();
    let source = move |_request: TokenRequest| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        let token = minted.get(number).cloned();
        async move { token.ok_or_else(|| TokenSourceError::new(Fault::Ours, "no token is left")) }
    };
    (SharedTokenSource::new(source), asked)
}

fn named(name: &str, data: &Value) -> String {
    format!("{name} {}", data["n"])
}

/// Whose events all scenes are about.
pub(super) const INSTANCE: &str = "tour";
/// What is heard when messages may be missing.
pub(super) const GAP: &str = "(gap)";
/// More than any scene needs.
const MINTED: usize = 8;
