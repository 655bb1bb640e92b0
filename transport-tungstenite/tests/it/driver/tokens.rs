//! Tokens that the application brings.

use std::sync::{Arc, Mutex};

use redial_auth_http::{TokenRequest, TokenSourceError};
use redial_core::{Cause, Fault, Item, Secret, Span, TokenUse};
use redial_liveperson::{Builder, Credentials};
use redial_testkit::servers::liveperson::LivePersonSim;

use super::support::{ACCOUNT, adapter_for, client, offline, online, plain, until};

fn bearer(sim: &LivePersonSim) -> Builder {
    adapter_for(sim, ACCOUNT, Credentials::Bearer("sparrow-first".into())).token_source(true)
}

type Asked = Arc<Mutex<Vec<TokenRequest>>>;

#[tokio::test]
async fn the_source_is_told_which_token_was_refused_and_why() {
    let sim = plain().await;
    sim.set("accept_bearer", "sparrow-first").await.unwrap();
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    let source = move |request: TokenRequest| {
        let mut asked = log.lock().unwrap();
        asked.push(request);
        let token = Secret::new(format!("sparrow-{}", asked.len()));
        async move {
            // A source may take its time.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            Ok::<_, TokenSourceError>(token)
        }
    };
    let mut client = client(&sim, bearer(&sim)).token_source(source).build().unwrap();
    online(&mut client).await;
    assert!(asked.lock().unwrap().is_empty());

    sim.revoke_tokens().await;
    sim.set("accept_bearer", "sparrow-1").await.unwrap();
    sim.cut().await;
    assert_eq!(offline(&mut client).await, Cause::Network);
    online(&mut client).await;
    let expected = TokenRequest::replacing("sparrow-first".into(), Some(Cause::Handshake(401)));
    assert_eq!(*asked.lock().unwrap(), [expected]);

    sim.set("accept_bearer", "sparrow-2").await.unwrap();
    sim.close(4401, "").await;
    assert_eq!(offline(&mut client).await, Cause::Close(4401));
    online(&mut client).await;
    let expected = TokenRequest::replacing("sparrow-1".into(), Some(Cause::Close(4401)));
    assert_eq!(asked.lock().unwrap()[1], expected);
    assert!(sim.state().logins.is_empty());
}

#[tokio::test]
async fn a_source_that_fails_is_asked_again() {
    let sim = plain().await;
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    let source = move |request: TokenRequest| {
        let mut asked = log.lock().unwrap();
        asked.push(request);
        let answer = match asked.len() {
            1 => Err(TokenSourceError::new(Fault::Vendor, "sparrow-error")),
            2 => Err(TokenSourceError::new(Fault::Network, "sparrow-error")
                .with_retry_after(Span::from_millis(1500))),
            _ => Ok(Secret::new("sparrow-good")),
        };
        std::future::ready(answer)
    };
    sim.set("accept_bearer", "sparrow-good").await.unwrap();
    let mut client = client(&sim, bearer(&sim)).token_source(source).build().unwrap();
    for fault in [Fault::Vendor, Fault::Network] {
        let found = until(&mut client, |item| match item {
            Item::Problem(problem) => Some(*problem),
            _ => None,
        })
        .await;
        assert_eq!((found.fault, found.text), (fault, "the token source failed"));
    }
    let begun = std::time::Instant::now();
    online(&mut client).await;
    assert!(begun.elapsed().as_millis() >= 1400, "{:?}", begun.elapsed());
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|request| request.rejected == Some("sparrow-first".into())));
}

#[tokio::test]
async fn a_source_is_asked_as_soon_as_the_application_wants_another_token() {
    let sim = plain().await;
    sim.set("bearers", "any").await.unwrap();
    let source = |_: TokenRequest| std::future::ready(Ok("sparrow-next".into()));
    let (handle, mut updates) =
        client(&sim, bearer(&sim)).token_source(source).build().unwrap().spawn();
    online(&mut updates).await;
    for _ in 0..3 {
        handle.reconnect(TokenUse::Regenerate).await;
        assert_eq!(offline(&mut updates).await, Cause::Requested);
        online(&mut updates).await;
    }
    handle.shutdown().await;
}

#[tokio::test]
async fn without_a_source_the_application_is_asked() {
    let sim = plain().await;
    let (handle, mut updates) = client(&sim, bearer(&sim)).build().unwrap().spawn();
    let (rejected, cause) = until(&mut updates, |item| match item {
        Item::TokenNeeded { rejected, cause, .. } => Some((rejected.clone(), *cause)),
        _ => None,
    })
    .await;
    assert_eq!((rejected, cause), (Some("sparrow-first".into()), Some(Cause::Handshake(401))));
    sim.set("accept_bearer", "sparrow-given").await.unwrap();
    handle.update_token("sparrow-given".into()).await;
    online(&mut updates).await;
    handle.shutdown().await;
}
