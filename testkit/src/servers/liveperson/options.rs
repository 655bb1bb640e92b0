//! What can be chosen about the LivePerson simulator, at its start and at run time.

use std::time::Duration;

use serde_json::Value;

use crate::servers;

/// Everything that is chosen at the start.
pub type Options = servers::Options<Settings>;

impl Options {
    /// Accepts issued bearers only, and issues such as must be percent-encoded.
    #[must_use]
    pub fn for_tests() -> Self {
        let settings =
            Settings { bearers: Bearers::Issued, awkward_bearers: true, ..Settings::default() };
        Self::new(settings)
    }
}

/// Which bearers that no login issued are good for an upgrade.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bearers {
    /// None, apart from [`Settings::accept_bearers`].
    Issued,
    /// Those that do not look like an issued one: ready-made tokens of a user.
    Foreign,
    /// All.
    Any,
}

/// How a bad bearer is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefuseMode {
    /// By status 401, before the upgrade.
    Handshake,
    /// By an upgrade and close code 4401.
    Close4401,
}

/// What can be changed at run time, by [`Settings::set`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Ready-made bearers that are accepted.
    pub accept_bearers: Vec<String>,
    /// What becomes of other bearers that no login issued.
    pub bearers: Bearers,
    /// How a bad bearer is refused.
    pub refuse_mode: RefuseMode,
    /// Whether issued bearers hold characters that must be percent-encoded in a path.
    pub awkward_bearers: bool,
    /// Whether a login makes the bearers of earlier logins invalid.
    pub single_bearer: bool,
    /// Time without request or ping after which a socket is closed.
    pub idle_close: Option<Duration>,
    /// Close code of an idle socket; the real one is not known.
    pub idle_close_code: u16,
    /// Life of a session, prolonged by a refresh.
    pub session_ttl_ms: u64,
    /// Delay of every response on a socket.
    pub answer_delay: Duration,
    /// Whether a refresh sets a new session cookie.
    pub rotate_session_cookie: bool,
    /// Logins allowed within a span; more are answered 429.
    pub login_rate: Option<(u32, Duration)>,
    /// Subprotocol to answer an upgrade with, asked for or not.
    pub subprotocol: Option<String>,
    /// Whether responses and notifications carry fields that nobody knows.
    pub extra_fields: bool,
    /// Whether notifications go only to sockets that have subscribed.
    pub notify_subscribed_only: bool,
    /// Users and passwords; with none, any user is let in.
    pub users: Vec<(String, String)>,
    /// Application keys and secrets; with none, any key is let in.
    pub app_secrets: Vec<(String, String)>,
    /// SAML assertions; with none, any assertion is let in.
    pub assertions: Vec<String>,
    /// `config.userId` of the login answer.
    pub user_id: String,
    /// `config.userPid` of the login answer.
    pub user_pid: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            accept_bearers: Vec::new(),
            bearers: Bearers::Foreign,
            refuse_mode: RefuseMode::Handshake,
            awkward_bearers: false,
            single_bearer: false,
            idle_close: None,
            idle_close_code: 1001,
            session_ttl_ms: 28_800_000,
            answer_delay: Duration::ZERO,
            rotate_session_cookie: false,
            login_rate: None,
            subprotocol: None,
            extra_fields: false,
            notify_subscribed_only: false,
            users: Vec::new(),
            app_secrets: Vec::new(),
            assertions: Vec::new(),
            user_id: "3705342610".to_owned(),
            user_pid: "11111111-2222-5333-8444-555555555555".to_owned(),
        }
    }
}

