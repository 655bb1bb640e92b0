//! Bytes in and bytes out.

use redial_core::http::HttpResponse;
use redial_core::{Adapter, Frame, Secret, Verdict};

use super::act::{Act, Link, Prints, Seen};
use super::mutate;
use super::report::Broken;
use super::rig::Rig;
use super::vendor::{Sent, Vendor};
use crate::random::Random;

/// No bytes make the adapter panic, whether they come as a frame before or after the session is
/// ready, as the answer to an exchange, or as a token.
pub(super) fn decode_never_panics<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let samples = vendor.samples();
    if samples.is_empty() {
        return Err(Broken::still("there are no samples to break".into()));
    }
    let mut chance = Random::new(1);
    for ready in [true, false] {
        let mut rig = opened(vendor, ready)?;
        for _ in 0..FRAMES {
            if rig.conn.is_none() || rig.acts.len() > FRESH {
                rig = opened(vendor, ready)?;
                rig.act(Act::Send("under way".into()))?;
            }
            // What answers a request of this session carries its ids, which no sample can.
            if chance.index(4) == 0 {
                rig.act(Act::Send("under way".into()))?;
            }
            let said = rig.said();
            let answers = chance.index(2) == 0 && !said.is_empty();
            let kinds = if answers { &said } else { &samples };
            rig.receive(mutate::frame(&mut chance, kinds))?;
            // What the adapter does about it goes the way that everything goes.
            for _ in 0..4 {
                rig.settle_one()?;
            }
        }
        rig.run(60_000)?;
    }
    let answers = broken_answers(vendor, &mut chance)?;
    Ok(format!("{} broken frames, {answers} broken answers", 2 * FRAMES))
}

/// A session whose socket is open, and which is online if it is to be `ready`.
fn opened<V: Vendor>(vendor: &V, ready: bool) -> Result<Rig<'_, V>, Broken> {
    if ready {
        return Rig::online(vendor);
    }
    let mut rig = Rig::new(vendor);
    rig.act(Act::Connect)?;
    while rig.conn.is_none() {
        if !rig.settle_one()? {
            return Err(rig.broken("the script leads to no open socket".into()));
        }
    }
    Ok(rig)
}

fn broken_answers<V: Vendor>(vendor: &V, chance: &mut Random) -> Result<usize, Broken> {
    let mut tried = 0;
    for _ in 0..ANSWERS {
        let mut rig = Rig::new(vendor);
        rig.act(Act::Connect)?;
        if chance.index(4) == 0 {
            let token = vendor.token(None).map_or_else(Vec::new, |token| token.expose().into());
            let token =
                mutate::utf8(&mutate::bytes_of(chance, &token, b"eyJhbGciOiJub25lIn0.e30."));
            let token = String::from_utf8_lossy(&token).into_owned();
            rig.act(Act::Token(Some(Secret::new(token))))?;
        }
        for _ in 0..30 {
            match rig.http.pop_front() {
                Some((id, request)) => {
                    let answer = vendor.exchange(&request).map(|good| broken(chance, good));
                    tried += 1;
                    rig.act(Act::Http(id, answer))?;
                }
                None => {
                    if !rig.settle_one()? {
                        break;
                    }
                }
            }
        }
        rig.run(30_000)?;
    }
    Ok(tried)
}

fn broken(chance: &mut Random, mut answer: HttpResponse) -> HttpResponse {
    answer.body = mutate::bytes_of(chance, &answer.body, b"{\"error\":[null]}").into();
    if chance.index(3) == 0 {
        let statuses = [0, 100, 200, 204, 301, 400, 401, 429, 500, 999, u16::MAX];
        answer.status = chance.pick(&statuses).copied().unwrap_or(200);
    }
    for (_, value) in &mut answer.headers {
        if chance.index(2) == 0 {
            let text = mutate::utf8(&mutate::bytes_of(chance, value.as_bytes(), b"=;,"));
            *value = String::from_utf8_lossy(&text).into_owned();
        }
    }
    answer
}

