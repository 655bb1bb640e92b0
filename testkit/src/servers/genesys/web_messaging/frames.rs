//! What the service's frames look like.

use serde_json::{Value, json};

/// A response, under the id of its request.
pub(super) fn response(class: &str, code: u16, body: Value, tracing: Option<&str>) -> Value {
    frame("response", class, code, body, tracing)
}

/// A message or an event.
pub(super) fn message(class: &str, body: Value, tracing: Option<&str>) -> Value {
    frame("message", class, 200, body, tracing)
}

/// A refusal for too many requests.
pub(super) fn too_many(
    error: u16,
    text: &str,
    retry_after: Option<u64>,
    tracing: Option<&str>,
) -> Value {
    let mut body = json!({ "errorCode": error, "errorMessage": text });
    if let Some(seconds) = retry_after {
        body["retryAfter"] = json!(seconds);
    }
    response("TooManyRequestsErrorMessage", 429, body, tracing)
}

/// A refusal by code, in the service's words where they are known.
pub(super) fn refusal(code: u16, tracing: Option<&str>) -> Value {
    let text = match code {
        400 => "bad request",
        401 => "authorization required",
        403 => "Session authentication failed. Try to authenticate again",
        404 => "not found",
        408 => "request timeout",
        409 => "conversation is read-only",
        4000 => "attachments are not available",
        4006 => "session expired error message",
        4007 => "session not found",
        4011 => "message is too long",
        4013 => "custom attributes are too large",
        4020 => "a parameter is missing",
        4029 => "Message rate too high for this session",
        500..=599 => "internal error",
        _ => "error",
    };
    response("string", code, json!(text), tracing)
}

fn frame(kind: &str, class: &str, code: u16, body: Value, tracing: Option<&str>) -> Value {
    let mut frame = json!({ "type": kind, "class": class, "code": code, "body": body });
    if let Some(tracing) = tracing {
        frame["tracingId"] = json!(tracing);
    }
    frame
}
