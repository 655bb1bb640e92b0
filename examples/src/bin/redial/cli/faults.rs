//! What can be typed about faults: the proxy.

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
    /// A JSON array of rules to begin with.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// Make the kernel's buffers about so large, in bytes.
    #[arg(long, value_name = "BYTES")]
    pub(crate) buffers: Option<u32>,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}
