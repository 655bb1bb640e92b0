//! Tokens expire, and are replaced on sessions that live.

use std::time::Duration;

use redial_testkit::servers::vonage::Outcome as Attached;
use redial_vonage::Generation;
use tokio::task::JoinSet;

use super::client::{TOKEN_NEEDED, Tokens, token};
use super::scene::{Opening, Play, Playing, Scene, start};
use crate::tour::figures::Promise;
use crate::tour::measure::list;
use crate::tour::{Outcome, Stage};

/// Starts the scenes.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    type Played = for<'a> fn(&'a mut Scene) -> Playing<'a>;
    let asks = Tokens { source: false, life: None };
    let source = Tokens { source: true, life: None };
    let short = Tokens { source: true, life: Some(LIFE) };
    let all: [(&'static str, Generation, Tokens, Played); 5] = [
        ("v1 expired", Generation::V1, asks, |scene| Box::pin(expired(scene))),
        ("v2 expired", Generation::V2, source, |scene| Box::pin(replaced(scene))),
        ("v1 new token", Generation::V1, asks, |scene| Box::pin(told(scene))),
        ("v2 new token", Generation::V2, asks, |scene| Box::pin(told(scene))),
        ("v2 renewal", Generation::V2, short, |scene| Box::pin(renewed(scene))),
    ];
    for (order, (name, generation, tokens, play)) in (220..).zip(all) {
        let opening = Opening { generation, tokens, change: |_, _| {} };
        start(stage, set, (order, name), opening, play);
    }
}

/// The token expires, and the application is asked for another one.
async fn expired(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.fault("the token expires");
    scene.sim.expire_tokens().await;
    scene.hear(TOKEN_NEEDED).await?;
    let before = scene.sim.state().upgrades.len();
    scene.app.handle.update_token(token(2, None)).await;
    scene.back_online(10_000).await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    let mut promises = scene.delivered(0);
    promises.extend([
        Promise::new("no attempt with a dead token", before == 1, format!("{before} dial(s)")),
        scene.called_back(&["ready", "disconnect TOKEN_EXPIRED", "ready"]),
        scene.sessions(SAME, &[Attached::Fresh, Attached::Resumed]),
    ]);
    Ok(promises)
}

/// The token expires, and the token source has another one.
async fn replaced(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.fault("the token expires; there is a source of tokens");
    scene.sim.expire_tokens().await;
    scene.back_online(10_000).await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    let asked = scene.asked();
    let seen = format!("{asked} time(s)");
    let mut promises = scene.delivered(0);
    promises.extend([
        Promise::new("one new token is asked for", asked == 1, seen),
        scene.called_back(&["ready", "disconnect TOKEN_EXPIRED", "reconnecting 1", "reconnect"]),
        scene.sessions(SAME, &[Attached::Fresh, Attached::Resumed]),
    ]);
    Ok(promises)
}

/// The application has a new token while the session lives; then TCP ends.
async fn told(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.app.handle.update_token(token(2, None)).await;
    scene.seen("the new token", |state| state.refreshed() == 1).await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    let state = scene.sim.state();
    let alive = state.attaches.len() == 1 && state.live_sockets == 1;
    let told: Vec<String> = state.refreshes.iter().map(|call| call.token.clone()).collect();
    scene.fault("the session has a new token, and the server cuts TCP");
    scene.sim.cut().await;
    scene.back_online(20_000).await?;
    scene.send(1).await;
    scene.settled(1_000).await?;
    let presented = scene.presented();
    let new = presented.last() == told.last() && presented.len() == 2;
    let mut promises = scene.delivered(0);
    promises.extend([
        Promise::new("a living session takes a new token", alive, "no connection was lost"),
        Promise::new("the next connection presents it", new, list(&presented)),
        scene.sessions(SAME, &[Attached::Fresh, Attached::Resumed]),
    ]);
    Ok(promises)
}

/// The token's life is over, and nobody notices: it was renewed before.
async fn renewed(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.fault("the token lives for two seconds");
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.seen("the renewal", |state| state.refreshed() == 1).await?;
    // It expires on the server, whose clock is that of everybody.
    tokio::time::sleep(LIFE).await;
    scene.send(2).await;
    scene.settled(1_000).await?;
    let state = scene.sim.state();
    let times: Vec<u64> = state.refreshes.iter().map(|call| call.t_ms).collect();
    let begun = state.attaches.first().map_or(0, |one| one.t_ms);
    let after = times.first().map_or(0, |at| at.saturating_sub(begun));
    let early = u128::from(after) < LIFE.as_millis() && times.len() == 1;
    let mut promises = scene.delivered(0);
    promises.extend([
        Promise::new("renewed at 80 % of its life, once", early, format!("after {after} ms")),
        Promise::new(
            "the session outlives its token",
            state.disconnects == 0 && state.attaches.len() == 1,
            format!("{} disconnect(s)", state.disconnects),
        ),
    ]);
    Ok(promises)
}

/// How long the first token of one scene lives: nobody's speed divides that.
const LIFE: Duration = Duration::from_secs(2);
const SAME: &str = "the same session";
