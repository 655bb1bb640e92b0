//! What can be chosen about the Evolution simulator, at its start and at run time.

use std::time::Duration;

use serde_json::Value;

use crate::servers;

/// Which of the two protocols is simulated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// CodeChat: a plain WebSocket for each event.
    #[default]
    CodeChat,
    /// Evolution API 2: Socket.IO, a namespace for each instance.
    V2,
}

impl Profile {
    /// Gives the name that the tool uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CodeChat => "codechat",
            Self::V2 => "v2",
        }
    }
}

/// Everything that is chosen at the start.
pub type Options = servers::Options<Settings>;

impl Options {
    /// Lets tokens expire, and knows only what was created.
    #[must_use]
    pub fn for_tests() -> Self {
        let settings = Settings { expires_in_s: 3600, adopt: false, ..Settings::default() };
        Self::new(settings)
    }
}

/// What a client sees of a refused upgrade.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefuseMode {
    /// The bare status line, as written by the server.
    Status,
    /// The end of the connection, which overtook the status line.
    End,
    /// A reset of the connection, which overtook the status line.
    Reset,
}

/// What can be changed at run time, by [`Settings::set`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The protocol that is simulated; `set` does not change it.
    pub profile: Profile,
    /// Secret that tokens are signed with (codechat).
    pub jwt_secret: String,
    /// Life of issued tokens in seconds; with 0 the expiry of any token is ignored (codechat).
    ///
    /// The server's sample configuration says 0. A token issued then says that it has expired.
    pub expires_in_s: u64,
    /// Whether an instance that nobody created is taken for one, with all its events on: by a token
    /// that was signed elsewhere, which then can be refreshed, or by its name.
    pub adopt: bool,
    /// Global keys, which may create instances and open every namespace; with none, any key is one.
    pub api_keys: Vec<String>,
    /// What a client sees of a refused upgrade (codechat).
    pub refuse_mode: RefuseMode,
    /// Frame that each new socket gets in the same burst as the answer to its upgrade (codechat).
    pub greeting: Option<Value>,
    /// Whether a handshake needs a key; clients on the server's own host do not (v2).
    pub key_required: bool,
    /// Whether every event of every instance is emitted on the root namespace as well (v2).
    pub global: bool,
    /// Whether events carry the token of their instance (v2).
    pub expose_key: bool,
    /// How long the server waits before it pings, as it announces (v2).
    pub ping_interval: Duration,
    /// How long the server waits for the answer to its ping, as it announces (v2).
    pub ping_timeout: Duration,
    /// How long a connection may be without a namespace (v2).
    pub join_timeout: Duration,
    /// Longest message of a client (v2).
    pub max_payload: usize,
    /// Whether pings are answered.
    pub answer_pings: bool,
    /// Time without anything from the client after which a socket is closed, as a proxy does.
    pub idle_close: Option<Duration>,
    /// Close code of an idle socket.
    pub idle_close_code: u16,
    /// Whether payloads that are objects carry fields that nobody knows.
    pub extra_fields: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            jwt_secret: DEFAULT_SECRET.to_owned(),
            expires_in_s: 0,
            adopt: true,
            api_keys: Vec::new(),
            refuse_mode: RefuseMode::Status,
            greeting: None,
            key_required: true,
            global: false,
            expose_key: false,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            join_timeout: Duration::from_secs(45),
            max_payload: 1_000_000,
            answer_pings: true,
            idle_close: None,
            idle_close_code: 1001,
            extra_fields: false,
        }
    }
}

impl Settings {
    /// Changes one setting, as the command `set` does.
    ///
    /// | key | value |
    /// | --- | --- |
    /// | `jwt_secret` | text that is not empty |
    /// | `expires_in_s` | number, 0 to ignore the expiry of tokens |
    /// | `adopt`, `answer_pings`, `extra_fields`, `key_required`, `global`, `expose_key` | true or false |
    /// | `ping_interval_ms`, `ping_timeout_ms`, `join_timeout_ms`, `max_payload` | number above 0 |
    /// | `api_key` | text to let in, null for any |
    /// | `refuse_mode` | `status`, `end` or `reset` |
    /// | `greeting` | any JSON, null for none |
    /// | `idle_close_ms` | number, 0 for never |
    /// | `idle_close_code` | close code |
    ///
    /// # Errors
    ///
    /// Says which key is unknown, or what kind of value it takes.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "jwt_secret" => {
                let secret = value.as_str().filter(|secret| !secret.is_empty());
                self.jwt_secret = secret.ok_or_else(|| takes(key, "text"))?.to_owned();
            }
            "expires_in_s" => self.expires_in_s = number(key, value)?,
            "adopt" => self.adopt = flag(key, value)?,
            "answer_pings" => self.answer_pings = flag(key, value)?,
            "extra_fields" => self.extra_fields = flag(key, value)?,
            "key_required" => self.key_required = flag(key, value)?,
            "global" => self.global = flag(key, value)?,
            "expose_key" => self.expose_key = flag(key, value)?,
            "ping_interval_ms" => self.ping_interval = span(key, value)?,
            "ping_timeout_ms" => self.ping_timeout = span(key, value)?,
            "join_timeout_ms" => self.join_timeout = span(key, value)?,
            "max_payload" => {
                self.max_payload = usize::try_from(positive(key, value)?).unwrap_or(usize::MAX);
            }
            "api_key" => match value {
                Value::Null => self.api_keys.clear(),
                Value::String(text) => self.api_keys.push(text.clone()),
                _ => return Err(takes(key, "text or null")),
            },
            "refuse_mode" => {
                self.refuse_mode = match value.as_str() {
                    Some("status") => RefuseMode::Status,
                    Some("end") => RefuseMode::End,
                    Some("reset") => RefuseMode::Reset,
                    _ => return Err(takes(key, "status, end or reset")),
                }
            }
            "greeting" => self.greeting = Some(value.clone()).filter(|value| !value.is_null()),
            "idle_close_ms" => {
                let idle = Duration::from_millis(number(key, value)?);
                self.idle_close = Some(idle).filter(|idle| !idle.is_zero());
            }
            "idle_close_code" => {
                self.idle_close_code =
                    u16::try_from(number(key, value)?).map_err(|_| takes(key, "a close code"))?;
            }
            _ => return Err(format!("unknown option \"{key}\"")),
        }
        Ok(())
    }
}

/// Says what kind of value an option takes.
pub(super) fn takes(key: &str, what: &str) -> String {
    format!("\"{key}\" takes {what}")
}

fn flag(key: &str, value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| takes(key, "true or false"))
}

/// Reads a whole number of at most two years of milliseconds, so that no deadline overflows.
fn number(key: &str, value: &Value) -> Result<u64, String> {
    let number = value.as_u64().filter(|number| *number <= 2 * 366 * 24 * 60 * 60 * 1000);
    number.ok_or_else(|| takes(key, "a whole number of at most two years"))
}

fn positive(key: &str, value: &Value) -> Result<u64, String> {
    match number(key, value)? {
        0 => Err(takes(key, "a number above 0")),
        number => Ok(number),
    }
}

fn span(key: &str, value: &Value) -> Result<Duration, String> {
    positive(key, value).map(Duration::from_millis)
}

/// The secret that is used when none is chosen; it is no secret.
const DEFAULT_SECRET: &str = "redial-simulator";
