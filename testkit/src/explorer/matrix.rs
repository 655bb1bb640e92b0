//! Which event was delivered in which phase.

use core::fmt;

use redial_core::{Event, Phase};

/// How often each event was delivered in each phase, and how often it changed the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    delivered: [[u64; PHASES]; EVENTS],
    changed: [[u64; PHASES]; EVENTS],
    reached: [u64; PHASES],
}

impl Matrix {
    pub(super) const fn new() -> Self {
        Self {
            delivered: [[0; PHASES]; EVENTS],
            changed: [[0; PHASES]; EVENTS],
            reached: [0; PHASES],
        }
    }

    /// Returns how often the event with this place in [`Event::NAMES`] was delivered in the phase
    /// with this place in [`Phase::NAMES`].
    #[must_use]
    pub fn delivered(&self, event: usize, phase: usize) -> u64 {
        self.delivered[event][phase]
    }

    /// Returns how many of these deliveries changed the state.
    #[must_use]
    pub fn changed(&self, event: usize, phase: usize) -> u64 {
        self.changed[event][phase]
    }

    /// Returns the states of each phase, by its place in [`Phase::NAMES`].
    #[must_use]
    pub const fn states(&self) -> &[u64; PHASES] {
        &self.reached
    }

    /// Returns the phases that the policy never leads to.
    #[must_use]
    pub fn unreachable(&self) -> Vec<&'static str> {
        (0..PHASES).filter(|phase| self.reached[*phase] == 0).map(|at| Phase::NAMES[at]).collect()
    }

    /// Returns the pairs of a reachable phase and an event that were never tried.
    #[must_use]
    pub fn empty_cells(&self) -> Vec<(&'static str, &'static str)> {
        let mut cells = Vec::new();
        for phase in (0..PHASES).filter(|phase| self.reached[*phase] > 0) {
            for event in (0..EVENTS).filter(|event| self.delivered[*event][phase] == 0) {
                cells.push((Phase::NAMES[phase], Event::NAMES[event]));
            }
        }
        cells
    }

    pub(super) fn reach(&mut self, phase: &Phase) {
        self.reached[phase.index()] += 1;
    }

    pub(super) fn count(&mut self, phase: &Phase, event: Event, changed: bool) {
        self.delivered[event.index()][phase.index()] += 1;
        self.changed[event.index()][phase.index()] += u64::from(changed);
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<15}", "changed/all")?;
        for name in Phase::NAMES {
            write!(f, " {name:>15}")?;
        }
        write!(f, "\n{:<15}", "states")?;
        for states in self.reached {
            write!(f, " {states:>15}")?;
        }
        for event in 0..EVENTS {
            write!(f, "\n{:<15}", Event::NAMES[event])?;
            for phase in 0..PHASES {
                let cell = if self.reached[phase] == 0 {
                    "-".to_owned()
                } else {
                    format!("{}/{}", self.changed[event][phase], self.delivered[event][phase])
                };
                write!(f, " {cell:>15}")?;
            }
        }
        writeln!(f)
    }
}

const PHASES: usize = Phase::NAMES.len();
const EVENTS: usize = Event::NAMES.len();
