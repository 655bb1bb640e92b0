//! What sessions of one account share.

use std::sync::{Arc, Mutex};

use redial_auth_http::{HttpTokenSource, ReqwestClient, SharedTokenSource, TokenAnswer};
use redial_core::{Cause, Fate, Notice, SuspendReason};
use redial_ringcentral::{Account, LOGIN, Message, Request};
use redial_testkit::servers::ringcentral::RingCentralSim;
use redial_tungstenite::{Client, Clock, Connector, Handle, SystemClock, Updates};
use serde_json::json;

use super::support::{FILTER, adapter, client, message, notice, sim, subscribed};

type Session = (Handle<redial_ringcentral::RingCentral>, Updates<redial_ringcentral::RingCentral>);

/// Sessions of one account, of one process.
struct Sessions {
    account: Arc<Mutex<Account>>,
    tokens: SharedTokenSource,
    connector: Connector,
}

impl Sessions {
    fn new(sim: &RingCentralSim) -> Self {
        let account = Arc::new(Mutex::new(adapter(sim).share().unwrap()));
        let http = ReqwestClient::builder().build().unwrap();
        let (asks, takes) = (Arc::clone(&account), Arc::clone(&account));
        let clock = SystemClock::new();
        let source = HttpTokenSource::new(
            http,
            move |request| asks.lock().unwrap().request(request.rejected.as_ref()),
            move |answer| {
                let mut account = takes.lock().unwrap();
                match account.handle(answer, clock.now()) {
                    None if account.goes_on() => TokenAnswer::AskOn,
                    token => token.into(),
                }
            },
        );
        let tokens = SharedTokenSource::new(source);
        Self { account, tokens, connector: Connector::new().unwrap() }
    }

    fn begin(&self) -> Session {
        let session = self.account.lock().unwrap().session();
        let adapter = session.subscribe([FILTER], None).build().unwrap();
        let http = ReqwestClient::builder().build().unwrap();
        let builder = Client::builder(adapter).http(http).connector(self.connector.clone());
        builder.token_source(self.tokens.clone()).build().unwrap().spawn()
    }
}

#[tokio::test]
async fn two_sessions_have_one_login_and_one_refresh_between_them() {
    let sim = sim().await;
    let sessions = Sessions::new(&sim);
    let (first, mut firsts) = sessions.begin();
    let (second, mut seconds) = sessions.begin();
    subscribed(&mut firsts).await;
    subscribed(&mut seconds).await;
    let state = sim.state();
    assert_eq!((state.token_calls.len(), state.ws_token_calls.len()), (1, 2), "{state:?}");
    let before = sessions.account.lock().unwrap().refresh_token().cloned();

    // Both find the access token dead at once, and each recovers its session.
    sim.revoke_tokens().await;
    sim.cut().await;
    for items in [&mut firsts, &mut seconds] {
        message(items, |message| {
            matches!(message, Message::AutoRecoverSuccess { .. }).then_some(())
        })
        .await;
    }
    let state = sim.state();
    let grants: Vec<_> = state.token_calls.iter().map(|call| call.grant).collect();
    assert_eq!(grants, ["jwt-bearer", "refresh_token"], "{state:?}");
    assert_ne!(sessions.account.lock().unwrap().refresh_token().cloned(), before);
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_to_the_application_and_not_tried_for_ever() {
    use redial_testkit::servers::Refusal;
    let sim = sim().await;
    let sessions = Sessions::new(&sim);
    sim.refuse(Refusal::status("login", 400)).await;
    let (handle, mut items) = sessions.begin();
    let refused = Cause::Http { step: LOGIN, status: 400 };
    let reason = notice(&mut items, |notice| match notice {
        Notice::Suspended { reason } => Some(*reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, SuspendReason::Policy(refused));
    // The application has seen to it.
    handle.recover().await;
    subscribed(&mut items).await;
    assert_eq!(sim.state().token_calls.len(), 2);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_dead_refresh_token_is_followed_by_a_login_at_once() {
    let sim = sim().await;
    let sessions = Sessions::new(&sim);
    let (handle, mut items) = sessions.begin();
    subscribed(&mut items).await;
    sim.revoke_tokens().await;
    sim.revoke_refresh_tokens().await;
    sim.cut().await;
    subscribed(&mut items).await;
    let state = sim.state();
    let grants: Vec<_> = state.token_calls.iter().map(|call| call.grant).collect();
    assert_eq!(grants, ["jwt-bearer", "refresh_token", "jwt-bearer"], "{state:?}");
    handle.shutdown().await;
}

#[tokio::test]
async fn a_request_that_finds_the_shared_token_dead_is_sent_once_more() {
    let sim = sim().await;
    let sessions = Sessions::new(&sim);
    let (handle, mut items) = sessions.begin();
    subscribed(&mut items).await;
    sim.revoke_tokens().await;
    let receipt = handle.send(Request::get("/restapi/v1.0/account/~/extension/~"));
    let settled = receipt.await.unwrap().await.unwrap().settled;
    assert_eq!((settled.fate, settled.tries, settled.arrivals), (Fate::Acked, 2, 1));
    let state = sim.state();
    assert_eq!(state.token_calls.len(), 2, "{state:?}");
    // No wstoken was spent on it.
    assert_eq!(state.ws_token_calls.len(), 1, "{state:?}");
    handle.shutdown().await;
}

#[tokio::test]
async fn the_sixth_wstoken_of_an_account_waits_for_the_group() {
    // Sped up, the minute of the group lasts 3 s.
    let sim = sim().await;
    let sessions = Sessions::new(&sim);
    // The simulator is as strict, a little faster.
    sim.set("auth_rate", json!({ "n": 5, "window_ms": 2900 })).await.unwrap();
    let mut all: Vec<Session> = (0..6).map(|_| sessions.begin()).collect();
    for (_, items) in &mut all {
        subscribed(items).await;
    }
    let state = sim.state();
    let calls = &state.ws_token_calls;
    assert_eq!(calls.len(), 6, "{state:?}");
    assert!(calls[5].t_ms >= calls[0].t_ms + 3000, "{calls:?}");
    for (handle, _) in all {
        handle.shutdown().await;
    }
}

#[tokio::test]
async fn a_429_silences_the_group_for_its_retry_after() {
    use redial_testkit::servers::Refusal;
    let sim = sim().await;
    let (handle, mut items) =
        client(adapter(&sim).subscribe([FILTER], None)).build().unwrap().spawn();
    subscribed(&mut items).await;
    sim.refuse(Refusal::status("wstoken", 429).retry_after("2")).await;
    sim.cut().await;
    let conn = message(&mut items, |message| match message {
        Message::AutoRecoverError { conn, cause: Cause::Http { status: 429, .. } } => Some(*conn),
        _ => None,
    })
    .await;
    assert_eq!(conn, redial_core::ConnId::new(1));
    // Asking for it changes nothing.
    handle.recover().await;
    handle.network_changed().await;
    message(&mut items, |message| {
        matches!(message, Message::AutoRecoverSuccess { .. }).then_some(())
    })
    .await;
    let state = sim.state();
    let calls: Vec<_> = state.ws_token_calls.iter().map(|call| (call.t_ms, call.status)).collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls[2].0 >= calls[1].0 + 1990, "{calls:?}");
    handle.shutdown().await;
    notice(&mut items, |notice| matches!(notice, Notice::Stopped { .. }).then_some(())).await;
}
