//! What a test must know of a vendor to run its adapter through the [world](crate::world).

mod courier;
mod office;

use redial_core::http::{HttpRequest, HttpResponse};
use redial_core::{Adapter, Frame, Handshake, Secret, Timestamp};

use crate::conformance::Sent;

pub use courier::{Courier, Letter, Step};
pub use office::Office;

/// A vendor's server in memory, for one session, and what the application says to it.
///
/// A peer is made of the vendor's protocol alone: it uses no code of the adapter that it is to
/// test, or one misreading would hide in both. It does what a good server does; what goes wrong is
/// the business of whoever runs it. [`Office`] is a small one to copy.
pub trait Peer {
    /// The adapter that speaks with this server.
    type Adapter: Adapter;

    /// Makes the adapter of a new process.
    fn adapter(&self) -> Self::Adapter;

    /// Makes the message with this number. The number can be read off what is written.
    fn message(&mut self, number: u64) -> <Self::Adapter as Adapter>::Outgoing;

    /// Returns which message something carries that was written; `None`: it is no message.
    fn read(&self, written: Sent<'_>) -> Option<Carried>;

    /// A dial arrives.
    ///
    /// # Errors
    ///
    /// With the status that answers the upgrade instead of 101.
    fn handle_dial(&mut self, now: Timestamp, handshake: &Handshake) -> Result<(), u16>;

    /// The socket is open.
    fn handle_opened(&mut self, now: Timestamp, said: &mut Vec<Frame>);

    /// A text or binary frame arrives. Pings are answered by whoever runs this.
    fn handle_frame(&mut self, now: Timestamp, frame: &Frame, said: &mut Vec<Frame>);

    /// An HTTP request arrives.
    fn handle_http(&mut self, now: Timestamp, request: &HttpRequest) -> HttpResponse;

    /// The application is asked for a token.
    fn token(&mut self, now: Timestamp) -> Option<Secret> {
        let _ = now;
        None
    }

    /// The tokens that were given are worth nothing from now on.
    fn revoke(&mut self) {}

    /// The session is forgotten.
    fn forget(&mut self) {}
}

/// A message on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its number.
    pub number: u64,
    /// Its id on the wire, the same each time it is written.
    pub id: String,
}
