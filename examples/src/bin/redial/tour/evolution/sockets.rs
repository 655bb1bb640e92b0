//! One socket for each event of an instance, and one token for all of them.

use redial_evolution::CodeChat;
use redial_testkit::servers::evolution::State;
use tokio::task::JoinSet;

use super::scene::{Play, Playing, Scene as AnyScene, start};
use crate::tour::figures::Promise;
use crate::tour::measure::{LATE_MS, list};
use crate::tour::{Outcome, Stage};

type Scene = AnyScene<CodeChat>;

/// Starts the scenes of event sockets.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    type Played = for<'a> fn(&'a mut Scene) -> Playing<'a>;
    let all: [(&'static str, &'static [&'static str], Played); 4] = [
        ("event cut", &EVENTS, |scene| Box::pin(cut(scene))),
        ("restart", &EVENTS, |scene| Box::pin(restart(scene))),
        ("event refused", &EVENTS, |scene| Box::pin(refused(scene))),
        ("event silent", &EVENTS[..1], |scene| Box::pin(half_open(scene))),
    ];
    for (order, (name, events, play)) in (240..).zip(all) {
        start(stage, set, (order, name), events, |_| {}, play);
    }
}

/// The socket of one event is lost; the others are left alone.
async fn cut(scene: &mut Scene) -> Play {
    scene.online().await?;
    for event in EVENTS {
        scene.emit(event).await;
    }
    scene.heard().await?;
    scene.fault("the server cuts the socket of one event");
    scene.sim.cut_event(EVENTS[1]).await;
    let within = scene.stage.patience(10_000);
    let one = &mut scene.apps[1].1;
    one.until(within, "the event to come back", |app| app.figures.recoveries == 1).await?;
    for event in EVENTS {
        scene.emit(event).await;
    }
    scene.heard().await?;
    let recovered: Vec<usize> =
        scene.apps.iter().map(|(_, app)| app.counts().figures.recoveries).collect();
    Ok(vec![
        scene.delivered(),
        Promise::new("one token for all events", scene.asked() == 1, times(scene.asked())),
        Promise::new("the others are left alone", recovered == [0, 1, 0], list(&recovered)),
        scene.paced(&EVENTS[1..2], 1),
        scene.gaps_told(),
    ])
}

/// The server is gone for a moment; what it has to say meanwhile is lost.
async fn restart(scene: &mut Scene) -> Play {
    scene.online().await?;
    for event in EVENTS {
        scene.emit(event).await;
    }
    scene.heard().await?;
    scene.fault("the server restarts, and has events meanwhile");
    scene.sim.down(scene.stage.span(3_000)).await;
    scene.seen("the loss", |state| state.live_sockets == 0).await?;
    let got = scene.emit(EVENTS[0]).await;
    scene.back_online(10_000).await?;
    for event in EVENTS {
        scene.emit(event).await;
    }
    scene.heard().await?;
    // It has a way of its own to the server.
    let tested = |state: &State| {
        let mut first = state.sockets.iter().map(|socket| socket.first_message.as_deref());
        state.sockets.len() == 6 && first.all(|first| first == Some(TEST_MESSAGE))
    };
    let tested = scene.seen("the test messages", tested).await.is_ok();
    let state = scene.sim.state();
    let seen = format!("{} socket(s)", state.sockets.len());
    let mute = state.mute_sockets();
    Ok(vec![
        scene.delivered(),
        scene.paced(&EVENTS, 1),
        Promise::new("the test message opens each socket", tested, seen),
        Promise::new("nobody hears what comes meanwhile", !got, "at most once"),
        scene.gaps_told(),
        Promise::new("never two sockets for one event", mute == 0, format!("{mute} deaf")),
    ])
}

/// The token dies behind the clients' backs.
async fn refused(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.fault("the server revokes the token and cuts TCP");
    scene.sim.revoke_tokens().await;
    scene.sim.cut().await;
    scene.back_online(20_000).await?;
    for event in EVENTS {
        scene.emit(event).await;
    }
    scene.heard().await?;
    let state = scene.sim.state();
    let answers: Vec<Vec<Option<u16>>> = EVENTS
        .iter()
        .map(|event| state.upgrades_of(event).iter().map(|call| call.status).collect())
        .collect();
    // Whoever dials later may have the new token already.
    let once = answers
        .iter()
        .all(|all| *all == [Some(101), Some(401), Some(101)] || *all == [Some(101), Some(101)]);
    let refused = state.upgrades.iter().filter(|call| call.status == Some(401)).count();
    let seen = format!("{refused} refused upgrade(s)");
    Ok(vec![
        scene.delivered(),
        Promise::new("a refused token is replaced, once", scene.asked() == 2, times(scene.asked())),
        Promise::new("and no refused one is shown again", once && refused > 0, seen),
        scene.gaps_told(),
    ])
}

/// TCP stays up and nothing comes any more.
async fn half_open(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.emit(EVENTS[0]).await;
    scene.heard().await?;
    scene.fault("the server goes silent; TCP stays up");
    scene.sim.silent(true).await;
    let silenced = scene.stage.screen.t_ms();
    scene.until(40_000, "the dead peer to be noticed", |app| !app.online).await?;
    let noticed = scene.stage.screen.t_ms() - silenced;
    scene.sim.silent(false).await;
    scene.back_online(10_000).await?;
    scene.emit(EVENTS[0]).await;
    scene.heard().await?;
    let in_time = u128::from(noticed) <= scene.stage.span(40_000).as_millis() + LATE_MS;
    let seen = format!("after {noticed} ms");
    Ok(vec![
        scene.delivered(),
        Promise::new("a dead peer is noticed within 40 s", in_time, seen),
        scene.paced(&EVENTS[..1], 1),
        scene.gaps_told(),
    ])
}

fn times(asked: usize) -> String {
    format!("asked for {asked} time(s)")
}

/// The events of the seed's example.
const EVENTS: [&str; 3] = ["connection.update", "messages.upsert", "qrcode.updated"];
const TEST_MESSAGE: &str = r#"{"message":"test data"}"#;
