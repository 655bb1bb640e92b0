//! Peers that break the rules.

use bytes::Bytes;
use redial_core::{Cause, Fault, Item, Notice};
use redial_liveperson::Request;
use redial_testkit::servers::liveperson::LivePersonSim;
use redial_testkit::servers::{Command, Refusal};
use redial_tungstenite::{Client, Connector};
use serde_json::json;

use super::support::{
    Out, adapter, client, closes, http, notice, offline, online, plain, tls, until,
};

async fn problem(items: &mut (impl futures_core::Stream<Item = Out> + Unpin)) -> Fault {
    until(items, |item| match item {
        Item::Problem(problem) => Some(problem.fault),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn frames_that_make_no_sense_are_reported_and_the_session_goes_on() {
    for tls in [false, true] {
        let sim = LivePersonSim::builder().tls(tls).start().await.unwrap();
        let (handle, mut updates) = client(&sim, adapter(&sim)).build().unwrap().spawn();
        online(&mut updates).await;
        for text in ["", "{", "null", "[]", "{\"kind\":7}", &"[".repeat(100_000)] {
            sim.send_text(text).await;
            assert_eq!(problem(&mut updates).await, Fault::Vendor, "{text:.20}");
        }
        sim.send_binary(&[0, 159, 146, 150][..]).await;
        assert_eq!(problem(&mut updates).await, Fault::Vendor);
        // Pings of any content, fragments and empty frames are all right.
        sim.control(Command::SendPing(Bytes::from_static(&[255; 125]))).await.unwrap();
        assert!(handle.request(Request::get_user_profile("me")).await.unwrap().is_success());
        assert_eq!(sim.state().upgrades.len(), 1);
        handle.shutdown().await;
    }
}

#[tokio::test]
async fn peers_that_break_the_protocol_are_told_and_left() {
    let cases: [(&[u8], u16); 9] = [
        (&[0x81, 2, 0xff, 0xfe], 1007),
        (&[0x81, 4, b'{', 0xed, 0xa0, 0x80], 1007),
        (&[0xf1, 0], 1002),
        (&[0x83, 0], 1002),
        (&[0x80, 1, b'x'], 1002),
        (&[0x81, 0x80, 1, 2, 3, 4], 1002),
        (&[0x09, 0], 1002),
        (&[0x89, 126, 0, 126], 1002),
        (&[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0], 1009),
    ];
    for tls in [false, true] {
        let sim = LivePersonSim::builder().tls(tls).start().await.unwrap();
        let mut client = client(&sim, adapter(&sim)).build().unwrap();
        for (bytes, code) in cases {
            online(&mut client).await;
            sim.send_raw(bytes).await;
            assert_eq!(problem(&mut client).await, Fault::Vendor, "{bytes:x?}");
            assert_eq!(offline(&mut client).await, Cause::Close(code), "{bytes:x?}");
        }
        online(&mut client).await;
        let expected: Vec<_> = cases.iter().map(|(_, code)| u64::from(*code)).collect();
        assert_eq!(closes(&sim, cases.len()).await, expected);
        assert_eq!(sim.state().logins.len(), 1);
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let sim = plain().await;
    let connector = Connector::builder().tls(tls(&sim)).message_limit(65_536).frame_limit(65_536);
    let builder = Client::builder(adapter(&sim).build().unwrap()).http(http(&sim));
    let mut client = builder.connector(connector.build().unwrap()).build().unwrap();
    online(&mut client).await;
    sim.control(Command::SendLarge(65_000)).await.unwrap();
    assert_eq!(problem(&mut client).await, Fault::Vendor);
    sim.control(Command::SendLarge(70_000)).await.unwrap();
    assert_eq!(problem(&mut client).await, Fault::Vendor);
    assert_eq!(offline(&mut client).await, Cause::Close(1009));
    online(&mut client).await;
    assert_eq!(closes(&sim, 1).await, [1009]);
}

#[tokio::test]
async fn hostile_answers_over_http_are_failures_like_others() {
    let sim = plain().await;
    let with = |step: &str, status: Option<u16>, body: Option<serde_json::Value>, bytes| {
        let mut refusal = Refusal::status(step, 200);
        (refusal.status, refusal.body, refusal.body_bytes) = (status, body, bytes);
        refusal
    };
    let cases = [
        with("csds", Some(200), Some(json!("garbage")), None),
        with("csds", Some(200), Some(json!({ "baseURIs": [{ "service": 1 }] })), None),
        with("csds", Some(200), None, Some(40_000_000)),
        with("csds", Some(500), None, Some(1_000_000)),
        with("login", Some(200), Some(json!({ "bearer": { "a": [] } })), None),
        with("login", Some(200), Some(json!("a".repeat(100_000))), None),
        with("login", Some(302), None, None),
        with("login", None, None, None),
        Refusal::omit("login", "bearer"),
        Refusal::omit("login", "userId"),
        with("upgrade", Some(200), None, Some(1_000_000)),
        with("upgrade", Some(502), None, None),
        with("upgrade", None, None, None),
    ];
    for case in cases {
        let what = format!("{case:?}");
        sim.refuse(case).await;
        let mut client = client(&sim, adapter(&sim)).build().unwrap();
        notice(&mut client, |notice| matches!(notice, Notice::RetryScheduled { .. }).then_some(()))
            .await;
        let back = async { online(&mut client).await };
        tokio::time::timeout(super::support::SOON, back).await.expect(&what);
    }
}
