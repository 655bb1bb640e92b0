//! Sessions through a proxy that breaks connections: the half-open socket, the frame in pieces and
//! the upgrade that drips are real.

use std::time::{Duration, Instant};

use redial_core::{Cause, Item, Notice, Speed, Wait};
use redial_liveperson::{LivePerson, Message, Request};
use redial_testkit::proxy::{Act, FaultProxy, On, Rule, Toward};
use redial_testkit::servers::liveperson::LivePersonSim;
use redial_tungstenite::Client;
use serde_json::json;

use super::support::{SOON, adapter, client, notice, offline, online, rest, seen, until};

#[tokio::test]
async fn a_connection_that_is_half_open_is_noticed() {
    // The peer's kernel takes what is sent, or it does not: both are silence.
    for stall in [false, true] {
        let (sim, proxy, mut client) = session(&[]).await;
        online(&mut client).await;
        proxy.act(&Act::Blackhole { toward: None, stall });
        assert_eq!(offline(&mut client).await, Cause::Timeout(Wait::Pong));
        online(&mut client).await;
        // The server knows nothing of it: its old socket is still there.
        let state = seen(&sim, |state| state.live_sockets == 2).await;
        assert_eq!((state.upgrades_ok(), state.logins.len()), (2, 1));
    }
}

#[tokio::test]
async fn one_direction_that_is_dropped_is_noticed_whichever_it_is() {
    for toward in [Toward::Server, Toward::Client] {
        let (sim, proxy, mut client) = session(&[]).await;
        online(&mut client).await;
        proxy.act(&Act::Blackhole { toward: Some(toward), stall: false });
        let talk = async {
            // What still comes is no proof that anything goes.
            let mut beat = tokio::time::interval(Duration::from_millis(100));
            loop {
                beat.tick().await;
                sim.notify(1, json!({})).await;
            }
        };
        let cause = tokio::select! {
            cause = offline(&mut client) => cause,
            () = talk => unreachable!(),
        };
        assert_eq!(cause, Cause::Timeout(Wait::Pong), "{toward:?}");
        online(&mut client).await;
        assert_eq!(sim.state().logins.len(), 1);
    }
}

#[tokio::test]
async fn frames_that_arrive_in_small_pieces_arrive_whole() {
    let (sim, proxy) = between(&[]).await;
    // In real time: a response may take 10 s.
    let real = adapter(&sim).speed(Speed::REAL);
    let (handle, mut updates) = client(&sim, real).build().unwrap().spawn();
    online(&mut updates).await;
    assert!(proxy.act(&Act::Throttle { toward: None, bytes_per_s: 40_000 }) > 0);
    let text = "x".repeat(20_000);
    sim.notify(1, json!({ "text": text })).await;
    let began = Instant::now();
    let body = until(&mut updates, |item| match item {
        Item::Message(Message::Notification(notification)) => {
            Some(notification.body().as_str().to_owned())
        }
        _ => None,
    })
    .await;
    assert!(body.contains(&text));
    assert!(began.elapsed() > Duration::from_millis(200), "{:?}", began.elapsed());
    let response = handle.request(Request::publish_text("d1", &text)).await.unwrap();
    assert!(response.is_success(), "{response:?}");
    let state = sim.state();
    assert_eq!((state.messages.len(), state.bad_frames, state.upgrades.len()), (1, 0, 1));
    handle.shutdown().await;
    rest(&mut updates).await;
}

#[tokio::test]
async fn a_frame_that_is_cut_in_its_middle_is_a_loss_and_no_message() {
    let on = On::Frame { toward: Toward::Client, at: 1_000 };
    let cut = Rule::new(on, Act::Cut { rst: false }).every().times(1);
    let (sim, proxy, mut client) = session(&[cut]).await;
    online(&mut client).await;
    sim.notify(1, json!({ "text": "x".repeat(4_000) })).await;
    let cause = until(&mut client, |item| match item {
        Item::Message(message) => panic!("half a message: {message:?}"),
        Item::Notice(Notice::Offline { cause, .. }) => Some(*cause),
        _ => None,
    })
    .await;
    assert_eq!(cause, Cause::Network);
    online(&mut client).await;
    assert_eq!((proxy.state().hits, sim.state().logins.len()), (1, 1));
}

