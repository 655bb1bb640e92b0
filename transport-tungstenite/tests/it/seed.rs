//! A seed repeats the delays of a session.

use redial_core::{Backoff, Growth, Item, Jitter, Notice, Policy, PolicySpec, Span};
use redial_liveperson::{Credentials, LivePerson, POLICY};
use redial_tungstenite::Client;

#[tokio::test]
async fn a_seed_repeats_the_delays_however_often_the_session_was_polled() {
    let (first, again, other) = (delays(7).await, delays(7).await, delays(8).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(first.windows(2).any(|pair| pair[0] != pair[1]), "{first:?}");
}

/// Returns the delays of a session that nobody answers.
async fn delays(seed: u64) -> Vec<Span> {
    let backoff = Backoff {
        growth: Growth::Fixed(Span::from_millis(40)),
        jitter: Jitter::Full,
        ..Backoff::fixed(Span::from_millis(40))
    };
    let floor = Span::from_millis(1);
    let policy = Policy::new(PolicySpec { backoff, floor, ..*POLICY.spec() });
    let credentials = Credentials::Password { username: "bot".into(), password: "any".into() };
    // Bound and let go: nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let builder = LivePerson::builder("1", credentials).csds(nobody.to_string()).plain(true);
    let adapter = builder.policy(policy).build().unwrap();
    let mut client = Client::builder(adapter).seed(seed).build().unwrap();
    let mut delays = Vec::new();
    while delays.len() < 4 {
        match client.next().await {
            Some(Item::Notice(Notice::RetryScheduled { delay, .. })) => delays.push(delay),
            Some(_) => tokio::task::yield_now().await,
            None => panic!("the session ended"),
        }
    }
    delays
}
