//! The life of a connection: the hello, the replay after it, and the notifications.

use std::mem::replace;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::gateway::Admission;
use super::http::seconds;
use super::options::{Settings, WscMode};
use super::session::{Note, Session, Subscription, wsc};
use super::state::{MAX_SEEN, NotificationSeen};
use super::time::{epoch_ms, iso};
use super::tokens::millis;
use super::{Inner, RingCentral};
use crate::servers::socket::{Out, SocketHandle};
use crate::servers::wire::WireLog;

/// A connection, from its upgrade on.
pub(super) struct Conn {
    pub(super) handle: SocketHandle,
    pub(super) session: Option<u64>,
    pub(super) greeting: Greeting,
    pub(super) replay_at: Option<Instant>,
    pub(super) opened: Instant,
    pub(super) heard: Instant,
    pub(super) next_ping: Option<Instant>,
    pub(super) pong_due: Option<Instant>,
    pub(super) active: usize,
    pub(super) held: Vec<String>,
    pub(super) ending: bool,
    pub(super) waker: Arc<Notify>,
}

/// How far the hello is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Greeting {
    /// To be sent at this time; never when there is none.
    Due(Option<Instant>, Admission),
    Sent,
}

impl RingCentral {
    /// Begins with a socket that was let in: the hello first, where nothing delays it.
    pub(super) fn open(&self, wire: &WireLog, handle: &SocketHandle) -> Option<Arc<Notify>> {
        let inner = &mut *self.lock();
        let admission = inner.admitted.remove(&handle.conn)?;
        let now = Instant::now();
        let session = admission.session;
        self.take_over(inner, session, wire);
        if let Some(session) = inner.sessions.of(session) {
            session.attach(handle.conn);
        }
        let settings = &inner.settings;
        let hello_at = (!settings.withhold_hello).then(|| now + settings.hello_delay);
        let waker = Arc::new(Notify::new());
        let conn = Conn {
            handle: handle.clone(),
            session: Some(session),
            greeting: Greeting::Due(hello_at, admission),
            replay_at: None,
            opened: now,
            heard: now,
            next_ping: settings.ping_interval.map(|interval| now + interval),
            pong_due: None,
            active: 0,
            held: Vec::new(),
            ending: false,
            waker: waker.clone(),
        };
        inner.conns.insert(handle.conn, conn);
        if hello_at == Some(now) {
            self.greet(inner, handle.conn, wire);
        }
        Some(waker)
    }

    /// Closes the connection that a session still has.
    fn take_over(&self, inner: &mut Inner, session: u64, wire: &WireLog) {
        let Some(conn) = inner.sessions.of(session).and_then(|session| session.conn) else {
            return;
        };
        self.lose(inner, conn, wire.now_ms());
        if let Some(old) = inner.conns.get_mut(&conn) {
            old.session = None;
            old.handle.send(Out::Close(4409, REPLACED.to_owned()));
        }
    }

    /// Sends the hello; the replay follows at once or after its delay.
    pub(super) fn greet(&self, inner: &mut Inner, conn: u64, wire: &WireLog) {
        let id = inner.tokens.uuid();
        let Some(known) = inner.conns.get_mut(&conn) else { return };
        let Greeting::Due(_, admission) = replace(&mut known.greeting, Greeting::Sent) else {
            return;
        };
        let Some(session) = inner.sessions.of(admission.session) else { return };
        let settings = &inner.settings;
        let meta = json!({
            "type": "ConnectionDetails",
            "messageId": id,
            "status": 200,
            "wsc": wsc(&session.wsc, 1),
            "headers": { "RCRequestId": id },
        });
        known.handle.send(Out::Text(json!([meta, hello_body(settings, &admission)]).to_string()));
        known.heard = Instant::now();
        if admission.replay {
            session.repeat(settings.replay_overlap);
            if !settings.replay_delay.is_zero() {
                known.replay_at = Some(Instant::now() + settings.replay_delay);
                return;
            }
        }
        self.flush(inner, admission.session, wire);
    }

    /// Sends what waits for a session, as far as its connection takes it.
    pub(super) fn flush(&self, inner: &mut Inner, id: u64, wire: &WireLog) {
        loop {
            let Some(session) = inner.sessions.of(id) else { return };
            let Some(conn) = session.conn.and_then(|conn| inner.conns.get(&conn)) else { return };
            if conn.greeting != Greeting::Sent || conn.replay_at.is_some() || conn.ending {
                return;
            }
            let handle = conn.handle.clone();
            let Some(waiting) = session.pop() else { return };
            let request = inner.tokens.uuid();
            let mut meta = json!({
                "type": "ServerNotification",
                "messageId": waiting.uuid,
                "status": 200,
                "headers": { "RCRequestId": request },
            });
            if inner.settings.wsc_mode != WscMode::Hello {
                self.attach_wsc(inner, id, &mut meta, wire);
            }
            decorate(&inner.settings, &mut meta);
            let frame = json!([meta, waiting.body]).to_string();
            let sent = handle.send(Out::Marked(frame, waiting.uuid.clone()));
            let Some(session) = inner.sessions.of(id) else { return };
            if !sent {
                session.unpop(waiting);
                return;
            }
            session.queued(waiting);
        }
    }

    /// Puts a `wsc` with the next sequence into a frame.
    pub(super) fn attach_wsc(&self, inner: &mut Inner, id: u64, meta: &mut Value, wire: &WireLog) {
        if inner.settings.wsc_rotates {
            inner.sessions.renew(id, &mut inner.tokens, &inner.settings, wire);
        }
        if let Some(session) = inner.sessions.of(id) {
            let sequence = session.advance();
            meta["wsc"] = wsc(&session.wsc, sequence);
        }
    }

