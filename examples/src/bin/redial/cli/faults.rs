//! What can be typed about faults: the proxy, the replay of what a session went through, the storm.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(crate) struct ProxyArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where connections go.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) target: String,
    /// Where the control endpoint listens; without it there is none.
    #[arg(long, value_name = "ADDR")]
    pub(crate) control: Option<SocketAddr>,
    /// A JSON array of rules to begin with, such as
    /// [{"on":"http","path":"/ws","act":"refuse","times":3}]; TOOL.md has all of them.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Make the kernel's buffers about so large, in bytes.
    #[arg(long, value_name = "BYTES")]
    pub(crate) buffers: Option<u32>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// The trace, as `connect --record` writes it.
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// Say of each decision why it fell.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print a Rust test that decides the same again.
    #[arg(long, conflicts_with_all = ["explain", "json"])]
    pub(crate) to_test: bool,
    /// The policy of a trace of version 1, which has none in it: a file that changes that of --vendor.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The vendor: --explain then has its names for steps and refusals, and a trace of version 1,
    /// which has no policy in it, its policy.
    #[arg(long)]
    pub(crate) vendor: Option<super::TourVendor>,
    /// Which of the vendor's services (genesys, evolution); the first unless told otherwise.
    #[arg(long, value_enum)]
    pub(crate) profile: Option<super::Service>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct StormArgs {
    /// How many clients lose their server at once.
    #[arg(long, value_name = "N", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..=500_000))]
    pub(crate) clients: u32,
    /// How many seconds it is out.
    #[arg(long, value_name = "S", default_value_t = 60,
        value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub(crate) outage: u32,
    /// How many connections it takes in each second after that; further ones are refused.
    #[arg(long, value_name = "C", default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) capacity: u32,
    /// A policy by its name, or a file that says what differs from the default one; all by default.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) policy: Vec<String>,
    /// Draw it into this file.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) out: Option<PathBuf>,
    /// What chance is made from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}
