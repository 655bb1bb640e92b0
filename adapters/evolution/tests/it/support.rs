//! A scripted peer in virtual time.

use std::ops::{Deref, DerefMut};

use redial_core::{Adapter, Item, Session};
use redial_evolution::codechat::{self, Credentials};
use redial_evolution::v2::{self, ApiKey, Scope};
use redial_evolution::{CodeChat, EvolutionApi};
use redial_testkit::rig::Rig;
pub(crate) use redial_testkit::rig::{START, Wire};
use serde_json::Value;

pub(crate) const URL: &str = "ws://localhost:8084";
pub(crate) const TEST_DATA: &str = r#"{"message":"test data"}"#;

/// A session and the world around it. Times are counted from the start.
pub(crate) struct World<A: Adapter>(Rig<A>);

impl<A: Adapter> World<A> {
    pub(crate) fn new(adapter: A) -> Self {
        Self(Rig::new(adapter))
    }

    pub(crate) fn with(session: Session<A>) -> Self {
        Self(Rig::with(session))
    }

    pub(crate) fn connect(&mut self) {
        self.0.connect();
        self.open();
    }

    pub(crate) fn problems(&self) -> Vec<(u64, &'static str)> {
        self.pick(|item| match item {
            Item::Problem(problem) => Some(problem.text),
            _ => None,
        })
    }
}

impl<A: Adapter> Deref for World<A> {
    type Target = Rig<A>;

    fn deref(&self) -> &Rig<A> {
        &self.0
    }
}

impl<A: Adapter> DerefMut for World<A> {
    fn deref_mut(&mut self) -> &mut Rig<A> {
        &mut self.0
    }
}

pub(crate) fn sockets(event: &str) -> codechat::Builder {
    CodeChat::builder(URL, event, Credentials::Token("tok-1".into()))
}

pub(crate) fn url(event: &str, token: &str) -> String {
    format!("{URL}/ws/events?event={event}&token={token}")
}

impl World<CodeChat> {
    pub(crate) fn codechat(builder: codechat::Builder) -> Self {
        Self::new(builder.build().expect("a good configuration"))
    }

    /// A socket for an event that is open.
    pub(crate) fn online(event: &str) -> Self {
        let mut world = Self::codechat(sockets(event));
        world.connect();
        assert!(world.session.is_online());
        world
    }

    /// Returns the payloads that came, and the names under which they came.
    pub(crate) fn payloads(&self) -> Vec<(&str, Value)> {
        let payloads = self.messages().into_iter().filter_map(|message| match message {
            codechat::Message::Event(event) => Some((event.name.as_str(), event.body.value())),
            _ => None,
        });
        payloads.collect()
    }
}

pub(crate) const OPEN: &str = concat!(
    r#"0{"sid":"SID","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"#,
    r#""maxPayload":1000000}"#
);
pub(crate) const NOT_THERE: &str = r#"44/inst1,{"message":"Invalid namespace"}"#;

pub(crate) fn namespaces(scope: Scope) -> v2::Builder {
    EvolutionApi::builder("http://localhost:8080", scope, ApiKey::Key("key-1".into()))
}

pub(crate) fn inst1() -> v2::Builder {
    namespaces(Scope::Instance("inst1".into()))
}

impl World<EvolutionApi> {
    pub(crate) fn v2(builder: v2::Builder) -> Self {
        Self::new(builder.build().expect("a good configuration"))
    }

    /// A connection whose namespace is not confirmed.
    pub(crate) fn joining(builder: v2::Builder) -> Self {
        let mut world = Self::v2(builder);
        world.connect();
        world.receive(OPEN);
        world
    }
}

/// Reads a recording.
pub(crate) fn recording(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a recording");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
