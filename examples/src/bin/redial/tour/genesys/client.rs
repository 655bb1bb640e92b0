//! The clients of both services, whole or sabotaged.

use redial_core::Speed;
use redial_genesys::guest::{self, Credentials, Text};
use redial_genesys::web::{self, Outgoing, session_token};
use redial_genesys::{GuestChat, WebMessaging};
use redial_testkit::servers::genesys::{GenesysSim, Profile, State};
use redial_tungstenite::Client;

use crate::cli::Sabotage;
use crate::connect::setup;
use crate::tour::Stage;
use crate::tour::app::Portable;
use crate::tour::clients::{sabotaged, trusting};

/// One of the two services.
pub(super) trait Service: Portable {
    const PROFILE: Profile;

    fn adapter(sim: &GenesysSim, stage: &Stage) -> Result<Self, String>;
    fn text(text: &str) -> Self::Outgoing;
    /// Returns what is heard of the other side.
    fn heard(message: &Self::Message) -> Option<String>;
    /// Counts the tokens that the server has seen.
    fn tokens(state: &State) -> usize;

    fn client(sim: &GenesysSim, stage: &Stage) -> Result<Client<Self>, String> {
        let (http, connector) = trusting(sim.ca_pem().unwrap_or_default())?;
        let builder = Client::builder(Self::adapter(sim, stage)?).http(http).connector(connector);
        let builder = builder.token_source(setup::random_source(session_token));
        builder.seed(stage.seed).build().map_err(|error| error.to_string())
    }
}

impl Service for GuestChat {
    const PROFILE: Profile = Profile::Guest;

    fn adapter(sim: &GenesysSim, stage: &Stage) -> Result<Self, String> {
        let credentials = Credentials::OAuth("only-on-loopback".into());
        let mut builder = Self::builder(sim.host(), credentials)
            .policy(sabotaged(&guest::POLICY, stage.sabotage))
            .speed(Speed::new(stage.speed));
        if stage.sabotage == Some(Sabotage::NoResend) {
            builder = builder.retries(0);
        }
        builder.build().map_err(|error| error.to_string())
    }

    fn text(text: &str) -> Text {
        Text::new(text)
    }

    fn heard(message: &guest::Message) -> Option<String> {
        match message {
            guest::Message::Chat(chat) => chat.content.clone(),
            guest::Message::Conversation { previous, .. } => {
                previous.as_ref().map(|_| ANOTHER.to_owned())
            }
            _ => None,
        }
    }

    fn tokens(state: &State) -> usize {
        state.guests_ok()
    }
}

impl Service for WebMessaging {
    const PROFILE: Profile = Profile::WebMessaging;

    fn adapter(sim: &GenesysSim, stage: &Stage) -> Result<Self, String> {
        Self::builder("invalid", "tour")
            .hosts(sim.host(), sim.host())
            .policy(sabotaged(&web::POLICY, stage.sabotage))
            .speed(Speed::new(stage.speed))
            .build()
            .map_err(|error| error.to_string())
    }

    fn text(text: &str) -> Outgoing {
        Outgoing::text(text)
    }

    fn heard(message: &web::Message) -> Option<String> {
        match message {
            web::Message::Structured(structured) => structured.text.clone(),
            web::Message::Expired => Some(EXPIRED.to_owned()),
            _ => None,
        }
    }

    fn tokens(state: &State) -> usize {
        let mut tokens: Vec<&str> =
            state.configures.iter().map(|call| call.token.as_str()).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens.len()
    }
}

/// What is heard when another conversation has begun.
pub(super) const ANOTHER: &str = "(another conversation)";
/// What is heard when a session has expired.
pub(super) const EXPIRED: &str = "(expired)";
