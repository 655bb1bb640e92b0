//! The main job on RingCentral.

mod client;
mod outages;
mod scene;

use std::time::Duration;

use redial_testkit::servers::Refusal;
use redial_testkit::servers::ringcentral::{RecoveryAnswer, Settings, Timeout};
use serde_json::json;
use tokio::task::JoinSet;

use self::client::{CERTAIN, ERROR, FAILED, POSSIBLE, RECOVERED, SUBSCRIBED};
use self::scene::{Play, Playing, Scene, count, start, words};
use super::figures::Promise;
use super::measure::{CLOCK_MS, LATE_MS};
use super::{Outcome, Stage};

/// Starts every scene.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    type Change = fn(&mut Settings);
    type Played = for<'a> fn(&'a mut Scene) -> Playing<'a>;
    let all: [(&'static str, Change, Played); 8] = [
        (
            "rc 130 missed",
            |settings| settings.recovery_buffer = 200,
            |scene| Box::pin(missed(scene)),
        ),
        (
            "rc full buffer",
            |settings| settings.recovery_buffer = 100,
            |scene| Box::pin(full(scene)),
        ),
        ("rc refused", |_| {}, |scene| Box::pin(refused(scene))),
        (
            "rc outage",
            |settings| settings.recovery_timeout = WINDOW,
            |scene| Box::pin(outage(scene)),
        ),
        ("rc wstoken 429", |_| {}, |scene| Box::pin(limited(scene))),
        ("rc dead tokens", |_| {}, |scene| Box::pin(dead(scene))),
        ("rc silent", |settings| settings.idle_timeout = IDLE, |scene| Box::pin(half_open(scene))),
        ("rc WSG-903", |_| {}, |scene| Box::pin(absolute(scene))),
    ];
    for (order, (name, change, play)) in (200..).zip(all) {
        start(stage, set, (order, name), change, play);
    }
}

/// TCP ends with a request in flight, and 130 notifications come up meanwhile.
async fn missed(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.sim.notify(5, json!({})).await;
    scene.requests(2).await;
    let lost = scene.lose_one().await?;
    scene.fault("the server cuts TCP with a request in flight, and 130 notifications come up");
    scene.sim.cut().await;
    scene.sim.notify(130, json!({})).await;
    let _ = lost.await;
    scene.sim.set("answer_delay_ms", 0).await?;
    scene.told(RECOVERED, 1, 10_000).await?;
    scene.notified(135).await?;
    scene.requests(2).await;
    let state = scene.sim.state();
    let carried = state.messages.len();
    Ok(vec![
        scene.all_heard(135),
        scene.story("the same subscription goes on", &[SUBSCRIBED, RECOVERED]),
        scene.outcomes("one loss leads to one recovery", &["fresh", "resumed"]),
        Promise::new(
            "what was in flight is not sent again",
            carried == 5,
            format!("{carried} carried out"),
        ),
        scene.paced(),
        scene.single_use(),
    ])
}

/// More comes up than the server keeps.
async fn full(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.fault("a cut, and 130 notifications come up; the server keeps 100");
    // Nobody is back before all of them are there.
    scene.sim.refuse(Refusal::status("upgrade", 503).times(1)).await;
    scene.sim.cut().await;
    scene.sim.notify(130, json!({})).await;
    scene.told(POSSIBLE, 1, 20_000).await?;
    scene.notified(100).await?;
    let dropped = scene.sim.state().dropped_count();
    let tokens = scene.sim.state().ws_tokens_ok();
    Ok(vec![
        scene.all_heard(130),
        scene.story("a full buffer is a possible gap", &[SUBSCRIBED, ERROR, RECOVERED, POSSIBLE]),
        Promise::new("the server dropped the oldest", dropped == 30, format!("{dropped} dropped")),
        Promise::new(
            "a wstoken that opened nothing is kept",
            tokens == 2,
            format!("{tokens} wstokens"),
        ),
        scene.paced(),
    ])
}

