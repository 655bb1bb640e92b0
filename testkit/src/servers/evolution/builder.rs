//! Choosing options for a test.

use std::io;

use super::options::{Options, Profile, Settings};
use super::sim::EvolutionSim;

/// Chooses the options of a simulator for a test.
#[derive(Clone, Debug)]
pub struct Builder {
    pub(super) options: Options,
}

impl Builder {
    /// Chooses the protocol; CodeChat is the default.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.options.profile = profile;
        self
    }

    /// Chooses the secret that tokens are signed with.
    #[must_use]
    pub fn jwt_secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.options.settings.jwt_secret);
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
    pub async fn start(self) -> io::Result<EvolutionSim> {
        EvolutionSim::start(self.options).await
    }
}
