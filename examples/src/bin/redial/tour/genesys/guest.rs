//! Guest sessions: what is cut off is sent again by REST.

use std::time::Duration;

use redial_genesys::GuestChat;
use redial_testkit::servers::Refusal;
use redial_testkit::servers::genesys::{CutWhen, Path, State};
use tokio::task::JoinSet;

use super::client::ANOTHER;
use super::scene::{Play, Playing, Scene as AnyScene, start};
use crate::tour::figures::Promise;
use crate::tour::measure::{CLOCK_MS, LATE_MS, list};
use crate::tour::{Outcome, Stage};

type Scene = AnyScene<GuestChat>;

/// Starts the scenes of guest sessions.
pub(super) fn scenes(stage: &Stage, set: &mut JoinSet<Outcome>) {
    type Played = for<'a> fn(&'a mut Scene) -> Playing<'a>;
    let all: [(&'static str, Played); 7] = [
        ("guest cut", |scene| Box::pin(cut(scene))),
        ("lost acks", |scene| Box::pin(lost_acks(scene))),
        ("REST 429 twice", |scene| Box::pin(rest_429(scene))),
        ("REST 500", |scene| Box::pin(rest_500(scene))),
        ("guest revoked", |scene| Box::pin(revoked(scene))),
        ("guest silent", |scene| Box::pin(half_open(scene))),
        ("five attempts", |scene| Box::pin(outage(scene))),
    ];
    for (order, (name, play)) in (100..).zip(all) {
        start(stage, set, (order, name), |_| {}, play);
    }
    let expires = |settings: &mut redial_testkit::servers::genesys::Settings| {
        settings.expires_in_s = LIFE.as_secs();
    };
    start(stage, set, (107, "guest expires"), expires, |scene| Box::pin(expired(scene)));
}

/// TCP ends in the middle of a burst.
async fn cut(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(5).await;
    scene.settled(1_000).await?;
    scene.fault("the server cuts TCP in the middle of a burst");
    scene.sim.cut_at(3, CutWhen::BeforeAck).await;
    scene.send(10).await;
    scene.settled(20_000).await?;
    let state = scene.sim.state();
    let by_rest = rests(&state);
    let seen = format!("{} by REST", by_rest.len());
    let upgrades = state.upgrades.len();
    let attempts = format!("{upgrades} upgrades");
    let mut promises = scene.delivered();
    promises.extend([
        Promise::new("what was cut off goes again by REST", !by_rest.is_empty(), seen),
        one_at_a_time(&state),
        Promise::new("one loss leads to one attempt", upgrades == 2, attempts),
    ]);
    Ok(promises)
}

/// The connection lives; two acknowledgments do not come.
async fn lost_acks(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.fault("the server keeps two acknowledgments back");
    scene.sim.lose_acks(2).await;
    scene.send(6).await;
    scene.settled(60_000).await?;
    let state = scene.sim.state();
    let again = rests(&state);
    let seen = format!("{} by REST", again.len());
    let mut promises = scene.delivered();
    let kept = again.len() == 2 && state.upgrades.len() == 1;
    promises.push(Promise::new("only what has no proof goes again", kept, seen));
    Ok(promises)
}

/// The server limits what is sent again, and does so twice.
async fn rest_429(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.fault("a cut, and REST answers 429 with Retry-After: 1, twice");
    scene.sim.refuse(Refusal::status("rest", 429).times(2).retry_after("1")).await;
    scene.sim.cut_at(1, CutWhen::BeforeAck).await;
    scene.send(4).await;
    scene.settled(30_000).await?;
    let state = scene.sim.state();
    let times: Vec<u64> = state.rests.iter().map(|call| call.t_ms).collect();
    let limited = state.rests.iter().filter(|call| call.status == Some(429)).count();
    let waits: Vec<u64> = times.windows(2).take(2).map(|pair| pair[1] - pair[0]).collect();
    let respected = waits.iter().all(|ms| u128::from(*ms) + CLOCK_MS >= 1_000);
    let seen = format!("{limited} x 429, then {} ms", list(&waits));
    let mut promises = scene.delivered();
    let kept = respected && limited == 2;
    promises.push(Promise::new("each Retry-After is waited for", kept, seen));
    Ok(promises)
}

/// The server fails while messages are sent again.
async fn rest_500(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.fault("a cut, and REST answers 500");
    scene.sim.refuse(Refusal::status("rest", 500)).await;
    scene.sim.cut_at(1, CutWhen::BeforeAck).await;
    scene.send(6).await;
    scene.settled(30_000).await?;
    let state = scene.sim.state();
    let ids: Vec<Option<&String>> = state.rests.iter().map(|call| call.id.as_ref()).collect();
    let waits = ids.first() == ids.get(1);
    let mut promises = scene.delivered();
    let seen = format!("{} calls", ids.len());
    promises.push(Promise::new("a 500 keeps the queue in its order", waits, seen));
    Ok(promises)
}

