//! The messages on a socket.

use std::time::Duration;

use futures_util::SinkExt;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::liveperson::LivePersonSim;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{SOON, ask, connect, next, next_json, request};

async fn pair() -> (LivePersonSim, super::client::Ws) {
    let sim = LivePersonSim::builder().start().await.unwrap();
    let ws = connect(&sim).await;
    (sim, ws)
}

#[tokio::test]
async fn a_number_as_id_comes_back_as_text() {
    let (sim, mut ws) = pair().await;
    request(&mut ws, json!(42), ".GetClock", json!({})).await;
    let clock = next_json(&mut ws).await;
    assert_eq!(clock["reqId"], "42");
    assert_eq!(clock["type"], ".GetClock$Response");
    assert!(clock["body"]["currentTime"].is_u64());
    assert_eq!(sim.state().requests_of("GetClock").count(), 1);
}

#[tokio::test]
async fn other_spellings_of_a_type_are_known() {
    let (_sim, mut ws) = pair().await;
    assert_eq!(ask(&mut ws, "GetClock", json!({})).await["code"], 200);
    let publish = json!({ "dialogId": "d", "event": { "type": "ContentEvent", "message": "x" } });
    assert_eq!(ask(&mut ws, "ms.PublishEvent", publish).await["body"]["sequence"], 1);
}

#[tokio::test]
async fn every_request_that_the_sdk_sends_is_known() {
    let (_sim, mut ws) = pair().await;
    for kind in [
        ".GetClock",
        ".ams.cm.AgentRequestConversation",
        ".ams.aam.SubscribeExConversations",
        ".ams.aam.UnsubscribeExConversations",
        ".ams.cm.UpdateConversationField",
        ".ams.ms.PublishEvent",
        ".ams.routing.UpdateRingState",
        ".ams.routing.SubscribeRoutingTasks",
        ".ams.routing.UpdateRoutingTaskSubscription",
        ".ams.userprofile.GetUserProfile",
        ".ams.routing.SetAgentState",
        ".ams.routing.SubscribeAgentsState",
        ".ams.ms.QueryMessages",
        ".ams.ms.GenerateURLForDownloadFile",
        ".ams.ms.GenerateURLForUploadFile",
    ] {
        request(&mut ws, json!(kind), kind, json!({ "dialogId": "d" })).await;
        // A subscription's notification follows its response.
        let response = loop {
            let frame = next_json(&mut ws).await;
            if frame["kind"] == "resp" {
                break frame;
            }
        };
        assert_eq!(response["reqId"], kind);
        assert!(response["code"].as_u64().unwrap() < 400, "{response}");
    }
    // As the recordings answer what they do not know.
    let unknown = ask(&mut ws, ".ams.ms.token.GenerateDownloadToken", json!({})).await;
    assert_eq!(unknown["code"], 400);
}

#[tokio::test]
async fn a_subscription_is_answered_and_then_notified() {
    let (_sim, mut ws) = pair().await;
    let response = ask(&mut ws, ".ams.aam.SubscribeExConversations", json!({})).await;
    let notification = next_json(&mut ws).await;
    assert_eq!(notification["kind"], "notification");
    assert_eq!(notification["type"], ".ams.aam.ExConversationChangeNotification");
    assert_eq!(notification["body"]["changes"], json!([]));
    assert_eq!(notification["body"]["subscriptionId"], response["body"]["subscriptionId"]);
}

#[tokio::test]
async fn sequences_count_content_for_each_dialog() {
    let (sim, mut ws) = pair().await;
    let publish =
        |dialog: &str, kind: &str| json!({ "dialogId": dialog, "event": { "type": kind } });
    let mut sequences = Vec::new();
    for (dialog, kind) in [
        ("a", "ContentEvent"),
        ("a", "ChatStateEvent"),
        ("a", "ContentEvent"),
        ("b", "RichContentEvent"),
    ] {
        let response = ask(&mut ws, ".ams.ms.PublishEvent", publish(dialog, kind)).await;
        sequences.push(response["body"]["sequence"].as_u64().unwrap());
    }
    assert_eq!(sequences, [1, 0, 2, 1]);
    let messages = sim.state().messages;
    let seen: Vec<_> = messages.iter().map(|seen| (seen.sequence, seen.duplicate)).collect();
    assert_eq!(seen, [(1, false), (2, true), (1, true)], "every request had the same id");
}

