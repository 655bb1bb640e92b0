//! The vendor's rules.

use redial_core::{
    Backoff, Clip, Growth, Jitter, Keepalive, Pace, Policy, PolicySpec, Recovery, Renew, Reset,
    Resume, Rule, Rules, Span, Timeouts, TokenPolicy, Verdict, When,
};

/// The rules of the vendor's "NodeAgentSDK Connection Best Practices" (18 December 2020), exactly.
///
/// ```
/// use redial_core::{Cause, Recovery, Verdict};
/// use redial_liveperson::POLICY;
///
/// assert_eq!(POLICY.verdict(Cause::Close(4401)), Verdict::Retry(Recovery::REGENERATE));
/// assert_eq!(POLICY.verdict(Cause::Close(1006)), Verdict::Retry(Recovery::KEEP));
/// ```
pub const POLICY: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        // Best Practices, `onClosed`: "Authentication issue". The bearer is missing, has expired
        // or was revoked.
        Rule::close(4401, REGENERATE),
        // Best Practices, `onClosed`: "Authentication issue". The identity must be extended.
        Rule::close(4407, REGENERATE),
        // Best Practices, `onClosed`: "Authentication issue". In no other document of the vendor
        // but the README of SDK 1.4.1 and later.
        Rule::close(1011, REGENERATE),
        // Best Practices, `onError`: "Errors with codes less than 1000 indicate problems with the
        // initial HTTP calls during authentication", so a token is generated. SDK 1.4.6 and later
        // give a refused upgrade its HTTP status, which makes it such an error too: observed with
        // 401 in the recordings of 1.4.11.
        Rule::new(When::Handshake(0, 999), REGENERATE),
        Rule::new(When::Http(0, 999), REGENERATE),
    ]),
    // Best Practices, `onClosed`: "Non-authentication issue", whatever the code: there is none
    // at which the client gives up.
    otherwise: Verdict::Retry(Recovery::KEEP),
    // Best Practices, `reconnectWithDelay`: "attempt reconnect after 10 seconds", for ever. It
    // also covers the 5 s that "Login Service - Retry Policy" asks for after a 429 at login.
    backoff: Backoff::fixed(Span::from_secs(10)),
    keepalive: Keepalive::Probe {
        // Best Practices, `onConnected`: "all connections to messaging service need to have at
        // least one active request per minute": `getClock` every 30 s.
        interval: Span::from_secs(30),
        // The SDK's own request timeout. The SDK does not watch the answers (recordings
        // `silent-server`); a dead peer must not go unnoticed here.
        timeout: Span::from_secs(10),
        misses: 1,
        // The request is due whatever else is sent or received.
        pace: Pace::Steady,
    },
    token: TokenPolicy {
        // Observed: the bearer opens any number of connections (recordings `close-1006`).
        single_use: false,
        // "Login Service, refresh": every 3 to 5 minutes. The SDK's default is 10.
        renew: Renew::Every(Span::from_secs(300)),
        // Best Practices: a refused login is tried again, for ever.
        rejections: None,
    },
    // Observed: nothing of a connection lives on in the next; clients subscribe anew.
    resume: Resume::Never,
    timeouts: Timeouts {
        token: Some(Span::from_secs(30)),
        http: Span::from_secs(10),
        connect: Span::from_secs(20),
        ready: Span::from_secs(10),
        close: Span::from_secs(5),
        // The SDK's default of `requestTimeout`.
        request: Span::from_secs(10),
    },
    floor: Span::from_secs(1),
    retry_after_max: Span::from_secs(24 * 3600),
});

/// [`POLICY`] with the growing, bounded waits that the vendor's later documents ask for.
///
/// After 35 attempts the session is suspended until the application acts.
pub const POLICY_BACKOFF: Policy = Policy::new(PolicySpec {
    backoff: Backoff {
        growth: Growth::Exponential {
            // SDK README, "reconnect": 5 s first, each wait 1.25 times the one before.
            first: Span::from_secs(5),
            percent: 125,
            // "Retry Policy Recommendations": the longest of the intervals 2, 4, 8 minutes.
            cap: Span::from_secs(480),
        },
        jitter: Jitter::None,
        clip: Clip::ThenJitter,
        // SDK README: "at most 35 attempts".
        attempts: Some(35),
        // The vendor's developer-center issue 495: a counter that returns to zero as soon as the
        // socket is open hammers a server that accepts and closes.
        reset: Reset::Stable(Span::from_secs(60)),
    },
    ..*POLICY.spec()
});

const REGENERATE: Verdict = Verdict::Retry(Recovery::REGENERATE);
