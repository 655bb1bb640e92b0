//! The rules of Web Messaging.

use redial_core::{
    Backoff, Clip, Delay, Growth, Intent, Jitter, Keepalive, Pace, Policy, PolicySpec, Recovery,
    Renew, Reset, Resume, Rule, Rules, Span, Timeouts, TokenPolicy, TokenUse, Verdict,
};

/// The rules of Web Messaging.
///
/// "Mobile SDK" is the vendor's `genesys-messenger-transport-mobile-sdk` 2.14.0, "limits" the
/// Developer Center's page of platform limits as of October 2026.
pub const POLICY: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        // Mobile SDK, error 1002: the domain or the deployment is refused.
        Rule::handshake(403, Verdict::Stop),
        Rule::handshake(429, RATE_LIMITED),
        // Mobile SDK: a normal close by the server is the end, not a failure of the socket. It
        // does so after any close frame; which codes the service uses is not known, so the others
        // are taken for outages here.
        Rule::close(1000, Verdict::Suspend),
        // Refusals of `configureSession`, by the vendor's code: a bad request, unauthorized,
        // feature or deployment disabled, not found, read-only. Only the application can help.
        Rule::refused(400, Verdict::Suspend),
        Rule::refused(401, Verdict::Suspend),
        Rule::refused(403, Verdict::Suspend),
        Rule::refused(404, Verdict::Suspend),
        Rule::refused(409, Verdict::Suspend),
        Rule::refused(4020, Verdict::Suspend),
        // Mobile SDK issue 347: "ConfigureSession rate too high for this session".
        Rule::refused(429, RATE_LIMITED),
        // Session expired: a new token, and with it a new session.
        Rule::refused(4006, NEW_TOKEN),
        // Session not found: configured again.
        Rule::refused(4007, Verdict::Retry(Recovery { intent: Intent::Restart, ..Recovery::KEEP })),
        // Cannot go back to an unauthenticated session: the token is forgotten.
        Rule::refused(4017, NEW_TOKEN),
        // Mobile SDK: a `ConnectionClosedEvent` is followed by no reconnect of its own.
        Rule::refused(Refusal::SessionLimit as u16, Verdict::Suspend),
        Rule::refused(Refusal::Cleared as u16, Verdict::Suspend),
        // Mobile SDK: the token is forgotten, so there is nothing to go back to.
        Rule::refused(Refusal::SignedIn as u16, Verdict::Stop),
        Rule::refused(Refusal::LoggedOut as u16, Verdict::Stop),
    ]),
    otherwise: Verdict::Retry(Recovery::KEEP),
    backoff: Backoff {
        // Mobile SDK, Android: 5 s before each of 60 attempts, a budget of 300 s.
        growth: Growth::Fixed(Span::from_secs(5)),
        // Chosen: clients that were cut together come back apart.
        jitter: Jitter::Additive(Span::from_secs(1)),
        clip: Clip::ThenJitter,
        attempts: Some(60),
        // Mobile SDK: the counter is cleared by the `SessionResponse`.
        reset: Reset::Online,
    },
    keepalive: Keepalive::Probe {
        // Mobile SDK: a ping every 15 s; no pong before the next one is the end.
        interval: Span::from_secs(15),
        timeout: Span::from_secs(15),
        misses: 1,
        pace: Pace::Steady,
    },
    token: TokenPolicy {
        single_use: false,
        renew: Renew::Never,
        // Mobile SDK: at most 3 times for an authenticated session; the same for others here.
        rejections: Some(3),
    },
    // The same token takes up the session, for as long as the server keeps it.
    resume: Resume::Always,
    timeouts: Timeouts {
        // The application may have to make the token.
        token: None,
        http: Span::from_secs(10),
        connect: Span::from_secs(20),
        ready: Span::from_secs(10),
        close: Span::from_secs(5),
        request: Span::from_secs(10),
    },
    floor: Span::from_secs(1),
    retry_after_max: Span::from_secs(24 * 3600),
});

/// Limits: messages per session and second.
pub const MESSAGES_PER_SECOND: u16 = 5;
/// Limits: requests per connection and minute, of every kind.
pub const REQUESTS_PER_MINUTE: u16 = 60;
/// Limits: two health checks per connection and minute. Mobile SDK: a cool-down of 30 s.
pub const HEALTH_COOL_DOWN: Span = Span::from_secs(30);
/// The wait after a refusal for the rate that names none. Chosen.
pub const RETRY_AFTER: Span = Span::from_secs(5);
/// The longest text, in bytes: error 4011.
pub const MAX_TEXT: usize = 4096;
/// Mobile SDK: the notice comes 300 s before the session expires.
pub const EXPIRY_NOTICE: Span = Span::from_secs(300);

/// The adapter's own numbers of [`Cause::Refused`](redial_core::Cause::Refused); the others are
/// the vendor's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Refusal {
    /// Another connection of the session took this one's place.
    SessionLimit = 1,
    /// The guest has signed in elsewhere.
    SignedIn = 2,
    /// The guest has signed out.
    LoggedOut = 3,
    /// The conversation was cleared.
    Cleared = 4,
    /// The session is there and not connected.
    NotConnected = 5,
}

const NEW_TOKEN: Verdict = Verdict::Retry(Recovery {
    token: TokenUse::Regenerate,
    intent: Intent::Restart,
    delay: Delay::Backoff,
});
const RATE_LIMITED: Verdict = Verdict::Retry(Recovery {
    token: TokenUse::Keep,
    intent: Intent::Resume,
    delay: Delay::AtLeast(RETRY_AFTER),
});
