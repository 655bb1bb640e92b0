//! Choosing options for a test.

use super::options::Profile;
use super::sim::GenesysSim;
use crate::servers;

/// Chooses the options of a simulator for a test.
pub type Builder = servers::Builder<GenesysSim>;

impl Builder {
    /// Chooses the service; guest sessions are the default.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.options.settings.profile = profile;
        self
    }
}
