//! What a login answers.

use alloc::string::{String, ToString};

use redial_core::http::HttpResponse;
use redial_core::{Secret, Span};
use serde::Deserialize;
use serde_json::Value;

/// A login's answer.
pub(crate) struct Answer {
    pub(crate) bearer: Secret,
    pub(crate) csrf: Option<Secret>,
    pub(crate) user_id: String,
    pub(crate) user_pid: Option<String>,
    pub(crate) expires_in: Option<Span>,
}

impl Answer {
    /// Reads a login's answer. Without a user or without a bearer it is none.
    pub(crate) fn parse(answer: &HttpResponse) -> Option<Self> {
        let fields = serde_json::from_slice::<Fields>(&answer.body).ok()?;
        let text = |value: &Value| {
            let fits = |text: &&str| (1..=MAX_TEXT).contains(&text.len());
            value.as_str().filter(fits).map(ToString::to_string)
        };
        let bearer = text(&fields.bearer)?;
        let life = match &fields.session_ttl {
            Value::String(millis) => millis.trim().parse().ok(),
            millis => millis.as_u64(),
        };
        Some(Self {
            bearer: Secret::new(bearer),
            csrf: text(&fields.csrf).map(Secret::new),
            user_id: text(fields.config.get("userId")?)?,
            user_pid: fields.config.get("userPid").and_then(text),
            expires_in: life.filter(|life| *life > 0).map(Span::saturating_from_millis),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    bearer: Value,
    csrf: Value,
    config: Value,
    #[serde(rename = "sessionTTl")]
    session_ttl: Value,
}

/// Returns the session's cookie, name and value, if an answer sets it.
pub(crate) fn cookie(answer: &HttpResponse) -> Option<Secret> {
    let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let mut pairs = cookies.filter_map(|(_, value)| value.split(';').next().map(str::trim));
    let pair = pairs.find(|pair| {
        pair.starts_with(COOKIE) && pair.bytes().all(|byte| (b'!'..0x7F).contains(&byte))
    })?;
    Some(Secret::new(pair))
}

const COOKIE: &str = "Session_id=";
/// The longest bearer that a request line has room for, and more than any id has.
const MAX_TEXT: usize = 8 << 10;
