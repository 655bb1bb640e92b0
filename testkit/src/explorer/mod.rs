//! All that a session can ever come to, under any policy.
//!
//! The explorer starts with a session that has not begun and delivers every event, fresh and
//! stale, in time, late and with a clock that jumps, to every state that it finds, until it finds
//! no new one. In each step it checks every [`Invariant`], and on the closed graph that no effort
//! is repeated without time and that the session can always get online.
//!
//! ```
//! use redial_core::{Policy, PolicySpec, Span};
//! use redial_testkit::explorer::{Explorer, Extent, scaled_to_small};
//!
//! let policy = scaled_to_small(&Policy::new(PolicySpec {
//!     floor: Span::from_secs(5),
//!     keepalive: redial_core::Keepalive::Off,
//!     backoff: redial_core::Backoff::fixed(Span::from_secs(5)),
//!     ..PolicySpec::DEFAULT
//! }));
//! let report = Explorer::new(policy).extent(Extent::Plain).run();
//! assert!(report.is_sound(), "{report}");
//! ```
//!
//! Real spans make too many states, so the policy is scaled first; see [`scaled_to_small`]. A policy
//! that resumes, renews and probes at a steady pace still has some 90,000 states and tens of millions
//! of transitions with [`Extent::Plain`]: ten seconds or so in a release build, minutes in a debug
//! build.

mod alphabet;
mod checks;
pub mod diagram;
mod graph;
mod invariant;
mod matrix;
mod report;
mod scale;
mod story;
mod subject;
mod witness;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use redial_core::{Cause, Cx, Event, Machine, Policy, PolicySpec, Span, Timestamp, Verdict};

pub use alphabet::{Alphabet, CONN, Extent, Moment, TOKEN};
pub use invariant::{INVARIANTS, Invariant, Step, Twin};
pub use matrix::Matrix;
pub use report::{Report, Violation};
pub use scale::{named_spans, scaled_to_small, with_few_attempts};
pub use story::{Line, Story};
pub use subject::{Output, Subject};
pub use witness::{Link, Seen, Witness};

use checks::is_effort;
use graph::Graph;
use story::{Origin, Trail};

/// An exploration of all states under one policy.
#[derive(Clone, Debug)]
pub struct Explorer<S = Machine> {
    policy: Policy,
    starts: Vec<S>,
    extent: Extent,
    limit: usize,
    first_only: bool,
}

impl Explorer<Machine> {
    /// Explores the machine under `policy`, whose spans should be [small](scaled_to_small).
    ///
    /// It starts anew, and also as a snapshot may have left it: suspended. A policy that never
    /// suspends must know what to do about that, too.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self::of(policy, Machine::new()).also(suspended(&policy))
    }
}

impl<S: Subject> Explorer<S> {
    /// Explores what `start` can come to.
    #[must_use]
    pub fn of(policy: Policy, start: S) -> Self {
        Self {
            policy,
            starts: vec![start],
            extent: Extent::Full,
            limit: 1_000_000,
            first_only: false,
        }
    }

    /// Explores what `start` can come to as well.
    #[must_use]
    pub fn also(mut self, start: S) -> Self {
        self.starts.push(start);
        self
    }

    /// Sets how much may happen; everything unless told otherwise.
    #[must_use]
    pub fn extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    /// Sets the number of states after which it gives up; a million unless told otherwise.
    #[must_use]
    pub fn limit(mut self, states: usize) -> Self {
        self.limit = states;
        self
    }

    /// Ends with the first step that breaks an invariant.
    #[must_use]
    pub fn until_violation(mut self) -> Self {
        self.first_only = true;
        self
    }

