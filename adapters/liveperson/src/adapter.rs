//! The adapter.

use alloc::string::String;

use core::fmt;

use redial_core::http::HttpResult;
use redial_core::{
    Adapter, Authorize, Cause, Class, Continuity, Cut, Fault, Frame, Handshake, Intent, Io,
    MessageId, Path, Policy, Proof, Reason, Secret, Timestamp,
};

use crate::answer::Lane;
use crate::auth::{Login, Step};
use crate::codec::{self, Code, Inbound};
use crate::config::{Builder, Credentials};
use crate::desired::{self, Command, Cursor, Desired, Due, Subscription};
use crate::notification::{Message, Notification, Response};
use crate::request::{Agent, Request};

/// A session of LivePerson agent messaging.
///
/// Made by [`LivePerson::builder`], and driven by a [`Session`](redial_core::Session).
pub struct LivePerson {
    pub(crate) config: Builder,
    policy: Policy,
    login: Login,
    /// Why the token that is being made is needed.
    reason: Option<Reason>,
    pub(crate) desired: Desired,
    /// How many states were written and not answered on this connection.
    pub(crate) unanswered_states: u8,
    probes: u64,
    pub(crate) ignored: u64,
}

impl LivePerson {
    /// Begins to make an adapter for an account.
    pub fn builder(account: impl Into<String>, credentials: Credentials) -> Builder {
        Builder::new(account.into(), credentials)
    }

    /// Returns how many responses belonged to no request of this session.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Returns the id by which requests name the agent, `account.user`, once it is known.
    #[must_use]
    pub fn agent_id(&self) -> Option<String> {
        let user = self.login.user_id.as_ref()?;
        Some(alloc::format!("{}.{user}", self.config.account))
    }

    /// Returns the agent's participant id, once a login has told it.
    #[must_use]
    pub fn participant_id(&self) -> Option<&str> {
        self.login.user_pid.as_deref()
    }

    pub(crate) fn new(config: Builder, policy: Policy) -> Self {
        Self {
            login: Login::new(&config),
            config,
            policy,
            reason: None,
            desired: Desired::default(),
            unanswered_states: 0,
            probes: 0,
            ignored: 0,
        }
    }

    fn agent(&self) -> Agent<'_> {
        Agent {
            account: &self.config.account,
            user_id: self.login.user_id.as_deref(),
            user_pid: self.login.user_pid.as_deref(),
        }
    }

    fn write(&self, lane: Lane, number: u64, request: &Request, io: &mut Io<'_, Self>) {
        let id = io.wire_ids().encode(lane as u8, number);
        let body = request.filled(self.agent());
        io.text(|out| codec::encode(out, id, &request.name, &body, &request.extras()));
    }

    /// Sets the agent's state on the connection that is there. Where too many were written that
    /// the server has not answered, the last one waits for an answer.
    pub(crate) fn set_state(&mut self, io: &mut Io<'_, Self>) {
        let due = io.cx.now + self.policy.spec().timeouts.request;
        let Some(state) = &mut self.desired.state else { return };
        if self.unanswered_states >= MAX_UNANSWERED_STATES {
            state.due = Due::Again(due);
            return;
        }
        self.unanswered_states += 1;
        state.due = Due::Answer(due);
        let (number, what) = (state.number, state.what.clone());
        self.write(Lane::State, number, what.request(), io);
    }

    /// Subscribes on the connection that is there.
    fn subscribe(&mut self, number: u64, io: &mut Io<'_, Self>) {
        let due = Due::Answer(io.cx.now + self.policy.spec().timeouts.request);
        let Some(known) = self.desired.subscription(number) else { return };
        known.due = due;
        let what = known.what.clone();
        self.write(Lane::Subscription, number, what.request(), io);
    }

    pub(crate) fn unsubscribe(&mut self, what: &Subscription, id: &str, io: &mut Io<'_, Self>) {
        if let Some(request) = desired::end_of(what, id) {
            self.write(Lane::Unsubscription, 0, &request, io);
        }
    }
}

impl Adapter for LivePerson {
    type Outgoing = Request;
    type Message = Message;
    type Reply = Response;
    type Command = Command;
    type Step = Step;
    type Cursor = Cursor;

    fn policy(&self) -> &Policy {
        &self.policy
    }

    fn account(&self) -> &str {
        &self.config.account
    }

