//! One fetch for sessions that share a credential.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redial_auth_http::{
    Fault, HttpError, SharedTokenSource, TokenRequest, TokenSource, TokenSourceError,
};
use redial_core::{Cause, Secret, Span};
use tokio::sync::Semaphore;

/// A source whose n-th token is `token-n`, given once the gate lets it through.
struct Gated {
    calls: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    shared: SharedTokenSource,
}

impl Gated {
    fn new(permits: usize) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(permits));
        let (count, door) = (Arc::clone(&calls), Arc::clone(&gate));
        let shared = SharedTokenSource::new(move |_: TokenRequest| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let door = Arc::clone(&door);
            async move {
                door.acquire().await.unwrap().forget();
                Ok(Secret::new(format!("token-{number}")))
            }
        });
        Self { calls, gate, shared }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn rejected(token: &str) -> TokenRequest {
    TokenRequest::replacing(Secret::new(token), Some(Cause::Handshake(401)))
}

#[tokio::test]
async fn sessions_that_ask_together_share_one_fetch() {
    let source = Gated::new(0);
    let waiting = futures_util::future::join_all((0..10).map(|number| {
        source.shared.token(if number % 2 == 0 { TokenRequest::first() } else { rejected("old") })
    }));
    let (tokens, ()) = tokio::join!(waiting, async { source.gate.add_permits(1) });
    for token in tokens {
        assert_eq!(token.unwrap().expose(), "token-1");
    }
    assert_eq!(source.calls(), 1);
}

#[tokio::test]
async fn a_token_rejected_late_gets_the_one_that_was_renewed() {
    let source = Gated::new(2);
    let first = source.shared.token(TokenRequest::first()).await.unwrap();
    let second = source.shared.token(rejected(first.expose())).await.unwrap();
    assert_eq!(second.expose(), "token-2");
    // Another session had the first token too and learns of its death only here.
    let again = source.shared.token(rejected(first.expose())).await.unwrap();
    assert_eq!(again.expose(), "token-2");
    assert_eq!(source.shared.token(TokenRequest::first()).await.unwrap().expose(), "token-2");
    assert_eq!(source.calls(), 2);
}

#[tokio::test]
async fn a_newest_token_that_is_rejected_is_fetched_again() {
    let source = Gated::new(2);
    source.shared.token(TokenRequest::first()).await.unwrap();
    let token = source.shared.token(rejected("token-1")).await.unwrap();
    assert_eq!(token.expose(), "token-2");
}

#[tokio::test]
async fn the_fetch_survives_the_session_that_began_it() {
    let source = Gated::new(0);
    let mut first = Box::pin(source.shared.token(TokenRequest::first()));
    let mut second = Box::pin(source.shared.token(TokenRequest::first()));
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    source.gate.add_permits(1);
    assert_eq!(second.await.unwrap().expose(), "token-1");
    assert_eq!(source.calls(), 1);
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_is_dropped() {
    let source = Gated::new(0);
    let mut first = Box::pin(source.shared.token(TokenRequest::first()));
    assert!(futures_util::poll!(&mut first).is_pending());
    drop(first);
    source.gate.add_permits(1);
    assert_eq!(source.shared.token(TokenRequest::first()).await.unwrap().expose(), "token-2");
}

#[tokio::test]
async fn a_fetch_that_hangs_holds_up_nobody_who_asks_again() {
    let source = Gated::new(0);
    let shared = source.shared.clone().within(Duration::ZERO);
    let mut hangs = Box::pin(shared.token(rejected("old")));
    assert!(futures_util::poll!(&mut hangs).is_pending());
    // Another session still waits for the one that hangs, and this one asks for a better one.
    let mut again = Box::pin(shared.token(rejected("old")));
    assert!(futures_util::poll!(&mut again).is_pending());
    assert_eq!(source.calls(), 2);
    source.gate.add_permits(2);
    assert_eq!(again.await.unwrap().expose(), "token-2");
}

#[tokio::test]
async fn a_failure_reaches_all_who_wait_and_is_not_kept() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let shared = SharedTokenSource::new(move |_: TokenRequest| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if number == 0 {
                tokio::task::yield_now().await;
                let error = TokenSourceError::new(Fault::Vendor, "down");
                return Err(error.with_retry_after(Span::from_secs(3)));
            }
            Ok(Secret::new("good"))
        }
    });
    let (one, two) =
        tokio::join!(shared.token(TokenRequest::first()), shared.token(TokenRequest::first()));
    for error in [one.unwrap_err(), two.unwrap_err()] {
        assert_eq!(error.fault(), Fault::Vendor);
        assert_eq!(error.retry_after(), Some(Span::from_secs(3)));
    }
    assert_eq!(shared.token(TokenRequest::first()).await.unwrap().expose(), "good");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_offered_token_saves_the_fetch() {
    let source = Gated::new(0);
    source.shared.offer(Secret::new("offered"));
    assert_eq!(source.shared.token(rejected("old")).await.unwrap().expose(), "offered");
    assert_eq!(source.calls(), 0);
}

#[test]
fn an_error_shows_its_fault_and_keeps_its_source() {
    let error = TokenSourceError::new(Fault::Caller, "password123");
    assert_eq!(error.to_string(), "the token source failed (caller)");
    assert!(!format!("{error:?}").contains("password123"));
    assert_eq!(error.source().unwrap().to_string(), "password123");
    let error = TokenSourceError::from(HttpError::vendor("too large", None));
    assert_eq!(error.fault(), Fault::Vendor);
}

#[test]
fn a_request_shows_no_token() {
    let request = rejected("canary");
    assert!(!format!("{request:?}").contains("canary"));
}
