//! The client of a scene, whole or sabotaged.

use redial_core::Speed;
use redial_liveperson::{Credentials, LivePerson, POLICY};
use redial_testkit::servers::liveperson::LivePersonSim;
use redial_tungstenite::Client;

use crate::tour::Stage;
use crate::tour::clients::{sabotaged, trusting};

pub(super) fn client(sim: &LivePersonSim, stage: &Stage) -> Result<Client<LivePerson>, String> {
    let credentials =
        Credentials::Password { username: "tour".into(), password: "only on loopback".into() };
    let adapter = LivePerson::builder("12345678", credentials)
        .csds(sim.host())
        .policy(sabotaged(&POLICY, stage.sabotage))
        .speed(Speed::new(stage.speed))
        .build()
        .map_err(|error| error.to_string())?;
    let (http, connector) = trusting(sim.ca_pem().unwrap_or_default())?;
    let client = Client::builder(adapter).http(http).connector(connector).seed(stage.seed).build();
    client.map_err(|error| error.to_string())
}
