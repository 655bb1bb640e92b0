//! Choosing options for a test.

use std::io;

use super::options::{Options, Profile, Settings};
use super::sim::GenesysSim;

/// Chooses the options of a simulator for a test.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(super) options: Options,
}

impl Builder {
    /// Chooses the service; guest sessions are the default.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.options.profile = profile;
        self
    }

    /// Speaks TLS, or not (the default).
    #[must_use]
    pub fn tls(mut self, on: bool) -> Self {
        self.options.tls = on;
        self
    }

    /// Seeds everything that looks random.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// Changes any other option.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Changes any setting.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.options.settings);
        self
    }

    /// Starts the simulator.
    ///
    /// # Errors
    ///
    /// Fails when it cannot listen or cannot write the authority's certificate.
    pub async fn start(self) -> io::Result<GenesysSim> {
        GenesysSim::start(self.options).await
    }
}
