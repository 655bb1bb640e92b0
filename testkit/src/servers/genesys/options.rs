//! What can be chosen about the Genesys simulator, at its start and at run time.

use std::time::Duration;

use serde_json::Value;

use crate::servers;

use super::limits::Rate;

/// Which of the two services is simulated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// Guest sessions: instances, acknowledgments, and sending by REST.
    #[default]
    Guest,
    /// Today's Web Messaging: tokens made by clients, echoes, and a history.
    WebMessaging,
}

impl Profile {
    /// Gives the name that the tool uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::WebMessaging => "web-messaging",
        }
    }
}

/// Everything that is chosen at the start.
pub type Options = servers::Options<Settings>;

impl Options {
    /// Opens a guest's socket only to those who show the guest token.
    #[must_use]
    pub fn for_tests() -> Self {
        let settings = Settings { socket_auth: SocketAuth::Required, ..Settings::default() };
        Self::new(settings)
    }
}

/// Whether a guest's socket needs the guest token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SocketAuth {
    /// It must be there, in the header or in the query.
    Required,
    /// It must be good when it is there; the published sample never shows it.
    IfPresent,
}

/// How an upgrade with bad credentials is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefuseMode {
    /// By status 401 or 404, before the upgrade.
    Handshake,
    /// By an upgrade and close code 4401 or 4404.
    Close,
}

/// Where a message id must be unique.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DedupeScope {
    /// Within one conversation, as in the recordings.
    Conversation,
    /// Everywhere.
    Server,
}

/// What can be changed at run time, by [`Settings::set`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service that is simulated; `set` does not change it.
    pub profile: Profile,
    /// Whether a message whose id is known is acknowledged without being delivered again.
    pub dedupe: bool,
    /// Where ids must be unique.
    pub dedupe_scope: DedupeScope,
    /// Delay of every acknowledgment and answer on a socket.
    pub answer_delay: Duration,
    /// Whether pings are answered.
    pub answer_pings: bool,
    /// Time without anything from the client after which a socket is closed.
    pub idle_close: Option<Duration>,
    /// Close code of an idle socket; the real one is not known.
    pub idle_close_code: u16,
    /// Whether what the server sends carries fields that nobody knows.
    pub extra_fields: bool,
    /// How bad credentials are refused (guest).
    pub refuse_mode: RefuseMode,
    /// `expiresIn` of the guest answer, in seconds (guest).
    pub expires_in_s: u64,
    /// How long a guest token is really good; as long as announced when absent (guest).
    pub token_life: Option<Duration>,
    /// Whether the socket needs the guest token (guest).
    pub socket_auth: SocketAuth,
    /// OAuth tokens that are let in; with none, any of at least 10 characters (guest).
    pub oauth_tokens: Vec<String>,
    /// Values of the header `api_key` that are let in; with none, any (guest).
    pub api_keys: Vec<String>,
    /// Guest creations allowed; more are answered 429 (guest).
    pub guest_rate: Option<Rate>,
    /// Messages by REST allowed for each instance; more are answered 429 (guest).
    pub rest_rate: Option<Rate>,
    /// Life of a session after its last message (web messaging).
    pub session_ttl: Duration,
    /// Life of a token for the history (web messaging).
    pub jwt_life: Duration,
    /// Messages allowed for each session (web messaging).
    pub message_rate: Option<Rate>,
    /// Requests of any kind allowed for each connection (web messaging).
    pub request_rate: Option<Rate>,
    /// Configurations allowed for each session (web messaging).
    pub configure_rate: Option<Rate>,
    /// Health checks allowed for each connection (web messaging).
    pub echo_rate: Option<Rate>,
    /// History pages allowed for each session (web messaging).
    pub history_rate: Option<Rate>,
    /// Upgrades allowed for each deployment (web messaging).
    pub connect_rate: Option<Rate>,
    /// Connections that a session may have; one more closes the oldest (web messaging).
    pub max_connections: usize,
    /// Deployments that exist; with none, any does (web messaging).
    pub deployments: Vec<String>,
    /// Origins that are let in; with none, any is (web messaging).
    pub origins: Vec<String>,
    /// Delay of every second message of the server, so that it is overtaken (web messaging).
    pub out_of_order: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            dedupe: true,
            dedupe_scope: DedupeScope::Conversation,
            answer_delay: Duration::ZERO,
            answer_pings: true,
            idle_close: None,
            idle_close_code: 1001,
            extra_fields: false,
            refuse_mode: RefuseMode::Handshake,
            expires_in_s: 3600,
            token_life: None,
            socket_auth: SocketAuth::IfPresent,
            oauth_tokens: Vec::new(),
            api_keys: Vec::new(),
            guest_rate: None,
            rest_rate: None,
            session_ttl: Duration::from_secs(259_200),
            jwt_life: Duration::from_secs(60),
            message_rate: Some(Rate::per_second(5)),
            request_rate: Some(Rate::per_minute(60)),
            configure_rate: Some(Rate::per_minute(60)),
            echo_rate: Some(Rate::per_minute(2)),
            history_rate: Some(Rate::per_minute(10)),
            connect_rate: Some(Rate::per_minute(1000)),
            max_connections: 3,
            deployments: Vec::new(),
            origins: Vec::new(),
            out_of_order: Duration::ZERO,
        }
    }
}

