//! Many events of many instances.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::{self, Entry};
use alloc::string::String;
use core::fmt;

use super::adapter::CodeChat;
use super::config::Builder;
use crate::error::ConfigError;

/// Many events of many instances: one adapter for each pair, and never two for one.
///
/// The server keeps one socket for an event of an instance. A second one replaces the first, which
/// stays open, looks healthy and never receives again (observed). So a pair that is there already
/// is refused here, before anything is dialled; whoever drives the adapters keeps the
/// [keys](Key) apart for as long as they live.
///
/// The sockets of an instance share one token. When a server refuses it, one of them has it
/// replaced and the others use what came of that: give each the same source of tokens and
/// [`Credentials::Ask`](super::Credentials::Ask) or
/// [`Credentials::TokenThenAsk`](super::Credentials::TokenThenAsk).
///
/// ```
/// use redial_evolution::codechat::{CodeChat, Credentials, Subscriptions};
///
/// let sockets = CodeChat::builder("ws://localhost:8084", "", Credentials::Ask);
/// let mut subscriptions = Subscriptions::new();
/// subscriptions.add("shop-1", &sockets, ["connection.update", "messages.upsert"])?;
/// subscriptions.add("shop-2", &sockets, ["messages.upsert"])?;
/// assert!(subscriptions.add("shop-2", &sockets, ["messages.upsert"]).is_err());
///
/// let keys: Vec<_> = subscriptions.into_iter().map(|(key, _adapter)| key.to_string()).collect();
/// assert_eq!(
///     keys,
///     ["shop-1/connection.update", "shop-1/messages.upsert", "shop-2/messages.upsert"]
/// );
/// # Ok::<(), redial_evolution::codechat::SubscriptionError>(())
/// ```
#[derive(Debug, Default)]
pub struct Subscriptions {
    adapters: BTreeMap<Key, CodeChat>,
}

/// An event of an instance: what a socket is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The instance.
    pub instance: String,
    /// The event.
    pub event: String,
}

impl Subscriptions {
    /// Makes an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { adapters: BTreeMap::new() }
    }

    /// Adds events of an instance, all of them or none. `builder` says what their sockets have in
    /// common; its own event is not used.
    ///
    /// # Errors
    ///
    /// Where a pair is there already, where an adapter cannot be made, and where several sockets
    /// would each have the instance's token replaced.
    pub fn add<E: Into<String>>(
        &mut self,
        instance: &str,
        builder: &Builder,
        events: impl IntoIterator<Item = E>,
    ) -> Result<(), SubscriptionError> {
        let mut new = BTreeMap::new();
        for event in events {
            let key = Key { instance: instance.to_owned(), event: event.into() };
            if self.adapters.contains_key(&key) {
                return Err(SubscriptionError::Duplicate(key));
            }
            let made = builder.clone().event(key.event.clone()).build();
            match new.entry(key) {
                Entry::Occupied(entry) => {
                    return Err(SubscriptionError::Duplicate(entry.key().clone()));
                }
                Entry::Vacant(place) => match made {
                    Ok(adapter) => place.insert(adapter),
                    Err(error) => {
                        let key = place.into_key();
                        return Err(SubscriptionError::Config { key, error });
                    }
                },
            };
        }
        let siblings = self.adapters.keys().any(|key| key.instance == instance);
        if builder.refreshes() && (new.len() > 1 || siblings) {
            return Err(SubscriptionError::ManyRefreshes(instance.to_owned()));
        }
        self.adapters.append(&mut new);
        Ok(())
    }

    /// Goes through the pairs.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.adapters.keys()
    }

    /// Returns how many sockets it will be.
    #[must_use]
    pub fn len(&self) -> usize {
        self.adapters.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.adapters.is_empty()
    }
}

impl IntoIterator for Subscriptions {
    type Item = (Key, CodeChat);
    type IntoIter = btree_map::IntoIter<Key, CodeChat>;

    /// Gives the adapters away, in the order of their keys.
    fn into_iter(self) -> Self::IntoIter {
        self.adapters.into_iter()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.instance, self.event)
    }
}

/// Why an event of an instance cannot be subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// There is a socket for this pair already; a second one would make it deaf.
    Duplicate(Key),
    /// The adapter cannot be made.
    Config {
        /// What it was for.
        key: Key,
        /// Why.
        error: ConfigError,
    },
    /// Several sockets of this instance would each have its token replaced, and all but the first
    /// would come too late.
    ManyRefreshes(String),
}

impl fmt::Display for SubscriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(key) => write!(f, "{key}: there is a socket for it already"),
            Self::Config { key, error } => write!(f, "{key}: {error}"),
            Self::ManyRefreshes(instance) => {
                write!(f, "{instance}: several sockets need one source of tokens")
            }
        }
    }
}

impl core::error::Error for SubscriptionError {}