/// The guest's time is over while the connection lives; then the connection ends.
async fn expired(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(3).await;
    scene.settled(1_000).await?;
    scene.sim.set("expires_in_s", 3_600).await?;
    scene.sim.lose_acks(2).await;
    tokio::time::sleep(LIFE).await;
    scene.send(2).await;
    scene.seen("both messages", |state| state.messages.len() >= 5).await?;
    scene.fault("the guest's token has expired, and the server cuts TCP");
    scene.sim.cut().await;
    scene.back_online(20_000).await?;
    scene.settled(20_000).await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    let state = scene.sim.state();
    let told = scene.app.counts().heard.iter().any(|text| text == ANOTHER);
    let seen = format!("{} guests", state.guests_ok());
    let mut promises = scene.delivered();
    promises.extend([
        Promise::new("an expired guest is replaced, once", state.guests_ok() == 2, seen),
        Promise::new("another conversation is told", told, "from one instance to the next"),
    ]);
    Ok(promises)
}

/// The guest's token dies behind the client's back.
async fn revoked(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.fault("the server revokes the guest's token and cuts TCP");
    scene.sim.revoke_tokens().await;
    scene.sim.cut().await;
    scene.back_online(20_000).await?;
    scene.send(2).await;
    scene.settled(20_000).await?;
    let state = scene.sim.state();
    let answers: Vec<Option<u16>> = state.upgrades.iter().map(|call| call.status).collect();
    let once = answers == [Some(101), Some(401), Some(101)] && state.guests_ok() == 2;
    let mut promises = scene.delivered();
    let seen = format!("answers {}", list(&answers));
    promises.push(Promise::new("a refused guest is replaced, once", once, seen));
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
    scene.send(2).await;
    scene.until(40_000, "the dead peer to be noticed", |app| !app.online).await?;
    let noticed = scene.stage.screen.t_ms() - silenced;
    scene.sim.silent(false).await;
    scene.back_online(10_000).await?;
    scene.settled(20_000).await?;
    let latest = scene.stage.span(40_000).as_millis() + LATE_MS;
    let in_time = u128::from(noticed) <= latest;
    let sockets = scene.sim.state().live_sockets;
    let mut promises = scene.delivered();
    promises.extend([
        Promise::new("a dead peer is noticed within 40 s", in_time, format!("after {noticed} ms")),
        Promise::new("no socket is left behind", sockets == 1, format!("{sockets} open")),
    ]);
    Ok(promises)
}

/// Nobody opens a socket for longer than five attempts take.
async fn outage(scene: &mut Scene) -> Play {
    scene.online().await?;
    scene.send(2).await;
    scene.settled(1_000).await?;
    scene.fault("the server takes no sockets any more");
    scene.sim.refuse(Refusal::reset("upgrade").times(5)).await;
    scene.sim.cut().await;
    scene.until(40_000, "the client to give up", |app| app.suspended).await?;
    let attempts = scene.app.counts().attempts;
    let waits: Vec<u64> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let grows = waits.len() == 5
        && waits.iter().zip([1_000, 2_000, 4_000, 8_000, 16_000]).all(|(waited, first)| {
            let (least, most) = (scene.stage.span(first), scene.stage.span(first + 1_000));
            let waited = u128::from(*waited);
            waited + CLOCK_MS >= least.as_millis() && waited <= most.as_millis() + LATE_MS
        });
    scene.send(3).await;
    scene.app.handle.connect().await;
    scene.back_online(10_000).await?;
    scene.settled(10_000).await?;
    let dials = scene.sim.state().upgrades.len();
    let mut promises = scene.delivered();
    promises.extend([
        Promise::new(
            "five attempts, each after a longer wait",
            grows,
            format!("{} ms", list(&waits)),
        ),
        Promise::new("then it waits to be asked", dials == 7, format!("{dials} dials")),
    ]);
    Ok(promises)
}

/// Returns the ids that went by REST and were taken.
fn rests(state: &State) -> Vec<&str> {
    let by_rest = state.messages.iter().filter(|message| message.path == Path::Rest);
    by_rest.map(|message| message.id.as_str()).collect()
}

/// Nothing new overtakes what is sent again.
fn one_at_a_time(state: &State) -> Promise {
    let Some(last) = state.messages.iter().rposition(|message| message.path == Path::Rest) else {
        return Promise::new("nothing new overtakes", false, "nothing went by REST");
    };
    let first = state.messages.iter().position(|message| message.path == Path::Rest);
    let between = &state.messages[first.unwrap_or(0)..=last];
    let kept = between.iter().all(|message| message.path == Path::Rest);
    Promise::new("nothing new overtakes", kept, format!("{} in a row", between.len()))
}

/// How long the guest of one scene lives: the server's own span.
const LIFE: Duration = Duration::from_secs(2);
