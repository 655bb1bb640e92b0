//! What can be typed about Evolution.

use clap::Args;

use super::ServeCommonArgs;

#[derive(Args)]
pub(crate) struct ServeEvolutionArgs {
    #[command(flatten)]
    pub(crate) common: ServeCommonArgs,
    /// Which of the two protocols.
    #[arg(long, value_enum, default_value = "codechat")]
    pub(crate) profile: EvolutionProfile,
    /// The secret that tokens are signed with (codechat).
    #[arg(long, value_name = "S", env = "REDIAL_JWT_SECRET", hide_env_values = true)]
    pub(crate) jwt_secret: Option<String>,
}

/// Which protocol is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EvolutionProfile {
    /// A plain WebSocket for each event.
    Codechat,
    /// Socket.IO, a namespace for each instance.
    V2,
}
