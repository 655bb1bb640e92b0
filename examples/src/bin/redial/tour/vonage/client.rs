//! The client of a scene, whole or sabotaged, and the tokens of its user.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redial_auth_http::TokenRequest;
use redial_core::{Item, Secret, Span, Speed};
use redial_testkit::servers::vonage::VonageSim;
use redial_tungstenite::Client;
use redial_vonage::{Callback, Callbacks, Generation, Message, POLICY, Vonage};
use serde_json::json;

use crate::cli::Sabotage;
use crate::tour::Stage;
use crate::tour::clients::{sabotaged, trusting};

/// How a scene's client gets its tokens.
#[derive(Clone, Copy)]
pub(super) struct Tokens {
    /// Whether somebody answers when one is needed; else the scene does.
    pub(super) source: bool,
    /// How long the first one lives; for ever, where nothing is said.
    pub(super) life: Option<Duration>,
}

/// Makes the client, and what counts how often its token source was asked.
pub(super) fn client(
    sim: &VonageSim,
    stage: &Stage,
    generation: Generation,
    tokens: Tokens,
) -> Result<(Client<Vonage>, Arc<AtomicUsize>), String> {
    let mut builder = Vonage::builder(generation)
        .url(sim.base())
        .token(token(1, tokens.life))
        .token_source(tokens.source)
        .policy(sabotaged(&POLICY, stage.sabotage))
        .speed(Speed::new(stage.speed));
    if stage.sabotage == Some(Sabotage::NoResend) {
        // The id of the session is what must be sent again.
        builder = builder.window(Span::ZERO);
    }
    let adapter = builder.build().map_err(|error| error.to_string())?;
    let (http, connector) = trusting(sim.ca_pem().unwrap_or_default())?;
    let mut builder = Client::builder(adapter).http(http).connector(connector).seed(stage.seed);
    let asked = Arc::<AtomicUsize>::default();
    if tokens.source {
        let asked = Arc::clone(&asked);
        builder = builder.token_source(move |_request: TokenRequest| {
            let number = asked.fetch_add(1, Ordering::SeqCst) + 2;
            async move { Ok(token(number, None)) }
        });
    }
    let client = builder.build().map_err(|error| error.to_string())?;
    Ok((client, asked))
}

/// Mints a token; none is like another.
pub(super) fn token(number: usize, life: Option<Duration>) -> Secret {
    let mut claims = json!({ "sub": "tour", "jti": number });
    if let Some(life) = life {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        claims["iat"] = now.as_secs_f64().into();
        claims["exp"] = (now + life).as_secs_f64().into();
    }
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let (head, body) = (json!({ "alg": "none" }).to_string(), claims.to_string());
    Secret::new(format!("{}.{}.{}", part(head), part(body), part("simulated".into())))
}

/// Returns what hears the callbacks of the vendor's SDK, and the other side.
pub(super) fn hearing() -> impl FnMut(&Item<Vonage>) -> Option<String> + Send + 'static {
    let mut callbacks = Callbacks::new();
    move |item| match callbacks.see(item) {
        Some(Callback::Disconnect { reason }) => Some(format!("disconnect {}", reason.as_str())),
        Some(Callback::Reconnecting { retry_count }) => Some(format!("reconnecting {retry_count}")),
        Some(callback) => Some(callback.name().to_owned()),
        None => match item {
            Item::TokenNeeded { .. } => Some(TOKEN_NEEDED.to_owned()),
            Item::Message(Message::Session(info)) => {
                info.previous.as_ref().map(|_| ANOTHER.to_owned())
            }
            Item::Message(Message::Event(event)) => {
                let twice = if event.is_duplicate() { " again" } else { "" };
                Some(format!("{EVENT}{}{twice}", event.id().unwrap_or_default()))
            }
            _ => None,
        },
    }
}

/// What is heard when nobody has a token.
pub(super) const TOKEN_NEEDED: &str = "(a token is needed)";
/// What is heard when the server has answered with another session.
pub(super) const ANOTHER: &str = "(another session)";
/// How an event of the server's begins when it is heard.
pub(super) const EVENT: &str = "event ";
