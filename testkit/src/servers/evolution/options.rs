//! What can be chosen about the Evolution simulator, at its start and at run time.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// Which of the two protocols is simulated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// CodeChat: a plain WebSocket for each event.
    #[default]
    CodeChat,
}

impl Profile {
    /// Gives the name that the tool uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CodeChat => "codechat",
        }
    }
}

/// Everything that is chosen at the start.
///
/// The default is what `redial serve evolution` does; [`Options::for_tests`] is stricter.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which protocol is simulated.
    pub profile: Profile,
    /// Where the vendor's endpoints listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control endpoint listens.
    pub control: SocketAddr,
    /// `HOST:PORT` that clients reach it by; the listener's own when absent.
    pub advertise: Option<String>,
    /// Whether everything but the control endpoint speaks TLS.
    pub tls: bool,
    /// Where the authority's certificate is written; a temporary file when absent.
    pub ca_path: Option<PathBuf>,
    /// Seed of everything that looks random.
    pub seed: u64,
    /// How many wire records are kept.
    pub wire_capacity: usize,
    /// Size of the receive buffer of each connection; small ones make a stall felt soon.
    pub recv_buffer: Option<u32>,
    /// What can be changed at run time as well.
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            profile: Profile::default(),
            listen: loopback,
            control: loopback,
            advertise: None,
            tls: false,
            ca_path: None,
            seed: 1,
            wire_capacity: 100_000,
            recv_buffer: None,
            settings: Settings::default(),
        }
    }
}

impl Options {
    /// Lets tokens expire, and refreshes only those that it has issued.
    #[must_use]
    pub fn for_tests() -> Self {
        let settings = Settings { expires_in_s: 3600, adopt_tokens: false, ..Settings::default() };
        Self { settings, ..Self::default() }
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
    /// Secret that tokens are signed with.
    pub jwt_secret: String,
    /// Life of issued tokens in seconds; with 0 the expiry of any token is ignored.
    ///
    /// The server's sample configuration says 0. A token issued then says that it has expired.
    pub expires_in_s: u64,
    /// Whether a token that was signed elsewhere with the secret makes its instance known, so that
    /// it can be refreshed.
    pub adopt_tokens: bool,
    /// Values of the header `apikey` that may create instances; with none, any may.
    pub api_keys: Vec<String>,
    /// What a client sees of a refused upgrade.
    pub refuse_mode: RefuseMode,
    /// Frame that each new socket gets in the same burst as the answer to its upgrade.
    pub greeting: Option<Value>,
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
            jwt_secret: DEFAULT_SECRET.to_owned(),
            expires_in_s: 0,
            adopt_tokens: true,
            api_keys: Vec::new(),
            refuse_mode: RefuseMode::Status,
            greeting: None,
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
    /// | `adopt_tokens`, `answer_pings`, `extra_fields` | true or false |
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
            "adopt_tokens" => self.adopt_tokens = flag(key, value)?,
            "answer_pings" => self.answer_pings = flag(key, value)?,
            "extra_fields" => self.extra_fields = flag(key, value)?,
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

/// The secret that is used when none is chosen; it is no secret.
const DEFAULT_SECRET: &str = "redial-simulator";