impl Settings {
    /// Changes one setting, as the command `set` does.
    ///
    /// | key | value |
    /// | --- | --- |
    /// | `accept_bearer` | a bearer to accept, `any` for all |
    /// | `bearers` | `issued`, `foreign` or `any` |
    /// | `refuse_mode` | `handshake` or `close4401` |
    /// | `awkward_bearers`, `single_bearer`, `rotate_session_cookie`, `extra_fields`, `notify_subscribed_only` | true or false |
    /// | `idle_close_s`, `idle_close_ms` | number, 0 for never |
    /// | `idle_close_code` | close code |
    /// | `session_ttl_ms`, `answer_delay_ms` | number |
    /// | `login_rate` | `{"n":3,"window_ms":1000}` or null |
    /// | `subprotocol` | text or null |
    /// | `user`, `app_secret` | `[name, secret]` to let in, null for any |
    /// | `assertion` | text to let in, null for any |
    /// | `user_id`, `user_pid` | text |
    ///
    /// # Errors
    ///
    /// Says which key is unknown, or what kind of value it takes.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "accept_bearer" => match text(key, value)?.as_str() {
                "any" => self.bearers = Bearers::Any,
                bearer => self.accept_bearers.push(bearer.to_owned()),
            },
            "bearers" => {
                self.bearers = match text(key, value)?.as_str() {
                    "issued" => Bearers::Issued,
                    "foreign" => Bearers::Foreign,
                    "any" => Bearers::Any,
                    _ => return Err("\"bearers\" takes issued, foreign or any".to_owned()),
                }
            }
            "refuse_mode" => {
                self.refuse_mode = match text(key, value)?.as_str() {
                    "handshake" => RefuseMode::Handshake,
                    "close4401" => RefuseMode::Close4401,
                    _ => return Err("\"refuse_mode\" takes handshake or close4401".to_owned()),
                }
            }
            "awkward_bearers" => self.awkward_bearers = flag(key, value)?,
            "single_bearer" => self.single_bearer = flag(key, value)?,
            "rotate_session_cookie" => self.rotate_session_cookie = flag(key, value)?,
            "extra_fields" => self.extra_fields = flag(key, value)?,
            "notify_subscribed_only" => self.notify_subscribed_only = flag(key, value)?,
            "idle_close_s" => self.idle_close = span(number(key, value)?.saturating_mul(1000)),
            "idle_close_ms" => self.idle_close = span(number(key, value)?),
            "idle_close_code" => {
                self.idle_close_code = u16::try_from(number(key, value)?)
                    .map_err(|_| "\"idle_close_code\" takes a close code".to_owned())?;
            }
            "session_ttl_ms" => self.session_ttl_ms = number(key, value)?,
            "answer_delay_ms" => self.answer_delay = Duration::from_millis(number(key, value)?),
            "login_rate" => self.login_rate = rate(value)?,
            "subprotocol" => self.subprotocol = optional(key, value)?,
            "user" => pair(&mut self.users, key, value)?,
            "app_secret" => pair(&mut self.app_secrets, key, value)?,
            "assertion" => match optional(key, value)? {
                Some(assertion) => self.assertions.push(assertion),
                None => self.assertions.clear(),
            },
            "user_id" => self.user_id = text(key, value)?,
            "user_pid" => self.user_pid = text(key, value)?,
            _ => return Err(format!("unknown option \"{key}\"")),
        }
        Ok(())
    }
}

fn text(key: &str, value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("\"{key}\" takes text"))
}

fn optional(key: &str, value: &Value) -> Result<Option<String>, String> {
    if value.is_null() { Ok(None) } else { text(key, value).map(Some) }
}

fn flag(key: &str, value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("\"{key}\" takes true or false"))
}

/// Whole numbers up to a year of milliseconds, so that no deadline overflows.
fn number(key: &str, value: &Value) -> Result<u64, String> {
    let number = value.as_u64().filter(|number| *number <= 366 * 24 * 60 * 60 * 1000);
    number.ok_or_else(|| format!("\"{key}\" takes a whole number of at most a year"))
}

fn span(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms))
}

fn rate(value: &Value) -> Result<Option<(u32, Duration)>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let field = |name| number("login_rate", value.get(name).unwrap_or(&Value::Null));
    let n = u32::try_from(field("n")?).map_err(|_| "\"login_rate\" is too high".to_owned())?;
    Ok(Some((n, Duration::from_millis(field("window_ms")?))))
}

fn pair(list: &mut Vec<(String, String)>, key: &str, value: &Value) -> Result<(), String> {
    match value.as_array().map(Vec::as_slice) {
        None if value.is_null() => list.clear(),
        Some([Value::String(name), Value::String(secret)]) => {
            list.retain(|(known, _)| known != name);
            list.push((name.clone(), secret.clone()));
        }
        _ => return Err(format!("\"{key}\" takes [name, secret] or null")),
    }
    Ok(())
}
