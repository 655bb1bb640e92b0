//! What can be chosen about the RingCentral simulator, at its start and at run time.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::servers;

/// Everything that is chosen at the start.
pub type Options = servers::Options<Settings>;

impl Options {
    /// Refuses a wstoken that has opened a connection before, and issues tokens that must be
    /// percent-encoded.
    #[must_use]
    pub fn for_tests() -> Self {
        let settings = Settings {
            ws_token_reuse: TokenReuse::Reject,
            awkward_tokens: true,
            ..Settings::default()
        };
        Self::new(settings)
    }
}

/// What becomes of an upgrade with a wstoken that has opened a connection before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenReuse {
    /// It is accepted, and the earlier connection is closed with 4409: what was seen live.
    Kick,
    /// It is closed with 4401: what the vendor's guide says.
    Reject,
    /// It is accepted.
    Allow,
}

/// How a bad wstoken is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefuseMode {
    /// By status 401, before the upgrade.
    Handshake,
    /// By an upgrade and close code 4401.
    Close4401,
}

/// Which frames carry a `wsc`, apart from the hello.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WscMode {
    /// None.
    Hello,
    /// Notifications.
    Notifications,
    /// All of them.
    Every,
}

/// How a connection that presents a `wsc`, or none, is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecoveryAnswer {
    /// As it is.
    Honest,
    /// With a new session and no `recoveryState`, as if no `wsc` had been presented.
    Absent,
    /// With a new session and `Failed`.
    Failed {
        /// The `recoveryErrorCode`.
        code: String,
    },
    /// With `Successful` and the `wsc` of a new session, which has no subscription.
    OtherWsc,
    /// With the truth, and the `wsc` that was presented instead of a new one.
    SameWsc,
    /// With `Successful`, although no `wsc` was presented.
    Unasked,
}

/// Requests of the Auth group that one account may make.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AuthRate {
    /// How many within the window.
    pub n: u32,
    /// The window.
    pub window: Duration,
    /// How long the group is silenced; every request in the meantime begins it anew.
    pub penalty: Duration,
    /// Whether a 429 names the span in `Retry-After`.
    pub retry_after: bool,
    /// Whether the token endpoint belongs to the group as well.
    pub whole_group: bool,
}

/// An authorization code that can be redeemed once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthCode {
    /// The code.
    pub code: String,
    /// The `redirect_uri` that it was given to; any when absent.
    pub redirect_uri: Option<String>,
    /// The verifier that must come with it; any when absent.
    pub verifier: Option<String>,
}

/// An answer to a REST request that replaces the simulator's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Canned {
    /// Method of the request.
    pub method: String,
    /// Path of the request, without query.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
    /// Body of the answer; a text is sent as it is, JSON or not.
    pub body: Option<Value>,
}

