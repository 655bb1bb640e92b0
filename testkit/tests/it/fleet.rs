//! Many sessions in virtual time: a share of what the nightly profile does.

use std::cell::Cell;
use std::path::PathBuf;

use proptest::prelude::{any, prop, prop_assert, proptest};
use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Cx, Event, Frame, Handshake, Machine, Policy, Recorded, Speed, Timestamp};
use redial_testkit::Breach;
use redial_testkit::conformance::Sent;
use redial_testkit::explorer::Subject;
use redial_testkit::peer::{Carried, Courier, Letter, Office, Peer};
use redial_testkit::replay;
use redial_testkit::scenario::{History, bytes_of};
use redial_testkit::world::{Case, Fleet, Plan, Tally, WorldFailed};

use crate::faulty::{Fault, Faulty};
use crate::policies::{EXPIRING, LIVEPERSON, RESUMING, SHORT};

#[test]
fn days_of_shipped_policies_keep_every_law() {
    for (_, policy) in crate::shipped::policies() {
        let tally = run(&Plan::new(&policy, 1).sized(8, 5));
        assert!(tally.onlines > 8 && tally.losses > 8, "{tally}");
        assert!(tally.messages > 500 && tally.resent > 0, "{tally}");
    }
}

#[test]
fn scaled_policies_keep_every_law() {
    for seed in 0..3 {
        let plan = Plan::new(&redial_liveperson::POLICY, seed).sized(8, 8);
        run(&plan.scaled(Speed::new(100)));
    }
}

#[test]
fn policies_of_a_few_milliseconds_keep_every_law() {
    for policy in [SHORT, RESUMING, EXPIRING] {
        // The servers are as quick as the policy.
        let mut plan = Plan::new(&Policy::new(redial_core::PolicySpec::DEFAULT), 5).sized(8, 5);
        plan = plan.scaled(Speed::new(5_000));
        plan.latency = redial_core::Span::from_millis(1);
        run(&Plan { policy, ..plan });
    }
}

#[test]
fn any_policy_keeps_every_law() {
    for seed in 0..30 {
        let bytes = bytes_of(seed, 120);
        let policy =
            redial_testkit::scenario::policy(&mut redial_testkit::scenario::Source::new(&bytes));
        run(&Plan::new(&policy, seed).sized(3, 1));
    }
}

#[test]
fn a_seed_is_the_same_world_each_time() {
    let plan = Plan::new(&LIVEPERSON, 3).sized(4, 3);
    assert_eq!(run(&plan), run(&plan));
    assert_ne!(run(&plan), run(&Plan { seed: 4, ..plan }));
}

#[test]
fn a_planted_fault_names_its_seed_and_comes_back_from_its_file() {
    for fault in [Fault::IgnoresRetryAfter, Fault::HammersAcceptThenClose, Fault::DropsTheFence] {
        let faulty = || Faulty::new(fault);
        let failed = fails(faulty);
        assert!(failed.to_string().contains(&format!("seed {}", failed.plan.seed)), "{failed}");

        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("world");
        let path = failed.save(&folder).expect("a file");
        let case = Case::load(&path).expect("a trace");
        assert_eq!(case.trace, events(&failed));
        assert_eq!(case.origin, failed.origin());
        assert!(case.is_of(&failed.breach));

        // The events alone break the same law at the same event.
        let fed = case.feed(faulty()).expect_err("the same fault");
        assert_eq!((&fed.breach, &fed.trace), (&failed.breach, &case.trace));
        // And so does the whole world, from the seed in the file.
        assert_eq!(case.simulate(faulty), Err(failed));
        // A machine without the fault stands both.
        assert_eq!(case.feed(Machine::new()), Ok(()));
        assert!(case.simulate(Machine::new).is_ok());

        // It is a trace like every other: decided again, explained, and turned into a test.
        let text = std::fs::read(&path).expect("a file");
        let verified = replay::verify(text.as_slice()).expect("the same decisions");
        assert_eq!((verified.steps, verified.cut), (case.trace.len() as u64, false));
        let replay = replay::Replay::new(text.as_slice()).expect("a trace");
        assert_eq!(replay.header().world.as_deref(), Some(&case.origin));
        let test = replay::to_test(replay).expect("a test");
        assert_eq!(test.matches("(Cx::new(").count(), case.trace.len());
    }
}

#[test]
fn a_lie_about_messages_names_its_seed_and_comes_back_from_it() {
    let plan = Plan::new(&redial_liveperson::POLICY, 2).sized(4, 12);
    let run = || {
        let liar = |_, account: &str| Liar {
            office: Office::new(&plan.policy, account),
            read: Cell::new(0),
        };
        Fleet::new(&plan, liar, Machine::new).run()
    };
    let failed = run().expect_err("a message that is written again has another id");
    assert_eq!(failed.breach.invariant, "ids_kept", "{failed}");
    assert!(!failed.trace.is_empty());
    assert_eq!(run(), Err(failed));
}

