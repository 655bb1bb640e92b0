//! The wstoken: what opens one connection, and what stands behind it.

use alloc::format;
use alloc::string::{String, ToString as _};

use redial_core::http::{HttpResult, NoAnswer};
use redial_core::{Cause, Fault, Handshake, Intent, Io, Secret, Span, Timestamp, Verdict};
use serde_json::Value;

use crate::adapter::RingCentral;
use crate::cursor::Step;
use crate::login::{self, Outcome};
use crate::message::Message;
use crate::{body, net};

/// Where the making of a wstoken stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Making {
    /// Whether a connection waits for a wstoken.
    pub(crate) wanted: bool,
    /// Whether the access token was renewed for it: a second refusal is final.
    refreshed: bool,
    /// Whether the application has just given an access token.
    pub(crate) answered: bool,
    /// Whether an OAuth exchange is under way, whoever wants it.
    pub(crate) oauth: bool,
    /// When a wstoken was asked for, while there is no answer.
    asking: Option<Timestamp>,
    /// Until when the application may give an access token that a request waits for.
    pub(crate) given: Option<Timestamp>,
    /// When the rate group lets the next request go.
    pub(crate) due: Option<Timestamp>,
}

/// A wstoken and where it leads.
pub(crate) struct WsToken {
    uri: String,
    token: Secret,
}

impl WsToken {
    pub(crate) fn secret(&self) -> &str {
        self.token.expose()
    }
}

impl RingCentral {
    /// Begins to make a wstoken.
    pub(crate) fn begin_token(&mut self, last: Option<Cause>, io: &mut Io<'_, Self>) {
        let pending = core::mem::replace(&mut self.making.wanted, true);
        // The application's answer goes on with the request that asked for it.
        if !core::mem::take(&mut self.making.answered) {
            self.making.refreshed = false;
            // The one before has ended elsewhere: there was no access token, or no time.
            if pending {
                self.note_failure(last.unwrap_or(Cause::Network), io);
            }
        }
        self.advance_token(io);
    }

    /// Takes the next step towards a wstoken, if one is wanted and nothing is under way for it.
    pub(crate) fn advance_token(&mut self, io: &mut Io<'_, Self>) {
        if !self.making.wanted || self.making.oauth || self.making.asking.is_some() {
            return;
        }
        // One that was never used counts, however soon it expires: there is no better one.
        let stale = self.login.is_stale(io.cx.now) && self.login.can_ask();
        let access = self.login.access().filter(|_| !stale).cloned();
        let Some(access) = access else {
            return self.renew_access(io);
        };
        match self.group().begin(io.cx.now) {
            Err(at) => self.making.due = Some(at),
            Ok(()) => {
                self.making.due = None;
                self.making.asking = Some(io.cx.now);
                let request = self.config.client.wstoken(&access);
                self.login.note_use();
                self.asked_with = Some(access);
                io.session_http(Step::WsToken, self.policy.spec().timeouts.http, request);
            }
        }
    }

    /// Asks for an access token, of the server or of the application. One exchange at a time.
    pub(crate) fn renew_access(&mut self, io: &mut Io<'_, Self>) {
        if self.making.oauth {
            return;
        }
        if self.login.can_ask()
            && let Some(at) = self.group().silent_until(io.cx.now)
        {
            // Whatever is asked for while the group is silent lengthens the silence.
            self.making.due = Some(at);
            return;
        }
        if let Some(request) = self.login.request(&self.config.client) {
            self.making.oauth = true;
            // The old refresh token dies with the exchange, so its answer must not be lost.
            io.session_http(Step::Oauth, self.policy.spec().timeouts.http, request);
            return;
        }
        if self.login.asks_application() {
            if !self.making.wanted {
                self.making.given = Some(io.cx.now + self.policy.spec().timeouts.http);
            }
            io.token_needed(self.rejected.clone());
        } else {
            let cause = Cause::Http { step: login::LOGIN, status: 401 };
            self.fail_token(cause, None, io);
        }
    }

