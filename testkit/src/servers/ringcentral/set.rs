//! The command `set`.

use std::time::Duration;

use serde_json::Value;

use super::options::{
    AuthCode, AuthRate, Canned, RecoveryAnswer, RefuseMode, Settings, TokenReuse, WscMode,
};

impl Settings {
    /// Changes one setting, as the command `set` does.
    ///
    /// A span has the suffix `_s` (seconds) or `_ms`.
    ///
    /// | key | value |
    /// | --- | --- |
    /// | `access_ttl`, `refresh_ttl`, `ws_token_ttl`, `recovery_timeout`, `replay_delay`, `hello_delay`, `idle_timeout`, `absolute_timeout`, `subscription_ttl`, `answer_delay` | span |
    /// | `ping_interval`, `pong_timeout` | span, 0 for never |
    /// | `ws_token_reuse` | `kick`, `reject` or `allow` |
    /// | `refuse_mode` | `handshake` or `close4401` |
    /// | `wsc_mode` | `hello`, `notifications` or `every` |
    /// | `recovery_answer` | `honest`, `absent`, `failed`, `other_wsc`, `same_wsc` or `unasked`, or `{"mode":..,"times":1,"code":"WSG-1003"}` |
    /// | `auth_rate` | `{"n":5,"window_ms":60000,"penalty_ms":60000,"retry_after":true,"whole_group":false}` or null |
    /// | `awkward_tokens`, `ws_permission`, `subscribe_permission`, `withhold_hello`, `answer_heartbeats`, `wsc_rotates`, `subscription_renewal`, `extra_fields` | true or false |
    /// | `recovery_buffer`, `replay_overlap`, `max_active_requests`, `max_connections`, `max_oauth_sessions`, `reorder` | number |
    /// | `timeout_close_code` | close code |
    /// | `expired_code` | text |
    /// | `hello_fields` | object, null for none |
    /// | `client` | `[id, secret]` to let in, null for any |
    /// | `assertion` | text or `[assertion, extension]` to let in, null for any |
    /// | `auth_code` | text or `{"code":..,"redirect_uri":..,"code_verifier":..}`, null for any |
    /// | `canned` | `{"method":..,"path":..,"status":200,"body":..}`, null for none |
    ///
    /// # Errors
    ///
    /// Says which key is unknown, or what kind of value it takes.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        if let Some((name, unit)) = split_unit(key) {
            let ms = number(key, value)?.saturating_mul(unit).min(YEAR_MS);
            return self.set_span(name, Duration::from_millis(ms)).ok_or_else(|| unknown(key));
        }
        match key {
            "ws_token_reuse" => {
                self.ws_token_reuse = match text(key, value)?.as_str() {
                    "kick" => TokenReuse::Kick,
                    "reject" => TokenReuse::Reject,
                    "allow" => TokenReuse::Allow,
                    _ => return Err("\"ws_token_reuse\" takes kick, reject or allow".to_owned()),
                }
            }
            "refuse_mode" => {
                self.refuse_mode = match text(key, value)?.as_str() {
                    "handshake" => RefuseMode::Handshake,
                    "close4401" => RefuseMode::Close4401,
                    _ => return Err("\"refuse_mode\" takes handshake or close4401".to_owned()),
                }
            }
            "wsc_mode" => {
                self.wsc_mode = match text(key, value)?.as_str() {
                    "hello" => WscMode::Hello,
                    "notifications" => WscMode::Notifications,
                    "every" => WscMode::Every,
                    _ => return Err("\"wsc_mode\" takes hello, notifications or every".to_owned()),
                }
            }
            "recovery_answer" => self.recovery_answer = recovery_answer(value)?,
            "auth_rate" => self.auth_rate = auth_rate(value)?,
            "awkward_tokens" => self.awkward_tokens = flag(key, value)?,
            "ws_permission" => self.ws_permission = flag(key, value)?,
            "subscribe_permission" => self.subscribe_permission = flag(key, value)?,
            "withhold_hello" => self.withhold_hello = flag(key, value)?,
            "answer_heartbeats" => self.answer_heartbeats = flag(key, value)?,
            "wsc_rotates" => self.wsc_rotates = flag(key, value)?,
            "subscription_renewal" => self.subscription_renewal = flag(key, value)?,
            "extra_fields" => self.extra_fields = flag(key, value)?,
            "recovery_buffer" => self.recovery_buffer = count(key, value)?,
            "replay_overlap" => self.replay_overlap = count(key, value)?,
            "max_active_requests" => self.max_active_requests = count(key, value)?,
            "max_connections" => self.max_connections = number(key, value)?,
            "max_oauth_sessions" => self.max_oauth_sessions = count(key, value)?,
            "reorder" => self.reorder = count(key, value)?,
            "timeout_close_code" => {
                self.timeout_close_code = u16::try_from(number(key, value)?)
                    .map_err(|_| "\"timeout_close_code\" takes a close code".to_owned())?;
            }
            "expired_code" => self.expired_code = text(key, value)?,
            "hello_fields" => {
                self.hello_fields = match value {
                    Value::Null => serde_json::Map::new(),
                    Value::Object(fields) => fields.clone(),
                    _ => return Err("\"hello_fields\" takes an object or null".to_owned()),
                }
            }
            "client" => pair(&mut self.clients, key, value)?,
            "assertion" => match value.as_str() {
                Some(assertion) => self.assertions.push((assertion.to_owned(), USER.to_owned())),
                None => pair(&mut self.assertions, key, value)?,
            },
            "auth_code" => match value {
                Value::Null => self.auth_codes.clear(),
                value => self.auth_codes.push(auth_code(value)?),
            },
            "canned" => match value {
                Value::Null => self.canned.clear(),
                value => self.canned.insert(0, canned(value)?),
            },
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    fn set_span(&mut self, name: &str, span: Duration) -> Option<()> {
        let optional = (!span.is_zero()).then_some(span);
        match name {
            "access_ttl" => self.access_ttl = span,
            "refresh_ttl" => self.refresh_ttl = span,
            "ws_token_ttl" => self.ws_token_ttl = span,
            "recovery_timeout" => self.recovery_timeout = span,
            "replay_delay" => self.replay_delay = span,
            "hello_delay" => self.hello_delay = span,
            "idle_timeout" => self.idle_timeout = span,
            "absolute_timeout" => self.absolute_timeout = span,
            "subscription_ttl" => self.subscription_ttl = span,
            "answer_delay" => self.answer_delay = span,
            "ping_interval" => self.ping_interval = optional,
            "pong_timeout" => self.pong_timeout = optional,
            _ => return None,
        }
        Some(())
    }
}

