//! The rules of the guest chat API.

use redial_core::{
    Backoff, Clip, Delay, Growth, Intent, Jitter, Keepalive, Pace, Policy, PolicySpec, Recovery,
    Renew, Reset, Resume, Rule, Rules, Span, Timeouts, TokenPolicy, TokenUse, Verdict, When,
};

/// The rules of the guest chat API.
///
/// "The guide" is the tutorial "Implementing Resilient WebSocket Reconnection in Genesys Cloud Web
/// Messaging Clients"; "recordings" are those of its sample code.
pub const POLICY: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        // Chosen: the guide does not say how a socket refuses a guest. One new guest session,
        // then one more try; `token.rejections` is the end. The sample code tries the same dead
        // token for ever (recording `upgrade-401`).
        Rule::handshake(401, NEW_GUEST),
        Rule::handshake(403, NEW_GUEST),
        Rule::close(4401, NEW_GUEST),
        Rule::close(4403, NEW_GUEST),
        // Chosen: the instance is unknown, so the conversation is over.
        Rule::handshake(404, NEW_GUEST),
        Rule::close(4404, NEW_GUEST),
        // The guide, "429 Too Many Requests": never faster than the server says; 5 s where it
        // says nothing.
        Rule::handshake(429, RATE_LIMITED),
        Rule::http(429, RATE_LIMITED),
        // The guide, `authenticateGuest`: "Invalid OAuth token or missing webchat:guest:write
        // scope" and "Account lacks Web Messaging entitlement". No retry can help.
        Rule::http(401, Verdict::Stop),
        Rule::http(403, Verdict::Stop),
        // The guide, `authenticateGuest`: "Guest creation failed with status ..". 408 is a matter
        // of time, as are the statuses from 500 on: "Retry with exponential backoff".
        Rule::http(400, Verdict::Stop),
        Rule::http(402, Verdict::Stop),
        Rule::new(When::Http(404, 407), Verdict::Stop),
        Rule::new(When::Http(409, 428), Verdict::Stop),
        Rule::new(When::Http(430, 499), Verdict::Stop),
        // A REST call of this connection's guest was answered with 401: the guest is dead.
        Rule::refused(Refusal::GuestRejected as u16, NEW_GUEST),
        // The guide, "401 Unauthorized on Guest Creation": verify the token before the call. Only
        // the application has another one.
        Rule::refused(Refusal::OauthExpired as u16, Verdict::Suspend),
        // Such servers open the socket first and look at the guest then.
        Rule::refused(Refusal::GuestRejectedAgain as u16, Verdict::Stop),
        Rule::refused(Refusal::TokenMalformed as u16, Verdict::Suspend),
    ]),
    // The guide, "WebSocket Close Code 1006": the backoff handles it. So every other loss.
    otherwise: Verdict::Retry(Recovery::KEEP),
    backoff: Backoff {
        // The guide, `calculateBackoffDelay`: min(maxDelay, baseDelay * 2^attempt + jitter), with
        // 1000, 30000 and up to 1000 ms.
        growth: Growth::Exponential {
            first: Span::from_secs(1),
            percent: 200,
            cap: Span::from_secs(30),
        },
        jitter: Jitter::Additive(Span::from_secs(1)),
        clip: Clip::AfterJitter,
        // The guide, `MAX_RECONNECT_ATTEMPTS`.
        attempts: Some(5),
        // The guide, `handleDisconnect`: "reconnectAttempt = 0" once the connection is restored.
        // The sample code does so before the socket is open (recording `server-down`).
        reset: Reset::Online,
    },
    keepalive: Keepalive::Probe {
        // The guide, `startHealthMonitor`: a check every 10 s; unhealthy after 30 s without "the
        // last successful ping/pong exchange or message acknowledgment".
        interval: Span::from_secs(10),
        timeout: Span::from_secs(10),
        misses: 2,
        // A ping at each check at which nothing was heard since the last.
        pace: Pace::Quiet,
    },
    token: TokenPolicy {
        // The guide: "caches this session to avoid unnecessary guest creation".
        single_use: false,
        // The guide, `handleDisconnect`: an expired session is replaced before a reconnect. While
        // a connection lives nothing is: a new guest is another conversation. Chosen: one that has
        // less than 5 s left is not worth a dial; the sample code has no margin.
        renew: Renew::BeforeDial(Span::from_secs(5)),
        // Chosen: refused twice in a row is refused.
        rejections: Some(2),
    },
    // The guide: the same instance takes up where it was, as long as its token lives.
    resume: Resume::Always,
    timeouts: Timeouts {
        // The guide has no timeouts at all; these are chosen.
        token: Some(Span::from_secs(30)),
        http: Span::from_secs(10),
        connect: Span::from_secs(20),
        ready: Span::from_secs(10),
        close: Span::from_secs(5),
        // The guide, `HEALTH_TIMEOUT_MS`: how long an acknowledgment may take.
        request: Span::from_secs(30),
    },
    floor: Span::from_secs(1),
    retry_after_max: Span::from_secs(24 * 3600),
});

/// The wait that a 429 without a `Retry-After` asks for: the guide, `resendBufferViaRest`.
pub const RETRY_AFTER: Span = Span::from_secs(5);
/// How long a message may wait: the guide, `BUFFER_TTL_MS`.
pub const TTL: Span = Span::from_secs(300);
/// How often a message is sent again: the guide, `MAX_RETRIES`.
pub const RETRIES: u8 = 3;

/// The adapter's own numbers of [`Cause::Refused`](redial_core::Cause::Refused).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Refusal {
    /// The OAuth token has expired; it was not sent.
    OauthExpired = 1,
    /// What the application offered is no token.
    TokenMalformed = 2,
    /// A guest and the one that was made in its place were both refused by a close frame, before
    /// the vendor had said a word to either.
    GuestRejectedAgain = 3,
    /// A REST call found the guest session dead.
    GuestRejected = 401,
}

const NEW_GUEST: Verdict = Verdict::Retry(Recovery {
    token: TokenUse::Regenerate,
    intent: Intent::Restart,
    delay: Delay::Backoff,
});
const RATE_LIMITED: Verdict = Verdict::Retry(Recovery {
    token: TokenUse::Keep,
    intent: Intent::Resume,
    delay: Delay::AtLeast(RETRY_AFTER),
});
