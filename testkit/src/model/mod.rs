//! What a machine must do, said once more.
//!
//! The model and [`Machine`](redial_core::Machine) take the same events; their actions and
//! deadlines must be equal. The two are built differently so that one mistake is not made twice:
//! the machine has phases with the data that exists in each, the model has one list of facts and
//! one list of alarms, and all that it says follows from the questions "what is lost?", "what may
//! begin?" and "what is due?".

mod alarms;
mod online;
mod outage;
mod rules;

use redial_core::{
    Action, Cause, ConnId, Cx, Event, Notice, Policy, Reason, Reset, Resume, StopReason,
    SuspendReason, Terms, Timestamp, TokenId, TokenUse, Wait,
};

use self::alarms::{Alarm, Alarms};
use self::online::Work;
use self::rules::ms;
use crate::explorer::Output;

/// A plain statement of what a machine must do.
#[derive(Clone, Debug)]
pub struct Model {
    now: u64,
    stage: Stage,
    alarms: Alarms,
    conn: u32,
    request: u32,
    token: Option<Token>,
    /// Why there is no token, where there is none.
    lack: Reason,
    /// What servers have asked for.
    earliest: u64,
    /// What the floor asks for.
    pace: u64,
    attempts: u64,
    rejections: u64,
    /// Whether the server's session is worth asking for; its window is an alarm.
    resumable: bool,
    /// What the server has said about this connection.
    terms: Terms,
    keepalive: redial_core::Keepalive,
    /// How many probes in a row have been missed, where one is unanswered.
    missed: Option<u32>,
    /// What the next renewal does, and whether it is under way.
    renewal: Option<Work>,
    renewing: bool,
    out: Output,
}

