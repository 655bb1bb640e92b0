//! What becomes of messages: acknowledged, lost, deduped, delivered.

use futures_util::SinkExt;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::genesys::{CutWhen, GenesysSim, Path, State};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{
    SOON, Ws, ask, chat, connect, create, guest_sim, is_quiet, next, next_json, open, post, put,
    try_post, web_connect, web_sim,
};

/// Gives id, way, duplicate and delivered of each message.
fn arrivals(state: &State) -> Vec<(&str, Path, bool, bool)> {
    let messages = state.messages.iter();
    messages.map(|seen| (seen.id.as_str(), seen.path, seen.duplicate, seen.delivered)).collect()
}

#[tokio::test]
async fn both_ways_lead_into_one_conversation_in_order() {
    let sim = guest_sim().await;
    let (guest, mut ws) = connect(&sim).await;
    let ack = ask(&mut ws, chat("1", "one")).await;
    assert_eq!(ack, json!({ "type": "messageReceived", "messageId": "1" }));
    assert_eq!(post(&sim, &guest, "2", "two").await.json(), json!({ "messageId": "2" }));
    ask(&mut ws, chat("3", "three")).await;
    let state = sim.state();
    assert_eq!(state.texts(), ["one", "two", "three"]);
    assert_eq!(
        arrivals(&state),
        [
            ("1", Path::Socket, false, true),
            ("2", Path::Rest, false, true),
            ("3", Path::Socket, false, true)
        ]
    );
    let proofs: Vec<_> = state.proofs.iter().map(|proof| (proof.id.as_str(), proof.path)).collect();
    assert_eq!(proofs, [("1", Path::Socket), ("2", Path::Rest), ("3", Path::Socket)]);
}

#[tokio::test]
async fn dedupe_delivers_a_known_id_once_and_acknowledges_it_again() {
    let sim = guest_sim().await;
    let (guest, mut ws) = connect(&sim).await;
    sim.lose_acks(1).await;
    put(&mut ws, &chat("1", "one")).await;
    sim.until(SOON, |state| state.lost_acks == 1).await.unwrap();
    assert!(!sim.state().proves("1"));
    let answer = post(&sim, &guest, "1", "one").await;
    assert_eq!(answer.json(), json!({ "messageId": "1", "duplicate": true }));
    assert_eq!(ask(&mut ws, chat("1", "one")).await["messageId"], "1");
    let state = sim.state();
    assert_eq!(state.texts(), ["one"]);
    assert_eq!((state.duplicates(), state.proofs.len()), (2, 2));
}

#[tokio::test]
async fn without_dedupe_a_known_id_is_delivered_again() {
    let sim = guest_sim().await;
    sim.set("dedupe", "off").await.unwrap();
    let (guest, mut ws) = connect(&sim).await;
    ask(&mut ws, chat("1", "one")).await;
    assert_eq!(post(&sim, &guest, "1", "one").await.json(), json!({ "messageId": "1" }));
    let state = sim.state();
    assert_eq!(state.texts(), ["one", "one"]);
    assert_eq!(arrivals(&state), [("1", Path::Socket, false, true), ("1", Path::Rest, true, true)]);
}

#[tokio::test]
async fn ids_are_unique_in_a_conversation_or_everywhere() {
    for (scope, delivered) in [("conversation", 2), ("server", 1)] {
        let sim = guest_sim().await;
        sim.set("dedupe_scope", scope).await.unwrap();
        for _ in 0..2 {
            let guest = create(&sim).await;
            assert_eq!(post(&sim, &guest, "1", "one").await.status, 200);
        }
        let state = sim.state();
        assert_eq!((state.delivered.len(), state.duplicates()), (delivered, 1), "{scope}");
        assert_eq!(state.messages[1].conversation, 2);
    }
}

