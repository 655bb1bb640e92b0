//! What can be typed about Evolution.

use clap::Args;

use super::{CommonArgs, ServeCommonArgs};

#[derive(Args)]
pub(crate) struct EvolutionArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Which of the two protocols.
    #[arg(long, value_enum, default_value = "codechat")]
    pub(crate) profile: EvolutionProfile,
    /// The server: ws://localhost:8084 by default with codechat, where /ws/events is added.
    #[arg(long, value_name = "BASE")]
    pub(crate) url: Option<String>,
    /// An event such as messages.upsert; several may be given. With codechat each has a socket of
    /// its own; with v2 they are what is handed on, and * is all.
    #[arg(long, value_name = "NAME", required = true)]
    pub(crate) event: Vec<String>,
    /// Take event names that the tool does not know.
    #[arg(long)]
    pub(crate) allow_unknown_event: bool,
    /// A command that prints a fresh token, or key, when one is refused; without any other it
    /// gives the first one, too.
    #[arg(long, value_name = "CMD", env = "REDIAL_TOKEN_COMMAND", hide_env_values = true)]
    pub(crate) token_command: Option<String>,
    /// The instance's token, a JWT (codechat).
    #[arg(long, value_name = "JWT", env = "REDIAL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Have the server replace a refused token, which is that of this instance (codechat).
    #[arg(long, value_name = "NAME")]
    pub(crate) refresh_instance: Option<String>,
    /// What is sent as soon as a socket is open; {"message":"test data"} by default (codechat).
    #[arg(long, value_name = "JSON", conflicts_with = "no_test_message")]
    pub(crate) test_message: Option<String>,
    /// Send nothing when a socket is open (codechat).
    #[arg(long)]
    pub(crate) no_test_message: bool,
    /// Do not look for dead peers by pings (codechat).
    #[arg(long)]
    pub(crate) no_ping: bool,
    /// The server's global key, or the token of any instance (v2).
    #[arg(long, value_name = "K", env = "REDIAL_API_KEY", hide_env_values = true)]
    pub(crate) apikey: Option<String>,
    /// Where the key stands (v2).
    #[arg(long, value_enum, default_value = "header")]
    pub(crate) apikey_in: KeyPlace,
    /// The instance whose events are wanted (v2).
    #[arg(long, value_name = "NAME", conflicts_with = "global")]
    pub(crate) instance: Option<String>,
    /// The events of all instances are wanted (v2).
    #[arg(long)]
    pub(crate) global: bool,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KeyPlace {
    /// In a header.
    Header,
    /// In the address.
    Query,
}

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
