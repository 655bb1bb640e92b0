//! A session by hand, in virtual time.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use bytes::Bytes;
use redial_core::http::NoAnswer;
use redial_core::{
    Cause, ConnId, Continuity, Fate, Frame, Handshake, Item, Notice, Secret, Session, Span,
    Timestamp,
};
use redial_evolution::{CodeChat, codechat};
use redial_liveperson::{self as liveperson, LivePerson};
use redial_testkit::conformance::Vendor;
use redial_testkit::rig::{NONCE, Rig, START, Wire, response};
use serde_json::json;

use crate::toy::{Flaw, Text, Toy, ToyVendor};

type Rigged = Rig<Toy<false>>;

const VENDOR: ToyVendor<false> = ToyVendor(Flaw::None);

#[test]
fn everything_that_is_done_is_there_with_its_time() {
    let mut rig = Rig::new(VENDOR.adapter());
    rig.run(250);
    rig.connect();
    assert_eq!(rig.request().url, "https://toy.test/login");
    rig.run(50);
    rig.answer(200, "token T1");
    assert_eq!(rig.handshake().url, "wss://toy.test/?token=T1&session=");
    rig.run(100);
    rig.open();
    rig.receive("hello S1");
    let id = rig.send(text("good morning"));
    let login = Wire::Http {
        method: "POST",
        url: "https://toy.test/login".into(),
        headers: vec![("authorization", "Key canary-key".into())],
        body: Bytes::new(),
    };
    assert_eq!(login.header("authorization"), Some("Key canary-key"));
    assert_eq!(login.header("cookie"), None);
    let dial = Wire::Dial("wss://toy.test/?token=T1&session=".into());
    let wire = [(250, login), (300, dial), (400, Wire::Text("msg 1 good morning".into()))];
    assert_eq!(rig.take_wire(), wire);
    assert_eq!(rig.wire, [], "it is taken");

    rig.receive("ack 1");
    rig.receive("say 1 good evening");
    rig.receive_frame(Frame::Binary(Bytes::from_static(&[1])));
    assert_eq!(rig.fates(), [(id, Fate::Acked)]);
    assert_eq!(rig.settled().len(), 1);
    let read = |message| VENDOR.application_reads(message);
    let messages: Vec<_> = rig.messages().into_iter().filter_map(read).collect();
    assert_eq!(messages, ["good evening"]);
    assert_eq!(rig.problems(), ["a binary frame"]);
    assert_eq!(rig.continuities(), [Continuity::Fresh]);
    let kinds = |item: &Item<Toy<false>>| match item {
        Item::Fate(_) => Some("fate"),
        Item::Message(_) => Some("message"),
        Item::Problem(_) => Some("problem"),
        _ => None,
    };
    assert_eq!(rig.pick(kinds), [(400, "fate"), (400, "message"), (400, "problem")]);

    rig.shutdown();
    assert_eq!(rig.take_wire(), [(400, Wire::Close(1000, ""))]);
    rig.peer_closes(1000, "as you wish");
    let reason = |item: &Item<Toy<false>>| match item {
        Item::PeerReason { text, .. } => Some(text.clone()),
        _ => None,
    };
    assert_eq!(rig.pick(reason), [(400, "as you wish".to_owned())]);
    assert!(rig.session.is_stopped());
    assert!(matches!(rig.last_notice(), Notice::Stopped { .. }));
}

