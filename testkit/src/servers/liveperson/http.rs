//! Domain lookup, login, refresh and upgrade.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;
use http::header::COOKIE;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::options::RefuseMode;
use super::state::{CsdsCall, LoginCall, RefreshCall, UpgradeCall, note};
use super::{Inner, LivePerson};
use crate::servers::http::{handshake_fault, header};
use crate::servers::hub::{Answer, Hub, Reply, Request};
use crate::servers::socket::Out;

/// Where a request goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Route {
    Csds { account: String, service: Option<String> },
    Login { account: String },
    Refresh,
    Socket { account: String, bearer: String },
    Unknown,
}

impl Route {
    pub(crate) fn of(request: &Request) -> Self {
        let segments: Vec<_> = request.path.trim_start_matches('/').split('/').collect();
        match segments[..] {
            ["api", "account", account, "service", "baseURI.json"] => {
                Self::Csds { account: account.to_owned(), service: None }
            }
            ["api", "account", account, "service", name, "baseURI.json"] => {
                Self::Csds { account: account.to_owned(), service: Some(name.to_owned()) }
            }
            ["api", "account", account, "login"] => Self::Login { account: account.to_owned() },
            ["api", "account", _, "refresh"] => Self::Refresh,
            ["ws_api", "account", account, "messaging", "brand", bearer] => Self::Socket {
                account: account.to_owned(),
                bearer: percent_decode_str(bearer).decode_utf8_lossy().into_owned(),
            },
            _ => Self::Unknown,
        }
    }

    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::Csds { .. } => "csds",
            Self::Login { .. } => "login",
            Self::Refresh => "refresh",
            Self::Socket { .. } => "upgrade",
            Self::Unknown => "",
        }
    }

    fn method(&self) -> Method {
        match self {
            Self::Login { .. } | Self::Refresh => Method::POST,
            _ => Method::GET,
        }
    }
}

