//! The rules of the event sockets.

use redial_core::{
    Backoff, Keepalive, Pace, Policy, PolicySpec, Recovery, Renew, Resume, Rule, Rules, Span,
    Timeouts, TokenPolicy, Verdict,
};

/// The rules of the event sockets.
///
/// "The seed" is the text "Websocket" of CodeChat's server, `src/websocket/Readme.md`;
/// "observed" is what version 1.3.7 of that server did on 21 November 2026.
///
/// ```
/// use redial_core::{Cause, Recovery, Verdict};
/// use redial_evolution::codechat::POLICY;
///
/// assert_eq!(POLICY.verdict(Cause::Close(1006)), Verdict::Retry(Recovery::KEEP));
/// assert_eq!(POLICY.verdict(Cause::Handshake(401)), Verdict::Retry(Recovery::REGENERATE));
/// ```
pub const POLICY: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        // Observed: every refusal is a 401, also that of a wrong path and of an unknown event. The
        // seed reconnects all the same; a token that is dead never comes to life by itself, so
        // another one is asked for where there is a source.
        Rule::handshake(401, REGENERATE),
        // Chosen: a reverse proxy that looks at tokens.
        Rule::handshake(403, REGENERATE),
        // What the application gave is no token: it is asked again.
        Rule::refused(Refusal::TokenMalformed as u16, REGENERATE),
    ]),
    // The seed, `onclose`: a reconnect, whatever the code.
    otherwise: Verdict::Retry(Recovery::KEEP),
    // The seed: `reconnectInterval = 5000`, each time, for ever.
    backoff: Backoff::fixed(Span::from_secs(5)),
    // The seed has no keepalive and the server sends none (observed: 65 s of silence). It answers
    // pings, so a dead path shows. This is added; `Builder::ping` switches it off.
    keepalive: Keepalive::Probe {
        interval: Span::from_secs(30),
        timeout: Span::from_secs(10),
        misses: 1,
        pace: Pace::Quiet,
    },
    token: TokenPolicy {
        // Observed: a token opens any number of sockets.
        single_use: false,
        // Observed: it is checked at the handshake only; a socket outlives its token.
        renew: Renew::Never,
        // The seed never gives up.
        rejections: None,
    },
    // Observed: what is sent while nobody is connected is gone.
    resume: Resume::Never,
    timeouts: Timeouts::DEFAULT,
    floor: Span::from_secs(1),
    retry_after_max: Span::from_secs(24 * 3600),
});

/// The adapter's own numbers of [`Cause::Refused`](redial_core::Cause::Refused).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Refusal {
    /// What the application offered is no token.
    TokenMalformed = 1,
}

const REGENERATE: Verdict = Verdict::Retry(Recovery::REGENERATE);
