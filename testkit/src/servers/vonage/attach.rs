//! How a socket gets its session: by a login, by resuming one, or not at all.

use std::sync::Arc;

use serde_json::{Value, json};

use super::events::insert;
use super::jwt::Claims;
use super::options::{RejectWith, ResumeAnswer, UnknownSession, Withhold};
use super::state::{Attach, Outcome, note};
use super::{Generation, Hello, Inner, Vonage};
use crate::servers::fault::{Refusal, Refused};
use crate::servers::hub::Hub;
use crate::servers::valve::End;

/// Why somebody gets no session, in the platform's words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) event: String,
    pub(super) description: String,
}

/// What becomes of an attempt to have a session.
enum Verdict {
    /// It has the session with this id.
    Session(String, Outcome),
    Refused(Problem),
    /// It is never answered.
    Hang,
    /// Its connection is reset.
    Reset,
}

impl Vonage {
    /// Answers a client that wants to join a namespace.
    pub(super) fn join(self: &Arc<Self>, hub: &Hub, inner: &mut Inner, conn: u64, nsp: &str) {
        if nsp != "/" {
            return self.io.reject(conn, nsp, "Invalid namespace", None);
        }
        let Some(hello) = inner.conns.get(&conn).map(|conn| conn.hello.clone()) else { return };
        if inner.settings.withhold == Withhold::Connect {
            return;
        }
        let token = hello.token.clone();
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return match self.generation {
                // The older generation logs in later.
                Generation::V1 => drop(self.io.accept(conn, nsp)),
                Generation::V2 => {
                    let problem = Problem::of("system:error:invalid-token");
                    self.conclude(inner, conn, &hello, "", Verdict::Refused(problem), None);
                }
            };
        };
        let verdict = self.judge(hub, inner, &hello, &token);
        self.conclude(inner, conn, &hello, &token, verdict, None);
    }

    /// Answers `session:login` of the older generation.
    pub(super) fn login(
        self: &Arc<Self>,
        hub: &Hub,
        inner: &mut Inner,
        conn: u64,
        token: &str,
        rid: Option<&Value>,
    ) {
        let hello = Hello { token: Some(token.to_owned()), ..Hello::default() };
        let verdict = self.judge(hub, inner, &hello, token);
        self.conclude(inner, conn, &hello, token, verdict, Some(rid.unwrap_or(&Value::Null)));
    }

    fn judge(&self, hub: &Hub, inner: &mut Inner, hello: &Hello, token: &str) -> Verdict {
        let refusal = hub.take_refusal("login").or_else(|| hub.take_refusal("token"));
        match refusal.map(|refusal| (refusal.verdict(), refusal)) {
            Some((Refused::Hang, _)) => return Verdict::Hang,
            Some((Refused::Reset, _)) => return Verdict::Reset,
            Some((Refused::Status(status), refusal)) => {
                return Verdict::Refused(Problem::scripted(status, &refusal));
            }
            Some((Refused::Omit, _)) | None => {}
        }
        let claims = match self.check(inner, token) {
            Ok(claims) => claims,
            Err(problem) => return Verdict::Refused(problem),
        };
        let Some(wanted) = &hello.session_id else {
            return self.open(inner, token, &claims, hello.acknowledges, Outcome::Fresh);
        };
        let (now, settings) = (self.now_ms(inner), inner.settings.clone());
        inner.sessions.sweep(now, settings.window);
        let session = inner.sessions.get(wanted).filter(|session| session.user == claims.sub);
        let acknowledges = session.map_or(hello.acknowledges, |session| session.acknowledges);
        let there = session.is_some();
        match (settings.resume_answer, there, settings.unknown_session) {
            (ResumeAnswer::Honest, true, _) => {
                if let Some(session) = inner.sessions.get_mut(wanted) {
                    session.renew(token, &claims);
                }
                Verdict::Session(wanted.clone(), Outcome::Resumed)
            }
            (ResumeAnswer::OtherId, ..) | (_, false, UnknownSession::NewSession) => {
                self.open(inner, token, &claims, acknowledges, Outcome::Replaced)
            }
            (ResumeAnswer::Invalid, ..) | (_, false, UnknownSession::Invalid) => {
                Verdict::Refused(Problem::of("session:error:invalid"))
            }
        }
    }

    fn open(
        &self,
        inner: &mut Inner,
        token: &str,
        claims: &Claims,
        acknowledges: bool,
        outcome: Outcome,
    ) -> Verdict {
        inner.sessions.sweep(self.now_ms(inner), inner.settings.window);
        let most = inner.settings.max_sessions;
        if most.is_some_and(|most| inner.sessions.of(&claims.sub) >= most) {
            return Verdict::Refused(Problem::of("session:error:max-open-sessions"));
        }
        let id = inner.sessions.open(token, claims, acknowledges);
        Verdict::Session(id, outcome)
    }

    /// Judges a token by itself.
    pub(super) fn check(&self, inner: &mut Inner, token: &str) -> Result<Claims, Problem> {
        inner.tokens.learn(token);
        let claims = Claims::read(token).filter(|_| !inner.tokens.revoked.contains(token));
        let claims = claims.ok_or_else(|| Problem::of("system:error:invalid-token"))?;
        let past = claims.exp_ms.is_some_and(|exp| exp <= self.wall_ms(inner));
        if past || inner.tokens.expired.contains(token) {
            return Err(Problem::of("system:error:expired-token"));
        }
        let settings = &inner.settings;
        if !settings.users.is_empty() && !settings.users.contains(&claims.sub) {
            return Err(Problem::of("user:error:not-found"));
        }
        if settings.check_acl && !claims.allows_sessions() {
            return Err(Problem::of("system:error:permission"));
        }
        Ok(claims)
    }

    /// Answers an attempt: to a request by `rid`, else by joining the namespace first.
    fn conclude(
        self: &Arc<Self>,
        inner: &mut Inner,
        conn: u64,
        hello: &Hello,
        token: &str,
        verdict: Verdict,
        rid: Option<&Value>,
    ) {
        let (outcome, session_id) = match &verdict {
            Verdict::Session(id, outcome) => (outcome.clone(), Some(id.clone())),
            Verdict::Refused(problem) => (Outcome::Refused(problem.event.clone()), None),
            Verdict::Hang | Verdict::Reset => (Outcome::Lost, None),
        };
        let token = if token.is_empty() { String::new() } else { self.wire.name("jwt", token) };
        let t_ms = self.wire.now_ms();
        note(
            &mut inner.seen.attaches,
            Attach { t_ms, conn, outcome, session_id, token, closed_ms: None },
        );
        match verdict {
            Verdict::Refused(problem) => self.turn_away(inner, conn, &problem, rid),
            Verdict::Session(id, outcome) => {
                if rid.is_none() && self.io.accept(conn, "/").is_none() {
                    return;
                }
                self.attach(inner, conn, &id);
                if inner.settings.withhold != Withhold::Success {
                    self.succeed(inner, conn, &id, rid);
                }
                if outcome == Outcome::Replaced {
                    // The old one belongs to nobody from here on.
                    let old = hello.session_id.as_ref();
                    old.and_then(|old| inner.sessions.remove(old));
                }
            }
            Verdict::Hang => {
                if rid.is_none() {
                    self.io.accept(conn, "/");
                }
            }
            Verdict::Reset => {
                if let Some(conn) = inner.conns.get(&conn) {
                    conn.handle.link.valve.kill(End::Reset);
                }
            }
        }
    }

    fn turn_away(
        self: &Arc<Self>,
        inner: &mut Inner,
        conn: u64,
        problem: &Problem,
        rid: Option<&Value>,
    ) {
        if let Some(conn) = inner.conns.get_mut(&conn) {
            conn.refused = true;
        }
        let mut payload = json!({});
        if let Some(rid) = rid.filter(|rid| !rid.is_null()) {
            insert(&mut payload, "rid", rid.clone());
        }
        insert(&mut payload, "description", json!(problem.description));
        if rid.is_none() && inner.settings.reject_with == RejectWith::ConnectError {
            return self.io.reject(conn, "/", &problem.event, Some(payload));
        }
        if rid.is_none() && self.io.accept(conn, "/").is_none() {
            return;
        }
        insert(&mut payload, "body", json!({}));
        self.io.emit(conn, "/", &problem.event, vec![payload]);
        inner.seen.disconnects += 1;
        self.disconnect_soon(conn, &inner.settings);
    }

    /// Gives a session to a socket, and takes it from another one.
    fn attach(self: &Arc<Self>, inner: &mut Inner, conn: u64, id: &str) {
        let before = inner.sessions.get(id).and_then(|session| session.conn);
        if let Some(before) = before.filter(|before| *before != conn) {
            self.throw_out(inner, before, true);
        }
        self.detach(inner, conn);
        if let Some(session) = inner.sessions.get_mut(id) {
            session.conn = Some(conn);
        }
        self.waker.notify_one();
    }

    /// Says that there is a session, and what it has missed.
    fn succeed(&self, inner: &mut Inner, conn: u64, id: &str, rid: Option<&Value>) {
        let settings = inner.settings.clone();
        let mut body = inner.sessions.body(id);
        let mut later = Vec::new();
        if let Some(session) = inner.sessions.get_mut(id) {
            let missed: Vec<_> = session.pending.drain(..).collect();
            if settings.pending_inside && !missed.is_empty() {
                missed.iter().for_each(|event| inner.seen.sent(event.seen));
                let events: Vec<_> = missed.iter().map(super::session::Pushed::with_type).collect();
                insert(&mut body, "pending_events", Value::Array(events));
            } else {
                later = missed;
            }
        }
        let mut payload = json!({});
        if let Some(rid) = rid.filter(|rid| !rid.is_null()) {
            insert(&mut payload, "rid", rid.clone());
        }
        insert(&mut payload, "body", body);
        self.decorate(inner, &mut payload);
        self.io.emit(conn, "/", "session:success", vec![payload]);
        for event in later {
            self.deliver(inner, id, event, false);
        }
    }

    /// Notes that a socket has its session no more.
    pub(super) fn detach(&self, inner: &mut Inner, conn: u64) {
        let (now, redeliver) = (self.now_ms(inner), inner.settings.redeliver);
        if let Some((_, session)) = inner.sessions.on(conn) {
            session.lose(now, redeliver);
        }
    }

    /// Disconnects a socket by `41`.
    pub(super) fn throw_out(&self, inner: &mut Inner, conn: u64, close: bool) {
        self.detach(inner, conn);
        if let Some(conn) = inner.conns.get_mut(&conn) {
            conn.refused = true;
        }
        if self.io.is_joined(conn, "/") {
            inner.seen.disconnects += 1;
        }
        self.io.disconnect(conn, "/", close);
    }
}

