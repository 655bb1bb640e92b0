//! Web Messaging: the history fills what was missed.

use redial_core::Fate;
use redial_genesys::WebMessaging;
use redial_testkit::servers::genesys::{CutWhen, Rate, Settings};
use serde_json::json;
use tokio::task::JoinSet;

use super::client::EXPIRED;
use super::scene::{Play, Playing, Scene as AnyScene, start};
use crate::tour::figures::Promise;
use crate::tour::measure::list;
use crate::tour::{Outcome, Stage};

type Scene = AnyScene<WebMessaging>;

/// Starts the scenes of Web Messaging.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    type Change = fn(&mut Settings);
    type Played = for<'a> fn(&'a mut Scene) -> Playing<'a>;
    let all: [(&'static str, Change, Played); 3] = [
        ("web cut", |_| {}, |scene| Box::pin(cut(scene))),
        ("web rate", limit, |scene| Box::pin(rate(scene))),
        ("web expiry", |_| {}, |scene| Box::pin(expired(scene))),
    ];
    for (order, (name, change, play)) in (120..).zip(all) {
        start(stage, set, (order, name), change, play);
    }
}

/// Three messages a second: less than the client, at its speed, holds to by itself.
fn limit(settings: &mut Settings) {
    settings.message_rate = Some(Rate { n: 3, window: std::time::Duration::from_secs(1) });
}

/// TCP ends before an echo, and the other side speaks meanwhile.
async fn cut(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.fault("the server cuts TCP before an echo; an agent speaks meanwhile");
    scene.sim.cut_at(1, CutWhen::BeforeAck).await;
    scene.send(1).await;
    scene.settled(1_000).await?;
    for text in ["are you there?", "hello?"] {
        scene.sim.notify(1, json!({ "text": text })).await;
    }
    scene.back_online(20_000).await?;
    scene.until(10_000, "the gap to be closed", |app| app.gaps_closed >= 1).await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    let heard = scene.app.counts().heard;
    let merged = heard == ["message 3", "are you there?", "hello?"];
    let fates = scene.messages.fates();
    let fates: Vec<Fate> = fates.iter().map(|(_, settled)| settled.fate).collect();
    let expected = [Fate::Acked, Fate::Acked, Fate::Unknown, Fate::Acked, Fate::Acked];
    let state = scene.sim.state();
    let whole = state.texts() == scene.messages.texts;
    let read = format!("{} of {}", state.delivered.len(), scene.messages.texts.len());
    Ok(vec![
        Promise::new("the history fills the gap, once each", merged, list(&heard)),
        Promise::new("what was cut off is unknown, and told", fates == expected, list(&fates)),
        Promise::new("nothing is sent twice", state.duplicates() == 0 && whole, read),
        scene.messages.reported(),
        scene.messages.proved(&state),
    ])
}

/// More is sent than the server takes.
async fn rate(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.fault("the server takes three messages a second");
    scene.send(8).await;
    scene.settled(60_000).await?;
    let state = scene.sim.state();
    let refused = state.refused_messages;
    let times: Vec<u64> = state.delivered.iter().map(|read| read.t_ms).collect();
    let took = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
    let mut promises = vec![Promise::new(
        "each retryAfter is waited for",
        (1..=12).contains(&refused) && took >= 1_000,
        format!("{refused} refused, all in {took} ms"),
    )];
    // The service promises no order where it refuses some of a burst.
    let all = state.delivered.len() == 8 && state.duplicates() == 0;
    promises.push(Promise::new("all arrive, once", all, format!("{} read", state.delivered.len())));
    promises.push(scene.messages.reported());
    promises.push(scene.messages.proved(&state));
    Ok(promises)
}

/// The session ends on the server.
async fn expired(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.fault("the session expires");
    scene.sim.expire_sessions().await;
    scene.back_online(20_000).await?;
    scene.send(2).await;
    scene.settled(10_000).await?;
    let told = scene.app.counts().heard.iter().any(|text| text == EXPIRED);
    let state = scene.sim.state();
    let sessions = state.sessions_ok();
    let mut promises = scene.delivered();
    promises.push(Promise::new(
        "a new session, and it is told",
        told && sessions == 2,
        format!("{sessions} sessions"),
    ));
    Ok(promises)
}
