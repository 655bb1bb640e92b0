//! What goes in beside requests, and what a later process needs.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use redial_core::{MessageId, Secret};
use serde::{Deserialize, Serialize};

use crate::adapter::RingCentral;
use crate::message::{SubscriptionInfo, Wsc};

/// A step of the adapter's HTTP exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A login or a refresh.
    Oauth,
    /// A wstoken.
    WsToken,
    /// A request.
    Rest {
        /// The request.
        id: MessageId,
        /// How often it was sent before.
        tries: u8,
    },
}

/// What the application sets.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Subscribes to these event filters, in place of what was subscribed to before. The session
    /// has one subscription; several need several sessions.
    Subscribe {
        /// The event filters, such as `/restapi/v1.0/account/~/extension/~/message-store`.
        filters: Vec<String>,
        /// The subscription of an earlier process: it is restored, or made anew where it is gone.
        restore: Option<SubscriptionInfo>,
    },
    /// Ends the subscription.
    Revoke,
}

/// What a later process needs to go on. It holds the context token and the refresh token.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Cursor {
    wsc: Option<Wsc>,
    filters: Option<Vec<String>>,
    subscription: Option<SubscriptionInfo>,
    settled: bool,
    refresh_token: Option<String>,
    recent: Vec<String>,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("wsc", &self.wsc)
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}

impl RingCentral {
    pub(crate) fn save(&self) -> Cursor {
        let recent: Vec<String> = self.recent.iter().map(String::from).collect();
        let kept = recent.len().saturating_sub(KEPT);
        Cursor {
            wsc: self.wsc.clone(),
            filters: self.desired.filters.clone(),
            subscription: self.desired.info.clone(),
            settled: self.desired.settled,
            refresh_token: self.login.refresh_token().map(|token| token.expose().to_string()),
            recent: recent[kept..].to_vec(),
        }
    }

    pub(crate) fn load(&mut self, cursor: Cursor) {
        if cursor.wsc.is_some() {
            self.wsc = cursor.wsc;
            self.imported = false;
        }
        if let Some(filters) = cursor.filters {
            let wanted = self.desired.filters.take().filter(|wanted| *wanted != filters);
            self.desired.subscribe(filters, cursor.subscription);
            self.desired.settled = cursor.settled;
            if let Some(wanted) = wanted {
                // What this process is to want counts more: the subscription that there is changes.
                let info = self.desired.info.clone();
                self.desired.subscribe(wanted, info);
            }
        }
        if let Some(token) = cursor.refresh_token {
            self.login.restore(Secret::new(token));
        }
        for id in &cursor.recent {
            self.recent.insert(id);
        }
    }
}

/// How many uuids a later process is left.
const KEPT: usize = 256;
