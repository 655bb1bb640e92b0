//! What a session is made of: its inputs, and nothing else.

use redial_core::{
    Adapter, Cause, Continuity, Frame, Intent, MessageId, Phase, Recovery, Resumable, Session,
    Snapshot, Span, TokenUse, Verdict, WireIds,
};

use super::act::{Act, Link, Seen};
use super::lifecycle::losses;
use super::report::Broken;
use super::rig::Rig;
use super::vendor::Vendor;
use crate::random::Random;
use crate::rig::NONCE;

/// A twin that is told the same does the same, byte for byte.
pub(super) fn twins_do_the_same<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let mut told = 0;
    for seed in 0..SEEDS {
        let rig = history(vendor, seed, MOVES)?;
        let mut twin = Rig::with(vendor, Session::new(vendor.adapter(), NONCE), 0);
        for (place, (cx, act)) in rig.acts.iter().enumerate() {
            twin.now = cx.now.as_millis() - super::START;
            twin.entropy = cx.entropy;
            twin.link = rig.links[place];
            twin.act(act.clone())?;
        }
        if let Some(place) = differ(&rig.seen, &twin.seen) {
            let (first, second) = (shown(rig.seen.get(place)), shown(twin.seen.get(place)));
            let what = format!("a twin does {second} where the first one did {first}");
            return Err(twin.broken(what));
        }
        told += rig.acts.len();
    }
    Ok(format!("{SEEDS} histories, {told} inputs"))
}

/// A session that is stored, read and restored knows what it knew: what it stores at once is what
/// was stored, each message that had been accepted has one fate in the end, and a session that is
/// stored and restored twice does what one does that is restored once.
pub(super) fn snapshots_keep_everything<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let mut accepted = 0;
    for seed in 0..SEEDS {
        // Fewer moves with each seed, so that histories end in every state.
        let moves = usize::try_from(seed).unwrap_or_default() % MOVES;
        let rig = history(vendor, seed, moves)?;
        let saved = json(&rig, &rig.session.snapshot())?;
        let once = restored(vendor, &rig, &saved)?;
        let again = json(&once, &once.session.snapshot())?;
        for part in ["cursor", "nonce"] {
            if saved[part] != again[part] {
                let what = format!("{part} is not what was stored once it is restored");
                return Err(rig.broken(what));
            }
        }
        let twice = restored(vendor, &rig, &again)?;
        let open: Vec<MessageId> = {
            let settled = |id: &MessageId| rig.fates.iter().any(|(known, _)| known == id);
            rig.accepted.iter().copied().filter(|id| !settled(id)).collect()
        };
        let (once, twice) = (lived_on(once)?, lived_on(twice)?);
        for rig in [&once, &twice] {
            let mut settled: Vec<MessageId> = rig.fates.iter().map(|(id, _)| *id).collect();
            settled.sort_unstable();
            if settled != open {
                let what = format!("messages {open:?} were open, and {settled:?} have a fate");
                return Err(rig.broken(what));
            }
        }
        let [once, twice_seen] = [&once, &twice].map(|rig| unnamed(&rig.seen));
        if let Some(place) = differ(&once, &twice_seen) {
            let (first, second) = (shown(once.get(place)), shown(twice_seen.get(place)));
            let what = format!("stored twice it does {second}, stored once {first}");
            return Err(twice.broken(what));
        }
        accepted += open.len();
    }
    continues(vendor)?;
    Ok(format!("{SEEDS} snapshots, {accepted} open messages"))
}

/// A session that follows a loss after which the old one is to be forgotten is a fresh one, unless
/// another token names the old one again. One that can be resumed is resumed, if the vendor does.
pub(super) fn continuity_is_told_truly<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let policy = *vendor.adapter().policy();
    let mut tried = 0;
    for cause in losses(&policy) {
        let Verdict::Retry(Recovery { token: TokenUse::Keep, intent: Intent::Restart, .. }) =
            policy.verdict(cause)
        else {
            continue;
        };
        let mut rig = Rig::online(vendor)?;
        rig.lose(cause, None)?;
        rig.get_online()?;
        tried += 1;
        if rig.continuity == Some(Continuity::Resumed) {
            let what = format!("{cause:?} is to be followed by a new session, and it is Resumed");
            return Err(rig.broken(what));
        }
    }
    let mut rig = Rig::online(vendor)?;
    rig.lose(Cause::Network, None)?;
    if matches!(policy.verdict(Cause::Network), Verdict::Retry(_)) {
        let until = rig.session.machine().resumable();
        rig.get_online()?;
        let in_time = match until {
            Resumable::No => false,
            Resumable::Until(at) => rig.cx().now < at,
            Resumable::Always => true,
        };
        let what = match (vendor.takes_sessions_up(), rig.continuity) {
            (true, Some(Continuity::Fresh)) if in_time => {
                "the session can be resumed, and after a loss it is Fresh"
            }
            (false, Some(Continuity::Resumed)) => "no session is taken up, and it is Resumed",
            _ => return Ok(format!("{tried} losses that end a session, and one that does not")),
        };
        return Err(rig.broken(what.into()));
    }
    Ok(format!("{tried} losses that end a session"))
}

