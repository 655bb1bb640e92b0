//! What a configuration can lack.

use core::fmt;

use redial_core::PolicyError;

/// Why an adapter cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address is not `ws`, `wss`, `http` or `https` with a host.
    Url,
    /// There is no event, or its name is too long.
    Event,
    /// The server knows no event of this name.
    UnknownEvent,
    /// The name is written as in the server's configuration: upper case and underscores.
    UpperCaseEvent,
    /// `messaging-history.set` is the one event that servers do not give over a socket.
    HistoryEvent,
    /// The token is empty, too long or not printable.
    Token,
    /// The key is empty, too long or not printable.
    ApiKey,
    /// The instance is empty, too long, or holds what no namespace can.
    Instance,
    /// The test message is no JSON.
    TestMessage,
    /// A namespace that is not there is asked for again only after the session's time to get
    /// ready is over.
    Rejoin,
    /// The policy contradicts itself.
    Policy(PolicyError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "the address is not ws, wss, http or https with a host",
            Self::Event => "the name of the event is empty or too long",
            Self::UnknownEvent => "the server knows no event of this name",
            Self::UpperCaseEvent => {
                "events are named in dotted lower case, such as messages.upsert"
            }
            Self::HistoryEvent => "messaging-history.set is not given over a socket",
            Self::Token => "the token is empty, too long or not printable",
            Self::ApiKey => "the key is empty, too long or not printable",
            Self::Instance => "the instance is empty, too long, or no name of a namespace",
            Self::TestMessage => "the test message is no JSON",
            Self::Rejoin => "the namespace is asked for again too late",
            Self::Policy(error) => return error.fmt(f),
        })
    }
}

impl core::error::Error for ConfigError {}
