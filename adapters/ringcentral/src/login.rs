//! OAuth: how an access token is had and kept fresh.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use redial_core::http::{HttpRequest, HttpResponse, HttpResult, Method, NoAnswer};
use redial_core::{Cause, Secret, Span, Timestamp, Wait};
use serde_json::Value;

use crate::config::{Client, Credentials};
use crate::{body, net};

/// The number of a login in a [`Cause::Http`](redial_core::Cause::Http).
pub const LOGIN: u8 = 0;
/// The number of a refresh in a [`Cause::Http`](redial_core::Cause::Http).
pub const REFRESH: u8 = 1;
/// The number of a wstoken request in a [`Cause::Http`](redial_core::Cause::Http).
pub const WSTOKEN: u8 = 2;
/// The number of a REST request in a [`Cause::Http`](redial_core::Cause::Http).
pub const REST: u8 = 3;

pub(crate) const fn step_name(step: u8) -> &'static str {
    match step {
        LOGIN => "login",
        REFRESH => "refresh",
        WSTOKEN => "wstoken",
        REST => "rest",
        _ => "http",
    }
}

/// The OAuth session of an account, as data: it says what to ask the server, and takes the answer.
pub(crate) struct Login {
    credentials: Credentials,
    access: Option<Access>,
    refresh: Option<Secret>,
    /// What a code was exchanged for is all that it gives.
    code_spent: bool,
    /// The exchange that is under way.
    asked: Option<u8>,
}

struct Access {
    token: Secret,
    expires_at: Option<Timestamp>,
    /// Whether a wstoken was asked for with it.
    used: bool,
    /// Until when a refusal is no reason for another one: it is as new as that, and the server has
    /// taken it for nothing yet.
    unproved: Option<Timestamp>,
}

/// How an exchange has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is an access token.
    Ready,
    /// There is another exchange to try.
    Again,
    /// There is none.
    Failed { cause: Cause, retry_after: Option<Span> },
}

impl Login {
    /// Names what the peer knows.
    pub(crate) fn secrets(&self, name: &mut dyn FnMut(&str)) {
        let access = self.access.as_ref().map(|access| &access.token);
        [access, self.refresh.as_ref()].into_iter().flatten().for_each(|it| name(it.expose()));
    }

    pub(crate) fn new(credentials: Credentials) -> Self {
        let refresh = match &credentials {
            Credentials::RefreshToken(token) => Some(token.clone()),
            Credentials::Jwt(_) | Credentials::AuthCode { .. } | Credentials::Ask => None,
        };
        Self { credentials, access: None, refresh, code_spent: false, asked: None }
    }

    /// Returns the access token that is there.
    pub(crate) fn access(&self) -> Option<&Secret> {
        self.access.as_ref().map(|access| &access.token)
    }

    /// Returns whether the access token has been of use and is known to have expired.
    pub(crate) fn is_stale(&self, now: Timestamp) -> bool {
        let used = self.access.as_ref().filter(|access| access.used);
        used.and_then(|access| access.expires_at).is_some_and(|at| at <= now)
    }

    /// The server has taken this access token.
    pub(crate) fn note_proof(&mut self, proved: &Secret) {
        if let Some(access) = self.access.as_mut().filter(|access| access.token == *proved) {
            access.unproved = None;
        }
    }

    /// Returns whether another access token can be expected to do better than this one.
    pub(crate) fn is_worth_renewing(&self, now: Timestamp) -> bool {
        let unproved = self.access.as_ref().and_then(|access| access.unproved);
        unproved.is_none_or(|until| until <= now)
    }

    pub(crate) fn note_use(&mut self) {
        if let Some(access) = &mut self.access {
            access.used = true;
        }
    }

    pub(crate) const fn refresh_token(&self) -> Option<&Secret> {
        self.refresh.as_ref()
    }

    pub(crate) fn restore(&mut self, refresh: Secret) {
        self.refresh = Some(refresh);
        self.access = None;
    }

    /// Takes an access token from the application.
    pub(crate) fn offer(&mut self, token: Secret) {
        self.access = Some(Access { token, expires_at: None, used: false, unproved: None });
    }

    /// Forgets the access token, if it is this one.
    pub(crate) fn reject(&mut self, rejected: &Secret) {
        self.access.take_if(|access| access.token == *rejected);
    }

    /// Returns whether the server can be asked for an access token at all.
    pub(crate) const fn can_ask(&self) -> bool {
        match &self.credentials {
            Credentials::Jwt(_) => true,
            Credentials::AuthCode { .. } => self.refresh.is_some() || !self.code_spent,
            Credentials::RefreshToken(_) => self.refresh.is_some(),
            Credentials::Ask => false,
        }
    }

