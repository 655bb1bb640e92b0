//! What can be chosen about the Vonage simulator, at its start and at run time.

use std::time::Duration;

use serde_json::Value;

use crate::servers::{self, socketio};

/// Which generation of the platform is simulated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Generation {
    /// Engine.IO 3 at `/rtc/`; the token comes in `session:login`.
    V1,
    /// Engine.IO 4 at `/v2/rtc/`; the token comes in the query.
    V2,
}

impl Generation {
    /// Path of the WebSocket, without its last slash.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::V1 => "/rtc",
            Self::V2 => "/v2/rtc",
        }
    }
}

/// Everything that is chosen at the start.
pub type Options = servers::Options<Settings>;

/// What becomes of an attached session when its token expires.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnExpiry {
    /// It is disconnected by `41`.
    Disconnect,
    /// `system:error:expired-token`, then `41`.
    EventDisconnect,
    /// `system:error:expired-token`; the socket stays.
    Event,
    /// Nothing.
    Nothing,
}

/// How a connection that presents a session id is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResumeAnswer {
    /// As it is; what becomes of an unknown or overdue one is [`Settings::unknown_session`].
    Honest,
    /// By `session:success` with another id, although the session is there.
    OtherId,
    /// By `session:error:invalid`, although the session is there.
    Invalid,
}

/// What becomes of a session id that is unknown, or was lost too long ago.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnknownSession {
    /// `session:error:invalid`, then `41`.
    Invalid,
    /// `session:success` with a new id.
    NewSession,
}

/// How a connection is refused because of its token or session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RejectWith {
    /// By an event, then `41`.
    Event,
    /// By a refusal of the namespace: CONNECT_ERROR, or ERROR in the older generation.
    ConnectError,
}

/// Which step of a connection never comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Withhold {
    /// All of them come.
    Nothing,
    /// The Engine.IO open packet.
    Open,
    /// The confirmation of the namespace.
    Connect,
    /// `session:success`.
    Success,
}

/// What can be changed at run time, by [`Settings::set`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The generation that is simulated; `set` does not change it.
    pub generation: Generation,
    /// Pace of the heartbeat, as the handshake announces it.
    pub ping_interval: Duration,
    /// Time for the answer to a heartbeat.
    pub ping_timeout: Duration,
    /// Longest message of a client.
    pub max_payload: usize,
    /// Whether generation 2 speaks Engine.IO 3 to those who ask, as some SDKs do.
    pub allow_eio3: bool,
    /// How long a session that has lost its connection can be resumed.
    pub window: Duration,
    /// What becomes of an attached session when its token expires.
    pub on_expiry: OnExpiry,
    /// Whether a `41` is followed by a close frame.
    pub close_after_disconnect: bool,
    /// Pause between an error event and its `41`.
    pub disconnect_delay: Duration,
    /// How a session id is answered.
    pub resume_answer: ResumeAnswer,
    /// What becomes of a session that is not there any more.
    pub unknown_session: UnknownSession,
    /// How a connection is refused.
    pub reject_with: RejectWith,
    /// What never comes.
    pub withhold: Withhold,
    /// Names (`sub`) that are let in; any, when there is none.
    pub users: Vec<String>,
    /// Whether a token must be allowed to use `/*/sessions/**`.
    pub check_acl: bool,
    /// How many sessions one user may have; any number when absent.
    pub max_sessions: Option<usize>,
    /// Whether events ask to be acknowledged; as the client has said when absent.
    pub ask_acks: Option<bool>,
    /// Whether what was not acknowledged is sent again to a resumed session.
    pub redeliver: bool,
    /// Whether missed events stand inside `session:success`; else they follow it.
    pub pending_inside: bool,
    /// Events that are kept for a session while it is away.
    pub event_buffer: usize,
    /// Delay of every reply.
    pub answer_delay: Duration,
    /// How many ids of a conversation the next events skip.
    pub skip_ids: u64,
    /// How many of the next events are sent twice.
    pub repeat_events: u32,
    /// Whether payloads carry fields that nobody knows.
    pub extra_fields: bool,
}

impl Settings {
    /// Gives the defaults of a generation.
    #[must_use]
    pub fn new(generation: Generation) -> Self {
        let config = socketio::Config::new(generation.protocol());
        Self {
            generation,
            ping_interval: config.ping_interval,
            ping_timeout: config.ping_timeout,
            max_payload: config.max_payload,
            allow_eio3: false,
            window: Duration::from_secs(300),
            on_expiry: OnExpiry::Disconnect,
            close_after_disconnect: true,
            disconnect_delay: Duration::from_millis(25),
            resume_answer: ResumeAnswer::Honest,
            unknown_session: UnknownSession::Invalid,
            reject_with: RejectWith::Event,
            withhold: Withhold::Nothing,
            users: Vec::new(),
            check_acl: false,
            max_sessions: None,
            ask_acks: None,
            redeliver: false,
            pending_inside: generation == Generation::V2,
            event_buffer: 1000,
            answer_delay: Duration::ZERO,
            skip_ids: 0,
            repeat_events: 0,
            extra_fields: false,
        }
    }

