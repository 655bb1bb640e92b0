//! The client of a scene, whole or sabotaged.

use redial_core::Speed;
use redial_ringcentral::{Credentials, Message, POLICY, RingCentral};
use redial_testkit::servers::ringcentral::RingCentralSim;
use redial_tungstenite::Client;

use crate::tour::Stage;
use crate::tour::clients::{sabotaged, trusting};

pub(super) fn client(sim: &RingCentralSim, stage: &Stage) -> Result<Client<RingCentral>, String> {
    let credentials = Credentials::Jwt("only-on-loopback".into());
    let adapter = RingCentral::builder("tour", "only-on-loopback", credentials)
        .server(sim.base())
        .subscribe([FILTER], None)
        .rest_over_websocket(true)
        .policy(sabotaged(&POLICY, stage.sabotage))
        .speed(Speed::new(stage.speed))
        .build()
        .map_err(|error| error.to_string())?;
    let (http, connector) = trusting(sim.ca_pem().unwrap_or_default())?;
    let client = Client::builder(adapter).http(http).connector(connector).seed(stage.seed).build();
    client.map_err(|error| error.to_string())
}

/// Returns the uuid of a notification, or in brackets what else is told.
pub(super) fn heard(message: &Message) -> Option<String> {
    Some(match message {
        Message::Notification(notification) => notification.uuid.clone(),
        Message::Subscribed { .. } => SUBSCRIBED.to_owned(),
        Message::AutoRecoverSuccess { .. } => RECOVERED.to_owned(),
        Message::AutoRecoverFailed { .. } => FAILED.to_owned(),
        Message::AutoRecoverError { .. } => ERROR.to_owned(),
        Message::Gap(gap) => format!("(gap {})", gap.certainty.as_str()),
        _ => return None,
    })
}

pub(super) const SUBSCRIBED: &str = "(subscribed)";
pub(super) const RECOVERED: &str = "(autoRecoverSuccess)";
pub(super) const FAILED: &str = "(autoRecoverFailed)";
pub(super) const ERROR: &str = "(autoRecoverError)";
pub(super) const POSSIBLE: &str = "(gap possible)";
pub(super) const CERTAIN: &str = "(gap certain)";
const FILTER: &str = "/restapi/v1.0/account/~/extension/~/message-store";
