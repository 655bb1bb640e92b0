//! Evolution API 2: a namespace that is not there yet.

use redial_evolution::EvolutionApi;
use tokio::task::JoinSet;

use super::scene::{Play, Scene as AnyScene, joins_of, start};
use crate::tour::figures::Promise;
use crate::tour::measure::{CLOCK_MS, LATE_MS, list, near};
use crate::tour::{Outcome, Stage};

type Scene = AnyScene<EvolutionApi>;

/// Starts the scenes of namespaces.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    start(stage, set, (250, "namespace"), &[EVENT], |_| {}, |scene| Box::pin(join(scene)));
}

/// The namespace of an instance comes to be with its first event; then TCP ends.
async fn join(scene: &mut Scene) -> Play {
    scene.fault("the server does not know the instance");
    scene.seen("a second refusal", |state| joins_of(state).count() >= 2).await?;
    let early = scene.apps[0].1.counts().online;
    // Nobody gets the first event: with it the namespace comes to be.
    scene.emit(EVENT).await;
    scene.online().await?;
    scene.emit(EVENT).await;
    scene.heard().await?;
    let state = scene.sim.state();
    let joins: Vec<Option<bool>> = joins_of(&state).map(|call| call.joined).collect();
    let times: Vec<u64> = joins_of(&state).map(|call| call.t_ms).collect();
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let pace = waits.iter().all(|ms| near(*ms, scene.stage.span(5_000)));
    let refused = joins.iter().filter(|joined| **joined != Some(true)).count();
    let asked = refused + 1 == joins.len() && refused >= 2 && !early;
    let one = state.upgrades_ok();
    scene.fault("the server cuts TCP");
    scene.sim.cut().await;
    scene.back_online(20_000).await?;
    scene.emit(EVENT).await;
    scene.heard().await?;
    let attempts = scene.apps[0].1.counts().attempts;
    let waits_again: Vec<u64> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // 1 s, and up to half of it more.
    let again = waits_again.first().is_some_and(|ms| {
        let (least, most) = (scene.stage.span(1_000), scene.stage.span(1_500));
        let ms = u128::from(*ms);
        ms + CLOCK_MS >= least.as_millis() && ms <= most.as_millis() + LATE_MS
    });
    let seen = format!("{refused} refused, then one taken");
    Ok(vec![
        scene.delivered(),
        Promise::new("asked for again until it is there", asked, seen),
        Promise::new("every 5 s", pace, format!("after {} ms", list(&waits))),
        Promise::new("on one connection", one == 1, format!("{one} upgrade(s)")),
        Promise::new(
            "made again after 1 s to 1.5 s",
            again && waits_again.len() == 1,
            format!("after {} ms", list(&waits_again)),
        ),
        scene.gaps_told(),
    ])
}

const EVENT: &str = "messages.upsert";
