//! `Retry-After`, read from the headers of any answer.

use std::time::{SystemTime, UNIX_EPOCH};

use redial_core::{Span, Timestamp};

/// Returns the wait that the headers of an answer ask for.
///
/// Both forms are read, seconds and HTTP date. A date is taken against the answer's own `Date`
/// header, so that a client with a wrong clock waits the right time, and against the wall clock
/// where there is none. Of several `Retry-After` headers the longest counts, because each of them is
/// an earliest time. What cannot be read asks for nothing.
///
/// It serves HTTP answers and refused WebSocket upgrades alike; names may have any case.
#[must_use]
pub fn retry_after_in<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Option<Span> {
    let mut date = None;
    let mut waits = Vec::new();
    for (name, value) in headers {
        let Ok(value) = std::str::from_utf8(value) else { continue };
        if name.eq_ignore_ascii_case("date") {
            date = date.or(Some(value));
        } else if name.eq_ignore_ascii_case("retry-after") {
            waits.push(value);
        }
    }
    let now = wall_clock();
    waits.into_iter().filter_map(|wait| redial_core::http::retry_after(wait, date, now)).max()
}

fn wall_clock() -> Timestamp {
    // A clock before 1970 gives zero: a date then asks for the longest wait, and a wait of
    // seconds is not touched.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
