//! What a configuration can lack.

use core::fmt;

use redial_core::PolicyError;

/// Why an adapter cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A base address is not `http`, `https`, `ws` or `wss`, a host and perhaps a port.
    Url,
    /// The path does not begin with a slash, or holds a query.
    Path,
    /// The token is empty, too long, or holds what a header cannot.
    Token,
    /// The policy contradicts itself.
    Policy(PolicyError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "the address is not http(s) or ws(s), a host and perhaps a port",
            Self::Path => "the path does not begin with a slash, or holds a query",
            Self::Token => "the token is empty, too long or not printable",
            Self::Policy(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for ConfigError {}