    /// Explores until `wanted` is met, and tells the shortest way there; `None` where no state is
    /// like that, or none of those within the limit.
    ///
    /// ```
    /// use redial_core::{Phase, Policy, PolicySpec};
    /// use redial_testkit::explorer::{Explorer, scaled_to_small};
    ///
    /// let explorer = Explorer::new(scaled_to_small(&Policy::new(PolicySpec::DEFAULT)));
    /// let story = explorer.story_to(|machine| matches!(machine.phase(), Phase::Online(_)));
    /// let names: Vec<_> = story.iter().flat_map(|s| s.lines()).map(|l| l.event.name()).collect();
    /// // A snapshot left it suspended, and the application has a token at hand.
    /// assert_eq!(names, ["TokenOffered", "Opened", "Ready"]);
    /// ```
    #[must_use]
    pub fn story_to(&self, wanted: impl Fn(&Machine) -> bool) -> Option<Story> {
        let alphabet = Alphabet::new(&self.policy, self.extent);
        let mut search = self.search(&alphabet);
        let (mut at, mut looked) = (0, 0);
        loop {
            while looked < search.nodes.len() {
                if wanted(&search.nodes[looked].0.machine()) {
                    return Some(search.trail().to(u32::try_from(looked).ok()?));
                }
                looked += 1;
            }
            if at == search.nodes.len() || search.nodes.len() > self.limit {
                return None;
            }
            search.expand(at);
            at += 1;
        }
    }

    /// Explores.
    #[must_use]
    pub fn run(&self) -> Report {
        let alphabet = Alphabet::new(&self.policy, self.extent);
        let mut search = self.search(&alphabet);
        let mut at = 0;
        while at < search.nodes.len() && search.nodes.len() <= self.limit {
            search.expand(at);
            if self.first_only && !search.report.violations.is_empty() {
                break;
            }
            at += 1;
        }
        search.finish(at)
    }

    fn search<'a>(&'a self, alphabet: &'a Alphabet) -> Search<'a, S> {
        let mut search = Search {
            explorer: self,
            alphabet,
            nodes: Vec::new(),
            origins: Vec::new(),
            index: Index::default(),
            report: Report::new(&self.policy),
            graph: Graph::default(),
            links: Vec::new(),
        };
        for (number, start) in self.starts.iter().enumerate() {
            search.add(start.canonical(&self.policy), Witness::new(), Origin::start(number));
        }
        search
    }
}

/// Returns a machine that a snapshot left suspended, for whatever policy saved it.
fn suspended(policy: &Policy) -> Machine {
    let before = Policy::new(PolicySpec {
        otherwise: Verdict::Suspend,
        floor: Span::from_millis(1),
        ..PolicySpec::DEFAULT
    });
    let mut machine = Machine::new();
    let cx = Cx::new(Timestamp::ZERO, 0);
    machine.handle(&before, cx, Event::Connect);
    let token = machine.newest_token();
    let failed = Event::TokenFailed { token, cause: Cause::Network, retry_after: None };
    machine.handle(&before, cx, failed);
    machine.restore(policy, Timestamp::from_millis(1))
}

/// A state and what an onlooker knows of it.
type Node<S> = (S, Witness);

struct Search<'a, S> {
    explorer: &'a Explorer<S>,
    alphabet: &'a Alphabet,
    nodes: Vec<Node<S>>,
    origins: Vec<Origin>,
    index: Index,
    report: Report,
    graph: Graph,
    /// The links of the state that is being expanded.
    links: Vec<graph::Link>,
}

/// What an event leads to that arrives at once.
struct Outcome {
    shown: Machine,
    output: Output,
}

