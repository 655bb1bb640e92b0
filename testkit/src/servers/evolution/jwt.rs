//! JSON Web Tokens signed with HS256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

/// Signs claims as a server with this secret does.
#[must_use]
pub fn sign(secret: &str, claims: &Value) -> String {
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(claims));
    let tag = hmac::sign(&key(secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Tells whether this is three parts in the alphabet of a token.
pub(super) fn is_jwt(text: &str) -> bool {
    let mut parts = text.split('.');
    let good = |part: &str| {
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !part.is_empty() && part.bytes().all(base64url)
    };
    parts.by_ref().take(3).filter(|part| good(part)).count() == 3 && parts.next().is_none()
}

/// Gives the claims of a token that was signed with this secret, whatever its times.
pub(super) fn verify(secret: &str, token: &str) -> Option<Value> {
    if !is_jwt(token) {
        return None;
    }
    let (signed, tag) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    if decode(header)?.get("alg").and_then(Value::as_str) != Some("HS256") {
        return None;
    }
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    hmac::verify(&key(secret), signed.as_bytes(), &tag).ok()?;
    decode(claims)
}

/// Gives the claims of a token that nobody has verified.
pub(super) fn claims(token: &str) -> Option<Value> {
    decode(token.split('.').nth(1)?)
}

/// Tells whether a verified token is good at this time: a time that is no number never is.
pub(super) fn is_timely(claims: &Value, now_s: f64, ignore_expiry: bool) -> bool {
    let passes = |name: &str, test: fn(f64, f64) -> bool| match claims.get(name) {
        None => true,
        Some(time) => time.as_f64().is_some_and(|time| test(now_s, time)),
    };
    passes("nbf", |now, from| now >= from) && (ignore_expiry || passes("exp", |now, end| now < end))
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn key(secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{claims, is_jwt, is_timely, sign, verify};

    #[test]
    fn a_token_of_another_library_is_verified() {
        // The example of jwt.io: header and claims in its own order.
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6\
            IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        let found = verify("your-256-bit-secret", token);
        assert_eq!(
            found,
            Some(json!({ "sub": "1234567890", "name": "John Doe", "iat": 1_516_239_022 }))
        );
        assert_eq!(verify("your-256-bit-secres", token), None);
    }

    #[test]
    fn only_hs256_is_taken() {
        let good = sign("s", &json!({ "a": 1 }));
        assert_eq!(verify("s", &good), Some(json!({ "a": 1 })));
        let (head, tail) = good.split_once('.').expect("three parts");
        assert_ne!(head, "eyJhbGciOiJub25lIn0");
        // {"alg":"none"}
        assert_eq!(verify("s", &format!("eyJhbGciOiJub25lIn0.{tail}")), None);
        assert_eq!(claims(&good), Some(json!({ "a": 1 })));
    }

    #[test]
    fn three_parts_make_a_token() {
        for bad in ["", "abc", "a.b", "a.b.c.d", "a..c", "a.b.c=", "a.b.\u{e9}"] {
            assert!(!is_jwt(bad), "{bad}");
            assert_eq!(verify("s", bad), None, "{bad}");
        }
        assert!(is_jwt("a-_.b0.c"));
    }

    #[test]
    fn times_are_numbers_of_seconds() {
        let good = |claims, now, ignore| is_timely(&claims, now, ignore);
        assert!(good(json!({}), 5.0, false));
        assert!(good(json!({ "exp": 6 }), 5.0, false));
        assert!(!good(json!({ "exp": 5 }), 5.0, false));
        assert!(good(json!({ "exp": 5 }), 5.0, true));
        assert!(!good(json!({ "exp": "9" }), 5.0, false));
        assert!(good(json!({ "nbf": 5 }), 5.0, false));
        assert!(!good(json!({ "nbf": 6 }), 5.0, true));
    }
}
