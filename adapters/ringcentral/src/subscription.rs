//! The one subscription of a session.

use alloc::string::String;
use alloc::vec::Vec;

use redial_core::{Continuity, Fault, Io, Span, Timestamp};
use serde_json::{Value, json};

use crate::adapter::{Lane, RingCentral};
use crate::body;
use crate::envelope::Envelope;
use crate::message::{Message, Operation, RestError, SubscriptionInfo};

/// What the application wants to be told of, and where that stands.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    /// The filters; `None`: nothing.
    pub(crate) filters: Option<Vec<String>>,
    /// The subscription that there is, or was in an earlier process.
    pub(crate) info: Option<SubscriptionInfo>,
    /// Whether the server knows of what is wanted.
    pub(crate) settled: bool,
    /// The subscription that has to end.
    pub(crate) leaving: Option<String>,
    /// The request that is under way.
    pub(crate) running: Option<Running>,
    /// When it is tried again.
    pub(crate) again: Option<Timestamp>,
    failures: u8,
    number: u64,
    /// The subscriptions that others have replaced: what they still bring is not wanted.
    pub(crate) replaced: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    number: u64,
    operation: Operation,
    /// Whether the application wanted something else while it was under way.
    outdated: bool,
    pub(crate) due: Timestamp,
}

impl Desired {
    pub(crate) fn subscribe(&mut self, filters: Vec<String>, restore: Option<SubscriptionInfo>) {
        if restore.is_some() {
            self.info = restore;
        } else if let Some(info) = self.info.take() {
            self.replace(info.id().into());
        }
        self.leaving = None;
        self.filters = Some(filters);
        self.touch();
    }

    pub(crate) fn revoke(&mut self) {
        self.filters = None;
        if let Some(info) = self.info.take() {
            self.leaving = Some(info.id().into());
            self.replace(info.id().into());
        }
        self.touch();
    }

    fn touch(&mut self) {
        self.settled = false;
        self.again = None;
        self.failures = 0;
        if let Some(running) = &mut self.running {
            running.outdated = true;
        }
    }

    fn replace(&mut self, id: String) {
        if self.replaced.len() >= MAX_REPLACED {
            self.replaced.remove(0);
        }
        self.replaced.push(id);
    }

    /// Returns whether notifications of this subscription are for the application. While it is not
    /// known which one there is, any may be.
    pub(crate) fn wants(&self, id: &str) -> bool {
        match &self.info {
            Some(info) if self.settled => id.is_empty() || id == info.id(),
            _ => !self.replaced.iter().any(|replaced| replaced == id),
        }
    }

    /// Another session has begun: the server knows nothing of the old one's subscription.
    pub(crate) fn lose_session(&mut self) {
        // What an earlier process left is restored by its id, or made anew.
        if self.settled {
            self.info = None;
        }
        self.settled = false;
        self.leaving = None;
    }

    pub(crate) fn lose_connection(&mut self) {
        if self.running.take().is_some() {
            self.settled = false;
        }
        self.again = None;
        self.failures = 0;
    }

    /// Returns whether there is something to ask the server for.
    pub(crate) const fn is_due(&self) -> bool {
        let wanted = self.filters.is_some() && !self.settled;
        self.running.is_none() && self.again.is_none() && (wanted || self.leaving.is_some())
    }
}

impl RingCentral {
    /// Asks the server for what is wanted, where it does not know of it and takes a request.
    pub(crate) fn advance_subscription(&mut self, io: &mut Io<'_, Self>) {
        if !io.is_online() || !self.desired.is_due() || self.slots.is_full(io.cx.now) {
            return;
        }
        let desired = &mut self.desired;
        let (operation, method, path) = match (&desired.leaving, &desired.info, &desired.filters) {
            (Some(id), _, _) => (Operation::Revoke, "DELETE", subscription_path(id)),
            (None, Some(info), Some(_)) => {
                (Operation::Restore, "PUT", subscription_path(info.id()))
            }
            (None, _, _) => (Operation::Create, "POST", SUBSCRIPTION.into()),
        };
        let body = match (operation, &desired.filters) {
            (Operation::Create | Operation::Restore, Some(filters)) => Some(json!({
                "deliveryMode": { "transportType": "WebSocket" },
                "eventFilters": filters,
            })),
            _ => None,
        };
        desired.number += 1;
        let due = io.cx.now + self.policy.spec().timeouts.request;
        let number = desired.number;
        desired.running = Some(Running { number, operation, outdated: false, due });
        let id = io.wire_ids().encode(Lane::Subscription as u8, number);
        let meta = json!({
            "type": "ClientRequest",
            "messageId": id.as_str(),
            "method": method,
            "path": path,
            "headers": { "X-User-Agent": self.config.client.user_agent },
        });
        self.slots.reserved = true;
        io.text(|out| body::write_frame(out, &meta, body.as_ref()));
    }