impl Problem {
    /// Gives a problem with the platform's words for it.
    pub(super) fn of(event: &str) -> Self {
        let description = match event {
            "system:error:expired-token" => {
                "You provided an expired token. Please provide a valid token."
            }
            "system:error:invalid-token" => {
                "You provided an invalid token. Please provide a valid token."
            }
            "session:error:invalid" => "The session is invalid.",
            "session:error:max-open-sessions" => "The user has too many open sessions.",
            "user:error:not-found" => "The user does not exist.",
            "system:error:permission" => "You do not have the required permissions.",
            "system:error:invalid-event" => "The event is not known.",
            _ => "Something went wrong.",
        };
        Self { event: event.to_owned(), description: description.to_owned() }
    }

    /// Gives what the script has asked for.
    pub(super) fn scripted(status: u16, refusal: &Refusal) -> Self {
        let named = |field: &str| refusal.body.as_ref()?.get(field)?.as_str();
        let mut problem = Self::of(named("event").unwrap_or(match status {
            401 => "system:error:invalid-token",
            403 => "system:error:permission",
            404 => "user:error:not-found",
            410 => "session:error:invalid",
            429 => "session:error:max-open-sessions",
            _ => "system:error:internal",
        }));
        if let Some(description) = named("description") {
            description.clone_into(&mut problem.description);
        }
        problem
    }
}

impl super::Tokens {
    /// Remembers a token, so that a later revocation means it.
    pub(super) fn learn(&mut self, token: &str) {
        if self.known.len() < MAX_TOKENS && token.len() <= MAX_TOKEN {
            self.known.insert(token.to_owned());
        }
    }
}

const MAX_TOKENS: usize = 10_000;
const MAX_TOKEN: usize = 16 * 1024;