impl LivePerson {
    pub(super) fn route(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer {
        let route = Route::of(request);
        if route != Route::Unknown && request.method != route.method() {
            return Answer::Reply(error(405, "Method not allowed", 4));
        }
        match route {
            Route::Csds { account, service } => {
                Answer::Reply(self.csds(hub, &account, service, omit))
            }
            Route::Login { account } => Answer::Reply(self.login(hub, &account, request, omit)),
            Route::Refresh => Answer::Reply(self.refresh(hub, request)),
            Route::Socket { account, bearer } => self.upgrade(hub, request, &account, &bearer),
            Route::Unknown => {
                self.lock().seen.unknown_paths += 1;
                Answer::Reply(error(404, "Not found", 5))
            }
        }
    }

    /// Records a refusal and gives the error body that the recordings show for it.
    pub(super) fn refuse(&self, hub: &Hub, request: &Request, status: Option<u16>) -> Reply {
        let t_ms = hub.wire.now_ms();
        let seen = &mut self.lock().seen;
        match Route::of(request) {
            Route::Csds { service, .. } => {
                note(&mut seen.csds, CsdsCall { t_ms, service, status });
                Reply::json(status.unwrap_or(200), None)
            }
            Route::Login { .. } => {
                let variant = variant(&request.body);
                note(&mut seen.logins, LoginCall { t_ms, variant, status, bearer: None });
                known_error(status.unwrap_or(200), "Bad credentials", 2)
            }
            Route::Refresh => {
                note(&mut seen.refreshes, RefreshCall { t_ms, status, bearer: None });
                known_error(status.unwrap_or(200), "CSRF token invalid", 10)
            }
            Route::Socket { bearer, .. } => {
                let bearer = hub.wire.name("foreign-bearer", &bearer);
                note(&mut seen.upgrades, UpgradeCall { t_ms, bearer, status, conn: None });
                Reply::empty(status.unwrap_or(200))
            }
            Route::Unknown => Reply::json(status.unwrap_or(200), None),
        }
    }

    fn csds(&self, hub: &Hub, account: &str, service: Option<String>, omit: Option<&str>) -> Reply {
        let known = |name: &str| SERVICES.contains(&name) && omit != Some(name);
        let entry =
            |name: &str| json!({ "service": name, "account": account, "baseURI": self.host });
        let reply = match &service {
            Some(name) if known(name) => Reply::json(200, Some(entry(name))),
            Some(_) => error(404, "Service not found", 6),
            None => {
                let all: Vec<_> =
                    SERVICES.iter().filter(|name| known(name)).map(|name| entry(name)).collect();
                Reply::json(200, Some(json!({ "baseURIs": all })))
            }
        };
        let call = CsdsCall { t_ms: hub.wire.now_ms(), service, status: Some(reply.status) };
        note(&mut self.lock().seen.csds, call);
        reply
    }

    fn login(&self, hub: &Hub, account: &str, request: &Request, omit: Option<&str>) -> Reply {
        let t_ms = hub.wire.now_ms();
        let mut inner = self.lock();
        let variant = variant(&request.body);
        let (reply, bearer) = match self.try_login(hub, &mut inner, account, request, omit) {
            Ok((reply, label)) => (reply, Some(label)),
            Err(reply) => (reply, None),
        };
        let call = LoginCall { t_ms, variant, status: Some(reply.status), bearer };
        note(&mut inner.seen.logins, call);
        reply
    }

    fn try_login(
        &self,
        hub: &Hub,
        inner: &mut Inner,
        account: &str,
        request: &Request,
        omit: Option<&str>,
    ) -> Result<(Reply, String), Reply> {
        let now = hub.wire.now_ms();
        if let Some((allowed, window)) = inner.settings.login_rate {
            let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
            let recent =
                inner.seen.logins.iter().rev().filter(|call| {
                    call.status != Some(429) && call.t_ms.saturating_add(window) > now
                });
            let times: Vec<_> = recent.map(|call| call.t_ms).collect();
            if times.len() >= allowed as usize {
                let oldest = times.last().copied().unwrap_or(now);
                let wait = oldest.saturating_add(window).saturating_sub(now).div_ceil(1000).max(1);
                let mut reply = known_error(429, "Too many requests", 29);
                reply.headers.push(("retry-after", wait.to_string()));
                return Err(reply);
            }
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let login_name = check_login(inner, &body)?;

        let n = inner.seen.logins.len() + 1;
        let session = inner.tokens.issue(n, account, now, &inner.settings);
        hub.wire.label_as(&session.bearer, &session.label);
        hub.wire.label_as(&session.csrf, &format!("csrf-{n}"));
        hub.wire.label_as(&session.cookie, &format!("session-{n}"));
        let uris: Vec<_> = SERVICES
            .iter()
            .map(|name| json!({ "account": account, "baseURI": self.host, "service": name }))
            .collect();
        let mut answer = json!({
            "csrf": session.csrf,
            "wsuk": "766900772095619056",
            "config": {
                "loginName": login_name,
                "userId": inner.settings.user_id,
                "userPid": inner.settings.user_pid,
                "serverCurrentTime": epoch_ms(),
                "timeDiff": 0,
                "isLPA": false,
                "isAdmin": false,
            },
            "csdsCollectionResponse": { "baseURIs": uris },
            "accountData": { "agentGroupsData": { "items": [], "revision": 1 } },
            "sessionTTl": inner.settings.session_ttl_ms.to_string(),
            "bearer": session.bearer,
        });
        if let (Some(field), Some(fields)) = (omit, answer.as_object_mut()) {
            fields.remove(field);
            if let Some(config) = fields.get_mut("config").and_then(Value::as_object_mut) {
                config.remove(field);
            }
        }
        let mut reply = Reply::json(200, Some(answer));
        reply.headers.push(("set-cookie", set_cookie(&session.cookie)));
        Ok((reply, session.label))
    }

    fn refresh(&self, hub: &Hub, request: &Request) -> Reply {
        let t_ms = hub.wire.now_ms();
        let inner = &mut *self.lock();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let csrf = body.get("csrf").and_then(Value::as_str).unwrap_or_default();
        let cookies = header(&request.headers, COOKIE);
        let cookie = cookies
            .split(';')
            .filter_map(|pair| pair.trim().strip_prefix("Session_id="))
            .next()
            .unwrap_or_default();
        let session = inner.tokens.refresh(cookie, csrf, t_ms, &inner.settings);
        let reply = match &session {
            Some(session) => {
                let label = session.label.replace("bearer", "session");
                hub.wire.label_as(&session.cookie, &label);
                let mut reply = Reply::json(200, None);
                reply.headers.push(("set-cookie", set_cookie(&session.cookie)));
                reply
            }
            None => known_error(401, "CSRF token invalid", 10),
        };
        let bearer = session.map(|session| session.label);
        let call = RefreshCall { t_ms, status: Some(reply.status), bearer };
        note(&mut inner.seen.refreshes, call);
        reply
    }

    fn upgrade(&self, hub: &Hub, request: &Request, account: &str, bearer: &str) -> Answer {
        let t_ms = hub.wire.now_ms();
        let inner = &mut *self.lock();
        let admitted = inner.tokens.admits(bearer, account, t_ms, &inner.settings);
        let mut then = Vec::new();
        let fault = match handshake_fault(request) {
            Some(status) => Some(status),
            None if admitted => None,
            None if inner.settings.refuse_mode == RefuseMode::Close4401 => {
                then.push(Out::Close(4401, "bearer is not valid".to_owned()));
                None
            }
            None => Some(401),
        };
        let bearer = hub.wire.name("foreign-bearer", bearer);
        let conn = fault.is_none().then(|| hub.next_conn());
        let status = Some(fault.unwrap_or(101));
        note(&mut inner.seen.upgrades, UpgradeCall { t_ms, bearer, status, conn });
        match (fault, conn) {
            (None, Some(conn)) => {
                let asked = inner.settings.subprotocol.clone();
                let headers =
                    asked.map(|name| ("sec-websocket-protocol", name)).into_iter().collect();
                inner.accounts.insert(conn, account.to_owned());
                Answer::Upgrade { conn, headers, then }
            }
            (Some(426), _) => {
                let mut reply = Reply::empty(426);
                reply.headers.push(("sec-websocket-version", "13".to_owned()));
                Answer::Reply(reply)
            }
            (fault, _) => Answer::Reply(Reply::empty(fault.unwrap_or(400))),
        }
    }
}

/// Checks a login body; the login name comes back.
fn check_login(inner: &Inner, body: &Value) -> Result<String, Reply> {
    let field = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let bad_body = || error(400, "Bad request", 3);
    let settings = &inner.settings;
    let listed = |list: &[(String, String)], name: &str, secret: &str| {
        list.is_empty() || list.iter().any(|(known, own)| known == name && own == secret)
    };
    let (name, admitted) = match variant_of(body) {
        "assertion" => {
            let assertion = field("assertion").ok_or_else(bad_body)?;
            let known = settings.assertions.iter().any(|known| known == assertion);
            ("sso-user", settings.assertions.is_empty() || known)
        }
        "oauth1" => {
            let username = field("username").ok_or_else(bad_body)?;
            let key = field("appKey").ok_or_else(bad_body)?;
            let secret = field("secret").ok_or_else(bad_body)?;
            field("accessToken").ok_or_else(bad_body)?;
            field("accessTokenSecret").ok_or_else(bad_body)?;
            (username, listed(&settings.app_secrets, key, secret))
        }
        "password" => {
            let username = field("username").ok_or_else(bad_body)?;
            let password = field("password").ok_or_else(bad_body)?;
            (username, listed(&settings.users, username, password))
        }
        _ => return Err(bad_body()),
    };
    if admitted { Ok(name.to_owned()) } else { Err(known_error(401, "Bad credentials", 2)) }
}

fn variant(body: &[u8]) -> &'static str {
    variant_of(&serde_json::from_slice(body).unwrap_or_default())
}

fn variant_of(body: &Value) -> &'static str {
    let has = |name: &str| body.get(name).is_some();
    match () {
        () if has("jwt") || has("assertion") => "assertion",
        () if has("appKey") => "oauth1",
        () if has("password") => "password",
        () => "unknown",
    }
}

fn known_error(status: u16, unauthorized: &str, code: u32) -> Reply {
    match status {
        200..=299 => Reply::json(status, None),
        401 => error(401, unauthorized, code),
        400 => error(400, "Bad request", 3),
        429 => error(429, "Too many requests", 29),
        451 => error(451, "Account or user is blocked", 30),
        500 => error(500, "Internal", 1),
        status => error(status, "Refused", 1),
    }
}

fn error(status: u16, message: &str, code: u32) -> Reply {
    let name = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let name = name.unwrap_or("Error").to_ascii_uppercase().replace([' ', '-'], "_");
    Reply::json(
        status,
        Some(json!({ "error": {
            "time": "Sep 22, 2016 4:10:15 PM",
            "message": message,
            "internalCode": code,
            "responseStatus": name,
        }})),
    )
}

fn set_cookie(cookie: &str) -> String {
    format!("Session_id={cookie}; Path=/; Secure; HttpOnly")
}

/// Tells the wall clock, as the vendor's answers carry it.
pub(super) fn epoch_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

const SERVICES: [&str; 4] = ["agentVep", "asyncMessagingEnt", "facadeMsg", "accountConfigReadOnly"];
