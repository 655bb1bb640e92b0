//! The HTTP side: opening a socket, a token for a session, and what SDKs ask besides.

use std::sync::Arc;

use http::{Method, header};
use serde_json::{Value, json};

use super::attach::Problem;
use super::options::Generation;
use super::state::{UpgradeCall, note};
use super::{Hello, Inner, Vonage};
use crate::servers::http::header as header_text;
use crate::servers::hub::{Answer, Hub, Reply, Request};
use crate::servers::socketio::query;

/// What a request is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Route<'a> {
    Socket,
    Session(&'a str),
    Metrics,
    Events(&'a str),
    /// Resources that SDKs look at and that are not simulated.
    Known,
    Unknown,
}

impl<'a> Route<'a> {
    pub(super) fn of(generation: Generation, request: &'a Request) -> Self {
        let path = request.path.as_str();
        if let Some(rest) = path.strip_prefix(generation.path()) {
            match rest {
                "" | "/" => return Self::Socket,
                "/metrics" if request.method == Method::POST => return Self::Metrics,
                _ => {}
            }
        }
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        match parts[..] {
            ["v0.2", "sessions", id]
                if request.method == Method::PUT && generation == Generation::V2 =>
            {
                Self::Session(id)
            }
            ["beta2", "conversations", cid, "events"] if request.method == Method::GET => {
                Self::Events(cid)
            }
            ["beta" | "beta2" | "v0.1" | "v0.2" | "v0.3" | "v1", resource, ..]
                if RESOURCES.contains(&resource) =>
            {
                Self::Known
            }
            _ => Self::Unknown,
        }
    }

    /// Names the step, in the script's words.
    pub(super) fn step(self) -> &'static str {
        match self {
            Self::Socket => "upgrade",
            Self::Session(_) => "refresh",
            Self::Metrics | Self::Events(_) | Self::Known => "rest",
            Self::Unknown => "",
        }
    }
}

impl Vonage {
    /// Answers a request.
    pub(super) fn route(
        self: &Arc<Self>,
        hub: &Hub,
        request: &Request,
        omit: Option<&str>,
    ) -> Answer {
        let inner = &mut *self.lock();
        let route = Route::of(self.generation, request);
        match route {
            Route::Socket => return self.upgrade(hub, inner, request),
            Route::Unknown => {
                inner.seen.unknown_paths += 1;
                return not_found();
            }
            Route::Metrics => inner.seen.metrics += 1,
            Route::Events(_) | Route::Known => inner.seen.rest += 1,
            Route::Session(_) => {}
        }
        let token = bearer(request).unwrap_or_default();
        if let Route::Session(id) = route {
            return self.refresh(inner, id, token, omit);
        }
        if let Err(problem) = self.check(inner, token) {
            return unauthorized(&problem);
        }
        match route {
            Route::Metrics => Answer::Reply(Reply::json(200, Some(json!({})))),
            Route::Events(cid) => events(inner, cid, request),
            _ => not_found(),
        }
    }

    /// Records a scripted refusal and gives the platform's error body.
    pub(super) fn refuse(&self, _hub: &Hub, request: &Request, status: Option<u16>) -> Reply {
        let inner = &mut *self.lock();
        match Route::of(self.generation, request) {
            Route::Socket => self.note_upgrade(inner, &hello(request), None),
            Route::Session(_) => {
                self.note_refresh(inner, true, bearer(request).unwrap_or_default(), false);
            }
            Route::Metrics => inner.seen.metrics += 1,
            _ => inner.seen.rest += 1,
        }
        let event = match status {
            Some(401) => "system:error:invalid-token",
            Some(403) => "system:error:permission",
            Some(404) => "http:error:not-found",
            Some(429) => "system:error:too-many-requests",
            _ => "system:error:internal",
        };
        Reply::json(status.unwrap_or(500), Some(error_body("Error", &Problem::of(event))))
    }

