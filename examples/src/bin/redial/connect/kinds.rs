//! Notices and causes in the words of the tool's contract.

use redial_core::{
    Adapter, Cause, ConnId, Continuity, Intent, Notice, Reason, Span, StopReason, SuspendReason,
    Timestamp, TokenUse, Wait,
};
use serde_json::{Value, json};

use super::Vendor;
use crate::output::Lines;

/// Prints a session's notices.
pub(crate) struct Kinds {
    pub(crate) lines: Lines,
    /// When the session was lost, in milliseconds since the start, and why.
    lost: Option<(u64, Cause)>,
    /// From when to when messages may be missing, and why.
    gap: Option<(u64, u64, Cause)>,
    /// What befell the session last.
    cause: Cause,
    /// What the peer wrote into its close frame.
    peer_reason: Option<(ConnId, String)>,
}

impl Kinds {
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines, lost: None, gap: None, cause: Cause::Requested, peer_reason: None }
    }

    pub(crate) fn peer_reason(&mut self, conn: ConnId, text: String) {
        self.peer_reason = Some((conn, text));
    }

    pub(crate) fn notice<A: Vendor>(&mut self, notice: &Notice) {
        match *notice {
            Notice::Authorizing { reason, .. } => {
                self.lines.line("authorizing", json!({ "reason": reason_name(reason) }));
            }
            Notice::Token { token, expires_in } => {
                let expires_in = expires_in.map(redial_core::Span::as_millis);
                let fields = json!({ "id": token.get(), "expires_in_ms": expires_in });
                self.lines.line("token", fields);
            }
            Notice::TokenFailed { cause, .. } => {
                let fault = fault_of(cause);
                let text = format!("the token could not be renewed: {}", cause_json::<A>(cause));
                self.lines.line("error", json!({ "fault": fault, "text": text }));
            }
            Notice::Connecting { conn, intent, .. } => {
                let intent = match intent {
                    Intent::Resume => "resume",
                    Intent::Restart => "restart",
                };
                self.lines.line("connecting", json!({ "conn": conn.get(), "intent": intent }));
            }
            Notice::Online { conn, continuity } => self.online::<A>(conn, continuity),
            Notice::Offline { conn, cause } => self.offline::<A>(conn, cause),
            Notice::RetryScheduled { delay, attempt, token, cause, not_before, at } => {
                // A wait that only has another end is still waited for the same reason.
                if cause != Cause::Held {
                    self.cause = cause;
                }
                let cause = self.cause;
                let token = match token {
                    TokenUse::Keep => "keep",
                    TokenUse::Regenerate => "regenerate",
                };
                let mut fields = json!({
                    "attempt": attempt, "delay_ms": delay.as_millis(), "token": token,
                    "cause": cause_json::<A>(cause),
                });
                if let Some(earliest) = not_before {
                    fields["not_before_ms"] = self.on_our_clock(at, earliest, delay).into();
                }
                self.explained::<A>("retry_scheduled", fields, notice);
            }
            Notice::ResumeExpired => {
                self.lines.line("vendor", json!({ "name": "resume_expired" }));
            }
            Notice::Suspended { reason } => {
                let (reason, cause) = match reason {
                    SuspendReason::AttemptsExhausted(cause) => ("attempts_exhausted", cause),
                    SuspendReason::Policy(cause) => ("policy", cause),
                };
                let fields = json!({ "reason": reason, "cause": cause_json::<A>(cause) });
                self.explained::<A>("suspended", fields, notice);
            }
            Notice::Stopped { reason } => {
                let fields = match reason {
                    StopReason::Requested => json!({ "reason": "requested" }),
                    StopReason::Policy(cause) => {
                        json!({ "reason": "policy", "cause": cause_json::<A>(cause) })
                    }
                    StopReason::TokenRejected(cause) => {
                        json!({ "reason": "token_rejected", "cause": cause_json::<A>(cause) })
                    }
                };
                self.explained::<A>("stopped", fields, notice);
            }
            _ => {}
        }
    }

    /// Prints that messages may be missing, or no longer are.
    pub(crate) fn gap<A: Vendor>(&mut self, closed: bool) {
        let mut fields = self.when::<A>();
        fields["certainty"] = if closed { "none" } else { "possible" }.into();
        fields["filled"] = closed.into();
        if closed {
            self.gap = None;
        }
        self.lines.line("gap", fields);
    }

    /// Prints that messages are missing, and which.
    pub(crate) fn missing<A: Vendor>(&self, which: &Value) {
        let mut fields = self.when::<A>();
        fields["certainty"] = "certain".into();
        fields["filled"] = false.into();
        for (key, value) in which.as_object().into_iter().flatten() {
            fields[key] = value.clone();
        }
        self.lines.line("gap", fields);
    }

    /// Prints that messages may be missing in the span up to now.
    pub(crate) fn gap_until_now<A: Adapter>(
        &self,
        certainty: &str,
        span: Option<Span>,
        cause: Option<Cause>,
    ) {
        let to = self.lines.t_ms();
        let from = span.map_or(0, |span| to.saturating_sub(span.as_millis().into()));
        let cause = cause.map(cause_json::<A>);
        let fields = json!({
            "certainty": certainty, "from_ms": from, "to_ms": to, "cause": cause, "filled": false,
        });
        self.lines.line_at(to, "gap", fields);
    }

    /// Returns from when to when messages may be missing, and why.
    fn when<A: Vendor>(&self) -> Value {
        match self.gap {
            Some((from, to, cause)) => {
                json!({ "from_ms": from, "to_ms": to, "cause": cause_json::<A>(cause) })
            }
            // An earlier process was there when it began.
            None => json!({ "from_ms": 0, "to_ms": self.lines.t_ms(), "cause": null }),
        }
    }

    /// Prints a line, with what the vendor's documents say about it.
    fn explained<A: Vendor>(&self, kind: &str, mut fields: Value, notice: &Notice) {
        if let Some(text) = A::explain(notice) {
            fields["text"] = text.as_ref().into();
        }
        self.lines.line(kind, fields);
    }

    fn online<A: Vendor>(&mut self, conn: ConnId, continuity: Continuity) {
        let now = self.lines.t_ms();
        let lost = self.lost.take();
        let after = lost.map_or(0, |(at, _)| now - at);
        let name = match continuity {
            Continuity::Fresh => "fresh",
            Continuity::Resumed => "resumed",
        };
        let fields = json!({ "conn": conn.get(), "continuity": name, "after_ms": after });
        self.lines.line_at(now, "online", fields);
        if let Some((at, cause)) = lost {
            // What an earlier loss left open is open still, where the adapter does not know better.
            let open = self.gap.filter(|_| A::FILLS_GAPS && !A::NAMES_GAPS);
            let from = open.map_or(at, |(from, ..)| from);
            self.gap = Some((from, now, cause));
            if A::means_gap(continuity) {
                self.gap::<A>(false);
                self.gap = None;
            }
        }
    }

    fn offline<A: Adapter>(&mut self, conn: ConnId, cause: Cause) {
        let now = self.lines.t_ms();
        self.lost.get_or_insert((now, cause));
        self.cause = cause;
        let mut fields = json!({ "conn": conn.get(), "cause": cause_json::<A>(cause) });
        if let Some((of, reason)) = self.peer_reason.take()
            && of == conn
        {
            fields["reason"] = reason.into();
        }
        self.lines.line_at(now, "offline", fields);
    }

    /// Turns an instant of the session's clock into milliseconds since the start.
    fn on_our_clock(&self, at: Timestamp, instant: Timestamp, delay: redial_core::Span) -> u64 {
        let end = self.lines.t_ms() + u64::from(delay.as_millis());
        end - u64::from(at.since(instant).as_millis()).min(end)
    }
}