fn split_unit(key: &str) -> Option<(&str, u64)> {
    let milliseconds = key.strip_suffix("_ms").map(|name| (name, 1));
    milliseconds.or_else(|| key.strip_suffix("_s").map(|name| (name, 1000)))
}

fn unknown(key: &str) -> String {
    format!("unknown option \"{key}\"")
}

pub(super) fn text(key: &str, value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("\"{key}\" takes text"))
}

fn flag(key: &str, value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("\"{key}\" takes true or false"))
}

/// Whole numbers up to a year of milliseconds, so that no deadline overflows.
fn number(key: &str, value: &Value) -> Result<u64, String> {
    let number = value.as_u64().filter(|number| *number <= YEAR_MS);
    number.ok_or_else(|| format!("\"{key}\" takes a whole number of at most a year"))
}

fn count(key: &str, value: &Value) -> Result<usize, String> {
    let number = value.as_u64().filter(|number| *number <= MAX_COUNT);
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("\"{key}\" takes a whole number of at most {MAX_COUNT}"))
}

fn recovery_answer(value: &Value) -> Result<(RecoveryAnswer, Option<u32>), String> {
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    let answer = match value.as_str().or_else(|| field("mode")) {
        Some("honest") => RecoveryAnswer::Honest,
        Some("absent") => RecoveryAnswer::Absent,
        Some("failed") => {
            RecoveryAnswer::Failed { code: field("code").unwrap_or("WSG-1003").to_owned() }
        }
        Some("other_wsc") => RecoveryAnswer::OtherWsc,
        Some("same_wsc") => RecoveryAnswer::SameWsc,
        Some("unasked") => RecoveryAnswer::Unasked,
        _ => return Err("\"recovery_answer\" takes a mode, see the documentation".to_owned()),
    };
    let times = match value.get("times") {
        None | Some(Value::Null) => None,
        Some(times) => Some(u32::try_from(number("times", times)?).unwrap_or(u32::MAX)),
    };
    Ok((answer, times))
}

fn auth_rate(value: &Value) -> Result<Option<AuthRate>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let field = |name: &str, default: u64| match value.get(name) {
        None => Ok(default),
        Some(value) => number(name, value),
    };
    let on = |name: &str, default: bool| match value.get(name) {
        None => Ok(default),
        Some(value) => flag(name, value),
    };
    if !value.is_object() {
        return Err("\"auth_rate\" takes an object or null".to_owned());
    }
    let window = field("window_ms", 60_000)?;
    Ok(Some(AuthRate {
        n: u32::try_from(field("n", 5)?).map_err(|_| "\"auth_rate\" is too high".to_owned())?,
        window: Duration::from_millis(window),
        penalty: Duration::from_millis(field("penalty_ms", window)?),
        retry_after: on("retry_after", true)?,
        whole_group: on("whole_group", false)?,
    }))
}

fn auth_code(value: &Value) -> Result<AuthCode, String> {
    if let Some(code) = value.as_str() {
        return Ok(AuthCode { code: code.to_owned(), redirect_uri: None, verifier: None });
    }
    let field = |name: &str| value.get(name).map(|value| text(name, value)).transpose();
    let code = field("code")?.ok_or("\"auth_code\" takes text or an object with a code")?;
    let verifier = field("code_verifier")?;
    Ok(AuthCode { code, redirect_uri: field("redirect_uri")?, verifier })
}

fn canned(value: &Value) -> Result<Canned, String> {
    let field = |name: &str| text(name, value.get(name).unwrap_or(&Value::Null));
    let status = match value.get("status") {
        None => 200,
        Some(status) => number("status", status)?,
    };
    let status = u16::try_from(status).ok().filter(|status| (200..=599).contains(status));
    Ok(Canned {
        method: field("method")?.to_ascii_uppercase(),
        path: field("path")?,
        status: status.ok_or("\"status\" is not between 200 and 599")?,
        body: value.get("body").filter(|body| !body.is_null()).cloned(),
    })
}

fn pair(list: &mut Vec<(String, String)>, key: &str, value: &Value) -> Result<(), String> {
    match value.as_array().map(Vec::as_slice) {
        None if value.is_null() => list.clear(),
        Some([Value::String(name), Value::String(secret)]) => {
            list.retain(|(known, _)| known != name);
            list.push((name.clone(), secret.clone()));
        }
        _ => return Err(format!("\"{key}\" takes two texts or null")),
    }
    Ok(())
}

/// The extension that assertions are of when nobody says so.
pub(super) const USER: &str = "1001";
const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1000;
const MAX_COUNT: u64 = 10_000;
