//! Making connectors, HTTP clients and policies from what was typed.

use std::path::Path;
use std::process::Stdio;

use redial_auth_http::{
    Fault, ReqwestClient, TokenRequest, TokenSource, TokenSourceError, tls::TlsBuilder,
};
use redial_core::{Adapter, Policy, Secret, Speed};
use redial_tungstenite::{Client, ClientBuilder, Connector};

use super::Vendor;
use super::files::Files;
use crate::cli::CommonArgs;
use crate::output::Failure;

/// Reads a policy from a file.
pub(crate) fn policy(path: &Path) -> Result<Policy, Failure> {
    let named = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    toml::from_str(&text).map_err(|error| named(error.to_string()))
}

/// Makes a client from what all vendors have in common.
pub(crate) fn client<A: Vendor>(
    adapter: A,
    common: &CommonArgs,
    token_command: Option<String>,
) -> Result<Client<A>, Failure> {
    let mut builder = Client::builder(adapter);
    if let Some(path) = &common.state
        && let Some(saved) = Files::load::<A>(path)?
    {
        builder = builder.restore(saved);
    }
    if let Some(seed) = common.seed {
        builder = builder.seed(seed);
    }
    if common.record.is_some() {
        builder = builder.record();
    }
    if let Some(command) = token_command {
        builder = builder.token_source(token_command_source(command));
    }
    let builder = network(builder, common)?;
    builder.build().map_err(|error| Failure::new(error.to_string()))
}

/// Adds the connector and the HTTP client.
fn network<A: Adapter>(
    builder: ClientBuilder<A>,
    common: &CommonArgs,
) -> Result<ClientBuilder<A>, Failure> {
    let fail = |text: String| Failure::new(text);
    let mut tls = TlsBuilder::new();
    if let Some(path) = &common.ca {
        tls = tls.root_file(path).map_err(|error| fail(error.to_string()))?;
    }
    let tls = tls.build().map_err(|error| fail(error.to_string()))?;
    let mut http = ReqwestClient::builder().tls(tls.clone());
    let mut connector = Connector::builder().tls(tls);
    if let Some(proxy) = &common.proxy {
        http = http.proxy(proxy.clone());
        connector = connector.proxy(proxy.clone());
    }
    let http = http.build().map_err(|error| fail(error.to_string()))?;
    let connector = connector.build().map_err(|error| fail(error.to_string()))?;
    Ok(builder.http(http).connector(connector))
}

/// Returns the speed that was typed.
pub(crate) fn speed(common: &CommonArgs) -> Speed {
    Speed::new(common.speed)
}

/// Runs a command that prints a token.
fn token_command_source(command: String) -> impl TokenSource + 'static {
    move |_request: TokenRequest| {
        let command = command.clone();
        async move {
            let fail = |text: &'static str| TokenSourceError::new(Fault::Caller, text);
            let output = tokio::process::Command::new("sh")
                .arg("-c")
                .arg(command)
                .stdin(Stdio::null())
                .stderr(Stdio::inherit())
                .kill_on_drop(true)
                .output()
                .await
                .map_err(|_| fail("the token command cannot be run"))?;
            let token = String::from_utf8(output.stdout)
                .map_err(|_| fail("the token command printed no text"))?;
            let token = token.trim();
            if !output.status.success() || token.is_empty() {
                return Err(fail("the token command gave no token"));
            }
            Ok(Secret::new(token))
        }
    }
}
