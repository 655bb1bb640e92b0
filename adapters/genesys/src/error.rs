//! What a configuration can lack.

use core::fmt;

use redial_core::PolicyError;

/// Why an adapter cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A host is not `host` or `host:port`.
    Host,
    /// The OAuth token is missing, shorter than 10 characters, or cannot stand in a header.
    OauthToken,
    /// The API key is missing or cannot stand in a header.
    ApiKey,
    /// There is no deployment.
    Deployment,
    /// The session token is empty, longer than 2048 characters, or not printable.
    SessionToken,
    /// The origin cannot stand in a header.
    Origin,
    /// The user agent cannot stand in a header.
    UserAgent,
    /// The policy contradicts itself.
    Policy(PolicyError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "the host is not host or host:port",
            Self::OauthToken => "the OAuth token is missing or malformed",
            Self::ApiKey => "the API key is missing or malformed",
            Self::Deployment => "the deployment is empty",
            Self::SessionToken => "the session token is empty, too long or not printable",
            Self::Origin => "the origin holds what a header cannot",
            Self::UserAgent => "the user agent holds what a header cannot",
            Self::Policy(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for ConfigError {}