    /// Changes one setting, as the command `set` does.
    ///
    /// | key | value |
    /// | --- | --- |
    /// | `ping_interval_ms`, `ping_timeout_ms`, `window_ms`, `disconnect_delay_ms`, `answer_delay_ms` | number |
    /// | `max_payload`, `event_buffer`, `skip_ids`, `repeat_events` | number |
    /// | `max_sessions` | number, null for any |
    /// | `allow_eio3`, `close_after_disconnect`, `check_acl`, `redeliver`, `pending_inside`, `extra_fields` | true or false |
    /// | `ask_acks` | true or false, null for as the client has said |
    /// | `on_expiry` | `disconnect`, `event_disconnect`, `event` or `nothing` |
    /// | `resume_answer` | `honest`, `other_id` or `invalid` |
    /// | `unknown_session` | `invalid` or `new_session` |
    /// | `reject_with` | `event` or `connect_error` |
    /// | `withhold` | `open`, `connect` or `success`, null for none |
    /// | `user` | a name to let in, null for any |
    ///
    /// # Errors
    ///
    /// Says which key is unknown, or what kind of value it takes.
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "ping_interval_ms" => self.ping_interval = span(key, value)?.max(SHORTEST),
            "ping_timeout_ms" => self.ping_timeout = span(key, value)?.max(SHORTEST),
            "window_ms" => self.window = span(key, value)?,
            "disconnect_delay_ms" => self.disconnect_delay = span(key, value)?,
            "answer_delay_ms" => self.answer_delay = span(key, value)?,
            "max_payload" => self.max_payload = count(key, value)?,
            "event_buffer" => self.event_buffer = count(key, value)?,
            "skip_ids" => self.skip_ids = number(key, value)?,
            "repeat_events" => {
                self.repeat_events = u32::try_from(number(key, value)?).unwrap_or(u32::MAX);
            }
            "max_sessions" => {
                self.max_sessions = if value.is_null() { None } else { Some(count(key, value)?) };
            }
            "allow_eio3" => self.allow_eio3 = flag(key, value)?,
            "close_after_disconnect" => self.close_after_disconnect = flag(key, value)?,
            "check_acl" => self.check_acl = flag(key, value)?,
            "redeliver" => self.redeliver = flag(key, value)?,
            "pending_inside" => self.pending_inside = flag(key, value)?,
            "extra_fields" => self.extra_fields = flag(key, value)?,
            "ask_acks" => {
                self.ask_acks = if value.is_null() { None } else { Some(flag(key, value)?) };
            }
            "on_expiry" => {
                self.on_expiry = match value.as_str() {
                    Some("disconnect") => OnExpiry::Disconnect,
                    Some("event_disconnect") => OnExpiry::EventDisconnect,
                    Some("event") => OnExpiry::Event,
                    Some("nothing") => OnExpiry::Nothing,
                    _ => return Err(takes(key, "disconnect, event_disconnect, event or nothing")),
                };
            }
            "resume_answer" => {
                self.resume_answer = match value.as_str() {
                    Some("honest") => ResumeAnswer::Honest,
                    Some("other_id") => ResumeAnswer::OtherId,
                    Some("invalid") => ResumeAnswer::Invalid,
                    _ => return Err(takes(key, "honest, other_id or invalid")),
                };
            }
            "unknown_session" => {
                self.unknown_session = match value.as_str() {
                    Some("invalid") => UnknownSession::Invalid,
                    Some("new_session") => UnknownSession::NewSession,
                    _ => return Err(takes(key, "invalid or new_session")),
                };
            }
            "reject_with" => {
                self.reject_with = match value.as_str() {
                    Some("event") => RejectWith::Event,
                    Some("connect_error") => RejectWith::ConnectError,
                    _ => return Err(takes(key, "event or connect_error")),
                };
            }
            "withhold" => {
                self.withhold = match value.as_str() {
                    None if value.is_null() => Withhold::Nothing,
                    Some("open") => Withhold::Open,
                    Some("connect") => Withhold::Connect,
                    Some("success") => Withhold::Success,
                    _ => return Err(takes(key, "open, connect, success or null")),
                };
            }
            "user" => match value {
                Value::Null => self.users.clear(),
                Value::String(name) => self.users.push(name.clone()),
                _ => return Err(takes(key, "a name or null")),
            },
            _ => return Err(format!("unknown option \"{key}\"")),
        }
        Ok(())
    }
}

impl Generation {
    /// The protocol underneath.
    pub(super) fn protocol(self) -> socketio::Generation {
        match self {
            Self::V1 => socketio::Generation::V3,
            Self::V2 => socketio::Generation::V4,
        }
    }
}

pub(super) fn number(key: &str, value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| takes(key, "a whole number"))
}

fn count(key: &str, value: &Value) -> Result<usize, String> {
    Ok(usize::try_from(number(key, value)?).unwrap_or(usize::MAX))
}

fn span(key: &str, value: &Value) -> Result<Duration, String> {
    Ok(Duration::from_millis(number(key, value)?.min(YEAR_MS)))
}

fn flag(key: &str, value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| takes(key, "true or false"))
}

fn takes(key: &str, what: &str) -> String {
    format!("\"{key}\" takes {what}")
}

const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1000;
/// A heartbeat without a pause would be a busy loop.
const SHORTEST: Duration = Duration::from_millis(1);
