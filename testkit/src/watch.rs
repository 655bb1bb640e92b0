//! A subject whose every step is checked, whoever feeds it.

use std::any::Any;
use std::fmt;

use redial_core::{Action, Cx, Event, Machine, Policy, Timestamp};

use crate::explorer::{INVARIANTS, Output, Step, Subject, Twin, Witness};
use crate::model::Model;

/// A subject with an onlooker that checks every step: the explorer's
/// [`INVARIANTS`], that no effort is repeated without time (`no_tight_loop`), and that the
/// [`Model`] would have done the same (`model_agrees`).
///
/// ```
/// use redial_core::{Cx, Event, Machine, Policy, PolicySpec, Timestamp};
/// use redial_testkit::Watched;
///
/// let policy = Policy::new(PolicySpec::DEFAULT);
/// let mut watched = Watched::new(&policy, Machine::new());
/// let output = watched.handle(Cx::new(Timestamp::from_millis(1_000), 0), Event::Connect);
/// assert_eq!(output.map(|output| output.len()), Ok(1));
/// ```
#[derive(Clone, Debug)]
pub struct Watched<S = Machine> {
    policy: Policy,
    subject: S,
    witness: Witness,
    model: Model,
    efforts: u32,
}

/// Something that must hold and did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The name of what must hold.
    pub invariant: &'static str,
    /// What is wrong.
    pub what: String,
}

impl<S: Subject> Watched<S> {
    /// The most efforts that fall into one instant: an attempt that began with a token request,
    /// the one that follows it at once, and its dial.
    pub const EFFORTS_AT_ONCE: u32 = 3;

    /// Watches a subject that has not begun.
    #[must_use]
    pub fn new(policy: &Policy, subject: S) -> Self {
        let (policy, witness, model) = (*policy, Witness::new(), Model::new());
        Self { policy, subject, witness, model, efforts: 0 }
    }

    /// Hands an event over and returns what is done about it.
    ///
    /// # Errors
    ///
    /// Names what did not hold. The subject has taken the event all the same.
    pub fn handle(&mut self, cx: Cx, event: Event) -> Result<Output, Breach> {
        let (earlier, before) = (self.subject, self.subject.machine());
        let output = self.subject.handle(&self.policy, cx, event);
        let expected = self.model.handle(&self.policy, cx, event);
        let shown = self.subject.machine();
        let seen_before = self.witness;
        let now = cx.now.max(before.now());
        self.witness.see_event(&self.policy, &before, now, event);
        self.witness.see_actions(&output, shown.phase());
        let jump = cx.now != before.now() && before.now() != Timestamp::ZERO;
        let at_once = jump.then(|| {
            let mut twin = earlier;
            let output = twin.handle(&self.policy, Cx::new(before.now(), cx.entropy), event);
            (output, twin.machine())
        });
        let step = Step {
            policy: &self.policy,
            before: &before,
            seen_before: &seen_before,
            cx,
            event,
            actions: &output,
            after: &shown,
            timeout: self.subject.poll_timeout(),
            seen: &self.witness,
            at_once: at_once.as_ref().map(|(actions, after)| Twin { actions, after }),
        };
        for invariant in &INVARIANTS {
            (invariant.check)(&step).map_err(|what| Breach::new(invariant.name, what))?;
        }
        let again = now == before.now() && !matches!(event, Event::TokenOffered { .. });
        self.efforts = if again { self.efforts } else { 0 } + efforts(&output);
        if self.efforts > Self::EFFORTS_AT_ONCE {
            return Err(Breach::new("no_tight_loop", "efforts follow each other without time"));
        }
        let due = self.model.poll_timeout();
        if expected[..] != output[..] || due != self.subject.poll_timeout() {
            let timeout = self.subject.poll_timeout();
            let what = format!(
                "after {event:?} the model does {expected:?} and waits for {due:?}; \
                 the machine does {output:?} and waits for {timeout:?}"
            );
            return Err(Breach::new("model_agrees", what));
        }
        Ok(output)
    }

    /// Returns the instant at which a tick is due.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.subject.poll_timeout()
    }

    /// Returns what the subject shows of itself.
    pub fn machine(&self) -> Machine {
        self.subject.machine()
    }

    /// Returns the rules.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Breach {
    /// Names what did not hold, and why.
    pub fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }

    /// Tells of a panic.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        Self::new("never_panics", format!("panicked: {}", panic_text(panic)))
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

impl std::error::Error for Breach {}

/// Says what a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".into())
}

/// Returns how many of the actions cost a server an exchange.
fn efforts(actions: &[Action]) -> u32 {
    let efforts = actions.iter().filter(|action| {
        matches!(
            action,
            Action::Connect { .. } | Action::RegenerateToken { .. } | Action::RenewToken { .. }
        )
    });
    u32::try_from(efforts.count()).unwrap_or(u32::MAX)
}
