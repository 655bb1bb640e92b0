//! One scene: an application, its simulator, and what is compared in the end.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use redial_ringcentral::{Command, Request, RingCentral};
use redial_testkit::servers::ringcentral::{RingCentralSim, Settings, State};
use serde_json::json;
use tokio::task::JoinSet;

use super::client::{SUBSCRIBED, client, heard};
use super::outages::{Outage, outages};
use crate::cli::Sabotage;
use crate::output::Failure;
use crate::tour::app::{App, Counts};
use crate::tour::figures::{Figures, Promise, Report};
use crate::tour::measure::{CLOCK_MS, LATE_MS, list};
use crate::tour::screen::Tone;
use crate::tour::{Outcome, Stage};

/// One application with one simulator of its own.
pub(super) struct Scene {
    name: &'static str,
    pub(super) stage: Stage,
    pub(super) sim: RingCentralSim,
    pub(super) app: App<RingCentral>,
}

impl Scene {
    async fn open(
        name: &'static str,
        stage: &Stage,
        change: fn(&mut Settings),
    ) -> Result<Self, String> {
        let sim = RingCentralSim::builder().tls(true).seed(stage.seed).settings(|settings| {
            // What was missed comes in the same burst as the hello.
            settings.replay_delay = Duration::ZERO;
            change(settings);
        });
        let sim = sim.start().await.map_err(|error| format!("no simulator: {error}"))?;
        let app = App::start(client(&sim, stage)?, name, &stage.screen, stage.sabotage, heard);
        if stage.sabotage == Some(Sabotage::NoResend) {
            // What a client that forgets its subscription does, seen from the server.
            let handle = app.handle.clone();
            let mut seen = sim.subscribe();
            tokio::spawn(async move {
                while let Some(line) = seen.recv().await {
                    if line["dir"] == "server" && line["json"][1]["recoveryState"] == "Failed" {
                        handle.command(Command::Revoke).await;
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
        self.told(SUBSCRIBED, 1, 10_000).await
    }

    /// Waits until something was told so many times.
    pub(super) async fn told(
        &mut self,
        what: &str,
        times: usize,
        millis: u64,
    ) -> Result<(), String> {
        let wanted = |app: &Counts| count(&app.heard, what) >= times;
        self.until(millis, what, wanted).await
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

    /// Waits until so many notifications were heard.
    pub(super) async fn notified(&mut self, times: usize) -> Result<(), String> {
        let wanted = |app: &Counts| notifications(&app.heard).count() >= times;
        self.until(5_000, "the notifications", wanted).await
    }

    /// Sends requests over the socket, one after the other, and waits for their fates.
    pub(super) async fn requests(&self, n: usize) {
        for number in 0..n {
            self.app.request(sms(number)).await;
        }
    }

    /// Sends a request whose answer does not come; returns its end.
    pub(super) async fn lose_one(&self) -> Result<impl Future<Output = ()> + use<>, String> {
        self.sim.set("answer_delay_ms", 3_600_000).await?;
        let before = self.sim.state().messages.len();
        let app = self.app.clone();
        let end = tokio::spawn(async move { app.request(sms(0)).await });
        let arrived = |state: &State| state.messages.len() > before;
        match self.sim.until(self.stage.patience(0), arrived).await {
            Ok(_) => Ok(async move { drop(end.await) }),
            Err(_) => Err("waited in vain for: the request to arrive".into()),
        }
    }

    /// Nothing that the server has sent is lost, told twice or out of order.
    pub(super) fn all_heard(&self, produced: usize) -> Promise {
        let (state, heard) = (self.sim.state(), self.app.counts().heard);
        let heard: Vec<&str> = notifications(&heard).collect();
        let sent = state.notifications.iter().filter(|seen| seen.written > 0);
        let sent: Vec<&str> = sent.map(|seen| seen.uuid.as_str()).collect();
        let kept = heard == sent && state.notifications.len() == produced;
        let made = state.notifications.len();
        let seen = format!("{made} came up, {} sent, {} heard", sent.len(), heard.len());
        Promise::new("what the server sent is heard once, in order", kept, seen)
    }

    /// What was told, notifications left out, is this.
    pub(super) fn story(&self, text: &str, expected: &[&str]) -> Promise {
        let heard = self.app.counts().heard;
        let told: Vec<&str> =
            heard.iter().map(String::as_str).filter(|text| is_told(text)).collect();
        Promise::new(text, told == expected, words(&told))
    }

    /// The gateway's answers to all connections.
    pub(super) fn outcomes(&self, text: &str, expected: &[&str]) -> Promise {
        let state = self.sim.state();
        let outcomes = state.outcomes();
        Promise::new(text, outcomes == expected, list(&outcomes))
    }

    /// No wstoken opens two connections, or is presented again after it was refused.
    pub(super) fn single_use(&self) -> Promise {
        let state = self.sim.state();
        let presented: Vec<&str> =
            state.upgrades.iter().filter_map(|call| call.token.as_deref()).collect();
        let distinct: BTreeSet<&&str> = presented.iter().collect();
        let kept = distinct.len() == presented.len() && !presented.is_empty();
        Promise::new("a wstoken opens one connection", kept, list(&presented))
    }

    /// The seed has no pace. The SDK looks every 2 s, and ours is to be back by then.
    pub(super) fn paced(&self) -> Promise {
        let (least, most) = (self.stage.span(500), self.stage.span(1_500));
        let waits: Vec<u64> =
            outages(&self.sim).iter().map(|outage| outage.next_try - outage.lost).collect();
        let kept = !waits.is_empty()
            && waits.iter().all(|ms| {
                let ms = u128::from(*ms);
                ms + CLOCK_MS >= least.as_millis() && ms <= most.as_millis() + LATE_MS
            });
        let seen = format!("after {} ms", list(&waits));
        Promise::new("the first attempt comes after 0.5 to 1.5 s", kept, seen)
    }

    /// What the simulator has counted.
    fn server_figures(&self) -> Figures {
        let state = self.sim.state();
        let ids: BTreeSet<&str> =
            state.rest_of("POST", "/sms").map(|seen| seen.id.as_str()).collect();
        let wire = self.sim.wire();
        let answered = wire.iter().filter(|line| {
            let id = line["json"][0]["messageId"].as_str().unwrap_or_default();
            line["dir"] == "server" && line["channel"] == "ws" && ids.contains(id)
        });
        let (connects, answered) = (state.upgrades_ok(), answered.count());
        Figures {
            connects,
            token_fetches: state.ws_tokens_ok(),
            recoveries: connects.saturating_sub(1),
            offline: outages(&self.sim).iter().filter_map(Outage::length).collect(),
            sent: ids.len(),
            answered,
            failed: ids.len().saturating_sub(answered),
        }
    }
}

/// What was heard of the other side.
pub(super) fn notifications(heard: &[String]) -> impl Iterator<Item = &str> {
    heard.iter().map(String::as_str).filter(|text| !is_told(text))
}

pub(super) fn count(heard: &[String], what: &str) -> usize {
    heard.iter().filter(|text| *text == what).count()
}

/// Shows what was told.
pub(super) fn words(told: &[&str]) -> String {
    told.join(", ").replace(['(', ')'], "")
}

/// What is in brackets is told by the library.
fn is_told(text: &str) -> bool {
    text.starts_with('(')
}

fn sms(number: usize) -> Request {
    let text = format!("message {number}");
    Request::post("/restapi/v1.0/account/~/extension/~/sms", json!({ "text": text }))
}

pub(super) type Play = Result<Vec<Promise>, String>;
pub(super) type Playing<'a> = Pin<Box<dyn Future<Output = Play> + Send + 'a>>;

/// Plays a scene from its opening to its report.
pub(super) fn start(
    stage: &Stage,
    set: &mut JoinSet<Outcome>,
    (order, name): (usize, &'static str),
    change: fn(&mut Settings),
    play: for<'a> fn(&'a mut Scene) -> Playing<'a>,
) {
    let stage = stage.clone();
    set.spawn(async move {
        let mut scene = Scene::open(name, &stage, change).await.map_err(Failure::new)?;
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
