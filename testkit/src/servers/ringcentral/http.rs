//! The OAuth endpoints, and the way to the others.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::form::{basic, bearer_token, presented};
use super::rest::{RestCall, Via, rest_error};
use super::set::USER;
use super::state::{RestSeen, TokenCall, UpgradeCall, WsTokenCall, note};
use super::tokens::{OauthSession, millis};
use super::{Inner, RingCentral};
use crate::servers::form::{find, pairs};
use crate::servers::http::header;
use crate::servers::hub::{Answer, Hub, Reply, Request};

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Route {
    Token,
    Revoke,
    WsToken,
    Socket,
    Rest,
    Unknown,
}

impl Route {
    pub(super) fn of(request: &Request) -> Self {
        match request.path.trim_end_matches('/') {
            "/restapi/oauth/token" => Self::Token,
            "/restapi/oauth/revoke" => Self::Revoke,
            "/restapi/oauth/wstoken" => Self::WsToken,
            SOCKET_PATH => Self::Socket,
            path if path.starts_with("/restapi/") && !path.starts_with("/restapi/oauth/") => {
                Self::Rest
            }
            _ => Self::Unknown,
        }
    }

    pub(super) fn step(self, request: &Request) -> &'static str {
        match self {
            Self::Token if grant(&request.body) == "refresh_token" => "refresh",
            Self::Token => "login",
            Self::WsToken => "wstoken",
            Self::Socket => "upgrade",
            Self::Rest => super::rest::step(request.method.as_str(), &request.path),
            Self::Revoke | Self::Unknown => "",
        }
    }
}

