//! One scene: an application with a session for each event, its simulator, and what is compared.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redial_testkit::servers::evolution::{
    EvolutionSim, JoinCall, Profile, Settings, SocketSeen, State,
};
use serde_json::json;
use tokio::task::JoinSet;

use super::client::{GAP, INSTANCE, Service};
use crate::output::Failure;
use crate::tour::app::{App, Counts};
use crate::tour::figures::{Figures, Promise, Report};
use crate::tour::measure::{list, near};
use crate::tour::screen::Tone;
use crate::tour::{Outcome, Stage};

/// One application with one simulator of its own.
pub(super) struct Scene<A: Service> {
    name: &'static str,
    pub(super) stage: Stage,
    pub(super) sim: EvolutionSim,
    /// The sessions, by their events.
    pub(super) apps: Vec<(String, App<A>)>,
    asked: Arc<AtomicUsize>,
    /// The numbers of the events that a socket got.
    emitted: Vec<(String, String)>,
    count: u64,
}

impl<A: Service> Scene<A> {
    async fn open(
        name: &'static str,
        stage: &Stage,
        events: &[&'static str],
        change: fn(&mut Settings),
    ) -> Result<Self, String> {
        let sim = EvolutionSim::builder().profile(A::PROFILE).tls(true).seed(stage.seed);
        let sim = sim.settings(|settings| {
            settings.adopt = true;
            settings.expires_in_s = 0;
            change(settings);
        });
        let sim = sim.start().await.map_err(|error| format!("no simulator: {error}"))?;
        let (clients, asked) = A::clients(&sim, stage, events)?;
        let listen = |(event, client)| {
            let app = App::listen(client, name, &stage.screen, stage.sabotage, A::heard);
            (event, app)
        };
        let apps = clients.into_iter().map(listen).collect();
        let stage = stage.clone();
        Ok(Self { name, stage, sim, apps, asked, emitted: Vec::new(), count: 0 })
    }

    pub(super) fn fault(&self, text: &str) {
        self.stage.screen.moment(self.name, Tone::Fault, text, json!({ "fault": true }));
    }

    pub(super) async fn online(&mut self) -> Result<(), String> {
        self.until(10_000, "every session to be online", |app| app.online).await
    }

    pub(super) async fn back_online(&mut self, millis: u64) -> Result<(), String> {
        let back = |app: &Counts| app.online && app.figures.recoveries >= 1;
        self.until(millis, "every session to come back", back).await
    }

    /// Waits until each session is as wanted.
    pub(super) async fn until(
        &mut self,
        millis: u64,
        what: &str,
        wanted: impl Fn(&Counts) -> bool,
    ) -> Result<(), String> {
        let within = self.stage.patience(millis);
        for (_, app) in &mut self.apps {
            app.until(within, what, &wanted).await?;
        }
        Ok(())
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

    /// Emits an event; returns whether a socket got it.
    pub(super) async fn emit(&mut self, event: &str) -> bool {
        self.count += 1;
        let got = self.sim.emit(INSTANCE, event, json!({ "n": self.count })).await;
        if got {
            self.emitted.push((event.to_owned(), format!("{event} {}", self.count)));
        }
        got
    }

    /// Waits until each session has heard the last event that was emitted for it.
    pub(super) async fn heard(&mut self) -> Result<(), String> {
        let within = self.stage.patience(1_000);
        for (event, app) in &mut self.apps {
            let last = self.emitted.iter().rev().find(|(name, _)| name == event);
            if let Some((_, text)) = last {
                let heard = |app: &Counts| app.heard.iter().any(|heard| heard == text);
                app.until(within, text, heard).await?;
            }
        }
        Ok(())
    }

    /// How often the token source was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Each event came to its own subscriber, once and in order.
    pub(super) fn delivered(&self) -> Promise {
        let mut count = 0;
        let kept = self.apps.iter().all(|(event, app)| {
            let heard: Vec<String> =
                app.counts().heard.into_iter().filter(|heard| heard != GAP).collect();
            count += heard.len();
            let mine = self.emitted.iter().filter(|(name, _)| name == event);
            mine.map(|(_, text)| text).eq(heard.iter())
        });
        let all = kept && count == self.emitted.len();
        let seen = format!("{count} of {}", self.emitted.len());
        Promise::new("each event to its own subscriber, once", all, seen)
    }

    /// Every session that was lost says that events may be missing.
    pub(super) fn gaps_told(&self) -> Promise {
        let (mut lost, mut told) = (0, 0);
        for (_, app) in &self.apps {
            let counts = app.counts();
            lost += counts.figures.recoveries;
            told += counts.heard.iter().filter(|heard| *heard == GAP).count();
        }
        let seen = format!("{told} told, {lost} outage(s)");
        Promise::new("each outage is told as a gap", told == lost && lost > 0, seen)
    }

    /// Each attempt of the last outages began after this span of the policy.
    pub(super) fn paced(&self, events: &[&str], attempts: usize) -> Promise {
        let mut waits = Vec::new();
        for (event, app) in &self.apps {
            if events.contains(&event.as_str()) {
                let attempts = app.counts().attempts;
                waits.extend(attempts.windows(2).map(|pair| pair[1] - pair[0]));
            }
        }
        let kept = waits.iter().all(|ms| near(*ms, self.stage.span(5_000)));
        let all = kept && waits.len() == attempts * events.len();
        Promise::new("each attempt 5 s after the loss", all, format!("after {} ms", list(&waits)))
    }

    /// What the simulator has counted.
    fn server_figures(&self) -> Figures {
        let state = self.sim.state();
        let tokens: BTreeSet<_> =
            state.upgrades.iter().map(|call| (&call.event, &call.token)).collect();
        let mut figures = Figures { token_fetches: tokens.len(), ..Figures::default() };
        for (event, _) in &self.apps {
            let mine: Vec<(u64, Option<u64>)> = match A::PROFILE {
                Profile::CodeChat => {
                    let mine = |seen: &&SocketSeen| seen.event.as_deref() == Some(event.as_str());
                    let sockets = state.sockets.iter().filter(mine);
                    sockets.map(|socket| (socket.opened_ms, socket.closed_ms)).collect()
                }
                // A session begins when its namespace is there.
                Profile::V2 => {
                    let joins = joins_of(&state).filter(|call| call.joined == Some(true));
                    let ended = |conn| {
                        let socket = state.sockets.iter().find(|socket| socket.conn == conn);
                        socket.and_then(|socket| socket.closed_ms)
                    };
                    joins.map(|call| (call.t_ms, ended(call.conn))).collect()
                }
            };
            figures.connects += mine.len();
            figures.recoveries += mine.len().saturating_sub(1);
            figures.offline.extend(mine.windows(2).map(|pair| {
                let lost = pair[0].1.unwrap_or(pair[1].0);
                pair[1].0.saturating_sub(lost)
            }));
        }
        figures
    }
}

/// Goes through the attempts to join the instance's namespace; the main one is there always.
pub(super) fn joins_of(state: &State) -> impl Iterator<Item = &JoinCall> {
    state.joins.iter().filter(|call| call.namespace.trim_start_matches('/') == INSTANCE)
}

pub(super) type Play = Result<Vec<Promise>, String>;
pub(super) type Playing<'a> = Pin<Box<dyn Future<Output = Play> + Send + 'a>>;

/// Plays a scene from its opening to its report.
pub(super) fn start<A: Service>(
    stage: &Stage,
    set: &mut JoinSet<Outcome>,
    (order, name): (usize, &'static str),
    events: &'static [&'static str],
    change: fn(&mut Settings),
    play: for<'a> fn(&'a mut Scene<A>) -> Playing<'a>,
) {
    let stage = stage.clone();
    set.spawn(async move {
        let mut scene =
            Scene::<A>::open(name, &stage, events, change).await.map_err(Failure::new)?;
        let (promises, mut stuck) = match play(&mut scene).await {
            Ok(promises) => (promises, None),
            Err(stuck) => (Vec::new(), Some(stuck)),
        };
        // Both sides are asked before the end: it is no outage.
        let (mut app, server) = (Figures::default(), scene.server_figures());
        for (_, one) in &scene.apps {
            app.add(&one.counts().figures);
        }
        for (_, one) in &mut scene.apps {
            let within = tokio::time::timeout(stage.patience(5_000), one.end());
            if within.await.is_err() {
                stuck.get_or_insert("a session does not end".into());
            }
        }
        Ok((order, Report { scene: name, app, server, promises, stuck }))
    });
}
