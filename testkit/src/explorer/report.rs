//! What an exploration found.

use core::fmt;
use std::collections::BTreeMap;

use redial_core::{Phase, Policy, Span};

use super::matrix::Matrix;
use super::scale::named_spans;
use super::story::Story;
use super::{INVARIANTS, Step};

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The number of states.
    pub states: usize,
    /// The number of steps between them.
    pub transitions: u64,
    /// Whether nothing was left to explore.
    pub closed: bool,
    /// The most actions that one event led to.
    pub most_actions: usize,
    /// Which event was delivered in which phase.
    pub matrix: Matrix,
    /// The first step that breaks each invariant; none, where all hold.
    pub violations: Vec<Violation>,
    /// The events, by place, that lead from one phase to another.
    pub(super) edges: BTreeMap<(usize, usize), u32>,
    spans: Vec<(&'static str, Span)>,
}

/// A step that breaks an invariant.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The name of the invariant.
    pub invariant: &'static str,
    /// What is wrong.
    pub what: &'static str,
    /// The shortest way there; its last event is the step.
    pub story: Story,
}

impl Report {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            states: 0,
            transitions: 0,
            closed: false,
            most_actions: 0,
            matrix: Matrix::new(),
            violations: Vec::new(),
            edges: BTreeMap::new(),
            spans: named_spans(policy),
        }
    }

    /// Returns whether everything was explored, every event was delivered in every phase, and
    /// every invariant holds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.closed && self.violations.is_empty() && self.matrix.empty_cells().is_empty()
    }

    /// Returns the violation of the invariant with this name.
    #[must_use]
    pub fn violation(&self, invariant: &str) -> Option<&Violation> {
        self.violations.iter().find(|violation| violation.invariant == invariant)
    }

    pub(super) fn reach(&mut self, phase: &Phase) {
        self.matrix.reach(phase);
    }

    pub(super) fn count(&mut self, step: &Step<'_>) {
        self.transitions += 1;
        self.most_actions = self.most_actions.max(step.actions.len());
        let (from, to) = (step.before.phase(), step.after.phase());
        let changed = !step.actions.is_empty() || !step.is_unchanged();
        self.matrix.count(from, step.event, changed);
        if from.index() != to.index() {
            *self.edges.entry((from.index(), to.index())).or_insert(0) |= 1 << step.event.index();
        }
    }

    pub(super) fn violate(
        &mut self,
        invariant: &'static str,
        what: &'static str,
        story: impl FnOnce() -> Story,
    ) {
        if self.violation(invariant).is_none() {
            self.violations.push(Violation { invariant, what, story: story() });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = if self.closed { "closed" } else { "NOT closed: the limit was reached" };
        writeln!(f, "{} states, {} transitions, {closed}", self.states, self.transitions)?;
        write!(f, "spans:")?;
        for (name, span) in &self.spans {
            write!(f, " {name} {}", span.as_millis())?;
        }
        writeln!(f, "\nat most {} actions for one event\n\n{}", self.most_actions, self.matrix)?;
        let unreachable = self.matrix.unreachable();
        if !unreachable.is_empty() {
            writeln!(f, "the policy never leads to: {}", unreachable.join(", "))?;
        }
        for (phase, event) in self.matrix.empty_cells() {
            writeln!(f, "EMPTY: {event} was never delivered in {phase}")?;
        }
        let names = INVARIANTS.iter().map(|invariant| invariant.name);
        let of_graph = ["no_tight_loop", "online_reachable", "waits_grow"];
        for name in names.chain(of_graph) {
            match self.violation(name) {
                None if self.closed || !of_graph.contains(&name) => writeln!(f, "holds  {name}")?,
                None => writeln!(f, "-      {name}")?,
                Some(Violation { what, story, .. }) => write!(f, "BROKEN {name}: {what}\n{story}")?,
            }
        }
        Ok(())
    }
}
