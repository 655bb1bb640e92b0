//! Every event that can happen, in the words of a canonical session.

use redial_core::{
    Cause, ConnId, Continuity, Cx, Event, Evidence, Jitter, Keepalive, Machine, Policy, Renew,
    Resume, Span, Terms, Timestamp, TokenId, TokenUse, Verdict, Wait, When,
};

/// How much may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// Every event, each in its plainest form. One of each kind of answer is stale.
    Plain,
    /// Also servers that announce other terms, and tokens that expire.
    Full,
}

/// All events of an exploration.
///
/// In a canonical session the newest connection is 1 and the newest token request is 2, so the
/// same list serves in each state: connection 0 and token 0 are gone, token 1 is an older one
/// that may still be held, connection 7 has never been.
#[derive(Clone, Debug)]
pub struct Alphabet {
    events: Vec<Event>,
    entropies: Vec<u64>,
    /// Further than any deadline.
    leap: Span,
}

/// One moment of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time and the chance.
    pub cx: Cx,
    /// Whether the clock stands still or runs backwards.
    pub still: bool,
}

impl Alphabet {
    /// Makes the events that matter under `policy`.
    #[must_use]
    pub fn new(policy: &Policy, extent: Extent) -> Self {
        let long = long(policy);
        let mut events = vec![
            Event::Connect,
            Event::Recover,
            Event::Reconnect { token: TokenUse::Keep },
            Event::Reconnect { token: TokenUse::Regenerate },
            Event::NetworkChanged,
            Event::Renew,
            Event::Shutdown,
            Event::TokenOffered { resumable: true },
            Event::Tick,
            Event::Throttled { within: Span::from_millis(1) },
            Event::Throttled { within: long },
        ];
        if policy.spec().resume != Resume::Never {
            events.push(Event::TokenOffered { resumable: false });
        }
        events.extend(token_events(policy, extent, long));
        events.extend(conn_events(policy, extent));
        events.extend(losses(policy, long));
        let entropies = match policy.spec().backoff.jitter {
            Jitter::None => vec![0],
            Jitter::Additive(_) | Jitter::Full | Jitter::Equal | Jitter::SocketIo { .. } => {
                vec![0, u64::MAX / 2, u64::MAX]
            }
        };
        let leap = Span::from_millis(long.as_millis().saturating_mul(4));
        Self { events, entropies, leap }
    }

    /// Returns the events.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Returns when `event` may arrive where `due` is the next deadline: first at once, then with
    /// a clock that runs backwards, then later; ticks also around the deadline.
    pub fn moments(
        &self,
        event: Event,
        due: Option<Timestamp>,
    ) -> impl Iterator<Item = Moment> + use<'_> {
        let now = Machine::ORIGIN;
        let grain = Span::from_millis(1);
        let mut times = [Some(now), Some(now.minus(grain)), None, None, None, None, None];
        let leap = due.map_or(now, |due| due.max(now)) + self.leap;
        if event == Event::Tick {
            times[2] = Some(now + grain);
            times[3] = due.map(|due| due.minus(grain));
            times[4] = due;
            times[5] = due.map(|due| due + grain);
        }
        times[6] = Some(leap);
        let draws = matches!(
            event,
            Event::Tick | Event::Closed { .. } | Event::Refused { .. } | Event::TokenFailed { .. }
        );
        let entropies = if draws { &self.entropies[..] } else { &self.entropies[..1] };
        entropies.iter().flat_map(move |entropy| {
            times
                .into_iter()
                .flatten()
                .map(move |at| Moment { cx: Cx::new(at, *entropy), still: at <= now })
        })
    }
}

/// The newest connection of a canonical session.
pub const CONN: ConnId = ConnId::new(1);
/// The newest token request of a canonical session.
pub const TOKEN: TokenId = TokenId::new(2);

const GONE: ConnId = ConnId::new(0);
const NEVER: ConnId = ConnId::new(7);

/// Returns a span beyond every span of the policy, which the bound on `Retry-After` cuts.
fn long(policy: &Policy) -> Span {
    Span::saturating_from_millis(u64::from(policy.spec().retry_after_max.as_millis()) + 1)
}

