//! What can be typed about RingCentral.

use std::path::PathBuf;

use clap::Args;

use super::{CommonArgs, ServeCommonArgs};

#[derive(Args)]
pub(crate) struct RingCentralArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The REST server.
    #[arg(long, value_name = "URL", default_value = redial_ringcentral::PRODUCTION)]
    pub(crate) server: String,
    /// The application.
    #[arg(long, value_name = "I", env = "REDIAL_CLIENT_ID")]
    pub(crate) client_id: String,
    /// The application's secret.
    #[arg(long, value_name = "S", env = "REDIAL_CLIENT_SECRET", hide_env_values = true)]
    pub(crate) client_secret: String,
    /// A user's JWT credential.
    #[arg(long, value_name = "ASSERTION", env = "REDIAL_JWT", hide_env_values = true)]
    pub(crate) jwt: Option<String>,
    /// A refresh token, which is good once; --refresh-token-out keeps the next.
    #[arg(long, value_name = "R", env = "REDIAL_REFRESH_TOKEN", hide_env_values = true)]
    pub(crate) refresh_token: Option<String>,
    /// An authorization code, which is good once.
    #[arg(long, value_name = "C", env = "REDIAL_AUTH_CODE", hide_env_values = true)]
    pub(crate) auth_code: Option<String>,
    /// The redirect URI that the authorization code was given to.
    #[arg(long, value_name = "U")]
    pub(crate) redirect_uri: Option<String>,
    /// The PKCE verifier, where the authorization code was asked for with a challenge.
    #[arg(long, value_name = "V", env = "REDIAL_CODE_VERIFIER", hide_env_values = true)]
    pub(crate) code_verifier: Option<String>,
    /// An event filter such as /restapi/v1.0/account/~/extension/~/message-store; several may be
    /// given, and make one subscription.
    #[arg(long, value_name = "FILTER")]
    pub(crate) subscribe: Vec<String>,
    /// Send requests over the socket where they can go there.
    #[arg(long)]
    pub(crate) rest_over_websocket: bool,
    /// Do not recover a lost connection until {"cmd":"recover"} says so.
    #[arg(long)]
    pub(crate) no_auto_recover: bool,
    /// The context token that an earlier process has kept: its session is recovered.
    #[arg(long, value_name = "T", env = "REDIAL_WSC_TOKEN", hide_env_values = true)]
    pub(crate) wsc_token: Option<String>,
    /// Keep the newest context token in this file (mode 0600).
    #[arg(long, value_name = "FILE")]
    pub(crate) wsc_out: Option<PathBuf>,
    /// Restore the subscription that this file describes, and keep it up to date (mode 0600).
    #[arg(long, value_name = "FILE")]
    pub(crate) subscription_info: Option<PathBuf>,
    /// Keep the newest refresh token in this file (mode 0600): a later process needs it to go on
    /// with the same session.
    #[arg(long, value_name = "FILE")]
    pub(crate) refresh_token_out: Option<PathBuf>,
}

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
