//! Both generations of Vonage over real sockets, against the simulated platform.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redial_auth_http::{TokenRequest, TokenSourceError};
use redial_core::{Continuity, Fate, Item, Notice, Policy, Secret, Span, Speed};
use redial_testkit::servers::vonage::{self as servers, Outcome, ResumeAnswer, State, VonageSim};
use redial_tungstenite::{Client, ClientBuilder, Connector};
use redial_vonage::{
    Builder, Callback, Callbacks, DisconnectReason, Generation, Message, Outgoing, POLICY,
    RECONNECTION_FAILED, Vonage,
};
use serde_json::json;

/// Far more than anything here takes.
const SOON: Duration = Duration::from_secs(20);
/// How many times faster than life: 50 ms until the first attempt.
const SPEED: u32 = 20;
const BOTH: [Generation; 2] = [Generation::V1, Generation::V2];

#[tokio::test]
async fn a_cut_session_is_resumed_and_finds_what_it_has_missed() {
    for generation in BOTH {
        let (sim, mut live) = online(generation, "T1").await;
        let id = live.client.send(Outgoing::request("text", json!({ "text": "hi" }))).unwrap();
        live.until(
            |item| matches!(item, Item::Fate(end) if end.id == id && end.fate == Fate::Acked),
        )
        .await;
        sim.cut().await;
        live.callback(Callback::Disconnect { reason: DisconnectReason::ConnectionFailed }).await;
        sim.notify(1, json!({ "event": "custom:missed", "cid": "CON-1", "body": {} })).await;
        live.callback(Callback::Reconnecting { retry_count: 1 }).await;
        live.callback(Callback::Reconnect).await;
        live.event("custom:missed").await;
        assert_eq!(live.continuity, Some(Continuity::Resumed));
        let state = seen(&sim, |state| state.attaches.len() == 2).await;
        assert_eq!(state.attaches[1].outcome, Outcome::Resumed);
        assert_eq!(state.attaches[0].session_id, state.attaches[1].session_id);
    }
}

#[tokio::test]
async fn after_five_attempts_it_waits_for_the_application_and_then_resumes() {
    for generation in BOTH {
        let (sim, mut live) = online(generation, "T1").await;
        // Not a number of refusals: an attempt that is too slow would leave one to `connect`.
        let refuse = |times: u32| json!({ "do": "refuse", "step": "upgrade", "times": times, "status": 503 });
        sim.control_json(refuse(u32::MAX)).await.unwrap();
        sim.cut().await;
        live.callback(Callback::Disconnect { reason: DisconnectReason::ConnectionFailed }).await;
        for retry_count in 1..=5 {
            live.callback(Callback::Reconnecting { retry_count }).await;
        }
        live.callback(Callback::Error { kind: RECONNECTION_FAILED }).await;
        sim.control_json(refuse(0)).await.unwrap();
        live.client.connect();
        live.callback(Callback::Ready).await;
        assert_eq!(live.continuity, Some(Continuity::Resumed));
        let state = seen(&sim, |state| state.attaches.len() == 2).await;
        assert_eq!(state.attaches[1].outcome, Outcome::Resumed);
    }
}

#[tokio::test]
async fn an_expired_token_is_replaced_by_the_application() {
    for generation in BOTH {
        let (sim, mut live) = online(generation, "T1").await;
        sim.expire_tokens().await;
        live.callback(Callback::Disconnect { reason: DisconnectReason::TokenExpired }).await;
        live.until(|item| matches!(item, Item::TokenNeeded { .. })).await;
        let upgrades = sim.state().upgrades.len();
        live.client.update_token(jwt("T2"));
        live.client.connect();
        live.callback(Callback::Ready).await;
        assert_eq!(live.continuity, Some(Continuity::Resumed));
        let state = seen(&sim, |state| state.attaches.len() == 2).await;
        assert_eq!(upgrades, 1, "nothing was tried with the dead token");
        assert_eq!(state.upgrades.len(), 2);
        assert_ne!(state.attaches[0].token, state.attaches[1].token);
    }
}

