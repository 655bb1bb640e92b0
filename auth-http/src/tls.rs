//! The TLS configuration that HTTP and WebSocket share.
//!
//! [`TlsBuilder`] makes a rustls [`ClientConfig`] that trusts the platform's roots and, where asked,
//! more. The cryptography is ring, named explicitly: no process-wide default provider is installed
//! or needed. One configuration should serve a whole process, because the session tickets that make
//! a second handshake cheap live in it.

mod tickets;

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use self::tickets::TicketStore;
use crate::{BoxError, HttpError};

/// Builds a rustls [`ClientConfig`].
///
/// # Examples
///
/// ```
/// # fn run(pem: &[u8]) -> Result<(), redial_auth_http::HttpError> {
/// let config = redial_auth_http::tls::TlsBuilder::new().root_pem(pem)?.tickets(10_000).build()?;
/// # let _ = config; Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TlsBuilder {
    platform_roots: bool,
    extra_roots: Vec<CertificateDer<'static>>,
    tickets: usize,
}

impl TlsBuilder {
    /// Starts with the platform's roots and room for [`DEFAULT_TICKETS`].
    #[must_use]
    pub fn new() -> Self {
        Self { platform_roots: true, extra_roots: Vec::new(), tickets: DEFAULT_TICKETS }
    }

    /// Sets whether the platform's roots are trusted.
    #[must_use]
    pub fn platform_roots(mut self, trusted: bool) -> Self {
        self.platform_roots = trusted;
        self
    }

    /// Trusts the certificates of `pem` as well.
    ///
    /// # Errors
    ///
    /// Fails when `pem` is not PEM or holds no certificate.
    pub fn root_pem(mut self, pem: &[u8]) -> Result<Self, HttpError> {
        let before = self.extra_roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| {
                HttpError::caller("the root certificates are not PEM", Some(error.into()))
            })?;
            self.extra_roots.push(certificate);
        }
        if self.extra_roots.len() == before {
            return Err(HttpError::caller("the PEM text holds no certificate", None));
        }
        Ok(self)
    }

    /// Trusts the certificates of a PEM file as well.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read, is not PEM or holds no certificate.
    pub fn root_file(self, path: impl AsRef<Path>) -> Result<Self, HttpError> {
        let pem = std::fs::read(path).map_err(|error| {
            HttpError::caller("the file of root certificates cannot be read", Some(error.into()))
        })?;
        self.root_pem(&pem)
    }

    /// Sets how many session tickets are kept, over all servers; zero keeps none.
    ///
    /// Each full handshake brings about two tickets and each of them resumes one connection, so a
    /// fleet that may reconnect all at once needs as many as it has sessions.
    #[must_use]
    pub fn tickets(mut self, tickets: usize) -> Self {
        self.tickets = tickets;
        self
    }

    /// Builds the configuration.
    ///
    /// A machine without any root certificate gives a configuration that refuses every server, and
    /// a warning: such a machine may still want plain connections.
    ///
    /// # Errors
    ///
    /// Fails when an extra root is not a certificate, or when the platform's verifier cannot start.
    pub fn build(self) -> Result<Arc<ClientConfig>, HttpError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpError::Ours {
                text: "ring does not support the default TLS versions",
                source: Some(error.into()),
            })?;
        let mut extra = RootCertStore::empty();
        for root in &self.extra_roots {
            extra.add(root.clone()).map_err(|error| {
                HttpError::caller("an extra root is not a certificate", Some(error.into()))
            })?;
        }
        let verifier =
            if self.platform_roots { platform_verifier(self.extra_roots, provider) } else { None };
        let mut config = match verifier {
            Some(verifier) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
            None => builder.with_root_certificates(extra),
        }
        .with_no_client_auth();
        config.resumption = match self.tickets {
            0 => Resumption::disabled(),
            tickets => Resumption::store(Arc::new(TicketStore::new(tickets))),
        };
        Ok(Arc::new(config))
    }
}

impl Default for TlsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// How many session tickets are kept unless [`TlsBuilder::tickets`] says otherwise.
pub const DEFAULT_TICKETS: usize = 1024;

fn platform_verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Option<Verifier> {
    let verifier: Result<Verifier, BoxError> = load(extra, provider);
    verifier.inspect_err(|error| tracing::warn!(%error, "the platform's roots cannot be used")).ok()
}

#[cfg(not(target_os = "android"))]
fn load(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, BoxError> {
    Verifier::new_with_extra_roots(extra, provider).map_err(Into::into)
}

// Android's verifier takes no extra roots: with some, only they are trusted.
#[cfg(target_os = "android")]
fn load(
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, BoxError> {
    if !extra.is_empty() {
        return Err("extra roots replace the platform's here".into());
    }
    Verifier::new(provider).map_err(Into::into)
}
