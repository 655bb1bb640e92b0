//! The vendor's rules.

use redial_core::{
    Backoff, Clip, Delay, Growth, Intent, Jitter, Keepalive, Policy, PolicySpec, Recovery, Renew,
    Reset, Resume, Rule, Rules, Span, Timeouts, TokenPolicy, Verdict,
};

/// The rules of the vendor's "JS Session and Socket Management".
///
/// "SDK" is `nexmo-client` 8.7.3 and 9.5.1 as recorded; "2.x" is `@vonage/client-sdk` 2.3.1.
///
/// ```
/// use redial_core::{Cause, Span};
/// use redial_vonage::POLICY;
///
/// let spec = POLICY.spec();
/// let waits = [1, 2, 3, 4, 5].map(|attempt| spec.backoff.wait(attempt, 0, spec.floor));
/// assert_eq!(waits, [1, 2, 4, 8, 16].map(Span::from_secs));
/// assert_eq!(spec.backoff.attempts, Some(5));
/// ```
pub const POLICY: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        // "When a session token expires, [...] a minting of a new token": the old one is dead, the
        // session is not. The application is asked at once; the adapter asks at most once a second.
        Rule::refused(Refusal::TokenExpired as u16, NEW_TOKEN),
        Rule::refused(Refusal::ExpiredToken as u16, NEW_TOKEN),
        Rule::refused(Refusal::InvalidToken as u16, NEW_TOKEN),
        // Recorded: after a refused namespace the SDK makes no attempt of its own. The message is
        // the server's own, and a bad token the likely reason.
        Rule::refused(Refusal::NamespaceRefused as u16, Verdict::Retry(Recovery::REGENERATE)),
        // One new token has not helped.
        Rule::refused(Refusal::ExpiredTokenAgain as u16, Verdict::Suspend),
        Rule::refused(Refusal::InvalidTokenAgain as u16, Verdict::Stop),
        Rule::refused(Refusal::NamespaceRefusedAgain as u16, Verdict::Suspend),
        // No token for this user and this application will do better.
        Rule::refused(Refusal::InvalidUser as u16, Verdict::Stop),
        Rule::refused(Refusal::UserNotFound as u16, Verdict::Stop),
        Rule::refused(Refusal::Permission as u16, Verdict::Stop),
        // The session is unknown or its window has passed: a new one.
        Rule::refused(
            Refusal::SessionInvalid as u16,
            Verdict::Retry(Recovery { intent: Intent::Restart, ..Recovery::KEEP }),
        ),
        Rule::refused(
            Refusal::MaxOpenSessions as u16,
            Verdict::Retry(Recovery { delay: Delay::AtLeast(LONG_PAUSE), ..Recovery::KEEP }),
        ),
        // The session was ended on purpose.
        Rule::refused(Refusal::Terminated as u16, Verdict::Stop),
        Rule::refused(Refusal::LoggedOut as u16, Verdict::Stop),
        Rule::refused(Refusal::OwnLogout as u16, Verdict::Stop),
        // Recorded: the SDK makes no attempt after a login that was refused.
        Rule::refused(Refusal::LoginRefused as u16, Verdict::Suspend),
        Rule::refused(Refusal::LoginDisconnected as u16, Verdict::Suspend),
        Rule::refused(Refusal::WrongGeneration as u16, Verdict::Suspend),
    ]),
    // "By default, the SDK will automatically attempt to reconnect the socket and connect to the
    // same Session". Recorded with close codes 1000, 1001, 1005, 1006, 1011 and 4001, and with
    // refused upgrades: all are the same to the SDK.
    otherwise: Verdict::Retry(Recovery::KEEP),
    backoff: Backoff {
        // "5 reconnection attempts by default, starting at 1s intervals from losing the
        // connection and increasing exponentially".
        growth: Growth::Exponential {
            first: Span::from_secs(1),
            percent: 200,
            cap: Span::from_secs(16),
        },
        jitter: Jitter::None,
        clip: Clip::ThenJitter,
        attempts: Some(5),
        // Recorded: a success resets the counter.
        reset: Reset::Online,
    },
    // The open packet brings the numbers of each connection; these are Socket.IO's defaults.
    keepalive: Keepalive::Listen { within: Span::from_secs(45) },
    token: TokenPolicy {
        single_use: false,
        // The adapter plans renewals by the token's own claims.
        renew: Renew::Never,
        // The adapter tells the first refusal of a token from the second.
        rejections: None,
    },
    // "If the manual reconnection was successful within 5 minutes of the initial loss of the
    // connection it will reconnect to the same session."
    resume: Resume::Within(Span::from_secs(300)),
    timeouts: Timeouts {
        // The application may have to mint the token.
        token: None,
        http: Span::from_secs(10),
        // SDK: the default of its Socket.IO client.
        connect: Span::from_secs(20),
        // 2.x: 5 s to `session:success`; 8.x and 9.x wait for ever. Chosen.
        ready: Span::from_secs(10),
        close: Span::from_secs(5),
        request: Span::from_secs(10),
    },
    // `connect()` is one immediate try, so hardly anything is left to the floor: whatever happens
    // without the application's doing waits for the backoff or for another token, 1 s at least.
    // A program that answers the last failure at once must not be held back: what is held back
    // counts as an automatic attempt.
    floor: Span::from_millis(1),
    retry_after_max: Span::from_secs(24 * 3600),
});