    fn step_name(step: u8) -> &'static str {
        Step::name_of(step)
    }

    fn authorize(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        self.reason = match kind {
            Authorize::Regenerate { reason, .. } => Some(reason),
            Authorize::Renew => None,
        };
        self.login.authorize(&self.config, &self.policy, kind, io);
    }

    fn offer_token(&mut self, token: Secret, _io: &mut Io<'_, Self>) -> bool {
        self.login.offer(token)
    }

    fn secrets(&self, name: &mut dyn FnMut(&str)) {
        self.login.secrets(name);
    }

    /// Every connection is a new session, so the intent changes nothing.
    fn dial(&mut self, _intent: Intent, out: &mut Handshake) {
        self.login.dial(&self.config, out);
    }

    /// There is no hello: the session can be used as soon as the socket is open.
    fn handle_opened(&mut self, io: &mut Io<'_, Self>) {
        io.ready(Continuity::Fresh);
    }

    fn handle_frame(&mut self, frame: Frame, io: &mut Io<'_, Self>) {
        let bytes = match frame {
            Frame::Text(bytes) => bytes,
            Frame::Binary(_) => {
                io.problem(Fault::Vendor, "a binary frame");
                return;
            }
            Frame::Ping(_) | Frame::Pong(_) => return,
        };
        match codec::decode(&bytes) {
            Ok(Inbound::Response { request, code, name, body }) => {
                let number = match code {
                    Code::Some(code) => Some(code),
                    Code::None | Code::Unreadable => None,
                };
                let answer = Response { code: number, name, body };
                self.handle_response(&request, code, answer, io);
            }
            Ok(Inbound::Notification { name, body }) => {
                io.message(Message::Notification(Notification::new(name, body)));
            }
            Err(text) => io.problem(Fault::Vendor, text),
        }
    }

    fn handle_http(&mut self, step: Step, answer: HttpResult, io: &mut Io<'_, Self>) {
        let Self { config, policy, login, reason, .. } = self;
        login.handle_http(config, policy, *reason, (step, answer), io);
    }

    fn transmit(
        &mut self,
        id: MessageId,
        message: &Request,
        _tries: u8,
        io: &mut Io<'_, Self>,
    ) -> Path {
        self.write(Lane::Message, id.get(), message, io);
        if self.config.remember {
            self.desired.note(id, message);
        }
        Path::Socket
    }

    fn class(&self, _message: &Request) -> Class {
        Class {
            proof: Proof::Answer,
            // The service has no idempotency: what may have been done is not done again.
            cut: Cut::Report,
            portable: false,
            within: self.policy.spec().timeouts.request,
            ttl: self.config.ttl,
            tries: 1,
        }
    }

    fn weight(&self, message: &Request) -> u32 {
        let extras = message.extras();
        let extras = extras.iter().filter_map(|(_, value)| *value).map(codec::len).sum::<usize>();
        let bytes = message.name.len() + codec::len(&message.body) + extras;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    fn cursor(&self) -> Cursor {
        let state = self.desired.state.as_ref().map(|state| state.what.clone());
        let known = self.desired.subscriptions.iter().filter(|known| !known.leaving);
        Cursor { state, subscriptions: known.map(|known| known.what.clone()).collect() }
    }

    fn restore(&mut self, cursor: Cursor) {
        if let Some(state) = cursor.state {
            self.desired.set_state(state);
        }
        for subscription in cursor.subscriptions {
            // What was kept once fits again.
            let _ = self.desired.subscribe(subscription);
        }
    }

    /// We never ping: a pong answers nothing. That it came counts all the same.
    fn handle_pong(&mut self, _io: &mut Io<'_, Self>) {}

    fn handle_closed(&mut self, _cause: Cause, _io: &mut Io<'_, Self>) {
        self.desired.lose();
        self.unanswered_states = 0;
    }

    fn handle_online(&mut self, _continuity: Continuity, io: &mut Io<'_, Self>) {
        self.set_state(io);
        for index in 0..self.desired.subscriptions.len() {
            if let Some(number) = self.desired.subscriptions.get(index).map(|known| known.number) {
                self.subscribe(number, io);
            }
        }
    }

    fn handle_command(&mut self, command: Command, io: &mut Io<'_, Self>) {
        match command {
            Command::SetAgentState(state) => {
                self.desired.set_state(state);
                if io.is_online() {
                    self.set_state(io);
                }
            }
            Command::ClearAgentState => self.desired.state = None,
            Command::Subscribe(subscription) => match self.desired.subscribe(subscription) {
                Ok(Some(number)) if io.is_online() => self.subscribe(number, io),
                Ok(_) => {}
                Err(()) => io.problem(Fault::Caller, "too many subscriptions"),
            },
            Command::Unsubscribe(subscription) => {
                if let Some(id) = self.desired.unsubscribe(&subscription)
                    && io.is_online()
                {
                    self.unsubscribe(&subscription, &id, io);
                }
            }
        }
    }

    fn handle_tick(&mut self, io: &mut Io<'_, Self>) {
        let now = io.cx.now;
        match self.desired.state.as_ref().map(|state| state.due) {
            Some(Due::Again(at)) if at <= now => {
                self.unanswered_states = 0;
                self.set_state(io);
            }
            Some(Due::Answer(at)) if at <= now => {
                self.unanswered_states = 0;
                if let Some(state) = &mut self.desired.state {
                    state.due = Due::Nothing;
                }
                io.problem(Fault::Vendor, "the agent's state was not answered");
            }
            Some(Due::Nothing | Due::Again(_) | Due::Answer(_)) | None => {}
        }
        for index in 0..self.desired.subscriptions.len() {
            let Some(known) = self.desired.subscriptions.get_mut(index) else { return };
            match known.due {
                Due::Again(at) if at <= now => {
                    let number = known.number;
                    self.subscribe(number, io);
                }
                Due::Answer(at) if at <= now => {
                    known.due = Due::Nothing;
                    io.problem(Fault::Vendor, "a subscription was not answered");
                }
                Due::Nothing | Due::Again(_) | Due::Answer(_) => {}
            }
        }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.desired.poll_timeout()
    }

    /// Any request keeps the connection; the vendor's documents name this one.
    fn probe(&mut self, io: &mut Io<'_, Self>) {
        self.probes = self.probes.wrapping_add(1);
        self.write(Lane::Probe, self.probes, &Request::get_clock(), io);
    }
}

impl fmt::Debug for LivePerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LivePerson")
            .field("config", &self.config)
            .field("login", &self.login)
            .field("desired", &self.desired)
            .finish_non_exhaustive()
    }
}

/// The most states that are written before one is answered.
const MAX_UNANSWERED_STATES: u8 = 8;