/// The server has forgotten the session, and later it has not.
async fn refused(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.fault("a cut; the server refuses to recover the session");
    let answer = RecoveryAnswer::Failed { code: "WSG-1003".to_owned() };
    scene.sim.answer_recovery(answer, Some(1));
    scene.sim.cut().await;
    scene.told(CERTAIN, 1, 10_000).await?;
    scene.fault("another cut; the server remembers the new session");
    scene.sim.cut().await;
    scene.sim.notify(3, json!({})).await;
    scene.told(RECOVERED, 1, 10_000).await?;
    scene.notified(3).await?;
    scene.requests(2).await;
    let made = scene.sim.state().subscriptions_made;
    Ok(vec![
        scene.story(
            "autoRecoverFailed comes after subscribing",
            &[SUBSCRIBED, SUBSCRIBED, FAILED, CERTAIN, RECOVERED],
        ),
        Promise::new(
            "one new subscription, on the same connection",
            made == 2,
            format!("{made} made"),
        ),
        scene.outcomes(
            "the new session is the one that is recovered",
            &["fresh", "failed", "resumed"],
        ),
        scene.all_heard(3),
        scene.paced(),
        scene.single_use(),
    ])
}

/// Nobody is there for longer than a session can be recovered.
async fn outage(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.requests(2).await;
    scene.fault("the server is gone for 2.5 s; a session can be recovered for 1 s");
    scene.sim.down(OUTAGE).await;
    scene.told(CERTAIN, 1, 60_000).await?;
    scene.sim.notify(2, json!({})).await;
    scene.notified(2).await?;
    let (state, heard) = (scene.sim.state(), scene.app.counts().heard);
    let errors = count(&heard, ERROR);
    let most = most_attempts(&scene.stage);
    let tried = format!("{errors} told, {most} allowed");
    let given_up = state.upgrades.last().is_some_and(|last| last.wsc.is_none());
    let told: Vec<&str> = heard
        .iter()
        .map(String::as_str)
        .filter(|text| text.starts_with('(') && *text != ERROR)
        .collect();
    let in_order = told == [SUBSCRIBED, SUBSCRIBED, FAILED, CERTAIN];
    Ok(vec![
        Promise::new("each failed attempt is told, and more follow", errors >= 1, tried.clone()),
        Promise::new("no more attempts than waits of 0.5, 4, 6, 8 s", errors <= most, tried),
        Promise::new("the client gives the session up in time", given_up, "no wsc is presented"),
        Promise::new("autoRecoverFailed and a certain gap end it", in_order, words(&told)),
        scene.outcomes("one connection comes of it", &["fresh", "fresh"]),
        scene.all_heard(2),
    ])
}

/// Too many wstokens: the server says when to come back.
async fn limited(scene: &mut Scene) -> Play {
    scene.online().await?;
    let asked = Duration::from_secs(3);
    scene.fault("a cut, and the next wstoken gets 429 with Retry-After: 3");
    scene.sim.refuse(Refusal::status("wstoken", 429).times(1).retry_after("3")).await;
    scene.sim.cut().await;
    scene.sim.notify(2, json!({})).await;
    // Whoever asks for it, nothing gets around the group.
    scene.told(ERROR, 1, 10_000).await?;
    scene.app.handle.recover().await;
    let within = asked + scene.stage.patience(20_000);
    let back = |app: &crate::tour::app::Counts| count(&app.heard, RECOVERED) == 1;
    scene.app.until(within, "the session to come back", back).await?;
    scene.notified(2).await?;
    let calls = scene.sim.state().ws_token_calls;
    let refused = calls.iter().position(|call| call.status == Some(429));
    let waited = refused.and_then(|at| Some(calls.get(at + 1)?.t_ms - calls.get(at)?.t_ms));
    let respected = waited.is_some_and(|ms| u128::from(ms) + CLOCK_MS >= asked.as_millis());
    let waited = waited.map_or("never".into(), |ms| ms.to_string());
    Ok(vec![
        Promise::new("a Retry-After is waited for", respected, format!("{waited} ms for 3000 ms")),
        scene.story("a 429 does not end the recovery", &[SUBSCRIBED, ERROR, RECOVERED]),
        scene.all_heard(2),
        scene.paced(),
    ])
}

