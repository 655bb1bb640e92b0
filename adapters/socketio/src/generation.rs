//! The two generations of the protocol.

use redial_core::{Keepalive, Pace, Span, Terms};

use crate::Open;

/// The generation of the protocol, named by its Engine.IO number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// Engine.IO 3, spoken by Socket.IO 1 and 2: the client pings, and is a member of the main
    /// namespace without having asked.
    Eio3,
    /// Engine.IO 4, spoken by Socket.IO 3 and 4: the server pings, and every namespace is asked
    /// for.
    Eio4,
}

impl Generation {
    /// Returns the number that `EIO` carries in the address.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Eio3 => 3,
            Self::Eio4 => 4,
        }
    }

    /// Returns the end of the address's query. The application's own parameters stand before it.
    #[must_use]
    pub const fn query(self) -> &'static str {
        match self {
            Self::Eio3 => "EIO=3&transport=websocket",
            Self::Eio4 => "EIO=4&transport=websocket",
        }
    }

    /// Returns the other generation.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Eio3 => Self::Eio4,
            Self::Eio4 => Self::Eio3,
        }
    }

    /// Says how a dead server is noticed, from the numbers in its open packet.
    ///
    /// An older server is pinged: call [`Connection::ping`](crate::Connection::ping) from
    /// `Adapter::probe` and `Io::alive` for every [`Signal::Pong`](crate::Signal::Pong). A newer
    /// one is listened to; the connection answers its pings.
    #[must_use]
    pub fn terms(self, open: &Open) -> Terms {
        let keepalive = match self {
            Self::Eio3 => Keepalive::Probe {
                // A steady probe has its verdict before the next one is due. The server waits for
                // the sum of the two numbers, so it bears the longer of them between two pings.
                interval: open.ping_interval.max(open.ping_timeout),
                timeout: open.ping_timeout,
                misses: 1,
                pace: Pace::Steady,
            },
            Self::Eio4 => {
                let sum = u64::from(open.ping_interval.as_millis())
                    + u64::from(open.ping_timeout.as_millis());
                Keepalive::Listen { within: Span::saturating_from_millis(sum) }
            }
        };
        Terms { keepalive: Some(keepalive), ..Terms::default() }
    }
}
