//! What was counted, on two sides.

use serde_json::{Value, json};

/// The figures of one scene as one side has counted them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) connects: usize,
    pub(crate) token_fetches: usize,
    pub(crate) recoveries: usize,
    /// How long each outage was, in milliseconds.
    pub(crate) offline: Vec<u64>,
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    pub(crate) failed: usize,
}

impl Figures {
    pub(crate) fn longest(&self) -> u64 {
        self.offline.iter().copied().max().unwrap_or(0)
    }

    pub(crate) fn median(&self) -> u64 {
        let mut sorted = self.offline.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0)
    }

    /// Says where two sides disagree. Counts must be equal; the two sides see the ends of an
    /// outage through different ends of a socket, so times may differ by `slack` milliseconds.
    pub(crate) fn disagreements(&self, other: &Self, slack: u64) -> Vec<String> {
        let counts = [
            ("connects", self.connects, other.connects),
            ("token fetches", self.token_fetches, other.token_fetches),
            ("recoveries", self.recoveries, other.recoveries),
            ("outages", self.offline.len(), other.offline.len()),
            ("requests sent", self.sent, other.sent),
            ("requests answered", self.answered, other.answered),
            ("requests failed", self.failed, other.failed),
        ];
        let counts = counts
            .into_iter()
            .filter(|(_, app, server)| app != server)
            .map(|(name, app, server)| format!("{name}: application {app}, simulator {server}"));
        let times = [
            ("longest offline", self.longest(), other.longest()),
            ("median offline", self.median(), other.median()),
        ];
        let times = times.into_iter().filter(|(_, app, server)| app.abs_diff(*server) > slack).map(
            |(name, app, server)| format!("{name}: application {app} ms, simulator {server} ms"),
        );
        counts.chain(times).collect()
    }

    /// Adds the figures of another scene.
    pub(crate) fn add(&mut self, other: &Self) {
        self.connects += other.connects;
        self.token_fetches += other.token_fetches;
        self.recoveries += other.recoveries;
        self.offline.extend(&other.offline);
        self.sent += other.sent;
        self.answered += other.answered;
        self.failed += other.failed;
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "connects": self.connects, "token_fetches": self.token_fetches,
            "recoveries": self.recoveries, "offline_longest_ms": self.longest(),
            "offline_median_ms": self.median(), "requests_sent": self.sent,
            "requests_answered": self.answered, "requests_failed": self.failed,
        })
    }
}

/// Something that the seed document promises, and whether it happened.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) text: String,
    pub(crate) kept: bool,
    /// What was seen.
    pub(crate) seen: String,
}

impl Promise {
    pub(crate) fn new(text: impl Into<String>, kept: bool, seen: impl Into<String>) -> Self {
        Self { text: text.into(), kept, seen: seen.into() }
    }
}

/// How a scene went.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) scene: &'static str,
    pub(crate) app: Figures,
    pub(crate) server: Figures,
    pub(crate) promises: Vec<Promise>,
    /// Why the scene did not come to its end.
    pub(crate) stuck: Option<String>,
}

impl Report {
    /// Says everything that is not as it should be.
    pub(crate) fn problems(&self, slack: u64) -> Vec<String> {
        let broken = self.promises.iter().filter(|promise| !promise.kept);
        let broken = broken.map(|promise| format!("broken: {} ({})", promise.text, promise.seen));
        let stuck = self.stuck.iter().map(|why| format!("stuck: {why}"));
        let differ = self.app.disagreements(&self.server, slack);
        let differ = differ.into_iter().map(|text| format!("the two sides disagree: {text}"));
        broken.chain(stuck).chain(differ).map(|text| format!("{}: {text}", self.scene)).collect()
    }
}
