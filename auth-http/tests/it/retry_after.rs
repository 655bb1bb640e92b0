//! Both forms of `Retry-After`, and what is neither.

use redial_auth_http::{HttpClient, retry_after_in};
use redial_core::{Span, Timestamp};

use crate::servers::{RawServer, Reply, client, get};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[tokio::test]
async fn answers_carry_the_wait() {
    let cases = [
        ("Retry-After: 7", Some(7_000)),
        ("Retry-After: 0", Some(0)),
        ("retry-after:   12  ", Some(12_000)),
        ("Retry-After: Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
        ("Retry-After: Sunday, 06-Nov-94 08:49:47 GMT", Some(10_000)),
        ("Retry-After: Sun Nov  6 08:49:47 1994", Some(10_000)),
        ("Retry-After: Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
        ("Retry-After: 99999999999999999999", Some(u32::MAX)),
        ("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", Some(u32::MAX)),
        ("Retry-After: soon", None),
        ("Retry-After: -5", None),
        ("Retry-After: 1.5", None),
        ("Retry-After: ", None),
        ("Retry-After: Sun, 99 Nov 1994 08:49:47 GMT", None),
        ("Retry-After: 3\r\nRetry-After: 9", Some(9_000)),
        ("Retry-After: \u{fffd}", None),
        ("X-Other: 1", None),
    ];
    for (header, expected) in cases {
        let reply = format!(
            "HTTP/1.1 429 Too Many Requests\r\nDate: {DATE}\r\n{header}\r\nContent-Length: 0\r\n\r\n"
        );
        let server = RawServer::start(Reply::Bytes(reply.into_bytes())).await;
        let answer = client().perform(get(server.url("/"))).await.unwrap();
        assert_eq!(answer.retry_after, expected.map(Span::from_millis), "{header}");
    }
}

#[test]
fn without_a_date_header_the_wall_clock_counts() {
    let wait = |value: &str| retry_after_in([("Retry-After", value.as_bytes())]);
    assert_eq!(wait(DATE), Some(Span::ZERO));
    assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(Span::MAX));
}

#[test]
fn a_date_header_that_cannot_be_read_is_no_date_header() {
    let headers = [("date", &b"yesterday"[..]), ("retry-after", DATE.as_bytes())];
    assert_eq!(retry_after_in(headers), Some(Span::ZERO));
}

#[test]
fn the_core_rule_takes_the_answers_date_before_ours() {
    let now = Timestamp::from_millis(4_000_000_000_000);
    let wait = redial_core::http::retry_after;
    assert_eq!(wait("Sun, 06 Nov 1994 08:49:38 GMT", Some(DATE), now), Some(Span::from_secs(1)));
    assert_eq!(wait("Sun, 06 Nov 1994 08:49:38 GMT", None, now), Some(Span::ZERO));
    assert_eq!(wait(" 5 ", None, now), Some(Span::from_secs(5)));
}
