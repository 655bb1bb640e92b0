//! The application side of a scene: it uses the library as anyone would, and counts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redial_core::{Adapter, Cause, Fate, Item, Notice, Reason, Settled, TokenUse};
use redial_tungstenite::{Client, Handle, Updates};
use serde_json::json;
use tokio::sync::watch;

use super::figures::Figures;
use super::screen::{Screen, Tone};
use crate::cli::Sabotage;
use crate::connect::{cause_json, cause_text};

/// An application with one session.
pub(crate) struct App<A: Adapter> {
    pub(crate) handle: Handle<A>,
    counts: Arc<Mutex<Counts>>,
    changes: watch::Receiver<u64>,
}

/// What the application has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) figures: Figures,
    pub(crate) online: bool,
    pub(crate) messages: usize,
    pub(crate) problems: usize,
    pub(crate) stopped: bool,
    pub(crate) suspended: bool,
    /// What was heard of the other side, in order.
    pub(crate) heard: Vec<String>,
    /// How many gaps a history has closed.
    pub(crate) gaps_closed: usize,
    /// The tokens that were to be used after each wait.
    pub(crate) retries: Vec<TokenUse>,
    /// When the session was lost last, and when it dialled since then.
    pub(crate) attempts: Vec<u64>,
    lost_at: Option<u64>,
    renewing: bool,
}

/// What a vendor's values need to cross tasks.
pub(crate) trait Portable:
    Adapter<Outgoing: Send, Message: Send, Reply: Send, Command: Send, Step: Send, Cursor: Send>
    + Send
    + 'static
{
}

impl<A> Portable for A where
    A: Adapter<Outgoing: Send, Message: Send, Reply: Send, Command: Send, Step: Send, Cursor: Send>
        + Send
        + 'static
{
}

impl<A: Adapter> Clone for App<A> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            counts: Arc::clone(&self.counts),
            changes: self.changes.clone(),
        }
    }
}

impl<A: Portable> App<A> {
    /// Runs a client in a task of its own.
    pub(crate) fn start(
        client: Client<A>,
        scene: &'static str,
        screen: &Screen,
        sabotage: Option<Sabotage>,
        hear: fn(&A::Message) -> Option<String>,
    ) -> Self {
        let hear = move |item: &Item<A>| match item {
            Item::Message(message) => hear(message),
            _ => None,
        };
        Self::listen(client, scene, screen, sabotage, hear)
    }

    /// Runs a client in a task of its own, and hears more than its messages.
    pub(crate) fn listen(
        client: Client<A>,
        scene: &'static str,
        screen: &Screen,
        sabotage: Option<Sabotage>,
        hear: impl FnMut(&Item<A>) -> Option<String> + Send + 'static,
    ) -> Self {
        let (handle, updates) = client.spawn();
        let counts = Arc::default();
        let (tick, changes) = watch::channel(0);
        let watcher =
            Watcher { scene, screen: screen.clone(), counts: Arc::clone(&counts), tick, sabotage };
        tokio::spawn(watcher.run(updates, hear));
        Self { handle, counts, changes }
    }

    /// Returns what was seen so far.
    pub(crate) fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    /// Waits until the counts are as wanted; says what was waited for when they never are.
    pub(crate) async fn until(
        &mut self,
        within: Duration,
        what: &str,
        mut wanted: impl FnMut(&Counts) -> bool,
    ) -> Result<(), String> {
        let counts = Arc::clone(&self.counts);
        let search = self.changes.wait_for(|_| wanted(&lock(&counts)));
        match tokio::time::timeout(within, search).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(format!("waited {within:?} in vain for: {what}")),
        }
    }

    /// Ends the session, and waits until everything that it said is shown.
    pub(crate) async fn end(&mut self) {
        self.handle.shutdown().await;
        while self.changes.changed().await.is_ok() {}
    }

    /// Sends a request and counts how it ended.
    pub(crate) async fn request(&self, message: A::Outgoing) {
        self.send(message).await.await;
    }

    /// Hands a message over; returns its end, which is counted when it has come.
    pub(crate) async fn send(
        &self,
        message: A::Outgoing,
    ) -> impl Future<Output = Option<Settled>> + Send + use<A> {
        let receipt = self.handle.send(message).await;
        let counts = Arc::clone(&self.counts);
        async move {
            let settled = receipt.ok()?.await.ok()?.settled;
            // What never reached the wire the other side cannot have seen.
            if settled.tries > 0 {
                let figures = &mut lock(&counts).figures;
                figures.sent += 1;
                match settled.fate {
                    Fate::Acked => figures.answered += 1,
                    Fate::Rejected(_) | Fate::Expired | Fate::NotSent | Fate::Unknown => {
                        figures.failed += 1;
                    }
                }
            }
            Some(settled)
        }
    }
}

