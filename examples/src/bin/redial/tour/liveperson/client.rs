//! The client of a scene, whole or sabotaged.

use std::sync::Arc;

use redial_auth_http::{ReqwestClient, tls::TlsBuilder};
use redial_core::{Backoff, Keepalive, Policy, PolicySpec, Recovery, Rules, Span, Speed, Verdict};
use redial_liveperson::{Credentials, LivePerson, POLICY};
use redial_testkit::servers::liveperson::LivePersonSim;
use redial_tungstenite::{Client, Connector};

use crate::cli::Sabotage;
use crate::tour::Stage;

pub(super) fn client(sim: &LivePersonSim, stage: &Stage) -> Result<Client<LivePerson>, String> {
    let credentials =
        Credentials::Password { username: "tour".into(), password: "only on loopback".into() };
    let adapter = LivePerson::builder("12345678", credentials)
        .csds(sim.host())
        .policy(policy(stage.sabotage))
        .speed(Speed::new(stage.speed))
        .build()
        .map_err(|error| error.to_string())?;
    let ca = sim.ca_pem().unwrap_or_default();
    let tls = TlsBuilder::new()
        .platform_roots(false)
        .root_pem(ca.as_bytes())
        .and_then(TlsBuilder::build)
        .map_err(|error| error.to_string())?;
    let http = ReqwestClient::builder().tls(Arc::clone(&tls)).build();
    let http = http.map_err(|error| error.to_string())?;
    let connector = Connector::builder().tls(tls).build().map_err(|error| error.to_string())?;
    let client = Client::builder(adapter).http(http).connector(connector).seed(stage.seed).build();
    client.map_err(|error| error.to_string())
}

/// Returns the vendor's policy, or what sabotage makes of it.
fn policy(sabotage: Option<Sabotage>) -> Policy {
    let spec = *POLICY.spec();
    let spec = match sabotage {
        Some(Sabotage::NoRegenerate) => {
            PolicySpec { rules: Rules::new(&[]), otherwise: Verdict::Retry(Recovery::KEEP), ..spec }
        }
        Some(Sabotage::NoDelay) => {
            let short = Span::from_millis(1);
            PolicySpec { backoff: Backoff::fixed(short), floor: short, ..spec }
        }
        Some(Sabotage::NoPing) => PolicySpec { keepalive: Keepalive::Off, ..spec },
        Some(Sabotage::NoResend | Sabotage::EarlyResume) | None => spec,
    };
    Policy::new(spec)
}
