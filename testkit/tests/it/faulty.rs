//! A machine with a fault that somebody planted.

use redial_core::{
    Action, Cause, ConnId, Continuity, Cx, Event, Machine, Notice, Phase, Policy, Reason,
    Timestamp, Token, TokenUse,
};
use redial_testkit::explorer::{Output, Subject};

/// A machine with one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Faulty {
    machine: Machine,
    fault: Fault,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// Takes the word of a replaced connection for that of the present one.
    DropsTheFence,
    /// Plans a second retry when the same loss is reported again.
    SchedulesTwoRetries,
    /// Does not read `Retry-After`.
    IgnoresRetryAfter,
    /// Arms no timer for a wait.
    ForgetsTheDeadline,
    /// Dials before there is a token.
    DialsWithoutToken,
    /// Dials at once when a connection is closed.
    HammersAcceptThenClose,
    /// Its keepalive outlives the connection.
    PingsAfterClose,
    /// Has something to say after the end.
    TalksAfterTheEnd,
    /// Forgets that the second report of a loss wants a new token.
    LosesRegenerateOnMerge,
    /// Takes an open socket for a session.
    IsOnlineBeforeReady,
    /// Waits for the upgrade for ever.
    HasNoConnectDeadline,
    /// Dials beside a living connection.
    DialsTwice,
    /// Drops no socket that is not open yet.
    LeavesTheSocketBehind,
    /// Asks for a token while it is being made.
    AsksTwice,
    /// Lets deadlines pass.
    SleepsThroughTicks,
    /// Lets deadlines fire whenever it is asked anything.
    FiresWithoutTick,
    /// Says more than there is room for.
    TalksTooMuch,
    /// Lets the application pass the floor.
    PassesTheFloor,
    /// Never hears that the session can be used.
    IsDeafToReady,
    /// Waits long, then short, then long.
    WaitsAtRandom,
}

impl Faulty {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { machine: Machine::new(), fault }
    }

    fn live(&self, conn: ConnId) -> bool {
        self.machine.is_conn_live(conn)
    }

    /// Lets the time pass in which a wait ends.
    fn skip_wait(&mut self, policy: &Policy, output: &mut Output) {
        while let (Phase::Waiting { until }, Some(due)) =
            (*self.machine.phase(), self.machine.poll_timeout())
        {
            let actions = self.machine.handle(policy, Cx::new(due, 0), Event::Tick);
            if due >= until {
                output.retain(|action| !matches!(action, Action::ScheduleRetry { .. }));
            }
            actions.as_slice().iter().for_each(|action| output.push(*action));
        }
    }
}

impl Subject for Faulty {
    fn handle(&mut self, policy: &Policy, mut cx: Cx, mut event: Event) -> Output {
        let before = self.machine;
        let conn = before.newest_conn();
        match (self.fault, &mut event) {
            (Fault::DropsTheFence, Event::Closed { conn: named, .. }) => {
                *named = conn;
            }
            (
                Fault::IgnoresRetryAfter,
                Event::Closed { retry_after, .. } | Event::TokenFailed { retry_after, .. },
            ) => *retry_after = None,
            (Fault::DialsWithoutToken, Event::Connect)
                if matches!(before.token(), Token::None(_)) =>
            {
                self.machine.handle(policy, cx, Event::TokenOffered { resumable: true });
            }
            (Fault::LosesRegenerateOnMerge, Event::Closed { retry_after: None, .. })
                if matches!(before.phase(), Phase::Waiting { .. }) =>
            {
                event = nothing(conn);
            }
            (Fault::HasNoConnectDeadline, Event::Dialing { .. })
            | (Fault::IsDeafToReady, Event::Ready { .. }) => event = nothing(conn),
            (Fault::SleepsThroughTicks, Event::Tick)
                if matches!(before.phase(), Phase::Online(_)) =>
            {
                event = nothing(conn);
            }
            (Fault::WaitsAtRandom, _) => {
                cx.entropy = if before.attempts().is_multiple_of(2) { u64::MAX } else { 0 };
            }
            _ => {}
        }
        let mut output = Output::new();
        if self.fault == Fault::FiresWithoutTick && event != Event::Tick {
            output = self.machine.handle(policy, cx, Event::Tick).into();
        }
        for action in self.machine.handle(policy, cx, event).as_slice() {
            output.push(*action);
        }
        self.spoil(policy, &before, event, &mut output);
        output
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let forgets = self.fault == Fault::ForgetsTheDeadline
            && matches!(self.machine.phase(), Phase::Waiting { .. });
        if forgets { None } else { self.machine.poll_timeout() }
    }

    fn canonical(self, policy: &Policy) -> Self {
        Self { machine: self.machine.canonical(policy), ..self }
    }

    fn machine(&self) -> Machine {
        self.machine
    }
}

impl Faulty {
    fn spoil(&mut self, policy: &Policy, before: &Machine, event: Event, output: &mut Output) {
        let conn = before.newest_conn();
        let online = matches!(before.phase(), Phase::Online(_));
        let waiting = matches!(before.phase(), Phase::Waiting { .. });
        match (self.fault, event) {
            (Fault::SchedulesTwoRetries, Event::Closed { conn: named, .. })
                if waiting && named == conn =>
            {
                output.push(Action::ScheduleRetry {
                    at: self.machine.now() + policy.spec().floor,
                    attempt: 1,
                    token: TokenUse::Keep,
                    cause: Cause::Network,
                    not_before: None,
                });
            }
            (Fault::HammersAcceptThenClose, Event::Closed { retry_after: None, .. }) if online => {
                self.skip_wait(policy, output);
            }
            (Fault::PassesTheFloor, Event::Recover) if waiting => self.skip_wait(policy, output),
            (Fault::PingsAfterClose, Event::Tick) if waiting => {
                output.push(Action::SendPing { conn });
            }
            (Fault::TalksAfterTheEnd, _) if matches!(before.phase(), Phase::Stopped(_)) => {
                output.push(Action::Notify(Notice::ResumeExpired));
            }
            (Fault::IsOnlineBeforeReady, Event::Opened { conn })
                if self.live(conn) && matches!(before.phase(), Phase::Connecting { .. }) =>
            {
                let continuity = Continuity::Fresh;
                output.push(Action::Notify(Notice::Online { conn, continuity }));
            }
            (Fault::DialsTwice, Event::Recover) if online => {
                let intent = redial_core::Intent::Restart;
                output.push(Action::Connect { conn: conn.next(), intent, attempt: 1 });
            }
            (Fault::LeavesTheSocketBehind, Event::Shutdown) => {
                output.retain(|action| !matches!(action, Action::Close { code: None, .. }));
            }
            (Fault::AsksTwice, Event::NetworkChanged) if before.pending_token().is_some() => {
                let token = before.newest_token();
                output.push(Action::RegenerateToken { token, reason: Reason::Start });
            }
            (Fault::TalksTooMuch, Event::Shutdown) => {
                for _ in 0..5 {
                    output.push(Action::Notify(Notice::ResumeExpired));
                }
            }
            _ => {}
        }
    }
}

/// An event that a machine does not heed: only the time passes.
fn nothing(conn: ConnId) -> Event {
    Event::Dialing { conn: conn.next() }
}
