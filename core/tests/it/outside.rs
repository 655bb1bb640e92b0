//! Ids on the wire, and the governor of a process.

use std::collections::BTreeSet;

use proptest::prelude::*;
use redial_core::{Governor, Timestamp, WireIds};

proptest! {
    #[test]
    fn wire_ids_are_a_bijection(
        nonce in any::<u128>(),
        lane in 0..64_u8,
        number in 0..1_u64 << 56,
    ) {
        let ids = WireIds::new(nonce);
        let id = ids.encode(lane, number);
        let text = id.as_str();
        prop_assert_eq!(ids.decode(text), Some((lane, number)));
        prop_assert_eq!(ids.decode(&text.to_uppercase()), Some((lane, number)));
        // It looks like a random UUID.
        prop_assert_eq!(text.len(), 36);
        prop_assert_eq!(text.as_bytes()[14], b'4');
        prop_assert!(b"89ab".contains(&text.as_bytes()[19]));
        prop_assert!(text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()));
    }

    #[test]
    fn any_text_decodes_or_does_not(nonce in any::<u128>(), text in "\\PC{0,40}") {
        let ids = WireIds::new(nonce);
        if let Some((lane, number)) = ids.decode(&text) {
            let id = ids.encode(lane, number);
            prop_assert_eq!(id.as_str(), text.to_lowercase());
        }
    }

    #[test]
    fn ids_of_another_session_do_not_decode(
        nonce in any::<u128>(),
        other in any::<u128>(),
        number in 0..1000_u64,
    ) {
        // The upper half tells sessions apart, but for the four bits of the version.
        prop_assume!((nonce ^ other) >> 64 & !0xF000 != 0);
        let id = WireIds::new(other).encode(0, number);
        prop_assert_eq!(WireIds::new(nonce).decode(id.as_str()), None);
    }

    #[test]
    fn the_governor_only_lengthens(raises in prop::collection::vec((0..4_u8, 0..100_u64), 0..50)) {
        let mut governor = Governor::new();
        let mut expected = [0; 4];
        for (account, until) in raises {
            let now = 20;
            let longer = until > now && until > expected[usize::from(account)];
            prop_assert_eq!(governor.raise(at(now), &account.to_string(), at(until)), longer);
            if longer {
                expected[usize::from(account)] = until;
            }
            for (account, until) in expected.iter().enumerate() {
                prop_assert_eq!(governor.not_before(&account.to_string()), at(*until));
            }
        }
    }
}

#[test]
fn consecutive_ids_differ_and_foreign_shapes_do_not_decode() {
    let ids = WireIds::new(7);
    let all: BTreeSet<String> =
        (0..1000).map(|number| ids.encode(0, number).as_str().to_owned()).collect();
    assert_eq!(all.len(), 1000);
    for text in ["", "7", "00000000-0000-0000-0000-000000000000", "é"] {
        assert_eq!(ids.decode(text), None);
    }
}

#[test]
fn a_full_governor_forgets_who_waits_least() {
    let mut governor = Governor::new();
    for account in 0..Governor::CAPACITY as u64 {
        governor.raise(at(0), &account.to_string(), at(1_000 + account));
    }
    assert!(governor.raise(at(0), "one more", at(50)));
    assert_eq!(governor.not_before("0"), Timestamp::ZERO);
    assert_eq!(governor.not_before("1"), at(1_001));
    // Those whose time has passed go first, all of them.
    assert!(governor.raise(at(1_500), "another", at(9_000)));
    assert_eq!(governor.not_before("499"), Timestamp::ZERO);
    assert_eq!(governor.not_before("501"), at(1_501));
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}
