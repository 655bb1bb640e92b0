//! User tokens: three parts, of which only the claims are read. Signatures are not checked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// What a token says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claims {
    /// Name of the user.
    pub(super) sub: String,
    /// End of its life in milliseconds since 1970; a token without one lives for ever.
    pub(super) exp_ms: Option<u64>,
    /// The paths that it opens, when it says so.
    acl: Option<Vec<String>>,
}

impl Claims {
    /// Reads a token; none when it is not one.
    pub(super) fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || token.len() > MAX_TOKEN {
            return None;
        }
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let payload: Value = serde_json::from_slice(&payload).ok()?;
        let exp_ms = match payload.get("exp") {
            None | Some(Value::Null) => None,
            Some(exp) => Some(millis(exp)?),
        };
        let acl = payload.pointer("/acl/paths").and_then(Value::as_object);
        let acl = acl.map(|paths| paths.keys().cloned().collect());
        Some(Self { sub: payload.get("sub")?.as_str()?.to_owned(), exp_ms, acl })
    }

    /// Tells whether the token opens sessions.
    pub(super) fn allows_sessions(&self) -> bool {
        self.acl.as_ref().is_some_and(|paths| paths.iter().any(|path| path == "/*/sessions/**"))
    }
}

/// A NumericDate may have a fraction.
fn millis(seconds: &Value) -> Option<u64> {
    let seconds = seconds.as_f64().filter(|seconds| seconds.is_finite())?;
    // The cast saturates, and a time before 1970 is past as well as 1970 is.
    Some((seconds * 1000.0) as u64)
}

/// Finds what looks like a token in a text, so that it can be labelled whatever it stands in.
pub(super) fn tokens_in(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
    text.split(move |c: char| !part(c)).filter(|word| word.starts_with("eyJ") && word.contains('.'))
}

const MAX_TOKEN: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::{Claims, tokens_in};

    fn token(claims: &Value) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn claims_are_read() {
        let claims =
            json!({ "sub": "alice", "exp": 1.5, "acl": { "paths": { "/*/sessions/**": {} } } });
        let read = Claims::read(&token(&claims)).expect("claims");
        assert_eq!((read.sub.as_str(), read.exp_ms), ("alice", Some(1500)));
        assert!(read.allows_sessions());
        let read = Claims::read(&token(&json!({ "sub": "bob" }))).expect("claims");
        assert_eq!((read.exp_ms, read.allows_sessions()), (None, false));
    }

    #[test]
    fn what_is_no_token_has_no_claims() {
        for text in ["", "a", "a.b.c", "a.b", "a.e30.c", "..", "a.e30.c.d", "a.bm90IGpzb24.c"] {
            assert_eq!(Claims::read(text), None, "{text}");
        }
        assert_eq!(Claims::read(&token(&json!({ "sub": "a", "exp": "soon" }))), None);
    }

    #[test]
    fn tokens_are_found_in_frames() {
        let token = token(&json!({ "sub": "alice" }));
        let frame = format!("42[\"session:login\",{{\"body\":{{\"token\":\"{token}\"}}}}]");
        assert_eq!(tokens_in(&frame).collect::<Vec<_>>(), [token.as_str()]);
    }
}
