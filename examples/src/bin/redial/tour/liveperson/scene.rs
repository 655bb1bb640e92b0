//! One scene: an application, its simulator, and what is compared in the end.

use std::pin::Pin;
use std::time::Duration;

use redial_liveperson::{AgentState, Command, LivePerson, Request, Subscription};
use redial_testkit::servers::liveperson::{LivePersonSim, State};
use serde_json::json;
use tokio::task::JoinSet;

use super::client::client;
use super::outages::{Outage, outages};
use crate::cli::Sabotage;
use crate::output::Failure;
use crate::tour::app::{App, Counts};
use crate::tour::figures::{Figures, Promise, Report};
use crate::tour::measure::{list, near};
use crate::tour::screen::Tone;
use crate::tour::{Outcome, Stage};

/// One application with one simulator of its own.
pub(super) struct Scene {
    name: &'static str,
    pub(super) stage: Stage,
    pub(super) sim: LivePersonSim,
    pub(super) app: App<LivePerson>,
}

impl Scene {
    async fn open(name: &'static str, stage: &Stage) -> Result<Self, String> {
        let sim = LivePersonSim::builder().tls(true).seed(stage.seed).start().await;
        let sim = sim.map_err(|error| format!("the simulator cannot start: {error}"))?;
        let client = client(&sim, stage)?;
        let app = App::start(client, name, &stage.screen, stage.sabotage, |_| None);
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

    pub(super) fn fault(&self, text: &str) {
        self.stage.screen.moment(self.name, Tone::Fault, text, json!({ "fault": true }));
    }

    /// Waits until the session is online and has its subscription.
    pub(super) async fn online(&mut self) -> Result<(), String> {
        self.until(10_000, "the session to be online", |app| app.online).await?;
        self.subscribed(1).await
    }

    pub(super) async fn back_online(
        &mut self,
        recoveries: usize,
        millis: u64,
    ) -> Result<(), String> {
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

    pub(super) async fn until(
        &mut self,
        millis: u64,
        what: &str,
        wanted: impl FnMut(&Counts) -> bool,
    ) -> Result<(), String> {
        let within = self.stage.patience(millis);
        self.app.until(within, what, wanted).await
    }

    /// Sends requests one after the other and waits for their fates.
    pub(super) async fn requests(&self, n: usize) {
        for number in 0..n {
            self.app.request(Request::publish_text("dialog", &format!("message {number}"))).await;
        }
    }

    /// Sends a request whose answer the server keeps back; returns its end.
    pub(super) async fn lose_one(&self) -> Result<impl Future<Output = ()> + use<>, String> {
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
    pub(super) fn delayed(&self) -> Promise {
        let wait = self.stage.span(10_000);
        let waited = outages(&self.sim).first().map(|outage| outage.next_try - outage.lost);
        let kept = waited.is_some_and(|ms| near(ms, wait));
        let seen = format!("{} ms", waited.map_or("never".into(), |ms| ms.to_string()));
        Promise::new("the next attempt comes after 10 s", kept, seen)
    }

    pub(super) fn same_token(&self) -> Promise {
        let state = self.sim.state();
        let used = state.bearers_used();
        let kept = state.logins.len() == 1 && used.len() > 1 && used.iter().all(|b| *b == used[0]);
        Promise::new("the token is used again", kept, list(&used))
    }

    pub(super) fn new_token(&self) -> Promise {
        let state = self.sim.state();
        let used = state.bearers_used();
        let kept = state.logins_ok() == 2 && used.len() == 2 && used[0] != used[1];
        Promise::new("a new token is fetched, once", kept, list(&used))
    }

    pub(super) fn subscribed_again(&self) -> Promise {
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
        Promise::new("agent state and subscriptions are set again", kept, seen)
    }

    pub(super) fn one_attempt(&self) -> Promise {
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
            failed: sent.saturating_sub(answered),
        }
    }
}

pub(super) type Play = Result<Vec<Promise>, String>;
pub(super) type Playing<'a> = Pin<Box<dyn Future<Output = Play> + Send + 'a>>;

/// Plays a scene from its opening to its report.
pub(super) fn start(
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
        let within = tokio::time::timeout(stage.patience(5_000), scene.app.end());
        let stuck = match within.await {
            Ok(()) => stuck,
            Err(_) => stuck.or_else(|| Some("the session does not end".into())),
        };
        Ok((order, Report { scene: name, app, server, promises, stuck }))
    });
}

/// How long a request on loopback may take to arrive.
const SUBSCRIBED: Duration = Duration::from_secs(5);
