//! Tokens for a session that lives: when one is asked for, and how the server is told.

use alloc::format;
use alloc::vec;

use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResult, Method, NoAnswer};
use redial_core::{Authorize, Cause, Io, Reason, Secret, Timestamp, Wait};
use redial_socketio::Event;
use serde_json::json;

use crate::adapter::{Step, Vonage};
use crate::config::Generation;
use crate::message::Fields;
use crate::outgoing::Envelope;
use crate::policy::Refusal;
use crate::request::Lane;

/// What is planned and under way about the token of a session that lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Renewal {
    /// When the token's own claims ask for a new one.
    at: Option<Timestamp>,
    /// Whether the machine has been asked to begin a renewal, and has not begun it.
    wanted: bool,
    /// Before this nobody is asked for a token again, and no token is tried again.
    earliest: Option<Timestamp>,
    /// When the request that is pending goes on.
    resume_at: Option<Timestamp>,
    /// What the server is being told.
    update: Option<Update>,
    /// The number of the last update.
    number: u64,
    /// When somebody was asked for the token of a dial.
    asked_at: Option<Timestamp>,
    /// When somebody is asked again.
    ask_at: Option<Timestamp>,
    /// Before this nobody is asked for another token than the one that the server called expired.
    expired_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Update {
    number: u64,
    token: Secret,
    /// When an answer on the socket is missing; an HTTP exchange has its own limit.
    deadline: Option<Timestamp>,
}

impl Renewal {
    /// The connection is gone: what was under way on it is over. What was planned by the clock is
    /// planned anew with the next session.
    pub(crate) fn forget(&mut self) {
        let Self { number, earliest, asked_at, ask_at, .. } = *self;
        *self = Self { number, earliest, asked_at, ask_at, ..Self::default() };
    }

    /// Returns when somebody is asked for the token of a dial.
    pub(crate) const fn ask_at(&self) -> Option<Timestamp> {
        self.ask_at
    }

    /// Returns the token that the server was told of and has not answered for.
    pub(crate) fn update_token(&self) -> Option<&Secret> {
        self.update.as_ref().map(|update| &update.token)
    }

    pub(crate) fn poll_timeout(&self, offered: bool) -> Option<Timestamp> {
        let told = self.wanted || self.update.is_some() || self.resume_at.is_some();
        let now = (offered && !told).then_some(Timestamp::ZERO);
        let by_time = self.at.filter(|_| !told);
        let update = self.update.as_ref().and_then(|update| update.deadline);
        [now, by_time, update, self.resume_at, self.expired_at].into_iter().flatten().min()
    }
}

impl Vonage {
    /// Makes the token that a dial needs, or renews the one of the session that lives.
    pub(crate) fn supply(&mut self, kind: Authorize, io: &mut Io<'_, Self>) {
        let now = io.cx.now;
        let reason = match kind {
            Authorize::Regenerate { .. } | Authorize::Renew if io.is_online() => {
                return self.renew(io);
            }
            Authorize::Regenerate { reason, .. } => reason,
            Authorize::Renew => Reason::Expiring,
        };
        self.renewal.ask_at = None;
        let as_it_is = match reason {
            Reason::Start => true,
            // The session counts by the token that it was told of last; another one may have
            // taken its place without a word.
            Reason::Expiring => !self.tokens.claims().has_expired(now),
            Reason::Rejected | Reason::Policy => false,
        };
        if self.tokens.usable(as_it_is, now).is_some() {
            return io.token_ready(self.tokens.claims().life(now), true);
        }
        let next = self.renewal.asked_at.map(|at| at + self.config.asking_pace());
        match next.filter(|at| *at > now) {
            Some(at) => self.renewal.ask_at = Some(at),
            None => self.ask(io),
        }
    }

    /// Asks for the token of a dial.
    fn ask(&mut self, io: &mut Io<'_, Self>) {
        self.renewal.ask_at = None;
        self.renewal.asked_at = Some(io.cx.now);
        io.token_needed(self.tokens.held().cloned());
    }

    /// The session is online: what its token needs is planned.
    pub(crate) fn plan_renewal(&mut self, now: Timestamp) {
        if !self.config.is_proactive() {
            return;
        }
        let claims = self.tokens.claims();
        let seen_at = self.tokens.seen_at().unwrap_or(now);
        // By a clock that says so the token has expired: it is the clock that is wrong.
        let known = claims.life(now).is_some();
        let at = claims.renew_at(seen_at).filter(|_| known);
        self.renewal.at =
            at.map(|at| self.renewal.earliest.map_or(at, |earliest| at.max(earliest)));
    }

    /// A renewal is under way: the server is told of the token that was offered, or somebody is
    /// asked for one. What was done a moment ago waits.
    fn renew(&mut self, io: &mut Io<'_, Self>) {
        let now = io.cx.now;
        self.renewal.wanted = false;
        self.renewal.at = None;
        if let (None, Some(at)) = (self.tokens.offered(), self.renewal.expired_at)
            && at > now
        {
            self.renewal.resume_at = Some(at);
            return;
        }
        self.renewal.expired_at = None;
        let again = match (self.tokens.offered(), &self.renewal.update) {
            (Some(offered), Some(update)) if *offered == update.token => return,
            (Some(_), _) => self.tokens.is_told(),
            (None, _) => true,
        };
        if again
            && let Some(earliest) = self.renewal.earliest
            && earliest > now
        {
            self.renewal.resume_at = Some(earliest);
            return;
        }
        self.renewal.resume_at = None;
        self.renewal.earliest = Some(now + self.config.renewal_pace());
        match self.tokens.offered().cloned() {
            Some(token) => self.tell(token, io),
            None => io.token_needed(self.tokens.held().cloned()),
        }
    }