/// What can be changed at run time, by [`Settings::set`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Client ids and secrets; with none, any client is let in.
    pub clients: Vec<(String, String)>,
    /// JWT assertions and the extension that each is of; with none, any assertion is let in.
    pub assertions: Vec<(String, String)>,
    /// Authorization codes; with none, any code is redeemed once.
    pub auth_codes: Vec<AuthCode>,
    /// Life of an access token.
    pub access_ttl: Duration,
    /// Life of a refresh token.
    pub refresh_ttl: Duration,
    /// OAuth sessions of one user and client; the oldest is revoked for one more.
    pub max_oauth_sessions: usize,
    /// Limit of the Auth group.
    pub auth_rate: Option<AuthRate>,
    /// Life of a wstoken that has not opened a connection.
    pub ws_token_ttl: Duration,
    /// What becomes of a wstoken that is presented again.
    pub ws_token_reuse: TokenReuse,
    /// How a bad wstoken is refused.
    pub refuse_mode: RefuseMode,
    /// Whether tokens hold characters that must be percent-encoded in a query.
    pub awkward_tokens: bool,
    /// Whether the app may open WebSockets: a wstoken is answered 403 else.
    pub ws_permission: bool,
    /// Whether the app may subscribe: 403 `SUB-528` else.
    pub subscribe_permission: bool,
    /// How long a lost session can be recovered.
    pub recovery_timeout: Duration,
    /// Notifications kept while the client is away.
    pub recovery_buffer: usize,
    /// Pause between the hello and the replay; zero puts them into one burst.
    pub replay_delay: Duration,
    /// Delivered notifications that a replay begins with once more.
    pub replay_overlap: usize,
    /// How a recovery is answered, and how often so; for ever when the number is absent.
    pub recovery_answer: (RecoveryAnswer, Option<u32>),
    /// `recoveryErrorCode` of a session that has expired; the real one is not known.
    pub expired_code: String,
    /// Pause before the hello.
    pub hello_delay: Duration,
    /// Whether the hello never comes.
    pub withhold_hello: bool,
    /// Fields of the hello's body to replace; null leaves a field out.
    pub hello_fields: Map<String, Value>,
    /// Time without a frame of the application on the client's side until `WSG-902`.
    pub idle_timeout: Duration,
    /// Life of a connection until `WSG-903`.
    pub absolute_timeout: Duration,
    /// Close code after `WSG-902` and `WSG-903`; the real one is not known.
    pub timeout_close_code: u16,
    /// Requests that may be under way on one socket.
    pub max_active_requests: usize,
    /// The number announced as `maxConnectionsPerSession`; nothing is done about it.
    pub max_connections: u64,
    /// Pace of the server's pings.
    pub ping_interval: Option<Duration>,
    /// Time for the client's pong until the connection is cut.
    pub pong_timeout: Option<Duration>,
    /// Whether a `Heartbeat` is answered.
    pub answer_heartbeats: bool,
    /// Which frames carry a `wsc`.
    pub wsc_mode: WscMode,
    /// Whether the `wsc` token changes with every sequence.
    pub wsc_rotates: bool,
    /// Life of a subscription, as announced.
    pub subscription_ttl: Duration,
    /// Whether subscriptions outlive what was announced, as the guide says.
    pub subscription_renewal: bool,
    /// Delay of every answer on a socket.
    pub answer_delay: Duration,
    /// How many answers are held back, to be sent in reverse order; 0 and 1 hold none.
    pub reorder: usize,
    /// Answers that replace the simulator's own.
    pub canned: Vec<Canned>,
    /// Whether every frame carries fields that nobody knows.
    pub extra_fields: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clients: Vec::new(),
            assertions: Vec::new(),
            auth_codes: Vec::new(),
            access_ttl: Duration::from_secs(3600),
            refresh_ttl: Duration::from_secs(604_800),
            max_oauth_sessions: 5,
            auth_rate: Some(AuthRate::default()),
            ws_token_ttl: Duration::from_secs(600),
            ws_token_reuse: TokenReuse::Kick,
            refuse_mode: RefuseMode::Close4401,
            awkward_tokens: false,
            ws_permission: true,
            subscribe_permission: true,
            recovery_timeout: Duration::from_secs(180),
            recovery_buffer: 100,
            replay_delay: Duration::from_millis(50),
            replay_overlap: 0,
            recovery_answer: (RecoveryAnswer::Honest, None),
            expired_code: "WSG-1003".to_owned(),
            hello_delay: Duration::ZERO,
            withhold_hello: false,
            hello_fields: Map::new(),
            idle_timeout: Duration::from_secs(1800),
            absolute_timeout: Duration::from_secs(86_400),
            timeout_close_code: 1000,
            max_active_requests: 10,
            max_connections: 50,
            ping_interval: Some(Duration::from_secs(30)),
            pong_timeout: Some(Duration::from_secs(10)),
            answer_heartbeats: true,
            wsc_mode: WscMode::Hello,
            wsc_rotates: true,
            subscription_ttl: Duration::from_secs(86_400),
            subscription_renewal: true,
            answer_delay: Duration::ZERO,
            reorder: 0,
            canned: Vec::new(),
            extra_fields: false,
        }
    }
}

impl Default for AuthRate {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { n: 5, window: minute, penalty: minute, retry_after: true, whole_group: false }
    }
}
