//! The words of the vendor's SDK for what a session does.

use redial_core::{Adapter, Cause, Item, Notice, StopReason, SuspendReason};

use crate::adapter::Vonage;
use crate::policy::Refusal;

/// Says in the words of the vendor's SDK what a session does.
///
/// It sees what an application sees, and reads nothing else. The order is the seed's:
/// `disconnect` comes before the first `reconnecting`, `reconnecting` when its attempt begins, and
/// `reconnect` only when the session is confirmed.
///
/// ```
/// use redial_core::{Cause, ConnId, Item, Notice};
/// use redial_vonage::{Callback, Callbacks, DisconnectReason, Vonage};
///
/// let mut callbacks = Callbacks::new();
/// let lost = Item::<Vonage>::Notice(Notice::Offline { conn: ConnId::new(1), cause: Cause::Network });
/// let reason = DisconnectReason::ConnectionFailed;
/// assert_eq!(callbacks.see(&lost), Some(Callback::Disconnect { reason }));
/// assert_eq!(reason.as_str(), "CONNECTION_FAILED");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callbacks {
    /// Whether there has been a session.
    was_online: bool,
    /// Whether attempts of our own have been made, or planned, since the last one.
    tried: bool,
    /// Whether the attempt that is under way is one of these.
    automatic: bool,
    /// Whether the application was asked for a token: what follows is its own doing.
    asked: bool,
    /// Whether our own end has been told.
    ended: bool,
}

/// Something that the vendor's SDK would call back for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Callback {
    /// The session can be used, for the first time or after the application's own `connect()`.
    Ready,
    /// The connection is lost.
    Disconnect {
        /// Why.
        reason: DisconnectReason,
    },
    /// An automatic attempt begins.
    Reconnecting {
        /// Which, from 1 in each outage.
        retry_count: u16,
    },
    /// An automatic attempt has brought the session back.
    Reconnect,
    /// The window has closed in which the same session is certain to be there.
    WindowClosed,
    /// Nothing will happen until the application acts.
    Error {
        /// The vendor's type of the error.
        kind: &'static str,
    },
}

impl Callback {
    /// Returns the name: the SDK's, but for the end of the window, for which the SDK has none.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Disconnect { .. } => "disconnect",
            Self::Reconnecting { .. } => "reconnecting",
            Self::Reconnect => "reconnect",
            Self::WindowClosed => "session:window-closed",
            Self::Error { kind } => kind,
        }
    }
}

/// Why a connection was lost, in the seed's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The token has expired.
    TokenExpired,
    /// Anything else has happened to the connection.
    ConnectionFailed,
    /// The application has ended it.
    ClientDisconnected,
}

impl DisconnectReason {
    /// Returns the seed's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::ConnectionFailed => "CONNECTION_FAILED",
            Self::ClientDisconnected => "CLIENT_DISCONNECTED",
        }
    }

    const fn of(cause: Cause) -> Self {
        const EXPIRED: u16 = Refusal::TokenExpired as u16;
        match cause {
            Cause::Refused(EXPIRED) => Self::TokenExpired,
            Cause::Requested | OWN_LOGOUT => Self::ClientDisconnected,
            _ => Self::ConnectionFailed,
        }
    }
}

const OWN_LOGOUT: Cause = Cause::Refused(Refusal::OwnLogout as u16);

/// The error after the last automatic attempt.
pub const RECONNECTION_FAILED: &str = "error:client:reconnection_failed";

impl Callbacks {
    /// Makes one for a session that has not begun.
    #[must_use]
    pub const fn new() -> Self {
        Self { was_online: false, tried: false, automatic: false, asked: false, ended: false }
    }

    /// Sees an item of the session. Every item must pass here, in its order.
    pub fn see(&mut self, item: &Item<Vonage>) -> Option<Callback> {
        match item {
            Item::Notice(notice) => self.see_notice(notice),
            // Where a token source answers, nobody sees this.
            Item::TokenNeeded { .. } => {
                self.asked = true;
                None
            }
            _ => None,
        }
    }

    fn see_notice(&mut self, notice: &Notice) -> Option<Callback> {
        match *notice {
            Notice::Connecting { attempt, .. } => {
                self.ended = false;
                let asked = core::mem::take(&mut self.asked);
                // What an earlier process has counted is nothing that this application was told of.
                self.automatic = attempt > 0 && self.tried && !asked;
                self.automatic.then_some(Callback::Reconnecting { retry_count: attempt })
            }
            Notice::Online { .. } => {
                let back = self.automatic && self.was_online;
                *self = Self { was_online: true, ..Self::new() };
                Some(if back { Callback::Reconnect } else { Callback::Ready })
            }
            Notice::Offline { cause, .. } => {
                self.asked = false;
                let reason = DisconnectReason::of(cause);
                self.ended = reason == DisconnectReason::ClientDisconnected;
                Some(Callback::Disconnect { reason })
            }
            Notice::RetryScheduled { cause, .. } => {
                // What begins with being held back is the application's own: nothing has failed.
                self.tried |= cause != Cause::Held;
                None
            }
            Notice::ResumeExpired => Some(Callback::WindowClosed),
            Notice::Suspended { reason } => self.see_suspended(reason),
            Notice::Stopped { reason: StopReason::Requested | StopReason::Policy(OWN_LOGOUT) } => {
                let told = core::mem::replace(&mut self.ended, true);
                let reason = DisconnectReason::ClientDisconnected;
                (!told).then_some(Callback::Disconnect { reason })
            }
            Notice::Stopped {
                reason: StopReason::Policy(cause) | StopReason::TokenRejected(cause),
            } => Some(Callback::Error { kind: kind(cause) }),
            _ => None,
        }
    }

    fn see_suspended(&mut self, reason: SuspendReason) -> Option<Callback> {
        self.asked = false;
        let tried = core::mem::take(&mut self.tried);
        match reason {
            // Where no attempt is made there is none that can fail.
            SuspendReason::AttemptsExhausted(_) => {
                tried.then_some(Callback::Error { kind: RECONNECTION_FAILED })
            }
            SuspendReason::Policy(cause) => Some(Callback::Error { kind: kind(cause) }),
        }
    }
}

fn kind(cause: Cause) -> &'static str {
    match cause {
        Cause::Refused(code) => Vonage::refusal_name(code),
        _ => "error:client:connection_failed",
    }
}