/// What a session says and is after a loss, resumed or fresh, it says and is in a later process, too.
fn continues<V: Vendor>(vendor: &V) -> Result<(), Broken> {
    let mut rig = Rig::online(vendor)?;
    if let Some(frame) = vendor.push(0, "before the loss") {
        rig.receive(frame)?;
    }
    rig.run(1_000)?;
    let saved = json(&rig, &rig.session.snapshot())?;
    let mut later = restored(vendor, &rig, &saved)?;
    rig.lose(Cause::Network, None)?;
    let from = rig.seen.len();
    rig.act(Act::Connect)?;
    rig.get_online()?;
    // What is said may have the time in it.
    later.now = rig.now;
    later.act(Act::Connect)?;
    later.get_online()?;
    let (here, there) = (said(&rig.seen[from..]), said(&later.seen));
    if let Some(place) = differ(&here, &there) {
        let (first, second) = (shown(here.get(place)), shown(there.get(place)));
        let what = format!("after a loss it does {first}, and {second} in a later process");
        return Err(later.broken(what));
    }
    match (rig.continuity, later.continuity) {
        (Some(first), Some(second)) if first != second => {
            let what = format!("after a loss it is {first:?}, and {second:?} in a later process");
            Err(later.broken(what))
        }
        _ => Ok(()),
    }
}

fn json<V: Vendor>(
    rig: &Rig<'_, V>,
    saved: &Snapshot<V::Adapter>,
) -> Result<serde_json::Value, Broken> {
    serde_json::to_value(saved).map_err(|_| rig.broken("the snapshot cannot be stored".into()))
}

fn restored<'a, V: Vendor>(
    vendor: &'a V,
    rig: &Rig<'a, V>,
    saved: &serde_json::Value,
) -> Result<Rig<'a, V>, Broken> {
    let text = saved.to_string();
    let saved = serde_json::from_str(&text)
        .map_err(|error| rig.broken(format!("the stored snapshot cannot be read: {error}")))?;
    let session = Session::restore(vendor.adapter(), rig.cx().now, saved);
    Ok(Rig::with(vendor, session, rig.now))
}

/// Goes on with everybody's help, and ends.
fn lived_on<V: Vendor>(mut rig: Rig<'_, V>) -> Result<Rig<'_, V>, Broken> {
    // A session that is over says so, and what else it has to say.
    rig.act(Act::Tick)?;
    if !rig.session.is_stopped() {
        rig.act(Act::Connect)?;
        rig.get_online()?;
        rig.run(120_000)?;
        rig.act(Act::Shutdown)?;
        rig.run(60_000)?;
    }
    if rig.session.is_stopped() {
        Ok(rig)
    } else {
        Err(rig.broken("it was shut down and goes on".into()))
    }
}

/// Returns a session after `moves` moves of chance.
fn history<V: Vendor>(vendor: &V, seed: u64, moves: usize) -> Result<Rig<'_, V>, Broken> {
    let mut chance = Random::new(seed);
    let mut rig = Rig::new(vendor);
    let samples = vendor.samples();
    rig.act(Act::Connect)?;
    for number in 0..moves {
        rig.entropy = chance.next();
        let cause = chance.pick(&CAUSES).copied().unwrap_or(Cause::Network);
        match chance.index(20) {
            0..=5 => rig.settle()?,
            6 | 7 => {
                rig.settle_one()?;
            }
            8..=10 => rig.act(Act::Send(format!("message {number}")))?,
            11 => {
                if let Some(frame) = vendor.push(number as u64, "pushed") {
                    rig.receive(frame)?;
                }
            }
            12 => {
                if let Some(sample) = chance.pick(&samples) {
                    rig.receive(sample.clone())?;
                }
            }
            13 => rig.lose(cause, None)?,
            14 => rig.lose(cause, Some(Span::from_secs(3)))?,
            15 => {
                rig.act([Act::Recover, Act::NetworkChanged, Act::Connect][chance.index(3)].clone())?
            }
            16 if chance.index(4) == 0 => rig.act(Act::Reconnect(TokenUse::Regenerate))?,
            17 => {
                let links = [Link::Healthy, Link::Silent, Link::Stuck];
                rig.link = chance.pick(&links).copied().unwrap_or(Link::Healthy);
            }
            18 if chance.index(8) == 0 => rig.act(Act::Shutdown)?,
            _ => {
                let millis = 1 << chance.index(16);
                rig.run(millis)?;
            }
        }
        // Only the application can help.
        if matches!(rig.session.machine().phase(), Phase::Suspended(_)) {
            rig.act(Act::Connect)?;
        }
    }
    Ok(rig)
}

