//! What must hold, each as a named check.

use redial_core::{Action, Cx, Event, Machine, Policy, Timestamp};

use super::checks;
use super::witness::Witness;

/// One event, what was done about it, and what an onlooker knew before and after.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The rules.
    pub policy: &'a Policy,
    /// The machine that the event met.
    pub before: &'a Machine,
    /// What an onlooker knew then.
    pub seen_before: &'a Witness,
    /// The time and the chance.
    pub cx: Cx,
    /// The event.
    pub event: Event,
    /// What was done about it.
    pub actions: &'a [Action],
    /// The machine that followed.
    pub after: &'a Machine,
    /// When it is to be ticked.
    pub timeout: Option<Timestamp>,
    /// What an onlooker knows.
    pub seen: &'a Witness,
    /// The same event without the jump of the clock, where there is one.
    pub at_once: Option<Twin<'a>>,
}

/// What the same event leads to when it arrives at once.
#[derive(Clone, Copy, Debug)]
pub struct Twin<'a> {
    /// What was done about it.
    pub actions: &'a [Action],
    /// The machine that followed.
    pub after: &'a Machine,
}

impl Step<'_> {
    /// Returns the time at which the machine took the event: its clock never runs backwards.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.cx.now.max(self.before.now())
    }

    /// Returns how many of the actions `what` names.
    pub fn count(&self, what: impl Fn(&Action) -> bool) -> usize {
        self.actions.iter().filter(|action| what(action)).count()
    }

    /// Returns whether nothing but the time is different after the event.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let (before, after) = (self.before, self.after);
        before.phase() == after.phase()
            && before.token() == after.token()
            && before.not_before() == after.not_before()
            && before.pace() == after.pace()
            && before.attempts() == after.attempts()
            && before.rejections() == after.rejections()
            && before.resumable() == after.resumable()
            && before.newest_conn() == after.newest_conn()
            && before.newest_token() == after.newest_token()
    }
}

/// Something that must hold in every step.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub text: &'static str,
    /// Returns what is wrong with a step.
    pub check: fn(&Step<'_>) -> Result<(), &'static str>,
}

/// Everything that must hold in every step of a machine.
pub const INVARIANTS: [Invariant; 13] = [
    Invariant {
        name: "one_connection",
        text: "there is never a second connection, nor one that nobody watches",
        check: checks::one_connection,
    },
    Invariant {
        name: "one_token_request",
        text: "there is never a second token request, and a pending one is not replaced",
        check: checks::one_token_request,
    },
    Invariant {
        name: "no_action_for_dead_generation",
        text: "a stale answer changes nothing, and nothing is done to a dead connection",
        check: checks::no_action_for_dead_generation,
    },
    Invariant {
        name: "pending_effect_or_deadline",
        text: "a session that goes on waits for an answer or for an instant",
        check: checks::pending_effect_or_deadline,
    },
    Invariant {
        name: "retry_after_respected",
        text: "nothing starts before the time that a server asked for",
        check: checks::retry_after_respected,
    },
    Invariant {
        name: "token_before_connect",
        text: "a token is held before a dial, and never one that was given up",
        check: checks::token_before_connect,
    },
    Invariant {
        name: "online_implies_ready",
        text: "the session is online after the adapter's word and not before",
        check: checks::online_implies_ready,
    },
    Invariant {
        name: "stopped_is_silent",
        text: "nothing follows the end, and the end is told once",
        check: checks::stopped_is_silent,
    },
    Invariant {
        name: "actions_bounded",
        text: "an event leads to at most Actions::CAPACITY actions",
        check: checks::actions_bounded,
    },
    Invariant {
        name: "no_overdue_deadline_after_tick",
        text: "a tick leaves nothing that is due",
        check: checks::no_overdue_deadline_after_tick,
    },
    Invariant {
        name: "clock_jump_changes_only_waiting",
        text: "a jump of the clock alone ends a wait, and does nothing else twice",
        check: checks::clock_jump_changes_only_waiting,
    },
    Invariant {
        name: "schedule_announced",
        text: "the announced end of a wait is the instant that the driver arms",
        check: checks::schedule_announced,
    },
    Invariant {
        name: "floor_respected",
        text: "attempts never follow each other faster than the policy's floor",
        check: checks::floor_respected,
    },
];