    pub(crate) const fn asks_application(&self) -> bool {
        matches!(self.credentials, Credentials::Ask)
    }

    /// Returns the next exchange; `None` where only the application can help.
    pub(crate) fn request(&mut self, client: &Client) -> Option<HttpRequest> {
        let mut form: Vec<(&str, &str)> = Vec::new();
        let step = if let Some(refresh) = &self.refresh {
            form.extend([("grant_type", "refresh_token"), ("refresh_token", refresh.expose())]);
            REFRESH
        } else {
            match &self.credentials {
                Credentials::Jwt(assertion) => {
                    form.extend([("grant_type", JWT_BEARER), ("assertion", assertion.expose())]);
                }
                Credentials::AuthCode { code, redirect_uri, verifier } if !self.code_spent => {
                    form.extend([("grant_type", "authorization_code"), ("code", code.expose())]);
                    form.push(("redirect_uri", redirect_uri));
                    if let Some(verifier) = verifier {
                        form.push(("code_verifier", verifier.expose()));
                    }
                    // Whatever becomes of the answer, a code is good once.
                    self.code_spent = true;
                }
                Credentials::AuthCode { .. } | Credentials::RefreshToken(_) | Credentials::Ask => {
                    return None;
                }
            }
            LOGIN
        };
        form.push(("client_id", &client.id));
        let pairs: Vec<String> =
            form.iter().map(|(key, value)| format!("{key}={}", net::encoded(value))).collect();
        let body = Bytes::from(pairs.join("&"));
        self.asked = Some(step);
        Some(client.post("/restapi/oauth/token", client.basic(), body))
    }

    /// Takes the answer to [`Login::request`].
    pub(crate) fn handle(&mut self, answer: HttpResult, now: Timestamp) -> Outcome {
        let step = self.asked.take().unwrap_or(LOGIN);
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return Outcome::Failed { cause: no_answer(why), retry_after: None },
        };
        let cause = Cause::Http { step, status: answer.status };
        if answer.status == 200 {
            return match self.adopt(&answer, now) {
                Some(()) => Outcome::Ready,
                None => Outcome::Failed { cause, retry_after: answer.retry_after },
            };
        }
        if step == REFRESH && matches!(answer.status, 400 | 401) {
            // The refresh token is dead. An assertion is good for another session.
            self.refresh = None;
            if matches!(self.credentials, Credentials::Jwt(_)) {
                return Outcome::Again;
            }
        }
        Outcome::Failed { cause, retry_after: answer.retry_after }
    }

    fn adopt(&mut self, answer: &HttpResponse, now: Timestamp) -> Option<()> {
        let fields: Value = serde_json::from_slice(&answer.body).ok()?;
        let text = |key: &str| {
            fields.get(key).and_then(Value::as_str).filter(|text| net::is_credential(text))
        };
        let token = Secret::new(text("access_token")?);
        let expires_in = fields.get("expires_in").and_then(body::seconds);
        let expires_at = expires_in.map(|span| now + span);
        let unproved = Some(now + UNPROVED);
        self.access = Some(Access { token, expires_at, used: false, unproved });
        if let Some(refresh) = text("refresh_token") {
            self.refresh = Some(Secret::new(refresh));
        }
        Some(())
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Client {
    fn basic(&self) -> String {
        let pair = format!("{}:{}", self.id, self.secret.expose());
        format!("Basic {}", STANDARD.encode(pair))
    }

    /// The request for a wstoken: an empty form.
    pub(crate) fn wstoken(&self, access: &Secret) -> HttpRequest {
        self.post("/restapi/oauth/wstoken", format!("Bearer {}", access.expose()), Bytes::new())
    }

    fn post(&self, path: &str, authorization: String, body: Bytes) -> HttpRequest {
        let headers = [
            ("authorization", authorization),
            ("content-type", "application/x-www-form-urlencoded".to_string()),
            ("accept", "application/json".to_string()),
            ("x-user-agent", self.user_agent.clone()),
        ];
        let url = format!("{}{path}", self.server);
        HttpRequest { method: Method::Post, url, headers: headers.into(), body }
    }
}

pub(crate) const fn no_answer(why: NoAnswer) -> Cause {
    match why {
        NoAnswer::Network | NoAnswer::Unreached => Cause::Network,
        NoAnswer::Timeout => Cause::Timeout(Wait::Token),
    }
}

/// How long a new access token that is refused is not replaced: a server that refuses whatever it
/// is asked would get a login for each request.
const UNPROVED: Span = Span::from_secs(60);
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
