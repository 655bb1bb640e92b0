//! The main job on LivePerson.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redial_auth_http::{ReqwestClient, tls::TlsBuilder};
use redial_core::{
    Backoff, Keepalive, Policy, PolicySpec, Recovery, Rules, Span, Speed, TokenUse, Verdict,
};
use redial_liveperson::{
    AgentState, Command, Credentials, LivePerson, POLICY, Request, Subscription,
};
use redial_testkit::servers::Refusal;
use redial_testkit::servers::liveperson::{LivePersonSim, State};
use redial_tungstenite::{Client, Connector};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::app::App;
use super::figures::{Figures, Promise, Report};
use super::screen::Tone;
use super::{Outcome, Stage};
use crate::cli::Sabotage;
use crate::output::Failure;

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
    let seen = format!("{clocks:?} ms after the upgrade");
    let one = state.upgrades_ok() == 1 && state.logins_ok() == 1;
    Ok(vec![
        Promise::new("getClock goes out every 30 s, whatever else is sent", on_grid && often, seen),
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
    let seen = format!("upgrades answered {}", list(&statuses));
    Ok(vec![
        Promise::new(
            "a handshake 401 means a dead token, whatever the close code",
            refused_once,
            seen,
        ),
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
    let latest = scene.stage.patience(40_000);
    scene.sim.silent(false).await;
    scene.back_online(1, 10_000).await?;
    scene.requests(2).await;
    let in_time = u128::from(noticed) <= latest.as_millis();
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
    let retries = scene.app.counts().retries;
    let wait = scene.stage.span(10_000);
    let patient = retries
        .iter()
        .all(|(delay, token)| u128::from(*delay) == wait.as_millis() && *token == TokenUse::Keep);
    let seen = format!("{} waits of {} ms each", retries.len(), wait.as_millis());
    let enough = (2..=4).contains(&retries.len());
    Ok(vec![
        Promise::new("it tries again every 10 s, for as long as it takes", patient && enough, seen),
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
    let seen = format!("{} ms", waited.map_or("never".into(), |ms| ms.to_string()));
    Ok(vec![
        Promise::new("a Retry-After is waited for", respected, seen),
        scene.new_token(),
        scene.subscribed_again(),
    ])
}

/// One application with one simulator of its own.
struct Scene {
    name: &'static str,
    stage: Stage,
    sim: LivePersonSim,
    app: App<LivePerson>,
}

impl Scene {
    async fn open(name: &'static str, stage: &Stage) -> Result<Self, String> {
        let sim = LivePersonSim::builder().tls(true).seed(stage.seed).start().await;
        let sim = sim.map_err(|error| format!("the simulator cannot start: {error}"))?;
        let client = client(&sim, stage)?;
        let app = App::start(client, name, &stage.screen, stage.sabotage);
        app.handle.command(Command::SetAgentState(AgentState::online())).await;
        app.handle.command(Command::Subscribe(Subscription::routing_tasks())).await;
        if stage.sabotage == Some(Sabotage::NoResend) {
            // What a client that forgets its subscriptions does, seen from the server.
            let handle = app.handle.clone();
            let mut seen = sim.subscribe();
            tokio::spawn(async move {
                while let Some(line) = seen.recv().await {
                    if line["json"]["type"] == ".ams.routing.RoutingTaskNotification" {
                        let routing = Subscription::routing_tasks();
                        handle.command(Command::Unsubscribe(routing)).await;
                    }
                }
            });
        }
        Ok(Self { name, stage: stage.clone(), sim, app })
    }

    fn fault(&self, text: &str) {
        self.stage.screen.moment(self.name, Tone::Fault, text, json!({ "fault": true }));
    }

    /// Waits until the session is online and has its subscription.
    async fn online(&mut self) -> Result<(), String> {
        self.until(10_000, "the session to be online", |app| app.online).await?;
        self.subscribed(1).await
    }

    async fn back_online(&mut self, recoveries: usize, millis: u64) -> Result<(), String> {
        self.until(millis, "the session to come back", |app| app.figures.recoveries >= recoveries)
            .await?;
        // What was not subscribed again is told by the promise, not by waiting for it in vain.
        let _ = self.subscribed(recoveries + 1).await;
        Ok(())
    }

    async fn subscribed(&self, times: usize) -> Result<(), String> {
        let done = |state: &State| {
            let seen = |kind| state.requests_of(kind).count() >= times;
            seen("SubscribeRoutingTasks") && seen("SetAgentState")
        };
        let state = self.sim.until(SUBSCRIBED, done).await;
        state.map(drop).map_err(|_| "waited in vain for: the subscription".into())
    }

    async fn until(
        &mut self,
        millis: u64,
        what: &str,
        wanted: impl FnMut(&super::app::Counts) -> bool,
    ) -> Result<(), String> {
        let within = self.stage.patience(millis);
        self.app.until(within, what, wanted).await
    }

    /// Sends requests one after the other and waits for their fates.
    async fn requests(&self, n: usize) {
        for number in 0..n {
            self.app.request(Request::publish_text("dialog", &format!("message {number}"))).await;
        }
    }

    /// Sends a request whose answer the server keeps back; returns its end.
    async fn lose_one(&self) -> Result<impl Future<Output = ()> + use<>, String> {
        self.sim.lose_acks(1).await;
        let before = self.sim.state().requests_of("PublishEvent").count();
        let (app, request) = (self.app.clone(), Request::publish_text("dialog", "lost"));
        let end = tokio::spawn(async move { app.request(request).await });
        let arrived = |state: &State| state.requests_of("PublishEvent").count() > before;
        match self.sim.until(SUBSCRIBED, arrived).await {
            Ok(_) => Ok(async move { drop(end.await) }),
            Err(_) => Err("waited in vain for: the request to arrive".into()),
        }
    }

    /// The next attempt comes 10 s after the loss, neither earlier nor much later.
    fn delayed(&self) -> Promise {
        let wait = self.stage.span(10_000);
        let waited = outages(&self.sim).first().map(|outage| outage.next_try - outage.lost);
        let kept = waited.is_some_and(|ms| near(ms, wait));
        let seen = format!("{} ms", waited.map_or("never".into(), |ms| ms.to_string()));
        Promise::new("the next attempt comes after 10 s", kept, seen)
    }

    fn same_token(&self) -> Promise {
        let state = self.sim.state();
        let used = state.bearers_used();
        let kept = state.logins.len() == 1 && used.len() > 1 && used.iter().all(|b| *b == used[0]);
        Promise::new("the token is used again", kept, list(&used))
    }

    fn new_token(&self) -> Promise {
        let state = self.sim.state();
        let used = state.bearers_used();
        let kept = state.logins_ok() == 2 && used.len() == 2 && used[0] != used[1];
        Promise::new("a new token is fetched, once", kept, list(&used))
    }

    fn subscribed_again(&self) -> Promise {
        let state = self.sim.state();
        let per_conn = |kind: &'static str| {
            state
                .upgrades
                .iter()
                .filter_map(|upgrade| upgrade.conn)
                .all(|conn| state.requests_of(kind).any(|seen| seen.conn == conn))
        };
        let kept = per_conn("SubscribeRoutingTasks") && per_conn("SetAgentState");
        let seen = format!("{} connections", state.upgrades_ok());
        Promise::new("agent state and subscriptions are set on every connection", kept, seen)
    }

    fn one_attempt(&self) -> Promise {
        let upgrades = self.sim.state().upgrades.len();
        Promise::new("one loss leads to one attempt", upgrades == 2, format!("{upgrades} upgrades"))
    }

    /// What the simulator has counted.
    fn server_figures(&self) -> Figures {
        let state = self.sim.state();
        let wire = self.sim.wire();
        let answered = wire.iter().filter(|line| {
            line["dir"] == "server" && line["json"]["type"] == ".ams.ms.PublishEvent$Response"
        });
        let (sent, answered) = (state.requests_of("PublishEvent").count(), answered.count());
        let connects = state.upgrades_ok();
        Figures {
            connects,
            token_fetches: state.logins_ok(),
            recoveries: connects.saturating_sub(1),
            offline: outages(&self.sim).iter().filter_map(Outage::length).collect(),
            sent,
            answered,
            failed: sent - answered,
        }
    }
}

/// An outage as the server saw it.
struct Outage {
    lost: u64,
    next_try: u64,
    over: Option<u64>,
}

impl Outage {
    fn length(&self) -> Option<u64> {
        self.over.map(|over| over - self.lost)
    }
}

/// Finds the outages in what the simulator has seen: from the end of a socket to the next one.
fn outages(sim: &LivePersonSim) -> Vec<Outage> {
    let (state, wire) = (sim.state(), sim.wire());
    let mut outages = Vec::new();
    for upgrade in state.upgrades.iter().filter(|upgrade| upgrade.conn.is_some()) {
        let ends = |line: &&Value| {
            line["conn"].as_u64() == upgrade.conn
                && ["close", "tcp-drop", "eof"].iter().any(|frame| line["frame"] == *frame)
        };
        let Some(lost) = wire.iter().find(ends).and_then(|line| line["t_ms"].as_u64()) else {
            continue;
        };
        // An attempt begins with a login where the token is gone, and with an upgrade elsewhere.
        let tries = state.upgrades.iter().map(|upgrade| upgrade.t_ms);
        let tries = tries.chain(state.token_calls()).chain(state.csds.iter().map(|call| call.t_ms));
        let Some(next_try) = tries.filter(|at| *at > lost).min() else { continue };
        let over = state
            .upgrades
            .iter()
            .filter(|next| next.conn > upgrade.conn)
            .map(|next| next.t_ms)
            .min();
        outages.push(Outage { lost, next_try, over });
    }
    outages
}

fn client(sim: &LivePersonSim, stage: &Stage) -> Result<Client<LivePerson>, String> {
    let credentials =
        Credentials::Password { username: "tour".into(), password: "only on loopback".into() };
    let adapter = LivePerson::builder("12345678", credentials)
        .csds(sim.host())
        .policy(policy(stage.sabotage))
        .speed(Speed::new(stage.speed))
        .build()
        .map_err(|error| error.to_string())?;
    let ca = sim.ca_pem().unwrap_or_default();
    let tls = TlsBuilder::new()
        .platform_roots(false)
        .root_pem(ca.as_bytes())
        .and_then(TlsBuilder::build)
        .map_err(|error| error.to_string())?;
    let http = ReqwestClient::builder().tls(Arc::clone(&tls)).build();
    let http = http.map_err(|error| error.to_string())?;
    let connector = Connector::builder().tls(tls).build().map_err(|error| error.to_string())?;
    let client = Client::builder(adapter).http(http).connector(connector).seed(stage.seed).build();
    client.map_err(|error| error.to_string())
}

/// Returns the vendor's policy, or what sabotage makes of it.
fn policy(sabotage: Option<Sabotage>) -> Policy {
    let spec = *POLICY.spec();
    let spec = match sabotage {
        Some(Sabotage::NoRegenerate) => {
            PolicySpec { rules: Rules::new(&[]), otherwise: Verdict::Retry(Recovery::KEEP), ..spec }
        }
        Some(Sabotage::NoDelay) => {
            let short = Span::from_millis(1);
            PolicySpec { backoff: Backoff::fixed(short), floor: short, ..spec }
        }
        Some(Sabotage::NoPing) => PolicySpec { keepalive: Keepalive::Off, ..spec },
        Some(Sabotage::NoResend | Sabotage::EarlyResume) | None => spec,
    };
    Policy::new(spec)
}

type Play = Result<Vec<Promise>, String>;
type Playing<'a> = Pin<Box<dyn Future<Output = Play> + Send + 'a>>;

/// Plays a scene from its opening to its report.
fn start(
    stage: &Stage,
    set: &mut JoinSet<Outcome>,
    order: usize,
    name: &'static str,
    play: for<'a> fn(&'a mut Scene) -> Playing<'a>,
) {
    let stage = stage.clone();
    set.spawn(async move {
        let mut scene = Scene::open(name, &stage).await.map_err(Failure::new)?;
        let (promises, stuck) = match play(&mut scene).await {
            Ok(promises) => (promises, None),
            Err(stuck) => (Vec::new(), Some(stuck)),
        };
        // Both sides are asked before the end: it is no outage.
        let (app, server) = (scene.app.counts().figures, scene.server_figures());
        let within = tokio::time::timeout(stage.patience(5_000), scene.app.handle.shutdown());
        let stuck = match within.await {
            Ok(()) => stuck,
            Err(_) => stuck.or_else(|| Some("the session does not end".into())),
        };
        Ok((order, Report { scene: name, app, server, promises, stuck }))
    });
}

fn near(ms: u64, wanted: Duration) -> bool {
    let (ms, wanted) = (u128::from(ms), wanted.as_millis());
    ms + CLOCK_MS >= wanted && ms <= wanted + LATE_MS
}

fn list<T: std::fmt::Debug>(what: &[T]) -> String {
    format!("{what:?}").replace('"', "").replace("Some(", "").replace(')', "")
}

/// What two clocks of one machine may differ by.
const CLOCK_MS: u128 = 20;
/// What a busy machine may add to a wait.
const LATE_MS: u128 = 750;
/// How long a request on loopback may take to arrive.
const SUBSCRIBED: Duration = Duration::from_secs(5);