#[tokio::test]
async fn history_holds_what_was_pushed_while_nobody_listened() {
    let sim = LivePersonSim::builder().start().await.unwrap();
    sim.notify(2, json!({ "dialogId": "d", "message": "missed" })).await;
    let mut ws = connect(&sim).await;
    sim.notify(1, json!({ "dialogId": "d" })).await;
    let pushed = next_json(&mut ws).await;
    assert_eq!(pushed["type"], ".ams.ms.OnlineEventDistribution");
    assert_eq!(pushed["body"]["sequence"], 3);
    let query = json!({ "dialogId": "d", "newerThanSequence": 1 });
    let history = ask(&mut ws, ".ams.ms.QueryMessages", query).await;
    let sequences: Vec<_> =
        history["body"].as_array().unwrap().iter().map(|entry| entry["sequence"].clone()).collect();
    assert_eq!(sequences, [2, 3]);
    assert_eq!(history["body"][0]["event"]["message"], "missed");
}

#[tokio::test]
async fn whatever_else_a_script_pushes_is_pushed_and_kept() {
    let (sim, mut ws) = pair().await;
    sim.notify(1, json!({ "dialogId": "d", "marker": 7, "sequence": 99 })).await;
    sim.notify(1, json!("just words")).await;
    let pushed = next_json(&mut ws).await;
    assert_eq!(pushed["type"], ".ams.ms.OnlineEventDistribution");
    assert_eq!((&pushed["body"]["marker"], &pushed["body"]["sequence"]), (&json!(7), &json!(1)));
    assert_eq!(next_json(&mut ws).await["body"]["event"]["message"], "just words");
    let history = ask(&mut ws, ".ams.ms.QueryMessages", json!({ "dialogId": "d" })).await;
    assert_eq!(history["body"][0]["marker"], 7);
}

#[tokio::test]
async fn notifications_can_be_spelled_out_and_kept_for_subscribers() {
    let (sim, mut ws) = pair().await;
    let ring = json!({ "type": ".ams.routing.RingUpdated", "body": { "ringId": "r" } });
    sim.notify(1, ring).await;
    assert_eq!(next_json(&mut ws).await["body"]["ringId"], "r");
    sim.set("notify_subscribed_only", true).await.unwrap();
    sim.notify(1, json!({ "message": "unheard" })).await;
    ask(&mut ws, ".ams.routing.SubscribeRoutingTasks", json!({})).await;
    next_json(&mut ws).await;
    sim.notify(1, json!({ "message": "heard" })).await;
    assert_eq!(next_json(&mut ws).await["body"]["event"]["message"], "heard");
}

#[tokio::test]
async fn unknown_types_fail_under_the_same_id() {
    let (_sim, mut ws) = pair().await;
    let response = ask(&mut ws, ".ams.Unheard", json!({})).await;
    assert_eq!(response["code"], 400);
    assert_eq!(response["reqId"], "q1");
    assert_eq!(response["type"], ".ReqBody$StringResp");
    assert!(response["body"].is_string());
}

#[tokio::test]
async fn nonsense_is_counted_and_ignored() {
    let (sim, mut ws) = pair().await;
    for text in ["not json", "[]", r#"{"kind":"resp"}"#, r#"{"kind":"req","type":".GetClock"}"#] {
        ws.send(Message::text(text)).await.unwrap();
    }
    ws.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(ask(&mut ws, ".GetClock", json!({})).await["code"], 200);
    assert_eq!(sim.state().bad_frames, 5);
    assert_eq!(sim.state().requests.len(), 1);
}

#[tokio::test]
async fn pings_are_answered_and_counted() {
    let (sim, mut ws) = pair().await;
    ws.send(Message::Ping("abc".into())).await.unwrap();
    assert_eq!(next(&mut ws).await.unwrap(), Message::Pong("abc".into()));
    assert_eq!(sim.until(SOON, |state| state.pings.len() == 1).await.unwrap().pings[0].conn, 1);
}

