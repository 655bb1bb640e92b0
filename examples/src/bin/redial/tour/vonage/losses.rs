//! Connections are lost, and what was under way on them.

use std::time::Duration;

use redial_testkit::servers::Refusal;
use redial_testkit::servers::vonage::{Outcome as Attached, ResumeAnswer, Settings};
use redial_vonage::{Generation, RECONNECTION_FAILED};
use serde_json::json;
use tokio::task::JoinSet;

use super::client::{ANOTHER, EVENT, Tokens};
use super::scene::{Opening, Play, Playing, Scene, start};
use crate::cli::Sabotage;
use crate::tour::figures::Promise;
use crate::tour::measure::{LATE_MS, list};
use crate::tour::{Outcome, Stage};

/// Starts the scenes.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    type Change = fn(&mut Settings, &Stage);
    type Played = for<'a> fn(&'a mut Scene) -> Playing<'a>;
    let none: Change = |_, _| {};
    let other: Change = |settings, _| settings.resume_answer = ResumeAnswer::OtherId;
    let all: [(&'static str, Generation, Change, Played); 6] = [
        ("v1 cut", Generation::V1, none, |scene| Box::pin(cut(scene))),
        ("v2 cut", Generation::V2, none, |scene| Box::pin(cut(scene))),
        ("v2 gives up", Generation::V2, none, |scene| Box::pin(gives_up(scene))),
        ("v2 lost acks", Generation::V2, none, |scene| Box::pin(lost_acks(scene))),
        ("v1 silent", Generation::V1, listen, |scene| Box::pin(half_open(scene))),
        ("v2 other id", Generation::V2, other, |scene| Box::pin(another(scene))),
    ];
    for (order, (name, generation, change, play)) in (200..).zip(all) {
        let tokens = Tokens { source: false, life: None };
        start(stage, set, (order, name), Opening { generation, tokens, change }, play);
    }
}

/// The server announces its heartbeat. A client that is to be deaf hears of one that is never due.
fn listen(settings: &mut Settings, stage: &Stage) {
    let deaf = stage.sabotage == Some(Sabotage::NoPing);
    settings.ping_interval = if deaf { Duration::from_secs(24 * 3600) } else { HEARTBEAT };
    settings.ping_timeout = HEARTBEAT;
}

/// TCP ends with a request in flight, and the server has events meanwhile.
async fn cut(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(3).await;
    scene.settled(1_000).await?;
    scene.sim.lose_acks(1).await;
    scene.send(1).await;
    scene.seen("the request", |state| state.messages.len() == 4).await?;
    scene.fault("the server cuts TCP with a request in flight, and has events meanwhile");
    scene.sim.cut().await;
    scene.seen("the loss", |state| state.live_sockets == 0).await?;
    scene.sim.notify(2, json!({ "event": "text", "cid": "CON-tour" })).await;
    scene.back_online(20_000).await?;
    scene.send(2).await;
    scene.settled(10_000).await?;
    let heard = scene.app.counts().heard;
    let events: Vec<&String> = heard.iter().filter(|heard| heard.starts_with(EVENT)).collect();
    let missed = events == ["event 1", "event 2"];
    let mut promises = scene.delivered(1);
    promises.extend([
        scene.called_back(&[
            "ready",
            "disconnect CONNECTION_FAILED",
            "reconnecting 1",
            "reconnect",
        ]),
        scene.attempts("the first attempt after 1 s", &[1_000]),
        scene.sessions("the same session", &[Attached::Fresh, Attached::Resumed]),
        Promise::new("what was missed comes, once each", missed, list(&events)),
    ]);
    Ok(promises)
}

/// Five attempts fail; then nothing happens until the application connects.
async fn gives_up(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.fault("the server takes no sockets any more");
    scene.sim.refuse(Refusal::reset("upgrade").times(5)).await;
    scene.sim.cut().await;
    scene.hear(RECONNECTION_FAILED).await?;
    let suspended = scene.app.counts().suspended;
    let waits =
        scene.attempts("attempts after 1, 2, 4, 8 and 16 s", &[1_000, 2_000, 4_000, 8_000, 16_000]);
    let dials = scene.sim.state().upgrades.len();
    let told = scene.stage.screen.t_ms();
    scene.app.handle.connect().await;
    scene.back_online(10_000).await?;
    let took = scene.app.counts().attempts.last().map_or(0, |at| at.saturating_sub(told));
    scene.send(2).await;
    scene.settled(1_000).await?;
    let all = scene.sim.state().upgrades.len();
    let mut promises = scene.delivered(0);
    promises.extend([
        waits,
        Promise::new(
            "then it waits to be told, and says so",
            suspended && dials == 6 && all == 7,
            format!("{dials} dials, then {}", all - dials),
        ),
        Promise::new("told to connect, it does so at once", within(took), format!("{took} ms")),
        scene.called_back(&[
            "ready",
            "disconnect CONNECTION_FAILED",
            "reconnecting 1",
            "reconnecting 2",
            "reconnecting 3",
            "reconnecting 4",
            "reconnecting 5",
            RECONNECTION_FAILED,
            "ready",
        ]),
        scene.sessions("within 5 minutes the same session", &[Attached::Fresh, Attached::Resumed]),
    ]);
    Ok(promises)
}

/// The connection lives; two replies do not come.
async fn lost_acks(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.fault("the server keeps two replies back");
    scene.sim.lose_acks(2).await;
    scene.send(6).await;
    scene.settled(60_000).await?;
    let mut promises = scene.delivered(2);
    promises.push(scene.sessions("a living session is left alone", &[Attached::Fresh]));
    Ok(promises)
}

/// TCP stays up and nothing comes any more.
async fn half_open(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.fault("the server goes silent; TCP stays up");
    scene.sim.silent(true).await;
    let silenced = scene.stage.screen.t_ms();
    scene.until(1_000, "the dead peer to be noticed", |app| !app.online).await?;
    let noticed = scene.stage.screen.t_ms() - silenced;
    scene.sim.silent(false).await;
    scene.back_online(10_000).await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    let latest = (HEARTBEAT * 2).as_millis() + LATE_MS;
    let in_time = u128::from(noticed) <= latest;
    let seen = format!("after {noticed} ms");
    let mut promises = scene.delivered(0);
    promises.extend([
        Promise::new("a missing heartbeat is noticed", in_time, seen),
        scene.attempts("the first attempt after 1 s", &[1_000]),
        scene.sessions("the same session", &[Attached::Fresh, Attached::Resumed]),
    ]);
    Ok(promises)
}

/// The server answers with another session, although the one before was there.
async fn another(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(1).await;
    scene.settled(1_000).await?;
    scene.fault("a cut, and the server answers with another session");
    scene.sim.cut().await;
    scene.back_online(20_000).await?;
    scene.hear(ANOTHER).await?;
    scene.send(1).await;
    scene.settled(1_000).await?;
    let mut promises = scene.delivered(0);
    let sessions = [Attached::Fresh, Attached::Replaced];
    promises.push(scene.sessions("another session is told as another", &sessions));
    Ok(promises)
}

fn within(ms: u64) -> bool {
    u128::from(ms) <= LATE_MS
}

/// The heartbeat's interval, and the time for it to come: the server's own spans.
const HEARTBEAT: Duration = Duration::from_millis(400);
