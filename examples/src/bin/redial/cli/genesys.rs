//! What can be typed about Genesys.

use clap::Args;

use super::{CommonArgs, ServeCommonArgs};

#[derive(Args)]
pub(crate) struct GenesysArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Which of the two services.
    #[arg(long, value_enum, default_value = "guest")]
    pub(crate) profile: Profile,
    /// The organisation's host, such as your-org.mypurecloud.com (guest).
    #[arg(long, value_name = "HOST[:PORT]", env = "GENESYS_ORG_HOSTNAME")]
    pub(crate) org: Option<String>,
    /// An OAuth bearer with the scope webchat:guest:write; REDIAL_TOKEN serves, too (guest).
    #[arg(long, value_name = "T", env = "GENESYS_OAUTH_TOKEN", hide_env_values = true)]
    pub(crate) oauth_token: Option<String>,
    /// The value of an api_key header, instead of an OAuth bearer (guest).
    #[arg(long, value_name = "K", env = "REDIAL_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// The guest's address (guest).
    #[arg(long, value_name = "E", default_value = "anonymous@local")]
    pub(crate) email: String,
    /// The guest's first name (guest).
    #[arg(long, value_name = "F", default_value = "Guest")]
    pub(crate) first_name: String,
    /// The guest's last name (guest).
    #[arg(long, value_name = "L", default_value = "User")]
    pub(crate) last_name: String,
    /// Take a connection for dead after so many seconds without a sign of life; 30 is the
    /// vendor's (guest).
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) health_timeout: Option<u32>,
    /// Which way messages are sent again (guest).
    #[arg(long, value_enum, default_value = "rest")]
    pub(crate) resend: Resend,
    /// The service's socket, as a whole: wss://webmessaging.mypurecloud.com/v1 (web-messaging).
    #[arg(long, value_name = "WSURL")]
    pub(crate) url: Option<String>,
    /// The service's API, with its scheme (web-messaging).
    #[arg(long, value_name = "URL")]
    pub(crate) api: Option<String>,
    /// The deployment (web-messaging).
    #[arg(long, value_name = "ID")]
    pub(crate) deployment: Option<String>,
    /// The session to go on with; a new one is made otherwise (web-messaging).
    #[arg(long, value_name = "UUID", env = "REDIAL_SESSION_TOKEN", hide_env_values = true)]
    pub(crate) session_token: Option<String>,
    /// The Origin that is sent (web-messaging).
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
}

#[derive(Args)]
pub(crate) struct ServeGenesysArgs {
    #[command(flatten)]
    pub(crate) common: ServeCommonArgs,
    /// Which of the two services.
    #[arg(long, value_enum, default_value = "guest")]
    pub(crate) profile: Profile,
    /// Whether a message whose id is known is delivered only once.
    #[arg(long, value_enum)]
    pub(crate) dedupe: Option<Switch>,
    /// How long a guest session lives, or a Web Messaging session after its last message.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(0..=63_000_000))]
    pub(crate) expires_in: Option<u64>,
}

/// Which service is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// Guest sessions, with REST to send again.
    Guest,
    /// Today's Web Messaging.
    WebMessaging,
}

/// Which way messages are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Resend {
    /// By REST.
    Rest,
    /// On the socket.
    Socket,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}
