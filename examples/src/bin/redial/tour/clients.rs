//! What the clients of all scenes need.

use std::sync::Arc;

use redial_auth_http::{ReqwestClient, tls::TlsBuilder};
use redial_core::{Backoff, Keepalive, Policy, PolicySpec, Recovery, Rules, Span, Verdict};
use redial_tungstenite::Connector;

use crate::cli::Sabotage;

/// Makes an HTTP client and a connector that trust this authority alone.
pub(super) fn trusting(ca: &str) -> Result<(ReqwestClient, Connector), String> {
    let tls = TlsBuilder::new()
        .platform_roots(false)
        .root_pem(ca.as_bytes())
        .and_then(TlsBuilder::build)
        .map_err(|error| error.to_string())?;
    let http = ReqwestClient::builder().tls(Arc::clone(&tls)).build();
    let http = http.map_err(|error| error.to_string())?;
    let connector = Connector::builder().tls(tls).build().map_err(|error| error.to_string())?;
    Ok((http, connector))
}

/// Returns the vendor's policy, or what sabotage makes of it.
pub(super) fn sabotaged(policy: &Policy, sabotage: Option<Sabotage>) -> Policy {
    let spec = *policy.spec();
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
