//! What can be typed about Vonage.

use clap::Args;

use super::ServeCommonArgs;

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