#[tokio::test]
async fn a_message_can_be_refused_twice_and_then_taken() {
    let sim = guest_sim().await;
    let guest = create(&sim).await;
    for after in ["1", "Wed, 21 Oct 2099 07:28:00 GMT"] {
        sim.refuse(Refusal::status("rest", 429).times(2).retry_after(after)).await;
        for _ in 0..2 {
            let answer = post(&sim, &guest, "1", "one").await;
            assert_eq!((answer.status, answer.header("retry-after")), (429, Some(after)));
        }
    }
    sim.refuse(Refusal::status("rest", 429)).await;
    assert_eq!(post(&sim, &guest, "1", "one").await.header("retry-after"), None);
    for code in [500, 503, 400, 401, 404, 408] {
        sim.refuse(Refusal::status("rest", code)).await;
        assert_eq!(post(&sim, &guest, "1", "one").await.status, code);
    }
    let fail = json!({ "do": "fail_requests", "n": 1, "code": 502, "body": "bad gateway" });
    sim.control_json(fail).await.unwrap();
    assert_eq!(post(&sim, &guest, "1", "one").await.status, 502);
    assert_eq!(post(&sim, &guest, "1", "one").await.status, 200);
    let state = sim.state();
    assert_eq!((state.texts(), state.proofs.len(), state.duplicates()), (vec!["one"], 1, 0));
    assert_eq!((state.rests.len(), state.refused_messages), (13, 12));
    assert!(state.rests.iter().all(|call| call.id.as_deref() == Some("1")));
}

#[tokio::test]
async fn an_answer_by_rest_can_be_lost_after_the_message_was_taken() {
    let sim = guest_sim().await;
    let guest = create(&sim).await;
    sim.lose_rest_replies(1).await;
    assert!(try_post(&sim, &guest, "1", "one").await.is_err());
    let state = sim.state();
    assert_eq!((state.texts(), state.lost_acks), (vec!["one"], 1));
    assert!(!state.proves("1"));
    assert_eq!(state.rests[0].status, None);
    assert_eq!(post(&sim, &guest, "1", "one").await.json()["duplicate"], true);
}

#[tokio::test]
async fn a_cut_comes_before_delivery_before_the_ack_or_after_it() {
    for (when, delivered, acked) in
        [(CutWhen::BeforeDelivery, 1, 1), (CutWhen::BeforeAck, 2, 1), (CutWhen::AfterAck, 2, 2)]
    {
        let sim = guest_sim().await;
        let (guest, mut ws) = connect(&sim).await;
        sim.cut_at(2, when).await;
        for id in ["1", "2", "3"] {
            ws.feed(Message::text(chat(id, id).to_string())).await.unwrap();
        }
        ws.flush().await.unwrap();
        let mut acks = 0;
        while next(&mut ws).await.is_ok() {
            acks += 1;
        }
        let state = sim.until(SOON, |state| state.live_sockets == 0).await.unwrap();
        assert_eq!((acks, state.proofs.len()), (acked, acked), "{when:?}");
        assert_eq!(state.delivered.len(), delivered, "{when:?}");
        let mut again = open(&sim, &guest).await.unwrap();
        assert_eq!(ask(&mut again, chat("4", "4")).await["messageId"], "4", "armed once");
    }
}

#[tokio::test]
async fn acks_can_be_late_or_under_another_id() {
    let sim = guest_sim().await;
    let (_guest, mut ws) = connect(&sim).await;
    sim.control_json(json!({ "do": "unknown_ids" })).await.unwrap();
    assert_ne!(ask(&mut ws, chat("1", "one")).await["messageId"], "1");
    assert!(!sim.state().proves("1"));
    sim.set("answer_delay_ms", 100).await.unwrap();
    let asked = std::time::Instant::now();
    ask(&mut ws, chat("2", "two")).await;
    assert!(asked.elapsed() >= std::time::Duration::from_millis(90));
}

#[tokio::test]
async fn an_ack_that_silence_swallows_proves_nothing() {
    let sim = guest_sim().await;
    let (_guest, mut ws) = connect(&sim).await;
    sim.silent_outbound(true).await;
    put(&mut ws, &chat("1", "one")).await;
    sim.until(SOON, |state| state.delivered.len() == 1).await.unwrap();
    assert!(is_quiet(&mut ws).await);
    assert!(!sim.state().proves("1"));
    sim.silent(false).await;
    ask(&mut ws, chat("1", "one")).await;
    assert!(sim.state().proves("1"));
}

async fn echo_of(ws: &mut Ws, frame: &Value) -> Value {
    put(ws, frame).await;
    next_json(ws).await
}

#[tokio::test]
async fn web_messages_are_deduped_by_tracing_id() {
    let say = super::client::say("t-1", "x1", "one");
    for (dedupe, texts) in [("on", 1), ("off", 2)] {
        let sim = web_sim().await;
        sim.set("dedupe", dedupe).await.unwrap();
        let mut ws = web_connect(&sim, "t-1").await;
        let first = echo_of(&mut ws, &say).await;
        let second = echo_of(&mut ws, &say).await;
        assert_eq!(first["tracingId"], "x1");
        assert_eq!(first["body"]["id"] == second["body"]["id"], dedupe == "on");
        let state = sim.state();
        assert_eq!((state.texts().len(), state.duplicates(), state.proofs.len()), (texts, 1, 2));
    }
}

