//! Events read from bytes.

use redial_core::{
    Cause, ConnId, Continuity, Event, Evidence, Policy, Recovery, Span, Terms, TokenId, TokenUse,
    Verdict, Wait,
};

use super::{Source, policy};

/// Reads any event at all. Connections and token requests have the names 0 to 3, which a session
/// that has just begun gives to its first ones.
#[must_use]
pub fn event(source: &mut Source<'_>) -> Event {
    let conn = ConnId::new(u32::from(source.below(4)));
    let token = TokenId::new(u32::from(source.below(4)));
    match source.below(19) {
        0 => Event::Tick,
        1 => Event::Connect,
        2 => Event::Recover,
        3 => Event::Reconnect { token: source.pick(&[TokenUse::Keep, TokenUse::Regenerate]) },
        4 => Event::NetworkChanged,
        5 => Event::Shutdown,
        6 => Event::TokenOffered { resumable: source.below(2) == 0 },
        7 => Event::TokenReady { token, expires_in: life(source), resumable: source.below(2) == 0 },
        8 => Event::TokenFailed { token, cause: cause(source), retry_after: retry_after(source) },
        9 => Event::TokenRejected { token },
        10 => Event::Dialing { conn },
        11 => Event::Opened { conn },
        12 => Event::Announced { conn, terms: terms(source) },
        13 => Event::Ready { conn, continuity: continuity(source) },
        14 => Event::Ack { conn, evidence: evidence(source) },
        15 => {
            let code = u16::from(source.below(12));
            Event::Refused { conn, code, retry_after: retry_after(source) }
        }
        16 => Event::Closed { conn, cause: cause(source), retry_after: retry_after(source) },
        17 => Event::Renew,
        _ => Event::Throttled { within: source.span(0, 60_000) },
    }
}

/// Reads why something ended.
#[must_use]
pub fn cause(source: &mut Source<'_>) -> Cause {
    source.pick(&CAUSES)
}

/// Reads why a connection ended, or was never made.
#[must_use]
pub fn loss(source: &mut Source<'_>) -> Cause {
    source.pick(&CAUSES[..LOSSES])
}

/// Reads a cause to which the policy has a verdict of this sort. Where it has none, the first one
/// is taken.
pub(super) fn cause_with(
    source: &mut Source<'_>,
    policy: &Policy,
    among: &[Cause],
    sort: Sort,
) -> Cause {
    let fit: Vec<Cause> =
        among.iter().filter(|cause| sort == Sort::of(policy.verdict(**cause))).copied().collect();
    if fit.is_empty() { among[0] } else { source.pick(&fit) }
}

/// Returns the causes that can end a dial, and those that can end a token request.
pub(super) const fn causes(of_token: bool) -> &'static [Cause] {
    if of_token { CAUSES.split_at(LOSSES).1 } else { CAUSES.split_at(LOSSES).0 }
}

/// What a policy may say about a cause, in five words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Keep,
    Regenerate,
    Suspend,
    Stop,
}

impl Sort {
    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Retry(Recovery { token: TokenUse::Keep, .. }) => Self::Keep,
            Verdict::Retry(Recovery { token: TokenUse::Regenerate, .. }) => Self::Regenerate,
            Verdict::Suspend => Self::Suspend,
            Verdict::Stop => Self::Stop,
        }
    }
}

/// Reads how long a server asks to wait; mostly it does not.
pub(super) fn retry_after(source: &mut Source<'_>) -> Option<Span> {
    (source.below(4) == 3).then(|| source.span(0, 60_000))
}

/// Reads how long a token lives.
pub(super) fn life(source: &mut Source<'_>) -> Option<Span> {
    (source.below(2) == 1).then(|| source.span(0, 600_000))
}

/// Reads what a server says about the session. Once in eight times it is absurd.
pub(super) fn terms(source: &mut Source<'_>) -> Terms {
    let keepalive = match source.below(8) {
        0..=3 => None,
        4..=6 => Some(policy::keepalive(source)),
        _ => Some(redial_core::Keepalive::Listen { within: Span::ZERO }),
    };
    Terms {
        keepalive,
        resume: (source.below(3) == 2).then(|| source.span(0, 120_000)),
        retire: (source.below(4) == 3).then(|| source.span(0, 300_000)),
    }
}

pub(super) fn continuity(source: &mut Source<'_>) -> Continuity {
    source.pick(&[Continuity::Fresh, Continuity::Resumed])
}

pub(super) fn evidence(source: &mut Source<'_>) -> Evidence {
    source.pick(&[Evidence::Inbound, Evidence::Probe])
}

/// First the causes of lost connections, then those of failed token requests.
const CAUSES: [Cause; 24] = [
    Cause::Network,
    Cause::Close(1006),
    Cause::Close(1000),
    Cause::Close(1001),
    Cause::Close(1005),
    Cause::Close(1011),
    Cause::Close(4401),
    Cause::Close(4405),
    Cause::Close(4999),
    Cause::Handshake(401),
    Cause::Handshake(403),
    Cause::Handshake(429),
    Cause::Handshake(503),
    Cause::Refused(4),
    Cause::Refused(10),
    Cause::Timeout(Wait::Pong),
    Cause::Timeout(Wait::Ready),
    Cause::Overflow,
    Cause::Network,
    Cause::Http { step: 0, status: 401 },
    Cause::Http { step: 0, status: 403 },
    Cause::Http { step: 1, status: 429 },
    Cause::Http { step: 1, status: 500 },
    Cause::Timeout(Wait::Token),
];

const LOSSES: usize = 18;