    /// Takes the answer to the request that is under way.
    pub(crate) fn handle_subscription(
        &mut self,
        number: u64,
        envelope: &Envelope,
        io: &mut Io<'_, Self>,
    ) {
        let Some(running) = self.desired.running.filter(|running| running.number == number) else {
            return;
        };
        self.desired.running = None;
        self.slots.reserved = false;
        let status = envelope.status.unwrap_or(0);
        let good = envelope.kind == "ClientRequest" && (200..300).contains(&status);
        let operation = running.operation;
        match operation {
            // 404 and 401: there is nothing to end.
            Operation::Revoke if good || matches!(status, 401 | 404) => {
                self.desired.leaving = None;
                if let Some(conn) = io.conn() {
                    io.message(Message::Revoked { conn });
                }
            }
            Operation::Create | Operation::Restore if good => {
                match SubscriptionInfo::new(envelope.body.bounded()) {
                    Some(info) => self.settle_subscription(info, running, io),
                    None => {
                        io.problem(Fault::Vendor, "a subscription without an id");
                        self.fail_subscription(running, None, None, io);
                    }
                }
            }
            // It is gone, so another one is made.
            Operation::Restore if status == 404 && !running.outdated => self.desired.info = None,
            Operation::Create | Operation::Restore | Operation::Revoke => {
                let error = RestError::read(envelope.status, &envelope.body);
                let after = envelope.headers().into_iter().find(|(name, _)| name == "retry-after");
                let after = after.and_then(|(_, value)| body::seconds(&Value::from(value)));
                self.fail_subscription(running, Some(error), after, io);
            }
        }
        self.advance_subscription(io);
    }

    /// A request was not answered in its time.
    pub(crate) fn tick_subscription(&mut self, io: &mut Io<'_, Self>) {
        let now = io.cx.now;
        if let Some(running) = self.desired.running.filter(|running| running.due <= now) {
            self.desired.running = None;
            self.slots.reserved = false;
            self.fail_subscription(running, None, None, io);
        }
        if self.desired.again.is_some_and(|at| at <= now) {
            self.desired.again = None;
        }
        self.advance_subscription(io);
    }

    fn settle_subscription(
        &mut self,
        info: SubscriptionInfo,
        running: Running,
        io: &mut Io<'_, Self>,
    ) {
        if running.outdated {
            // What is wanted since replaces this one, or ends it.
            if self.desired.filters.is_none() {
                self.desired.leaving = Some(info.id().into());
            } else {
                self.desired.replace(info.id().into());
            }
            return;
        }
        self.desired.settled = true;
        self.desired.failures = 0;
        self.desired.replaced.retain(|id| id != info.id());
        self.desired.info = Some(info.clone());
        if let Some(conn) = io.conn() {
            let restored = running.operation == Operation::Restore;
            io.message(Message::Subscribed { conn, info, restored });
            self.tell_failed_recovery(io);
        }
    }

    fn fail_subscription(
        &mut self,
        running: Running,
        error: Option<RestError>,
        after: Option<Span>,
        io: &mut Io<'_, Self>,
    ) {
        if running.outdated {
            return;
        }
        let status = error.as_ref().map_or(0, |error| error.status);
        let retry = !matches!(status, 400..=407 | 409..=428 | 430..=499);
        if retry {
            let attempt = u16::from(self.desired.failures) + 1;
            self.desired.failures = self.desired.failures.saturating_add(1);
            let spec = self.policy.spec();
            let wait = spec.backoff.wait(attempt, io.cx.entropy, spec.floor);
            self.desired.again = Some(io.cx.now + after.unwrap_or_default().max(wait));
        } else {
            match running.operation {
                Operation::Revoke => self.desired.leaving = None,
                Operation::Create | Operation::Restore => {
                    self.desired.filters = None;
                    self.desired.info = None;
                }
            }
        }
        if let Some(conn) = io.conn() {
            let operation = running.operation;
            io.message(Message::SubscriptionFailed { conn, operation, error, retry });
            if self.desired.filters.is_none() {
                self.give_up_recovery(io);
            }
        }
    }

    pub(crate) fn resubscribe(&mut self, continuity: Continuity, io: &mut Io<'_, Self>) {
        if continuity == Continuity::Fresh {
            let ended = self.desired.leaving.is_some();
            self.desired.lose_session();
            if let Some(conn) = io.conn().filter(|_| ended) {
                io.message(Message::Revoked { conn });
            }
        }
        self.advance_subscription(io);
    }
}

fn subscription_path(id: &str) -> String {
    alloc::format!("{SUBSCRIPTION}/{}", crate::net::encoded(id))
}

const SUBSCRIPTION: &str = "/restapi/v1.0/subscription";
const MAX_REPLACED: usize = 16;