#[tokio::test]
async fn an_expired_token_is_replaced_by_the_token_source_once() {
    for generation in BOTH {
        for told in ["disconnect", "event_disconnect", "event"] {
            let sim = sim(generation).await;
            sim.set("on_expiry", told).await.unwrap();
            let asked = Arc::new(AtomicU32::new(0));
            let count = Arc::clone(&asked);
            let source = move |_: TokenRequest| {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                async move { Ok::<_, TokenSourceError>(jwt(&format!("T{number}"))) }
            };
            let adapter = adapter(&sim, generation).token_source(true);
            let mut live = Live::new(client(adapter).token_source(source));
            live.callback(Callback::Ready).await;
            sim.expire_tokens().await;
            if told == "event" {
                live.until(|item| matches!(item, Item::Notice(Notice::Token { .. }))).await;
                let state = seen(&sim, |state| state.refreshes.len() == 1).await;
                assert!(state.refreshes[0].ok);
            } else {
                live.callback(Callback::Reconnect).await;
                assert_eq!(live.continuity, Some(Continuity::Resumed));
            }
            assert_eq!(asked.load(Ordering::Relaxed), 2, "{told}");
        }
    }
}

#[tokio::test]
async fn a_live_update_is_taken_and_the_next_connection_has_the_new_token() {
    for generation in BOTH {
        let (sim, mut live) = online(generation, "T1").await;
        live.client.update_token(jwt("T2"));
        live.until(|item| matches!(item, Item::Notice(Notice::Token { .. }))).await;
        let state = seen(&sim, |state| state.refreshes.len() == 1).await;
        let refresh = &state.refreshes[0];
        assert_eq!((refresh.ok, refresh.http), (true, generation == Generation::V2));
        sim.cut().await;
        live.callback(Callback::Reconnect).await;
        let state = seen(&sim, |state| state.attaches.len() == 2).await;
        assert_eq!(state.attaches[1].token, refresh.token);
    }
}

#[tokio::test]
async fn another_session_is_fresh_and_the_application_is_told_which() {
    for generation in BOTH {
        let sim = VonageSim::builder(of(generation))
            .settings(|settings| settings.resume_answer = ResumeAnswer::OtherId)
            .start()
            .await
            .unwrap();
        let mut live = Live::new(client(adapter(&sim, generation).token(jwt("T1"))));
        let first = live.session().await;
        sim.cut().await;
        let (id, previous) = live.session().await;
        assert_eq!(previous, Some(first.0.clone()));
        assert_ne!(id, first.0);
        assert_eq!(live.continuity, Some(Continuity::Fresh));
    }
}

#[tokio::test]
async fn a_session_that_is_lost_is_reported_and_a_new_one_is_there() {
    for generation in BOTH {
        let (sim, mut live) = online(generation, "T1").await;
        sim.expire_sessions().await;
        sim.cut().await;
        live.until(|item| matches!(item, Item::Message(Message::SessionLost { .. }))).await;
        live.callback(Callback::Reconnect).await;
        assert_eq!(live.continuity, Some(Continuity::Fresh));
    }
}

#[tokio::test]
async fn events_are_acknowledged_and_a_shutdown_logs_out() {
    for generation in BOTH {
        let sim = VonageSim::builder(of(generation))
            .settings(|settings| settings.ask_acks = Some(true))
            .start()
            .await
            .unwrap();
        let mut live = Live::new(client(adapter(&sim, generation).token(jwt("T1"))));
        live.callback(Callback::Ready).await;
        sim.notify(3, json!({ "event": "text", "cid": "CON-1", "body": {} })).await;
        live.event("text").await;
        seen(&sim, |state| {
            state.events.len() == 3 && state.events.iter().all(|event| event.acked_ms.is_some())
        })
        .await;
        live.client.shutdown();
        let reason = DisconnectReason::ClientDisconnected;
        live.callback(Callback::Disconnect { reason }).await;
        while live.client.next().await.is_some() {}
        seen(&sim, |state| state.logouts == 1 && state.live_sockets == 0).await;
    }
}

