//! What can be typed.

mod evolution;
mod faults;
mod genesys;
mod policies;
mod ringcentral;
mod vonage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::output::{self, Failure};

pub(crate) use evolution::{EvolutionArgs, EvolutionProfile, KeyPlace, ServeEvolutionArgs};
pub(crate) use faults::{ProxyArgs, ReplayArgs, StormArgs};
pub(crate) use genesys::{GenesysArgs, Profile, Resend, ServeGenesysArgs, Switch};
pub(crate) use policies::{Service, TourVendor};
pub(crate) use ringcentral::{RingCentralArgs, ServeRingCentralArgs, TokenReuse};
pub(crate) use vonage::{ServeVonageArgs, VonageArgs, VonageBackoff, VonageGeneration};

/// Keeps a vendor's WebSocket session alive, and shows it.
#[derive(Parser)]
#[command(name = "redial", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the command line, and what of it was typed. Wrong usage ends the process.
    pub(crate) fn read() -> (Self, Typed) {
        let mut matches = Self::command().get_matches();
        let typed = Typed::of(&matches);
        match Self::from_arg_matches_mut(&mut matches) {
            Ok(cli) => (cli, typed),
            Err(error) => error.format(&mut Self::command()).exit(),
        }
    }
}

/// The options that were typed: those of the environment count less.
pub(crate) struct Typed(Vec<String>);

impl Typed {
    fn of(matches: &ArgMatches) -> Self {
        let mut innermost = matches;
        while let Some((_, next)) = innermost.subcommand() {
            innermost = next;
        }
        let ids = innermost.ids().map(clap::Id::as_str);
        let typed = ids.filter(|id| {
            // Groups have no source.
            let known = innermost.try_contains_id(id).is_ok();
            known && innermost.value_source(id) == Some(ValueSource::CommandLine)
        });
        Self(typed.map(str::to_owned).collect())
    }

    /// Returns whether an option was typed.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|typed| typed == id)
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Holds a session with a vendor; JSON lines on stdin control it.
    Connect(ConnectArgs),
    /// Runs a vendor simulator.
    Serve(ServeArgs),
    /// Runs a TCP proxy that breaks connections on purpose.
    Proxy(ProxyArgs),
    /// Executes a trace of the flight recorder again, and compares each decision.
    Replay(ReplayArgs),
    /// Lets a fleet lose its server, and compares how policies bring it back.
    Storm(StormArgs),
    /// Runs the main job on embedded simulators with injected faults.
    Tour(TourArgs),
    /// Draws the states of a session, as the explorer finds them.
    Diagram(DiagramArgs),
    /// Shows what a policy file comes to, or what is wrong with it.
    Check(CheckArgs),
    /// Prints a shell's completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub(crate) struct ConnectArgs {
    #[command(subcommand)]
    pub(crate) vendor: ConnectVendor,
}

#[derive(Subcommand)]
pub(crate) enum ConnectVendor {
    /// LivePerson agent messaging.
    Liveperson(Box<LivePersonArgs>),
    /// Genesys guest chat and Web Messaging.
    Genesys(Box<GenesysArgs>),
    /// Evolution's events: one socket each, or Socket.IO namespaces.
    Evolution(Box<EvolutionArgs>),
    /// Vonage's client sessions over Socket.IO.
    Vonage(Box<VonageArgs>),
    /// RingCentral's WebSocket gateway, with REST.
    Ringcentral(Box<RingCentralArgs>),
}

/// What every vendor has.
#[derive(Args, Clone)]
pub(crate) struct CommonArgs {
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Divide every span of the policy by this.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) speed: u32,
    /// Draw jitter from this seed.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Trust the certificates in this PEM file too.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Go through this proxy (http://, socks5:// or socks5h://); may hold a password.
    #[arg(long, value_name = "URL", env = "REDIAL_PROXY", hide_env_values = true)]
    pub(crate) proxy: Option<String>,
    /// Speak http and ws instead of https and wss.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Change the vendor's policy by what this TOML file says.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Write the flight recorder's log to this file; it holds no secrets and no bodies.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Keep a snapshot in this file (mode 0600), and go on from it.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Print the envelope of every frame to stderr, without bodies; with ringcentral whole frames,
    /// without tokens.
    #[arg(long)]
    pub(crate) debug_frames: bool,
}

