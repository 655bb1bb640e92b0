//! Canaries: the credentials of a session, what servers make of them, and what people say.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use redial_auth_http::{HttpClient, HttpError, ReqwestClient};
use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Item, TokenUse};
use redial_liveperson::Request;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::liveperson::LivePersonSim;
use serde_json::json;

use super::support::{adapter, client, http, offline, online};
use crate::connector::leaks::{LOGGED, TRACED, capture_everything};

/// Learns the secrets that a login answers with.
struct Eavesdropper {
    inner: ReqwestClient,
    learnt: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl HttpClient for Eavesdropper {
    async fn perform(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.inner.perform(request).await?;
        let mut learnt = self.learnt.lock().unwrap();
        for (name, value) in &answer.headers {
            if name.eq_ignore_ascii_case("set-cookie") {
                let value = value.split(';').next().unwrap().split_once('=').unwrap().1;
                learnt.push(value.to_owned());
            }
        }
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        learnt.extend(
            ["bearer", "csrf"].iter().filter_map(|key| body[key].as_str()).map(String::from),
        );
        drop(learnt);
        Ok(answer)
    }
}

#[tokio::test]
async fn no_canary_of_a_session_is_shown_or_logged() {
    capture_everything();
    let sim = LivePersonSim::builder().tls(true).start().await.unwrap();
    let learnt = Arc::new(Mutex::new(Vec::new()));
    let http = Eavesdropper { inner: http(&sim), learnt: Arc::clone(&learnt) };
    let adapter = adapter(&sim).refresh(Some(redial_core::Span::from_secs(40)));
    let mut shown = String::new();
    let builder = client(&sim, adapter).http(http);
    write!(shown, "{builder:?}").unwrap();
    let mut client = builder.record().build().unwrap();
    let said = Request::publish_text("sparrow-dialog", "sparrow-message");
    let id = client.send(said.clone()).unwrap();
    write!(shown, "{client:?} {:?} {id:?} {said:?}", client.snapshot()).unwrap();
    online(&mut client).await;
    write!(shown, "{client:?} {:?} {:?}", client.snapshot(), client.adapter()).unwrap();
    sim.notify(3, json!({ "message": "sparrow-heard" })).await;
    let mut seen = 0;
    while seen < 4 {
        let item = client.next().await.unwrap();
        write!(shown, " {item:?} {item:#?}").unwrap();
        seen += usize::from(matches!(item, Item::Message(_) | Item::Reply { .. }));
    }
    while let Some(entry) = client.poll_record() {
        write!(shown, " {entry:?}").unwrap();
    }
    let (handle, mut updates) = client.spawn();
    write!(shown, "{handle:?} {updates:?}").unwrap();
    super::support::seen(&sim, |state| state.refreshes.len() >= 2).await;
    sim.close(4401, "sparrow-reason").await;
    offline(&mut updates).await;
    for step in ["csds", "login", "upgrade"] {
        sim.refuse(Refusal::status(step, 500)).await;
        sim.refuse(Refusal::reset(step)).await;
    }
    online(&mut updates).await;
    sim.send_text("{\"sparrow-text\":").await;
    sim.send_raw(&b"\x81\x82sparrow-raw"[..]).await;
    offline(&mut updates).await;
    online(&mut updates).await;
    handle.reconnect(TokenUse::Regenerate).await;
    online(&mut updates).await;
    let receipt = handle.send(said.clone()).await.unwrap();
    write!(shown, "{receipt:?}").unwrap();
    write!(shown, "{:?}", receipt.await).unwrap();
    handle.shutdown().await;
    let refused = handle.send(said).await.unwrap_err();
    write!(shown, "{refused:?}").unwrap();
    while let Some(item) = updates.next().await {
        write!(shown, " {item:?}").unwrap();
    }

    let mut canaries = learnt.lock().unwrap().clone();
    assert!(canaries.len() >= 6, "two logins with bearer, csrf and cookie: {}", canaries.len());
    let encoded: Vec<_> = canaries.iter().map(|canary| percent_encoded(canary)).collect();
    canaries.extend(encoded);
    canaries.push("sparrow-".to_owned());
    let traced = String::from_utf8(TRACED.lock().unwrap().clone()).unwrap();
    assert!(traced.contains("Online"), "the capture works");
    // tungstenite writes whole frames to its log at TRACE, as this crate's documentation says.
    let logged = LOGGED.lock().unwrap().clone();
    let logged: String = logged.lines().filter(|line| !line.starts_with("tungstenite")).collect();
    for (what, text) in [("shown", &shown), ("traced", &traced), ("logged", &logged)] {
        for canary in &canaries {
            let at = text.find(canary.as_str());
            let context = at.map(|at| &text[text[..at].len().saturating_sub(200)..at]);
            assert!(at.is_none(), "{what}: {canary} after {context:?}");
        }
    }
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}