impl RingCentral {
    pub(super) fn route(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer {
        match Route::of(request) {
            Route::Token | Route::Revoke | Route::WsToken if request.method != Method::POST => {
                let error = rest_error("CMN-405", "HTTP method not allowed");
                Answer::Reply(Reply::json(405, Some(error)))
            }
            Route::Token => Answer::Reply(self.token(hub, request, omit)),
            Route::Revoke => Answer::Reply(self.revoke(request)),
            Route::WsToken => Answer::Reply(self.ws_token(hub, request, omit)),
            Route::Socket => self.upgrade(hub, request),
            Route::Rest => self.rest_over_https(hub, request, omit),
            Route::Unknown => {
                self.lock().seen.unknown_paths += 1;
                let error = rest_error("CMN-102", "Resource not found");
                Answer::Reply(Reply::json(404, Some(error)))
            }
        }
    }

    /// Records a scripted refusal and gives the vendor's error body for it.
    pub(super) fn refuse(&self, hub: &Hub, request: &Request, status: Option<u16>) -> Reply {
        let t_ms = hub.wire.now_ms();
        let body = status.and_then(|status| scripted_error(Route::of(request), status));
        let counters = &mut self.lock().seen;
        match Route::of(request) {
            Route::Token => {
                let grant = grant(&request.body);
                note(&mut counters.token_calls, TokenCall { t_ms, grant, status, access: None });
            }
            Route::WsToken => {
                note(&mut counters.ws_token_calls, WsTokenCall { t_ms, status, token: None });
            }
            Route::Socket => {
                let (token, wsc) = presented(request);
                let label = |kind: &str, token: &str| hub.wire.name(kind, token);
                let token = token.map(|token| label("foreign-wstoken", &token));
                let wsc = wsc.map(|wsc| label("foreign-wsc", &wsc));
                let call = UpgradeCall { t_ms, token, wsc, status, conn: None, outcome: "refused" };
                note(&mut counters.upgrades, call);
                return Reply::empty(status.unwrap_or(200));
            }
            Route::Rest => {
                let call = RestSeen {
                    t_ms,
                    via: Via::Https,
                    id: request_id(request).to_owned(),
                    method: request.method.as_str().to_owned(),
                    path: request.path.clone(),
                    status,
                    bytes: request.body.len(),
                };
                note(&mut counters.rest, call);
            }
            Route::Revoke | Route::Unknown => {}
        }
        Reply::json(status.unwrap_or(200), body)
    }

    fn token(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Reply {
        let t_ms = hub.wire.now_ms();
        let inner = &mut *self.lock();
        let outcome = grant_token(inner, hub, request, t_ms);
        let access = outcome.as_ref().ok().map(|session| hub.wire.name("access", &session.access));
        let reply = match outcome {
            Ok(session) => {
                let settings = &inner.settings;
                let body = json!({
                    "access_token": session.access,
                    "token_type": "bearer",
                    "expires_in": seconds(millis(settings.access_ttl)),
                    "refresh_token": session.refresh,
                    "refresh_token_expires_in": seconds(millis(settings.refresh_ttl)),
                    "scope": "WebSocketsSubscription ReadAccounts",
                    "owner_id": session.owner,
                    "endpoint_id": format!("EP{}", session.id),
                });
                Reply::json(200, Some(without(body, omit)))
            }
            Err(reply) => reply,
        };
        let grant = grant(&request.body);
        let call = TokenCall { t_ms, grant, status: Some(reply.status), access };
        note(&mut inner.seen.token_calls, call);
        reply
    }

    fn revoke(&self, request: &Request) -> Reply {
        let inner = &mut *self.lock();
        if let Err(reply) = client(inner, request) {
            return reply;
        }
        inner.seen.revocations += 1;
        // An unknown token is no error, as RFC 7009 has it.
        let fields = pairs(&String::from_utf8_lossy(&request.body));
        if let Some(token) = find(&fields, "token") {
            inner.tokens.revoke(token);
        }
        Reply::json(200, None)
    }

    fn ws_token(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Reply {
        let t_ms = hub.wire.now_ms();
        let inner = &mut *self.lock();
        let (reply, token) = match bearer(inner, &request.headers, t_ms) {
            Err(reply) => (reply, None),
            Ok(session) => match inner.tokens.count_auth(&session.owner, t_ms, &inner.settings) {
                Some(_) => (too_many(inner), None),
                None if !inner.settings.ws_permission => {
                    let reply = scripted_error(Route::WsToken, 403);
                    (Reply::json(403, reply), None)
                }
                None => {
                    let wire = &hub.wire;
                    let token = inner.tokens.issue_ws(session.id, t_ms, &inner.settings, wire);
                    let body = json!({
                        "uri": self.ws_uri,
                        "ws_access_token": token.token,
                        "expires_in": seconds(millis(inner.settings.ws_token_ttl)),
                    });
                    let label = wire.name("wstoken", &token.token);
                    (Reply::json(200, Some(without(body, omit))), Some(label))
                }
            },
        };
        let call = WsTokenCall { t_ms, status: Some(reply.status), token };
        note(&mut inner.seen.ws_token_calls, call);
        reply
    }

    fn rest_over_https(&self, hub: &Hub, request: &Request, omit: Option<&str>) -> Answer {
        let t_ms = hub.wire.now_ms();
        let inner = &mut *self.lock();
        let session = match bearer(inner, &request.headers, t_ms) {
            Ok(session) => session,
            Err(reply) => return Answer::Reply(reply),
        };
        let kind = header(&request.headers, CONTENT_TYPE);
        let call = RestCall {
            t_ms,
            via: Via::Https,
            id: request_id(request),
            method: request.method.as_str(),
            path: &request.path,
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
            kind,
            bytes: request.body.len(),
            owner: &session.owner,
            session: None,
        };
        self.rest(inner, &call).omit(omit).into_http()
    }
}

/// Gives tokens for a grant.
fn grant_token(
    inner: &mut Inner,
    hub: &Hub,
    request: &Request,
    now: u64,
) -> Result<OauthSession, Reply> {
    let client = client(inner, request)?;
    let fields = pairs(&String::from_utf8_lossy(&request.body));
    let field = |name: &str| find(&fields, name).filter(|text| !text.is_empty());
    let need = |name: &str| {
        let missing = || oauth_error(400, "invalid_request", &format!("{name} is missing"));
        field(name).ok_or_else(missing)
    };
    let invalid = |what: &str| oauth_error(400, "invalid_grant", what);
    let wire = &hub.wire;
    let owner = match need("grant_type")? {
        "refresh_token" => {
            let refresh = need("refresh_token")?;
            let (tokens, settings) = (&mut inner.tokens, &inner.settings);
            let session = tokens.refresh(&client, refresh, now, settings, wire);
            let session = session.ok_or_else(|| invalid("Token is invalid or expired"))?;
            limit_group(inner, &session.owner, now)?;
            return Ok(session);
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            let assertion = need("assertion")?;
            let known = &inner.settings.assertions;
            let owner = known.iter().find(|(known, _)| known == assertion);
            match owner {
                Some((_, owner)) => owner.clone(),
                None if known.is_empty() => USER.to_owned(),
                None => return Err(invalid("Invalid assertion")),
            }
        }
        "authorization_code" => {
            let (code, redirect) = (need("code")?, need("redirect_uri")?);
            let verifier = field("code_verifier");
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if verifier
                .is_some_and(|text| !(43..=128).contains(&text.len()) || !text.bytes().all(legal))
            {
                return Err(oauth_error(400, "invalid_request", "Invalid code_verifier"));
            }
            let codes = &inner.settings.auth_codes;
            let good = codes.is_empty()
                || codes.iter().any(|known| {
                    known.code == code
                        && known.redirect_uri.as_deref().is_none_or(|uri| uri == redirect)
                        && known.verifier.as_deref().is_none_or(|own| Some(own) == verifier)
                });
            if !good || !inner.tokens.redeem(code) {
                return Err(invalid("Authorization code is invalid or expired"));
            }
            USER.to_owned()
        }
        _ => return Err(oauth_error(400, "unsupported_grant_type", "Unsupported grant type")),
    };
    limit_group(inner, &owner, now)?;
    Ok(inner.tokens.login(&client, &owner, now, &inner.settings, wire))
}

/// Refuses a token request where the whole group is limited.
fn limit_group(inner: &mut Inner, owner: &str, now: u64) -> Result<(), Reply> {
    if !inner.settings.auth_rate.is_some_and(|rate| rate.whole_group) {
        return Ok(());
    }
    match inner.tokens.count_auth(owner, now, &inner.settings) {
        Some(_) => Err(too_many(inner)),
        None => Ok(()),
    }
}

fn too_many(inner: &Inner) -> Reply {
    let mut reply = Reply::json(429, Some(rest_error("CMN-301", "Request rate exceeded")));
    if let Some(rate) = inner.settings.auth_rate.filter(|rate| rate.retry_after) {
        let seconds = millis(rate.penalty).div_ceil(1000).max(1);
        reply.headers.push(("retry-after", seconds.to_string()));
    }
    reply
}

/// Checks the client's own credentials; its id comes back.
fn client(inner: &Inner, request: &Request) -> Result<String, Reply> {
    let refused = || oauth_error(401, "invalid_client", "Invalid client application");
    let basic = basic(&request.headers).ok_or_else(refused)?;
    let clients = &inner.settings.clients;
    if basic.0.is_empty() || !(clients.is_empty() || clients.contains(&basic)) {
        return Err(refused());
    }
    let fields = pairs(&String::from_utf8_lossy(&request.body));
    match find(&fields, "client_id") {
        Some(id) if id != basic.0 => {
            Err(oauth_error(400, "invalid_request", "client_id is of another client"))
        }
        _ => Ok(basic.0),
    }
}

/// Finds the OAuth session of a request's access token.
fn bearer(inner: &Inner, headers: &HeaderMap, now: u64) -> Result<OauthSession, Reply> {
    let token = bearer_token(headers).unwrap_or_default();
    let session = inner.tokens.by_access(token, now).cloned();
    session.ok_or_else(|| Reply::json(401, scripted_error(Route::WsToken, 401)))
}

fn request_id(request: &Request) -> &str {
    header(&request.headers, http::HeaderName::from_static("x-request-id"))
}

fn grant(body: &[u8]) -> &'static str {
    let fields = pairs(&String::from_utf8_lossy(body));
    match find(&fields, "grant_type").unwrap_or_default() {
        "refresh_token" => "refresh_token",
        "authorization_code" => "authorization_code",
        kind if kind.ends_with(":jwt-bearer") => "jwt-bearer",
        _ => "unknown",
    }
}

fn oauth_error(status: u16, error: &str, text: &str) -> Reply {
    Reply::json(status, Some(json!({ "error": error, "error_description": text })))
}

/// Gives the body of a refusal that nothing but the script has caused.
fn scripted_error(route: Route, status: u16) -> Option<Value> {
    let (code, message) = match (route, status) {
        (_, 200..=299) => return None,
        (Route::Token, 400 | 401) => {
            return Some(json!({
                "error": "invalid_grant", "error_description": "Token is invalid or expired",
            }));
        }
        (_, 401) => {
            let reason = json!([{ "errorCode": "OAU-213", "message": "Token not found" }]);
            return Some(json!({
                "errorCode": "TokenInvalid", "message": "Token not found", "errors": reason,
            }));
        }
        (Route::WsToken, 403) => ("CMN-401", NO_PERMISSION),
        (_, status) => super::rest::default_error(status, "rest"),
    };
    Some(rest_error(code, message))
}

/// Shows a span on the wire, in whole seconds where it is made of them.
pub(super) fn seconds(ms: u64) -> Value {
    if ms.is_multiple_of(1000) { json!(ms / 1000) } else { json!(ms as f64 / 1000.0) }
}

pub(super) fn without(mut body: Value, omit: Option<&str>) -> Value {
    if let (Some(field), Some(fields)) = (omit, body.as_object_mut()) {
        fields.remove(field);
    }
    body
}

const NO_PERMISSION: &str =
    "In order to call this API endpoint, application needs to have [WebSocket] permission";
pub(super) const SOCKET_PATH: &str = "/ws";
