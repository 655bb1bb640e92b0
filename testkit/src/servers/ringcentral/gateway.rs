//! Upgrades: who is let in, and as whom.

use serde_json::json;

use super::delivery::REPLACED;
use super::form::presented;
use super::options::{RecoveryAnswer, RefuseMode, Settings, TokenReuse};
use super::state::{UpgradeCall, note};
use super::{Inner, RingCentral};
use crate::servers::http::handshake_fault;
use crate::servers::hub::{Answer, Hub, Reply, Request};
use crate::servers::socket::Out;
use crate::servers::wire::WireLog;

/// What a connection was let in as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Admission {
    pub(super) session: u64,
    pub(super) replay: bool,
    pub(super) state: Option<Result<(), String>>,
}

/// What becomes of an upgrade.
enum Verdict {
    Status(u16),
    Close(&'static str, Vec<Out>),
    Admit(&'static str, Admission),
}

impl RingCentral {
    pub(super) fn upgrade(&self, hub: &Hub, request: &Request) -> Answer {
        let t_ms = hub.wire.now_ms();
        let inner = &mut *self.lock();
        let (token, presented) = presented(request);
        let verdict = match handshake_fault(request) {
            Some(status) => Verdict::Status(status),
            None => admit(inner, token.as_deref(), presented.as_deref(), t_ms, &hub.wire),
        };
        let upgraded = !matches!(verdict, Verdict::Status(_));
        let conn = upgraded.then(|| hub.next_conn());
        let label = |kind: &str, token: &String| hub.wire.name(kind, token);
        let (status, outcome) = match &verdict {
            Verdict::Status(status) => (*status, "refused"),
            Verdict::Close(outcome, _) | Verdict::Admit(outcome, _) => (101, *outcome),
        };
        let call = UpgradeCall {
            t_ms,
            token: token.as_ref().map(|token| label("foreign-wstoken", token)),
            wsc: presented.as_ref().map(|wsc| label("foreign-wsc", wsc)),
            status: Some(status),
            conn,
            outcome,
        };
        note(&mut inner.seen.upgrades, call);
        let conn = conn.unwrap_or_default();
        let (headers, then) = match verdict {
            Verdict::Status(status) => {
                let mut reply = Reply::empty(status);
                if status == 426 {
                    reply.headers.push(("sec-websocket-version", "13".to_owned()));
                }
                return Answer::Reply(reply);
            }
            Verdict::Close(_, then) => (Vec::new(), then),
            Verdict::Admit(_, admission) => {
                claim(inner, token.as_deref(), conn, t_ms);
                if inner.admitted.len() >= MAX_ADMITTED {
                    inner.admitted.pop_first();
                }
                inner.admitted.insert(conn, admission);
                (Vec::new(), Vec::new())
            }
        };
        Answer::Upgrade { conn, headers, then }
    }
}

/// Decides about a handshake that is well formed.
fn admit(
    inner: &mut Inner,
    token: Option<&str>,
    wsc: Option<&str>,
    now: u64,
    wire: &WireLog,
) -> Verdict {
    let Some(token) = token else {
        return Verdict::Close("unauthorized", vec![Out::Close(4400, NO_TOKEN.to_owned())]);
    };
    let refused = |inner: &Inner, reason: &str| match inner.settings.refuse_mode {
        RefuseMode::Handshake => Verdict::Status(401),
        RefuseMode::Close4401 => {
            Verdict::Close("refused", vec![Out::Close(4401, reason.to_owned())])
        }
    };
    let Some(known) = inner.tokens.ws(token, now) else {
        return refused(inner, "token is not valid");
    };
    let oauth = known.oauth;
    if let Some(earlier) = known.conn {
        match inner.settings.ws_token_reuse {
            TokenReuse::Allow => {}
            TokenReuse::Reject => return refused(inner, "token already used"),
            TokenReuse::Kick => {
                if let Some(old) = inner.conns.get(&earlier) {
                    old.handle.send(Out::Close(4409, REPLACED.to_owned()));
                }
            }
        }
    }
    match decide(inner, oauth, wsc, now, wire) {
        Some((outcome, admission)) => Verdict::Admit(outcome, admission),
        None => {
            let id = inner.tokens.uuid();
            let meta = json!({
                "type": "Error", "messageId": id, "status": 400, "headers": { "RCRequestId": id },
            });
            let body = json!({ "errorCode": "WSG-400", "message": MALFORMED });
            let error = Out::Text(json!([meta, body]).to_string());
            Verdict::Close("malformed", vec![error, Out::Close(1008, MALFORMED.to_owned())])
        }
    }
}

/// Counts a wstoken as used.
fn claim(inner: &mut Inner, token: Option<&str>, conn: u64, now: u64) {
    if let Some(known) = token.and_then(|token| inner.tokens.ws(token, now)) {
        known.conn = Some(conn);
    }
}

/// Recovers a session or begins one; nothing when the `wsc` was never issued.
fn decide(
    inner: &mut Inner,
    oauth: u64,
    presented: Option<&str>,
    now: u64,
    wire: &WireLog,
) -> Option<(&'static str, Admission)> {
    let owner = inner.tokens.owner(oauth);
    let (sessions, settings) = (&mut inner.sessions, &inner.settings);
    let named = match presented {
        Some(wsc) => Some(sessions.named(wsc)?),
        None => None,
    };
    let truth = named.map(|id| match sessions.of(id) {
        Some(session) if session.oauth != oauth => Err("WSG-1003".to_owned()),
        Some(session) if session.is_recoverable(now, settings) => {
            let subscribed = session.is_subscribed(now, settings);
            if subscribed { Ok(id) } else { Err("WSG-1005".to_owned()) }
        }
        _ => Err(settings.expired_code.clone()),
    });
    let answer = next_answer(&mut inner.settings, named.is_some());
    let same = answer == RecoveryAnswer::SameWsc;
    let settings = &inner.settings;
    let (resumed, state) = match (answer, truth) {
        (RecoveryAnswer::Absent, _) => (None, None),
        (RecoveryAnswer::Failed { code }, Some(_)) => {
            if let Some(session) = named.and_then(|id| sessions.of(id)) {
                session.expire();
            }
            (None, Some(Err(code)))
        }
        (RecoveryAnswer::OtherWsc, Some(_)) | (RecoveryAnswer::Unasked, None) => {
            (None, Some(Ok(())))
        }
        (_, None) => (None, None),
        (_, Some(Ok(id))) => (Some(id), Some(Ok(()))),
        (_, Some(Err(code))) => (None, Some(Err(code))),
    };
    let session = resumed.unwrap_or_else(|| sessions.begin(oauth, &owner, now, settings));
    match (resumed.and_then(|id| sessions.of(id)), presented) {
        (Some(session), Some(wsc)) if same => session.wsc = wsc.to_owned(),
        _ => sessions.renew(session, &mut inner.tokens, settings, wire),
    }
    let outcome = match (&state, resumed) {
        (_, Some(_)) => "resumed",
        (Some(Err(_)), _) => "failed",
        _ => "fresh",
    };
    Some((outcome, Admission { session, replay: resumed.is_some(), state }))
}

/// Takes the answer that the script wants next.
fn next_answer(settings: &mut Settings, asked: bool) -> RecoveryAnswer {
    let (answer, times) = &mut settings.recovery_answer;
    if *answer == RecoveryAnswer::Honest || asked == (*answer == RecoveryAnswer::Unasked) {
        return RecoveryAnswer::Honest;
    }
    let given = answer.clone();
    if let Some(left) = times {
        *left = left.saturating_sub(1);
        if *left == 0 {
            settings.recovery_answer = (RecoveryAnswer::Honest, None);
        }
    }
    given
}

const NO_TOKEN: &str = "no authorization";
const MALFORMED: &str = "Malformed WebSocket session context token";
const MAX_ADMITTED: usize = 1_000;