/// The access token is dead, and then a wstoken is.
async fn dead(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.fault("the server revokes the tokens and cuts TCP");
    scene.sim.revoke_tokens().await;
    scene.sim.cut().await;
    scene.told(RECOVERED, 1, 10_000).await?;
    scene.fault("a cut, and the server refuses the next wstoken at the handshake");
    scene.sim.refuse(Refusal::status("upgrade", 401).times(1)).await;
    scene.sim.cut().await;
    scene.told(RECOVERED, 2, 20_000).await?;
    scene.requests(2).await;
    let state = scene.sim.state();
    let statuses: Vec<Option<u16>> = state.ws_token_calls.iter().map(|call| call.status).collect();
    let once = statuses.get(..3) == Some(&[Some(200), Some(401), Some(200)]);
    let (logins, refreshes) = (state.logins_ok(), state.refreshes_ok());
    let seen = format!("{logins} login, {refreshes} refresh");
    Ok(vec![
        Promise::new(
            "a refused access token is renewed once",
            once && (logins, refreshes) == (1, 1),
            seen,
        ),
        scene.single_use(),
        scene.outcomes("the session outlives its tokens", &["fresh", "resumed", "resumed"]),
        scene.paced(),
    ])
}

/// TCP stays up and nothing comes any more.
async fn half_open(scene: &mut Scene) -> Play {
    scene.online().await?;
    // Longer than the server would wait for a sign of life.
    tokio::time::sleep(IDLE + IDLE / 4).await;
    let (heartbeats, idle) = (scene.sim.state().heartbeats, scene.sim.state().idle_timeouts);
    scene.fault("the server goes silent; TCP stays up");
    scene.sim.silent(true).await;
    let silenced = scene.stage.screen.t_ms();
    scene.until(80_000, "the dead peer to be noticed", |app| !app.online).await?;
    let noticed = scene.stage.screen.t_ms() - silenced;
    scene.sim.silent(false).await;
    scene.told(RECOVERED, 1, 20_000).await?;
    // A heartbeat is due in each half of the idle timeout, and its answer no later than the next.
    let in_time = u128::from(noticed) <= IDLE.as_millis() + LATE_MS;
    let sockets = scene.sim.state().live_sockets;
    Ok(vec![
        Promise::new(
            "heartbeats keep an idle session",
            heartbeats >= 2 && idle == 0,
            format!("{heartbeats} heartbeats"),
        ),
        Promise::new(
            "a dead peer is noticed within idleTimeout",
            in_time,
            format!("after {noticed} ms"),
        ),
        Promise::new("no socket is left behind", sockets == 1, format!("{sockets} open")),
        scene.outcomes("and the session is recovered", &["fresh", "resumed"]),
    ])
}

/// The connection is as old as it may be.
async fn absolute(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.sim.notify(1, json!({})).await;
    scene.notified(1).await?;
    scene.fault("the server ends the connection by WSG-903");
    scene.sim.time_out(Timeout::Absolute).await;
    scene.sim.notify(2, json!({})).await;
    scene.told(RECOVERED, 1, 10_000).await?;
    scene.notified(3).await?;
    Ok(vec![
        scene.story("the end of a connection's time is no failure", &[SUBSCRIBED, RECOVERED]),
        scene.all_heard(3),
        scene.single_use(),
    ])
}

/// Returns how many attempts fit into the outage when none of them comes too soon.
fn most_attempts(stage: &Stage) -> usize {
    let waits = [500, 4_000, 6_000].into_iter().chain(std::iter::repeat(8_000));
    let mut at = Duration::ZERO;
    let attempts = waits.take_while(|wait| {
        at += stage.span(*wait);
        at <= OUTAGE + Duration::from_millis(500)
    });
    attempts.count()
}

/// How long a lost session can be recovered in the outage: the server's own span.
const WINDOW: Duration = Duration::from_secs(1);
const OUTAGE: Duration = Duration::from_millis(2_500);
/// After what silence of the client the server ends a connection: its own span.
const IDLE: Duration = Duration::from_secs(4);
