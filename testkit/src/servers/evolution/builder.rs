//! Choosing options for a test.

use super::options::Profile;
use super::sim::EvolutionSim;
use crate::servers;

/// Chooses the options of a simulator for a test.
pub type Builder = servers::Builder<EvolutionSim>;

impl Builder {
    /// Chooses the protocol; CodeChat is the default.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.options.settings.profile = profile;
        self
    }

    /// Chooses the secret that tokens are signed with.
    #[must_use]
    pub fn jwt_secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.options.settings.jwt_secret);
        self
    }
}
