//! What ends a connection, and what the session makes of it.

use redial_core::http::{HttpResponse, NoAnswer};
use redial_core::{
    Adapter, Cause, Frame, Keepalive, Phase, Policy, Span, TokenUse, Verdict, Wait, When,
};

use super::act::{Act, Link, Seen};
use super::report::Broken;
use super::rig::Rig;
use super::state::shown;
use super::vendor::Vendor;

/// Each cause has a name and a verdict, and the adapter lives up to the verdict: after a retry it
/// gets online again, after a suspension as soon as the application wants it, after a stop never.
pub(super) fn every_cause_has_a_verdict<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    names::<V>()?;
    let policy = *vendor.adapter().policy();
    let causes = losses(&policy);
    for cause in &causes {
        let mut rig = Rig::online(vendor)?;
        rig.lose(*cause, None)?;
        lives_up_to(&mut rig, policy.verdict(*cause), *cause)?;
        // The same before the session has ever been online.
        let mut rig = Rig::new(vendor);
        rig.act(Act::Connect)?;
        while rig.dial.is_none() && rig.settle_one()? {}
        if rig.dial.is_some() {
            rig.lose(*cause, None)?;
            lives_up_to(&mut rig, policy.verdict(*cause), *cause)?;
        }
    }
    let refusals = refused(vendor, &policy)?;
    let exchanges = failed_exchanges(vendor)?;
    let losses = causes.len();
    Ok(format!("{losses} losses, each twice, {refusals} refusals, {exchanges} failed exchanges"))
}

/// A frame that refuses ends the connection for the reason that it names, and nothing is done before
/// the time that it asks for.
fn refused<V: Vendor>(vendor: &V, policy: &Policy) -> Result<usize, Broken> {
    let refusals = vendor.refusals();
    for (frame, code, wait) in &refusals {
        let mut rig = Rig::online(vendor)?;
        let (conn, seen) = (rig.session.machine().live_conn(), rig.seen.len());
        rig.receive(frame.clone())?;
        let cause = Cause::Refused(*code);
        let end = format!("cause: {cause:?} ");
        let is_told = |seen: &Seen| matches!(seen, Seen::Item(item) if item.contains(&end));
        let is_heard = rig.session.machine().live_conn() != conn;
        if !is_heard || !rig.seen[seen..].iter().any(is_told) {
            return Err(rig.broken(format!("a frame refuses, and the end is not {cause:?}")));
        }
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            let seen = rig.seen.len();
            rig.run(u64::from(wait.as_millis()) - 1)?;
            if makes_an_effort(&rig.seen[seen..]) {
                let what = format!("{cause:?} asks to wait {wait:?}, and it goes on before that");
                return Err(rig.broken(what));
            }
        }
        lives_up_to(&mut rig, policy.verdict(cause), cause)?;
    }
    Ok(refusals.len())
}

/// The policy says about each documented cause what the documents say.
pub(super) fn documented_codes_are_in_the_table<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let documented = vendor.documented();
    if documented.is_empty() {
        return Err(Broken::still("no cause is documented, not even a plain loss".into()));
    }
    let adapter = vendor.adapter();
    for (cause, verdict) in &documented {
        let found = adapter.policy().verdict(*cause);
        if found != *verdict {
            let what = format!("{cause:?} is documented as {verdict:?}; the policy has {found:?}");
            return Err(Broken::still(what));
        }
    }
    // What nobody has documented is no reason to give up.
    for cause in losses(adapter.policy()) {
        let verdict = adapter.policy().verdict(cause);
        let is_known = documented.iter().any(|(known, _)| *known == cause);
        if !is_known && !matches!(verdict, Verdict::Retry(_)) {
            let what = format!("after {cause:?} comes {verdict:?}, and no document says so");
            return Err(Broken::still(what));
        }
    }
    Ok(format!("{} causes", documented.len()))
}

