//! Lookup, login and refresh.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use redial_core::http::{HttpRequest, HttpResponse, HttpResult, Method, NoAnswer};
use redial_core::{
    Authorize, Cause, Fault, Handshake, Io, Policy, Reason, Secret, Timestamp, Wait,
};
use serde_json::{Value, json};

use crate::adapter::LivePerson;
use crate::config::{Builder, Credentials};
use crate::hosts::Hosts;
use crate::login::{Answer, cookie};

/// A step of the token's making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Step {
    /// The domain lookup.
    Lookup = 0,
    /// The login.
    Login = 1,
    /// The refresh of the login's session.
    Refresh = 2,
}

impl Step {
    /// Returns the name; see [`Adapter::step_name`](redial_core::Adapter::step_name).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "csds",
            Self::Login => "login",
            Self::Refresh => "refresh",
        }
    }

    pub(crate) const fn name_of(number: u8) -> &'static str {
        match number {
            0 => Self::Lookup.name(),
            1 => Self::Login.name(),
            2 => Self::Refresh.name(),
            _ => "http",
        }
    }

    const fn cause(self, status: u16) -> Cause {
        Cause::Http { step: self as u8, status }
    }
}

/// What a login brought, and what it takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    bearer: Option<Secret>,
    /// Whether no dial has used the bearer yet.
    fresh: bool,
    csrf: Option<Secret>,
    /// The session's cookie, name and value.
    cookie: Option<Secret>,
    hosts: Option<Hosts>,
    /// Until when an exchange that was asked for may be under way.
    asking: Option<Timestamp>,
    /// Whether the application has offered a bearer since the last request for a token.
    offered: bool,
    pub(crate) user_id: Option<String>,
    pub(crate) user_pid: Option<String>,
}

impl Login {
    pub(crate) fn new(config: &Builder) -> Self {
        let bearer = match &config.credentials {
            Credentials::Bearer(bearer) => Some(bearer.clone()),
            Credentials::Password { .. }
            | Credentials::OAuth1 { .. }
            | Credentials::OAuth2ClientCredentials { .. }
            | Credentials::Saml { .. }
            | Credentials::Ask => None,
        };
        let fresh = bearer.is_some();
        Self { bearer, fresh, user_id: config.user_id.clone(), ..Self::default() }
    }

    /// Takes a bearer from the application; returns whether it can be dialled with.
    pub(crate) fn offer(&mut self, bearer: Secret) -> bool {
        self.offered = true;
        if bearer.expose().is_empty() {
            return false;
        }
        self.bearer = Some(bearer);
        self.fresh = true;
        // Both belong to the login that made the bearer before.
        self.csrf = None;
        self.cookie = None;
        self.hosts.is_some()
    }

    /// Names what the peer knows.
    pub(crate) fn secrets(&self, name: &mut dyn FnMut(&str)) {
        let all = [&self.bearer, &self.csrf, &self.cookie];
        all.into_iter().flatten().for_each(|secret| name(secret.expose()));
    }

    /// Writes where to dial.
    pub(crate) fn dial(&mut self, config: &Builder, out: &mut Handshake) {
        let (Some(bearer), Some(hosts)) = (&self.bearer, &self.hosts) else { return };
        self.fresh = false;
        let scheme = if config.plain { "ws" } else { "wss" };
        let (host, account) = (&hosts.messaging, encoded(&config.account));
        let bearer = encoded(bearer.expose());
        out.url =
            format!("{scheme}://{host}/ws_api/account/{account}/messaging/brand/{bearer}?v=2.1");
        if let Some(integration) = &config.integration {
            out.url.push_str(&format!(
                "&intid={}&intvn={}&appId={}",
                encoded(&integration.name),
                encoded(&integration.version),
                encoded(&integration.app_id)
            ));
        }
    }

    pub(crate) fn authorize(
        &mut self,
        config: &Builder,
        policy: &Policy,
        kind: Authorize,
        io: &mut Io<'_, LivePerson>,
    ) {
        let known = self.hosts.as_ref().is_some_and(|hosts| io.cx.now < hosts.until);
        // However often the application offers a bearer, one exchange is under way.
        let again = core::mem::take(&mut self.offered);
        let asking = self.asking.is_some_and(|until| io.cx.now < until);
        match kind {
            Authorize::Regenerate { .. } if again && asking && !(self.fresh && known) => {}
            Authorize::Regenerate { reason, .. } => {
                if known {
                    self.supply(config, policy, Some(reason), io);
                } else {
                    self.ask(Step::Lookup, policy, lookup(config), io);
                }
            }
            Authorize::Renew if again && asking && !self.fresh => {}
            Authorize::Renew => match self.refresh(config) {
                Some(request) => self.ask(Step::Refresh, policy, request, io),
                // Nothing to refresh with: the bearer lives as long as it lives.
                None => io.token_ready(None, true),
            },
        }
    }