#[test]
fn a_panic_names_its_seed_and_comes_back_from_it() {
    let plan = Plan::new(&redial_liveperson::POLICY, 2).sized(4, 2);
    let run = || {
        let strict = |_, account: &str| Liar {
            office: Office::new(&plan.policy, account),
            read: Cell::new(u64::MAX - 8),
        };
        Fleet::new(&plan, strict, Machine::new).run()
    };
    let failed = run().expect_err("a server that counts too far");
    assert_eq!(failed.breach.invariant, "never_panics", "{failed}");
    assert!(failed.to_string().starts_with("seed 2 breaks never_panics: panicked: "), "{failed}");
    assert_eq!(run(), Err(failed));
}

#[test]
fn a_file_that_is_damaged_or_newer_is_refused_by_name() {
    let text = text_of(&fails(|| Faulty::new(Fault::IgnoresRetryAfter)));
    let refuse = |text: &str| Case::read(text.as_bytes()).expect_err("no failure").to_string();
    assert_eq!(refuse(""), "line 1: not a trace of the flight recorder");
    assert_eq!(
        refuse(&text[..text.len() - 9]),
        format!("line {}: cut off, at column 0", text.lines().count())
    );
    let newer = text.replacen("\"redial_trace\":2", "\"redial_trace\":3", 1);
    assert!(refuse(&newer).starts_with("line 1: written in version 3"));
    // Two policies in one trace are one too many.
    let other = text.replacen("\"floor\":", "\"floor\":1", 1);
    assert_eq!(refuse(&other), "line 1: a simulation under another policy, at column 1");
    // What a live session has recorded is of no simulation.
    let mut recorded = Vec::new();
    replay::Writer::new(&mut recorded, &LIVEPERSON, &Machine::new()).expect("a trace");
    assert_eq!(refuse(str::from_utf8(&recorded).expect("text")), "line 1: not of a simulation");
}

proptest! {
    #[test]
    fn a_file_that_is_damaged_never_makes_it_panic(
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        end in any::<usize>(),
    ) {
        let policy = redial_liveperson::POLICY;
        let history = History::under(&policy, &bytes_of(1, 40)).play().expect("a history");
        let breach = Breach::new("one_connection", "planted");
        let plan = Plan::new(&policy, 1);
        let mut machine = Machine::new();
        let recorded = history.trace.into_iter().map(|(cx, event)| {
            Recorded { cx, event, actions: machine.handle(&policy, cx, event) }
        });
        let trace = recorded.collect();
        let failed = WorldFailed { plan, session: 0, at: 5, breach, trace };
        let mut bytes = text_of(&failed).into_bytes();
        prop_assert!(Case::read(bytes.as_slice()).is_ok());
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(end % (bytes.len() * 2));
        if let Ok(case) = Case::read(bytes.as_slice()) {
            // Whatever it holds by now, it can be fed.
            let _ = case.feed(Machine::new());
        }
    }
}

/// A server of which it is said that it never sees an id twice.
struct Liar {
    office: Office,
    read: Cell<u64>,
}

impl Peer for Liar {
    type Adapter = Courier;

    fn adapter(&self) -> Courier {
        self.office.adapter()
    }

    fn message(&mut self, number: u64) -> Letter {
        self.office.message(number)
    }

    fn read(&self, written: Sent<'_>) -> Option<Carried> {
        let carried = self.office.read(written)?;
        self.read.set(self.read.get().checked_add(1).expect("a number"));
        Some(Carried { id: self.read.get().to_string(), ..carried })
    }

    fn handle_dial(&mut self, now: Timestamp, handshake: &Handshake) -> Result<(), u16> {
        self.office.handle_dial(now, handshake)
    }

    fn handle_opened(&mut self, now: Timestamp, said: &mut Vec<Frame>) {
        self.office.handle_opened(now, said);
    }

    fn handle_frame(&mut self, now: Timestamp, frame: &Frame, said: &mut Vec<Frame>) {
        self.office.handle_frame(now, frame, said);
    }

    fn handle_http(&mut self, now: Timestamp, request: &HttpRequest) -> HttpResponse {
        self.office.handle_http(now, request)
    }
}

fn text_of(failed: &WorldFailed) -> String {
    let mut text = Vec::new();
    failed.write(&mut text).expect("memory takes it");
    String::from_utf8(text).expect("text")
}

fn events(failed: &WorldFailed) -> Vec<(Cx, Event)> {
    failed.trace.iter().map(|recorded| (recorded.cx, recorded.event)).collect()
}

/// Runs until a seed finds the fault.
fn fails<S: Subject>(subject: impl Fn() -> S) -> Box<WorldFailed> {
    let run = |seed| Plan::new(&redial_liveperson::POLICY, seed).sized(3, 6).run_with(&subject);
    (0..40).find_map(|seed| run(seed).err()).expect("the fault is found")
}

/// A failure leaves a file behind and says where.
fn run(plan: &Plan) -> Tally {
    plan.run().unwrap_or_else(|failed| {
        let path = failed.save(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("world"));
        panic!("{failed}; see {path:?}")
    })
}
