//! One scene: an application, its simulator, and what is compared in the end.

use std::pin::Pin;

use redial_testkit::servers::genesys::{DedupeScope, GenesysSim, Settings, State};
use serde_json::json;
use tokio::task::JoinSet;

use super::client::Service;
use super::messages::Messages;
use crate::output::Failure;
use crate::tour::app::{App, Counts};
use crate::tour::figures::{Figures, Promise, Report};
use crate::tour::screen::Tone;
use crate::tour::{Outcome, Stage};

/// One application with one simulator of its own.
pub(super) struct Scene<A: Service> {
    name: &'static str,
    pub(super) stage: Stage,
    pub(super) sim: GenesysSim,
    pub(super) app: App<A>,
    pub(super) messages: Messages,
}

impl<A: Service> Scene<A> {
    async fn open(
        name: &'static str,
        stage: &Stage,
        change: fn(&mut Settings),
    ) -> Result<Self, String> {
        let sim = GenesysSim::builder().profile(A::PROFILE).tls(true).seed(stage.seed);
        let sim = sim.settings(|settings| {
            settings.dedupe_scope = DedupeScope::Server;
            // Rates are the server's spans, which the speed does not divide.
            settings.message_rate = None;
            settings.request_rate = None;
            settings.echo_rate = None;
            change(settings);
        });
        let sim = sim.start().await.map_err(|error| format!("no simulator: {error}"))?;
        let client = A::client(&sim, stage)?;
        let app = App::start(client, name, &stage.screen, stage.sabotage, A::heard);
        Ok(Self { name, stage: stage.clone(), sim, app, messages: Messages::default() })
    }

    pub(super) fn fault(&self, text: &str) {
        self.stage.screen.moment(self.name, Tone::Fault, text, json!({ "fault": true }));
    }

    pub(super) async fn online(&mut self) -> Result<(), String> {
        self.until(10_000, "the session to be online", |app| app.online).await
    }

    pub(super) async fn back_online(&mut self, millis: u64) -> Result<(), String> {
        let back = |app: &Counts| app.online && app.figures.recoveries >= 1;
        self.until(millis, "the session to come back", back).await
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

    /// Waits until the simulator has seen something.
    pub(super) async fn seen(
        &self,
        what: &str,
        wanted: impl FnMut(&State) -> bool,
    ) -> Result<(), String> {
        let seen = self.sim.until(self.stage.patience(0), wanted).await;
        seen.map(drop).map_err(|_| format!("waited in vain for: {what}"))
    }

    /// Hands messages over, one after the other, and waits for none of them.
    pub(super) async fn send(&mut self, n: usize) {
        for _ in 0..n {
            let number = self.messages.texts.len();
            let text = format!("message {}", number + 1);
            let end = self.app.send(A::text(&text)).await;
            self.messages.texts.push(text);
            self.messages.note(number, end);
        }
    }

    /// Waits until every message has its fate.
    pub(super) async fn settled(&mut self, millis: u64) -> Result<(), String> {
        let within = self.stage.patience(millis);
        let settled = tokio::time::timeout(within, self.messages.settled()).await;
        settled.map_err(|_| "waited in vain for: every message to have its fate".into())
    }

    /// What is promised about messages wherever a server knows their ids.
    pub(super) fn delivered(&self) -> Vec<Promise> {
        let state = self.sim.state();
        vec![
            self.messages.exactly_once(&state),
            self.messages.reported(),
            self.messages.proved(&state),
            self.messages.duplicates_told(&state),
        ]
    }

    /// What the simulator has counted.
    fn server_figures(&self) -> Figures {
        let state = self.sim.state();
        let distinct = |mut ids: Vec<&str>| {
            ids.sort_unstable();
            ids.dedup();
            ids.len()
        };
        let sent = distinct(state.messages.iter().map(|message| message.id.as_str()).collect());
        let answered = distinct(state.proofs.iter().map(|proof| proof.id.as_str()).collect());
        let connects = state.upgrades_ok();
        let offline = state.sockets.windows(2).map(|pair| {
            let lost = pair[0].closed_ms.unwrap_or(pair[1].opened_ms);
            pair[1].opened_ms.saturating_sub(lost)
        });
        Figures {
            connects,
            token_fetches: A::tokens(&state),
            recoveries: connects.saturating_sub(1),
            offline: offline.collect(),
            sent,
            answered,
            failed: sent.saturating_sub(answered),
        }
    }
}

pub(super) type Play = Result<Vec<Promise>, String>;
pub(super) type Playing<'a> = Pin<Box<dyn Future<Output = Play> + Send + 'a>>;

/// Plays a scene from its opening to its report.
pub(super) fn start<A: Service>(
    stage: &Stage,
    set: &mut JoinSet<Outcome>,
    (order, name): (usize, &'static str),
    change: fn(&mut Settings),
    play: for<'a> fn(&'a mut Scene<A>) -> Playing<'a>,
) {
    let stage = stage.clone();
    set.spawn(async move {
        let mut scene = Scene::<A>::open(name, &stage, change).await.map_err(Failure::new)?;
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