/// What the application sends is what the vendor reads, and is acknowledged; what the vendor says
/// is what the application reads.
pub(super) fn encode_decode_round_trip<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let (mut out, mut back) = (0, 0);
    for text in texts() {
        if vendor.outgoing(&text).is_some() {
            let mut rig = Rig::online(vendor)?;
            let before = rig.seen.len();
            rig.act(Act::Send(text.clone()))?;
            rig.run(10_000)?;
            let sent = rig.seen[before..].iter().filter_map(|seen| match seen {
                Seen::Frame(frame) => vendor.vendor_reads(Sent::Frame(frame)),
                Seen::Http(request) => vendor.vendor_reads(Sent::Http(request)),
                _ => None,
            });
            let read: Vec<String> = sent.collect();
            if read.is_empty() || read.iter().any(|read| *read != text) {
                let what = format!("the vendor reads {read:?} where {text:?} was sent");
                return Err(rig.broken(what).with_bytes(Some(text.into())));
            }
            if !rig.fates.iter().any(|(_, fate)| *fate == redial_core::Fate::Acked) {
                let what = format!("it arrived, and its fate is {:?}", rig.fates);
                return Err(rig.broken(what).with_bytes(Some(text.into())));
            }
            out += 1;
        }
        if let Some(frame) = vendor.push(back, &text) {
            let mut rig = Rig::online(vendor)?;
            rig.texts.clear();
            rig.receive(frame)?;
            rig.settle()?;
            if rig.texts != [text.clone()] {
                let what = format!("the application reads {:?} where {text:?} was said", rig.texts);
                return Err(rig.broken(what));
            }
            back += 1;
        }
    }
    said_early(vendor)?;
    if out + back == 0 {
        return Err(Broken::still("nothing is described that is sent or said".into()));
    }
    Ok(format!("{out} texts sent, {back} texts received"))
}

/// What is said before the session is ready and reaches the application when it gets ready does so
/// when the connection is lost first, too: nobody says it again.
fn said_early<V: Vendor>(vendor: &V) -> Result<(), Broken> {
    let is_retried = matches!(vendor.adapter().policy().verdict(EARLY_END), Verdict::Retry(_));
    let Some(frame) = vendor.push(0, EARLY).filter(|_| is_retried) else { return Ok(()) };
    let mut delivered = false;
    for is_lost in [false, true] {
        let mut rig = opened(vendor, false)?;
        rig.receive(frame.clone())?;
        if is_lost {
            rig.lose(EARLY_END, None)?;
        }
        rig.get_online()?;
        rig.settle()?;
        let arrived = rig.texts.iter().any(|text| text == EARLY);
        if is_lost && delivered && !arrived {
            let what = "what was said before it was ready is lost with the connection";
            return Err(rig.broken(what.into()).with_bytes(bytes_of(&frame)));
        }
        delivered |= arrived;
    }
    Ok(())
}

fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "hello",
        "a \"quoted\" \\ backslash / slash",
        "line\nfeed\r\ttab",
        "\u{1F600} \u{E9} \u{4E2D}\u{6587} \u{202E}\u{2028}",
        "{\"a\":[1,2]}",
        "&lt;b&gt; <b> %20 + ;",
        "null",
        "\u{1}\u{7F}",
    ]
    .map(str::to_owned)
    .into();
    texts.push("x".repeat(3_000));
    let mut chance = Random::new(2);
    for _ in 0..24 {
        let len = 1 + chance.index(40);
        let draw = || char::from_u32(u32::try_from(chance.index(0x3000)).unwrap_or(65) + 0x20);
        texts.push(std::iter::repeat_with(draw).flatten().take(len).collect());
    }
    texts
}

/// Nothing that prints shows a secret or a body: no `Debug` of the session, the adapter, what goes
/// in and out, snapshots and records, on the way online, through losses and refusals and back.
pub(super) fn secrets_never_show<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let mut rig = Rig::new(vendor);
    rig.prints = Some(Prints::default());
    rig.act(Act::Connect)?;
    rig.act(Act::Send(BODY.into()))?;
    for (round, cause) in LOSSES.into_iter().enumerate() {
        rig.get_online()?;
        rig.act(Act::Send(BODY.into()))?;
        rig.settle()?;
        if let Some(frame) = vendor.push(round as u64, BODY) {
            rig.receive(frame)?;
            rig.settle()?;
        }
        for sample in vendor.samples() {
            rig.receive(sample)?;
            rig.settle()?;
        }
        let plain = Frame::Text(BODY.into());
        rig.print(|shown| *shown += &format!("{plain:?}"));
        rig.receive(plain)?;
        if let Some(token) = vendor.token(None) {
            rig.act(Act::Token(Some(token)))?;
        }
        rig.settle()?;
        rig.lose(cause, None)?;
        rig.run(1_000)?;
        // A refusal in between, and whatever samples have led to is waited for.
        rig.lose(redial_core::Cause::Handshake(401), None)?;
        if rig.session.is_stopped() {
            break;
        }
        rig.act(Act::Connect)?;
    }
    let prints = rig.prints.take().unwrap_or_default();
    if vendor.push(0, BODY).is_some() && !rig.texts.iter().any(|text| text == BODY) {
        let what = "what the vendor says does not reach the application, so its Debug is not seen";
        return Err(rig.broken(what.into()));
    }
    let mut secrets = vendor.secrets();
    for secret in &secrets {
        if !travels(&prints.wire, secret) {
            let what = format!("{secret:?} is named as a secret and never went over the wire");
            return Err(rig.broken(what));
        }
    }
    secrets.push(BODY.into());
    for secret in &secrets {
        if let Some(place) = prints.shown.find(secret.as_str()) {
            let from = (place.saturating_sub(200)..=place)
                .find(|from| prints.shown.is_char_boundary(*from))
                .unwrap_or(place);
            let what = format!("{secret:?} shows: {}", &prints.shown[from..place + secret.len()]);
            return Err(rig.broken(what));
        }
    }
    let (count, shown) = (secrets.len(), prints.shown.len());
    Ok(format!("{count} secrets in {shown} bytes of Debug"))
}