    fn upgrade(self: &Arc<Self>, hub: &Hub, inner: &mut Inner, request: &Request) -> Answer {
        let answer = self.io.handshake(hub, request);
        let hello = hello(request);
        let conn = match &answer {
            Answer::Upgrade { conn, then, .. } if then.is_empty() => Some(*conn),
            _ => None,
        };
        self.note_upgrade(inner, &hello, conn);
        if let Some(conn) = conn {
            inner.admitted.insert(conn, hello);
        }
        answer
    }

    fn note_upgrade(&self, inner: &mut Inner, hello: &Hello, conn: Option<u64>) {
        let token = hello.token.as_ref().map(|token| self.wire.name("jwt", token));
        let (t_ms, session_id) = (self.wire.now_ms(), hello.session_id.clone());
        note(&mut inner.seen.upgrades, UpgradeCall { t_ms, conn, session_id, token });
    }

    fn refresh(&self, inner: &mut Inner, id: &str, token: &str, omit: Option<&str>) -> Answer {
        inner.sessions.sweep(self.now_ms(inner), inner.settings.window);
        let done = match self.check(inner, token) {
            Err(problem) => Err(unauthorized(&problem)),
            Ok(_) if inner.sessions.get(id).is_none() => Err(not_found()),
            Ok(_) => self.renew(inner, id, token).map_err(|problem| unauthorized(&problem)),
        };
        self.note_refresh(inner, true, token, done.is_ok());
        match done {
            Err(answer) => answer,
            Ok(()) => {
                let mut body = json!({ "id": id, "session_id": id });
                if let (Some(omit), Some(fields)) = (omit, body.as_object_mut()) {
                    fields.remove(omit);
                }
                self.decorate(inner, &mut body);
                Answer::Reply(Reply::json(200, Some(body)))
            }
        }
    }
}

/// Reads what a client says in the query of its handshake.
pub(super) fn hello(request: &Request) -> Hello {
    Hello {
        session_id: query(request, "session_id").filter(|id| !id.is_empty()),
        token: query(request, "token"),
        acknowledges: query(request, "acknowledge_events").as_deref() == Some("true"),
    }
}

/// Reads the bearer of a request; SDKs disagree about the case of the scheme.
pub(super) fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = header_text(&request.headers, header::AUTHORIZATION).split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A part of a conversation's history.
fn events(inner: &Inner, cid: &str, request: &Request) -> Answer {
    let bound = |name: &str| query(request, name).and_then(|text| text.parse::<u64>().ok());
    let (from, to) = (bound("start_id").unwrap_or(0), bound("end_id").unwrap_or(u64::MAX));
    let number = |event: &Value| event["id"].as_str().and_then(|id| id.parse::<u64>().ok());
    let found: Vec<_> = inner
        .conversations
        .get(cid)
        .iter()
        .flat_map(|conversation| &conversation.events)
        .map(super::session::Pushed::with_type)
        .filter(|event| number(event).is_some_and(|id| (from..=to).contains(&id)))
        .take(PAGE)
        .collect();
    let link = format!("{}?{}", request.path, request.query.as_deref().unwrap_or_default());
    Answer::Reply(Reply::json(
        200,
        Some(json!({
            "page_size": PAGE,
            "_embedded": { "data": { "events": found } },
            "_links": { "self": { "href": link } },
        })),
    ))
}

fn unauthorized(problem: &Problem) -> Answer {
    Answer::Reply(Reply::json(401, Some(error_body("Unauthorized", problem))))
}

fn error_body(title: &str, problem: &Problem) -> Value {
    json!({
        "type": format!("https://developer.nexmo.com/api/conversation#{}", problem.event),
        "title": title,
        "detail": problem.description,
        "code": problem.event,
        "description": problem.description,
    })
}

fn not_found() -> Answer {
    let body = json!({ "code": "http:error:not-found", "description": "not found" });
    Answer::Reply(Reply::json(404, Some(body)))
}

const RESOURCES: [&str; 8] =
    ["conversations", "users", "sessions", "legs", "knocking", "devices", "discovery", "image"];
const PAGE: usize = 100;
