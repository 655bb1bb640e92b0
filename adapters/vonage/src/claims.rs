//! What a token says about its own life.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redial_core::{Secret, Span, Timestamp};
use serde::Deserialize;

/// The times in a JWT's claims. What cannot be read says nothing: the server judges the token, and
/// a token without `exp` is never renewed by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    expires_at: Option<Timestamp>,
    issued_at: Option<Timestamp>,
}

impl Claims {
    pub(crate) fn read(token: &Secret) -> Self {
        Self::decode(token.expose()).unwrap_or_default()
    }

    /// Returns how long the token lives from `now`.
    ///
    /// One that has expired by our clock has no known life: a clock that is wrong must not refuse
    /// what the server accepts.
    pub(crate) fn life(&self, now: Timestamp) -> Option<Span> {
        self.expires_at.filter(|at| *at > now).map(|at| at.since(now))
    }

    /// Returns whether the token has expired by our clock.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Returns when four fifths of the token's life are over. One that does not say when it was
    /// made lives from when it was first seen.
    pub(crate) fn renew_at(&self, seen_at: Timestamp) -> Option<Timestamp> {
        let end = self.expires_at?.as_millis();
        let begin = self.issued_at.unwrap_or(seen_at).as_millis();
        let life = end.checked_sub(begin).filter(|life| *life > 0)?;
        // Not more than was there: the numbers are the issuer's own.
        let part = life / 100 * PER_CENT + life % 100 * PER_CENT / 100;
        Some(Timestamp::from_millis(begin.saturating_add(part)))
    }

    fn decode(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload) = (parts.next()?, parts.next()?);
        let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let wire: Wire = serde_json::from_slice(&bytes).ok()?;
        Some(Self { expires_at: wire.exp.and_then(date), issued_at: wire.iat.and_then(date) })
    }
}

/// RFC 7519: seconds since the Unix epoch, possibly with a fraction.
fn date(secs: f64) -> Option<Timestamp> {
    // The conversion saturates.
    (secs > 0.0).then(|| Timestamp::from_millis((secs * 1000.0) as u64))
}

#[derive(Deserialize)]
struct Wire {
    exp: Option<f64>,
    iat: Option<f64>,
}

/// How much of its life a token has when it is renewed.
const PER_CENT: u64 = 80;
