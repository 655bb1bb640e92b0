//! How an adapter is made.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::fmt;

use redial_core::{Policy, Secret, Span, Speed};
use redial_socketio::{Limits, Namespace};

use super::adapter::EvolutionApi;
use super::events;
use super::policy::{POLICY, POLICY_FIXED_KEY, REJOIN};
use crate::codechat::MAX_INSTANCE;
use crate::error::ConfigError;
use crate::net::{self, Base};

/// Which events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of all instances, on the main namespace. The server gives them where its
    /// configuration has `WEBSOCKET_GLOBAL_EVENTS`.
    Global,
    /// Those of one instance, on its own namespace. The namespace comes to be with the instance's
    /// first event after the server's start.
    Instance(String),
}

/// The key with which a connection begins: the token of any instance, or the server's global key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiKey {
    /// None, for clients that the server lets in by their address.
    None,
    /// This key and no other. Refused, it suspends the session.
    Key(Secret),
    /// The application gives a key when it is asked, by
    /// [`Item::TokenNeeded`](redial_core::Item::TokenNeeded).
    Ask,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Key(_) => "Key(..)",
            Self::Ask => "Ask",
        })
    }
}

/// Where the key stands. The `auth` of Socket.IO is not read by the server (observed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a header `apikey`, which no proxy writes into its log.
    Header,
    /// In a query parameter `apikey`, for environments that cannot set headers.
    Query,
}

/// Makes an [`EvolutionApi`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    url: String,
    scope: Scope,
    key: ApiKey,
    place: KeyPlace,
    events: BTreeSet<String>,
    allow_unknown: bool,
    rejoin: Span,
    limits: Limits,
    policy: Option<Policy>,
    speed: Speed,
}

/// What has been checked.
pub(super) struct Config {
    pub(super) base: Base,
    pub(super) namespace: Namespace,
    pub(super) key: ApiKey,
    pub(super) place: KeyPlace,
    /// Empty: all.
    pub(super) events: BTreeSet<String>,
    pub(super) rejoin: Span,
    pub(super) limits: Limits,
    pub(super) policy: Policy,
}

impl Builder {
    pub(super) fn new(url: String, scope: Scope, key: ApiKey) -> Self {
        Self {
            url,
            scope,
            key,
            place: KeyPlace::Header,
            events: BTreeSet::new(),
            allow_unknown: false,
            rejoin: REJOIN,
            limits: Limits::DEFAULT,
            policy: None,
            speed: Speed::REAL,
        }
    }

    /// Says where the key stands; in a header by default.
    pub const fn key_place(mut self, place: KeyPlace) -> Self {
        self.place = place;
        self
    }

    /// Hands on this event, and no others but those that are named so too; by default all.
    pub fn event(mut self, name: impl Into<String>) -> Self {
        self.events.insert(name.into());
        self
    }

    /// Takes event names that are not among [`EVENTS`](super::EVENTS), for servers that know more.
    pub const fn allow_unknown_event(mut self, allow: bool) -> Self {
        self.allow_unknown = allow;
        self
    }

    /// Waits this long before a namespace that is not there is asked for again; [`REJOIN`] by
    /// default.
    pub const fn rejoin(mut self, span: Span) -> Self {
        self.rejoin = span;
        self
    }

    /// Bounds what the server can make us keep.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Uses these rules instead of [`POLICY`] or, with a key that nobody replaces,
    /// [`POLICY_FIXED_KEY`].
    pub const fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Divides every span by this: those of the policy and [`Builder::rejoin`].
    pub const fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// Makes the adapter.
    ///
    /// # Errors
    ///
    /// Where the address has no host, the instance is no name of a namespace, an event is none
    /// that the server sends, the key is empty or not printable, or the namespace would be
    /// asked for again too late.
    pub fn build(self) -> Result<EvolutionApi, ConfigError> {
        let base = Base::parse(&self.url).ok_or(ConfigError::Url)?.without(PATH);
        let namespace = match &self.scope {
            Scope::Global => Namespace::main(),
            Scope::Instance(name) => namespace(name).ok_or(ConfigError::Instance)?,
        };
        for event in &self.events {
            events::check(event, self.allow_unknown)?;
        }
        match &self.key {
            ApiKey::Key(key) if !net::is_credential(key.expose()) => {
                return Err(ConfigError::ApiKey);
            }
            ApiKey::Key(_) | ApiKey::None | ApiKey::Ask => {}
        }
        let policy = match (self.policy, &self.key) {
            (Some(policy), _) => policy,
            (None, ApiKey::Ask) => POLICY,
            (None, ApiKey::Key(_) | ApiKey::None) => POLICY_FIXED_KEY,
        };
        if self.rejoin.is_zero() || self.rejoin >= policy.spec().timeouts.ready {
            return Err(ConfigError::Rejoin);
        }
        let policy = policy.scaled(self.speed);
        Ok(EvolutionApi::new(Config {
            base,
            namespace,
            key: self.key,
            place: self.place,
            events: self.events,
            rejoin: self.rejoin.scaled(self.speed),
            limits: self.limits,
            policy,
        }))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("scope", &self.scope)
            .field("key", &self.key)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// Returns the namespace of an instance. It is never the main one.
fn namespace(instance: &str) -> Option<Namespace> {
    let fits = !instance.is_empty() && instance.len() <= MAX_INSTANCE;
    let is_name = fits && !instance.starts_with('/') && !instance.chars().any(char::is_control);
    if is_name { Namespace::new(instance) } else { None }
}

/// The path of Socket.IO, which the address may end with.
pub(super) const PATH: &str = "/socket.io";