    pub(crate) fn handle_http(
        &mut self,
        config: &Builder,
        policy: &Policy,
        reason: Option<Reason>,
        (step, answer): (Step, HttpResult),
        io: &mut Io<'_, LivePerson>,
    ) {
        self.asking = None;
        let answer = match answer {
            Ok(answer) if (200..300).contains(&answer.status) => answer,
            Ok(answer) => return io.token_failed(step.cause(answer.status), answer.retry_after),
            Err(NoAnswer::Network | NoAnswer::Unreached) => {
                return io.token_failed(Cause::Network, None);
            }
            Err(NoAnswer::Timeout) => {
                return io.token_failed(Cause::Timeout(Wait::Token), None);
            }
        };
        let failed = (step.cause(answer.status), answer.retry_after);
        match step {
            Step::Lookup => {
                let until = io.cx.now + config.cache;
                match Hosts::parse(&answer.body, config.service.as_deref(), until) {
                    Some(hosts) => {
                        self.hosts = Some(hosts);
                        self.supply(config, policy, reason, io);
                    }
                    None => {
                        io.problem(Fault::Vendor, "the domain lookup named no usable host");
                        io.token_failed(failed.0, failed.1);
                    }
                }
            }
            Step::Login => match Answer::parse(&answer) {
                Some(login) => {
                    let expires_in = login.expires_in;
                    self.take(login, &answer);
                    io.token_ready(expires_in, true);
                }
                None => {
                    io.problem(Fault::Vendor, "the login answered without a user or a bearer");
                    io.token_failed(failed.0, failed.1);
                }
            },
            Step::Refresh => {
                if let Some(cookie) = cookie(&answer) {
                    self.cookie = Some(cookie);
                }
                // The refresh has prolonged the bearer by a span that it does not tell: from here
                // on only the server says that the bearer is dead.
                io.token_ready(None, true);
            }
        }
    }

    /// The hosts are known: makes the bearer.
    fn supply(
        &mut self,
        config: &Builder,
        policy: &Policy,
        reason: Option<Reason>,
        io: &mut Io<'_, LivePerson>,
    ) {
        if self.fresh && self.bearer.is_some() {
            return io.token_ready(None, true);
        }
        let Some(body) = login_body(&config.credentials) else {
            return self.replace(config, reason, io);
        };
        let login = self.hosts.as_ref().and_then(|hosts| hosts.login.as_deref());
        match login {
            Some(host) => {
                let request = post(config, host, "login", &body);
                self.ask(Step::Login, policy, request, io);
            }
            None => {
                // It was enough for a bearer of the application's and is not for a login.
                self.hosts = None;
                io.problem(Fault::Vendor, "the domain lookup named no host for logins");
                io.token_failed(Step::Lookup.cause(200), None);
            }
        }
    }

    /// There is no bearer, or a ready-made one has served: the application must give one.
    fn replace(&mut self, config: &Builder, reason: Option<Reason>, io: &mut Io<'_, LivePerson>) {
        let rejected = reason == Some(Reason::Rejected);
        if config.token_source {
            io.token_needed(self.bearer.clone().filter(|_| rejected));
            return;
        }
        if rejected {
            let text = "the bearer was refused and there is no token source";
            io.problem(Fault::Caller, text);
        }
        io.token_ready(None, true);
    }

    fn ask(
        &mut self,
        step: Step,
        policy: &Policy,
        request: HttpRequest,
        io: &mut Io<'_, LivePerson>,
    ) {
        let within = policy.spec().timeouts.http;
        self.asking = Some(io.cx.now + within);
        io.http(step, within, request);
    }

    fn take(&mut self, login: Answer, answer: &HttpResponse) {
        self.bearer = Some(login.bearer);
        self.fresh = false;
        self.csrf = login.csrf;
        self.cookie = cookie(answer);
        self.user_id = Some(login.user_id);
        self.user_pid = login.user_pid;
    }

    fn refresh(&self, config: &Builder) -> Option<HttpRequest> {
        let csrf = self.csrf.as_ref()?;
        let host = self.hosts.as_ref()?.login.as_deref()?;
        let mut request = post(config, host, "refresh", &json!({ "csrf": csrf.expose() }));
        if let Some(cookie) = &self.cookie {
            request.headers.push(("cookie", cookie.expose().to_string()));
        }
        Some(request)
    }
}

fn login_body(credentials: &Credentials) -> Option<Value> {
    Some(match credentials {
        Credentials::Password { username, password } => {
            json!({ "username": username, "password": password.expose() })
        }
        Credentials::OAuth1 { username, app_key, secret, access_token, access_token_secret } => {
            json!({
                "username": username,
                "appKey": app_key.expose(),
                "secret": secret.expose(),
                "accessToken": access_token.expose(),
                "accessTokenSecret": access_token_secret.expose(),
            })
        }
        Credentials::OAuth2ClientCredentials { username, client_id, client_secret } => {
            json!({
                "username": username,
                "appKey": client_id.expose(),
                "secret": client_secret.expose(),
                "accessToken": PLACEHOLDER,
                "accessTokenSecret": PLACEHOLDER,
            })
        }
        Credentials::Saml { assertion } => {
            json!({ "jwt": PLACEHOLDER, "assertion": assertion.expose() })
        }
        Credentials::Bearer(_) | Credentials::Ask => return None,
    })
}

fn lookup(config: &Builder) -> HttpRequest {
    let (scheme, account) = (scheme(config), encoded(&config.account));
    let host = &config.csds;
    HttpRequest {
        method: Method::Get,
        url: format!("{scheme}://{host}/api/account/{account}/service/baseURI.json?version=1.0"),
        headers: headers(config),
        body: Bytes::new(),
    }
}

fn post(config: &Builder, host: &str, what: &str, body: &Value) -> HttpRequest {
    let (scheme, account) = (scheme(config), encoded(&config.account));
    let mut headers = headers(config);
    headers.push(("content-type", "application/json".to_string()));
    HttpRequest {
        method: Method::Post,
        url: format!("{scheme}://{host}/api/account/{account}/{what}?v=1.3"),
        headers,
        body: Bytes::from(body.to_string()),
    }
}

fn headers(config: &Builder) -> Vec<(&'static str, String)> {
    alloc::vec![
        ("accept", "application/json".to_string()),
        ("user-agent", config.user_agent.clone()),
    ]
}

const fn scheme(config: &Builder) -> &'static str {
    if config.plain { "http" } else { "https" }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What the vendor's documents and its SDK put where a value is asked for and not looked at.
const PLACEHOLDER: &str = "dummy";