/// A peer that is silent while TCP stays up is found dead in the time that the keepalive says,
/// whether it falls silent at once or later, and whatever the application sends meanwhile.
pub(super) fn half_open_is_detectable<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let mut rig = Rig::online(vendor)?;
    let Phase::Online(online) = *rig.session.machine().phase() else {
        return Err(rig.broken("it is online and its machine is not".into()));
    };
    let Some(within) = longest_silence(online.keepalive) else {
        return Err(rig.broken("online, and nobody watches whether the peer lives".into()));
    };
    found_dead(&mut rig, within)?;
    let mut rig = Rig::new(vendor);
    rig.act(Act::Connect)?;
    while rig.dial.is_none() {
        if !rig.settle_one()? {
            return Err(rig.broken("the script leads to no dial".into()));
        }
    }
    rig.link = Link::Silent;
    rig.settle_one()?;
    // An adapter may stretch the time to be ready; that must end, too.
    let spec = *rig.session.adapter().policy().spec();
    let open = u64::from(spec.timeouts.ready.as_millis());
    let online = longest_silence(spec.keepalive).unwrap_or(within);
    found_dead(&mut rig, open + online.max(within))?;
    Ok(format!("within {within} ms"))
}

fn found_dead<V: Vendor>(rig: &mut Rig<'_, V>, within: u64) -> Result<(), Broken> {
    if within > LONGEST_SILENCE {
        let what = format!("a silent peer would count as alive for {within} ms");
        return Err(rig.broken(what));
    }
    let conn = rig.session.machine().live_conn();
    rig.link = Link::Silent;
    let end = rig.now + within;
    while rig.now < end {
        rig.act(Act::Send("is anybody there?".into()))?;
        rig.run_until(end.min(rig.now + 1_000))?;
        if rig.session.machine().live_conn() != conn {
            return Ok(());
        }
    }
    Err(rig.broken(format!("the peer has been silent for {within} ms and counts as alive")))
}

/// Returns after how many milliseconds without a word the peer is dead.
fn longest_silence(keepalive: Keepalive) -> Option<u64> {
    let millis = |span: Span| u64::from(span.as_millis());
    match keepalive {
        Keepalive::Off => None,
        Keepalive::Probe { interval, timeout, misses, .. } => {
            Some(millis(interval) + millis(timeout) * u64::from(misses))
        }
        Keepalive::Listen { within } => Some(millis(within)),
    }
}

fn lives_up_to<V: Vendor>(
    rig: &mut Rig<'_, V>,
    verdict: Verdict,
    cause: Cause,
) -> Result<(), Broken> {
    let told = |error: Broken| Broken { what: format!("after {cause:?}: {}", error.what), ..error };
    match verdict {
        Verdict::Retry(recovery) => {
            let most = rig.session.adapter().policy().spec().token.rejections;
            // The first rejected token may be the last.
            if rig.session.is_stopped() && recovery.token == TokenUse::Regenerate && most == Some(1)
            {
                return Ok(());
            }
            rig.get_online().map_err(told)
        }
        Verdict::Suspend => {
            rig.run(60_000)?;
            if !matches!(rig.session.machine().phase(), Phase::Suspended(_)) {
                return Err(told(rig.broken("the verdict is to suspend, and it goes on".into())));
            }
            rig.act(Act::Connect)?;
            rig.get_online().map_err(told)
        }
        Verdict::Stop => {
            let seen = rig.seen.len();
            rig.run(60_000)?;
            rig.act(Act::Connect)?;
            rig.run(60_000)?;
            if rig.session.is_stopped() && rig.seen.len() == seen {
                Ok(())
            } else {
                Err(told(rig.broken("the verdict is to stop, and it goes on".into())))
            }
        }
    }
}

/// Returns whether something is asked of a server.
pub(super) fn makes_an_effort(seen: &[Seen]) -> bool {
    seen.iter().any(|seen| matches!(seen, Seen::Http(_) | Seen::Dial(_)))
}

/// Begins, and goes on until the exchange of this number is asked for, or there is none so far.
pub(super) fn before_exchange<V: Vendor>(vendor: &V, number: usize) -> Result<Rig<'_, V>, Broken> {
    let mut rig = Rig::new(vendor);
    rig.act(Act::Connect)?;
    for _ in 0..number {
        while rig.http.is_empty() && rig.dial.is_none() && rig.settle_one()? {}
        rig.settle_one()?;
    }
    while rig.http.is_empty() && rig.dial.is_none() && rig.settle_one()? {}
    Ok(rig)
}