impl<S: Subject> Search<'_, S> {
    fn expand(&mut self, at: usize) {
        let (subject, seen) = self.nodes[at];
        let before = subject.machine();
        let due = subject.poll_timeout();
        let alphabet = self.alphabet;
        for (number, event) in alphabet.events().iter().enumerate() {
            let mut at_once: Option<Outcome> = None;
            for (moment_number, moment) in alphabet.moments(*event, due).enumerate() {
                let cx = moment.cx;
                let mut next = subject;
                let output = next.handle(&self.explorer.policy, cx, *event);
                let shown = next.machine();
                let now = cx.now.max(before.now());
                let mut seen_after = seen;
                seen_after.see_event(&self.explorer.policy, &before, now, *event);
                seen_after.see_actions(&output, shown.phase());
                let first = cx.now == before.now();
                let twin = at_once.as_ref().filter(|_| !first);
                let step = Step {
                    policy: &self.explorer.policy,
                    before: &before,
                    seen_before: &seen,
                    cx,
                    event: *event,
                    actions: &output,
                    after: &shown,
                    timeout: next.poll_timeout(),
                    seen: &seen_after,
                    at_once: twin.map(|twin| Twin { actions: &twin.output, after: &twin.shown }),
                };
                let origin = Origin::new(at, number, moment_number);
                self.judge(&step, origin);
                self.report.count(&step);
                // A clock that runs backwards was shown to be one that stands still.
                if cx.now >= before.now() {
                    let next = next.canonical(&self.explorer.policy);
                    let to = self.add(next, seen_after.canonical(now), origin);
                    let friendly = is_friendly(*event, first, due == Some(cx.now));
                    let effort = output.iter().any(is_effort);
                    self.links.push(graph::Link { to, still: first, friendly, effort });
                }
                if first {
                    at_once = Some(Outcome { shown, output });
                }
            }
        }
        self.graph.add(&mut self.links);
    }

    fn judge(&mut self, step: &Step<'_>, origin: Origin) {
        for invariant in &INVARIANTS {
            if let Err(what) = (invariant.check)(step) {
                let trail = Trail {
                    policy: &self.explorer.policy,
                    starts: &self.explorer.starts,
                    alphabet: self.alphabet,
                    origins: &self.origins,
                };
                self.report.violate(invariant.name, what, || trail.story(origin));
            }
        }
    }

    fn trail(&self) -> Trail<'_, S> {
        Trail {
            policy: &self.explorer.policy,
            starts: &self.explorer.starts,
            alphabet: self.alphabet,
            origins: &self.origins,
        }
    }

    /// Returns the number of the state, a new one if it has not been seen.
    fn add(&mut self, subject: S, seen: Witness, origin: Origin) -> u32 {
        let node = (subject, seen);
        let nodes = &mut self.nodes;
        let found = self.index.find_or_insert(&node, nodes);
        if found as usize == nodes.len() {
            nodes.push(node);
            self.origins.push(origin);
            self.report.reach(subject.machine().phase());
        }
        found
    }

    fn finish(mut self, expanded: usize) -> Report {
        self.report.states = self.nodes.len();
        self.report.closed = expanded == self.nodes.len();
        let trail = Trail {
            policy: &self.explorer.policy,
            starts: &self.explorer.starts,
            alphabet: self.alphabet,
            origins: &self.origins,
        };
        if self.report.closed {
            let phase = |node: u32| *self.nodes[node as usize].0.machine().phase();
            if let Some(node) = self.graph.tight_loop() {
                let what = "attempts follow each other without time from here on";
                self.report.violate("no_tight_loop", what, || trail.to(node));
            }
            if let Some(node) = self.graph.never_online(phase) {
                let what = "no friendly answer leads to a session that can be used";
                self.report.violate("online_reachable", what, || trail.to(node));
            }
        }
        let start = self.explorer.starts[0];
        if let Some((what, story)) = graph::shrinking_wait(&self.explorer.policy, start) {
            self.report.violate("waits_grow", what, || story);
        }
        self.report
    }
}

/// Finds a state by its hash; the states themselves are kept once.
#[derive(Default)]
struct Index {
    hasher: RandomState,
    places: HashMap<u64, u32, Plain>,
}

impl Index {
    /// Returns the place of `node`, which is the next free one where it has not been seen.
    fn find_or_insert<S: Subject>(&mut self, node: &Node<S>, nodes: &[Node<S>]) -> u32 {
        let mut hash = self.hasher.hash_one(node);
        loop {
            let next = u32::try_from(nodes.len()).expect("fewer states than numbers");
            let place = *self.places.entry(hash).or_insert(next);
            if place == next || nodes[place as usize] == *node {
                return place;
            }
            hash = hash.wrapping_add(1);
        }
    }
}

/// Takes a hash as it is.
#[derive(Clone, Copy, Default)]
struct Plain;

impl BuildHasher for Plain {
    type Hasher = PlainHasher;

    fn build_hasher(&self) -> PlainHasher {
        PlainHasher(0)
    }
}

struct PlainHasher(u64);

impl std::hash::Hasher for PlainHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are numbers");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Returns whether the event is what happens when everybody does what was asked.
fn is_friendly(event: Event, at_once: bool, due: bool) -> bool {
    match event {
        Event::Tick => due,
        Event::Connect | Event::Opened { .. } | Event::Dialing { .. } | Event::Ready { .. } => {
            at_once
        }
        Event::TokenReady { resumable, expires_in, .. } => {
            at_once && resumable && expires_in.is_none()
        }
        _ => false,
    }
}
