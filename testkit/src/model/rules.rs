//! What the policy says, read once more and in another way than the machine does.

use redial_core::{
    Backoff, Cause, Clip, Growth, Jitter, Keepalive, Pace, Policy, Reason, Span, Verdict, When,
};

/// Answers a cause: the rule that names it, else what the policy does about everything else.
pub(super) fn verdict(policy: &Policy, cause: Cause) -> Verdict {
    let named = |when: When| match when {
        When::Close(from, to) => matches!(cause, Cause::Close(n) if (from..=to).contains(&n)),
        When::Handshake(from, to) => {
            matches!(cause, Cause::Handshake(n) if (from..=to).contains(&n))
        }
        When::Http(from, to) => {
            matches!(cause, Cause::Http { status, .. } if (from..=to).contains(&status))
        }
        When::Refused(from, to) => matches!(cause, Cause::Refused(n) if (from..=to).contains(&n)),
        When::Timeout(wait) => cause == Cause::Timeout(wait),
        When::Network => cause == Cause::Network,
        When::Replaced => cause == Cause::Replaced,
        When::Overflow => cause == Cause::Overflow,
    };
    let spec = policy.spec();
    let mut rules = spec.rules.as_slice().iter();
    rules.find(|rule| named(rule.when)).map_or(spec.otherwise, |rule| rule.verdict)
}

/// Returns how long to wait before an attempt, the first of which is 1.
pub(super) fn wait(backoff: &Backoff, attempt: u64, entropy: u64, floor: Span) -> u64 {
    let floor = ms(floor);
    let whole = grown(&backoff.growth, attempt);
    let range = match backoff.jitter {
        Jitter::None => whole..=whole,
        Jitter::Additive(most) => whole..=whole + ms(most),
        Jitter::Full => 0..=whole,
        Jitter::Equal => whole / 2..=whole,
        Jitter::SocketIo { percent } => {
            let wait = socket_io(backoff, attempt, entropy, percent);
            wait..=wait
        }
    };
    // Chance draws evenly from what lies above the floor.
    let least = floor.max(*range.start());
    let instants = (range.end() + 1).saturating_sub(least).max(1);
    let jittered = least + (u128::from(entropy) * u128::from(instants) / TWO_TO_64) as u64;
    let clipped = match backoff.clip {
        Clip::ThenJitter => jittered,
        Clip::AfterJitter => jittered.min(longest(&backoff.growth)),
    };
    clipped.max(floor).min(u64::from(u32::MAX))
}

/// The reference client's formula: the wait grows without a cap, a draw from 0 to 1 says which part
/// of the jitter counts, and its first decimal digit whether it is taken away or added. Beyond ten
/// times the cap no jitter brings the wait below it.
fn socket_io(backoff: &Backoff, attempt: u64, entropy: u64, percent: u16) -> u64 {
    let whole = match (backoff.growth, backoff.clip) {
        (Growth::Exponential { first, percent, cap }, Clip::AfterJitter) => {
            let cap = Span::saturating_from_millis(10 * ms(cap));
            grown(&Growth::Exponential { first, percent, cap }, attempt)
        }
        (growth, _) => grown(&growth, attempt),
    };
    let part = |of: u64| (u128::from(entropy) * u128::from(of) / TWO_TO_64) as u64;
    let jitter = part(whole * u64::from(percent) / 100);
    if part(10) % 2 == 0 { whole - jitter } else { whole + jitter }
}

/// Says whether a keepalive that a server announces makes sense.
pub(super) fn is_sane(keepalive: Keepalive) -> bool {
    match keepalive {
        Keepalive::Off => true,
        Keepalive::Listen { within } => ms(within) > 0,
        Keepalive::Probe { interval, timeout, misses, pace } => {
            let all = ms(timeout) * u64::from(misses);
            let judged_in_time = pace == Pace::Quiet || all <= ms(interval);
            ms(interval) > 0 && all > 0 && judged_in_time
        }
    }
}

/// Says whether a token that is given up for this cause was rejected by a server.
pub(super) fn blame(cause: Cause) -> Reason {
    let rejected = match cause {
        Cause::Close(_) | Cause::Refused(_) => true,
        Cause::Handshake(status) => [401, 403, 407].contains(&status),
        Cause::Http { status, .. } => [401, 403].contains(&status),
        _ => false,
    };
    if rejected { Reason::Rejected } else { Reason::Policy }
}

pub(super) const fn ms(span: Span) -> u64 {
    span.as_millis() as u64
}

/// The wait without chance: step by step, never beyond the longest.
fn grown(growth: &Growth, attempt: u64) -> u64 {
    let cap = longest(growth);
    match *growth {
        Growth::Fixed(wait) => ms(wait),
        Growth::Linear { first, step, .. } => (ms(first) + ms(step) * (attempt - 1)).min(cap),
        Growth::Table(waits) => ms(waits[usize::try_from(attempt - 1).unwrap_or(7).min(7)]),
        Growth::Exponential { first, percent, .. } => {
            let mut wait = ms(first);
            for _ in 1..attempt {
                if wait >= cap {
                    break;
                }
                wait = (wait * u64::from(percent) / 100).max(wait + 1);
            }
            wait.min(cap)
        }
    }
}

fn longest(growth: &Growth) -> u64 {
    match *growth {
        Growth::Fixed(wait) => ms(wait),
        Growth::Exponential { cap, .. } | Growth::Linear { cap, .. } => ms(cap),
        Growth::Table(waits) => ms(waits[7]),
    }
}

const TWO_TO_64: u128 = 1 << 64;