#[derive(Args)]
pub(crate) struct LivePersonArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The account (site) number.
    #[arg(long, value_name = "ID")]
    pub(crate) account: String,
    /// The agent's login name.
    #[arg(long, value_name = "U", env = "REDIAL_USERNAME")]
    pub(crate) username: Option<String>,
    /// The agent's password.
    #[arg(long, value_name = "P", env = "REDIAL_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// The bot's application key, or its OAuth2 client id.
    #[arg(long, value_name = "K", env = "REDIAL_APP_KEY", hide_env_values = true)]
    pub(crate) app_key: Option<String>,
    /// The bot's secret, or its OAuth2 client secret.
    #[arg(long, value_name = "S", env = "REDIAL_CLIENT_SECRET", hide_env_values = true)]
    pub(crate) secret: Option<String>,
    /// The bot's access token; not needed with OAuth2 client credentials.
    #[arg(long, value_name = "T", env = "REDIAL_ACCESS_TOKEN", hide_env_values = true)]
    pub(crate) access_token: Option<String>,
    /// The secret of the bot's access token; not needed with OAuth2 client credentials.
    #[arg(long, value_name = "S", env = "REDIAL_ACCESS_TOKEN_SECRET", hide_env_values = true)]
    pub(crate) access_token_secret: Option<String>,
    /// A SAML assertion.
    #[arg(long, value_name = "A", env = "REDIAL_ASSERTION", hide_env_values = true)]
    pub(crate) assertion: Option<String>,
    /// A ready-made bearer.
    #[arg(long, value_name = "B", env = "REDIAL_TOKEN", hide_env_values = true)]
    pub(crate) bearer: Option<String>,
    /// The domain lookup's host.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) csds: Option<String>,
    /// The service whose host is dialled, e.g. asyncMessagingEnt.
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Do not prolong the session over HTTP.
    #[arg(long)]
    pub(crate) no_refresh: bool,
    /// A command that prints a fresh bearer when one is refused; without any other credentials it
    /// gives the first one, too.
    #[arg(long, value_name = "CMD", env = "REDIAL_TOKEN_COMMAND", hide_env_values = true)]
    pub(crate) token_command: Option<String>,
    /// Growing delays with a bound, as the vendor's documents ask for, instead of 10 s for ever.
    #[arg(long, value_enum, default_value = "seed", conflicts_with = "policy")]
    pub(crate) backoff: BackoffKind,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BackoffKind {
    /// 10 s for ever.
    Seed,
    /// 5 s, a quarter more each time, 35 attempts.
    Vendor,
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    #[command(subcommand)]
    pub(crate) vendor: ServeVendor,
}

#[derive(Subcommand)]
pub(crate) enum ServeVendor {
    /// LivePerson agent messaging.
    Liveperson(ServeLivePersonArgs),
    /// Genesys guest chat and Web Messaging.
    Genesys(ServeGenesysArgs),
    /// CodeChat's event sockets, or Evolution API 2.
    Evolution(ServeEvolutionArgs),
    /// RingCentral's WebSocket gateway, with OAuth and REST.
    Ringcentral(ServeRingCentralArgs),
    /// Vonage's client sessions over Socket.IO.
    Vonage(ServeVonageArgs),
}

#[derive(Args)]
pub(crate) struct ServeLivePersonArgs {
    #[command(flatten)]
    pub(crate) common: ServeCommonArgs,
}

/// What every simulator has.
#[derive(Args)]
pub(crate) struct ServeCommonArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: std::net::SocketAddr,
    /// Where the control endpoint listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) control: std::net::SocketAddr,
    /// Speak TLS, with an authority made for this run.
    #[arg(long)]
    pub(crate) tls: bool,
    /// Where the authority's certificate is written.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_out: Option<PathBuf>,
    /// Seed of everything that looks random.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// What clients reach it by, where that is not its own address.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// An option at the start, as the control command `set` takes it (KEY=JSON).
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Nothing changes: the lines are JSON anyway.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct TourArgs {
    /// The vendor; all of them by default.
    #[arg(long)]
    pub(crate) vendor: Option<TourVendor>,
    /// Divide every span of the policies by this.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) speed: Option<u32>,
    /// Draw jitter from this seed.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Break the client on purpose; the tour must notice.
    #[arg(long, value_enum)]
    pub(crate) sabotage: Option<Sabotage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sabotage {
    /// A dead token is used again.
    NoRegenerate,
    /// Attempts follow each other without delay.
    NoDelay,
    /// Nobody asks whether the peer lives.
    NoPing,
    /// What must be sent again is not: agent state, subscriptions, messages without proof, the id
    /// of a session, the first message of a socket.
    NoResend,
    /// The session counts as online before the vendor says so.
    EarlyResume,
}

#[derive(Args)]
pub(crate) struct DiagramArgs {
    /// The vendor whose policy is explored.
    #[arg(long)]
    pub(crate) vendor: Option<TourVendor>,
    /// Which of the vendor's services (genesys, evolution); the first unless told otherwise.
    #[arg(long, value_enum)]
    pub(crate) profile: Option<Service>,
    /// How it is drawn.
    #[arg(long, value_enum, default_value = "mermaid")]
    pub(crate) format: DiagramFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DiagramFormat {
    /// Text that many places draw.
    Mermaid,
    /// Text for Graphviz.
    Dot,
    /// A picture.
    Svg,
}

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The policy file, as `connect --policy` takes it.
    #[arg(value_name = "POLICY.toml")]
    pub(crate) file: PathBuf,
    /// The vendor whose policy it changes.
    #[arg(long, default_value = "liveperson")]
    pub(crate) vendor: TourVendor,
    /// Which of the vendor's services (genesys, evolution); the first unless told otherwise.
    #[arg(long, value_enum)]
    pub(crate) profile: Option<Service>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Ends the process with status 2, what is wrong with what was typed, and how a vendor's
/// `connect` is used.
pub(crate) fn usage(vendor: &str, text: &str) -> ! {
    let mut command = Cli::command();
    command.build();
    let known = command
        .find_subcommand_mut("connect")
        .and_then(|connect| connect.find_subcommand_mut(vendor));
    match known {
        Some(vendor) => vendor.error(ErrorKind::MissingRequiredArgument, text).exit(),
        None => command.error(ErrorKind::MissingRequiredArgument, text).exit(),
    }
}

/// Prints a shell's completions.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "redial", &mut script);
    output::say(String::from_utf8_lossy(&script).trim_end().to_owned());
    Ok(ExitCode::SUCCESS)
}
