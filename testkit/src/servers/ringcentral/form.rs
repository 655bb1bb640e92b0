//! The credentials in a request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::servers::form::{find, pairs};
use crate::servers::http::header;
use crate::servers::hub::Request;

/// Reads the client credentials of a request.
pub(super) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, text) = header(headers, AUTHORIZATION).split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Reads the access token of a request.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header(headers, AUTHORIZATION).split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Gives the wstoken and the `wsc` that an upgrade presents.
pub(super) fn presented(request: &Request) -> (Option<String>, Option<String>) {
    let query = pairs(request.query.as_deref().unwrap_or_default());
    let from_header = || bearer_token(&request.headers).map(str::to_owned);
    let token = find(&query, "access_token").map(str::to_owned).or_else(from_header);
    (token, find(&query, "wsc").map(str::to_owned))
}