#[tokio::test]
async fn a_client_close_is_echoed() {
    let (sim, mut ws) = pair().await;
    ws.close(None).await.unwrap();
    assert_eq!(next(&mut ws).await.unwrap(), Message::Close(None));
    sim.until(SOON, |state| state.live_sockets == 0).await.unwrap();
}

#[tokio::test]
async fn a_client_that_is_gone_is_not_counted() {
    let (sim, ws) = pair().await;
    let second = connect(&sim).await;
    assert_eq!(sim.state().live_sockets, 2);
    drop(ws);
    sim.until(SOON, |state| state.live_sockets == 1).await.unwrap();
    drop(second);
    sim.until(SOON, |state| state.live_sockets == 0).await.unwrap();
}

#[tokio::test]
async fn an_idle_socket_is_closed_and_an_active_one_is_not() {
    let (sim, mut ws) = pair().await;
    sim.set("idle_close_code", 4410).await.unwrap();
    sim.set("idle_close_ms", 300).await.unwrap();
    assert_eq!(ask(&mut ws, ".GetClock", json!({})).await["code"], 200);
    let asked = tokio::time::Instant::now();
    let close = next(&mut ws).await.unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(250), "activity prolongs");
    assert!(format!("{close:?}").contains("4410"), "{close:?}");
}

#[tokio::test]
async fn answers_can_be_lost_late_wrong_and_strange() {
    let (sim, mut ws) = pair().await;
    sim.lose_acks(1).await;
    request(&mut ws, json!("lost"), ".GetClock", json!({})).await;
    assert_eq!(ask(&mut ws, ".GetClock", json!({})).await["reqId"], "q1", "only the second");
    let fail = json!({ "do": "fail_requests", "n": 1, "code": 401, "body": "token expired" });
    sim.control_json(fail).await.unwrap();
    let failed = ask(&mut ws, ".GetClock", json!({})).await;
    assert_eq!((&failed["code"], &failed["body"]), (&json!(401), &json!("token expired")));
    sim.control_json(json!({ "do": "unknown_ids" })).await.unwrap();
    assert_ne!(ask(&mut ws, ".GetClock", json!({})).await["reqId"], "q1");
    sim.set("extra_fields", true).await.unwrap();
    assert!(ask(&mut ws, ".GetClock", json!({})).await["x-unknown"].is_object());
    sim.set("answer_delay_ms", 200).await.unwrap();
    let asked = tokio::time::Instant::now();
    ask(&mut ws, ".GetClock", json!({})).await;
    assert!(asked.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn subscriptions_and_history_can_be_refused() {
    let (sim, mut ws) = pair().await;
    sim.refuse(Refusal::status("subscribe", 429)).await;
    let refused = ask(&mut ws, ".ams.aam.SubscribeExConversations", json!({})).await;
    assert_eq!(refused["code"], 429);
    sim.refuse(Refusal::hang("history")).await;
    request(&mut ws, json!("never"), ".ams.ms.QueryMessages", json!({})).await;
    assert_eq!(ask(&mut ws, ".GetClock", json!({})).await["reqId"], "q1");
}

#[tokio::test]
async fn scripted_frames_arrive_as_they_were_asked_for() {
    let (sim, mut ws) = pair().await;
    sim.send_text("not json").await;
    assert_eq!(next(&mut ws).await.unwrap(), Message::text("not json"));
    sim.send_binary(vec![0, 1]).await;
    assert_eq!(next(&mut ws).await.unwrap(), Message::binary(vec![0, 1]));
    sim.control_json(json!({ "do": "send_large", "bytes": 1_000_000 })).await.unwrap();
    let large: Value = next_json(&mut ws).await;
    assert_eq!(large["padding"].as_str().unwrap().len(), 1_000_000);
    sim.control_json(json!({ "do": "send_ping", "data": "hb" })).await.unwrap();
    assert_eq!(next(&mut ws).await.unwrap(), Message::Ping("hb".into()));
    ws.flush().await.unwrap();
    sim.send_raw(redial_testkit::servers::frame::encode(0x1, &[0xFF, 0xFE])).await;
    assert!(next(&mut ws).await.is_err(), "text that is not UTF-8");
    let pong = |record: &Value| record["frame"] == "pong" && record["dir"] == "client";
    sim.until(SOON, |_| sim.wire().iter().any(pong)).await.unwrap();
}