/// Returns what goes to the vendor on a connection, with a mark for each id that the session makes
/// by number.
fn said(seen: &[Seen]) -> Vec<Seen> {
    let ids = WireIds::new(NONCE);
    let is_id = |bytes: &[u8]| str::from_utf8(bytes).is_ok_and(|id| ids.decode(id).is_some());
    let marked = |mut rest: &[u8]| {
        let mut marked = Vec::new();
        while let Some((first, others)) = rest.split_first() {
            rest = match rest.split_at_checked(36) {
                Some((id, others)) if is_id(id) => {
                    marked.extend_from_slice(b"<id>");
                    others
                }
                _ => {
                    marked.push(*first);
                    others
                }
            };
        }
        marked
    };
    let text = |text: &str| String::from_utf8(marked(text.as_bytes())).unwrap_or_default();
    let said = seen.iter().filter_map(|seen| match seen {
        Seen::Dial(dial) => {
            let mut dial = dial.clone();
            dial.url = text(&dial.url);
            dial.headers.iter_mut().for_each(|(_, value)| *value = text(value));
            Some(Seen::Dial(dial))
        }
        Seen::Frame(Frame::Text(bytes) | Frame::Binary(bytes)) => {
            Some(Seen::Frame(Frame::Binary(marked(bytes).into())))
        }
        _ => None,
    });
    said.collect()
}

/// Leaves out the names of generations: each restoring makes new ones.
fn unnamed(seen: &[Seen]) -> Vec<Seen> {
    let unnamed = |text: &str| {
        let mut parts = text.split("Id(");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| {
            text + "Id(" + part.trim_start_matches(|c: char| c.is_ascii_digit())
        })
    };
    let unnamed = |seen: &Seen| match seen {
        Seen::Item(text) => Seen::Item(unnamed(text)),
        other => other.clone(),
    };
    seen.iter().map(unnamed).collect()
}

/// Returns the first place at which two sessions did not do the same.
fn differ(first: &[Seen], second: &[Seen]) -> Option<usize> {
    let same = first.iter().zip(second).take_while(|(first, second)| first == second).count();
    (same < first.len().max(second.len())).then_some(same)
}

/// Says what a session did. Whatever is in it was made up by whoever wrote the vendor's side.
pub(super) fn shown(seen: Option<&Seen>) -> String {
    match seen {
        None => "nothing".into(),
        Some(Seen::Dial(dial)) => format!("a dial to {} with {:?}", dial.url, dial.headers),
        Some(Seen::Drop(code)) => format!("a drop with {code:?}"),
        Some(Seen::Http(request)) => {
            let body = request.body[..request.body.len().min(200)].escape_ascii();
            let (method, headers) = (request.method.as_str(), &request.headers);
            format!("{method} {} with {headers:?} and \"{body}\"", request.url)
        }
        Some(Seen::Abort) => "an abort".into(),
        Some(Seen::Frame(frame)) => match frame {
            Frame::Text(bytes) | Frame::Binary(bytes) => {
                format!("the frame {}", bytes[..bytes.len().min(200)].escape_ascii())
            }
            frame => format!("{frame:?}"),
        },
        Some(Seen::Close(code)) => format!("a close frame with {code}"),
        Some(Seen::Item(item)) => format!("the item {item}"),
    }
}

const SEEDS: u64 = 40;
const MOVES: usize = 80;
const CAUSES: [Cause; 8] = [
    Cause::Network,
    Cause::Network,
    Cause::Close(1006),
    Cause::Close(1000),
    Cause::Close(1011),
    Cause::Close(4401),
    Cause::Handshake(401),
    Cause::Handshake(503),
];
