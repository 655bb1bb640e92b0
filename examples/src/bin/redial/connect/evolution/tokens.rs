//! The one source of tokens of all sockets.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redial_auth_http::{
    Fault, HttpTokenSource, SharedTokenSource, TokenRequest, TokenSource as _, TokenSourceError,
};
use redial_core::Secret;
use redial_evolution::codechat::{Credentials, Refresh};
use serde::{Deserialize, Serialize};

use super::usage;
use crate::cli::EvolutionArgs;
use crate::connect::files::named;
use crate::connect::setup::{self, Network};
use crate::connect::store::write_private;
use crate::output::{self, Failure};

/// Returns what sockets begin with, and where they all get another token.
pub(super) fn tokens(
    args: &EvolutionArgs,
    url: &str,
    network: &Network,
) -> Result<(Credentials, Option<SharedTokenSource>), Failure> {
    let token = args.token.as_deref();
    let (begin, source) = match (&args.refresh_instance, &args.token_command, token) {
        (Some(_), _, None) => usage("--refresh-instance replaces the token that --token gives"),
        (Some(instance), _, Some(token)) => {
            let kept = Kept::new(args.common.state.as_deref(), token);
            let newest = kept.load()?;
            (Some(newest), refresh(args, url, instance, network, kept)?)
        }
        (None, Some(command), token) => {
            let source = setup::token_command_source(command.clone());
            (token.map(Secret::new), SharedTokenSource::new(source))
        }
        (None, None, Some(token)) => return Ok((Credentials::Token(Secret::new(token)), None)),
        (None, None, None) => usage("give --token or --token-command"),
    };
    let credentials = begin.map_or(Credentials::Ask, Credentials::TokenThenAsk);
    Ok((credentials, Some(shared(source, args))))
}

/// Has a source wait as long as the sessions do.
pub(super) fn shared(source: SharedTokenSource, args: &EvolutionArgs) -> SharedTokenSource {
    source.within(Duration::from_secs(30) / args.common.speed.max(1))
}

fn refresh(
    args: &EvolutionArgs,
    url: &str,
    instance: &str,
    network: &Network,
    kept: Kept,
) -> Result<SharedTokenSource, Failure> {
    let refresh = Refresh::new(url, instance);
    let refresh = refresh.map_err(|error| Failure::usage(error.to_string()))?;
    let ask =
        move |request: &TokenRequest| request.rejected.as_ref().map(|old| refresh.request(old));
    let source = HttpTokenSource::new(network.http.clone(), ask, Refresh::token);
    let shared = Arc::new((source, kept));
    let within = Duration::from_secs(10) / args.common.speed.max(1);
    Ok(SharedTokenSource::new(move |request: TokenRequest| {
        let shared = Arc::clone(&shared);
        async move {
            let (source, kept) = &*shared;
            let asked = tokio::time::timeout(within, source.token(request)).await;
            let late = |_| Err(TokenSourceError::new(Fault::Network, "the server does not answer"));
            let token = asked.unwrap_or_else(late).inspect_err(setup::complain_of_source)?;
            // The server replaces no other token from here on, so a later process needs it.
            if let Err(failure) = kept.save(&token) {
                output::complain(&failure.to_string());
            }
            Ok(token)
        }
    }))
}

/// The newest token that came of the one that was typed, in a file beside those of `--state`.
struct Kept {
    path: Option<PathBuf>,
    typed: String,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    typed: String,
    newest: String,
}

impl Kept {
    fn new(state: Option<&Path>, typed: &str) -> Self {
        let path = state.map(|state| {
            let mut name = state.as_os_str().to_owned();
            name.push(".instance-token");
            PathBuf::from(name)
        });
        Self { path, typed: typed.to_owned() }
    }

    /// Returns the newest token. One that was typed anew is newer than any that was saved.
    fn load(&self) -> Result<Secret, Failure> {
        let typed = Secret::new(self.typed.as_str());
        let Some(path) = &self.path else { return Ok(typed) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(typed),
            Err(error) => return Err(named(path, &error)),
        };
        match serde_json::from_str::<Saved>(&text) {
            Ok(saved) if saved.typed == self.typed => Ok(Secret::new(saved.newest)),
            Ok(_) => Ok(typed),
            Err(_) => Err(Failure::new(format!("{}: not a saved token", path.display()))),
        }
    }

    fn save(&self, newest: &Secret) -> Result<(), Failure> {
        let Some(path) = &self.path else { return Ok(()) };
        let saved = Saved { typed: self.typed.clone(), newest: newest.expose().to_owned() };
        serde_json::to_vec(&saved)
            .map_err(std::io::Error::from)
            .and_then(|text| write_private(path, &text, true))
            .map_err(|error| named(path, &error))
    }
}