impl Settings {
    /// Changes one setting, as the command `set` does.
    ///
    /// | key | value |
    /// | --- | --- |
    /// | `dedupe` | true, false, `on` or `off` |
    /// | `dedupe_scope` | `conversation` or `server` |
    /// | `answer_pings`, `extra_fields` | true or false |
    /// | `answer_delay_ms`, `out_of_order_ms` | number |
    /// | `idle_close_ms` | number, 0 for never |
    /// | `idle_close_code` | close code |
    /// | `refuse_mode` | `handshake` or `close` |
    /// | `expires_in_s` | number |
    /// | `token_life_ms` | number or null |
    /// | `socket_auth` | `required` or `if_present` |
    /// | `oauth_token`, `api_key`, `deployment`, `origin` | text to let in, null for any |
    /// | `session_ttl_ms`, `jwt_life_ms` | number |
    /// | `max_connections` | number above 0 |
    /// | `guest_rate`, `rest_rate`, `message_rate`, `request_rate`, `configure_rate`, `echo_rate`, `history_rate`, `connect_rate` | `{"n":5,"window_ms":1000}` or null |
    ///
    /// # Errors
    ///
    /// Says which key is unknown, or what kind of value it takes.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "dedupe" => {
                self.dedupe = match value.as_str() {
                    Some("on") => true,
                    Some("off") => false,
                    _ => flag(key, value)?,
                }
            }
            "dedupe_scope" => {
                self.dedupe_scope = match value.as_str() {
                    Some("conversation") => DedupeScope::Conversation,
                    Some("server") => DedupeScope::Server,
                    _ => return Err(takes(key, "conversation or server")),
                }
            }
            "answer_pings" => self.answer_pings = flag(key, value)?,
            "extra_fields" => self.extra_fields = flag(key, value)?,
            "answer_delay_ms" => self.answer_delay = span(key, value)?,
            "out_of_order_ms" => self.out_of_order = span(key, value)?,
            "idle_close_ms" => {
                self.idle_close = Some(span(key, value)?).filter(|idle| !idle.is_zero());
            }
            "idle_close_code" => {
                self.idle_close_code =
                    u16::try_from(number(key, value)?).map_err(|_| takes(key, "a close code"))?;
            }
            "refuse_mode" => {
                self.refuse_mode = match value.as_str() {
                    Some("handshake") => RefuseMode::Handshake,
                    Some("close") => RefuseMode::Close,
                    _ => return Err(takes(key, "handshake or close")),
                }
            }
            "expires_in_s" => self.expires_in_s = number(key, value)?,
            "token_life_ms" if value.is_null() => self.token_life = None,
            "token_life_ms" => self.token_life = Some(span(key, value)?),
            "socket_auth" => {
                self.socket_auth = match value.as_str() {
                    Some("required") => SocketAuth::Required,
                    Some("if_present") => SocketAuth::IfPresent,
                    _ => return Err(takes(key, "required or if_present")),
                }
            }
            "oauth_token" => admit(&mut self.oauth_tokens, key, value)?,
            "api_key" => admit(&mut self.api_keys, key, value)?,
            "deployment" => admit(&mut self.deployments, key, value)?,
            "origin" => admit(&mut self.origins, key, value)?,
            "session_ttl_ms" => self.session_ttl = span(key, value)?,
            "jwt_life_ms" => self.jwt_life = span(key, value)?,
            "max_connections" => {
                let number = usize::try_from(number(key, value)?).unwrap_or(usize::MAX);
                self.max_connections = if number == 0 {
                    return Err(takes(key, "a number above 0"));
                } else {
                    number
                };
            }
            "guest_rate" => self.guest_rate = rate(key, value)?,
            "rest_rate" => self.rest_rate = rate(key, value)?,
            "message_rate" => self.message_rate = rate(key, value)?,
            "request_rate" => self.request_rate = rate(key, value)?,
            "configure_rate" => self.configure_rate = rate(key, value)?,
            "echo_rate" => self.echo_rate = rate(key, value)?,
            "history_rate" => self.history_rate = rate(key, value)?,
            "connect_rate" => self.connect_rate = rate(key, value)?,
            _ => return Err(format!("unknown option \"{key}\"")),
        }
        Ok(())
    }
}

fn takes(key: &str, what: &str) -> String {
    format!("\"{key}\" takes {what}")
}

/// Reads true or false.
pub(crate) fn flag(key: &str, value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| takes(key, "true or false"))
}

/// Reads a whole number of at most two years of milliseconds, so that no deadline overflows.
pub(crate) fn number(key: &str, value: &Value) -> Result<u64, String> {
    let number = value.as_u64().filter(|number| *number <= 2 * 366 * 24 * 60 * 60 * 1000);
    number.ok_or_else(|| takes(key, "a whole number of at most two years"))
}

fn span(key: &str, value: &Value) -> Result<Duration, String> {
    number(key, value).map(Duration::from_millis)
}

fn admit(list: &mut Vec<String>, key: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => list.clear(),
        Value::String(text) => list.push(text.clone()),
        _ => return Err(takes(key, "text or null")),
    }
    Ok(())
}

fn rate(key: &str, value: &Value) -> Result<Option<Rate>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let field = |name| number(key, value.get(name).unwrap_or(&Value::Null));
    let n = u32::try_from(field("n")?).map_err(|_| format!("\"{key}\" is too high"))?;
    Ok(Some(Rate { n, window: Duration::from_millis(field("window_ms")?) }))
}
