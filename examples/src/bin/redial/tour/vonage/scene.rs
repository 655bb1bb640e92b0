//! One scene: an application, its simulator, and what is compared in the end.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redial_core::{Fate, Settled};
use redial_testkit::servers::vonage::{Generation as Simulated, Outcome as Attached};
use redial_testkit::servers::vonage::{Settings, State, VonageSim};
use redial_vonage::{Generation, Outgoing, Vonage};
use serde_json::json;
use tokio::task::JoinSet;

use super::client::{self, EVENT, Tokens};
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
    pub(super) sim: VonageSim,
    pub(super) app: App<Vonage>,
    asked: Arc<AtomicUsize>,
    sent: usize,
    fates: Arc<Mutex<Vec<(usize, Settled)>>>,
    ends: JoinSet<()>,
}

/// How a scene begins.
pub(super) struct Opening {
    pub(super) generation: Generation,
    pub(super) tokens: Tokens,
    pub(super) change: fn(&mut Settings, &Stage),
}

impl Scene {
    async fn open(name: &'static str, stage: &Stage, opening: Opening) -> Result<Self, String> {
        let simulated = match opening.generation {
            Generation::V1 => Simulated::V1,
            Generation::V2 => Simulated::V2,
        };
        let sim = VonageSim::builder(simulated).tls(true).seed(stage.seed);
        let sim = sim.settings(|settings| (opening.change)(settings, stage));
        let sim = sim.start().await.map_err(|error| format!("no simulator: {error}"))?;
        let (client, asked) = client::client(&sim, stage, opening.generation, opening.tokens)?;
        let hear = client::hearing();
        let app = App::listen(client, name, &stage.screen, stage.sabotage, hear);
        let (fates, ends) = (Arc::default(), JoinSet::new());
        Ok(Self { name, stage: stage.clone(), sim, app, asked, sent: 0, fates, ends })
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

    pub(super) async fn hear(&mut self, what: &str) -> Result<(), String> {
        let heard = |app: &Counts| app.heard.iter().any(|heard| heard == what);
        self.until(40_000, what, heard).await
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

    /// Sends requests, one after the other, and waits for none of them. Their names count.
    pub(super) async fn send(&mut self, n: usize) {
        for _ in 0..n {
            self.sent += 1;
            let number = self.sent;
            let message = Outgoing::request(name_of(number), json!({ "text": "on loopback" }));
            let end = self.app.send(message).await;
            let fates = Arc::clone(&self.fates);
            self.ends.spawn(async move {
                if let Some(settled) = end.await {
                    fates.lock().unwrap_or_else(PoisonError::into_inner).push((number, settled));
                }
            });
        }
    }

    /// Waits until every request has its fate.
    pub(super) async fn settled(&mut self, millis: u64) -> Result<(), String> {
        let ends = async { while self.ends.join_next().await.is_some() {} };
        let settled = tokio::time::timeout(self.stage.patience(millis), ends).await;
        settled.map_err(|_| "waited in vain for: every request to have its fate".into())
    }

    /// Returns the fates, in the order in which the requests were sent.
    pub(super) fn fates(&self) -> Vec<Fate> {
        let mut fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fates.sort_by_key(|(number, _)| *number);
        fates.into_iter().map(|(_, settled)| settled.fate).collect()
    }

    /// How often the token source was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// What is promised about requests. Nothing is written twice: no document says that the server
    /// knows a repeated one.
    pub(super) fn delivered(&self, unknown: usize) -> Vec<Promise> {
        let (fates, messages) = (self.fates(), self.sim.state().messages);
        let lost = fates.iter().filter(|fate| **fate == Fate::Unknown).count();
        let acked = fates.iter().filter(|fate| **fate == Fate::Acked).count();
        let told = fates.len() == self.sent && lost == unknown && acked + lost == self.sent;
        let names = messages.iter().map(|message| message.event.clone());
        let once = names.eq((1..=self.sent).map(name_of));
        let once = once && messages.iter().all(|message| !message.duplicate);
        let seen = format!("{} sent, {} read", self.sent, messages.len());
        let kinds = format!("{acked} acked, {lost} unknown of {}", self.sent);
        vec![
            Promise::new("all arrive once and in order", once, seen),
            Promise::new("each has a fate, unproved is unknown", told, kinds),
        ]
    }

    /// The SDK's callbacks come in this order.
    pub(super) fn called_back(&self, wanted: &[&str]) -> Promise {
        let heard = self.app.counts().heard;
        let words: Vec<&str> = heard
            .iter()
            .map(String::as_str)
            .filter(|heard| !heard.starts_with('(') && !heard.starts_with(EVENT))
            .collect();
        let text = "the SDK's callbacks, in the seed's order";
        Promise::new(text, words == wanted, list(&words))
    }

    /// The attempts of the last outage began after these spans of the policy.
    pub(super) fn attempts(&self, text: &str, wanted: &[u64]) -> Promise {
        let attempts = self.app.counts().attempts;
        let waits: Vec<u64> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let kept = waits.len() >= wanted.len()
            && waits.iter().zip(wanted).all(|(ms, span)| near(*ms, self.stage.span(*span)));
        let shown = &waits[..waits.len().min(wanted.len())];
        Promise::new(text, kept, format!("after {} ms", list(shown)))
    }

    /// How each attempt to have a session ended.
    pub(super) fn sessions(&self, text: &str, wanted: &[Attached]) -> Promise {
        let attaches = self.sim.state().attaches;
        let outcomes: Vec<Attached> = attaches.iter().map(|one| one.outcome.clone()).collect();
        Promise::new(text, outcomes == wanted, list(&outcomes))
    }

    /// Which tokens have begun a session, by their labels.
    pub(super) fn presented(&self) -> Vec<String> {
        self.sim.state().attaches.into_iter().map(|one| one.token).collect()
    }

    /// What the simulator has counted.
    fn server_figures(&self) -> Figures {
        let state = self.sim.state();
        let good: Vec<_> = state
            .attaches
            .iter()
            .filter(|one| {
                matches!(one.outcome, Attached::Fresh | Attached::Resumed | Attached::Replaced)
            })
            .collect();
        // A token that took the place of another on a session that lived was no new login.
        let renewed: BTreeSet<&str> =
            state.refreshes.iter().filter(|call| call.ok).map(|call| call.token.as_str()).collect();
        let tokens: BTreeSet<&str> = state.attaches.iter().map(|one| one.token.as_str()).collect();
        let offline = good.windows(2).map(|pair| {
            let lost = pair[0].closed_ms.unwrap_or(pair[1].t_ms);
            pair[1].t_ms.saturating_sub(lost)
        });
        let ids: BTreeSet<&str> =
            state.messages.iter().map(|message| message.id.as_str()).collect();
        let answered: BTreeSet<&str> = state
            .messages
            .iter()
            .filter(|message| message.answered)
            .map(|message| message.id.as_str())
            .collect();
        Figures {
            connects: good.len(),
            token_fetches: tokens.difference(&renewed).count(),
            recoveries: good.len().saturating_sub(1),
            offline: offline.collect(),
            sent: ids.len(),
            answered: answered.len(),
            failed: ids.len() - answered.len(),
        }
    }
}

pub(super) type Play = Result<Vec<Promise>, String>;
pub(super) type Playing<'a> = Pin<Box<dyn Future<Output = Play> + Send + 'a>>;

/// Plays a scene from its opening to its report.
pub(super) fn start(
    stage: &Stage,
    set: &mut JoinSet<Outcome>,
    (order, name): (usize, &'static str),
    opening: Opening,
    play: for<'a> fn(&'a mut Scene) -> Playing<'a>,
) {
    let stage = stage.clone();
    set.spawn(async move {
        let mut scene = Scene::open(name, &stage, opening).await.map_err(Failure::new)?;
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

fn name_of(number: usize) -> String {
    format!("custom:{number}")
}
