//! What servers give: tokens, and times to wait.

use redial_core::http::HttpResponse;
use redial_core::{Adapter, Recovery, Span, TokenUse, Verdict};

use super::act::{Act, Seen, Swap};
use super::lifecycle::{MOST_EXCHANGES, before_exchange, losses, makes_an_effort};
use super::report::Broken;
use super::rig::Rig;
use super::vendor::Vendor;
use super::wire::travels;

/// An exchange that is answered with `Retry-After` is followed by nothing for so long.
pub(super) fn retry_after_is_heeded<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let (mut tried, most) = (0, vendor.adapter().policy().spec().retry_after_max);
    let within = u64::from(ASKED.min(most).as_millis());
    if most < ASKED {
        let what = format!("a server that asks for {ASKED:?} would get no more than {most:?}");
        return Err(Broken::still(what));
    }
    for place in 0..MOST_EXCHANGES {
        for status in [429, 503] {
            let mut rig = before_exchange(vendor, place)?;
            let Some((id, _)) = rig.http.pop_front() else {
                return Ok(format!("{tried} exchanges"));
            };
            tried += 1;
            let (headers, body) = (vec![("retry-after".into(), "77".into())], "{}".into());
            let retry_after = Some(ASKED);
            let answer = HttpResponse { status, headers, body, retry_after };
            let seen = rig.seen.len();
            rig.act(Act::Http(id, Ok(answer)))?;
            rig.run(within - 1)?;
            if makes_an_effort(&rig.seen[seen..]) {
                let what = format!("{status} asks to wait {ASKED:?}, and it goes on before that");
                return Err(rig.broken(what));
            }
        }
    }
    Ok(format!("{tried} exchanges"))
}

/// After a loss that wants a new token, what the vendor gives then is what is used from then on.
pub(super) fn new_tokens_are_used<V: Vendor>(vendor: &V) -> Result<String, Broken> {
    let policy = *vendor.adapter().policy();
    let wants =
        |verdict| matches!(verdict, Verdict::Retry(Recovery { token: TokenUse::Regenerate, .. }));
    let lost = losses(&policy).into_iter().find(|cause| wants(policy.verdict(*cause)));
    let most = policy.spec().token.rejections;
    let Some(cause) = lost.filter(|_| most != Some(1)) else {
        return Ok("no loss that wants a new token".into());
    };
    let mut tried = 0;
    for secret in vendor.secrets() {
        let mut rig = Rig::online(vendor)?;
        let given = rig.given.iter().find(|(_, bytes)| travels(bytes, &secret));
        let Some((at, _)) = given else { continue };
        // What came from the client and is only echoed is no token of the vendor.
        if carries(&rig.seen[..*at], &secret) || !carries(&rig.seen[*at..], &secret) {
            continue;
        }
        let Some(other) = another(&secret) else { continue };
        let before = rig.given.len();
        rig.swap = Swap(Some((secret.clone(), other.clone())));
        rig.lose(cause, None)?;
        rig.get_online()?;
        rig.settle()?;
        let renewed = rig.given[before..].iter().find(|(_, bytes)| travels(bytes, &other));
        let Some((at, _)) = renewed else { continue };
        tried += 1;
        if carries(&rig.seen[*at..], &secret) {
            let what = format!("{secret:?} is used after {cause:?}, and {other:?} was given");
            return Err(rig.broken(what));
        }
    }
    Ok(format!("{tried} secrets given anew after {cause:?}"))
}

/// Returns whether a secret is in what the session did.
fn carries(seen: &[Seen], secret: &str) -> bool {
    let found = |text: &str| travels(text.as_bytes(), secret);
    seen.iter().any(|seen| match seen {
        Seen::Dial(handshake) => {
            found(&handshake.url) || handshake.headers.iter().any(|(_, value)| found(value))
        }
        Seen::Http(request) => {
            found(&request.url)
                || travels(&request.body, secret)
                || request.headers.iter().any(|(_, value)| found(value))
        }
        Seen::Frame(frame) => match frame {
            redial_core::Frame::Text(bytes) | redial_core::Frame::Binary(bytes) => {
                travels(bytes, secret)
            }
            redial_core::Frame::Ping(_) | redial_core::Frame::Pong(_) => false,
        },
        Seen::Drop(_) | Seen::Abort | Seen::Close(_) | Seen::Item(_) => false,
    })
}

/// Makes another secret of the same form.
fn another(secret: &str) -> Option<String> {
    let (at, last) = secret.char_indices().rev().find(|(_, c)| c.is_ascii_alphanumeric())?;
    let other = match last {
        '0' => '1',
        '0'..='9' => '0',
        'a' | 'A' => 'b',
        _ => 'a',
    };
    let mut text = secret.to_owned();
    text.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
    Some(text)
}

/// What a server asks for.
const ASKED: Span = Span::from_secs(77);
