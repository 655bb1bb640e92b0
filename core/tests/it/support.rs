//! What the tests of the machine share.

use redial_core::{
    Actions, Backoff, Cause, ConnId, Continuity, Cx, Event, Evidence, Keepalive, Machine, Pace,
    Policy, PolicySpec, Recovery, Renew, Resume, Rule, Rules, Span, Timestamp, TokenId,
    TokenPolicy, Verdict, When,
};

/// The numbers of LivePerson's seed.
pub(crate) const LIVEPERSON: Policy = Policy::new(PolicySpec {
    rules: Rules::new(&[
        Rule::close(4401, REGENERATE),
        Rule::close(4407, REGENERATE),
        Rule::close(1011, REGENERATE),
        Rule::new(When::Handshake(0, u16::MAX), REGENERATE),
        Rule::new(When::Http(0, u16::MAX), REGENERATE),
    ]),
    otherwise: Verdict::Retry(Recovery::KEEP),
    backoff: Backoff::fixed(Span::from_secs(10)),
    keepalive: Keepalive::Probe {
        interval: Span::from_secs(30),
        timeout: Span::from_secs(10),
        misses: 1,
        pace: Pace::Steady,
    },
    token: TokenPolicy {
        single_use: false,
        renew: Renew::Every(Span::from_secs(300)),
        rejections: None,
    },
    resume: Resume::Never,
    ..PolicySpec::DEFAULT
});

const REGENERATE: Verdict = Verdict::Retry(Recovery::REGENERATE);

/// LivePerson's numbers, changed.
pub(crate) fn liveperson_with(change: impl FnOnce(&mut PolicySpec)) -> Policy {
    let mut spec = *LIVEPERSON.spec();
    change(&mut spec);
    Policy::try_new(spec).expect("a policy without contradictions")
}

/// A machine whose time is given in milliseconds since the test began.
pub(crate) struct Rig {
    pub(crate) machine: Machine,
    policy: Policy,
    now: u64,
    pub(crate) entropy: u64,
}

impl Rig {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self { machine: Machine::new(), policy: *policy, now: 0, entropy: 0 }
    }

    /// A session that has been online since `at(0)`, with connection 1 and token 1.
    pub(crate) fn online(policy: &Policy) -> Self {
        let mut rig = Self::new(policy);
        rig.connect_at(0, 1);
        rig
    }

    /// Goes from nothing to online at once.
    pub(crate) fn connect_at(&mut self, ms: u64, number: u32) {
        self.event(ms, Event::Connect);
        self.event(ms, token_ready(number));
        self.open(ms, number);
    }

    /// Goes from connecting to online at once.
    pub(crate) fn open(&mut self, ms: u64, number: u32) {
        let conn = conn(number);
        self.event(ms, Event::Dialing { conn });
        self.event(ms, Event::Opened { conn });
        self.event(ms, Event::Ready { conn, continuity: Continuity::Fresh });
        assert_eq!(self.machine.phase().name(), "Online");
    }

    pub(crate) fn event(&mut self, ms: u64, event: Event) -> Actions {
        self.now = ms;
        self.machine.handle(&self.policy, Cx::new(at(ms), self.entropy), event)
    }

    pub(crate) fn tick(&mut self, ms: u64) -> Actions {
        self.event(ms, Event::Tick)
    }

    /// Ticks at each deadline up to and including `ms`; returns all that happened.
    pub(crate) fn run_to(&mut self, ms: u64) -> Vec<(u64, redial_core::Action)> {
        let mut log = Vec::new();
        while let Some(due) = self.machine.poll_timeout().filter(|due| *due <= at(ms)) {
            let due = millis(due).max(self.now);
            for action in self.tick(due).as_slice() {
                log.push((due, *action));
            }
        }
        self.now = ms;
        log
    }

    pub(crate) fn timeout(&self) -> Option<u64> {
        self.machine.poll_timeout().map(millis)
    }

    pub(crate) fn phase(&self) -> &'static str {
        self.machine.phase().name()
    }

    /// Kills the process and begins again at `ms` from what was saved.
    pub(crate) fn restore(&mut self, ms: u64) {
        self.machine = self.machine.restore(&self.policy, at(ms));
        self.now = ms;
    }
}

pub(crate) fn token_ready(number: u32) -> Event {
    Event::TokenReady { token: token(number), expires_in: None, resumable: true }
}

pub(crate) fn token_failed(number: u32, status: u16, retry_after: Option<Span>) -> Event {
    let cause = Cause::Http { step: 0, status };
    Event::TokenFailed { token: token(number), cause, retry_after }
}

pub(crate) fn closed(number: u32, cause: Cause) -> Event {
    Event::Closed { conn: conn(number), cause, retry_after: None }
}

pub(crate) fn probe_answered(number: u32) -> Event {
    Event::Ack { conn: conn(number), evidence: Evidence::Probe }
}

pub(crate) fn inbound(number: u32) -> Event {
    Event::Ack { conn: conn(number), evidence: Evidence::Inbound }
}

pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(START + ms)
}

pub(crate) fn secs(secs: u32) -> Span {
    Span::from_secs(secs)
}

pub(crate) const fn conn(number: u32) -> ConnId {
    ConnId::new(number)
}

pub(crate) const fn token(number: u32) -> TokenId {
    TokenId::new(number)
}

fn millis(at: Timestamp) -> u64 {
    at.as_millis().saturating_sub(START)
}

/// When the tests begin.
const START: u64 = 1_700_000_000_000;