    /// Produces `n` notifications for every session that has subscribed.
    pub(super) fn notify(&self, wire: &WireLog, n: u32, body: &Value) -> Value {
        let inner = &mut *self.lock();
        let t_ms = wire.now_ms();
        let (mut live, mut buffered) = (0_u64, 0_u64);
        for _ in 0..n {
            inner.notified += 1;
            for id in inner.sessions.ids() {
                let settings = &inner.settings;
                let Some(session) = inner.sessions.of(id) else { continue };
                if !session.is_recoverable(t_ms, settings) && session.conn.is_none() {
                    continue;
                }
                let wanted = body.get("event").and_then(Value::as_str);
                let subscription = session.subscription.as_ref().filter(|own| {
                    own.is_alive(t_ms, settings) && wanted.is_none_or(|event| own.wants(event))
                });
                let Some(subscription) = subscription else { continue };
                let uuid = inner.tokens.uuid();
                let content = content(&session.owner, subscription, body, inner.notified, &uuid);
                let dropped = session.keep(Note { uuid: uuid.clone(), body: content }, settings);
                let subscription = subscription_id(session);
                inner.produced(t_ms, &uuid, &subscription);
                inner.dropped(&dropped);
                self.flush(inner, id, wire);
                let waits = inner.sessions.of(id).is_some_and(|session| session.buffered() > 0);
                if waits { buffered += 1 } else { live += 1 }
            }
        }
        json!({ "ok": true, "sent": live, "buffered": buffered })
    }

    /// Takes the connection away from its session.
    pub(super) fn lose(&self, inner: &mut Inner, conn: u64, t_ms: u64) {
        let id = inner.conns.get(&conn).and_then(|conn| conn.session);
        let Some(session) = id.and_then(|id| inner.sessions.of(id)) else { return };
        if session.conn == Some(conn) {
            let dropped = session.detach(t_ms, &inner.settings);
            inner.dropped(&dropped);
        }
    }
}

impl Inner {
    fn produced(&mut self, t_ms: u64, uuid: &str, subscription: &str) {
        if self.seen.notifications.len() >= MAX_SEEN {
            return;
        }
        self.noted.insert(uuid.to_owned(), self.seen.notifications.len());
        self.seen.notifications.push(NotificationSeen {
            n: self.notified,
            uuid: uuid.to_owned(),
            t_ms,
            subscription: subscription.to_owned(),
            written: 0,
            conn: None,
            dropped: false,
        });
    }

    /// Counts a notification as written to a socket.
    pub(super) fn wrote(&mut self, uuid: &str, conn: u64) {
        if let Some(seen) = self.noted_mut(uuid) {
            seen.written = seen.written.saturating_add(1);
            seen.conn = Some(conn);
        }
    }

    fn dropped(&mut self, uuids: &[String]) {
        for uuid in uuids {
            if let Some(seen) = self.noted_mut(uuid) {
                seen.dropped = true;
            }
        }
    }

    fn noted_mut(&mut self, uuid: &str) -> Option<&mut NotificationSeen> {
        self.noted.get(uuid).and_then(|at| self.seen.notifications.get_mut(*at))
    }
}

fn hello_body(settings: &Settings, admission: &Admission) -> Value {
    let mut body = json!({
        "creationTime": iso(epoch_ms()),
        "maxConnectionsPerSession": settings.max_connections,
        "recoveryBufferSize": settings.recovery_buffer,
        "recoveryTimeout": seconds(millis(settings.recovery_timeout)),
        "idleTimeout": seconds(millis(settings.idle_timeout)),
        "absoluteTimeout": seconds(millis(settings.absolute_timeout)),
        "maxActiveRequests": settings.max_active_requests,
    });
    match &admission.state {
        None => {}
        Some(Ok(())) => body["recoveryState"] = json!("Successful"),
        Some(Err(code)) => {
            body["recoveryState"] = json!("Failed");
            body["recoveryErrorCode"] = json!(code);
        }
    }
    if let Some(fields) = body.as_object_mut() {
        override_fields(fields, &settings.hello_fields);
    }
    decorate(settings, &mut body);
    body
}

/// Builds the body of a notification from what the script gave.
fn content(owner: &str, subscription: &Subscription, given: &Value, n: u64, uuid: &str) -> Value {
    let extension = owner.parse::<u64>().map_or_else(|_| json!(owner), |id| json!(id));
    let own = |name: &str| given.get(name).cloned();
    let event = own("event").unwrap_or_else(|| {
        let filter = subscription.filters.first().map_or("", String::as_str);
        let event = filter.replacen("/account/~", "/account/1", 1);
        json!(event.replacen("/extension/~", &format!("/extension/{owner}"), 1))
    });
    let body = own("body").unwrap_or_else(|| {
        let mut body = json!({ "accountId": 1, "extensionId": extension, "n": n });
        if let (Some(fields), Some(more)) = (body.as_object_mut(), given.as_object()) {
            fields.extend(more.clone().into_iter().filter(|(name, _)| name != "event"));
        }
        body
    });
    json!({
        "uuid": uuid,
        "event": event,
        "timestamp": iso(epoch_ms()),
        "subscriptionId": subscription.id,
        "ownerId": owner,
        "body": body,
    })
}

fn subscription_id(session: &Session) -> String {
    session.subscription.as_ref().map(|own| own.id.clone()).unwrap_or_default()
}

fn override_fields(fields: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
}

/// Adds what nobody knows, where the script wants it.
pub(super) fn decorate(settings: &Settings, frame: &mut Value) {
    if let (true, Some(fields)) = (settings.extra_fields, frame.as_object_mut()) {
        fields.insert("x-unknown".to_owned(), json!({ "nested": [1, null, { "deep": true }] }));
    }
}

pub(super) const REPLACED: &str = "replaced by a newer connection";
