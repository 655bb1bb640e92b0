//! What the application wants to be in force, on this connection and on every later one.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use redial_core::{MessageId, Span, Speed, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::codec;
use crate::request::{Fill, Request};

/// What the application sets, online or not. It is in force on every connection that follows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Sets the agent's state.
    SetAgentState(AgentState),
    /// Forgets the agent's state: it is not set again. What the server holds stays as it is.
    ClearAgentState,
    /// Subscribes.
    Subscribe(Subscription),
    /// Ends a subscription. For subscriptions other than to conversations the vendor documents no
    /// request for that: they end with the connection.
    Unsubscribe(Subscription),
}

/// The state of an agent.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentState(Request);

impl AgentState {
    /// The agent takes conversations.
    #[must_use]
    pub fn online() -> Self {
        Self::new("ONLINE")
    }

    /// The agent is away.
    #[must_use]
    pub fn away() -> Self {
        Self::new("AWAY")
    }

    /// The agent is offline.
    #[must_use]
    pub fn offline() -> Self {
        Self::new("OFFLINE")
    }

    /// Any other availability.
    #[must_use]
    pub fn new(availability: &str) -> Self {
        Self(Request::set_agent_state(availability))
    }

    /// Adds a field to the request, such as `description`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(fields) = &mut self.0.body {
            fields.insert(key.into(), value.into());
        }
        self
    }
}

impl fmt::Debug for AgentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentState(..)")
    }
}

/// Something to be subscribed to.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription(Request);

impl Subscription {
    /// Conversations, chosen by the fields of the vendor's `SubscribeExConversations`:
    /// `convState`, `agentIds`, `brandId`, ...
    #[must_use]
    pub fn ex_conversations(body: Value) -> Self {
        Self(Request::subscribe_ex_conversations(body))
    }

    /// The open conversations of the agent.
    #[must_use]
    pub fn own_open_conversations() -> Self {
        let request = Request::subscribe_ex_conversations(json!({ "convState": ["OPEN"] }));
        Self(request.filling(Fill::OwnAgentIds))
    }

    /// Offered conversations.
    #[must_use]
    pub fn routing_tasks() -> Self {
        Self(Request::subscribe_routing_tasks())
    }

    /// The agent's own state.
    #[must_use]
    pub fn agents_state() -> Self {
        Self(Request::subscribe_agents_state())
    }

    /// Any other request that subscribes, with exactly this body.
    #[must_use]
    pub fn raw(name: impl Into<alloc::borrow::Cow<'static, str>>, body: Value) -> Self {
        Self(Request::new(name, body))
    }

    /// Returns the type of the request that subscribes.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription").field(&self.name()).finish()
    }
}

/// What is to be in force on every connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desired {
    pub(crate) state: Option<Wanted<AgentState>>,
    pub(crate) subscriptions: Vec<Wanted<Subscription>>,
    /// Requests of the application that will belong here once they are granted.
    candidates: Vec<(MessageId, Request)>,
    next: u64,
}

/// Something that is to be in force, and where that stands.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<T> {
    /// Its number on the wire.
    pub(crate) number: u64,
    pub(crate) what: T,
    /// The subscription's id on this connection.
    pub(crate) id: Option<String>,
    /// Its id on the connection before.
    pub(crate) previous: Option<String>,
    pub(crate) due: Due,
    /// How often in a row the server was asked too much.
    refusals: u8,
    /// Ended by the application before the server had given it an id.
    pub(crate) leaving: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// The answer.
    Answer(Timestamp),
    /// The time to ask again.
    Again(Timestamp),
}

impl<T> Wanted<T> {
    const fn new(number: u64, what: T) -> Self {
        Self {
            number,
            what,
            id: None,
            previous: None,
            due: Due::Nothing,
            refusals: 0,
            leaving: false,
        }
    }

    /// Takes an answer. `refused`: the server was asked too much, and is asked again later, each
    /// time after a longer wait: as many as may be subscribed to would else never let it rest.
    pub(crate) fn answered(&mut self, refused: bool, now: Timestamp, speed: Speed) {
        if !refused {
            self.refusals = 0;
            self.due = Due::Nothing;
            return;
        }
        let doublings = u32::from(self.refusals.min(AGAIN_DOUBLINGS));
        self.refusals = self.refusals.saturating_add(1);
        let wait = Span::from_millis(AGAIN_AFTER.as_millis() << doublings);
        self.due = Due::Again(now + wait.scaled(speed));
    }

    fn lose(&mut self) {
        if let Some(id) = self.id.take() {
            self.previous = Some(id);
        }
        self.refusals = 0;
        self.due = Due::Nothing;
    }
}

impl Desired {
    /// The most subscriptions that are kept.
    const MAX: usize = 256;
    /// The most requests whose answers are waited for.
    const MAX_CANDIDATES: usize = 64;

    /// Takes a state; returns its number.
    pub(crate) fn set_state(&mut self, state: AgentState) -> u64 {
        let number = self.number();
        self.state = Some(Wanted::new(number, state));
        number
    }

