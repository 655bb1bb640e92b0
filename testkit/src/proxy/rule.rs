//! What a rule waits for and what it does.

use std::time::Duration;

use serde_json::Value;

use crate::servers::command::Fields;

/// When something happens to a connection, and what.
///
/// A rule fires once, unless [`Rule::times`] or [`Rule::always`] says otherwise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    pub(crate) on: On,
    pub(crate) nth: u64,
    pub(crate) every: bool,
    pub(crate) times: Option<u32>,
    pub(crate) act: Act,
}

/// What a rule waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum On {
    /// A new connection, before the target is dialled.
    Connect,
    /// A plain HTTP request, before any of it goes to the target.
    Http {
        /// The method; any where there is none.
        method: Option<String>,
        /// What its path begins with. A query does not count.
        path: String,
    },
    /// A WebSocket frame of a plain connection.
    Frame {
        /// Where the frame goes.
        toward: Toward,
        /// How many of its bytes, counted with its header, go on before.
        at: u64,
    },
    /// A place in what the connection carries, of whatever protocol.
    Data {
        /// Where the data goes.
        toward: Toward,
        /// How many bytes go on before.
        after: u64,
    },
}

/// A direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Toward {
    /// What the client sends.
    Server,
    /// What the server sends.
    Client,
}

/// What happens to a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Act {
    /// Ends it by RST. Before the target was dialled, the target never hears of it.
    Refuse,
    /// Ends it at both sides.
    Cut {
        /// Whether by RST; else by FIN.
        rst: bool,
    },
    /// Holds what comes next, and what follows it in the same direction, for a while.
    Delay(Duration),
    /// Lets nothing through any more while TCP stays established at both sides; not even the end
    /// of a side gets through.
    Blackhole {
        /// In which direction; both where there is none.
        toward: Option<Toward>,
        /// Whether nothing is read, so that the sender's buffers fill; else what is read is lost.
        stall: bool,
    },
    /// Lets so many bytes through in a second, in small writes.
    Throttle {
        /// In which direction; both where there is none.
        toward: Option<Toward>,
        /// How many bytes in a second; 0 is 1.
        bytes_per_s: u32,
    },
    /// Sends the client a close frame of this code as soon as no other frame is in the way, and
    /// ends the connection. Only in a plain connection.
    Close {
        /// The code; 1005 sends an empty frame.
        code: u16,
    },
}

impl Rule {
    /// Makes a rule for the next connection.
    #[must_use]
    pub fn on_connect(act: Act) -> Self {
        Self::new(On::Connect, act)
    }

    /// Makes a rule for the next request whose path begins with `path`.
    #[must_use]
    pub fn on_http(method: Option<&str>, path: &str, act: Act) -> Self {
        Self::new(On::Http { method: method.map(str::to_owned), path: path.to_owned() }, act)
    }

    /// Makes a rule for the `nth` frame of a connection, from 1, before it goes on.
    #[must_use]
    pub fn on_frame(toward: Toward, nth: u64, act: Act) -> Self {
        Self::new(On::Frame { toward, at: 0 }, act).nth(nth)
    }

    /// Makes a rule for the place of a connection that so many bytes lie before.
    #[must_use]
    pub fn on_data(toward: Toward, after: u64, act: Act) -> Self {
        Self::new(On::Data { toward, after }, act)
    }

    /// Makes a rule that fires once, the first time.
    #[must_use]
    pub fn new(on: On, act: Act) -> Self {
        Self { on, nth: 1, every: false, times: Some(1), act }
    }

