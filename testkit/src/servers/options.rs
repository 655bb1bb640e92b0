//! What can be chosen about every simulator.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Everything that is chosen at the start; `S` is what only the vendor has.
///
/// The default is what `redial serve` does.
#[derive(Clone, Debug)]
pub struct Options<S> {
    /// Where the vendor's endpoints listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control endpoint listens.
    pub control: SocketAddr,
    /// `HOST:PORT` that the simulator gives as its own; the listener's when absent.
    pub advertise: Option<String>,
    /// Whether everything but the control endpoint speaks TLS.
    pub tls: bool,
    /// Where the authority's certificate is written; a temporary file when absent.
    pub ca_path: Option<PathBuf>,
    /// Seed of everything that looks random.
    pub seed: u64,
    /// How many wire records are kept.
    pub wire_capacity: usize,
    /// Size of the receive buffer of each connection; small ones make a stall felt soon.
    pub recv_buffer: Option<u32>,
    /// What only this vendor has; most of it can be changed at run time as well.
    pub settings: S,
}

impl<S> Options<S> {
    /// Begins with these settings, on free ports of the loopback.
    #[must_use]
    pub fn new(settings: S) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: loopback,
            control: loopback,
            advertise: None,
            tls: false,
            ca_path: None,
            seed: 1,
            wire_capacity: 100_000,
            recv_buffer: None,
            settings,
        }
    }
}

impl<S: Default> Default for Options<S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}

/// The handle of a vendor's simulator.
pub trait Simulator: Sized {
    /// What only this vendor has.
    type Settings;

    /// Starts a simulator.
    ///
    /// # Errors
    ///
    /// Fails when it cannot listen or cannot write the authority's certificate.
    fn start(options: Options<Self::Settings>) -> impl Future<Output = io::Result<Self>> + Send;
}

/// Chooses the options of a simulator for a test.
#[derive(Clone, Debug)]
pub struct Builder<V: Simulator> {
    pub(crate) options: Options<V::Settings>,
}

impl<V: Simulator> Builder<V> {
    /// Speaks TLS, or not (the default).
    #[must_use]
    pub fn tls(mut self, on: bool) -> Self {
        self.options.tls = on;
        self
    }

    /// Seeds everything that looks random.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// Changes any other option.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Options<V::Settings>)) -> Self {
        change(&mut self.options);
        self
    }

    /// Changes any setting.
    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut V::Settings)) -> Self {
        change(&mut self.options.settings);
        self
    }

    /// Starts the simulator.
    ///
    /// # Errors
    ///
    /// Fails when it cannot listen or cannot write the authority's certificate.
    pub async fn start(self) -> io::Result<V> {
        V::start(self.options).await
    }
}
