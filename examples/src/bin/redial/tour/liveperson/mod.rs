//! The main job on LivePerson.

mod client;
mod outages;
mod scene;

use std::time::Duration;

use redial_core::TokenUse;
use redial_testkit::servers::Refusal;
use tokio::task::JoinSet;

use self::scene::{Scene, start};
use super::figures::Promise;
use super::measure::{CLOCK_MS, LATE_MS, list, near};
use super::{Outcome, Stage};

/// Starts every scene.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    start(stage, set, 0, "steady", |scene| Box::pin(steady(scene)));
    start(stage, set, 1, "cut", |scene| Box::pin(cut(scene)));
    start(stage, set, 2, "close 4401", |scene| Box::pin(close_4401(scene)));
    start(stage, set, 3, "revoked token", |scene| Box::pin(revoked(scene)));
    start(stage, set, 4, "half-open", |scene| Box::pin(half_open(scene)));
    start(stage, set, 5, "20 s outage", |scene| Box::pin(outage(scene)));
    start(stage, set, 6, "login 429", |scene| Box::pin(login_429(scene)));
}

/// Nothing goes wrong for a hundred seconds: the keepalive is due whatever else is sent.
async fn steady(scene: &mut Scene) -> Result<Vec<Promise>, String> {
    scene.online().await?;
    for _ in 0..20 {
        scene.requests(1).await;
        tokio::time::sleep(scene.stage.span(5_000)).await;
    }
    let state = scene.sim.state();
    let opened = state.upgrades.first().map_or(0, |upgrade| upgrade.t_ms);
    let clocks: Vec<u64> = state.requests_of("GetClock").map(|seen| seen.t_ms - opened).collect();
    let grid = scene.stage.span(30_000);
    let on_grid = clocks.iter().zip(1..).all(|(at, n)| near(*at, grid * n));
    let often = clocks.len() == 3;
    let seen = format!("at {} ms", list(&clocks));
    let one = state.upgrades_ok() == 1 && state.logins_ok() == 1;
    Ok(vec![
        Promise::new("getClock every 30 s, whatever else is sent", on_grid && often, seen),
        Promise::new("a healthy session is left alone", one, "one upgrade, one login"),
    ])
}

/// TCP ends without a close frame, with a request in flight.
async fn cut(scene: &mut Scene) -> Result<Vec<Promise>, String> {
    scene.online().await?;
    scene.requests(3).await;
    let lost = scene.lose_one().await?;
    scene.fault("the server cuts TCP");
    scene.sim.cut().await;
    let _ = lost.await;
    scene.back_online(1, 10_000).await?;
    scene.requests(2).await;
    Ok(vec![scene.delayed(), scene.same_token(), scene.subscribed_again(), scene.one_attempt()])
}

/// The server says that the token is dead.
async fn close_4401(scene: &mut Scene) -> Result<Vec<Promise>, String> {
    scene.online().await?;
    scene.requests(3).await;
    scene.fault("the server closes with 4401");
    scene.sim.close(4401, "token expired").await;
    scene.back_online(1, 10_000).await?;
    scene.requests(2).await;
    Ok(vec![scene.delayed(), scene.new_token(), scene.subscribed_again(), scene.one_attempt()])
}

/// The token is dead, and only the handshake says so: the close code is 1006.
async fn revoked(scene: &mut Scene) -> Result<Vec<Promise>, String> {
    scene.online().await?;
    scene.requests(2).await;
    scene.fault("the server revokes the token and cuts TCP");
    scene.sim.revoke_tokens().await;
    scene.sim.cut().await;
    scene.back_online(1, 20_000).await?;
    scene.requests(2).await;
    let state = scene.sim.state();
    let statuses: Vec<Option<u16>> = state.upgrades.iter().map(|upgrade| upgrade.status).collect();
    let refused_once = statuses == [Some(101), Some(401), Some(101)];
    let seen = format!("answers {}", list(&statuses));
    Ok(vec![
        Promise::new("a handshake 401 means a dead token", refused_once, seen),
        scene.delayed(),
        scene.new_token(),
        scene.subscribed_again(),
    ])
}

/// TCP stays up and nothing comes any more.
async fn half_open(scene: &mut Scene) -> Result<Vec<Promise>, String> {
    scene.online().await?;
    scene.requests(2).await;
    scene.fault("the server goes silent; TCP stays up");
    scene.sim.silent(true).await;
    let silenced = scene.stage.screen.t_ms();
    scene.until(40_000, "the dead peer to be noticed", |app| !app.online).await?;
    let noticed = scene.stage.screen.t_ms() - silenced;
    scene.sim.silent(false).await;
    scene.back_online(1, 10_000).await?;
    scene.requests(2).await;
    let latest = scene.stage.span(40_000).as_millis() + LATE_MS;
    let in_time = u128::from(noticed) <= latest;
    let seen = format!("after {noticed} ms");
    Ok(vec![
        Promise::new("a dead peer is noticed within 40 s", in_time, seen),
        scene.delayed(),
        scene.same_token(),
        scene.subscribed_again(),
    ])
}

/// Nobody is there for a while.
async fn outage(scene: &mut Scene) -> Result<Vec<Promise>, String> {
    scene.online().await?;
    scene.requests(2).await;
    scene.fault("the server is gone for 20 s");
    scene.sim.down(scene.stage.span(20_000) + Duration::from_millis(50)).await;
    scene.back_online(1, 40_000).await?;
    scene.requests(2).await;
    let counts = scene.app.counts();
    let wait = scene.stage.span(10_000);
    let waits: Vec<u64> = counts.attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let kept = counts.retries.iter().all(|token| *token == TokenUse::Keep);
    let patient = kept && waits.iter().all(|waited| near(*waited, wait));
    let seen = format!("after {} ms", list(&waits));
    let enough = (2..=4).contains(&waits.len());
    Ok(vec![
        Promise::new("it tries every 10 s for as long as it takes", patient && enough, seen),
        scene.same_token(),
        scene.subscribed_again(),
    ])
}

/// Too many logins: the server says when to come back.
async fn login_429(scene: &mut Scene) -> Result<Vec<Promise>, String> {
    scene.online().await?;
    scene.requests(2).await;
    let asked = Duration::from_secs(3).max(scene.stage.span(10_000) * 2);
    scene
        .fault(&format!("4401, and the next login gets 429 with Retry-After: {}", asked.as_secs()));
    let refusal = Refusal::status("login", 429).retry_after(&asked.as_secs().to_string());
    scene.sim.refuse(refusal).await;
    scene.sim.close(4401, "").await;
    let patience = asked + scene.stage.patience(20_000);
    scene
        .app
        .until(patience, "the session to come back", |app| app.figures.recoveries == 1)
        .await?;
    scene.requests(2).await;
    let logins = scene.sim.state().logins;
    let refused = logins.iter().position(|login| login.status == Some(429));
    let waited = refused.and_then(|at| Some(logins.get(at + 1)?.t_ms - logins.get(at)?.t_ms));
    let respected = waited.is_some_and(|ms| u128::from(ms) + CLOCK_MS >= asked.as_millis());
    let waited = waited.map_or("never".into(), |ms| ms.to_string());
    let seen = format!("{waited} ms for {} ms", asked.as_millis());
    Ok(vec![
        Promise::new("a Retry-After is waited for", respected, seen),
        scene.new_token(),
        scene.subscribed_again(),
    ])
}