    /// Tells the server of a token, in the way of the generation.
    fn tell(&mut self, token: Secret, io: &mut Io<'_, Self>) {
        self.tokens.tell();
        self.renewal.number += 1;
        let number = self.renewal.number;
        let timeouts = self.policy.spec().timeouts;
        let mut deadline = None;
        match self.config.generation {
            Generation::V1 => {
                let tid = io.wire_ids().encode(Lane::Update as u8, number);
                let body = json!({ "token": token.expose() });
                let event =
                    Event::new("session:update-token", &(Envelope::new(&body, tid.as_str()),));
                self.emit(event, io);
                deadline = Some(io.cx.now + timeouts.request);
            }
            Generation::V2 => {
                let session = self.session.as_deref().unwrap_or_default();
                let request = HttpRequest {
                    method: Method::Put,
                    url: format!(
                        "{}/v0.2/sessions/{}",
                        self.api.http(),
                        crate::net::encoded(session)
                    ),
                    headers: vec![
                        ("authorization", format!("Bearer {}", token.expose())),
                        ("content-type", "application/json; charset=utf-8".into()),
                    ],
                    body: Bytes::new(),
                };
                io.http(Step::Update { number }, timeouts.http, request);
            }
        }
        self.renewal.update = Some(Update { number, token, deadline });
    }

    /// Takes the answer to `session:update-token`.
    pub(crate) fn handle_updated(
        &mut self,
        number: u64,
        name: &str,
        _fields: &Fields,
        io: &mut Io<'_, Self>,
    ) {
        let Some(update) = self.take_update(number) else { return };
        if name == "session:update-token:success" {
            return self.updated(update, io);
        }
        self.tokens.not_exchanged(update.token);
        io.token_failed(Cause::Refused(Refusal::UpdateRefused as u16), None);
    }

    /// Takes the answer to the PUT.
    pub(crate) fn handle_put(&mut self, number: u64, answer: HttpResult, io: &mut Io<'_, Self>) {
        let Some(update) = self.take_update(number) else { return };
        let answer = match answer {
            Ok(answer) => answer,
            Err(NoAnswer::Network | NoAnswer::Unreached) => {
                return io.token_failed(Cause::Network, None);
            }
            Err(NoAnswer::Timeout) => return io.token_failed(Cause::Timeout(Wait::Token), None),
        };
        let cause = Cause::Http { step: Step::UPDATE, status: answer.status };
        match answer.status {
            200..=299 => self.updated(update, io),
            // The session is unknown, and nothing is said about the token.
            404 => {
                self.tokens.keep_for_the_next();
                io.token_failed(cause, None);
                self.lose_session(io);
            }
            // What a server says when it is busy, or broken, says nothing about the token.
            408 | 425 | 429 | 500..=599 => io.token_failed(cause, answer.retry_after),
            _ => {
                self.tokens.not_exchanged(update.token);
                io.token_failed(cause, answer.retry_after);
            }
        }
    }

    fn updated(&mut self, update: Update, io: &mut Io<'_, Self>) {
        let now = io.cx.now;
        self.tokens.exchanged(update.token, now);
        self.strikes = crate::adapter::Strikes::default();
        io.token_ready(self.tokens.claims().life(now), true);
        self.plan_renewal(now);
    }

    /// The server calls the token of a living session expired: no dial presents it again. Mostly
    /// it then ends the connection, and the token is renewed for the next one.
    pub(crate) fn expect_the_end(&mut self, io: &mut Io<'_, Self>) {
        self.tokens.refused();
        if self.renewal.expired_at.is_none() {
            self.renewal.expired_at = Some(io.cx.now + self.config.grace());
            // A renewal that waits for its answer would keep the old token for the next dial.
            if self.renewal.update.is_none() {
                io.token_failed(Cause::Refused(Refusal::ExpiredToken as u16), None);
            }
            io.token_rejected();
        }
    }

    pub(crate) fn tick_renewal(&mut self, io: &mut Io<'_, Self>) {
        let now = io.cx.now;
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        if due(self.renewal.ask_at) {
            self.ask(io);
        }
        if !io.is_online() {
            return self.renewal.forget();
        }
        if due(self.renewal.expired_at) {
            self.renewal.expired_at = None;
        }
        if due(self.renewal.update.as_ref().and_then(|update| update.deadline)) {
            self.renewal.update = None;
            io.token_failed(Cause::Timeout(Wait::Token), None);
        }
        if due(self.renewal.resume_at) {
            self.renewal.resume_at = None;
            self.renew(io);
        }
        if due(self.renewal.poll_timeout(self.tokens.offered().is_some())) {
            self.renewal.wanted = true;
            self.renewal.at = None;
            io.renew();
        }
    }

    fn take_update(&mut self, number: u64) -> Option<Update> {
        self.renewal.update.take_if(|update| update.number == number)
    }
}