#[tokio::test]
async fn web_acks_can_be_lost_mistaken_and_cut() {
    let say = super::client::say;
    let sim = web_sim().await;
    let mut ws = web_connect(&sim, "t-1").await;
    sim.lose_acks(1).await;
    put(&mut ws, &say("t-1", "x1", "lost")).await;
    sim.control_json(json!({ "do": "unknown_ids" })).await.unwrap();
    sim.until(SOON, |state| state.lost_acks == 1).await.unwrap();
    assert_ne!(echo_of(&mut ws, &say("t-1", "x2", "mistaken")).await["tracingId"], "x2");
    sim.cut_at(1, CutWhen::AfterAck).await;
    assert_eq!(echo_of(&mut ws, &say("t-1", "x3", "last")).await["tracingId"], "x3");
    assert!(next(&mut ws).await.is_err());
    let mut ws = web_connect_again(&sim).await;
    sim.cut_at(1, CutWhen::BeforeAck).await;
    put(&mut ws, &say("t-1", "x4", "unheard")).await;
    assert!(next(&mut ws).await.is_err());
    let mut ws = web_connect_again(&sim).await;
    sim.cut_at(1, CutWhen::BeforeDelivery).await;
    put(&mut ws, &say("t-1", "x5", "never")).await;
    assert!(next(&mut ws).await.is_err());
    let state = sim.state();
    assert_eq!(state.texts(), ["lost", "mistaken", "last", "unheard"]);
    let proofs: Vec<_> = state.proofs.iter().map(|proof| proof.id.as_str()).collect();
    assert_eq!(proofs, ["x3"]);
}

async fn web_connect_again(sim: &GenesysSim) -> Ws {
    let mut ws = super::client::web_open(sim).await;
    let answer = super::client::configure(&mut ws, "t-1").await;
    assert_eq!(answer["body"]["newSession"], false);
    ws
}

/// Sends a thousand messages one by one through losses of every kind, and each that got no
/// acknowledgment once more by REST; gives how many went twice.
async fn send_a_thousand(sim: &GenesysSim) -> usize {
    let (guest, mut ws) = connect(sim).await;
    let mut again = 0;
    for n in 0..1000 {
        let id = n.to_string();
        match n % 50 {
            7 => sim.cut_at(1, CutWhen::BeforeDelivery).await,
            17 => sim.cut_at(1, CutWhen::BeforeAck).await,
            27 => sim.cut_at(1, CutWhen::AfterAck).await,
            37 => sim.lose_acks(1).await,
            47 => sim.lose_rest_replies(1).await,
            _ => {}
        }
        if n % 50 == 47 {
            assert!(try_post(sim, &guest, &id, &id).await.is_err());
        } else {
            put(&mut ws, &chat(&id, &id)).await;
        }
        let acked = match n % 50 {
            37 => sim.until(SOON, |state| state.lost_acks > again).await.is_err(),
            47 => false,
            _ => matches!(next(&mut ws).await, Ok(Message::Text(_))),
        };
        if !acked {
            again += u64::from(n % 50 != 7);
            assert_eq!(post(sim, &guest, &id, &id).await.status, 200);
        }
        if matches!(n % 50, 7 | 17 | 27) {
            ws = open(sim, &guest).await.unwrap();
        }
    }
    again as usize
}

#[tokio::test]
async fn a_thousand_messages_are_once_or_at_least_once_there() {
    let numbers: Vec<_> = (0..1000).map(|n| n.to_string()).collect();
    for dedupe in [true, false] {
        let sim = guest_sim().await;
        sim.set("dedupe", dedupe).await.unwrap();
        let again = send_a_thousand(&sim).await;
        let state = sim.state();
        assert_eq!((again, state.duplicates(), state.lost_acks), (60, 60, 60));
        let mut texts = state.texts();
        assert_eq!(texts.len(), if dedupe { 1000 } else { 1060 });
        texts.dedup();
        assert_eq!(texts, numbers, "in order");
        assert!(numbers.iter().all(|id| state.proves(id)));
    }
}