#[test]
fn a_text_is_whatever_displays_as_one() {
    let mut rig = online(Flaw::None);
    rig.receive(format_args!("say {} {}", 1, "good evening"));
    assert_eq!(rig.messages().len(), 1);
    let answer = response(201, json!({ "a": null }));
    assert_eq!((answer.status, answer.body.as_ref()), (201, br#"{"a":null}"#.as_slice()));
    assert_eq!((answer.headers, answer.retry_after), (vec![], None));
}

#[test]
fn every_way_in_which_a_dial_fails_is_a_wait_of_its_cause() {
    let mut rig = Rig::new(VENDOR.adapter());
    rig.connect();
    rig.no_answer(NoAnswer::Network);
    rig.step();
    rig.answer_with(response(200, "token T1"));
    rig.refuse(503, Some(Span::from_secs(90)));
    rig.step();
    rig.fail_dial(Cause::Network);
    rig.step();
    rig.open();
    rig.lose(Cause::Close(1006));
    let waits = rig.waits();
    let causes: Vec<_> = waits.iter().map(|(attempt, _, cause)| (*attempt, *cause)).collect();
    let network = Cause::Network;
    let (refused, lost) = (Cause::Handshake(503), Cause::Close(1006));
    assert_eq!(causes, [(1, network), (2, refused), (3, network), (4, lost)]);
    // Nobody waits in vain: dials are at the ends of the waits, the second at its Retry-After.
    let ends = waits.iter().scan(0, |at, (_, delay, _)| {
        *at += u64::from(delay.as_millis());
        Some(*at)
    });
    let dials: Vec<_> = rig.dials().into_iter().map(|(at, _)| at).collect();
    assert_eq!(dials, ends.take(3).collect::<Vec<_>>());
    assert!(dials[1] - dials[0] >= 90_000);
}

#[test]
fn jitter_is_drawn_from_what_the_test_says() {
    let wait = |entropy| {
        let mut rig = online(Flaw::None);
        rig.entropy = entropy;
        rig.lose(Cause::Close(1006));
        rig.waits()[0].1
    };
    assert!(wait(0) < wait(u64::MAX));
    assert_eq!(wait(0), wait(0));
}

#[test]
fn times_are_counted_from_the_start() {
    let rig = Rig::new(VENDOR.adapter());
    assert_eq!(rig.cx().now, Timestamp::from_millis(START));
    let mut rig = rig.starting(Timestamp::from_millis(7));
    rig.connect();
    rig.run(20);
    assert_eq!(rig.cx().now, Timestamp::from_millis(27));
    assert_eq!(rig.due(), Some(5_000), "the end of the login");
    rig.run_until(10);
    assert_eq!(rig.now, 20, "time does not run back");
}

#[test]
fn the_peer_answers_pings_until_it_is_told_not_to() {
    let mut rig = online(Flaw::None);
    rig.run(120_000);
    assert!(rig.session.is_online());
    let pings = [30_000, 60_000, 90_000, 120_000].map(|at| (at, Wire::Ping));
    assert_eq!(rig.take_wire(), pings);
    rig.answers = false;
    rig.run(40_000);
    assert_eq!(rig.take_wire(), [(150_000, Wire::Ping), (160_000, Wire::Drop(None))]);
}

#[test]
fn a_peer_of_ones_own_answers_before_the_next_frame_is_written() {
    let mut rig = online(Flaw::None).answering(|frame| VENDOR.answer(frame));
    let ids = ["one", "two"].map(|word| rig.send(text(word)));
    assert_eq!(rig.fates(), ids.map(|id| (id, Fate::Acked)));
    assert_eq!(rig.take_texts(), ["msg 1 one", "msg 2 two"]);
    // It answers no pings then, unless it says so.
    rig.run(120_000);
    assert!(!rig.session.is_online());
}

#[test]
fn a_socket_that_takes_nothing_leaves_the_frames_in_the_session() {
    let mut rig = online(Flaw::None);
    rig.writable = false;
    rig.send(text("one"));
    rig.send(text("two"));
    assert_eq!(rig.take_wire(), []);
    rig.receive("say 1 good evening");
    assert_eq!(rig.messages().len(), 1, "it is read nevertheless");
    rig.writable = true;
    rig.pump();
    assert_eq!(rig.take_texts(), ["msg 1 one", "msg 2 two"]);
}

#[test]
fn the_exchange_is_found_by_its_request() {
    let mut rig = Rig::new(VENDOR.adapter());
    rig.connect();
    rig.answer_to("POST https://toy.test/login", 200, "token T1");
    assert!(rig.http.is_empty() && rig.dial.is_some());
}

#[test]
fn an_exchange_that_is_given_up_waits_for_no_answer() {
    let mut rig = Rig::new(VENDOR.adapter());
    rig.connect();
    rig.wire.clear();
    rig.run(5_000);
    assert!(rig.http.is_empty());
    assert_eq!(rig.take_wire(), [(5_000, Wire::Abort)]);
}

#[test]
fn what_the_application_is_asked_is_told_and_so_is_what_it_says() {
    let asking = CodeChat::builder("ws://127.0.0.1", "call.upsert", codechat::Credentials::Ask);
    let mut rig = Rig::new(asking.build().expect("a good configuration"));
    rig.connect();
    rig.offer("tok-1");
    rig.refuse(401, None);
    rig.run(5_000);
    rig.offer("tok-2");
    rig.open();
    assert_eq!(rig.wanted(), [None, Some(&Secret::new("tok-1"))]);
    rig.lose(Cause::Network);
    rig.run(5_000);
    assert!(rig.gaps().is_empty());
    rig.open();
    assert_eq!(rig.gaps(), [false], "nothing of it is sent again");
}

#[test]
fn commands_and_replies_are_those_of_the_adapter() {
    let bearer = liveperson::Credentials::Bearer("made".into());
    let builder = LivePerson::builder("1", bearer).csds("csds.test").plain(true);
    let mut rig = Rig::new(builder.build().expect("a good configuration"));
    rig.connect();
    let host = |service| json!({ "service": service, "account": "1", "baseURI": "lp.test" });
    let hosts = ["agentVep", "asyncMessagingEnt", "facadeMsg"].map(host);
    rig.answer_to("/baseURI.json", 200, json!({ "baseURIs": hosts }));
    rig.open();
    rig.wire.clear();
    rig.command(liveperson::Command::SetAgentState(liveperson::AgentState::online()));
    let id = rig.send(liveperson::Request::query_messages("d", 0));
    let requests = rig.take_texts();
    let requests = requests.iter().map(|text| serde_json::from_str(text).expect("JSON"));
    let requests: Vec<serde_json::Value> = requests.collect();
    assert_eq!(requests[0]["type"], ".ams.routing.SetAgentState", "{requests:?}");
    let to = &requests[1]["id"];
    rig.receive(json!({ "kind": "resp", "reqId": to, "code": 200, "type": "r", "body": [] }));
    assert_eq!(rig.replies().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id]);
}

#[test]
fn another_process_goes_on_from_the_snapshot() {
    let mut rig = online(Flaw::None);
    let id = rig.send(text("good morning"));
    rig.restart(VENDOR.adapter());
    assert!(!rig.session.is_online());
    rig.wire.clear();
    rig.run(1_000);
    rig.connect();
    rig.answer(200, "token T2");
    rig.open();
    rig.receive("hello S1");
    rig.receive("ack 1");
    assert_eq!(rig.texts(), ["msg 1 good morning"], "it has the id that it had");
    assert_eq!(rig.dials(), [(1_000, "wss://toy.test/?token=T2&session=S1".into())]);
    assert_eq!(rig.continuities(), [Continuity::Fresh, Continuity::Resumed]);
    assert_eq!(rig.fates(), [(id, Fate::Acked)]);
}

#[test]
fn what_was_expected_and_what_was_there_is_told_at_the_line_of_the_test() {
    let fresh = || Rig::new(VENDOR.adapter());
    assert_eq!(
        failure(fresh(), |rig| rig.open()),
        "a dial to open was expected; at 0 ms the session is Idle, nothing waits for an answer, \
         there is no deadline"
    );
    let connected = || {
        let mut rig = fresh();
        rig.run(1_500);
        rig.connect();
        rig
    };
    assert_eq!(
        failure(connected(), |rig| rig.answer_to("GET https://toy.test/login", 200, "")),
        "an exchange with \"GET https://toy.test/login\" was expected; at 1500 ms the session is \
         Authorizing, exchanges wait: POST https://toy.test/login, the next deadline is at 6500 \
         ms, the last thing it did was an exchange at 1500 ms"
    );
    let mut dialling = connected();
    dialling.answer(200, "token canary");
    let failed = failure(dialling, |rig| rig.answer(200, "token canary"));
    assert!(failed.starts_with("an exchange to answer was expected; at 1500 ms"), "{failed}");
    assert!(failed.contains(", a dial waits: wss://toy.test/, "), "no query: {failed}");
    for (fail, what) in [
        ((|rig| rig.refuse(503, None)) as fn(&mut Rigged), "a dial to end was expected"),
        (|rig| rig.fail_dial(Cause::Network), "a dial to end was expected"),
        (|rig| rig.no_answer(NoAnswer::Timeout), "an exchange to answer was expected"),
        (|rig| rig.answer_with(response(200, "")), "an exchange to answer was expected"),
        (|rig| assert_ne!(rig.request().url, ""), "an exchange was expected"),
        (|rig| assert_ne!(rig.handshake().url, ""), "a dial was expected"),
        (|rig| assert!(matches!(rig.last_notice(), Notice::Token { .. })), "a notice was expected"),
        (|rig| rig.step(), "a deadline was expected"),
    ] {
        let failed = failure(fresh(), fail);
        assert!(failed.starts_with(&format!("{what}; at 0 ms")), "{failed}");
    }
    let mut over = online(Flaw::None);
    over.lose(Cause::Close(4403));
    let failed = failure(over, |rig| {
        rig.send(text("canary"));
    });
    assert!(failed.starts_with("the message was refused: the session has ended; "), "{failed}");
    assert!(!failed.contains("canary"), "{failed}");
}

#[test]
fn what_no_driver_could_follow_ends_the_test() {
    let failed = failure(online(Flaw::StaysDue), |rig| rig.run(1));
    assert!(failed.starts_with("a deadline stays due however often it is ticked; "), "{failed}");
    let talkative = online(Flaw::KeepsAnswers).answering(|_| vec![Frame::Text("thanks".into())]);
    let failed = failure(talkative, |rig| rig.receive("thanks"));
    assert!(failed.starts_with("there are frames without end while no time passes; "), "{failed}");
    let failed = failure(online(Flaw::WritesNoText), |rig| {
        rig.send(text("one"));
    });
    assert!(failed.starts_with("a text frame is not UTF-8; "), "{failed}");
    // A session does neither of these by itself.
    let mut twice = online(Flaw::None);
    twice.lose(Cause::Network);
    twice.dial = Some((twice.conn, Handshake::default()));
    let failed = failure(twice, |rig| rig.run(60_000));
    assert!(failed.starts_with("there is a second dial; "), "{failed}");
    let mut another = online(Flaw::None);
    another.conn = ConnId::new(7);
    another.answers = false;
    let failed = failure(another, |rig| rig.run(60_000));
    assert!(failed.starts_with("a connection is dropped that is not the last one; "), "{failed}");
}

#[test]
fn a_session_of_ones_own_is_driven_as_it_is() {
    let session = Session::new(VENDOR.adapter(), NONCE);
    let bounds = redial_core::Bounds { messages: 1, ..redial_core::Bounds::default() };
    let mut rig = Rig::with(session.with_bounds(bounds));
    rig.send(text("one"));
    let failed = failure(rig, |rig| {
        rig.send(text("two"));
    });
    assert!(failed.starts_with("the message was refused: too many messages"), "{failed}");
}

/// A session that is online at 0.
fn online(flaw: Flaw) -> Rigged {
    let mut rig = Rig::new(ToyVendor(flaw).adapter());
    rig.connect();
    rig.answer(200, "token T1");
    rig.open();
    rig.receive("hello S1");
    rig.wire.clear();
    assert!(rig.session.is_online());
    rig
}

fn text(text: &str) -> Text {
    VENDOR.outgoing(text).expect("a message")
}

/// Returns what the test that fails so is told. It must be told so at a line of this file.
fn failure(mut rig: Rigged, fail: fn(&mut Rigged)) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            let file = info.location().map(|place| place.file().to_owned());
            PLACE.with_borrow_mut(|place| *place = file);
            before(info);
        }));
    });
    let panic = catch_unwind(AssertUnwindSafe(|| fail(&mut rig))).expect_err("it must fail");
    assert_eq!(PLACE.take().as_deref(), Some(file!()));
    panic.downcast_ref::<String>().expect("a text").clone()
}

thread_local! {
    /// The file in which this thread panicked last.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}
