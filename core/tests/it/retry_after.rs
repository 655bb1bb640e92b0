//! What `Retry-After` asks for, however it is written.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use redial_core::http::retry_after;
use redial_core::{Span, Timestamp};

/// Sun, 06 Nov 1994 08:49:37 GMT.
const NOVEMBER: Timestamp = Timestamp::from_millis(784_111_777_000);

#[test]
fn seconds_are_taken_as_they_are() {
    for (value, secs) in [("0", 0), ("1", 1), ("61", 61), (" 120 ", 120), ("007", 7)] {
        assert_eq!(retry_after(value, None, NOVEMBER), Some(Span::from_secs(secs)), "{value}");
    }
}

#[test]
fn all_three_forms_of_a_date_are_read() {
    for value in [
        "Sun, 06 Nov 1994 08:50:38 GMT",
        "Sunday, 06-Nov-94 08:50:38 GMT",
        "Sun Nov  6 08:50:38 1994",
    ] {
        assert_eq!(retry_after(value, None, NOVEMBER), Some(Span::from_secs(61)), "{value}");
    }
}

#[test]
fn a_date_is_taken_against_the_date_of_the_answer() {
    let value = "Sun, 06 Nov 1994 08:50:38 GMT";
    let wrong = Timestamp::from_millis(0);
    for date in ["Sun, 06 Nov 1994 08:50:08 GMT", "Sun Nov  6 08:50:08 1994"] {
        assert_eq!(retry_after(value, Some(date), wrong), Some(Span::from_secs(30)));
    }
    assert_eq!(retry_after(value, Some("nonsense"), NOVEMBER), Some(Span::from_secs(61)));
}

#[test]
fn a_date_that_has_passed_asks_for_no_wait() {
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:36 GMT", None, NOVEMBER), Some(Span::ZERO));
    assert_eq!(retry_after("Thu, 01 Jan 1970 00:00:00 GMT", None, NOVEMBER), Some(Span::ZERO));
}

#[test]
fn leap_years_and_centuries_are_counted() {
    for (value, millis) in [
        ("Thu, 01 Jan 1970 00:00:01 GMT", 1_000),
        ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400_000),
        ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800_000),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800_000),
        ("Thursday, 29-Feb-24 12:00:00 GMT", 1_709_208_000_000),
    ] {
        let now = Timestamp::from_millis(millis - 1_000);
        assert_eq!(retry_after(value, None, now), Some(Span::from_secs(1)), "{value}");
    }
    assert_eq!(retry_after("Thu, 29 Feb 2100 00:00:00 GMT", None, NOVEMBER), None);
}

#[test]
fn huge_values_saturate() {
    for value in [
        "4294968",
        "18446744073709551615",
        "99999999999999999999999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        assert_eq!(retry_after(value, None, Timestamp::ZERO), Some(Span::MAX), "{value}");
    }
}

#[test]
fn what_cannot_be_read_asks_for_nothing() {
    for value in [
        "",
        " ",
        "-1",
        "1.5",
        "+5",
        "5s",
        "0x10",
        "١٢",
        "soon",
        "Sun, 06 Nov 1994",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37:00 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT",
        "Sun, 6 Nov 1994 8:49:37 GMT GMT GMT GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT Sun, 06 Nov 1994 08:49:37 GMT",
    ] {
        assert_eq!(retry_after(value, None, NOVEMBER), None, "{value:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(value in any::<String>(), date in any::<String>(), now in any::<u64>()) {
        let now = Timestamp::from_millis(now);
        let _ = retry_after(&value, Some(&date), now);
        let _ = retry_after(&value, None, now);
    }

    #[test]
    fn text_that_looks_like_a_date_makes_it_panic_no_more(
        value in "[A-Z][a-z]{2,5},? [0-9]{1,2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9:]{5,9} GMT",
        now in any::<u64>(),
    ) {
        let _ = retry_after(&value, None, Timestamp::from_millis(now));
    }

    #[test]
    fn every_second_of_four_centuries_is_read_back(secs in 0_u64..12_622_780_800) {
        let (year, month, day) = civil(secs / 86_400);
        let (hour, minute, second) = (secs / 3_600 % 24, secs / 60 % 60, secs % 60);
        let text = format!(
            "Mon, {day:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT",
            MONTHS[month]
        );
        let now = Timestamp::from_millis((secs * 1_000).saturating_sub(5_000));
        let expected = Span::from_millis(u32::try_from(secs.min(5) * 1_000).expect("at most 5 s"));
        prop_assert_eq!(retry_after(&text, None, now), Some(expected), "{}", text);
    }

    #[test]
    fn seconds_never_shrink(secs in any::<u64>()) {
        let span = retry_after(&secs.to_string(), None, NOVEMBER);
        prop_assert!(span.is_some_and(|span| u64::from(span.as_millis()) >= secs.min(4_294_967)));
    }
}

/// Returns the date of a day since 1970, counted day by day.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month, days + 1)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