/// Reads a session's updates.
struct Watcher {
    scene: &'static str,
    screen: Screen,
    counts: Arc<Mutex<Counts>>,
    tick: watch::Sender<u64>,
    sabotage: Option<Sabotage>,
}

impl Watcher {
    async fn run<A: Portable>(
        self,
        mut updates: Updates<A>,
        mut hear: impl FnMut(&Item<A>) -> Option<String>,
    ) {
        while let Some(item) = updates.next().await {
            if let Some(text) = hear(&item) {
                // What is in brackets is the library's word, and no message.
                if let Some(told) = text.strip_prefix('(') {
                    self.show(Tone::Calm, told.trim_end_matches(')'), json!({}));
                }
                lock(&self.counts).heard.push(text);
            }
            match item {
                Item::Notice(notice) => self.notice::<A>(notice),
                Item::Message(_) => lock(&self.counts).messages += 1,
                Item::Gap { closed } => lock(&self.counts).gaps_closed += usize::from(closed),
                Item::Problem(problem) => {
                    lock(&self.counts).problems += 1;
                    let fields = json!({ "fault": problem.fault.as_str() });
                    self.show(Tone::Bad, problem.text, fields);
                }
                _ => {}
            }
            self.tick.send_modify(|tick| *tick += 1);
        }
    }

    fn notice<A: Adapter>(&self, notice: Notice) {
        let now = self.screen.t_ms();
        let counts = &mut *lock(&self.counts);
        match notice {
            Notice::Authorizing { reason, .. } => {
                // What is asked for while the session lives is no new login.
                counts.renewing = reason == Reason::Expiring && counts.online;
                if !counts.renewing {
                    self.show(Tone::Calm, "asks for a token", json!({}));
                }
            }
            Notice::Token { .. } if counts.renewing => {}
            Notice::Token { token, .. } => {
                counts.figures.token_fetches += 1;
                self.show(Tone::Calm, &format!("has token {token}"), json!({}));
            }
            Notice::Connecting { conn, .. } => {
                counts.attempts.push(now);
                self.show(Tone::Calm, &format!("dials, connection {conn}"), json!({}));
                if self.sabotage == Some(Sabotage::EarlyResume) {
                    self.online(counts, now, conn.get());
                }
            }
            Notice::Online { conn, .. } if self.sabotage != Some(Sabotage::EarlyResume) => {
                self.online(counts, now, conn.get());
            }
            Notice::Offline { cause, .. } => {
                counts.online = false;
                counts.lost_at.get_or_insert(now);
                counts.attempts = vec![now];
                let (tone, text) = match cause {
                    Cause::Requested => (Tone::Calm, "closes, as it was asked to".to_owned()),
                    cause => (Tone::Bad, format!("offline: {}", cause_text::<A>(cause))),
                };
                self.show(tone, &text, json!({ "cause": cause_json::<A>(cause) }));
            }
            Notice::RetryScheduled { delay, attempt, token, cause, .. } => {
                counts.retries.push(token);
                let kind = match token {
                    TokenUse::Keep => "the same token",
                    TokenUse::Regenerate => "a new token",
                };
                let (ms, why) = (delay.as_millis(), cause_text::<A>(cause));
                let text = format!("waits {ms} ms for attempt {attempt} with {kind} ({why})");
                let fields = json!({ "delay_ms": ms, "cause": cause_json::<A>(cause) });
                self.show(Tone::Calm, &text, fields);
            }
            Notice::Suspended { .. } => {
                counts.suspended = true;
                self.show(Tone::Bad, "gives up until it is asked to connect", json!({}));
            }
            Notice::Stopped { .. } => {
                counts.stopped = true;
                self.show(Tone::Calm, "stopped", json!({}));
            }
            _ => {}
        }
    }

    fn online(&self, counts: &mut Counts, now: u64, conn: u32) {
        counts.online = true;
        counts.figures.connects += 1;
        let mut text = format!("online, connection {conn}");
        if let Some(at) = counts.lost_at.take() {
            counts.figures.recoveries += 1;
            counts.figures.offline.push(now - at);
            text = format!("{text}, after {} ms", now - at);
        }
        self.show(Tone::Good, &text, json!({ "conn": conn }));
    }

    fn show(&self, tone: Tone, text: &str, fields: serde_json::Value) {
        self.screen.moment(self.scene, tone, text, fields);
    }
}

fn lock(counts: &Mutex<Counts>) -> std::sync::MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