/// Returns whether a secret is among the bytes, as it is or in Base64, as basic authentication
/// has it.
pub(super) fn travels(wire: &[u8], secret: &str) -> bool {
    let found =
        |bytes: &[u8]| bytes.windows(secret.len().max(1)).any(|part| part == secret.as_bytes());
    let is_base64 =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    found(wire) || wire.split(|byte| !is_base64(byte)).any(|word| found(&from_base64(word)))
}

fn from_base64(word: &[u8]) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for byte in word {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            _ => 63,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

/// However much arrives while the socket takes nothing, little waits to be written; and what the
/// application sends is counted by what it weighs.
pub(super) fn queues_are_bounded<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let pushed = vendor.push(0, "flood");
    let mut flooded = 0;
    for sample in vendor.samples().into_iter().chain(pushed) {
        let mut rig = Rig::online(vendor)?;
        rig.link = Link::Stuck;
        let before = kept(&rig)?;
        for _ in 0..FLOOD {
            rig.receive(sample.clone())?;
            rig.acts.clear();
            rig.seen.clear();
            flooded += 1;
            if rig.http.len() > WAITING {
                let what = format!("more than {WAITING} exchanges at the same time");
                return Err(rig.broken(what).with_bytes(bytes_of(&sample)));
            }
        }
        let more = kept(&rig)?.saturating_sub(before);
        if more > KEPT {
            let what = format!("after {FLOOD} like this it stores or shows {more} bytes more");
            return Err(rig.broken(what).with_bytes(bytes_of(&sample)));
        }
        rig.link = Link::Silent;
        rig.act(Act::Tick)?;
        let waited = rig.written().count();
        if waited > WAITING {
            let what = format!("{waited} frames waited for the socket after {FLOOD} like this");
            return Err(rig.broken(what).with_bytes(bytes_of(&sample)));
        }
    }
    let long = "x".repeat(3_000);
    if let Some(message) = vendor.outgoing(&long) {
        let weight = vendor.adapter().weight(&message);
        if weight < 3_000 {
            let what = format!("a message of 3000 bytes weighs {weight}");
            return Err(Broken::still(what));
        }
    }
    Ok(format!("{flooded} frames while the socket takes nothing"))
}

/// Returns how many bytes an adapter leaves to a later process, and shows.
fn kept<V: Vendor>(rig: &Rig<'_, V>) -> Result<usize, Broken> {
    let adapter = rig.session.adapter();
    let stored = serde_json::to_vec(&adapter.cursor())
        .map_err(|_| rig.broken("the cursor cannot be stored".into()))?;
    Ok(stored.len() + format!("{adapter:?}").len())
}

fn bytes_of(frame: &Frame) -> Option<bytes::Bytes> {
    match frame {
        Frame::Text(bytes) | Frame::Binary(bytes) | Frame::Ping(bytes) | Frame::Pong(bytes) => {
            Some(bytes.clone())
        }
    }
}

/// How many broken frames each state gets.
const FRAMES: usize = 1_500;
/// How many broken ways online there are.
const ANSWERS: usize = 600;
/// After how many acts a session is replaced by a fresh one.
const FRESH: usize = 200;
/// How often each frame is repeated.
const FLOOD: usize = 2_000;
/// How many bytes more may be stored after these.
const KEPT: usize = 16 << 10;
/// How much may wait.
const WAITING: usize = 256;
const EARLY: &str = "said before it was ready";
const EARLY_END: redial_core::Cause = redial_core::Cause::Network;
const BODY: &str = "canary-of-a-body-5eed";
const LOSSES: [redial_core::Cause; 4] = [
    redial_core::Cause::Network,
    redial_core::Cause::Close(4401),
    redial_core::Cause::Close(1011),
    redial_core::Cause::Close(1006),
];