/// [`POLICY`] with the waits of today's SDK: from 2 s, at most 15 s, a random part of 75 per cent.
///
/// SDK 6.2.1 to 9.5.1. The formula is Socket.IO's: the cap comes after the jitter.
pub const POLICY_SDK: Policy = Policy::new(PolicySpec {
    backoff: Backoff {
        growth: Growth::Exponential {
            first: Span::from_secs(2),
            percent: 200,
            cap: Span::from_secs(15),
        },
        jitter: Jitter::SocketIo { percent: 75 },
        clip: Clip::AfterJitter,
        attempts: Some(5),
        reset: Reset::Online,
    },
    ..*POLICY.spec()
});

/// The adapter's own numbers of [`Cause::Refused`](redial_core::Cause::Refused).
///
/// ```
/// use redial_vonage::Refusal;
/// assert_eq!(Refusal::named(Refusal::ExpiredToken as u16), "system:error:expired-token");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum Refusal {
    /// `system:error:expired-token` in answer to a login.
    ExpiredToken = 1,
    /// The same for the token that came after it.
    ExpiredTokenAgain = 2,
    /// `system:error:invalid-token` in answer to a login.
    InvalidToken = 3,
    /// The same for the token that came after it.
    InvalidTokenAgain = 4,
    /// `user:error:invalid-user`: the token's `sub` is nobody, often because of the wrong region.
    InvalidUser = 5,
    /// `user:error:not-found`.
    UserNotFound = 6,
    /// `system:error:permission`: the token's `acl` is too narrow.
    Permission = 7,
    /// `session:invalid` or `session:error:invalid`.
    SessionInvalid = 8,
    /// `session:error:max-open-sessions`.
    MaxOpenSessions = 9,
    /// `session:terminated`.
    Terminated = 10,
    /// `session:logged-out`.
    LoggedOut = 11,
    /// Any other error in answer to a login.
    LoginRefused = 12,
    /// A Socket.IO DISCONNECT before any session, and nothing that says why.
    LoginDisconnected = 13,
    /// The session has ended because we have asked for it.
    OwnLogout = 14,
    /// The server has broken the protocol.
    Protocol = 20,
    /// The server has closed the Engine.IO connection by a packet.
    EngineClosed = 21,
    /// The server speaks the other generation.
    WrongGeneration = 22,
    /// The server has refused to take another token for the session.
    UpdateRefused = 30,
    /// A Socket.IO DISCONNECT of a session: its token has expired.
    TokenExpired = 41,
    /// A Socket.IO CONNECT_ERROR.
    NamespaceRefused = 44,
    /// The same with the token that came after it.
    NamespaceRefusedAgain = 45,
}

impl Refusal {
    /// Returns the name of a number: the vendor's word for it where there is one.
    #[must_use]
    pub const fn named(code: u16) -> &'static str {
        match code {
            1 | 2 => "system:error:expired-token",
            3 | 4 => "system:error:invalid-token",
            5 => "user:error:invalid-user",
            6 => "user:error:not-found",
            7 => "system:error:permission",
            8 => "session:error:invalid",
            9 => "session:error:max-open-sessions",
            10 => "session:terminated",
            11 | 14 => "session:logged-out",
            12 => "login-refused",
            13 => "login-disconnected",
            20 => "protocol",
            21 => "engine-closed",
            22 => "wrong-generation",
            30 => "update-refused",
            41 => "token-expired",
            44 | 45 => "connect-error",
            _ => "refused",
        }
    }

    /// Returns what the name of an event says about a session.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "system:error:expired-token" => Self::ExpiredToken,
            "system:error:invalid-token" => Self::InvalidToken,
            "user:error:invalid-user" => Self::InvalidUser,
            "user:error:not-found" => Self::UserNotFound,
            "system:error:permission" => Self::Permission,
            "session:invalid" | "session:error:invalid" => Self::SessionInvalid,
            "session:error:max-open-sessions" => Self::MaxOpenSessions,
            "session:terminated" => Self::Terminated,
            "session:logged-out" => Self::LoggedOut,
            _ => return None,
        })
    }
}

/// Without a connection, the application is asked for a token at most this often. Chosen.
pub const ASKING_PACE: Span = Span::from_secs(1);
/// Renewals by time, and the second try of the same renewal, are never closer to each other.
pub const RENEWAL_PACE: Span = Span::from_secs(30);
/// How long `session:error:max-open-sessions` keeps us away. Chosen.
pub const LONG_PAUSE: Span = Span::from_secs(60);
/// How long after `system:error:expired-token` on a living session its end is awaited before the
/// token is renewed: one incident, one new token. Chosen.
pub const GRACE: Span = Span::from_secs(1);

const NEW_TOKEN: Verdict = Verdict::Retry(Recovery { delay: Delay::Now, ..Recovery::REGENERATE });
