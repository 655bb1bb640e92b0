//! The rules of Evolution API's namespaces.

use redial_core::{
    Backoff, Clip, Growth, Jitter, Keepalive, Policy, PolicySpec, Recovery, Renew, Reset, Resume,
    Rule, Rules, Span, Timeouts, TokenPolicy, Verdict,
};

/// The rules of Evolution API's namespaces.
///
/// "Observed" is what version 2.3.6 did on 21 November 2026, on socket.io 4.8.1.
///
/// ```
/// use redial_core::{Cause, Recovery, Verdict};
/// use redial_evolution::v2::{POLICY, POLICY_FIXED_KEY};
///
/// assert_eq!(POLICY.verdict(Cause::Handshake(400)), Verdict::Retry(Recovery::REGENERATE));
/// assert_eq!(POLICY_FIXED_KEY.verdict(Cause::Handshake(400)), Verdict::Suspend);
/// assert_eq!(POLICY.verdict(Cause::Close(1005)), Verdict::Retry(Recovery::KEEP));
/// ```
pub const POLICY: Policy = Policy::new(PolicySpec {
    // Another key is asked for where the server refuses one.
    rules: rules(REGENERATE),
    // Observed: the end of a server, a missed heartbeat and a connection without a namespace all
    // look alike (1005).
    otherwise: Verdict::Retry(Recovery::KEEP),
    backoff: Backoff {
        // The official client's defaults: 1 s, growing to 5 s, half of it more or less, for ever.
        growth: Growth::Exponential {
            first: Span::from_secs(1),
            percent: 200,
            cap: Span::from_secs(5),
        },
        jitter: Jitter::SocketIo { percent: 50 },
        clip: Clip::AfterJitter,
        attempts: None,
        reset: Reset::Online,
    },
    // Observed: the server pings every 25 s and waits 20 s. Its open packet says so each time.
    keepalive: Keepalive::Listen { within: Span::from_secs(45) },
    token: TokenPolicy {
        // Observed: a key opens any number of connections, and is looked at when they begin.
        single_use: false,
        renew: Renew::Never,
        rejections: None,
    },
    // Observed: what is sent while nobody is connected is gone.
    resume: Resume::Never,
    timeouts: Timeouts::DEFAULT,
    // The official client's shortest wait.
    floor: Span::from_millis(500),
    retry_after_max: Span::from_secs(24 * 3600),
});

/// [`POLICY`] for a key that nobody can replace: what is refused is refused, and only the
/// application can help. The official client goes on and is refused each time.
pub const POLICY_FIXED_KEY: Policy =
    Policy::new(PolicySpec { rules: rules(Verdict::Suspend), ..*POLICY.spec() });

const fn rules(refused: Verdict) -> Rules {
    Rules::new(&[
        // Observed: a WebSocket with a wrong key, or with none, is a 400.
        Rule::handshake(400, refused),
        // Observed: with polling a wrong key is a 403; and chosen: proxies that look at keys.
        Rule::handshake(401, refused),
        Rule::handshake(403, refused),
        // What the application gave is no key: it is asked again.
        Rule::refused(Refusal::KeyMalformed as u16, REGENERATE),
    ])
}

/// The wait before a namespace that is not there is asked for again. Chosen: the pace at which the
/// official client reconnects in the end.
pub const REJOIN: Span = Span::from_secs(5);

/// The adapter's own numbers of [`Cause::Refused`](redial_core::Cause::Refused).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Refusal {
    /// What the application offered is no key.
    KeyMalformed = 1,
    /// The server refused the namespace for another reason than that it is not there.
    Namespace = 2,
    /// The server has removed us from the namespace: `41`.
    Removed = 3,
    /// The server has said that this is the end: an Engine.IO `1`.
    Closed = 4,
    /// The server broke the protocol.
    Protocol = 5,
    /// The server asks for more answers than it reads.
    Unread = 6,
}

const REGENERATE: Verdict = Verdict::Retry(Recovery::REGENERATE);