#[tokio::test]
async fn an_upgrade_that_drips_is_given_up_in_time_and_made_again() {
    let throttle = Act::Throttle { toward: None, bytes_per_s: 50 };
    let (sim, proxy, mut client) = session(&[Rule::on_http(None, SOCKET, throttle)]).await;
    let cause = retry(&mut client).await;
    assert_eq!(cause, Cause::Timeout(Wait::Connect));
    online(&mut client).await;
    assert_eq!((proxy.state().hits, sim.state().logins.len()), (1, 1));
}

#[tokio::test]
async fn an_upgrade_that_is_only_slow_comes_through() {
    let throttle = Act::Throttle { toward: Some(Toward::Client), bytes_per_s: 400 };
    let (sim, proxy, mut client) = session(&[Rule::on_http(None, SOCKET, throttle)]).await;
    online(&mut client).await;
    assert_eq!((proxy.state().hits, sim.state().upgrades.len()), (1, 1));
}

#[tokio::test]
async fn a_close_frame_on_the_way_counts_as_the_servers() {
    let close = Rule::on_http(None, SOCKET, Act::Close { code: 4401 });
    let (sim, proxy, mut client) = session(&[close]).await;
    online(&mut client).await;
    assert_eq!(offline(&mut client).await, Cause::Close(4401));
    online(&mut client).await;
    let state = sim.state();
    assert_eq!((proxy.state().hits, state.logins.len(), state.upgrades.len()), (1, 2, 2));
}

#[tokio::test]
async fn a_connection_that_is_refused_is_tried_again_until_it_is_not() {
    let refuse = Rule::on_http(None, SOCKET, Act::Refuse).times(3);
    let (sim, proxy, mut client) = session(&[refuse]).await;
    for attempt in 1..=3 {
        let retry = notice(&mut client, |notice| match notice {
            Notice::RetryScheduled { cause, attempt, .. } => Some((*cause, *attempt)),
            _ => None,
        });
        assert_eq!(retry.await, (Cause::Network, attempt));
    }
    online(&mut client).await;
    // No refused upgrade has reached the server, and none has cost a login.
    let state = sim.state();
    assert_eq!((proxy.state().hits, state.upgrades.len(), state.logins.len()), (3, 1, 1));
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_tried_until_somebody_does() {
    let (sim, proxy, mut client) = session(&[]).await;
    online(&mut client).await;
    proxy.down(SOON).await;
    assert_eq!(offline(&mut client).await, Cause::Network);
    assert_eq!(retry(&mut client).await, Cause::Network);
    assert_eq!(retry(&mut client).await, Cause::Network);
    proxy.up().await;
    online(&mut client).await;
    assert_eq!(sim.state().logins.len(), 1);
}

/// Makes a client whose every connection goes through a proxy with these rules.
async fn session(rules: &[Rule]) -> (LivePersonSim, FaultProxy, Client<LivePerson>) {
    let (sim, proxy) = between(rules).await;
    let client = client(&sim, adapter(&sim)).build().unwrap();
    (sim, proxy, client)
}

/// Puts a proxy between a simulator and its clients.
async fn between(rules: &[Rule]) -> (LivePersonSim, FaultProxy) {
    let proxy = FaultProxy::builder().start().await.unwrap();
    let through = proxy.addr().to_string();
    let sim = LivePersonSim::builder().with(|options| options.advertise = Some(through));
    let sim = sim.start().await.unwrap();
    proxy.aim(sim.addr());
    for rule in rules {
        proxy.rule(rule.clone()).unwrap();
    }
    (sim, proxy)
}

async fn retry(client: &mut Client<LivePerson>) -> Cause {
    notice(client, |notice| match notice {
        Notice::RetryScheduled { cause, .. } => Some(*cause),
        _ => None,
    })
    .await
}

/// What the path of every upgrade begins with.
const SOCKET: &str = "/ws_api/";
