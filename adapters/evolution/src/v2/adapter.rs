//! The adapter.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::convert::Infallible;
use core::fmt;
use core::mem;

use redial_core::http::HttpResult;
use redial_core::{
    Adapter, Authorize, Cause, Class, Continuity, Fault, Frame, Handshake, Intent, Io, MessageId,
    Path, Policy, Reason, Secret, Terms, Timestamp,
};
use redial_socketio::{Connection, Generation, Join, Namespace, Signal, Text};
use serde::{Deserialize, Serialize};

use super::config::{ApiKey, Builder, Config, KeyPlace, PATH, Scope};
use super::events::GLOBAL_ONLY;
use super::explain;
use super::message::{Event, Nothing};
use super::policy::Refusal;
use crate::net;

/// The events of one instance, or of all, on one Socket.IO connection.
///
/// Made by [`EvolutionApi::builder`], and driven by a [`Session`](redial_core::Session).
///
/// It is online when the server has confirmed the namespace. One that is not there yet is asked
/// for again and again on the same connection, which the main namespace keeps open meanwhile: the
/// server would end a connection without any after 45 s (observed). Every connection is a new
/// session, and a [gap](redial_core::Item::Gap) says so after each loss.
pub struct EvolutionApi {
    config: Config,
    key: Option<Secret>,
    /// Whether the application gave the key and no dial has used it.
    given: bool,
    /// Whether the application has been told what it can never hear.
    warned: bool,
    was_online: bool,
    connection: Option<Connection>,
    waiting: Waiting,
}

/// What a namespace that is not there comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    No,
    /// It is asked for, not for the first time.
    Asked,
    /// It is asked for again then.
    Until(Timestamp),
}

/// What a later process needs to go on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cursor {
    was_online: bool,
}

impl EvolutionApi {
    /// Begins to make an adapter for a server such as `http://localhost:8080` (`/socket.io/` is
    /// added; `https`, `ws`, `wss` and the path of a reverse proxy are taken).
    pub fn builder(url: impl Into<String>, scope: Scope, key: ApiKey) -> Builder {
        Builder::new(url.into(), scope, key)
    }

    pub(super) fn new(config: Config) -> Self {
        let key = match &config.key {
            ApiKey::Key(key) => Some(key.clone()),
            ApiKey::None | ApiKey::Ask => None,
        };
        Self {
            config,
            key,
            given: false,
            warned: false,
            was_online: false,
            connection: None,
            waiting: Waiting::No,
        }
    }

    fn is_deaf(&self) -> bool {
        !self.config.namespace.is_main() && self.config.events.contains(GLOBAL_ONLY)
    }

    /// Takes what the connection has for the socket and for us.
    fn flush(&mut self, io: &mut Io<'_, Self>) {
        while let Some(signal) = self.connection.as_mut().and_then(Connection::poll_signal) {
            self.heed(signal, io);
        }
        if let Some(connection) = &mut self.connection {
            connection.flush(io);
        }
    }

    fn heed(&mut self, signal: Signal, io: &mut Io<'_, Self>) {
        let target = &self.config.namespace;
        match signal {
            Signal::Opened(open) => io.announce(Generation::Eio4.terms(&open)),
            Signal::Joined { namespace, .. } if namespace == *target => {
                if self.waiting != Waiting::No {
                    self.waiting = Waiting::No;
                    self.leave_main(io);
                }
                io.ready(Continuity::Fresh);
            }
            Signal::Refused { namespace, refusal } if namespace == *target => {
                if refusal.is_unknown_namespace() && !target.is_main() {
                    self.wait(io);
                } else {
                    io.refused(Refusal::Namespace as u16, None);
                }
            }
            Signal::Left { namespace } if namespace == *target => {
                io.refused(Refusal::Removed as u16, None);
            }
            // The main namespace only keeps the connection.
            Signal::Joined { .. } | Signal::Refused { .. } | Signal::Left { .. } => {}
            Signal::Event { namespace, ack, event } => {
                if let Some(id) = ack {
                    self.acknowledge(&namespace, id);
                }
                if namespace == self.config.namespace {
                    self.deliver(event, io);
                }
            }
            Signal::Pong => io.alive(),
            // What has arrived is evidence by itself, and the connection has answered it.
            Signal::Ping | Signal::Answered { .. } => {}
            Signal::Closed => io.refused(Refusal::Closed as u16, None),
            Signal::Ignored(text) => io.problem(Fault::Vendor, text),
        }
    }

    fn deliver(&mut self, event: redial_socketio::Event, io: &mut Io<'_, Self>) {
        let name: &Text = event.name();
        if !self.config.events.is_empty() && !self.config.events.contains(name.as_str()) {
            return;
        }
        match event.arg(0) {
            Some(envelope) => io.message(Event { name: name.clone(), envelope }),
            None => io.problem(Fault::Vendor, "an event without a payload"),
        }
    }

    fn acknowledge(&mut self, namespace: &Namespace, id: u64) {
        if let (Some(connection), Ok(args)) =
            (&mut self.connection, redial_socketio::Args::new(&()))
        {
            // Without room for it the server goes without: nothing depends on it.
            let _ = connection.answer(namespace, id, &args);
        }
    }

    /// The namespace is not there yet: it is asked for again later, and the server's word that it
    /// is not there is progress all the same.
    fn wait(&mut self, io: &mut Io<'_, Self>) {
        if self.waiting == Waiting::No {
            io.problem(Fault::Caller, explain::NOT_THERE);
            self.ask(&Namespace::main(), io);
        }
        self.waiting = Waiting::Until(io.cx.now + self.config.rejoin);
        io.announce(Terms::default());
    }

