//! Making connectors, HTTP clients and policies from what was typed.

use std::process::Stdio;

use redial_auth_http::{
    Fault, ReqwestClient, SharedTokenSource, TokenRequest, TokenSource, TokenSourceError,
    tls::TlsBuilder,
};
use redial_core::{Ledger, Machine, Phase, Secret, Speed};
use redial_tungstenite::{Client, Clock as _, Connector, SystemClock};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use super::store::{Names, Store};
use super::{Vendor, frames};
use crate::cli::CommonArgs;
use crate::output::{self, Failure};

/// Who answers when a session needs a token that its adapter cannot make.
pub(crate) enum Tokens {
    /// What this command prints.
    Command(String),
    /// What this makes of 128 random bits.
    Random(fn(u128) -> Secret),
    /// What all sessions with one credential share.
    Shared(SharedTokenSource),
}

/// What all sessions of a process share.
pub(crate) struct Network {
    pub(crate) http: ReqwestClient,
    connector: Connector,
}

/// Makes a client from what all vendors have in common, with the names that an earlier process
/// had for its messages.
pub(crate) fn client<A: Vendor>(
    adapter: A,
    common: &CommonArgs,
    tokens: Option<Tokens>,
) -> Result<(Client<A>, Store), Failure> {
    client_on(&network(common)?, adapter, common, tokens)
}

/// Makes one of several clients.
pub(crate) fn client_on<A: Vendor>(
    Network { http, connector }: &Network,
    adapter: A,
    common: &CommonArgs,
    tokens: Option<Tokens>,
) -> Result<(Client<A>, Store), Failure> {
    let account = adapter.account().to_owned();
    let mut builder = Client::builder(adapter).http(http.clone()).connector(connector.clone());
    let mut names = Names::new();
    if let Some(path) = &common.state
        && let Some((mut saved, their_names)) = Store::load::<A>(path)?
    {
        names = their_names;
        if let Phase::Stopped(_) | Phase::Closing { .. } = saved.machine.phase() {
            // Its session has ended, and this is a new one. What a server asked for still holds.
            let (now, at) = (SystemClock::new().now(), saved.machine.not_before());
            connector.governor().raise(now, &account, at);
            saved.machine = Machine::new();
            // Its messages are numbered from 1 again, and must not have the ids of the old ones.
            saved.ledger = Ledger::default();
            saved.nonce = random()?;
        }
        builder = builder.restore(saved);
    }
    if let Some(seed) = common.seed {
        builder = builder.seed(seed);
    }
    if common.record.is_some() {
        builder = builder.record();
    }
    if common.debug_frames {
        builder = builder.tap(frames::printer::<A>());
    }
    match tokens {
        Some(Tokens::Command(command)) => {
            builder = builder.token_source(token_command_source(command));
        }
        Some(Tokens::Random(make)) => builder = builder.token_source(random_source(make)),
        Some(Tokens::Shared(tokens)) => builder = builder.token_source(tokens),
        None => {}
    }
    let store = Store::new(common.state.clone(), names);
    if common.state.is_some() {
        let store = store.clone();
        builder = builder.write_ahead(move |snapshot| store.keep(&snapshot));
    }
    let client = builder.build().map_err(|error| Failure::new(error.to_string()))?;
    Ok((client, store))
}

/// Makes the HTTP client and the connector.
pub(crate) fn network(common: &CommonArgs) -> Result<Network, Failure> {
    let fail = |text: String| Failure::new(text);
    let mut tls = TlsBuilder::new();
    if let Some(path) = &common.ca {
        tls = tls.root_file(path).map_err(|error| fail(format!("{}: {error}", path.display())))?;
    }
    let tls = tls.build().map_err(|error| fail(error.to_string()))?;
    let mut http = ReqwestClient::builder().tls(tls.clone());
    let mut connector = Connector::builder().tls(tls);
    if let Some(proxy) = &common.proxy {
        http = http.proxy(proxy.clone());
        connector = connector.proxy(proxy.clone());
    }
    // Everything but the proxy is ours.
    let wrong = if common.proxy.is_some() { Failure::usage } else { Failure::new };
    let http = http.build().map_err(|error| wrong(error.to_string()))?;
    let connector = connector.build().map_err(|error| wrong(error.to_string()))?;
    Ok(Network { http, connector })
}

/// Returns the speed that was typed.
pub(crate) fn speed(common: &CommonArgs) -> Speed {
    Speed::new(common.speed)
}

/// Answers with what a command prints.
pub(crate) fn token_command_source(command: String) -> impl TokenSource + 'static {
    move |_request: TokenRequest| {
        let command = command.clone();
        async move { run_token_command(&command).await.inspect_err(complain_of_source) }
    }
}

/// Says on stderr why there is no token: what is printed on stdout says whose fault it is. The
/// errors of the tool's own sources hold no secret.
pub(crate) fn complain_of_source(error: &TokenSourceError) {
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    output::complain(&format!("{error}: {root}"));
}

/// Answers with what is made of 128 random bits.
pub(crate) fn random_source(make: fn(u128) -> Secret) -> impl TokenSource + 'static {
    move |_request: TokenRequest| async move {
        let bits = random().map_err(|_| TokenSourceError::new(Fault::Ours, "no random numbers"));
        bits.map(make)
    }
}

/// Returns 128 random bits that are fit for credentials.
fn random() -> Result<u128, Failure> {
    let half = || getrandom::u64().map_err(|_| Failure::new("there are no random numbers"));
    Ok(u128::from(half()?) << 64 | u128::from(half()?))
}

/// Runs a command that prints a token.
async fn run_token_command(command: &str) -> Result<Secret, TokenSourceError> {
    let fail = |text: &'static str| TokenSourceError::new(Fault::Caller, text);
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    // A command that asks on the terminal must be of the group that the terminal listens to.
    let alone = std::fs::File::open("/dev/tty").is_err();
    if alone {
        shell.process_group(0);
    }
    let mut child = shell.spawn().map_err(|_| fail("the token command cannot be run"))?;
    let mut group = if alone { Group::of(&child) } else { Group(None) };
    let mut token = String::new();
    if let Some(stdout) = child.stdout.take() {
        // What prints more than any token is has gone wrong, and may never end.
        let read = stdout.take(MAX_TOKEN).read_to_string(&mut token).await;
        read.map_err(|_| fail("the token command printed no text"))?;
    }
    if token.len() as u64 == MAX_TOKEN {
        return Err(fail("the token command printed too much"));
    }
    let status = child.wait().await.map_err(|_| fail("the token command cannot be run"))?;
    group.0 = None;
    let token = token.trim();
    if !status.success() || token.is_empty() {
        return Err(fail("the token command gave no token"));
    }
    Ok(Secret::new(token))
}

/// What a shell has started, too, which would hold stderr for as long as it lives; killed where
/// nobody waits for it any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // There is none where it has ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// More than any token has, in bytes.
const MAX_TOKEN: u64 = 64 << 10;
