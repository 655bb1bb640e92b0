//! The vendor's rules.

use redial_core::{
    Backoff, Clip, Delay, Growth, Intent, Jitter, Keepalive, Pace, Policy, PolicySpec, Recovery,
    Renew, Reset, Resume, Rule, Rules, Span, Timeouts, TokenPolicy, TokenUse, Verdict, When,
};

/// The rules of RingCentral's WebSocket gateway.
///
/// "Guide" is the vendor's WebSocket guide, "SDK" its `@rc-ex/ws` 1.4.2, "live" what users have
/// reported of the production service.
///
/// ```
/// use redial_core::{Cause, Verdict};
/// use redial_ringcentral::POLICY;
///
/// // No authorization in the URL: nothing that a retry could change.
/// assert_eq!(POLICY.verdict(Cause::Close(4400)), Verdict::Stop);
/// ```
pub const POLICY: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        // Live: the gateway upgrades and closes with 4400 where the URL has no authorization.
        Rule::close(4400, Verdict::Stop),
        // Chosen: a wstoken that is bad, old or used. The next one is another one.
        Rule::close(4401, NEW_TOKEN),
        Rule::handshake(401, NEW_TOKEN),
        Rule::handshake(403, NEW_TOKEN),
        // Chosen: another connection took this one's place. Two that fight help nobody.
        Rule::close(4409, at_least(Span::from_secs(30))),
        // Guide, "Rate limits": the penalty is 60 s, and every request in the meantime restarts it.
        Rule::handshake(429, at_least(PENALTY)),
        Rule::http(429, at_least(PENALTY)),
        // Live: the application lacks the permission "WebSocket Subscriptions".
        Rule::http(403, Verdict::Stop),
        // The credentials are refused, also after one refresh: only the application has others.
        Rule::new(When::Http(400, 402), Verdict::Suspend),
        Rule::new(When::Http(404, 407), Verdict::Suspend),
        Rule::new(When::Http(409, 428), Verdict::Suspend),
        Rule::new(When::Http(430, 499), Verdict::Suspend),
        // The application gives access tokens, and the one that it gave is none.
        Rule::refused(Refusal::TokenMalformed as u16, Verdict::Suspend),
        // Live: `WSG-400` before the hello. The context token is forgotten, so the next
        // connection begins a new session.
        Rule::refused(Refusal::MalformedContext as u16, RESTART),
        // Guide: `WSG-903` ends every connection after `absoluteTimeout`. Normal operation.
        Rule::refused(Refusal::AbsoluteTimeout as u16, AT_ONCE),
        Rule::new(When::Replaced, AT_ONCE),
    ]),
    // TCP loss, 1000, 1001, 1005, `WSG-902` and any other end that we did not ask for: recover.
    // 5xx, 408 and unanswered exchanges: an outage.
    otherwise: Verdict::Retry(Recovery::KEEP),
    backoff: Backoff {
        // SDK: `min(8, 2 + 2n)` s, n failed attempts. With n = 0 it looks every 2 s, so the first
        // attempt starts within 2 s of the loss. Here it starts after 0.5 to 1.5 s, so that a token
        // and a handshake fit in too.
        growth: Growth::Table([
            Span::from_millis(500),
            Span::from_secs(4),
            Span::from_secs(6),
            Span::from_secs(8),
            Span::from_secs(8),
            Span::from_secs(8),
            Span::from_secs(8),
            Span::from_secs(8),
        ]),
        jitter: Jitter::Additive(Span::from_secs(1)),
        clip: Clip::ThenJitter,
        // SDK: never gives up.
        attempts: None,
        // SDK: counts from zero after every recovery that ended with a hello.
        reset: Reset::Online,
    },
    keepalive: Keepalive::Probe {
        // SDK: a heartbeat after 60 s; a server that announces an `idleTimeout` below 120 s gets
        // one in each half of it.
        interval: Span::from_secs(60),
        // Guide: what a pong may take. The SDK does not watch the answers (recording `half-open`).
        timeout: Span::from_secs(10),
        misses: 1,
        // Live: pings and pongs are no traffic, so a frame is due whatever else arrives.
        pace: Pace::Steady,
    },
    token: TokenPolicy {
        // Guide: "good for one connection only".
        single_use: true,
        renew: Renew::Never,
        // Chosen: the rate group is what bounds the calls.
        rejections: None,
    },
    // Guide, sample of `recoveryTimeout`; the hello of each connection says the real one.
    resume: Resume::Within(Span::from_secs(180)),
    timeouts: Timeouts {
        // Two logins and two wstokens of 10 s each, and a minute's wait for the rate group.
        token: Some(Span::from_secs(120)),
        http: Span::from_secs(10),
        connect: Span::from_secs(20),
        // Chosen; the SDK waits 60 s for the hello and then leaves the socket open.
        ready: Span::from_secs(20),
        close: Span::from_secs(5),
        // SDK.
        request: Span::from_secs(60),
    },
    floor: Span::from_millis(500),
    retry_after_max: Span::from_secs(24 * 3600),
});

/// What a 429 without `Retry-After` asks for.
///
/// The guide asks for 30 s at least and has a penalty of 60 s that each request restarts.
pub const PENALTY: Span = Span::from_secs(60);

/// The adapter's own numbers of [`Cause::Refused`](redial_core::Cause::Refused).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Refusal {
    /// What the application offered is no access token.
    TokenMalformed = 1,
    /// An `Error` frame came in place of the hello.
    Hello = 2,
    /// `WSG-400`: the context token is malformed.
    MalformedContext = 400,
    /// `WSG-902`: nothing was sent for `idleTimeout`.
    IdleTimeout = 902,
    /// `WSG-903`: the connection is older than `absoluteTimeout`.
    AbsoluteTimeout = 903,
}

impl Refusal {
    pub(crate) const fn name_of(code: u16) -> &'static str {
        match code {
            1 => "token-malformed",
            2 => "hello",
            400 => "WSG-400",
            902 => "WSG-902",
            903 => "WSG-903",
            _ => "refused",
        }
    }
}

const fn at_least(span: Span) -> Verdict {
    Verdict::Retry(Recovery {
        token: TokenUse::Keep,
        intent: Intent::Resume,
        delay: Delay::AtLeast(span),
    })
}

const NEW_TOKEN: Verdict = Verdict::Retry(Recovery::REGENERATE);
const RESTART: Verdict = Verdict::Retry(Recovery {
    token: TokenUse::Keep,
    intent: Intent::Restart,
    delay: Delay::Backoff,
});
const AT_ONCE: Verdict =
    Verdict::Retry(Recovery { token: TokenUse::Keep, intent: Intent::Resume, delay: Delay::Now });