fn token_events(policy: &Policy, extent: Extent, long: Span) -> Vec<Event> {
    let ready = |token, expires_in, resumable| Event::TokenReady { token, expires_in, resumable };
    let failed = |token, cause, retry_after| Event::TokenFailed { token, cause, retry_after };
    let mut events = vec![
        ready(TOKEN, None, true),
        ready(TokenId::new(1), None, true),
        failed(TokenId::new(1), Cause::Network, Some(long)),
        Event::TokenRejected { token: TOKEN },
        Event::TokenRejected { token: TokenId::new(1) },
        Event::TokenRejected { token: TokenId::new(0) },
    ];
    if policy.spec().resume != Resume::Never {
        events.push(ready(TOKEN, None, false));
    }
    let (margin, expires) = match policy.spec().token.renew {
        Renew::Before(span) => (span, true),
        Renew::BeforeDial(span) => (span, false),
        Renew::Never | Renew::Every(_) => (Span::ZERO, false),
    };
    if expires || extent == Extent::Full {
        events.push(ready(TOKEN, Some(Span::from_millis(margin.as_millis() + 2)), true));
        events.push(ready(TOKEN, Some(Span::ZERO), true));
    }
    for cause in causes(policy, |cause| {
        matches!(cause, Cause::Http { .. } | Cause::Network | Cause::Timeout(Wait::Token))
    }) {
        events.push(failed(TOKEN, cause, None));
        events.push(failed(TOKEN, cause, Some(long)));
    }
    events
}

fn conn_events(policy: &Policy, extent: Extent) -> Vec<Event> {
    let mut events = Vec::new();
    for conn in [CONN, GONE] {
        let terms = Terms::default();
        events.extend([
            Event::Dialing { conn },
            Event::Opened { conn },
            Event::Announced { conn, terms },
            Event::Ready { conn, continuity: Continuity::Fresh },
            Event::Ready { conn, continuity: Continuity::Resumed },
            Event::Ack { conn, evidence: Evidence::Inbound },
            Event::Ack { conn, evidence: Evidence::Probe },
        ]);
    }
    if extent == Extent::Full {
        let other = match policy.spec().keepalive {
            Keepalive::Listen { .. } => Keepalive::Off,
            Keepalive::Off | Keepalive::Probe { .. } => {
                Keepalive::Listen { within: Span::from_millis(2) }
            }
        };
        let absurd = Keepalive::Listen { within: Span::ZERO };
        let announced = |terms| Event::Announced { conn: CONN, terms };
        let default = Terms::default();
        events.push(announced(Terms { keepalive: Some(other), ..default }));
        events.push(announced(Terms { keepalive: Some(absurd), ..default }));
        events.push(announced(Terms { retire: Some(Span::from_millis(2)), ..default }));
        if policy.spec().resume != Resume::Never {
            events.push(announced(Terms { resume: Some(Span::from_millis(2)), ..default }));
        }
    }
    events
}

fn losses(policy: &Policy, long: Span) -> Vec<Event> {
    let closed = |conn, cause, retry_after| Event::Closed { conn, cause, retry_after };
    let refused = |conn, code, retry_after| Event::Refused { conn, code, retry_after };
    let mut events = vec![
        closed(GONE, Cause::Close(1006), Some(long)),
        closed(NEVER, Cause::Close(1006), None),
        refused(GONE, 1, Some(long)),
    ];
    for cause in causes(policy, |cause| match cause {
        Cause::Close(_) | Cause::Handshake(_) | Cause::Network | Cause::Overflow => true,
        Cause::Timeout(wait) => wait == Wait::Connect,
        _ => false,
    }) {
        events.push(closed(CONN, cause, None));
        events.push(closed(CONN, cause, Some(long)));
    }
    for cause in causes(policy, |cause| matches!(cause, Cause::Refused(_))) {
        if let Cause::Refused(code) = cause {
            events.push(refused(CONN, code, None));
            events.push(refused(CONN, code, Some(long)));
        }
    }
    events
}

/// Returns one cause of each kind and verdict, those that no rule names among them.
fn causes(policy: &Policy, of: impl Fn(Cause) -> bool) -> Vec<Cause> {
    let ruled = policy.spec().rules.as_slice().iter().map(|rule| match rule.when {
        When::Close(from, _) => Cause::Close(from),
        When::Handshake(from, to) => Cause::Handshake(401.clamp(from, to)),
        When::Http(from, to) => Cause::Http { step: 0, status: 401.clamp(from, to) },
        When::Refused(from, _) => Cause::Refused(from),
        When::Timeout(wait) => Cause::Timeout(wait),
        When::Network => Cause::Network,
        When::Replaced => Cause::Replaced,
        When::Overflow => Cause::Overflow,
    });
    let unruled = [
        Cause::Close(1006),
        Cause::Close(4999),
        Cause::Handshake(599),
        Cause::Http { step: 0, status: 599 },
        Cause::Refused(999),
        Cause::Network,
    ];
    let mut chosen: Vec<(Cause, Verdict)> = Vec::new();
    for cause in ruled.chain(unruled).filter(|cause| of(*cause)) {
        let verdict = policy.verdict(cause);
        let kind = core::mem::discriminant(&cause);
        if !chosen
            .iter()
            .any(|(known, same)| core::mem::discriminant(known) == kind && *same == verdict)
        {
            chosen.push((cause, verdict));
        }
    }
    chosen.into_iter().map(|(cause, _)| cause).collect()
}
