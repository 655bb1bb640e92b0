//! What adapters take for an address, for a header, and for something that they know already.

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use redial_core::Recent;
use redial_core::net::{is_header_value, is_host};

#[test]
fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
    let long = "a".repeat(253);
    for good in [
        "localhost",
        "api.example.com",
        "a_b-c.example",
        "127.0.0.1",
        "host:1",
        "host:65535",
        "host:00443",
        "[::1]",
        "[::1]:443",
        "[::ffff:127.0.0.1]:8084",
        &long,
    ] {
        assert!(is_host(good), "{good}");
    }
}

#[test]
fn what_a_url_reads_in_another_way_is_no_host() {
    let long = "a".repeat(254);
    for bad in [
        "",
        ":443",
        "host:",
        "host:0",
        "host:65536",
        "host:000443",
        "host:+1",
        "host:1:2",
        "user@host",
        "host/path",
        "host?query",
        "host#fragment",
        "host\\other",
        "ho st",
        "host\r\n",
        "h%6fst",
        "b\u{fc}cher",
        "[]",
        "[::1",
        "[::1]443",
        "[::1]:",
        "[g::1]",
        "[a-b]",
        "::1",
        &long,
    ] {
        assert!(!is_host(bad), "{bad}");
    }
}

#[test]
fn a_header_takes_visible_characters_and_spaces() {
    assert!(is_header_value("Bearer a/b+c=") && is_header_value("") && is_header_value("~"));
    for bad in ["a\nb", "a\rb", "a\tb", "a\0b", "\u{7f}", "\u{e9}"] {
        assert!(!is_header_value(bad), "{bad:?}");
    }
}

#[test]
fn an_id_that_cannot_be_remembered_is_always_new() {
    let mut recent = Recent::<4>::default();
    let (most, longer) = ("x".repeat(Recent::<4>::MAX_LEN), "x".repeat(Recent::<4>::MAX_LEN + 1));
    for (id, known) in [("", false), (&longer, false), (&most, true)] {
        assert!(recent.insert(id));
        assert_eq!((recent.insert(id), recent.contains(id)), (!known, known), "{}", id.len());
    }
    recent.clear();
    assert!(!recent.contains(&most) && recent.iter().next().is_none() && recent.insert(&most));
}

proptest! {
    /// Against a list that forgets nothing.
    #[test]
    fn the_last_ids_are_known_and_no_others(
        ids in proptest::collection::vec("[a-h]", 0..60),
    ) {
        const MOST: usize = 5;
        let mut recent = Recent::<MOST>::default();
        let mut order: Vec<&str> = Vec::new();
        for id in &ids {
            let last: Vec<&str> = order[order.len().saturating_sub(MOST)..].to_vec();
            prop_assert_eq!(recent.contains(id), last.contains(&id.as_str()));
            let new = recent.insert(id);
            prop_assert_eq!(new, !last.contains(&id.as_str()));
            if new {
                order.push(id);
            }
            prop_assert!(recent.iter().eq(order[order.len().saturating_sub(MOST)..].iter().copied()));
        }
    }
}
