//! The three forms of an HTTP date (RFC 9110, section 5.6.7).

use crate::time::Timestamp;

/// Reads an HTTP date in its current or one of its two obsolete forms.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    let mut parts = [""; 6];
    let mut count = 0;
    for part in text.split(' ').filter(|part| !part.is_empty()) {
        *parts.get_mut(count)? = part;
        count += 1;
    }
    match (count, parts) {
        // Sun, 06 Nov 1994 08:49:37 GMT
        (6, [weekday, day, month, year, clock, "GMT"]) if weekday.ends_with(',') => {
            timestamp(number(year, 4)?, month, number(day, 2)?, clock)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        (4, [weekday, date, clock, "GMT", ..]) if weekday.ends_with(',') => {
            let mut date = date.split('-');
            let (day, month, year) = (date.next()?, date.next()?, date.next()?);
            let year = number(year, 2)?;
            let century = if year < 70 { 2000 } else { 1900 };
            timestamp(century + year, month, number(day, 2)?, clock)
        }
        // Sun Nov  6 08:49:37 1994
        (5, [_, month, day, clock, year, ..]) => {
            timestamp(number(year, 4)?, month, number(day, 0)?, clock)
        }
        _ => None,
    }
}

/// Reads a decimal number of exactly `digits` digits, of one or two when `digits` is zero.
fn number(text: &str, digits: usize) -> Option<u64> {
    let fits = if digits == 0 { (1..=2).contains(&text.len()) } else { text.len() == digits };
    (fits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn timestamp(year: u64, month: &str, day: u64, clock: &str) -> Option<Timestamp> {
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let mut clock = clock.split(':');
    let (hour, minute, second) = (clock.next()?, clock.next()?, clock.next()?);
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let sane = clock.next().is_none() && hour < 24 && minute < 60 && second <= 60;
    if !sane || year < 1970 || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let days = days_before_year(year) - days_before_year(1970)
        + (0..month).map(|month| days_in_month(year, month)).sum::<u64>()
        + day
        - 1;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp::from_millis(seconds * 1_000))
}

fn days_before_year(year: u64) -> u64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

fn days_in_month(year: u64, month: u64) -> u64 {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    match month {
        1 => 28 + u64::from(leap),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