struct Live {
    client: Client<Vonage>,
    callbacks: Callbacks,
    continuity: Option<Continuity>,
}

impl Live {
    fn new(builder: ClientBuilder<Vonage>) -> Self {
        let client = builder.build().unwrap();
        Self { client, callbacks: Callbacks::new(), continuity: None }
    }

    /// Waits for an item, and gives the callback that goes with it.
    async fn next(&mut self) -> (Item<Vonage>, Option<Callback>) {
        let item = tokio::time::timeout(SOON, self.client.next()).await.expect("in time");
        let item = item.expect("not the end");
        if let Item::Notice(Notice::Online { continuity, .. }) = &item {
            self.continuity = Some(*continuity);
        }
        let callback = self.callbacks.see(&item);
        (item, callback)
    }

    async fn until(&mut self, mut wanted: impl FnMut(&Item<Vonage>) -> bool) {
        while !wanted(&self.next().await.0) {}
    }

    /// Waits for the next callback, which must be this one, or the first that is another.
    async fn callback(&mut self, wanted: Callback) {
        loop {
            match self.next().await.1 {
                Some(callback) if callback == wanted => return,
                // These come before what a test waits for.
                Some(
                    Callback::Ready | Callback::Disconnect { .. } | Callback::Reconnecting { .. },
                )
                | None => {}
                Some(other) => panic!("{other:?} instead of {wanted:?}"),
            }
        }
    }

    async fn event(&mut self, name: &str) {
        self.until(
            |item| matches!(item, Item::Message(Message::Event(event)) if event.name() == name),
        )
        .await;
    }

    async fn session(&mut self) -> (String, Option<String>) {
        loop {
            if let Item::Message(Message::Session(info)) = self.next().await.0 {
                return (info.id, info.previous);
            }
        }
    }
}

async fn online(generation: Generation, token: &str) -> (VonageSim, Live) {
    let sim = sim(generation).await;
    let mut live = Live::new(client(adapter(&sim, generation).token(jwt(token))));
    live.callback(Callback::Ready).await;
    (sim, live)
}

async fn sim(generation: Generation) -> VonageSim {
    VonageSim::builder(of(generation)).start().await.unwrap()
}

const fn of(generation: Generation) -> servers::Generation {
    match generation {
        Generation::V1 => servers::Generation::V1,
        Generation::V2 => servers::Generation::V2,
    }
}

/// A machine that is busy may take longer than a twentieth of what the policy gives an attempt.
fn adapter(sim: &VonageSim, generation: Generation) -> Builder {
    let mut spec = *POLICY.spec();
    spec.timeouts.connect = Span::from_secs(400);
    spec.timeouts.ready = Span::from_secs(400);
    let policy = Policy::try_new(spec).unwrap();
    Vonage::builder(generation).url(sim.base()).policy(policy).speed(Speed::new(SPEED))
}

fn client(adapter: Builder) -> ClientBuilder<Vonage> {
    Client::builder(adapter.build().unwrap()).connector(Connector::new().unwrap())
}

/// Waits for what the simulator is to have seen.
async fn seen(sim: &VonageSim, wanted: impl FnMut(&State) -> bool) -> State {
    sim.until(SOON, wanted).await.unwrap_or_else(|state| panic!("not seen: {state:?}"))
}

/// An unsigned token of an hour.
fn jwt(name: &str) -> Secret {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "sub": "alice", "jti": name, "iat": now, "exp": now + 3_600 });
    let part = |text: String| base64url(text.as_bytes());
    Secret::new(format!(
        "{}.{}.c2ln",
        part(json!({ "alg": "RS256" }).to_string()),
        part(claims.to_string())
    ))
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let padded = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let word = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for digit in 0..=chunk.len() {
            out.push(char::from(DIGITS[(word >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    out
}
