//! Where another token comes from.

use redial_core::http::NoAnswer;
use redial_core::{Cause, Input, Secret, Session, Span, Timestamp, TokenUse, Wait};
use redial_evolution::CodeChat;
use redial_evolution::codechat::{self, Credentials, Message};

use crate::support::{START, URL, Wire, World, sockets, url};

const EVENT: &str = "call.upsert";

#[test]
fn a_401_has_the_token_refreshed_and_the_next_attempt_uses_the_new_one() {
    let mut world = refreshing();
    world.input(Input::Connect);
    assert_eq!(world.take_wire(), [(0, dial("tok-1"))]);
    world.refuse(401, None);
    world.run(5_000);
    assert_eq!(world.take_wire(), [(5_000, refresh("tok-1"))]);
    world.answer(201, r#"{"id":7,"token":"tok-2","createdAt":"x"}"#);
    assert_eq!(world.take_wire(), [(5_000, dial("tok-2"))]);
    world.open();
    assert!(world.session.is_online());
    assert_eq!(world.messages(), [&Message::TokenRefreshed("tok-2".into())]);
    // Any other loss keeps it.
    world.take_wire();
    world.lose(Cause::Close(1006));
    world.run(5_000);
    assert_eq!(world.take_wire(), [(10_000, dial("tok-2"))]);
}

#[test]
fn a_refresh_that_the_server_refuses_falls_back_to_the_old_token() {
    let mut world = refreshing();
    world.input(Input::Connect);
    for round in 0..3_u64 {
        world.take_wire();
        world.refuse(401, None);
        world.run(5_000);
        let at = (round + 1) * 5_000;
        assert_eq!(world.take_wire(), [(at, refresh("tok-1"))]);
        world.answer(400, r#"{"status":400,"error":"Bad Request","message":["no"]}"#);
        assert_eq!(world.take_wire(), [(at, dial("tok-1"))]);
    }
    let refused = (0, "token or event refused");
    let kept = "the server does not refresh this token";
    assert_eq!(world.problems()[..2], [refused, (5_000, kept)]);
}

#[test]
fn a_refresh_without_an_answer_is_tried_again_after_five_seconds() {
    for (why, cause) in
        [(NoAnswer::Network, Cause::Network), (NoAnswer::Timeout, Cause::Timeout(Wait::Token))]
    {
        let mut world = refreshing();
        world.input(Input::Connect);
        world.refuse(401, None);
        world.run(5_000);
        world.take_wire();
        let (id, _) = world.http.pop_front().expect("the refresh");
        world.input(Input::Http { id, answer: Err(why) });
        assert_eq!(world.waits().last(), Some(&(2, Span::from_secs(5), cause)));
        world.run(5_000);
        assert_eq!(world.take_wire(), [(10_000, refresh("tok-1"))]);
    }
}

#[test]
fn a_refresh_whose_answer_holds_no_token_is_tried_again() {
    for (status, body) in [
        (201, "{}"),
        (201, "not json"),
        (200, r#"{"token":7}"#),
        (201, r#"{"token":""}"#),
        (201, r#"{"token":"a b"}"#),
        (500, "{}"),
        (503, r#"{"token":"tok-2"}"#),
        (302, ""),
        (429, ""),
        (408, ""),
    ] {
        let mut world = refreshing();
        world.input(Input::Connect);
        world.refuse(401, None);
        world.run(5_000);
        world.answer(status, body);
        let cause = Cause::Http { step: codechat::Step::REFRESH, status };
        assert_eq!(world.waits().last(), Some(&(2, Span::from_secs(5), cause)), "{status}");
        world.take_wire();
        world.run(5_000);
        assert_eq!(world.take_wire(), [(10_000, refresh("tok-1"))]);
    }
}

#[test]
fn a_401_asks_the_application_which_is_told_what_was_refused() {
    let mut world = World::codechat(CodeChat::builder(URL, EVENT, Credentials::Ask));
    world.input(Input::Connect);
    assert!(world.take_wire().is_empty());
    assert_eq!(world.wanted(), [None]);
    world.offer("tok-1");
    assert_eq!(world.take_wire(), [(0, dial("tok-1"))]);
    world.refuse(401, None);
    world.run(5_000);
    assert!(world.take_wire().is_empty());
    assert_eq!(world.wanted(), [None, Some(&Secret::new("tok-1"))]);
    world.offer("tok-2");
    assert_eq!(world.take_wire(), [(5_000, dial("tok-2"))]);
    world.open();
    world.lose(Cause::Network);
    world.run(5_000);
    assert_eq!(world.take_wire().pop(), Some((10_000, dial("tok-2"))));
    assert_eq!(world.wanted().len(), 2, "a loss asks for nothing");
}

#[test]
fn a_source_that_has_no_token_is_asked_again_at_the_pace_of_five_seconds() {
    let mut world = World::codechat(CodeChat::builder(URL, EVENT, Credentials::Ask));
    world.input(Input::Connect);
    for round in 1..=5 {
        world.input(Input::TokenUnavailable { cause: Cause::Network, retry_after: None });
        world.run(5_000);
        assert_eq!(world.wanted().len(), round + 1);
    }
}

#[test]
fn a_source_that_has_no_other_token_leaves_the_pace_of_five_seconds_to_the_old_one() {
    let mut world = asking_after("tok-1");
    world.input(Input::Connect);
    assert_eq!(world.take_wire(), [(0, dial("tok-1"))], "nobody is asked for the first one");
    for round in 1..=3 {
        world.refuse(401, None);
        world.run(5_000);
        assert!(world.take_wire().is_empty());
        world.input(Input::TokenUnavailable { cause: Cause::Network, retry_after: None });
        assert_eq!(world.take_wire(), [(round * 5_000, dial("tok-1"))]);
        let asked = world.wanted().len();
        assert_eq!(world.wanted(), vec![Some(&Secret::new("tok-1")); asked]);
        assert_eq!(asked, usize::try_from(round).unwrap());
    }
    world.open();
    assert!(world.session.is_online());
}

#[test]
fn a_source_that_is_told_to_wait_is_waited_for() {
    let mut world = asking_after("tok-1");
    world.input(Input::Connect);
    world.take_wire();
    world.refuse(401, None);
    world.run(5_000);
    let retry_after = Some(Span::from_secs(60));
    world.input(Input::TokenUnavailable { cause: Cause::Network, retry_after });
    world.run(59_000);
    assert!(world.take_wire().is_empty());
    world.run(1_000);
    assert_eq!(world.wanted().len(), 2);
}

#[test]
fn a_source_that_never_answers_does_not_keep_the_old_token_from_being_tried() {
    let mut world = asking_after("tok-1");
    world.input(Input::Connect);
    world.refuse(401, None);
    world.take_wire();
    // Asked after 5 s, given up 30 s later, and 5 s after that the attempt is due.
    world.run(40_000);
    assert_eq!(world.take_wire(), [(40_000, dial("tok-1"))]);
    let no_other = "no other token came: the old one is tried again";
    assert_eq!(world.problems().last(), Some(&(40_000, no_other)));
    world.refuse(401, None);
    world.run(5_000);
    assert_eq!(world.wanted().len(), 2, "and it is asked again");
    world.offer("tok-2");
    assert_eq!(world.take_wire(), [(45_000, dial("tok-2"))]);
}

#[test]
fn a_later_process_begins_with_the_newest_token_unless_it_is_given_another() {
    let mut world = asking_after("tok-1");
    world.input(Input::Connect);
    world.refuse(401, None);
    world.run(5_000);
    world.offer("tok-2");
    world.open();
    let saved = world.session.snapshot();
    for (given, used) in [("tok-1", "tok-2"), ("tok-9", "tok-9")] {
        let credentials = Credentials::TokenThenAsk(given.into());
        let adapter = CodeChat::builder(URL, EVENT, credentials).build().expect("an adapter");
        let now = Timestamp::from_millis(START + world.now);
        let mut later = World::with(Session::restore(adapter, now, saved.clone()));
        later.now = world.now;
        later.input(Input::Connect);
        later.run(5_000);
        assert_eq!(later.take_wire().first().map(|(_, wire)| wire.clone()), Some(dial(used)));
    }
}

#[test]
fn what_is_no_token_is_not_dialled_and_makes_no_loop() {
    let mut world = World::codechat(CodeChat::builder(URL, EVENT, Credentials::Ask));
    world.input(Input::Connect);
    for round in 1..=3_u64 {
        world.offer("");
        let malformed = Cause::Refused(codechat::Refusal::TokenMalformed as u16);
        let (_, delay, cause) = *world.waits().last().expect("a wait");
        assert_eq!((delay, cause), (Span::from_secs(5), malformed));
        world.run(5_000);
        assert_eq!(world.now, round * 5_000);
    }
    assert!(world.take_wire().is_empty());
    world.offer("tok-1");
    assert_eq!(world.take_wire(), [(15_000, dial("tok-1"))]);
}

#[test]
fn a_token_that_the_application_gives_unasked_is_used_by_the_next_dial() {
    let mut world = World::codechat(sockets(EVENT));
    world.connect();
    world.take_wire();
    world.offer("tok-2");
    assert!(world.session.is_online(), "an open socket outlives its token");
    world.lose(Cause::Network);
    world.run(5_000);
    assert_eq!(world.take_wire(), [(5_000, dial("tok-2"))]);
    // And where it is refused, the source is asked, not the same token again.
    let mut world = refreshing();
    world.connect();
    world.offer("tok-2");
    world.lose(Cause::Network);
    world.run(5_000);
    world.refuse(401, None);
    world.take_wire();
    world.run(5_000);
    assert_eq!(world.take_wire(), [(10_000, refresh("tok-2"))]);
}

#[test]
fn a_token_that_is_given_during_a_refresh_ends_it() {
    let mut world = refreshing();
    world.input(Input::Connect);
    world.refuse(401, None);
    world.run(5_000);
    world.take_wire();
    world.offer("tok-9");
    assert_eq!(world.take_wire(), [(5_000, Wire::Abort), (5_000, dial("tok-9"))]);
}

#[test]
fn the_application_can_have_the_token_replaced() {
    let mut world = refreshing();
    world.connect();
    world.run(60_000);
    world.take_wire();
    world.input(Input::Reconnect { token: TokenUse::Regenerate });
    assert_eq!(world.take_wire(), [(60_000, Wire::Drop(Some(1000))), (60_000, refresh("tok-1"))]);
}

fn refreshing() -> World<CodeChat> {
    let token = Credentials::Refresh { instance: "shop 1".into(), token: "tok-1".into() };
    World::codechat(CodeChat::builder(URL, EVENT, token))
}

fn asking_after(token: &str) -> World<CodeChat> {
    World::codechat(CodeChat::builder(URL, EVENT, Credentials::TokenThenAsk(token.into())))
}

fn dial(token: &str) -> Wire {
    Wire::Dial(url(EVENT, token))
}

fn refresh(old: &str) -> Wire {
    Wire::Http {
        method: "PUT",
        url: "http://localhost:8084/instance/refreshToken/shop%201".into(),
        headers: vec![("content-type", "application/json".into())],
        body: format!(r#"{{"oldToken":"{old}"}}"#).into(),
    }
}

#[test]
fn what_is_no_token_is_told_at_once_and_the_one_that_works_is_kept() {
    let mut world = World::online(EVENT);
    world.offer("");
    assert_eq!(world.problems(), [(0, "the token is empty, too long or not printable")]);
    assert!(world.session.is_online());
    world.lose(Cause::Network);
    world.run(5_000);
    assert_eq!(world.take_wire().last(), Some(&(5_000, dial("tok-1"))));
}