    pub(crate) fn handle_oauth(&mut self, answer: HttpResult, io: &mut Io<'_, Self>) {
        self.making.oauth = false;
        let before = self.login.refresh_token().cloned();
        match self.login.handle(answer, io.cx.now) {
            Outcome::Ready => {
                let after = self.login.refresh_token();
                if let Some(token) = after.filter(|after| Some(*after) != before.as_ref()) {
                    io.message(Message::RefreshToken(token.clone()));
                }
                self.advance_token(io);
            }
            Outcome::Again => self.renew_access(io),
            Outcome::Failed { cause, retry_after } => {
                if matches!(cause, Cause::Http { status: 200, .. }) {
                    io.problem(Fault::Vendor, "a login without an access token");
                }
                self.fail_token(cause, retry_after, io);
            }
        }
    }

    pub(crate) fn handle_wstoken(&mut self, answer: HttpResult, io: &mut Io<'_, Self>) {
        let (begun, asked_with) = (self.making.asking.take(), self.asked_with.take());
        if let (Err(NoAnswer::Unreached), Some(begun)) = (&answer, begun) {
            self.group().give_back(begun);
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return self.fail_token(login::no_answer(why), None, io),
        };
        let cause = Cause::Http { step: login::WSTOKEN, status: answer.status };
        if let Some(access) = asked_with.as_ref().filter(|_| answer.status == 200) {
            self.login.note_proof(access);
        }
        match answer.status {
            200 => match WsToken::parse(&answer.body, self.config.client.is_plain()) {
                Some((token, expires_in)) => {
                    self.ws = Some(token);
                    self.making.wanted = false;
                    io.token_ready(expires_in, true);
                }
                None => {
                    io.problem(Fault::Vendor, "a wstoken or an address that cannot be one");
                    self.fail_token(cause, answer.retry_after, io);
                }
            },
            401 => {
                if let Some(access) = asked_with {
                    self.login.reject(&access);
                    self.rejected = Some(access);
                }
                if self.making.refreshed {
                    return self.fail_token(cause, None, io);
                }
                self.making.refreshed = true;
                self.advance_token(io);
            }
            _ => self.fail_token(cause, answer.retry_after, io),
        }
    }

    /// There is no token. A 429 silences the group for all sessions of the account.
    pub(crate) fn fail_token(
        &mut self,
        cause: Cause,
        retry_after: Option<Span>,
        io: &mut Io<'_, Self>,
    ) {
        let limited = matches!(cause, Cause::Http { status: 429, .. });
        let wait = if limited { retry_after.or(Some(self.config.penalty)) } else { retry_after };
        if let Some(span) = wait.filter(|_| limited) {
            self.group().silence(io.cx.now + span);
        }
        if !core::mem::take(&mut self.making.wanted) {
            return;
        }
        self.making.due = None;
        io.token_failed(cause, wait);
        self.note_failure(cause, io);
    }

    /// Tells that an attempt to recover has failed, if it was one and others follow.
    fn note_failure(&mut self, cause: Cause, io: &mut Io<'_, Self>) {
        if let Some(message) = self.recovery_error(cause) {
            io.message(message);
        }
    }

    pub(crate) fn recovery_error(&self, cause: Cause) -> Option<Message> {
        let retried = matches!(self.policy.verdict(cause), Verdict::Retry(_));
        let goes_on = retried && self.config.auto_recover;
        let conn = self.conn.filter(|_| self.lost.is_some() && goes_on)?;
        Some(Message::AutoRecoverError { conn, cause })
    }

    /// Writes where to dial. A new session begins without the context of the old one, and without
    /// what belongs to it.
    pub(crate) fn write_handshake(&mut self, intent: Intent, out: &mut Handshake) {
        if intent == Intent::Restart && !self.imported {
            self.abandoned |= self.wsc.take().is_some();
        }
        let Some(ws) = &self.ws else { return };
        let mark = if ws.uri.contains('?') { '&' } else { '?' };
        out.url = format!("{}{mark}access_token={}", ws.uri, net::encoded(ws.token.expose()));
        self.asked = self.wsc.is_some();
        if let Some(wsc) = &self.wsc {
            out.url.push_str(&format!("&wsc={}", net::encoded(&wsc.token)));
        }
    }
}

impl WsToken {
    fn parse(answer: &[u8], plain: bool) -> Option<(Self, Option<Span>)> {
        let fields: Value = serde_json::from_slice(answer).ok()?;
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        let uri = text("uri").filter(|uri| net::is_gateway(uri, plain))?.to_string();
        let token = text("ws_access_token").filter(|token| net::is_credential(token))?;
        let expires_in = fields.get("expires_in").and_then(body::seconds);
        Some((Self { uri, token: Secret::new(token) }, expires_in))
    }
}
