//! One alarm for each purpose.

/// What an alarm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    Token,
    Wait,
    Connect,
    Ready,
    Close,
    /// The next probe.
    Probe,
    /// The answer to a probe, or the sign of life that was promised.
    Life,
    Renewal,
    Retire,
    Stable,
    /// The end of the old session.
    Window,
}

/// The alarms that are set, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarms([Option<u64>; 11]);

impl Alarms {
    pub(super) fn set(&mut self, alarm: Alarm, at: u64) {
        self.0[alarm as usize] = Some(at);
    }

    pub(super) fn set_once(&mut self, alarm: Alarm, at: u64) {
        self.0[alarm as usize].get_or_insert(at);
    }

    pub(super) fn get(&self, alarm: Alarm) -> Option<u64> {
        self.0[alarm as usize]
    }

    pub(super) fn clear(&mut self, alarm: Alarm) {
        self.0[alarm as usize] = None;
    }

    pub(super) fn postpone(&mut self, alarm: Alarm, at: u64) {
        self.0[alarm as usize] = self.0[alarm as usize].map(|set| set.max(at));
    }

    /// Says whether an alarm is due, and takes it off if so.
    pub(super) fn take_due(&mut self, alarm: Alarm, now: u64) -> bool {
        self.0[alarm as usize].take_if(|at| *at <= now).is_some()
    }

    /// Takes off all alarms but the one that outlives connections.
    pub(super) fn clear_stage(&mut self) {
        let window = self.get(Alarm::Window);
        *self = Self::default();
        self.0[Alarm::Window as usize] = window;
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.0.iter().flatten().min().copied()
    }
}
