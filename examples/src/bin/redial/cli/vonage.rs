//! What can be typed about Vonage.

use clap::Args;

use super::{CommonArgs, ServeCommonArgs};

#[derive(Args)]
pub(crate) struct VonageArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The base URL of the platform; the vendor's own in the USA by default.
    #[arg(long, value_name = "BASE")]
    pub(crate) url: Option<String>,
    /// The REST API, where it is not at the same address.
    #[arg(long, value_name = "BASE")]
    pub(crate) api_url: Option<String>,
    /// Which generation of the platform.
    #[arg(long = "gen", value_enum, default_value = "v2")]
    pub(crate) generation: VonageGeneration,
    /// The user's token.
    #[arg(long, value_name = "JWT", env = "REDIAL_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// A command that prints a fresh token when one is needed; without --token it gives the first
    /// one, too.
    #[arg(long, value_name = "CMD", env = "REDIAL_TOKEN_COMMAND", hide_env_values = true)]
    pub(crate) token_command: Option<String>,
    /// Which waits stand between attempts.
    #[arg(long, value_enum, default_value = "seed", conflicts_with = "policy")]
    pub(crate) backoff: VonageBackoff,
    /// Attempts after a loss, before it waits for connect; 0 makes none. 5 by default.
    #[arg(long, value_name = "N")]
    pub(crate) attempts: Option<u16>,
    /// Do not renew a token before it expires; the token command is asked when it has.
    #[arg(long)]
    pub(crate) no_proactive_refresh: bool,
}

/// Which waits stand between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum VonageBackoff {
    /// 1, 2, 4, 8 and 16 s.
    Seed,
    /// From 2 s, doubled, 15 s at most, a random part of 75 per cent: as today's SDK.
    Sdk,
}

#[derive(Args)]
pub(crate) struct ServeVonageArgs {
    #[command(flatten)]
    pub(crate) common: ServeCommonArgs,
    /// Which generation of the platform.
    #[arg(long = "gen", value_enum, default_value = "v2")]
    pub(crate) generation: VonageGeneration,
    /// The heartbeat's interval, as the handshake announces it; 25000 is Socket.IO's.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub(crate) ping_interval: Option<u64>,
    /// The time for the answer to a heartbeat; 5000 with v1, 20000 with v2.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub(crate) ping_timeout: Option<u64>,
    /// How long a session can be resumed after its loss; 300000 is the vendor's.
    #[arg(long, value_name = "MS")]
    pub(crate) window: Option<u64>,
}

/// Which generation of the platform is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum VonageGeneration {
    /// Engine.IO 3 at /rtc/, with `session:login`.
    V1,
    /// Engine.IO 4 at /v2/rtc/, with the token in the query.
    V2,
}