/// Where the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Fetching,
    Waiting,
    Dialling,
    Opening,
    Online,
    Asleep,
    Leaving,
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    request: u32,
    expires: Option<u64>,
    unused: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// Makes a session that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: 0,
            stage: Stage::Idle,
            alarms: Alarms::default(),
            conn: 0,
            request: 0,
            token: None,
            lack: Reason::Start,
            earliest: 0,
            pace: 0,
            attempts: 0,
            rejections: 0,
            resumable: false,
            terms: Terms::default(),
            keepalive: redial_core::Keepalive::Off,
            missed: None,
            renewal: None,
            renewing: false,
            out: Output::new(),
        }
    }

    /// Takes an event and returns what must be done about it.
    pub fn handle(&mut self, policy: &Policy, cx: Cx, event: Event) -> Output {
        self.now = self.now.max(cx.now.as_millis());
        self.out = Output::new();
        if matches!(self.stage, Stage::Over) {
            return self.out;
        }
        let mine = |conn: ConnId| conn.get() == self.conn;
        let rules = Rules { policy, entropy: cx.entropy };
        match event {
            Event::Connect if self.is_at_rest() => self.begin_anew(&rules),
            Event::Recover if self.is_at_rest() => self.begin_anew(&rules),
            Event::Recover | Event::NetworkChanged if self.stage == Stage::Waiting => {
                self.end_wait(&rules);
            }
            Event::NetworkChanged if self.stage == Stage::Online => self.probe_out_of_turn(),
            Event::Renew if self.stage == Stage::Online && !self.renewing => {
                let planned = self.renewal.unwrap_or(Work::Prolong);
                self.renew_when_allowed(&rules, planned);
            }
            Event::Reconnect { token } => self.reconnect(&rules, token),
            Event::Shutdown => self.shut_down(&rules),
            Event::TokenOffered { resumable } if self.stage != Stage::Leaving => {
                self.request += 1;
                self.take_token(&rules, None, resumable);
                if self.stage == Stage::Asleep {
                    self.begin_anew(&rules);
                }
            }
            Event::TokenReady { token, expires_in, resumable } if self.awaits(token) => {
                self.take_token(&rules, expires_in, resumable);
            }
            Event::TokenFailed { token, cause, retry_after } if self.awaits(token) => {
                if self.stage == Stage::Online {
                    self.renewal_failed(&rules, cause, retry_after);
                } else {
                    self.fail(&rules, cause, retry_after);
                }
            }
            Event::TokenRejected { token } => self.side_call_found_it_dead(&rules, token),
            Event::Dialing { conn } if mine(conn) && self.stage == Stage::Dialling => {
                let by = self.after(ms(policy.spec().timeouts.connect));
                self.alarms.set_once(Alarm::Connect, by);
            }
            Event::Opened { conn } if mine(conn) && self.stage == Stage::Dialling => {
                if policy.spec().token.single_use {
                    self.lose_token(Reason::Policy);
                }
                self.terms = Terms::default();
                self.enter(Stage::Opening);
                self.alarms.set(Alarm::Ready, self.after(ms(policy.spec().timeouts.ready)));
            }
            Event::Announced { conn, terms } if mine(conn) => self.announced(&rules, terms),
            Event::Ready { conn, continuity } if mine(conn) && self.stage == Stage::Opening => {
                self.go_online(&rules, continuity);
            }
            Event::Ack { conn, evidence } if mine(conn) && self.stage == Stage::Online => {
                self.heard(evidence);
            }
            Event::Refused { conn, code, retry_after }
                if mine(conn) && self.stage != Stage::Leaving =>
            {
                if self.has_connection() {
                    self.close(Some(1000));
                }
                self.lost(&rules, Cause::Refused(code), retry_after);
            }
            Event::Closed { conn, cause, retry_after } if mine(conn) => {
                self.lost(&rules, cause, retry_after);
            }
            Event::Throttled { within } if self.stage != Stage::Leaving => {
                self.hold_back(policy, Some(within));
                self.stretch_wait();
                if !self.renewing {
                    self.alarms.postpone(Alarm::Renewal, self.earliest);
                }
            }
            Event::Tick => self.tick(&rules),
            _ => {}
        }
        self.out
    }

    /// Returns the instant at which a tick is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.alarms.first().map(Timestamp::from_millis)
    }

    /// Returns the instant so many milliseconds from now. Time has an end.
    fn after(&self, millis: u64) -> u64 {
        self.now.saturating_add(millis)
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.stage, Stage::Idle | Stage::Asleep)
    }

    fn has_connection(&self) -> bool {
        matches!(self.stage, Stage::Dialling | Stage::Opening | Stage::Online | Stage::Leaving)
    }

    fn awaits(&self, token: TokenId) -> bool {
        let asked = self.stage == Stage::Fetching || self.stage == Stage::Online && self.renewing;
        asked && token.get() == self.request
    }

    /// Leaves a stage with all its alarms behind. The window of the old session outlives stages.
    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.alarms.clear_stage();
        self.renewal = None;
        self.renewing = false;
        self.missed = None;
        if matches!(stage, Stage::Leaving | Stage::Over) {
            self.forget_session();
        }
    }

    fn forget_session(&mut self) {
        self.resumable = false;
        self.alarms.clear(Alarm::Window);
    }

    fn begin_anew(&mut self, rules: &Rules<'_>) {
        self.attempts = 0;
        self.begin(rules);
    }

    fn reconnect(&mut self, rules: &Rules<'_>, token: TokenUse) {
        match self.stage {
            Stage::Fetching | Stage::Leaving | Stage::Over => return,
            Stage::Dialling => self.close(None),
            Stage::Opening => self.close(Some(1000)),
            Stage::Online => {
                self.close(Some(1000));
                self.go_offline(rules, Cause::Requested);
            }
            Stage::Idle | Stage::Waiting | Stage::Asleep => {}
        }
        if token == TokenUse::Regenerate {
            self.lose_token(Reason::Policy);
        }
        let (waited, counted) = (self.alarms.get(Alarm::Wait), self.attempts > 0);
        self.begin_anew(rules);
        // A wait that stays the same counts its attempts anew, and that is said.
        if let (Some(at), true) = (self.alarms.get(Alarm::Wait), counted)
            && waited == Some(at)
        {
            self.announce_wait(at, Cause::Held);
        }
    }

    fn shut_down(&mut self, rules: &Rules<'_>) {
        match self.stage {
            Stage::Leaving | Stage::Over => {}
            Stage::Idle | Stage::Fetching | Stage::Waiting | Stage::Asleep => {
                self.end(StopReason::Requested);
            }
            Stage::Dialling => {
                self.close(None);
                self.end(StopReason::Requested);
            }
            Stage::Opening | Stage::Online => {
                self.close(Some(1000));
                if self.stage == Stage::Online {
                    let conn = ConnId::new(self.conn);
                    self.notify(Notice::Offline { conn, cause: Cause::Requested });
                }
                self.enter(Stage::Leaving);
                let by = self.after(ms(rules.policy.spec().timeouts.close));
                self.alarms.set(Alarm::Close, by);
            }
        }
    }

    fn end(&mut self, reason: StopReason) {
        self.enter(Stage::Over);
        self.notify(Notice::Stopped { reason });
    }

    fn sleep(&mut self, reason: SuspendReason) {
        self.enter(Stage::Asleep);
        self.notify(Notice::Suspended { reason });
    }

    fn tick(&mut self, rules: &Rules<'_>) {
        if self.stage != Stage::Online && self.alarms.take_due(Alarm::Window, self.now) {
            self.resumable = false;
            self.notify(Notice::ResumeExpired);
        }
        match self.stage {
            Stage::Online => self.tick_online(rules),
            Stage::Fetching if self.alarms.take_due(Alarm::Token, self.now) => {
                self.fail(rules, Cause::Timeout(Wait::Token), None);
            }
            Stage::Dialling if self.alarms.take_due(Alarm::Connect, self.now) => {
                self.close(None);
                self.fail(rules, Cause::Timeout(Wait::Connect), None);
            }
            Stage::Opening if self.alarms.take_due(Alarm::Ready, self.now) => {
                self.close(None);
                self.fail(rules, Cause::Timeout(Wait::Ready), None);
            }
            Stage::Leaving if self.alarms.take_due(Alarm::Close, self.now) => {
                self.close(None);
                self.end(StopReason::Requested);
            }
            _ => {}
        }
        if self.alarms.get(Alarm::Wait).is_some_and(|at| at <= self.now) {
            self.end_wait(rules);
        }
    }

    fn close(&mut self, code: Option<u16>) {
        self.out.push(Action::Close { conn: ConnId::new(self.conn), code });
    }

    fn notify(&mut self, notice: Notice) {
        self.out.push(Action::Notify(notice));
    }
}

/// What one event is judged by.
struct Rules<'a> {
    policy: &'a Policy,
    entropy: u64,
}

/// Returns for how long a session can be resumed after a loss; `None`: there is no end.
fn window(policy: &Policy, terms: &Terms) -> Option<u64> {
    match (terms.resume, policy.spec().resume) {
        (Some(span), _) | (None, Resume::Within(span)) => Some(ms(span)),
        (None, Resume::Never | Resume::Always) => None,
    }
}

/// Returns how long a session must be online until its attempts count anew.
fn probation(policy: &Policy) -> Option<u64> {
    match policy.spec().backoff.reset {
        Reset::Online => None,
        Reset::Stable(span) => Some(ms(span)),
    }
}