    /// Takes a subscription; returns its number, or `None` where it is there already.
    ///
    /// # Errors
    ///
    /// Where there are too many.
    pub(crate) fn subscribe(&mut self, what: Subscription) -> Result<Option<u64>, ()> {
        if let Some(known) = self.subscriptions.iter_mut().find(|known| known.what == what) {
            known.leaving = false;
            return Ok(None);
        }
        if self.subscriptions.len() >= Self::MAX {
            return Err(());
        }
        let number = self.number();
        self.subscriptions.push(Wanted::new(number, what));
        Ok(Some(number))
    }

    /// Ends a subscription; returns the id that the server must be told, where there is one.
    pub(crate) fn unsubscribe(&mut self, what: &Subscription) -> Option<String> {
        let index = self.subscriptions.iter().position(|known| known.what == *what)?;
        let known = self.subscriptions.get_mut(index)?;
        if known.id.is_none() && matches!(known.due, Due::Answer(_)) {
            known.leaving = true;
            return None;
        }
        let known = self.subscriptions.remove(index);
        known.id.filter(|_| has_end(known.what.name()))
    }

    pub(crate) fn subscription(&mut self, number: u64) -> Option<&mut Wanted<Subscription>> {
        self.subscriptions.iter_mut().find(|known| known.number == number)
    }

    /// Takes out a subscription that was ended before it had its answer.
    pub(crate) fn take_leaving(&mut self, number: u64) -> Option<Subscription> {
        let index =
            self.subscriptions.iter().position(|known| known.number == number && known.leaving)?;
        Some(self.subscriptions.remove(index).what)
    }

    /// Notes that a request of the application was written.
    pub(crate) fn note(&mut self, id: MessageId, request: &Request) {
        if !is_lasting(request.name()) {
            return;
        }
        if self.candidates.len() >= Self::MAX_CANDIDATES {
            self.candidates.remove(0);
        }
        self.candidates.push((id, request.clone()));
    }

    /// A request of the application has its answer. What it set is to stay in force.
    pub(crate) fn adopt(&mut self, id: MessageId, granted: bool, subscription: Option<String>) {
        let Some(index) = self.candidates.iter().position(|(known, _)| *known == id) else {
            return;
        };
        let (_, request) = self.candidates.remove(index);
        if !granted {
            return;
        }
        match codec::last_segment(request.name()) {
            "SetAgentState" => {
                self.set_state(AgentState(request));
            }
            "UnsubscribeExConversations" => {
                let ended = request.body.get("subscriptionId").and_then(Value::as_str);
                self.subscriptions.retain(|known| ended.is_none() || known.id.as_deref() != ended);
            }
            _ => {
                let what = Subscription(request);
                // The same once more has another id: the newer one counts.
                if let Ok(number) = self.subscribe(what.clone()) {
                    let known = self
                        .subscriptions
                        .iter_mut()
                        .find(|known| Some(known.number) == number || known.what == what);
                    if let Some(known) = known {
                        known.id = subscription;
                        known.due = Due::Nothing;
                    }
                }
            }
        }
    }

    /// The connection is lost, and all that was in force on it.
    pub(crate) fn lose(&mut self) {
        self.candidates.clear();
        self.subscriptions.retain(|known| !known.leaving);
        self.subscriptions.iter_mut().for_each(Wanted::lose);
        if let Some(state) = &mut self.state {
            state.lose();
        }
    }

    /// Returns when the next answer, or the next time to ask, is due.
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        let state = self.state.iter().map(|state| state.due);
        let all = state.chain(self.subscriptions.iter().map(|known| known.due));
        all.filter_map(|due| match due {
            Due::Nothing => None,
            Due::Answer(at) | Due::Again(at) => Some(at),
        })
        .min()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl AgentState {
    pub(crate) const fn request(&self) -> &Request {
        &self.0
    }
}

impl Subscription {
    pub(crate) const fn request(&self) -> &Request {
        &self.0
    }
}

/// What a later process needs to go on: the desired state.
///
/// It holds no credential and no token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    pub(crate) state: Option<AgentState>,
    pub(crate) subscriptions: Vec<Subscription>,
}

impl Cursor {
    /// Returns the agent's state that is set on every connection.
    #[must_use]
    pub const fn agent_state(&self) -> Option<&AgentState> {
        self.state.as_ref()
    }

    /// Returns what is subscribed to on every connection.
    #[must_use]
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }
}

/// Makes the request that ends a subscription, where the vendor has one.
pub(crate) fn end_of(what: &Subscription, id: &str) -> Option<Request> {
    has_end(what.name()).then(|| Request::unsubscribe_ex_conversations(id))
}

/// How long to wait after 429: the vendor's documents ask for at least 1 s.
const AGAIN_AFTER: Span = Span::from_secs(1);
/// How often that wait doubles at most: to about a minute.
const AGAIN_DOUBLINGS: u8 = 6;

fn has_end(name: &str) -> bool {
    codec::last_segment(name) == "SubscribeExConversations"
}

/// Returns whether what a request sets is to stay in force.
fn is_lasting(name: &str) -> bool {
    matches!(
        codec::last_segment(name),
        "SetAgentState"
            | "SubscribeExConversations"
            | "UnsubscribeExConversations"
            | "SubscribeRoutingTasks"
            | "SubscribeAgentsState"
    )
}