/// Lets the exchanges before the first dial fail, one after the other and in each way. Whatever
/// the verdict, the session has an end or gets online.
fn failed_exchanges<V: Vendor>(vendor: &V) -> Result<usize, Broken> {
    let mut tried = 0;
    for place in 0..MOST_EXCHANGES {
        for status in STATUSES {
            let mut rig = before_exchange(vendor, place)?;
            let Some((id, request)) = rig.http.pop_front() else { return Ok(tried) };
            tried += 1;
            if rig.http.iter().any(|(_, other)| *other == request) {
                return Err(rig.broken("the same exchange is asked for twice at once".into()));
            }
            let answer = match status {
                0 => Err(NoAnswer::Network),
                1 => Err(NoAnswer::Timeout),
                status => {
                    let body = bytes::Bytes::from_static(b"{}");
                    Ok(HttpResponse { status, headers: Vec::new(), body, retry_after: None })
                }
            };
            rig.act(Act::Http(id, answer))?;
            rig.settle()?;
            if rig.session.machine().pending_token().is_some() && rig.due() > Some(rig.now + 100) {
                let what = "the exchange has failed, and nothing is done but to wait for a token";
                return Err(rig.broken(what.into()));
            }
            let over = rig.session.is_stopped();
            if matches!(rig.session.machine().phase(), Phase::Suspended(_)) {
                rig.act(Act::Connect)?;
            }
            if !over {
                rig.get_online()?;
            }
        }
    }
    Ok(tried)
}

fn names<V: Vendor>() -> Result<(), Broken> {
    let named = std::panic::catch_unwind(|| {
        let steps = (0..=u8::MAX).map(V::Adapter::step_name);
        let refusals = (0..=u16::MAX).map(V::Adapter::refusal_name);
        steps.chain(refusals).all(|name| !name.is_empty())
    });
    match named {
        Ok(true) => Ok(()),
        Ok(false) => Err(Broken::still("a step or a refusal has an empty name".into())),
        Err(_) => Err(Broken::still("the names of steps or refusals panic".into())),
    }
}

/// Returns the ends of a connection that are tried: every one that a rule begins or ends with,
/// and those that the world knows.
pub(super) fn losses(policy: &Policy) -> Vec<Cause> {
    let mut causes: Vec<Cause> = [0, 999, 3000, 3999, 4000, 4001, 4999, u16::MAX]
        .into_iter()
        .chain(1000..=1015)
        .map(Cause::Close)
        .collect();
    causes.extend([400, 401, 403, 404, 408, 429, 500, 502, 503, 599].map(Cause::Handshake));
    causes.extend([Cause::Network, Cause::Timeout(Wait::Connect), Cause::Overflow]);
    for rule in policy.spec().rules.as_slice() {
        match rule.when {
            When::Close(from, to) => causes.extend([from, to].map(Cause::Close)),
            When::Handshake(from, to) => causes.extend([from, to].map(Cause::Handshake)),
            When::Http(..)
            | When::Refused(..)
            | When::Timeout(_)
            | When::Network
            | When::Replaced
            | When::Overflow => {}
        }
    }
    let mut known = Vec::new();
    causes.retain(|cause| {
        !known.contains(cause) && {
            known.push(*cause);
            true
        }
    });
    causes
}

/// A ping or a pong is nothing to the application and nothing to the vendor's protocol, whatever
/// it carries.
pub(super) fn control_frames_deliver_nothing<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let payloads = vendor.samples().into_iter().map(|sample| match sample {
        Frame::Text(bytes) | Frame::Binary(bytes) | Frame::Ping(bytes) | Frame::Pong(bytes) => {
            bytes.slice(..bytes.len().min(CONTROL))
        }
    });
    let mut tried = 0;
    for payload in payloads.chain([bytes::Bytes::new()]) {
        for frame in [Frame::Ping(payload.clone()), Frame::Pong(payload.clone())] {
            let mut rig = Rig::online(vendor)?;
            rig.act(Act::Send("underway".into()))?;
            let seen = rig.seen.len();
            rig.receive(frame)?;
            tried += 1;
            if rig.seen.len() > seen || !rig.session.is_online() {
                let what = shown(rig.seen.get(seen));
                return Err(rig.broken(format!("a control frame has an effect: {what}")));
            }
        }
    }
    Ok(format!("{tried} pings and pongs"))
}

/// The first statuses stand for the network and for silence.
const STATUSES: [u16; 12] = [0, 1, 200, 400, 401, 403, 404, 408, 429, 500, 502, 503];
/// The most exchanges before a dial.
pub(super) const MOST_EXCHANGES: usize = 6;
/// A peer that is found dead after more than an hour is not found dead.
const LONGEST_SILENCE: u64 = 3_600_000;
/// The longest payload of a control frame.
const CONTROL: usize = 125;
