//! The ledger does what a plain one does, whatever befalls both.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use redial_core::{
    Bounds, Class, Continuity, Cut, Ledger, MessageId, Outcome, Path, Proof, Span, Timestamp,
};

use crate::keeper::{Keeper, Plain};

/// What can befall a ledger.
#[derive(Clone, Copy, Debug)]
enum Step {
    Accept {
        class: Class,
        weight: u32,
    },
    Write {
        path: Path,
        most: usize,
    },
    Settle {
        back: u64,
        outcome: Outcome,
    },
    TokenReady,
    Cut,
    Interrupt,
    Online(Continuity),
    Pass(u64),
    /// To the next deadline.
    Wait,
    Limit(u16),
    Stop,
}

proptest! {
    #[test]
    fn the_ledger_does_what_a_plain_one_does(
        steps in prop::collection::vec(step(), 0..200),
        messages in 1..80_usize,
    ) {
        let bounds = Bounds { messages, bytes: 200 };
        let (mut plain, mut real) = (Plain::new(bounds, None), Ledger::<()>::new(bounds));
        let (mut now, mut newest) = (0, 0);
        for step in steps {
            let time = Timestamp::from_millis(now);
            match step {
                Step::Accept { class, weight } => {
                    let id = Keeper::accept(&mut plain, time, class, weight);
                    prop_assert_eq!(Keeper::accept(&mut real, time, class, weight), id);
                    newest = id.map_or(newest, MessageId::get);
                }
                Step::Write { path, most } => {
                    for _ in 0..most {
                        let Some((id, _)) = plain.next(time) else { break };
                        plain.sent(time, id, path);
                        prop_assert_eq!(Keeper::next(&real, time).map(|(id, _)| id), Some(id));
                        real.sent(time, id, path);
                    }
                }
                Step::Settle { back, outcome } => {
                    let id = MessageId::new(newest.saturating_sub(back));
                    plain.settle(time, id, outcome);
                    real.settle(time, id, outcome);
                }
                Step::TokenReady => {
                    plain.token_ready();
                    real.token_ready();
                },
                Step::Cut => {
                    plain.cut();
                    real.cut();
                },
                Step::Interrupt => {
                    plain.interrupt();
                    real.interrupt();
                },
                Step::Online(how) => {
                    plain.online(how);
                    real.online(how);
                },
                Step::Limit(most) => {
                    plain.limit(most);
                    real.limit(most);
                },
                Step::Stop => {
                    plain.stop();
                    real.stop();
                },
                Step::Pass(_) | Step::Wait => {
                    now = match (step, Keeper::poll_timeout(&plain)) {
                        (Step::Pass(millis), _) => now + millis,
                        (_, due) => due.map_or(now, |due| due.as_millis().max(now)),
                    };
                    let time = Timestamp::from_millis(now);
                    plain.tick(time);
                    real.tick(time);
                }
            }
            let time = Timestamp::from_millis(now);
            // Ends that one moment brings come in any order.
            prop_assert_eq!(fates(&mut plain), fates(&mut real));
            let next = plain.next(time);
            prop_assert_eq!(next, Keeper::next(&real, time));
            if let Some((id, _)) = next {
                prop_assert_eq!(plain.allows(id, Path::Http), real.allows(id, Path::Http));
            }
            prop_assert_eq!(Keeper::poll_timeout(&plain), Keeper::poll_timeout(&real));
            prop_assert_eq!(Keeper::len(&plain), Keeper::len(&real));
            if let Some((_, tries)) = plain.next(time) {
                prop_assert_eq!(real.is_draining(), tries > 0);
            }
        }
    }
}

fn fates(keeper: &mut impl Keeper) -> Vec<redial_core::Settled> {
    let mut fates: Vec<_> = std::iter::from_fn(|| keeper.poll_fate()).collect();
    fates.sort_by_key(|settled| settled.id);
    fates
}

fn step() -> impl Strategy<Value = Step> {
    let class = (any::<bool>(), any::<bool>(), any::<bool>(), 1..30_u32, 1..60_u32, 1..4_u8);
    let class = class.prop_map(|(written, report, portable, within, ttl, tries)| Class {
        proof: if written { Proof::Written } else { Proof::Answer },
        cut: if report { Cut::Report } else { Cut::Resend },
        portable,
        within: Span::from_millis(within),
        ttl: Span::from_millis(ttl),
        tries,
    });
    let path = prop_oneof![3 => Just(Path::Socket), 1 => Just(Path::Http)];
    let after = || prop::option::of(0..20_u32).prop_map(|after| after.map(Span::from_millis));
    let outcome = prop_oneof![
        4 => Just(Outcome::Acked),
        1 => Just(Outcome::Rejected(4)),
        1 => Just(Outcome::Unknown),
        1 => Just(Outcome::AfterToken),
        2 => after().prop_map(|after| Outcome::Retry { after }),
        2 => after().prop_map(|after| Outcome::Lost { after }),
    ];
    let continuity = prop_oneof![Just(Continuity::Fresh), Just(Continuity::Resumed)];
    let common = prop_oneof![
        16 => (class, 0..20_u32).prop_map(|(class, weight)| Step::Accept { class, weight }),
        8 => (path, 1..9_usize).prop_map(|(path, most)| Step::Write { path, most }),
        8 => (0..12_u64, outcome).prop_map(|(back, outcome)| Step::Settle { back, outcome }),
        1 => Just(Step::TokenReady),
        2 => Just(Step::Cut),
        1 => Just(Step::Interrupt),
        3 => continuity.prop_map(Step::Online),
        3 => (0..15_u64).prop_map(Step::Pass),
        2 => Just(Step::Wait),
        1 => (0..6_u16).prop_map(Step::Limit),
    ];
    prop_oneof![200 => common, 1 => Just(Step::Stop)]
}
