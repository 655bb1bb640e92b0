//! The REST resources, the same over HTTPS and over the socket.

use bytes::Bytes;
use serde_json::{Value, json};

use super::http::without;
use super::state::{MessageSeen, RestSeen, note};
use super::{Inner, RingCentral};
use crate::servers::hub::{Answer, Reply};

/// The way that a request came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Via {
    /// Over the WebSocket.
    Socket,
    /// Over HTTP.
    Https,
}

impl Via {
    /// Gives the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Https => "rest",
        }
    }
}

/// A REST request, however it came.
pub(super) struct RestCall<'a> {
    pub(super) t_ms: u64,
    pub(super) via: Via,
    pub(super) id: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) body: Value,
    pub(super) kind: &'a str,
    pub(super) bytes: usize,
    pub(super) owner: &'a str,
    pub(super) session: Option<u64>,
}

impl RestCall<'_> {
    /// Gives the record of the request.
    pub(super) fn seen(&self, status: Option<u16>) -> RestSeen {
        RestSeen {
            t_ms: self.t_ms,
            via: self.via,
            id: self.id.to_owned(),
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            status,
            bytes: self.bytes,
        }
    }
}

/// The answer to one.
#[derive(Debug)]
pub(super) struct RestAnswer {
    pub(super) status: u16,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    None,
    Json(Value),
    /// Anything that is no JSON.
    Text(String),
    Binary(Bytes),
}

impl RestAnswer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, body: Body::Json(body) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, body: Body::None }
    }

    pub(super) fn not_found(parameter: &str) -> Self {
        let message = format!("Resource for parameter [{parameter}] is not found");
        let mut error = rest_error("CMN-102", &message);
        let reason = json!([{
            "errorCode": "CMN-102", "message": message, "parameterName": parameter,
        }]);
        error["errors"] = reason;
        error["parameterName"] = json!(parameter);
        Self::json(404, error)
    }

    pub(super) fn invalid(parameter: &str) -> Self {
        let message = format!("Parameter [{parameter}] value is invalid");
        Self::json(400, rest_error("CMN-101", &message))
    }

    pub(super) fn omit(self, field: Option<&str>) -> Self {
        match self.body {
            Body::Json(body) => Self { body: Body::Json(without(body, field)), ..self },
            _ => self,
        }
    }

    pub(super) fn into_http(self) -> Answer {
        let Self { status, body } = self;
        let typed = |kind: &str| vec![("content-type", kind.to_owned())];
        match body {
            Body::None if status == 204 => {
                Answer::Reply(Reply { status, headers: Vec::new(), body: None, bare: false })
            }
            Body::None => Answer::Reply(Reply::json(status, None)),
            // A JSON text is sent as it is by the base, so that it is spelled here.
            Body::Json(body) => Answer::Bytes {
                status,
                headers: typed("application/json"),
                body: Bytes::from(body.to_string()),
            },
            Body::Text(text) => Answer::Bytes {
                status,
                headers: typed(&format!("multipart/mixed; boundary={BOUNDARY}")),
                body: Bytes::from(text),
            },
            Body::Binary(body) => {
                Answer::Bytes { status, headers: typed("application/octet-stream"), body }
            }
        }
    }
}

impl RingCentral {
    /// Answers a REST request and counts it.
    pub(super) fn rest(&self, inner: &mut Inner, call: &RestCall<'_>) -> RestAnswer {
        if call.via == Via::Socket && is_https_only(call) {
            inner.seen.misrouted += 1;
        }
        let answer = self.resource(inner, call);
        let status = answer.status;
        note(&mut inner.seen.rest, call.seen(Some(status)));
        let sends = call.method == "POST" && !is_subscription(call.path);
        if sends && (200..300).contains(&status) {
            let id = if call.id.is_empty() {
                format!("rest-{}", inner.seen.messages.len() + 1)
            } else {
                call.id.to_owned()
            };
            let duplicate = inner.message_ids.contains(&id);
            if inner.message_ids.len() < MAX_IDS {
                inner.message_ids.insert(id.clone());
            }
            let path = call.path.to_owned();
            let message = MessageSeen { id, via: call.via, t_ms: call.t_ms, path, duplicate };
            note(&mut inner.seen.messages, message);
        }
        answer
    }

    fn resource(&self, inner: &mut Inner, call: &RestCall<'_>) -> RestAnswer {
        let path = call.path.trim_end_matches('/');
        let canned = &inner.settings.canned;
        let canned = canned.iter().find(|one| one.path == path && one.method == call.method);
        if let Some(canned) = canned {
            let body = match &canned.body {
                None => Body::None,
                Some(Value::String(text)) => Body::Text(text.clone()),
                Some(body) => Body::Json(body.clone()),
            };
            return RestAnswer { status: canned.status, body };
        }
        let segments: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let ["restapi", "v1.0", rest @ ..] = &segments[..] else { return unknown() };
        match (call.method, rest) {
            ("POST", ["subscription"]) => self.create_subscription(inner, call),
            ("GET", ["subscription"]) => self.list_subscriptions(inner, call),
            (method, ["subscription", id]) => self.subscription(inner, call, method, id),
            ("GET", ["account", _]) => {
                let uri = self.uri("/restapi/v1.0/account/1");
                RestAnswer::json(200, json!({ "uri": uri, "id": 1, "status": "Confirmed" }))
            }
            (method, ["account", _, "extension", extension, rest @ ..]) => {
                self.extension(inner, call, (method, extension, rest))
            }
            _ => unknown(),
        }
    }