/// Returns a cause as the contract writes it.
pub(crate) fn cause_json<A: Adapter>(cause: Cause) -> Value {
    match cause {
        Cause::Close(code) => json!({ "close": code }),
        Cause::Handshake(status) => json!({ "handshake": status }),
        Cause::Http { step, status } => {
            json!({ "http": { "step": A::step_name(step), "status": status } })
        }
        Cause::Refused(code) => json!({ "refused": A::refusal_name(code) }),
        Cause::Timeout(wait) => json!({ "timeout": match wait {
            Wait::Token => "token",
            Wait::Connect => "connect",
            Wait::Ready => "ready",
            Wait::Pong => "pong",
            Wait::Health => "health",
        } }),
        Cause::Network => json!("network"),
        Cause::Replaced => json!("replaced"),
        Cause::Requested | Cause::Held => json!("requested"),
        // The code that the peer is sent.
        Cause::Overflow => json!({ "close": 1008 }),
    }
}

/// Returns a cause as a person would say it.
pub(crate) fn cause_text<A: Adapter>(cause: Cause) -> String {
    match cause {
        Cause::Close(code) => format!("close {code}"),
        Cause::Handshake(status) => format!("handshake {status}"),
        Cause::Http { step, status } => format!("{} {status}", A::step_name(step)),
        Cause::Refused(code) => format!("refused: {}", A::refusal_name(code)),
        Cause::Timeout(Wait::Token) => "no token in time".into(),
        Cause::Timeout(Wait::Connect) => "no connection in time".into(),
        Cause::Timeout(Wait::Ready) => "not ready in time".into(),
        Cause::Timeout(Wait::Pong) => "no answer to the probe".into(),
        Cause::Timeout(Wait::Health) => "no sign of life".into(),
        Cause::Network => "network".into(),
        Cause::Replaced => "replaced".into(),
        Cause::Requested => "as it was asked to".into(),
        Cause::Overflow => "too many messages".into(),
        Cause::Held => "held back".into(),
    }
}

/// Returns whose fault a cause is, as far as it tells.
pub(crate) fn fault_of(cause: Cause) -> &'static str {
    match cause {
        Cause::Network | Cause::Timeout(_) => "network",
        Cause::Requested => "caller",
        Cause::Close(_)
        | Cause::Handshake(_)
        | Cause::Http { .. }
        | Cause::Refused(_)
        | Cause::Replaced
        | Cause::Overflow
        | Cause::Held => "vendor",
    }
}

fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Start => "start",
        Reason::Rejected => "rejected",
        Reason::Expiring => "expiring",
        Reason::Policy => "policy",
    }
}
