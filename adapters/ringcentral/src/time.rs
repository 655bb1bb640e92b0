//! The server's timestamps.

use redial_core::Timestamp;

/// Reads a timestamp of ISO 8601, such as `2020-09-07T21:50:02.737+0000`.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        let fold =
            |sum: i64, byte: &u8| Some(sum * 10 + i64::from(char::from(*byte).to_digit(10)?));
        digits.iter().try_fold(0, fold)
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 {
        return None;
    }
    let mut at = 19;
    let mut millis = 0;
    if is(at, b".,") {
        at += 1;
        let mut scale = 100;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            millis += number(at, at + 1)? * scale;
            scale /= 10;
            at += 1;
        }
    }
    let offset = match bytes.get(at..)? {
        b"" | b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let colon = usize::from(is(at + 3, b":"));
            let minutes = number(at + 1, at + 3)? * 60 + number(at + 3 + colon, at + 5 + colon)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    // The day's number in the civil calendar, counted from March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second;
    u64::try_from(seconds * 1000 + millis).ok().map(Timestamp::from_millis)
}