    fn ask(&mut self, namespace: &Namespace, io: &mut Io<'_, Self>) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = connection.join(namespace, Join::new()) {
            io.problem(Fault::Ours, error.as_str());
        }
    }

    /// What is sent to all comes twice where the main namespace is not left.
    fn leave_main(&mut self, io: &mut Io<'_, Self>) {
        let Some(connection) = &mut self.connection else { return };
        if let Err(error) = connection.leave(&Namespace::main()) {
            io.problem(Fault::Ours, error.as_str());
        }
    }
}

impl Adapter for EvolutionApi {
    type Outgoing = Nothing;
    type Message = Event;
    type Reply = Infallible;
    type Command = Infallible;
    type Step = Infallible;
    type Cursor = Cursor;

    fn policy(&self) -> &Policy {
        &self.config.policy
    }

    fn account(&self) -> &str {
        self.config.base.authority()
    }

    fn step_name(_step: u8) -> &'static str {
        "none"
    }

    fn refusal_name(code: u16) -> &'static str {
        match code {
            code if code == Refusal::KeyMalformed as u16 => "key-malformed",
            code if code == Refusal::Namespace as u16 => "namespace",
            code if code == Refusal::Removed as u16 => "removed",
            code if code == Refusal::Closed as u16 => "closed",
            code if code == Refusal::Protocol as u16 => "protocol",
            code if code == Refusal::Unread as u16 => "unread",
            _ => "refused",
        }
    }

    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        if !mem::replace(&mut self.warned, true) && self.is_deaf() {
            io.problem(Fault::Caller, explain::NEVER_HERE);
        }
        let first = matches!(kind, Authorize::Regenerate { reason: Reason::Start, .. });
        match self.config.key {
            ApiKey::Ask if self.key.is_none() || !(self.given || first) => {
                io.token_needed(self.key.clone());
            }
            ApiKey::None | ApiKey::Key(_) | ApiKey::Ask => io.token_ready(None, true),
        }
    }

    fn offer_token(&mut self, token: Secret, io: &mut Io<'_, Self>) -> bool {
        if !net::is_credential(token.expose()) {
            io.problem(Fault::Caller, explain::MALFORMED);
            io.token_failed(Cause::Refused(Refusal::KeyMalformed as u16), None);
            return false;
        }
        self.key = Some(token);
        self.given = true;
        true
    }

    /// The official client goes on dialling with a key that is refused.
    fn keep_token(&mut self) -> bool {
        self.key.is_some()
    }

    fn secrets(&self, name: &mut dyn FnMut(&str)) {
        if let Some(key) = &self.key {
            name(key.expose());
        }
    }

    fn dial(&mut self, _intent: Intent, out: &mut Handshake) {
        self.given = false;
        out.url = self.config.base.ws(PATH);
        out.url.push_str("/?");
        match (&self.key, self.config.place) {
            (Some(key), KeyPlace::Header) => out.headers.push(("apikey", key.expose().to_owned())),
            (Some(key), KeyPlace::Query) => {
                out.url.push_str("apikey=");
                out.url.push_str(&net::encoded(key.expose()));
                out.url.push('&');
            }
            (None, _) => {}
        }
        out.url.push_str(Generation::Eio4.query());
    }

    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        self.connection = Some(Connection::new(Generation::Eio4, self.config.limits));
        self.waiting = Waiting::No;
        let namespace = self.config.namespace.clone();
        self.ask(&namespace, io);
        self.flush(io);
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let Some(connection) = &mut self.connection else { return };
        // Its heartbeats and its events ask for answers.
        if io.backlog() >= UNREAD {
            io.problem(Fault::Vendor, "the server asks for more answers than it reads");
            return io.refused(Refusal::Unread as u16, None);
        }
        let result = connection.handle_frame(&frame);
        self.flush(io);
        if let Err(error) = result {
            io.problem(error.fault(), error.as_str());
            io.refused(Refusal::Protocol as u16, None);
        }
    }

    fn handle_http(&mut self, step: Infallible, _answer: HttpResult, _io: &mut Io<'_, Self>) {
        match step {}
    }

    fn transmit(
        &mut self,
        _id: MessageId,
        message: &Nothing,
        _tries: u8,
        _io: &mut Io<'_, Self>,
    ) -> Path {
        match *message {}
    }

    fn class(&self, message: &Nothing) -> Class {
        match *message {}
    }

    fn weight(&self, message: &Nothing) -> u32 {
        match *message {}
    }

    fn cursor(&self) -> Cursor {
        Cursor { was_online: self.was_online }
    }

    fn restore(&mut self, cursor: Cursor) {
        self.was_online = cursor.was_online;
    }

    fn handle_closed(&mut self, _cause: Cause, _io: &mut Io<'_, Self>) {
        self.connection = None;
        self.waiting = Waiting::No;
    }

    fn handle_online(&mut self, _continuity: Continuity, io: &mut Io<'_, Self>) {
        if mem::replace(&mut self.was_online, true) {
            io.gap(false);
        }
    }

    fn handle_command(&mut self, command: Infallible, _io: &mut Io<'_, Self>) {
        match command {}
    }

    fn handle_tick(&mut self, io: &mut Io<'_, Self>) {
        if let Waiting::Until(at) = self.waiting
            && at <= io.cx.now
        {
            self.waiting = Waiting::Asked;
            let namespace = self.config.namespace.clone();
            self.ask(&namespace, io);
            self.flush(io);
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        match self.waiting {
            Waiting::Until(at) => Some(at),
            Waiting::No | Waiting::Asked => None,
        }
    }
}

impl fmt::Debug for EvolutionApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvolutionApi")
            .field("namespace", &self.config.namespace)
            .field("key", &self.config.key)
            .finish_non_exhaustive()
    }
}

/// How many frames may wait for a server that goes on sending. A server that reads leaves one.
const UNREAD: usize = 128;
