//! What can be typed about RingCentral.

use clap::Args;

use super::ServeCommonArgs;

#[derive(Args)]
pub(crate) struct ServeRingCentralArgs {
    #[command(flatten)]
    pub(crate) common: ServeCommonArgs,
    /// How long a lost session can be recovered; 180 is the vendor's.
    #[arg(long, value_name = "S")]
    pub(crate) recovery_timeout: Option<u64>,
    /// How many notifications are kept meanwhile; 100 unless told otherwise.
    #[arg(long, value_name = "N")]
    pub(crate) recovery_buffer: Option<u64>,
    /// What becomes of a second connection with one WebSocket token.
    #[arg(long, value_enum)]
    pub(crate) ws_token_reuse: Option<TokenReuse>,
    /// The pause between the hello and the replay; the vendor's own SDK survives only a pause.
    #[arg(long, value_name = "MS")]
    pub(crate) replay_delay_ms: Option<u64>,
}

/// What becomes of a second connection with one WebSocket token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TokenReuse {
    /// It is accepted, and the first one is closed with 4409.
    Kick,
    /// It is closed with 4401.
    Reject,
    /// It is accepted.
    Allow,
}