    fn extension(
        &self,
        inner: &mut Inner,
        call: &RestCall<'_>,
        (method, extension, rest): (&str, &str, &[&str]),
    ) -> RestAnswer {
        let own = if extension == "~" { call.owner } else { extension };
        let path = format!("/restapi/v1.0/account/1/extension/{own}");
        match (method, rest) {
            ("GET", []) if own.contains(',') => batch(own.split(',').map(|id| self.user(id))),
            ("GET", []) => RestAnswer::json(200, self.user(own)),
            ("GET", ["message-store"]) => RestAnswer::json(
                200,
                json!({
                    "uri": self.uri(&format!("{path}/message-store")),
                    "records": [self.stored(&path, "1")],
                    "paging": { "page": 1, "perPage": 100, "totalElements": 1, "totalPages": 1 },
                }),
            ),
            ("GET", ["message-store", ids]) if ids.contains(',') => {
                batch(ids.split(',').map(|id| self.stored(&path, id)))
            }
            ("GET" | "PUT", ["message-store", id]) => RestAnswer::json(200, self.stored(&path, id)),
            ("DELETE", ["message-store", _]) => RestAnswer::empty(204),
            ("GET", ["message-store", _, "content", _]) if call.via == Via::Https => {
                RestAnswer { status: 200, body: Body::Binary(Bytes::from_static(CONTENT)) }
            }
            ("GET", ["message-store", _, "content", _]) => RestAnswer::invalid("content"),
            ("POST", [kind @ ("company-pager" | "sms" | "fax")]) => {
                inner.last_message += 1;
                let kind = match *kind {
                    "company-pager" => "Pager",
                    "sms" => "SMS",
                    _ => "Fax",
                };
                let mut sent = json!({ "id": FIRST_MESSAGE + inner.last_message, "type": kind });
                if kind != "Fax" {
                    sent["direction"] = json!("Outbound");
                    sent["subject"] = call.body.get("text").cloned().unwrap_or_default();
                }
                RestAnswer::json(200, sent)
            }
            _ => unknown(),
        }
    }

    fn user(&self, id: &str) -> Value {
        json!({
            "uri": self.uri(&format!("/restapi/v1.0/account/1/extension/{id}")),
            "id": id.parse::<u64>().map_or_else(|_| json!(id), |id| json!(id)),
            "extensionNumber": "101",
            "name": "Sim User",
            "status": "Enabled",
            "type": "User",
        })
    }

    fn stored(&self, path: &str, id: &str) -> Value {
        let uri = self.uri(&format!("{path}/message-store/{id}"));
        let content = format!("{uri}/content/9");
        json!({
            "uri": uri,
            "id": id.parse::<u64>().map_or_else(|_| json!(id), |id| json!(id)),
            "type": "Fax",
            "readStatus": "Read",
            "attachments": [{ "id": 9, "uri": content, "contentType": "application/octet-stream" }],
        })
    }

    pub(super) fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// Names the step that a REST request is, in the script's words.
pub(super) fn step(method: &str, path: &str) -> &'static str {
    if is_subscription(path) && matches!(method, "POST" | "PUT") { "subscribe" } else { "rest" }
}

pub(super) fn is_subscription(path: &str) -> bool {
    let tail = path.strip_prefix("/restapi/v1.0/subscription");
    tail.is_some_and(|tail| tail.is_empty() || tail.starts_with('/'))
}

/// Builds an error body.
pub(super) fn rest_error(code: &str, message: &str) -> Value {
    json!({ "errorCode": code, "message": message })
}

/// Gives the error that a refusal without a body of its own carries.
pub(super) fn default_error(status: u16, step: &str) -> (&'static str, &'static str) {
    match status {
        401 => ("OAU-213", "Token not found"),
        403 if step == "subscribe" => (
            "SUB-528",
            "In order to call this API endpoint, application needs to have [WebSocket] permission",
        ),
        403 => ("CMN-401", "In order to call this API endpoint, a permission is needed"),
        404 => ("CMN-102", "Resource not found"),
        429 => ("CMN-301", "Request rate exceeded"),
        400..=499 => ("CMN-101", "Request is invalid"),
        _ => ("CMN-201", "Service Temporary Unavailable"),
    }
}

/// Tells whether the vendor's guide keeps a request off the socket.
fn is_https_only(call: &RestCall<'_>) -> bool {
    let path = call.path;
    let binary = path.contains("/content/") || path.ends_with("/content");
    let upload = path.ends_with("/fax") && matches!(call.method, "POST" | "PUT");
    let multipart = call.kind.starts_with("multipart/");
    path.starts_with("/restapi/oauth/") || binary || upload || multipart
}

/// Answers for several resources at once, each in its own part.
fn batch(parts: impl Iterator<Item = Value>) -> RestAnswer {
    let mut text = String::new();
    for part in parts {
        text.push_str(&format!("--{BOUNDARY}\r\nContent-Type: application/json\r\n\r\n{part}\r\n"));
    }
    text.push_str(&format!("--{BOUNDARY}--"));
    RestAnswer { status: 207, body: Body::Text(text) }
}

fn unknown() -> RestAnswer {
    RestAnswer::json(404, rest_error("CMN-102", "Resource not found"))
}

/// What every content is made of: six bytes that are no text.
pub const CONTENT: &[u8] = &[0xFF, 0xD8, 0x00, b'x', 0x80, 0xFE];
const BOUNDARY: &str = "Boundary_1_redial";
const MAX_IDS: usize = 100_000;
const FIRST_MESSAGE: u64 = 12_756_735_004;
