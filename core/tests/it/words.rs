//! Tokens that the application gives, and when an adapter's words about them or about a loss count.

use redial_core::{Cause, Input, Item, Secret, Session, Span, Wait};

use crate::fake::{Fake, Loop, NONCE, SECRET, Tokens};

/// A session whose adapter has this to say about every loss.
fn with_last_word(tokens: Tokens, word: &'static str) -> Loop {
    let mut fake = Fake::new(tokens);
    fake.last_word = Some(word);
    Loop::with(Session::new(fake, NONCE))
}

#[test]
fn a_word_about_a_loss_follows_the_loss_at_once() {
    let mut it = with_last_word(Tokens::AtOnce, "lost");
    it.input(Input::Connect);
    it.open();
    it.frame("ready");
    it.take();
    it.lose(Cause::Network);
    assert_eq!(it.take(), ["offline Network", "retry in 1000ms", "message lost"]);
}

#[test]
fn a_word_about_a_loss_that_a_deadline_found_follows_it_too() {
    let mut it = with_last_word(Tokens::AtOnce, "lost");
    it.input(Input::Connect);
    it.open();
    it.take();
    let due = it.session.poll_timeout().expect("a deadline of readiness");
    it.run_until(due.as_millis());
    let out = it.take();
    assert_eq!(it.session.adapter().closed, [Cause::Timeout(Wait::Ready)]);
    assert_eq!(out.last().map(String::as_str), Some("message lost"), "{out:?}");
}

#[test]
fn nothing_that_is_said_about_a_loss_reaches_the_connection_that_follows() {
    for word in ["ready", "resumed", "text", "refused 1"] {
        let mut it = with_last_word(Tokens::AtOnce, word);
        it.input(Input::Connect);
        it.open();
        it.frame("ready");
        it.take();
        // The next connection is being made within the same call.
        it.now = 2_000;
        let token = redial_core::TokenUse::Keep;
        it.input(Input::Reconnect { token });
        let out = it.take();
        assert!(out.contains(&"dial 2".to_owned()), "{word}: {out:?}");
        assert!(!it.session.is_online(), "{word}");
        assert!(!it.session.is_stopped(), "{word}");
        it.open();
        let out = it.take();
        assert_eq!(out, ["> hello"], "{word}");
    }
}

#[test]
fn a_loss_that_ends_the_session_lets_nothing_follow_the_end() {
    let mut it = with_last_word(Tokens::AtOnce, "lost");
    it.input(Input::Connect);
    it.open();
    it.frame("ready");
    it.take();
    it.lose(Cause::Close(4000));
    assert_eq!(it.take(), ["offline Close(4000)", "stopped"]);
}

#[test]
fn a_token_comes_from_the_application() {
    let mut it = Loop::new(Tokens::ByApplication { offered: false });
    it.input(Input::Connect);
    assert_eq!(it.take(), ["authorizing Start", "token needed true Start None"]);
    it.input(Input::OfferToken(Secret::new("new")));
    assert_eq!(it.take(), ["dial 1", "token", "connecting Restart"]);

    let mut it = Loop::new(Tokens::ByApplication { offered: false });
    it.input(Input::Connect);
    it.take();
    let retry_after = Some(Span::from_secs(7));
    it.input(Input::TokenUnavailable { cause: Cause::Network, retry_after });
    assert_eq!(it.take(), ["retry in 7000ms"]);
    it.run_until(7_000);
    assert_eq!(it.take(), ["authorizing Start", "token needed true Start None"]);
    // Nobody answers: the policy's 30 s.
    it.run_until(37_000);
    assert_eq!(it.take(), ["retry in 1000ms"]);
}

#[test]
fn what_is_no_token_ends_the_request_and_is_not_asked_for_again_at_once() {
    let mut it = Loop::new(Tokens::ByApplication { offered: false });
    it.input(Input::Connect);
    it.take();
    it.input(Input::OfferToken(Secret::new("")));
    assert_eq!(it.take(), ["retry in 1000ms"]);
    it.run_until(1_000);
    let out = it.take();
    let asked = out.iter().filter(|word| word.starts_with("token needed")).count();
    assert_eq!(asked, 1, "{out:?}");
    it.input(Input::OfferToken(Secret::new("good")));
    assert!(it.take().contains(&"dial 1".to_owned()));
}

#[test]
fn what_is_no_token_changes_nothing_while_none_is_awaited() {
    let mut it = Loop::online();
    it.input(Input::OfferToken(Secret::new("")));
    assert_eq!(it.take(), Vec::<String>::new());
    assert!(it.session.is_online());
}

#[test]
fn what_the_peer_wrote_into_its_close_frame_is_shown_without_secrets_and_not_without_end() {
    let told = |text: &str| {
        let mut it = Loop::online();
        it.session.note_reason(it.conn, text);
        match it.session.poll_item() {
            Some(Item::PeerReason { conn, text }) if conn == it.conn => Some(text),
            Some(_) => panic!("another item"),
            None => None,
        }
    };
    let reason = |text: &str| Some(text.to_owned());
    assert_eq!(told("going away"), reason("going away"));
    assert_eq!(told(""), None);
    assert_eq!(told(&format!("{SECRET} is dead")), reason(".. is dead"));
    let long = "\u{e9}".repeat(5_000);
    let cut: String = long.chars().take(Session::<Fake>::REASON_MAX).collect();
    assert_eq!(told(&long), reason(&cut));
}