    /// Lets the first `nth - 1` pass: connections and requests since the rule was given, or
    /// frames of each connection. For a place in the data it means nothing.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth.max(1);
        self
    }

    /// Fires so many times: on consecutive connections or requests, or once on each of so many
    /// connections.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Fires without end.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// Fires at the frame and at every one that follows it on the same connection.
    #[must_use]
    pub fn every(mut self) -> Self {
        self.every = true;
        self.times = None;
        self
    }

    /// Reads the JSON form:
    /// `{"on":"connect"|"http"|"frame"|"data","nth":1,"times":1,"act":"refuse"|..}` with
    /// `"always":true` or `"every":true`; `method` and `path` for `http`, `dir` (`to_server`,
    /// `to_client`) for `frame` and `data`, `at` for `frame`, `after` for `data`. What an act needs
    /// stands beside it: `rst`, `ms`, `toward` (`both`, `to_server`, `to_client`), `mode`
    /// (`swallow`, `stall`), `bytes_per_s`, `code`.
    ///
    /// # Errors
    ///
    /// Says in words what is wrong.
    pub fn parse(value: Value) -> Result<Self, String> {
        let Value::Object(fields) = value else { return Err("a rule is a JSON object".to_owned()) };
        let mut fields = Fields(fields);
        let rule = Self::read(&mut fields)?;
        fields.end("a rule")?;
        Ok(rule)
    }

    pub(crate) fn read(fields: &mut Fields) -> Result<Self, String> {
        let on = match fields.text("on")?.as_deref() {
            Some("connect") => On::Connect,
            Some("http") => On::Http {
                method: fields.text("method")?,
                path: fields.text("path")?.unwrap_or_else(|| "/".to_owned()),
            },
            Some("frame") => On::Frame {
                toward: direction(fields)?,
                at: fields.number("at", MAX_BYTES)?.unwrap_or(0),
            },
            Some("data") => {
                On::Data { toward: direction(fields)?, after: fields.need("after", MAX_BYTES)? }
            }
            Some(other) => return Err(format!("a rule cannot be on \"{other}\"")),
            None => return Err("\"on\" is missing".to_owned()),
        };
        let name = fields.text("act")?.ok_or("\"act\" is missing")?;
        let rule = Self::new(on, Act::read(&name, fields)?);
        rule.read_counts(fields)
    }

    /// Reads how often it fires. What would mean nothing, or never fire, is refused: a fault that
    /// silently does not happen makes a test pass.
    fn read_counts(mut self, fields: &mut Fields) -> Result<Self, String> {
        let nth = fields.number("nth", MAX_BYTES)?;
        let every = fields.flag("every")?.unwrap_or(false);
        let always = fields.flag("always")?.unwrap_or(false);
        let times = fields.small("times", u32::MAX)?;
        if every && !matches!(self.on, On::Frame { .. }) {
            return Err("\"every\" is for frames; \"always\" fires without end".to_owned());
        }
        if nth.is_some() && matches!(self.on, On::Data { .. }) {
            return Err("\"nth\" means nothing for a place in the data".to_owned());
        }
        if nth == Some(0) {
            return Err("\"nth\" counts from 1".to_owned());
        }
        if times == Some(0) {
            return Err("\"times\" is 0: it would never fire".to_owned());
        }
        if always && times.is_some() {
            return Err("\"always\" and \"times\" contradict each other".to_owned());
        }
        self = self.nth(nth.unwrap_or(1));
        if every {
            self = self.every();
        }
        if always {
            self = self.always();
        }
        Ok(match times {
            Some(times) => self.times(times),
            None => self,
        })
    }
}

impl Act {
    pub(crate) fn read(name: &str, fields: &mut Fields) -> Result<Self, String> {
        Ok(match name {
            "refuse" => Self::Refuse,
            "cut" => Self::Cut { rst: fields.flag("rst")?.unwrap_or(false) },
            "delay" => Self::Delay(Duration::from_millis(fields.need("ms", MAX_DELAY_MS)?)),
            "blackhole" => {
                let stall = match fields.text("mode")?.as_deref() {
                    None | Some("swallow") => false,
                    Some("stall") => true,
                    Some(other) => return Err(format!("unknown mode \"{other}\"")),
                };
                Self::Blackhole { toward: both_or_one(fields)?, stall }
            }
            "throttle" => {
                let rate = fields.need("bytes_per_s", u64::from(u32::MAX))?;
                if rate == 0 {
                    return Err("\"bytes_per_s\" is 0: that is a blackhole".to_owned());
                }
                let bytes_per_s = u32::try_from(rate).unwrap_or(u32::MAX);
                Self::Throttle { toward: both_or_one(fields)?, bytes_per_s }
            }
            "close" => Self::Close { code: fields.code("code")?.unwrap_or(1000) },
            other => return Err(format!("unknown act \"{other}\"")),
        })
    }

    /// Returns the name of the act in the JSON form.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Cut { .. } => "cut",
            Self::Delay(_) => "delay",
            Self::Blackhole { .. } => "blackhole",
            Self::Throttle { .. } => "throttle",
            Self::Close { .. } => "close",
        }
    }
}

impl On {
    /// Returns the name in the JSON form.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Http { .. } => "http",
            Self::Frame { .. } => "frame",
            Self::Data { .. } => "data",
        }
    }
}

impl Toward {
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Server => 0,
            Self::Client => 1,
        }
    }
}

fn direction(fields: &mut Fields) -> Result<Toward, String> {
    let name = fields.text("dir")?.ok_or("\"dir\" is missing")?;
    toward(&name)?.ok_or_else(|| "\"dir\" is to_server or to_client".to_owned())
}

fn both_or_one(fields: &mut Fields) -> Result<Option<Toward>, String> {
    fields.text("toward")?.map_or(Ok(None), |name| toward(&name))
}

fn toward(name: &str) -> Result<Option<Toward>, String> {
    match name {
        "to_server" => Ok(Some(Toward::Server)),
        "to_client" => Ok(Some(Toward::Client)),
        "both" => Ok(None),
        other => Err(format!("unknown direction \"{other}\"")),
    }
}

const MAX_DELAY_MS: u64 = 24 * 60 * 60 * 1000;
const MAX_BYTES: u64 = 1 << 50;
